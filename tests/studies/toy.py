"""A study without science, whose units say what happened to them."""

import os
import signal
import time
from pathlib import Path

import torch

from course_utils.studies.engine import Study
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


def killed_once(unit, generator):
    """Unit 3 kills its process the first time."""
    mark = Path(os.environ["TOY"])
    if unit == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    return draw(unit, generator)


def killed_always(unit, generator):
    if unit == 3:
        os._exit(1)
    return draw(unit, generator)


def failing(unit, generator):
    if unit == 3:
        raise ValueError("no such thing")
    return {"value": draw(unit, generator), "beside": [unit, 2]}


def interrupted(unit, generator):
    if unit == 3:
        raise KeyboardInterrupt
    return draw(unit, generator)


def study(measure):
    return Study(RULE, {str(k): k for k in range(6)}, measure, quick=("0", "1"))


def slow(unit, generator):
    with open(os.environ["TOY"], "a") as told:
        told.write(f"{unit}\n")
    time.sleep(0.8)
    return draw(unit, generator)
