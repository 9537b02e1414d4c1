"""B9: does every method of training take pictures that show no digit for digits, if it may refuse?

Four methods learn from the same 20,000 digits: softmax, softmax with a null class for noise and blots, radial basis
functions, and one Gaussian a class. Each says how sure it is, and refuses what it is less sure of than of 95 % of 1,000
test digits. They meet uniform noise, ink blots of other draws than the null class has seen, or images climbed from
noise against the method itself in 300 steps, its refusal included. Pictures nearer to a training digit than 99 % of
those test digits are left out, so that the nearest digit as a method would refuse all others by construction: it is not
asked. Nor is a method that fewer than 20 pictures are left of: its climbs end at digits. On one half of the pictures
the method that takes the smallest share for digits is chosen; on the other half it counts. Every unit trains anew.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils import evaluation, models, objectives, training
from course_utils.data import Split
from course_utils.fooling.ascent import ascend
from course_utils.images.illusions import ink_blots
from course_utils.manifold.neighbours import nearest
from course_utils.manifold.reject_option import RejectOption
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits

LEARN, HELD, STRANGE, EACH, STEPS, FEWEST = 20_000, 1000, 1500, 60, 300, 20
KEEP, FAR, GOOD = 0.95, 0.99, 0.9
KINDS = ("noise", "blots", "climbed")


class Doubt(nn.Module):
    """The score of a method: minus how sure it is, from its logits."""

    def __init__(self, model: nn.Module, sure: Callable[[Tensor], Tensor]):
        super().__init__()
        self.model, self.sure = model, sure

    def forward(self, images: Tensor) -> Tensor:
        return -self.sure(self.model(images))


class Digits(nn.Module):
    """The ten digits' logits of a network that has a null class, too."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)[:, :10]


def strange(number: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Pictures of nothing: uniform noise, and chalk blots on a board."""
    noise = torch.rand(number, 1, 28, 28, generator=generator)
    return {"noise": noise, "blots": (1 - ink_blots(number, size=28, generator=generator)).clamp(0, 1)}


def lead(logits: Tensor) -> Tensor:
    """By how much the best of ten logits is above all others together: the log-odds of softmax."""
    best, label = logits[:, :10].max(1)
    return best - evaluation.without(logits, label).logsumexp(1)


def methods(split: Split, generator: torch.Generator) -> dict[str, tuple[nn.Module, nn.Module]]:
    """Each method's network of ten classes, and its doubt."""
    how = dict(generator=generator, progress=False)
    lenet = objectives.train(models.LeNet5, split, training.cross_entropy, **how)
    rubbish = torch.cat(list(strange(STRANGE, generator).values()))
    more = torch.cat([split.labels, torch.full((len(rubbish),), 10)])
    both = Split(torch.cat([split.images, rubbish]), more)
    wide = objectives.train(
        lambda: nn.Sequential(*list(models.LeNet5())[:-1], nn.Linear(84, 11)), both, training.cross_entropy, **how
    )
    rbf, dense = objectives.rbf_lenet(split, **how), objectives.gaussians(split)
    return {
        "softmax": (lenet, Doubt(lenet, lead)),
        "null class": (Digits(wide), Doubt(wide, lead)),
        "RBF": (rbf, Doubt(rbf, lambda logits: logits.amax(1))),
        "Gaussians": (dense, Doubt(dense, lambda logits: logits.logsumexp(1))),
    }


@torch.no_grad()
def refusing(model: nn.Module, doubt: nn.Module, images: Tensor) -> RejectOption:
    """The method with a refusal that lets KEEP of these images in."""
    scores = torch.cat([doubt(part) for part in images.split(200)])
    return RejectOption(model, doubt, scores.quantile(KEEP).item(), unit=scores.std().item())


def least(taken: dict[str, Tensor]) -> tuple[str, list[int]]:
    """The method that takes least in the even places, and in the odd ones how many it takes, and of how many."""
    if not taken:
        raise ValueError(f"no method reads digits rightly and has {FEWEST} pictures off the manifold to be asked about")
    best = min(taken, key=lambda name: taken[name][::2].double().mean().item())
    return best, [int(taken[best][1::2].sum()), len(taken[best][1::2])]


def accepted_by_best(kind: str, generator: torch.Generator) -> dict:
    """(taken for a digit, pictures) of the best method for a kind of picture; which it is; and the same of all."""
    train, test = digits().train, digits().test
    split = train[torch.randperm(len(train), generator=generator)[:LEARN]]
    held = test[torch.randperm(len(test), generator=generator)[:HELD]]
    border = nearest(held.images, split.images, 1, progress=False).distances[:, 0].quantile(FAR)
    targets, taken, shares = torch.arange(10).repeat_interleave(EACH // 10), {}, {}  # all ten in even and odd places
    given, how = strange(EACH, generator).get(kind), dict(steps=STEPS, generator=generator, progress=False)
    for name, (model, doubt) in methods(split, generator).items():
        careful = refusing(model, doubt, held.images)
        images = ascend(careful, targets, **how) if given is None else given
        off = nearest(images, split.images, 1, progress=False).distances[:, 0] > border
        said, right = careful.accepted(images)[off], evaluation.predict(model, held.images).labels == held.labels
        shares[name] = {"taken, of": [int(said.sum()), len(said)], "right": round(right.double().mean().item(), 4)}
        if shares[name]["right"] >= GOOD and len(said) >= FEWEST:
            taken[name] = said
    best, value = least(taken)
    return {"value": value, "best": best, "methods": shares, "factor": kind}


def _units(first: int, number: int) -> dict[str, str]:
    """So many trainings for each kind of picture, numbered ten on: a unit draws all from its own generator."""
    return {
        f"{kind} {place}": kind
        for start, kind in enumerate(KINDS)
        for place in range(first + 10 * start, first + 10 * start + number)
    }


STUDIES = (Study(RULES["B9"], _units(0, 10), accepted_by_best, again=_units(30, 5)),)
