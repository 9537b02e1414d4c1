"""B5: what the boundary of a LeNet-5 is made of: four sentences, a row each.

- linear: along segments between digits, logits half way between two neighbouring faces are compared with the mean of
  those at the faces. That is true by construction, and checks the ruler of the other rows.
- axes: how much of the squared length of a face's normal lies on a single pixel, for the faces around digits.
- span: how many units and pooling windows switch along the decision boundary near digits, so that it bends. In planes
  through a digit and the nearest boundary point the boundary is followed in steps of three degrees, within twice the
  shortest change; a unit counts once, if it switches between two neighbouring points and the margin depends on it at
  both. Two switches within a step are missed, and so are planes that were not drawn: it is a lower bound.
- leaves: effective pixels are moved alone to a million, up and down, exactly, from face to face.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import attacks, evaluation
from course_utils.core.tensors import length, spread, steepest
from course_utils.dimensions import boundary_distance
from course_utils.dimensions.regions import around_an_image, on_a_line, pieces
from course_utils.dimensions.single_pixels import EFFECTIVE
from course_utils.studies.b6 import read_rightly
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network, seeds

SEGMENTS, AROUND = 10, 20
DIGITS, PLANES, ANGLES = 8, 3, torch.linspace(-60, 60, 41).deg2rad()
MOVED, PIXELS, FAR = 20, 20, 1e6


@torch.no_grad()
def bend(model: nn.Module, start: Tensor, end: Tensor, line: on_a_line.Line) -> float:
    """The largest departure of the logits from straight lines between neighbouring faces, of their range."""
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    at = torch.cat([ends[:1], line.at, ends[1:]])
    middle = start.double() + spread((at[1:] + at[:-1]) / 2, start) * (end.double() - start.double())
    straight = (line.logits[1:] + line.logits[:-1]) / 2
    departure = (copy.deepcopy(model).double()(middle) - straight).abs().max()
    return (departure / (line.logits.max() - line.logits.min())).item()


def linear(seed: int, generator: torch.Generator) -> float:
    """The largest departure on any segment."""
    model = network("lenet5", seed)
    starts, ends = read_rightly(model, 2 * SEGMENTS, generator)[0].split(SEGMENTS)
    lines = on_a_line.crossings(model, starts, ends)
    pairs = zip(starts.split(1), ends.split(1), lines, strict=True)
    return float(f"{max(bend(model, *each) for each in pairs):.2g}")


def axes(seed: int, generator: torch.Generator) -> dict:
    """The median over faces, and the share of faces that are aligned with a pixel by more than half."""
    model = network("lenet5", seed)
    images = read_rightly(model, AROUND, generator)[0]
    found = [around_an_image.alignment(around_an_image.region_faces(model, each).normals) for each in images.split(1)]
    found = torch.cat(found)
    return {"value": round(found.median().item(), 4), "above 0.5": round((found > 0.5).double().mean().item(), 4)}


def switches(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Who wins in each unit and window, -1 where nothing is on, whether the margin needs it: ``(N, units)``.

    A unit of a window is needed if it has the window's value: the winner, or all of a window where nothing is on.
    """
    x, winners, outputs, highest = images.detach().requires_grad_(), [], [], {}
    with torch.enable_grad():
        for layer in pieces.piecewise_linear(model):
            before, x = x, layer(x)
            if isinstance(layer, pieces.CHOICES):
                off = (x <= 0).flatten(1) & isinstance(layer, nn.MaxPool2d)
                if isinstance(layer, nn.MaxPool2d) and outputs and outputs[-1] is before:
                    highest[len(outputs) - 1] = layer.kernel_size
                winners.append(pieces.winners(layer, before).long().masked_fill(off, -1))
                outputs.append(x)
        margin = evaluation.margin(x, labels)
        felt = [slope != 0 for slope in torch.autograd.grad(margin.sum(), outputs)]
    for number, size in highest.items():  # where nothing is on, the gradient goes to the first of the window alone
        window, needed = (F.interpolate(each[number + 1].float(), scale_factor=size) for each in (outputs, felt))
        felt[number] = (outputs[number] == window) & needed.bool()
    return torch.cat(winners, 1), torch.cat([each.flatten(1) for each in felt], 1)


