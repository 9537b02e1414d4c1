"""B3: how often does a search for a nonsensical label succeed that may only choose among images a camera can take?

A small convolutional network learns five rendered objects of the same three parts from 50,000 views. From a random pose
of one object a search climbs the log-probability of the name of another for 100 steps of Adam in the seven numbers of
the camera, within its reach, and keeps the surest view. There are five searches for each pair of object and name. How
many succeed depends on how long one searches, so that this is the factor: a search has one random start, or ten.

It succeeds at 95 % or more, unless another object can make the same picture: then a name is no nonsense. That is asked
of the renderer: from the three views of each other object that are nearest among the 50,000, damped Gauss-Newton steps
over its poses; within twice what rounding to 256 levels moves, two pictures are the same. That such a search finds what
there is to find is tried on fresh views of known objects, whose poses are hidden from it.

A network with the ordinary few errors may have no view for most wrong names, or one for each. Beside the value stand
the same search over all pixels, from one view; the wrong names at 95 % among views that nobody chose; and images grown
from noise through judges learnt from the views, which succeed where the name is at 95 % and the judge accepts.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, models
from course_utils.data import Split
from course_utils.fooling.ascent import ascend
from course_utils.images.scenes import OBJECTS, REACH, random_poses
from course_utils.manifold import Neighbour, RejectOption, autoencoder, closest, nearest, off_manifold, threshold
from course_utils.studies.b1 import FREE, ROUNDING
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network
from course_utils.training import fit
from course_utils.zoo.recipe import Recipe

VIEWS, FRESH, SURE = 50_000, 5_000, 0.95
EACH, STEPS, STEP, PIXEL = 5, 100, 0.15, 0.02  # searches a pair; steps of Adam, in reaches and in pixel units
STARTS = {"one start": 1, "ten starts": 10}
NEAREST, LOOKS, BEYOND = 3, 10, 1.3  # of the search over another object's poses, a little beyond the reach
KNOWN, HIDDEN = 10_000, 20  # views that the judge of neighbours keeps; fresh ones whose poses are searched for
SCENES, SIDE = list(OBJECTS.values()), 28
CAMERA = REACH[:FREE]


def Objects() -> nn.Sequential:
    """LeNet-5 with five outputs."""
    return nn.Sequential(*list(models.LeNet5())[:-1], nn.Linear(84, len(SCENES)))


RECIPE = Recipe(Objects, partial(fit, epochs=2))


def shoot(poses: Tensor, labels: Tensor) -> Tensor:
    """Views of objects: poses ``(N, 7)`` and which object each shows -> images ``(N, 1, 28, 28)``."""
    rows = [(labels == k).nonzero()[:, 0] for k in range(len(SCENES))]
    seen = [scene.render(poses[own]) for scene, own in zip(SCENES, rows, strict=True) if len(own)]
    return torch.cat(seen)[torch.cat(rows).argsort()]


def album(number: int, generator: torch.Generator) -> tuple[Tensor, Split]:
    """Random poses, and views of the five objects in turn from them."""
    poses, labels = random_poses(number, generator=generator)[:, :FREE], torch.arange(number) % len(SCENES)
    return poses, Split(shoot(poses, labels), labels)


def pairs() -> tuple[Tensor, Tensor]:
    """Each object with each other object's name, five times."""
    both = torch.cartesian_prod(torch.arange(len(SCENES)), torch.arange(len(SCENES)))
    return both[both[:, 0] != both[:, 1]].repeat(EACH, 1).unbind(1)


def climb(
    model: nn.Module, show: Callable[[Tensor], Tensor], start: Tensor, names: Tensor, box: Tensor, step: float
) -> tuple[Tensor, Tensor]:
    """From each start the numbers in a box, ``(2,)``, whose image the model is surest to call its name; and how sure.

    One optimiser state for each number, as if each search were alone.
    """
    numbers, best, surest = start.clone().requires_grad_(), start.clone(), torch.full((len(start),), -torch.inf)
    optimiser = torch.optim.Adam([numbers], lr=step)
    for _ in range(STEPS + 1):
        loss = F.cross_entropy(model(show(numbers)), names, reduction="none")
        better = -loss.detach() > surest
        best[better], surest[better] = numbers.detach()[better], -loss.detach()[better]
        (numbers.grad,) = torch.autograd.grad(loss.sum(), numbers)
        optimiser.step()
        numbers.data.clamp_(*box.tolist())
    return best, surest.exp()


