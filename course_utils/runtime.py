"""The machine under the lesson: device, seed, folders, and a doctor that says what is wrong."""

import os
import platform
import random
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import platformdirs
import psutil
import torch


def device() -> torch.device:
    """The device that the course computes on: the first of cuda, mps and cpu that this machine has.

    The environment variable ``COURSE_DEVICE`` overrides the choice.

    Raises:
        ValueError: ``COURSE_DEVICE`` names no device of this machine.

    >>> device().type in {"cuda", "mps", "cpu"}
    True
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    asked = os.environ.get("COURSE_DEVICE")
    if not asked:
        return torch.device(next(name for name, there in available.items() if there))
    if not available.get(asked.partition(":")[0], False):
        names = ", ".join(name for name, there in available.items() if there)
        raise ValueError(f"COURSE_DEVICE={asked!r} is not a device of this machine, which has: {names}")
    return torch.device(asked)


def seed(number: int) -> torch.Generator:
    """Seed Python, NumPy and torch, and return a CPU generator with the same seed.

    >>> a = torch.rand(2, generator=seed(0))
    >>> b = torch.rand(2, generator=seed(0))
    >>> torch.equal(a, b)
    True
    """
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number)


def home(*parts: str) -> Path:
    """A folder of the course's own outside the checkout, made when missing.

    Trained networks, the ledger and locked-in predictions live here: in the user's cache folder, or where the
    environment variable ``COURSE_HOME`` points.

    Raises:
        OSError: the folder cannot be made; the message says how to choose another.
    """
    base = os.environ.get("COURSE_HOME") or platformdirs.user_cache_dir("deep-flaw")
    folder = Path(base, *parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot make the folder {folder} ({error.strerror}): set the environment variable COURSE_HOME to a "
            "folder that you may write to, and restart the kernel"
        ) from error
    return folder


def front_end() -> bool:
    """Whether somebody sits before a live notebook, so that sliders and buttons will answer.

    True in JupyterLab and Jupyter Notebook, Colab, an interactive Kaggle session and VS Code; False under nbval,
    nbconvert and in scripts. ``COURSE_STATIC=1`` forces False, ``COURSE_STATIC=0`` forces True.
    """
    static = os.environ.get("COURSE_STATIC")
    if static:
        return static == "0"
    signs = ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG", "VSCODE_PID", "VSCODE_CWD")
    kaggle = os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Interactive"
    return "ipykernel" in sys.modules and (kaggle or any(sign in os.environ for sign in signs))
