"""N6-face: is a face a face with its eyes, nose and mouth anywhere?

Both eyes, the nose and the mouth of a small face are cut out as discs of 15 pixels about the points that the O-Net
itself finds, and the face is painted over there in its mean grey. Twenty times the four discs are set down anywhere, so
that none covers another; and twenty times, at the same places, four scraps of pictures without a face. What is left of
the head is the same in both, and so is what the discs cover. The discs set back in place are the other end: the share
with parts anywhere is held against half-way between that and the scraps.

Beside it stand the parts set back among grey discs at those places, since parts anywhere leave grey discs behind;
scraps in the places of the parts; and the face painted over with no disc at all. If scraps are never a face, a network
for which parts are enough gives 0.5, and one that needs them in place gives -0.5.
"""

import functools

import skimage
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import evaluation, faces
from course_utils.faces.detector import THRESHOLDS, CascadeNet
from course_utils.images.collage import paste
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

SIDE, DISC, PARTS, DRAWS, FACES = 48, 15, 4, 20, 100
ROOM = SIDE - DISC  # the last row and column for a disc's corner


@functools.cache
def pictures() -> Tensor:
    """Scikit-image's 100 small grey faces and 100 pictures without one: ``(200, 1, 48, 48)``."""
    small = torch.from_numpy(skimage.data.lfw_subset()).float()[:, None]
    return F.interpolate(small, (SIDE, SIDE), mode="bicubic").clamp(0, 1)


def taken(onet: CascadeNet, images: Tensor) -> list[int]:
    """How many of the images the O-Net takes for faces, by MTCNN's own threshold, and of how many."""
    p = evaluation.logits(onet, images.expand(-1, 3, -1, -1)).softmax(1)[:, 1]
    return [int((p > THRESHOLDS[2]).sum()), len(images)]


@torch.no_grad()
def own_places(onet: CascadeNet, face: Tensor) -> Tensor:
    """Row and column of the upper left pixel of both eyes', the nose's and the mouth's window: int64 ``(4, 2)``."""
    points = onet.look(face.expand(-1, 3, -1, -1))[2].view(2, 5).T * SIDE  # x and y of five points
    middles = torch.cat([points[:3], points[3:].mean(0, keepdim=True)])
    return (middles.flip(1) - DISC // 2).round().long().clamp(0, ROOM)


def anywhere(number: int, generator: torch.Generator) -> Tensor:
    """Places for four discs that do not cover each other, drawn evenly: int64 ``(number, 4, 2)``."""
    found = torch.empty(0, PARTS, 2, dtype=torch.int64)
    while len(found) < number:
        drawn = torch.randint(ROOM + 1, (100, PARTS, 2), generator=generator)
        gaps = torch.cdist(drawn.double(), drawn.double()) + SIDE * torch.eye(PARTS)
        found = torch.cat([found, drawn[gaps.amin((1, 2)) >= DISC]])
    return found[:number]


def discs(images: Tensor, corners: Tensor) -> Tensor:
    """What lies in a disc of each image ``(N, 1, 48, 48)`` at its corner ``(N, 2)``, with alpha: an element each."""
    edge = torch.linspace(-1, 1, DISC)
    alpha = ((1.15 - (edge[:, None] ** 2 + edge**2).sqrt()) * 4).clamp(0, 1)  # a soft edge of two pixels
    rows = zip(images, corners.tolist(), strict=True)
    cut = torch.stack([image[:, row : row + DISC, column : column + DISC] for image, (row, column) in rows])
    return torch.cat([cut, alpha.expand(len(cut), 1, DISC, DISC)], 1)


def set_down(images: Tensor, elements: Tensor, places: Tensor) -> Tensor:
    """Four elements ``(N, 4, 2, 15, 15)`` at their places ``(N, 4, 2)`` in each image; N may be 1 in any of them."""
    number = max(map(len, (images, elements, places)))
    images, places = images.expand(number, -1, -1, -1), places.expand(number, -1, -1)
    for k in range(PARTS):
        images = paste(images, elements[:, k], places[:, k], DISC)
    return images


def scraps(number: int, generator: torch.Generator) -> Tensor:
    """Four discs for each of so many images, out of pictures without a face: ``(number, 4, 2, 15, 15)``."""
    rows = FACES + torch.randint(len(pictures()) - FACES, (number * PARTS,), generator=generator)
    corners = torch.randint(ROOM + 1, (number * PARTS, 2), generator=generator)
    return discs(pictures()[rows], corners).unflatten(0, (number, PARTS))


def versions(onet: CascadeNet, face: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """A face ``(1, 1, 48, 48)`` with its parts anywhere, with scraps there, and what stands beside."""
    own, places = own_places(onet, face)[None], anywhere(DRAWS, generator)
    parts = discs(face.expand(PARTS, -1, -1, -1), own[0])[None]
    grey = torch.cat([face.mean().expand_as(parts[:, :, :1]), parts[:, :, 1:]], 2)
    plain, other = set_down(face, grey, own), scraps(DRAWS, generator)
    return {
        "anywhere": set_down(plain, parts, places),
        "scraps": set_down(plain, other, places),
        "set back": set_down(plain, parts, own),
        "set back among grey": set_down(set_down(plain, grey, places), parts, own),
        "scraps in place": set_down(plain, other, own),
        "painted over": plain,
    }


def half_way(face: Tensor, generator: torch.Generator) -> dict:
    """How far the share with the parts anywhere is above half-way, and [faces, images] of each version."""
    onet = faces.nets("cpu").onet
    if taken(onet, face) == [0, 1]:
        raise ValueError("the network does not take it for a face: it cannot be asked")
    found = {name: taken(onet, images) for name, images in versions(onet, face, generator).items()}
    share = {name: k / n for name, (k, n) in found.items()}
    return {"value": round(share["anywhere"] - (share["set back"] + share["scraps"]) / 2, 4), **found}


def parts_anywhere(row: int, generator: torch.Generator) -> dict:
    """`half_way` of one of scikit-image's faces."""
    return half_way(pictures()[row : row + 1], generator)


STUDIES = (Study(RULES["N6-face"], {str(row): row for row in range(FACES)}, parts_anywhere),)
