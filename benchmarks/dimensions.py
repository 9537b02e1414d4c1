"""What random perturbations cost beside the forward passes in them, and what exact intervals and collisions cost.

usage: python benchmarks/dimensions.py [--part flip_probability]

LeNet-5 and the first test digits that it names correctly. The sides run in turn, each after a warm-up, and the medians
are compared. The memory is what a fresh process takes at its peak, beyond digits and network.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import torch

from course_utils import data, evaluation, figures, runtime, zoo
from course_utils.collisions.match_logits import match_logits
from course_utils.core.tensors import portion
from course_utils.dimensions import flip_probability, single_pixels

BATCHES = (64, 128, 256, 512, 1024, 2048)
SIGMA = 0.3


def named(model, number):
    """The first ``number`` test digits that the model names correctly."""
    test = data.mnist(evaluation.device_of(model)).test[: 2 * number]
    right = (evaluation.predict(model, test.images).labels == test.labels).nonzero()[:number, 0]
    return test[right]


def now():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def in_turn(sides, turns):
    """Seconds of each side in each turn, and its last result; in every turn all of them run, after one for warmth."""
    taken, results = {name: [] for name in sides}, {}
    for turn in range(turns + 1):
        for name, side in sides.items():
            start = now()
            results[name] = side()
            if turn:
                taken[name].append(now() - start)
    return taken, results


def beside(taken, other):
    """How many times as long, turn by turn: the median, the lowest and the highest."""
    ratios = [mine / theirs for mine, theirs in zip(taken, other, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


@contextmanager
def forward_passes(model):
    """Within it, a list gathers the seconds of each forward pass of the model, and another its number of images."""
    seconds, numbers, started = [], [], []

    def ended(_, given, __):
        seconds.append(now() - started.pop())
        numbers.append(len(given[0]))

    hooks = [model.register_forward_pre_hook(lambda *_: started.append(now())), model.register_forward_hook(ended)]
    try:
        yield seconds, numbers
    finally:
        for hook in hooks:
            hook.remove()


# flip_probability


def forward(model, images, batch):
    """Nothing but forward passes, of perturbed images that lie ready in memory."""
    with torch.no_grad():
        for part in images.split(batch):
            model(part)


def draw(number, batch, like):
    source = runtime.ensure_generator(device=like.device)
    for first in range(0, number, batch):
        torch.randn(min(batch, number - first), like[0].numel(), generator=source, device=like.device)


def add(number, batch, like):
    """What flip_probability does with the normal numbers: repeat the images, scale, and add."""
    z = torch.randn(batch, like[0].numel(), device=like.device)
    for _ in range(0, number, batch):
        flip_probability._perturbed(like.repeat(batch // len(like), 1, 1, 1), z, SIGMA, "gaussian")


@torch.no_grad()
def by_image(model, split, samples):
    """The plain loop over images, all perturbations of one image in one batch."""
    source, counts = runtime.ensure_generator(device=split.images.device), []
    for image, label in zip(split.images, split.labels, strict=True):
        z = torch.randn(samples, *image.shape, generator=source, device=image.device)
        counts.append((model(image + SIGMA * z).argmax(1) != label).sum())
    return torch.stack(counts)


@torch.no_grad()
def one_by_one(model, split, samples):
    """The plain loop over images and perturbations."""
    source, counts = runtime.ensure_generator(device=split.images.device), []
    for image, label in zip(split.images, split.labels, strict=True):
        count = 0
        for _ in range(samples):
            z = torch.randn(1, *image.shape, generator=source, device=image.device)
            count += (model(image + SIGMA * z).argmax(1) != label).item()
        counts.append(count)
    return torch.tensor(counts)


def by_flips(model, split, samples):
    return flip_probability.flip_probability(
        model, split.images, split.labels, SIGMA, samples=samples, progress=False
    ).counts


def flips(model, digits=200, samples=100, turns=5):
    split = named(model, digits)
    number = digits * samples
    ready = split.images.repeat(samples, 1, 1, 1)
    ready += SIGMA * torch.randn(
        ready.shape, generator=runtime.ensure_generator(device=ready.device), device=ready.device
    )
    taken, _ = in_turn({size: lambda size=size: forward(model, ready, size) for size in BATCHES}, 3)
    medians = {size: statistics.median(each) for size, each in taken.items()}
    print(f"forward passes of {number:,} perturbed images alone, medians of 3")
    print(figures.Table(["batch", "ms"], [[size, f"{1000 * each:.0f}"] for size, each in medians.items()]), end="\n\n")

    best = min(medians, key=medians.get)
    size = portion(split.images) // digits * digits
    alone = f"forward passes alone, batches of {best}, the best"
    sides = {
        alone: lambda: forward(model, ready, best),
        f"forward passes alone, batches of {size}, as in flip_probability": lambda: forward(model, ready, size),
        "flip_probability": lambda: by_flips(model, split, samples),
        "normal numbers alone": lambda: draw(number, size, split.images),
        "repeating, scaling and adding alone": lambda: add(number, size, split.images),
    }
    taken, _ = in_turn(sides, turns)
    rows = [[name, f"{1000 * statistics.median(each):.0f}", beside(each, taken[alone])] for name, each in taken.items()]
    print(f"{digits} digits, {samples} perturbations each, sigma {SIGMA}, medians of {turns}; goal: 1.3")
    print(figures.Table(["", "ms", "beside the best forward passes"], rows), end="\n\n")
    with forward_passes(model) as (seconds, numbers):
        start = now()
        by_flips(model, split, samples)
        whole = now() - start
    inside = f"{sum(numbers):,} images in {len(numbers)} passes, {sum(seconds) / whole:.0%} of its time"
    print(f"inside flip_probability: {inside}\n")


def loops(model, digits=4, samples=1000, turns=3):
    split = named(model, digits)
    sides = {
        "flip_probability": lambda: by_flips(model, split, samples),
        "a loop over images, 1,000 at once": lambda: by_image(model, split, samples),
        "a loop over images and perturbations": lambda: one_by_one(model, split, samples),
    }
    taken, results = in_turn(sides, turns)
    rows = []
    for name, each in taken.items():
        micro = 1e6 * statistics.median(each) / (digits * samples)
        flipped = results[name].sum() / (digits * samples)
        rows.append([name, f"{micro:.1f}", beside(each, taken["flip_probability"]), f"{flipped:.2%}"])
    print(f"{digits} digits, {samples:,} perturbations each, medians of {turns}")
    print(figures.Table(["", "microseconds a perturbation", "beside flip_probability", "flipped"], rows), end="\n\n")


# memory


def at_once(model, split, samples):
    """All perturbations of all images in one batch."""
    with torch.no_grad():
        x = split.images.repeat(samples, 1, 1, 1)
        x += SIGMA * torch.randn(x.shape, device=x.device)
        return (model(x).argmax(1) != split.labels.repeat(samples)).view(samples, -1).sum(0)


MEMORY = {"flip_probability": by_flips, "all in one batch": at_once}


def memory_of(name, samples, digits):
    """Run one side and print how much the process grew meanwhile at its peak, in MiB."""
    model = zoo.load("lenet5", progress=False)
    split = named(model, int(digits))
    MEMORY[name](model, split, 2)  # the first pass sets things up
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch():
        nonlocal highest
        while not done.wait(0.001):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = now()
    MEMORY[name](model, split, int(samples))
    taken = now() - start
    done.set()
    watcher.join()
    print((highest - before) / 2**20, taken)


def memory(model, digits=16):
    if evaluation.device_of(model).type != "cpu":
        return print("memory is measured on the CPU alone\n")
    rows = []
    sizes = [("flip_probability", number) for number in (100, 1000, 10_000)] + [("all in one batch", 100)]
    for name, samples in sizes:
        command = [sys.executable, __file__, "--memory", name, str(samples), str(digits)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        rows.append([name, f"{samples:,}", f"{float(found[0]):.0f}", f"{float(found[1]):.2f}"])
    print(f"{digits} digits, a fresh process each, once")
    head = ["", "perturbations an image", "memory at its peak, MiB", "seconds"]
    print(figures.Table(head, rows), end="\n\n")


# splitting


@torch.no_grad()
def splitting(model, split, sigma, particles):
    """Multilevel splitting in plain words, one image after the other."""
    source, found = runtime.ensure_generator(device=split.images.device), []
    for image, label in zip(split.images, split.labels.tolist(), strict=True):

        def score(z, image=image, label=label):
            logits = model(image + sigma * z.view(-1, *image.shape))
            own = logits[:, label].clone()
            logits[:, label] = -torch.inf
            return logits.amax(1) - own

        z = torch.randn(particles, image.numel(), generator=source, device=image.device)
        scores, probability, b = score(z), 1.0, 0.5
        for _ in range(flip_probability.LEVELS):
            level = min(scores.sort().values[particles // 2 - 1].item(), 0)
            above = scores > level
            probability *= above.float().mean().item()
            if level == 0 or probability == 0:
                break
            chosen = above.nonzero()[:, 0]
            order = torch.randperm(len(chosen), generator=source, device=image.device)
            chosen = chosen[order][torch.arange(particles, device=image.device) % len(chosen)]
            z, scores = z[chosen], scores[chosen]
            for _ in range(flip_probability.MOVES):
                noise = torch.randn(z.shape, generator=source, device=image.device)
                trial = (1 - b * b) ** 0.5 * z + b * noise
                new = score(trial)
                taken = new > level
                z, scores = torch.where(taken[:, None], trial, z), torch.where(taken, new, scores)
                b = min(1.0, b * 2.718281828 ** (taken.float().mean().item() - flip_probability.ACCEPTED))
        found.append(probability)
    return torch.tensor(found, dtype=torch.float64)


def rare(model, digits=4, sigma=0.2, turns=1):
    rows = []
    for particles, number in ((120, digits), (500, digits // 4)):
        split = named(model, number)
        given = dict(particles=particles, progress=False)
        sides = {
            "splitting": lambda split=split, given=given: (
                flip_probability.flip_probability_splitting(
                    model, split.images, split.labels, sigma, **given
                ).probabilities
            ),
            "a loop over images": lambda split=split, particles=particles: splitting(model, split, sigma, particles),
        }
        taken, results = in_turn(sides, turns)
        for name, side in sides.items():
            with forward_passes(model) as (seconds, numbers):
                start = now()
                side()
                whole = now() - start
            each = [1e6 * one / sum(numbers) for one in taken[name]]
            taken[name] = each
            rows.append(
                [
                    name,
                    particles,
                    f"{sum(numbers):,}",
                    f"{sum(numbers) / len(numbers):.0f}",
                    f"{statistics.median(each):.1f}",
                    beside(each, taken["splitting"]),
                    f"{sum(seconds) / whole:.0%}",
                    f"{results[name].log10().median():.1f}",
                ]
            )
    print(f"{digits} digits, for 500 particles {digits // 4}, Gaussian, sigma {sigma}, medians of {turns}")
    print("microseconds are for each image in a pass")
    head = [
        "",
        "particles",
        "images in passes",
        "in one pass",
        "microseconds",
        "beside splitting",
        "in the passes",
    ]
    print(figures.Table([*head, "log10 of the median probability"], rows), end="\n\n")


# survival


@torch.no_grad()
def on_a_grid(model, split, low, high):
    """The fraction of 33 values of each pixel alone at which the class survives, ``(N, C, H, W)``."""
    values, fractions = torch.linspace(low, high, 33, device=split.images.device), []
    for image, label in zip(split.images, split.labels, strict=True):
        right = []
        for part in torch.arange(image.numel(), device=image.device).split(32):
            many = image.flatten().repeat(len(part) * len(values), 1)
            places = part.repeat_interleave(len(values))
            many.scatter_(1, places[:, None], values.repeat(len(part))[:, None])
            right.append(model(many.view(-1, *image.shape)).argmax(1) == label)
        fractions.append(torch.cat(right).view(-1, len(values)).double().mean(1).view(image.shape))
    return torch.stack(fractions)


def survival(model, digits=2, turns=1):
    split, rows = named(model, digits), []
    for low, high in ((0, 1), (-4, 5)):
        sides = {
            "survival, exact": lambda a=low, b=high: (
                single_pixels.survival(model, split.images, split.labels, a, b, progress=False).fraction
            ),
            "33 values a pixel": lambda a=low, b=high: on_a_grid(model, split, a, b),
        }
        taken, results = in_turn(sides, turns)
        exact = results["survival, exact"]
        for name, each in taken.items():
            off = (results[name] - exact).abs().amax().item()
            harmed = (results[name] < 1).sum().item()
            cells = [f"{1000 * statistics.median(each) / digits:.0f}", beside(each, taken["33 values a pixel"])]
            rows.append([name, f"{low} to {high}", *cells, harmed, f"{off:.3f}" if "exact" not in name else "-"])
    print(f"{digits} digits, {split.images[0].numel()} pixels each, medians of {turns}")
    head = ["", "range", "ms a digit", "beside the values", "pixels that leave the class", "fraction off by at most"]
    print(figures.Table(head, rows), end="\n\n")


# match_logits


def collisions(model, pairs=10, turns=1):
    split = named(model, 2 * pairs)
    first, second = split.images[:pairs], split.images[pairs:]
    taken, results = in_turn({"match_logits": lambda: match_logits(model, first, second, progress=False)}, turns)
    found = results["match_logits"]
    with forward_passes(model) as (seconds, _):
        start = now()
        match_logits(model, first, second, progress=False)
        whole = now() - start
    each = taken["match_logits"]
    length = (found.images - first).flatten(1).norm(dim=1).median().item()
    between = (second - first).flatten(1).norm(dim=1).median().item()
    rows = [
        [
            f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})",
            f"{found.found.sum()} of {pairs}",
            f"{found.errors.max():.0e}",
            f"{length:.2f}",
            f"{between:.2f}",
            f"{len(seconds)}, {sum(seconds) / whole:.0%}",
        ]
    ]
    head = [
        "seconds",
        "found",
        "logits off by at most",
        "median distance",
        "between the pairs",
        "forward passes, fraction",
    ]
    print(f"match_logits, {pairs} pairs, five rounds of 20 steps, median of {turns}")
    print(figures.Table(head, rows), end="\n\n")


PARTS = {
    "flip_probability": flips,
    "loops": loops,
    "memory": memory,
    "splitting": rare,
    "survival": survival,
    "match_logits": collisions,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=list(PARTS), help="one table alone")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        return memory_of(*options.memory)
    model = zoo.load("lenet5")
    print(f"on {evaluation.device_of(model)}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    for name, part in PARTS.items():
        if options.part in (None, name):
            part(model)


if __name__ == "__main__":
    main()