def others(images: Tensor, labels: Tensor, poses: Tensor, views: Split) -> Tensor:
    """How near pictures of each object come, from a search over its poses: root mean square ``(N, 5)``.

    It is infinite for the object that the image shows.
    """
    found = torch.full((len(images), len(SCENES)), torch.inf)
    for k, scene in enumerate(SCENES):
        asked, own = (labels != k).nonzero()[:, 0], views.labels == k
        if len(asked):
            rows = nearest(images[asked], views.images[own], NEAREST, progress=False).rows
            start, wanted = poses[own][rows].flatten(0, 1), images[asked].repeat_interleave(NEAREST, 0)
            how = dict(bound=BEYOND * CAMERA, steps=LOOKS, progress=False)
            distances = closest(scene.render, wanted, start, **how).distances.view(-1, NEAREST)
            found[asked, k] = distances.amin(1) / SIDE
    return found


def grown(model: nn.Module, views: Split, fresh: Split, generator: torch.Generator) -> dict[str, dict]:
    """For two judges: the share of grown images that are named and accepted, and how far these are from any view."""
    how, aims = dict(generator=generator, progress=False), torch.arange(len(SCENES)).repeat(20)
    judges = {
        "5th neighbour": Neighbour(views.images[:KNOWN]),
        "autoencoder": autoencoder(views.images, epochs=2, **how),
    }
    told = {}
    for name, judge in judges.items():
        inside = off_manifold(judge, fresh.images[:1000])
        fence = RejectOption(model, judge, threshold(inside), unit=inside.std().item())
        images = ascend(fence, aims, steps=STEPS, **how)
        sure = evaluation.logits(model, images).softmax(1).gather(1, aims[:, None])[:, 0] >= SURE
        won = images[sure & fence.accepted(images)]
        far = nearest(won, views.images, 1, progress=False).distances.median().item() / SIDE if len(won) else None
        told[name] = {"named and accepted": len(won) / len(aims), "to the nearest view": far and round(far, 4)}
    return told


def search(
    model: nn.Module, labels: Tensor, names: Tensor, starts: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """For each object and name the surest view that climbs from random poses end at, and how sure the model is."""
    best, surest = torch.zeros(len(labels), 1, SIDE, SIDE), torch.full((len(labels),), -1.0)
    for _ in range(starts):
        start = 2 * torch.rand(len(labels), FREE, generator=generator) - 1
        at, sure = climb(model, lambda at: shoot(at * CAMERA, labels), start, names, torch.tensor([-1.0, 1.0]), STEP)
        better = sure > surest
        best[better], surest[better] = shoot(at * CAMERA, labels)[better], sure[better]
    return best, surest


def misnamed(unit: list, generator: torch.Generator) -> dict:
    """(searches that end at a wrong name, searches); and what stands beside."""
    seed, starts = unit
    poses, views = album(VIEWS, torch.Generator().manual_seed(1000 + seed))
    model = network("b3-objects", seed, RECIPE, views).requires_grad_(False)
    (chosen, fresh), (labels, names) = album(FRESH, generator), pairs()
    images, sure = search(model, labels, names, STARTS[starts], generator)
    found = sure >= SURE
    near = others(images[found], labels[found], poses, views)
    same = near.amin(1) <= 2 * ROUNDING
    kept = {
        "value": [int((~same).sum()), len(labels)],
        "factor": starts,
        "top": seed,
        "left out, since another object looks the same": int(same.sum()),
        "nearest picture of the named object": _quartiles(near.gather(1, names[found][:, None])[:, 0]),
    }
    if STARTS[starts] > 1:  # what stands beside is the same network's
        return kept
    hidden = fresh[:HIDDEN]
    back = others(hidden.images, (hidden.labels + 1) % len(SCENES), poses, views).amin(1)
    begin = shoot(chosen[: len(labels)], labels)
    free = climb(model, lambda at: at, begin, names, torch.tensor([0.0, 1.0]), PIXEL)[1]
    said = evaluation.predict(model, fresh.images)
    wrong = (said.labels != fresh.labels) & (said.confidences >= SURE)
    far = nearest(fresh.images[:1000], views.images, 1, progress=False).distances[:, 0] / SIDE
    return kept | {
        "hidden poses found": round((back <= 2 * ROUNDING).double().mean().item(), 4),
        "error on fresh views": round(1 - evaluation.accuracy(model, fresh), 4),
        "wrong names at 95 % on fresh views": round(wrong.double().mean().item(), 4),
        "search over all pixels": round((free >= SURE).double().mean().item(), 4),
        "grown through a judge": grown(model, views, fresh, generator),
        "fresh views, to the nearest view": _quartiles(far),
    }


def _quartiles(values: Tensor) -> list[float]:
    return [round(each, 4) for each in values.quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()] if len(values) else []


def _units(first: int, number: int) -> dict[str, list]:
    return {f"{starts} {seed}": [seed, starts] for starts in STARTS for seed in range(first, first + number)}


STUDIES = (Study(RULES["B3"], _units(0, 10), misnamed, again=_units(10, 5)),)
