"""Whether a lesson stays within its time budget, on a machine that may be slower just now than the one it was set on.

Budgets are seconds on the machine on which the course is measured: two CPU cores, nothing else running. Machines that
share their cores with others take up to 1.7 times as long for the same cell at some hours, and a budget exceeded then
says nothing about the lesson. So a fixed piece of the lessons' kind of work, 100 steps of training LeNet-5 at a batch
of 128, is timed before and after what a budget limits, and the slower of the two counts. A slower machine gets longer
in proportion, a quicker one does not get less, and nothing else widens a budget.
"""

import statistics
import time

import torch
from torch import nn

from course_utils import models

LONGEST_CELL = 30  # seconds
REFERENCE = {1: 1.6, 2: 0.9}  # seconds of the 100 steps on the machine of the budgets, by torch's threads
PIECES, STEPS, BATCH = 5, 20, 128


def yardstick() -> float:
    """Seconds of the 100 steps just now, with the threads that torch has here.

    They are timed in five pieces and the median piece counts five times, so that one hiccup makes no machine slow.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = models.LeNet5().train()
        images, labels = torch.rand(BATCH, 1, 28, 28), torch.arange(BATCH) % 10
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)

    def piece() -> float:
        start = time.perf_counter()
        with torch.enable_grad():
            for _ in range(STEPS):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(images), labels).backward()
                optimiser.step()
        return time.perf_counter() - start

    piece()  # the first steps also make threads and buffers
    return PIECES * statistics.median(piece() for _ in range(PIECES))


def slowness(before: float, after: float) -> float:
    """How many times longer all takes here, from what `yardstick` said before and after; at least 1.

    >>> slowness(0.0, 0.0)
    1.0
    """
    return max(1.0, max(before, after) / REFERENCE[min(torch.get_num_threads(), 2)])


def excess(cells: dict[str, float], total: float, budget: float, slowness: float = 1.0) -> str:
    """What a lesson exceeds, "" if nothing: its budget, or the longest that a cell may take.

    Args:
        cells: seconds of each cell.
        total: seconds of the whole, the start of the kernel included.

    >>> excess({"Cell 1": 3.0, "Cell 2": 50.0}, total=54.0, budget=60, slowness=1.5)
    'Cell 2 takes 50.0 s, more than 45.0 s'
    """
    found = [(name, seconds, LONGEST_CELL) for name, seconds in cells.items()]
    found.append(("the lesson", total, budget))
    return "; ".join(
        f"{name} takes {seconds:.1f} s, more than {limit * slowness:.1f} s"
        for name, seconds, limit in found
        if seconds > limit * slowness
    )
