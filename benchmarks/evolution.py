"""What evolution reaches, and what a generation costs beside the network's own passes, pyribs 0.12 and EvoTorch 0.6.

usage: python benchmarks/evolution.py [--quick]

CaffeLeNet as `training.trained` makes it, populations of 200. The sides of a ratio run in turn, a piece at a time, and the
medians of the pieces are compared. --quick takes fewer seeds, generations and turns.
"""

import argparse
import itertools
import statistics
import time
import warnings

import torch

from course_utils import figures, runtime, training
from course_utils.fooling import CPPN, Direct, map_elites
from course_utils.models import CaffeLeNet

POPULATION = 200
SURE = 0.9999


def in_turn(sides, turns):
    """The median seconds of each side, over turns in which all of them run."""
    taken = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                taken[name].append(time.perf_counter() - start)
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
        rows.append([type(encoding).__name__, seed, took, counts[0], medians[0], counts[1], medians[1]])
    headers = ["encoding", "seed", "seconds", "sure at 50", "median at 50", "sure at the end", "median at the end"]
    return figures.Table(headers, rows)


class Stage:
    """An evolution that goes on a few generations at each call."""

    def __init__(self, net, encoding, generations, classes_first=1):
        self.settings = dict(generations=generations, population=POPULATION, progress=False)
        self.net, self.encoding = net, encoding
        self.archive = map_elites(net, encoding, **self.settings)

    def __call__(self):
        self.archive = map_elites(self.net, self.encoding, resume=self.archive, **self.settings)


def passes(net, archive, number):
    """The forward passes of ``number`` generations and nothing else, on populations like those of evolution."""
    images = [archive.images[torch.randint(len(archive.images), (POPULATION,))] for _ in range(5)]

    def run():
        with torch.no_grad():
            for i in range(number):
                net(images[i % 5])

    return run


def cost(net, turns, generations=20):
    rows = []
    for encoding in (Direct(), Direct(crossover=True), CPPN()):
        stage = Stage(net, encoding, 100)
        stage.settings["generations"] = generations
        times = in_turn({"floor": passes(net, stage.archive, generations), "ours": stage}, turns)
        each = [f"{1000 * seconds / generations:.2f}" for seconds in times.values()]
        rows.append([repr(encoding), *each[::-1], f"{times['ours'] / times['floor']:.2f}"])
    return figures.Table(["encoding", "a generation, ms", "its forward pass, ms", "ratio"], rows)


def growth(net, turns):
    """Time against generations, and against the number of classes (a wider last layer, its own pass subtracted)."""
    sides = {}
    for number in (50, 100, 200, 400):
        sides[number] = lambda number=number: map_elites(
            net, Direct(), generations=number, population=POPULATION, progress=False
        )
    rows = [[f"{number} generations", f"{1000 * t / number:.2f}"] for number, t in in_turn(sides, turns).items()]
    stages = {}
    for classes in (10, 100, 1000):
        wide = CaffeLeNet()
        wide[-1] = torch.nn.Linear(500, classes)
        wide = wide.to(training.device_of(net), memory_format=torch.channels_last).eval()
        stages[f"{classes} classes"] = Stage(wide, Direct(), 20)
    rows += [[name, f"{1000 * t / 20:.2f}"] for name, t in in_turn(stages, 2 * turns).items()]
    return figures.Table(["", "a generation, ms"], rows)


def by_pyribs(net, generations):
    """A map of ten cells, Gaussian mutation of every gene; each child can enter the cell of one class only."""
    import numpy as np
    from ribs.archives import GridArchive
    from ribs.emitters import GaussianEmitter
    from ribs.schedulers import Scheduler

    archive = GridArchive(solution_dim=784, dims=[10], ranges=[(-0.5, 9.5)], seed=0)
    bounds = [(0, 1)] * 784
    start = np.random.default_rng(0).uniform(size=(POPULATION, 784))
    emitter = GaussianEmitter(
        archive, sigma=0.06, initial_solutions=start, bounds=bounds, batch_size=POPULATION, seed=0
    )
    scheduler = Scheduler(archive, [emitter])
    device = training.device_of(net)

    def run():
        for _ in range(generations):
            children = scheduler.ask()
            with torch.no_grad():
                images = torch.as_tensor(children, dtype=torch.float32, device=device).view(-1, 1, 28, 28)
                confidence, named = net(images).softmax(1).max(1)
            scheduler.tell(confidence.cpu().numpy(), named[:, None].cpu().numpy())

    return run, lambda: float(np.median(archive.data("objective")))


def by_evotorch(net, generations):
    """Ten classes with 20 cells each, so that a generation has 200 children too; polynomial mutation, as ours."""
    from evotorch import Problem
    from evotorch.algorithms import MAPElites
    from evotorch.operators import PolynomialMutation

    device = training.device_of(net)

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

    def median():
        best = search.population.evals[:, 0].view(10, 20).amax(1)
        return float(best.median())

    return lambda: search.run(generations, reset_first_step_datetime=False), median


def peers(net, turns, generations=20):
    stage = Stage(net, Direct(), 1)
    stage.settings["generations"] = generations
    others = {}
    for name, make in (("pyribs", by_pyribs), ("EvoTorch", by_evotorch)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                others[name] = make(net, generations)
        except ImportError as missing:
            print(f"{missing}: for the comparison, pip install ribs evotorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = in_turn({"ours": stage} | {name: run for name, (run, _) in others.items()}, turns)
    medians = {"ours": float(stage.archive.confidence.median())} | {name: end() for name, (_, end) in others.items()}
    rows = [
        [name, f"{1000 * t / generations:.2f}", f"{t / times['ours']:.1f}x", f"{100 * medians[name]:.4f} %"]
        for name, t in times.items()
    ]
    total = (turns + 1) * generations
    return figures.Table(["", "200 children, ms", "beside ours", f"median after {total} generations"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer seeds, generations and turns")
    quick = parser.parse_args().quick
    runtime.seed(0)
    net = training.trained("caffe_lenet")
    turns = 3 if quick else 11
    print(reached(net, (Direct(), CPPN()), seeds=1 if quick else 5, generations=60 if quick else 200), "\n")
    print(cost(net, turns), "\n")
    print(growth(net, 1 if quick else 3), "\n")
    print(peers(net, turns))


if __name__ == "__main__":
    main()
