"""A study without science, whose units say what happened to them."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import torch

from course_utils.studies.engine import Study, run
from course_utils.studies.rule import Rule

RULE = Rule(
    id="X1",
    sentence="so it is",
    source="nobody",
    tested="a random number",
    estimand="its mean",
    unit="seed",
    units=6,
    method="t",
    cut=0.0,
    side="above",
    reason="so",
    half_width=1.0,
    scope="here",
)


def draw(unit, generator):
    noise = torch.randn(64, 64, generator=generator)
    return (noise @ noise).softmax(1).square().sum().item() + unit


def draw_and_tell(unit, generator):
    with open(os.environ["TOY"], "a") as told:
        told.write(f"{unit}\n")
    time.sleep(0.05)
    return draw(unit, generator)


def slow(unit, generator):
    time.sleep(0.4)
    return draw_and_tell(unit, generator)


def visited(unit, generator):
    """While unit 0 is measured, another run measures unit 4."""
    if unit == 0:
        run(study(draw_and_tell), ["4"], folder=Path(os.environ["TOY"]).parent, workers=0, progress=False)
    return draw_and_tell(unit, generator)


def kill_once(name):
    mark = Path(os.environ["TOY"] + name)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def killed_once(unit, generator):
    if unit == 3:
        kill_once("-once")
    return draw(unit, generator)


def killed_always(unit, generator):
    """Unit 3 kills its process always, unit 1 the first time."""
    if unit == 3:
        os._exit(1)
    if unit == 1:
        kill_once("-always")
    return draw(unit, generator)


def failing(unit, generator):
    if unit == 3:
        raise ValueError("no such thing")
    return {"value": draw(unit, generator), "beside": [unit, 2]}


def interrupted(unit, generator):
    if unit == 3:
        raise KeyboardInterrupt
    return draw(unit, generator)


def odd(unit, generator):
    """What cannot be stored."""
    beside = {"value": 1.0, "beside": float("inf")}
    return [torch.ones(2), float("nan"), np.ones(2), None, beside, {"value": 1.0, "beside": "x" * 300_000}][unit]


def study(measure):
    again = {str(k): k for k in range(6, 9)}
    return Study(RULE, {str(k): k for k in range(6)}, measure, again=again)
