"""What proofs, robust accuracy and training on attacks cost beside the model's own passes in them.

usage: python benchmarks/defenses.py [--part votes]

The shipped networks and the first test digits. The sides run in turn, each after a warm-up, and the medians are
compared.
"""

import argparse
import copy
import statistics

import torch
from dimensions import beside, in_turn
from torch.nn import functional as F

from course_utils import data, evaluation, figures, models, runtime, training
from course_utils.core.tensors import portion, portions
from course_utils.defenses import adversarial, evaluate, intervals, smoothing
from course_utils.zoo import load

TURNS = 5
QUIET = dict(progress=False)


def seconds(sides, first):
    """A row for each side: seconds, and how many times as long as the first."""
    taken, _ = in_turn(sides, TURNS)
    rows = [[name, f"{statistics.median(t):.2f}", beside(t, taken[first])] for name, t in taken.items()]
    return figures.Table(["", "s", f"beside {first}"], rows)


def votes(digits):
    """`smoothing.certify`: 20 digits, 1,100 noisy copies each, beside forward passes of as many ready images."""
    model, images = load("noise-0.5"), digits.test.images[:20]
    size = portion(images)
    ready = torch.rand(size, 1, 28, 28)

    def bare():
        with torch.inference_mode():
            for _ in range(20 * 1100 // size):
                model(ready)

    print(
        seconds({"bare passes": bare, "certify": lambda: smoothing.certify(model, images, 0.5, **QUIET)}, "bare passes")
    )


def boxes(digits):
    """`intervals.verified` of 1,000 digits beside one forward pass of each, in portions of the same size."""
    model, images, labels = load("small-ibp"), digits.test.images[:1000], digits.test.labels[:1000]

    def bare():
        with torch.no_grad():
            for (part,) in portions(images, cost=intervals.COST):
                model(part)

    sides = {"one forward pass": bare, "proofs": lambda: intervals.verified(model, images, labels, 0.1)}
    print(seconds(sides, "one forward pass"))


def attacking(digits):
    """`evaluate.robust_accuracy` of 100 digits that a robust net keeps under all attacks, beside its passes."""
    model, split = load("small-trades"), digits.test[:300]
    report = evaluate.robust_accuracy(model, split.images, split.labels, 0.3, nearest=1, queries=200, **QUIET)
    split = split[report.worst][:100]
    forward, both = 10 + 200, 1 + 10 + 40 + 100 + 100  # noise and squares; steps along gradients

    def bare():
        for _ in range(both):
            x = split.images.clone().requires_grad_()
            torch.autograd.grad(F.cross_entropy(model(x), split.labels), x)
        with torch.no_grad():
            for _ in range(forward):
                model(split.images)

    def ours():
        return evaluate.robust_accuracy(model, split.images, split.labels, 0.3, nearest=1, queries=200, **QUIET)

    print(seconds({"bare passes": bare, "robust_accuracy": ours}, "bare passes"))


def training_on_attacks(digits):
    """A round of adversarial training over 6,400 digits, beside forward, backward and step alone on ready batches."""
    split, fresh = digits.train[:6400], models.Strided()

    def bare(climbs):
        net = copy.deepcopy(fresh).train()
        optimiser = torch.optim.AdamW(net.parameters(), lr=4e-3)
        for rows in torch.arange(6400).split(128):
            images, labels = split.images[rows], split.labels[rows]
            for _ in range(climbs):
                x = images.clone().requires_grad_()
                torch.autograd.grad(F.cross_entropy(net(x), labels), x)
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimiser.step()

    def ours(loss):
        training.fit(copy.deepcopy(fresh), split, loss=loss, epochs=1, generator=runtime.seed(0), **QUIET)

    for loss, steps in ((adversarial.OneStep(0.3), 1), (adversarial.ManySteps(0.3), 5)):
        sides = {"bare": lambda n=steps: bare(n), f"{steps} steps": lambda loss=loss: ours(loss)}
        print(seconds(sides, "bare"))


PARTS = {part.__name__: part for part in (votes, boxes, attacking, training_on_attacks)}


def main() -> None:
    ask = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2].partition("\n")[0])
    ask.add_argument("--part", choices=PARTS)
    digits = data.mnist("cpu")
    print(f"{evaluation.device_of(load('small-trades', device='cpu'))}, {torch.get_num_threads()} threads")
    part = ask.parse_args().part
    for name in [part] if part else PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}")
        PARTS[name](digits)


if __name__ == "__main__":
    main()