def bends(model: nn.Module, images: Tensor, labels: Tensor, planes: int, generator: torch.Generator) -> Tensor:
    """At which units and windows the boundary near the images bends: bool ``(units,)``."""
    nearest = attacks.deepfool(model, images, labels, progress=False) - images
    shortest, ahead, found = length(nearest), steepest(nearest, "l2"), 0
    for _ in range(planes):
        other = torch.randn(images.shape, generator=generator)
        other = steepest(other - spread((other * ahead).flatten(1).sum(1), ahead) * ahead, "l2")
        for image, label, reach, *plane in zip(images, labels, shortest, ahead, other, strict=True):
            turned = spread(ANGLES.cos(), images) * plane[0] + spread(ANGLES.sin(), images) * plane[1]
            many, named = image.expand_as(turned), label.expand(len(turned))
            far = boundary_distance.ray(model, many, named, turned, far=2 * reach.item())
            at = many + spread(far.nan_to_num(posinf=0), turned) * turned
            winners, felt = switches(model, at, named)
            joined = (far[1:] - far[:-1]).abs() < reach / 4  # False where a ray met no boundary
            changed = (winners[1:] != winners[:-1]) & (winners[1:] >= 0) & (winners[:-1] >= 0)
            found = found | (felt[1:] & felt[:-1] & changed)[joined].any(0)
    return found


def span(seed: int, generator: torch.Generator) -> dict:
    """Units at which the boundary bends, over pixels; after half of the digits; and all units over pixels."""
    model = network("lenet5", seed)
    images, labels = read_rightly(model, DIGITS, generator)
    half = DIGITS // 2
    parts = zip(images.split(half), labels.split(half), strict=True)
    first, rest = (bends(model, *part, PLANES, generator) for part in parts)
    pixels = images[0].numel()
    found = {"value": (first | rest).sum(), "half of the digits": first.sum(), "all units": torch.tensor(len(first))}
    return {name: round(number.item() / pixels, 4) for name, number in found.items()}


def effective(model: nn.Module, image: Tensor) -> Tensor:
    """Which pixels of an image ``(1, C, H, W)`` are effective, as `single_pixels.effective` counts: bool ``(D,)``."""
    pixels = torch.eye(image.numel(), dtype=torch.bool).view(-1, *image.shape[1:])
    before = evaluation.logits(model, image)
    moved = [evaluation.logits(model, image.where(~pixels, end)) - before for end in (0.0, 1.0)]
    return torch.stack(moved).abs().amax((0, 2)) > EFFECTIVE


def leaves(seed: int, generator: torch.Generator) -> dict:
    """(effective pixels that leave the class, those moved), and the share that does so within [0, 1]."""
    model = network("lenet5", seed)
    images, out, inside = read_rightly(model, MOVED, generator)[0], [], []
    for image in images.split(1):
        (pixels,) = effective(model, image).nonzero(as_tuple=True)
        pixels = pixels[torch.randperm(len(pixels), generator=generator)[:PIXELS]]
        gone, near = leaving(model, image, pixels)
        out.append(gone)
        inside.append(near)
    out, inside = torch.cat(out), torch.cat(inside)
    return {"value": [int(out.sum()), len(out)], "within [0, 1]": round(inside.double().mean().item(), 4)}


def leaving(model: nn.Module, image: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Which pixels, alone, leave the class of an image ``(1, C, H, W)`` at all, and within [0, 1]: ``(P,)``."""
    gone, near = torch.zeros(2, len(pixels), dtype=torch.bool)
    start = image.double().expand(len(pixels), *image.shape[1:])
    for end in (-FAR, FAR):
        ends = start.flatten(1).scatter(1, pixels[:, None], end).view_as(start)
        for row, line in enumerate(on_a_line.crossings(model, start, ends)):
            now = start[row].flatten()[pixels[row]]
            values = now + line.decisions * (end - now)
            gone[row] |= len(values) > 0
            near[row] |= ((values >= 0) & (values <= 1)).any()
    return gone, near


SEEDS = dict(units=seeds(10), again=seeds(5, 10))
STUDIES = (
    Study(RULES["B5-linear"], measure=linear, **SEEDS),
    Study(RULES["B5-axes"], measure=axes, **SEEDS),
    Study(RULES["B5-span"], measure=span, **SEEDS),
    Study(RULES["B5-leaves"], measure=leaves, **SEEDS),
)
