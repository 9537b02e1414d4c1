"""S4: how much longer is the change that one step finds than the shortest that an iterative attack finds?

The step goes along one gradient of a LeNet-5, of the cross-entropy or of the margin, whichever needs less, at the best
of lengths 2 % apart. In L2 it goes along the gradient and is held against DeepFool, Carlini-Wagner and L-BFGS; in L-inf
along the signs, against DeepFool and PGD. Each norm has trainings of its own. Beside LeNet-5 stands softmax regression,
which is almost linear, so that one step can do about as well there.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation
from course_utils.attacks.distances import l2, linf
from course_utils.data import Split
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network

NUMBER, NEVER = 100, 100.0  # NEVER is the ratio of a digit that no single step turns
FINE, RADII = 1.02, torch.logspace(-0.3, -2, 60)  # steps between lengths; radii of PGD, from 0.5 to 0.01
RULERS, LONGEST = {"l2": l2, "linf": linf}, {"l2": 28.0, "linf": 1.0}  # a longer step than that only clips


def right_digits(models: Sequence[nn.Module], number: int, generator: torch.Generator) -> Split:
    """Test digits that all of the models read rightly, drawn at random."""
    test = digits().test
    right = torch.stack([evaluation.predict(model, test.images).labels == test.labels for model in models]).all(0)
    (rows,) = right.nonzero(as_tuple=True)
    return test[rows[torch.randperm(len(rows), generator=generator)[:number]]]


def shortest(model: nn.Module, split: Split, searches: Sequence[Callable], ruler: Callable) -> tuple[Tensor, Tensor]:
    """Of each image the nearest misclassified one that any search found, and how far it is; infinite without one."""
    best, size = split.images.clone(), torch.full((len(split),), torch.inf)
    for search in searches:
        found = search(model, split.images, split.labels)
        wrong = evaluation.predict(model, found).labels != split.labels
        nearer = wrong & (ruler(split.images, found) < size)
        best[nearer], size[nearer] = found[nearer], ruler(split.images, found)[nearer]
    return best, size


QUIET = dict(progress=False)
SEARCHES = {"l2": [partial(each, **QUIET) for each in (attacks.deepfool, attacks.carlini_wagner, attacks.lbfgs)]}


def shrinking_pgd(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """PGD on the margin in smaller and smaller boxes, until it fails."""
    best, rows = images.clone(), torch.arange(len(images))
    for eps in RADII.tolist():
        how = dict(loss="margin", start="clean", step_size="falling")
        found = attacks.pgd(model, images[rows], labels[rows], eps, **how, **QUIET)
        wrong = evaluation.predict(model, found).labels != labels[rows]
        rows, found = rows[wrong], found[wrong]
        best[rows] = found
        if not len(rows):
            break
    return best


SEARCHES["linf"] = [partial(attacks.deepfool, norm="linf", **QUIET), shrinking_pgd]


def one_step(model: nn.Module, split: Split, norm: str) -> Tensor:
    """The shortest length at which a step along one gradient is misclassified, of each image; infinite without one."""
    size, rows, length = torch.full((len(split),), torch.inf), torch.arange(len(split)), LONGEST[norm] / 1000
    while len(rows) and length <= LONGEST[norm]:
        images, labels = split.images[rows], split.labels[rows]
        how = dict(norm=norm, steps=1, step_size=length, loss="margin", start="clean", early_exit=False)
        for found in (
            attacks.fgsm(model, images, labels, length, norm=norm),
            attacks.pgd(model, images, labels, length, **how, **QUIET),
        ):
            wrong = evaluation.predict(model, found).labels != labels
            size[rows[wrong]] = RULERS[norm](images, found)[wrong].minimum(size[rows[wrong]])
        rows, length = rows[size[rows].isinf()], length * FINE
    return size


def ratios(model: nn.Module, split: Split, norm: str) -> Tensor:
    """How many times longer one step is than the shortest change that was found, by image."""
    _, least = shortest(model, split, SEARCHES[norm], RULERS[norm])
    return (one_step(model, split, norm) / least).nan_to_num(nan=NEVER, posinf=NEVER)


def by_step(unit: list, generator: torch.Generator) -> dict:
    """The median ratio; the share of digits that one step turns at all; softmax regression's median."""
    seed, norm = unit
    found = {}
    for name in ("lenet5", "fc10-1e-4"):
        model = network(name, seed)
        found[name] = ratios(model, right_digits([model], NUMBER, generator), norm)
    median, softmax = (round(found[name].quantile(0.5).item(), 3) for name in found)
    turned = round((found["lenet5"] < NEVER).double().mean().item(), 3)
    return {"value": median, "factor": norm, "turned by one step": turned, "softmax regression": softmax}


def _units(**firsts: tuple[int, int]) -> dict[str, list]:
    return {
        f"{norm} {seed}": [seed, norm]
        for norm, (first, number) in firsts.items()
        for seed in range(first, first + number)
    }


STUDIES = (
    Study(
        RULES["S4"],
        _units(l2=(0, 10), linf=(10, 10)),
        by_step,
        again=_units(l2=(10, 5), linf=(0, 5)),
    ),
)
