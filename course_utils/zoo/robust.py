"""Networks that were trained to resist: their weights in ``data/models``, and the recipes that make them again.

Training against the worst perturbation within a budget costs several times an ordinary training, minutes where a lesson
has seconds. So the course ships what came of it. A file is safetensors: it holds numbers and notes, no code. Its notes
are the recipe, a checksum, and what was measured on the way. `retrain` follows the recipe anew:

    deep-flaw retrain small-fast
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from course_utils import data, evaluation, models, runtime
from course_utils.attacks import fgsm, pgd
from course_utils.core import storage
from course_utils.core.checks import no_such
from course_utils.data import Split
from course_utils.defenses.adversarial import OneStep, Trades
from course_utils.defenses.distillation import distil
from course_utils.defenses.evaluate import robust_accuracy
from course_utils.defenses.intervals import IntervalLoss, Provable, verified
from course_utils.defenses.smoothing import NoisyLoss, certify
from course_utils.training import History, fit
from course_utils.zoo.recipe import Recipe

FOLDER = data.FOLDER / "models"
JUDGED, WATCHED = slice(1000), slice(5000, 5300)  # of the test digits: for `RobustRecipe.measured`, and for `history`


@dataclass(frozen=True)
class RobustRecipe(Recipe):
    """A recipe with what its network could do when it was shipped.

    ``measured`` is what ``measure(model, split)`` gave for the first 1,000 test digits: fractions in [0, 1]. ``watch``
    is the budget at which the training is looked at after each round, for `history`; 0 is a training without.
    """

    measure: Callable[[nn.Module, Split], dict[str, float]]
    measured: dict[str, float]
    watch: float = 0.0


def under_attack(model: nn.Module, split: Split, *, eps: float) -> dict[str, float]:
    """The accuracy of ``model``: "clean", under "pgd-100", and under the "worst" of all attacks."""
    report = robust_accuracy(model, split.images, split.labels, eps, queries=500, progress=False)
    return {name: report.accuracy()[name] for name in ("clean", "pgd-100", "worst")}


def proved(model: nn.Module, split: Split, *, eps: float) -> dict[str, float]:
    """The accuracy of ``model``: "clean", and "proved" by `intervals` for all perturbations within ``eps``."""
    sure = verified(model, split.images, split.labels, eps)
    return {"clean": evaluation.accuracy(model, split), "proved": sure.double().mean().item()}


def certified(model: nn.Module, split: Split, *, sigma: float) -> dict[str, float]:
    """The accuracy of ``model``: "clean"; and of the first 200, smoothed and "certified" for a radius of ``sigma``."""
    few = split[:200]
    found = certify(model, few.images, sigma, progress=False)
    return {"clean": evaluation.accuracy(model, split), "certified": found.accuracy(few.labels, radius=sigma)}


def _attacked(
    build: Callable, train: partial, eps: float, clean: float, pgd: float, worst: float, watch: float = 0.0
) -> RobustRecipe:
    measured = {"clean": clean, "pgd-100": pgd, "worst": worst}
    return RobustRecipe(build, train, partial(under_attack, eps=eps), measured, watch)


def _noisy(sigma: float, clean: float, fraction: float) -> RobustRecipe:
    train, measure = partial(fit, loss=NoisyLoss(sigma), epochs=4), partial(certified, sigma=sigma)
    return RobustRecipe(models.Strided, train, measure, {"clean": clean, "certified": fraction})


BOUNDED = partial(fit, loss=IntervalLoss(0.11, warmup=0.4, kappa=0.0, shift=1), epochs=27, decay=0.0)
RECIPES = {
    "small-fast": _attacked(
        models.Strided, partial(fit, loss=OneStep(0.3), epochs=10), 0.3, clean=0.990, pgd=0.664, worst=0.645, watch=0.3
    ),
    "small-trades": _attacked(
        models.Strided, partial(fit, loss=Trades(0.3), epochs=12, lr=3e-3), 0.3, clean=0.971, pgd=0.912, worst=0.901
    ),
    "caffe-robust": _attacked(
        models.CaffeLeNet, partial(fit, loss=Trades(0.3), epochs=8, lr=3e-3), 0.3, clean=0.948, pgd=0.570, worst=0.476
    ),
    "caffe-collapsed": _attacked(
        models.CaffeLeNet,
        partial(fit, loss=OneStep(0.3), epochs=8),
        0.3,
        clean=0.988,
        pgd=0.176,
        worst=0.115,
        watch=0.3,
    ),
    "distilled": _attacked(
        models.LeNet5, partial(distil, temperature=100.0, epochs=2, lr=0.01), 0.1, clean=0.985, pgd=0.970, worst=0.608
    ),
    "small-ibp": RobustRecipe(Provable, BOUNDED, partial(proved, eps=0.1), {"clean": 0.989, "proved": 0.954}),
    "noise-0.25": _noisy(0.25, 0.987, 0.99),
    "noise-0.5": _noisy(0.5, 0.984, 0.97),
    "noise-1": _noisy(1.0, 0.968, 0.645),
}


def shipped(name: str) -> tuple[nn.Module, dict[str, str]]:
    """A shipped network, a key of `RECIPES`, and the notes in its file. An OSError says how to mend it."""
    recipe, file = recipe_of(name), weights_file(name)
    again = f"`git checkout -- data/models/{file.name}` brings it back, `deep-flaw retrain {name}` trains it again"
    model = recipe.fresh()
    try:
        return model, storage.restore(model, file, recipe.stamp())
    except FileNotFoundError:
        raise FileNotFoundError(f"{file} is missing: {again}") from None
    except (OSError, ValueError) as error:
        raise OSError(f"{file} cannot be used ({error}): {again}") from error


def history(name: str) -> dict[str, list[float]]:
    """The accuracies of a network after each round of its training: "clean", under "fgsm", under "pgd" with 20 steps.

    In [0, 1], on 300 test digits, at the budget ``RECIPES[name].watch``.
    """
    if not recipe_of(name).watch:
        watched = ", ".join(other for other, recipe in RECIPES.items() if recipe.watch)
        raise ValueError(f"the training of {name!r} was not watched; that of these was: {watched}")
    return json.loads(shipped(name)[1]["history"])


def retrain(name: str, *, device: torch.device | str | None = None, progress: bool = True) -> dict[str, float]:
    """Train a shipped network again by its recipe, put it in the place of its file, and say what was measured."""
    recipe, device = recipe_of(name), runtime.device() if device is None else torch.device(device)
    digits, model, generator = data.mnist(device), recipe.fresh(), torch.Generator().manual_seed(0)
    few, seen = digits.test[WATCHED], {"clean": [], "fgsm": [], "pgd": []}

    def look(_: History) -> None:
        seen["clean"].append(evaluation.accuracy(model, few))
        for key, attack in {"fgsm": fgsm, "pgd": partial(pgd, steps=20, progress=False)}.items():
            attacked = attack(model, few.images, few.labels, recipe.watch)
            seen[key].append(evaluation.accuracy(model, Split(attacked, few.labels)))

    watch = dict(on_report=look, every=None) if recipe.watch else {}
    if not recipe.train(model, digits.train, generator=generator, progress=progress, **watch).finished:
        raise KeyboardInterrupt(f"{weights_file(name).name} is as it was")
    measured = recipe.measure(model.eval(), digits.test[JUDGED])
    FOLDER.mkdir(exist_ok=True)
    storage.store(model, weights_file(name), recipe.stamp(), history=json.dumps(seen), measured=json.dumps(measured))
    return measured


def weights_file(name: str) -> Path:
    return FOLDER / f"{name}.safetensors"


def recipe_of(name: str) -> RobustRecipe:
    if name not in RECIPES:
        raise no_such("shipped network", name, RECIPES)
    return RECIPES[name]
