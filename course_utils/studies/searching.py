"""Visual search for the studies: pictures are turned into numbers, and a picture is what the nearest picture shows.

`Search` holds a gallery, some pictures of each thing, and answers with the largest cosine between the numbers of a
picture and those of each thing's gallery, or with that to their mean. So it is a classifier of things, with gradients.
What makes the numbers is the transformer, which was trained for that, or a classifier of ImageNet without its last
layer.
"""

import copy
import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.images.photographs import SIDE
from course_utils.studies import photos, transformer

SHARP = 20.0  # of the softmax over cosines: only an attack's gradients depend on it
GALLERY, SMALLEST = 6, 0.6  # crops of a photograph, and the least side of a crop as a share of its shorter side


class Search(nn.Module):
    """Logits ``(N, things)`` of images: SHARP times the largest cosine with an image of each thing's gallery.

    With ``means`` a thing is the mean of its gallery's numbers, each of length 1, instead.
    """

    def __init__(self, embedder: nn.Module, gallery: Tensor, labels: Tensor, *, means: bool = False):
        super().__init__()
        self.embedder = embedder
        with torch.no_grad():
            points = F.normalize(torch.cat([embedder(part) for part in gallery.split(20)]), dim=1)
        things = [points[labels == k] for k in range(int(labels.max()) + 1)]
        if means:
            things = [F.normalize(each.mean(0, keepdim=True), dim=1) for each in things]
        self.things = nn.ParameterList(nn.Parameter(each, False) for each in things)

    def forward(self, images: Tensor) -> Tensor:
        found = F.normalize(self.embedder(images), dim=1)
        return SHARP * torch.stack([(found @ points.T).amax(1) for points in self.things], 1)


@functools.lru_cache(4)
def embedder(name: str) -> nn.Module:
    """What makes numbers of pictures: the "transformer", "mobilenet_v2" or "efficientnet_lite0" less its last layer."""
    if name == "transformer":
        return transformer.vit_s14()
    model = copy.deepcopy(photos.namer(name))
    last = [place for place, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    parent, _, name = last.rpartition(".")
    setattr(model.get_submodule(parent), name, nn.Identity())
    return model


def crops(name: str, number: int, generator: torch.Generator) -> Tensor:
    """Squares of a photograph at random places and in sizes from SMALLEST on: ``(number, 3, 224, 224)``."""
    from torchvision.transforms.v2.functional import resized_crop

    pixels = torch.from_numpy(photos.raw(name).copy())
    pixels = (pixels if pixels.ndim == 3 else pixels[..., None].expand(-1, -1, 3)).permute(2, 0, 1).float() / 255
    found = []
    for size, down, right in torch.rand(number, 3, generator=generator).tolist():
        side = int(min(pixels.shape[1:]) * (SMALLEST + (1 - SMALLEST) * size))
        top, left = int(down * (pixels.shape[1] - side)), int(right * (pixels.shape[2] - side))
        found.append(resized_crop(pixels, top, left, side, side, [SIDE, SIDE], antialias=True))
    return torch.stack(found).clamp(0, 1)


@functools.lru_cache(4)
def search(name: str) -> Search:
    """A search among all photographs, by the mean of GALLERY crops of each; its things are `photos.EVERY`, in order."""
    generator = torch.Generator().manual_seed(0)
    gallery = torch.cat([crops(each, GALLERY, generator) for each in photos.EVERY])
    labels = torch.arange(len(photos.EVERY)).repeat_interleave(GALLERY)
    return Search(embedder(name), gallery, labels, means=True).eval()
