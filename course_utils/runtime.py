"""The machine under the lesson: device, seed, progress, and what its output can write."""

import os
import random
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

import numpy as np
import torch
import tqdm
import tqdm.auto

SPELLED = {"✓": "+", "✗": "x", "○": "o", "“": '"', "”": '"', "·": "-", "−": "-", "×": "x", "±": "+-", "°": " degrees"}
SPELLED |= {"⁻": "-", "ε": "eps"}
EXPONENT = re.compile("(?<![⁻⁰¹²³⁴⁵⁶⁷⁸⁹])(?=[⁻⁰¹²³⁴⁵⁶⁷⁸⁹])")  # where one begins: 10⁵ must not become 105
SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def switch(name: str) -> bool | None:
    """Whether an environment variable is on; None where it is unset or empty. Case and blanks around it do not matter.

    >>> switch("COURSE_NO_SUCH_SWITCH") is None
    True
    """
    said = os.environ.get(name, "").strip().lower()
    if said and said not in SWITCH:
        on, off = (", ".join(word for word, value in SWITCH.items() if value is wanted) for wanted in (True, False))
        raise ValueError(f"{name}={said!r} is neither on ({on}) nor off ({off}): set it to one of these, or unset it")
    return SWITCH.get(said)


def device() -> torch.device:
    """The device that the course computes on: the first of cuda, mps and cpu that this machine has.

    The environment variable ``COURSE_DEVICE`` overrides the choice; case and blanks around it do not matter.

    >>> device().type in {"cuda", "mps", "cpu"}
    True
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    names = [name for name, there in available.items() if there]
    asked = os.environ.get("COURSE_DEVICE", "").strip().lower()
    if not asked:
        return torch.device(names[0])
    kind, colon, number = asked.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in names or (colon and number not in map(str, range(count))):
        raise ValueError(f"COURSE_DEVICE={asked!r} is not a device of this machine, which has: {', '.join(names)}")
    return torch.device(asked)


def seed(number: int) -> torch.Generator:
    """Seed Python, NumPy and torch, and return a CPU generator with the same seed.

    >>> torch.equal(torch.rand(2, generator=seed(0)), torch.rand(2, generator=seed(0)))
    True
    """
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number)


def ensure_generator(generator: torch.Generator | None = None, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator given, or a new one from seed 0: torch's own stays untouched, and a call can be repeated."""
    return torch.Generator(device).manual_seed(0) if generator is None else generator


def printable(text: str, stream: TextIO | None = None) -> str:
    """``text`` as ``stream``, by default ``sys.stdout``, can write it: a sign that its encoding lacks is spelled out.

    >>> import io
    >>> printable("✓ 3 × 10⁻⁵ …", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    '+ 3 x 10^-5 ...'
    """
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = EXPONENT.sub("^", text)
        return "".join(_spelled(sign, encoding) for sign in text)
    return text


def _spelled(sign: str, encoding: str) -> str:
    for form in (sign, SPELLED.get(sign, ""), unicodedata.normalize("NFKD", sign).replace("\N{FRACTION SLASH}", "/")):
        if written := form.encode(encoding, "ignore").decode(encoding):
            return written
    return "?"


def say(text: object) -> None:
    """Print, whatever the encoding of ``sys.stdout``."""
    print(printable(str(text)))


def front_end() -> bool:
    """Whether somebody sits before a live notebook, so that sliders and buttons will answer.

    True in JupyterLab and Jupyter Notebook, Colab, an interactive Kaggle session and VS Code; False under nbval,
    nbconvert and in scripts, also in those that one of these programs has started, and left its variables to.
    `switch` ``COURSE_STATIC`` on forces False, off forces True: that is for a page that lets its server run the cells.
    """
    if (static := switch("COURSE_STATIC")) is not None:
        return not static
    signs = ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG", "VSCODE_PID", "VSCODE_CWD")
    kaggle = os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Interactive"
    return (kaggle or any(sign in os.environ for sign in signs)) and _asked_by_a_page()


def _asked_by_a_page() -> bool:
    """Whether the request that the kernel works on comes from a page, not from a program.

    A Python program (nbclient, nbval, papermill, a console) sends through jupyter_client, which names each message by
    its session and a number; pages name each at random.
    """
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    header = kernel.get_parent().get("header") if kernel else None
    return bool(header) and not header["msg_id"].startswith(f"{header['session']}_")


def progress_bar(total: int, description: str, show: bool = True) -> tqdm.std.tqdm:
    """A progress bar for work of ``total`` steps; it appears after half a second and is advanced by ``bar.update()``.

    >>> with progress_bar(3, "counting", show=False) as bar:
    ...     for _ in range(3):
    ...         _ = bar.update()
    """
    bar = tqdm.auto.tqdm if front_end() else tqdm.tqdm
    words = printable(description, sys.stderr)
    return bar(total=total, desc=words, disable=not show, delay=0.5, mininterval=0.2)


@contextmanager
def meanwhile(read: Callable, write: Callable, value: object) -> Iterator[None]:
    """A setting that ``read()`` tells and ``write(value)`` changes has another value in here."""
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


def one_thread() -> AbstractContextManager:
    """Keep torch on one thread: for one small image, waiting for a second thread takes far longer than the work."""
    return meanwhile(torch.get_num_threads, torch.set_num_threads, 1)


def float32() -> AbstractContextManager:
    """In here torch makes float32 of what is given no type, whatever it makes elsewhere.

    >>> with float32():
    ...     torch.zeros(1).dtype
    torch.float32
    """
    return meanwhile(torch.get_default_dtype, torch.set_default_dtype, torch.float32)
