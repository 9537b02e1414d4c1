"""What evolution reaches, and what a generation costs beside the network's own passes, pyribs 0.12 and EvoTorch 0.6.

usage: python benchmarks/evolution.py [--quick]

CaffeLeNet as `zoo.load` gives it, populations of 200. Passes are timed inside the run that they belong to; the
peers run in turn, a piece at a time, and the medians of the pieces are compared. --quick takes fewer seeds, generations
and turns.
"""

import argparse
import itertools
import logging
import statistics
import time
import warnings

import torch

from course_utils import evaluation, figures, runtime, zoo
from course_utils.fooling import CPPN, Direct, map_elites
from course_utils.models import CaffeLeNet

POPULATION = 200
SURE = 0.9999


def in_turn(sides, turns):
    """The median seconds of each side, over turns in which all of them run."""
    taken = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, run in sides.items():
            start = now()
            run()
            if turn:
                taken[name].append(now() - start)
    return {name: statistics.median(each) for name, each in taken.items()}


def reached(net, encodings, seeds, generations):
    rows = []
    for encoding, seed in itertools.product(encodings, range(seeds)):
        start = time.perf_counter()
        generator = torch.Generator().manual_seed(seed)
        archive = map_elites(
            net, encoding, generations=generations, population=POPULATION, generator=generator, progress=False
        )
        at_50, at_end = archive.history[min(49, generations - 1)], archive.confidence
        counts = [f"{int((each >= SURE).sum())} of {len(each)}" for each in (at_50, at_end)]
        medians = [f"{100 * each.median():.4f} %" for each in (at_50, at_end)]
        took = f"{time.perf_counter() - start:.2f}"
        crossed = ", crossover" if encoding == Direct(crossover=True) else ""
        rows.append([type(encoding).__name__ + crossed, seed, took, counts[0], medians[0], counts[1], medians[1]])
    headers = ["encoding", "seed", "seconds", "sure at 50", "median at 50", "sure at the end", "median at the end"]
    return figures.Table(headers, rows)


class Timed(torch.nn.Module):
    """A network that knows how long its own passes have taken."""

    def __init__(self, net):
        super().__init__()
        self.net, self.seconds = net, 0.0

    def forward(self, images):
        start = now()
        logits = self.net(images)
        self.seconds += now() - start
        return logits


def now():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def beside_passes(net, encoding, turns, generations=200):
    """Milliseconds of a generation and of the passes in it, and the ratio of the two: medians of whole runs."""
    timed, found = Timed(net), []
    for seed in range(turns + 1):
        timed.seconds, start = 0.0, now()
        generator = torch.Generator().manual_seed(seed)
        map_elites(timed, encoding, generations=generations, population=POPULATION, generator=generator, progress=False)
        whole = now() - start
        found.append((1000 * whole / generations, 1000 * timed.seconds / generations, whole / timed.seconds))
    return [statistics.median(each) for each in zip(*found[1:], strict=True)]


def cost(net, turns):
    rows = []
    for encoding in (Direct(), Direct(crossover=True), CPPN()):
        whole, passes, ratio = beside_passes(net, encoding, turns)
        rows.append([repr(encoding), f"{whole:.2f}", f"{passes:.2f}", f"{ratio:.3f}"])
    return figures.Table(["encoding", "a generation, ms", "its forward pass, ms", "ratio"], rows)


def growth(net, turns):
    rows = []
    for generations in (50, 100, 200, 400):
        whole, passes, _ = beside_passes(net, Direct(), turns, generations)
        rows.append([f"{generations} generations", f"{whole:.2f}", f"{passes:.2f}", f"{whole - passes:.2f}"])
    for classes in (10, 100, 1000):
        wide = CaffeLeNet()
        wide[-1] = torch.nn.Linear(500, classes)
        wide = wide.to(evaluation.device_of(net), memory_format=torch.channels_last).eval()
        whole, passes, _ = beside_passes(wide, Direct(), turns)
        rows.append([f"{classes} classes, untrained", f"{whole:.2f}", f"{passes:.2f}", f"{whole - passes:.2f}"])
    return figures.Table(["", "a generation, ms", "its forward pass, ms", "the rest, ms"], rows)


def by_pyribs(net, generations, every_class=False):
    """A map of ten cells, Gaussian mutation of every gene.

    A child can enter the cell of the class that the network names; with ``every_class`` it is offered ten times.
    """
    import numpy as np
    from ribs.archives import GridArchive
    from ribs.emitters import GaussianEmitter
    from ribs.schedulers import Scheduler

    archive = GridArchive(solution_dim=784, dims=[10], ranges=[(-0.5, 9.5)], seed=0, dtype=np.float32)
    bounds = [(0, 1)] * 784
    start = np.random.default_rng(0).uniform(size=(POPULATION, 784))
    emitter = GaussianEmitter(
        archive, sigma=0.06, initial_solutions=start, bounds=bounds, batch_size=POPULATION, seed=0
    )
    scheduler = Scheduler(archive, [emitter])
    device = evaluation.device_of(net)
    every = np.tile(np.arange(10), POPULATION)[:, None]

    def run():
        for _ in range(generations):
            children = emitter.ask() if every_class else scheduler.ask()
            with torch.no_grad():
                images = torch.as_tensor(children, dtype=torch.float32, device=device).view(-1, 1, 28, 28)
                confidences = net(images).softmax(1)
            confidence, named = confidences.max(1)
            if every_class:
                archive.add(children.repeat(10, axis=0), confidences.flatten().cpu().numpy(), every)
            else:
                scheduler.tell(confidence.cpu().numpy(), named[:, None].cpu().numpy())

    return run, lambda: torch.as_tensor(archive.data("objective"))


def by_evotorch(net, generations):
    """Ten classes with 20 cells each, so that a generation has 200 children too; polynomial mutation, as ours."""
    from evotorch import Problem
    from evotorch.algorithms import MAPElites
    from evotorch.operators import PolynomialMutation

    device = evaluation.device_of(net)

    def judge(genomes):
        with torch.no_grad():
            confidence, named = net(genomes.reshape(-1, 1, 28, 28)).softmax(1).max(1)
        cell = torch.arange(len(genomes), device=device) % 20
        return torch.stack([confidence, named.float(), cell.float()], 1)

    problem = Problem(
        "max", judge, solution_length=784, eval_data_length=2, bounds=(0.0, 1.0), vectorized=True, device=device, seed=0
    )
    grid = MAPElites.make_feature_grid([-0.5, -0.5], [9.5, 19.5], [10, 20], device=device)
    mutation = PolynomialMutation(problem, eta=15, mutation_probability=0.1)
    search = MAPElites(problem, operators=[mutation], feature_grid=grid, re_evaluate=False)

    def elites():
        best = search.population.evals[:, 0].as_subclass(torch.Tensor) * search.filled
        best = best.view(10, 20).amax(1)
        return best[best > 0]

    return lambda: search.run(generations, reset_first_step_datetime=False), elites


def peers(net, turns, generations=20):
    """All search for the best image of each class with 200 children a generation, in turn, 20 generations at a time."""
    settings = dict(generations=generations, population=POPULATION, progress=False)
    ours = [map_elites(net, Direct(), **settings)]

    def go_on():
        ours[0] = map_elites(net, Direct(), resume=ours[0], **settings)

    sides = {"ours": (go_on, lambda: ours[0].confidence)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.INFO)
        try:
            sides["pyribs, each child to one class"] = by_pyribs(net, generations)
            sides["pyribs, each child to all classes"] = by_pyribs(net, generations, every_class=True)
            sides["EvoTorch, each child to one class"] = by_evotorch(net, generations)
        except ImportError as missing:
            print(f"{missing}: for the comparison, pip install ribs evotorch")
        times = in_turn({name: run for name, (run, _) in sides.items()}, turns)
    rows = []
    for name, seconds in times.items():
        elites = sides[name][1]()
        each, beside = f"{1000 * seconds / generations:.2f}", f"{seconds / times['ours']:.2f}x"
        rows.append([name, each, beside, len(elites), f"{100 * elites.float().median():.4f} %"])
    total = (turns + 1) * generations
    headers = ["", "200 children, ms", "beside ours", "classes found", f"their median after {total} generations"]
    return figures.Table(headers, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer seeds, generations and turns")
    quick = parser.parse_args().quick
    runtime.seed(0)
    net = zoo.load("caffe_lenet")
    print(
        reached(
            net, (Direct(), Direct(crossover=True), CPPN()), seeds=1 if quick else 5, generations=60 if quick else 200
        ),
        "\n",
    )
    print(cost(net, turns=2 if quick else 9), "\n")
    print(growth(net, turns=1 if quick else 5), "\n")
    print(peers(net, turns=3 if quick else 19))


if __name__ == "__main__":
    main()
