"""The machine under the lesson: device, seed, folders, progress, and a doctor that says what is wrong."""

import os
import platform
import random
import re
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TextIO

import numpy as np
import platformdirs
import psutil
import torch
import tqdm
import tqdm.auto
from filelock import FileLock

PATIENCE = 5  # seconds to wait for a lock
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # Linux's control groups: a container is one
SPELLED = {"✓": "+", "✗": "x", "○": "o", "“": '"', "”": '"', "·": "-", "−": "-", "×": "x", "±": "+-", "°": " degrees"}
SPELLED |= {"⁻": "-", "ε": "eps"}
EXPONENT = re.compile("(?<![⁻⁰¹²³⁴⁵⁶⁷⁸⁹])(?=[⁻⁰¹²³⁴⁵⁶⁷⁸⁹])")  # where one begins: 10⁵ must not become 105
SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def switch(name: str) -> bool | None:
    """Whether an environment variable is on; None where it is unset or empty. Case and blanks around it do not matter.

    Raises:
        ValueError: it holds another word; the message names those that there are.

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
    asked = os.environ.get("COURSE_DEVICE", "").strip().lower()
    names = [name for name, there in available.items() if there]
    if not asked:
        return torch.device(names[0])
    kind, colon, number = asked.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in names or (colon and number not in map(str, range(count))):
        raise ValueError(f"COURSE_DEVICE={asked!r} is not a device of this machine, which has: {', '.join(names)}")
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


def source(generator: torch.Generator | None = None, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator given, or a new one from seed 0: torch's own stays untouched, and a call can be repeated."""
    return torch.Generator(device).manual_seed(0) if generator is None else generator


def home(*parts: str) -> Path:
    """A folder of the course's own outside the checkout, made when missing.

    Trained networks, the ledger and locked-in predictions live here: in the user's cache folder, or where the
    environment variable ``COURSE_HOME`` points. ``~`` is the user's own folder.

    Raises:
        ValueError: the path is not a full one, so that each notebook would have another folder.
        OSError: the folder cannot be made; the message says how to choose another.
    """
    base = os.environ.get("COURSE_HOME", "").strip() or platformdirs.user_cache_dir("deep-flaw")
    folder = Path(os.path.expanduser(base), *parts)
    if not folder.is_absolute():
        raise ValueError(
            f"the course's folder {base!r} is no full path, and would be another folder in each notebook: set the "
            "environment variable COURSE_HOME to a full one, such as ~/deep-flaw, and restart the kernel"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot make the folder {folder} ({error.strerror}): set the environment variable COURSE_HOME to a "
            "folder that you may write to, and restart the kernel"
        ) from error
    return folder


class Missing(OSError):
    """Something that is neither here nor to be had from here.

    A notebook shows the message alone, without a traceback: nothing is broken, and what stands below may be worth
    reading all the same.
    """

    def _render_traceback_(self) -> list[str]:
        return [
            f"Not here: {self}",
            "",
            "The run stops at this cell. The cells below still show what they showed when the lesson was stored: read "
            "on, and run it again from here when there is a network.",
        ]


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, never half.

    Where a drive has no permissions, or cannot put one file in the place of another, the content is what counts.

    >>> write_atomically(home() / "note.txt", b"done")
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(content)
        with suppress(OSError, NotImplementedError):  # exFAT, CIFS and some NFS refuse it
            os.chmod(name, 0o644)
        try:
            os.replace(name, file)
        except OSError:
            shutil.copyfile(name, file)
            os.unlink(name)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def put_aside(file: Path, suffix: str) -> Path:
    """Keep a file that cannot be used under another ``suffix``, and return its new path.

    >>> write_atomically(home() / "odd.json", b"{")
    >>> put_aside(home() / "odd.json", ".damaged").name
    'odd.damaged'
    """
    aside = file.with_suffix(suffix)
    write_atomically(aside, file.read_bytes())
    file.unlink()
    return aside


@contextmanager
def lock(name: str) -> Iterator[bool]:
    """Keep other kernels out meanwhile, by the file ``name``.lock in `home`; False where the lock is not to be had.

    The work goes on without: on some drives nothing can be locked, and a kernel that was stopped may never let go.

    >>> with lock("note") as held:
    ...     held
    True
    """
    guard = FileLock(home() / f"{name}.lock", timeout=PATIENCE)
    with suppress(OSError, NotImplementedError):
        guard.acquire()
    try:
        yield guard.is_locked
    finally:
        with suppress(OSError, NotImplementedError):
            guard.release()


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


def progress(total: int, description: str, show: bool = True) -> tqdm.std.tqdm:
    """A progress bar for work of ``total`` steps; it appears after half a second and is advanced by ``bar.update()``.

    >>> with progress(3, "counting", show=False) as bar:
    ...     for _ in range(3):
    ...         _ = bar.update()
    """
    bar = tqdm.auto.tqdm if front_end() else tqdm.tqdm
    words = printable(description, sys.stderr)
    return bar(total=total, desc=words, disable=not show, delay=0.5, mininterval=0.2)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch on one thread: for one small image, waiting for a second thread takes far longer than the work."""
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(number)


@contextmanager
def float32() -> Iterator[None]:
    """In here torch makes float32 of what is given no type, whatever it makes elsewhere.

    >>> with float32():
    ...     torch.zeros(1).dtype
    torch.float32
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found: ``findings`` are (fine?, topic, text); printed, it is the block for a bug report."""

    findings: list[tuple[bool, str, str]]

    @property
    def healthy(self) -> bool:
        return all(fine for fine, _, _ in self.findings)

    def __repr__(self) -> str:
        lines = [f"{'ok ' if fine else 'BAD'}  {topic:9} {text}" for fine, topic, text in self.findings]
        last = "All is well." if self.healthy else "Something is wrong: see the lines marked BAD."
        return printable("\n".join([*lines, last, "Paste this whole block into a bug report."]))


def doctor(seconds: float = 3.0) -> Diagnosis:
    """Look at versions, device, threads, memory, disk and data, then train for ``seconds`` as a smoke test.

    Nothing is raised: what is wrong stands in the report, with what to do.
    """
    topics = {
        "versions": _versions,
        "device": _device,
        "memory": _memory,
        "cache": _cache,
        "data": _data,
        "training": lambda: _smoke(seconds),
    }
    findings = []
    for name in ("COURSE_STATIC", "COURSE_STRICT"):
        try:
            switch(name)
        except ValueError as error:
            findings.append((False, "settings", str(error)))
    with tqdm.tqdm(total=len(topics), desc="looking", delay=0.5) as bar:
        for topic, look in topics.items():
            try:
                findings.append((True, topic, look()))
            except Exception as error:  # a doctor reports every failure and goes on
                findings.append((False, topic, f"{type(error).__name__}: {error}"))
            bar.update()
    return Diagnosis(findings)


def _versions() -> str:
    from course_utils.bootstrap import installed_version

    names = ("deep-flaw", "torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "anywidget", "jupyterlab")
    system = f"{platform.system()} {platform.machine()}"
    found = ", ".join(f"{name} {installed_version(name) or '-'}" for name in names)
    return f"Python {platform.python_version()} on {system}; {found}"


def _device() -> str:
    where = device()
    name = f" ({torch.cuda.get_device_name(where)})" if where.type == "cuda" else ""
    return f"{where}{name}; torch uses {torch.get_num_threads()} of {os.cpu_count()} CPU cores"


class Memory(NamedTuple):
    """Bytes that are free, of how many, and what sets that limit."""

    free: int
    total: int
    limit: str


ENOUGH = 1.5 * 2**30  # bytes of memory that the course wants
MACHINE, PROCESS, GROUP = "", " within this process's own limit", " within the limit of this container or control group"
ADVICE = {
    MACHINE: "shut down other kernels (menu Kernel, Shut Down All Kernels)",
    PROCESS: "lift it with `ulimit -v unlimited` where Jupyter is started, or ask who runs the machine",
    GROUP: "shut down other kernels, or let it have more, as with `docker run --memory`",
}


def memory() -> Memory:
    """What this process may still take: the least that the machine, its own limit and its control groups leave.

    >>> memory().free <= psutil.virtual_memory().total
    True
    """
    machine = psutil.virtual_memory()
    found = [Memory(machine.available, machine.total, MACHINE), *_process_limits(), *_group_limits()]
    return min(found, key=lambda each: each.free)


def _process_limits() -> Iterator[Memory]:
    """The limits of ``ulimit -v`` and ``-d``, where there are any."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = psutil.Process().memory_info()
    for kind, name in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            yield Memory(max(0, limit - getattr(used, name, 0)), limit, PROCESS)


def _group_limits() -> Iterator[Memory]:
    """The limits of the control groups that this process is in, version 1 or 2; what the system can drop is free."""
    try:
        lines = OWN_CGROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            base, limits, used, cache = CGROUPS, ("memory.max", "memory.high"), "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limits = CGROUPS / "memory", ("memory.limit_in_bytes",)
            used, cache = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        inside = PurePosixPath(group)
        for each in (inside, *inside.parents):  # in a container, the outer names may be missing
            for name in limits:
                with suppress(OSError, ValueError):  # "max" is no limit
                    folder = base / each.relative_to("/")
                    limit, taken = (int((folder / file).read_text()) for file in (name, used))
                    yield Memory(max(0, limit - max(0, taken - _cached(folder, cache))), limit, GROUP)


def _cached(folder: Path, name: str) -> int:
    """Bytes of files that a control group keeps in memory, and that the system can drop."""
    with suppress(OSError, ValueError):
        rows = (row.split() for row in (folder / "memory.stat").read_text().splitlines())
        return next((int(value) for key, value in rows if key == name), 0)
    return 0


def _memory() -> str:
    found = memory()
    text = f"{found.free / 2**30:.1f} of {found.total / 2**30:.1f} GiB free{found.limit}"
    if found.free < ENOUGH:
        raise MemoryError(f"{text}; the course wants {ENOUGH / 2**30}: {ADVICE[found.limit]}")
    return text


def _cache() -> str:
    """Do what the ledger does: lock, write twice, read back."""
    folder = home()
    note, words = folder / "doctor.txt", b"kept"
    shown = "$COURSE_HOME" if os.environ.get("COURSE_HOME", "").strip() else str(folder).replace(str(Path.home()), "~")
    try:
        with lock("doctor") as held:
            for content in (b"", words):
                write_atomically(note, content)
            kept = note.read_bytes()
            note.unlink()
    except OSError as error:
        raise OSError(f"{shown} keeps no files ({error}): set COURSE_HOME to another folder, and restart") from error
    if kept != words:
        raise OSError(f"{shown} gave back other bytes than were written: set COURSE_HOME to another folder")
    free = shutil.disk_usage(folder).free
    if free < 2**29:
        raise OSError(f"only {free / 2**20:.0f} MiB of disk left for trained networks: free some, or move COURSE_HOME")
    alone = "" if held else "; files cannot be locked there: run one lesson at a time"
    return f"{shown} is writable, {free / 2**30:.0f} GiB free{alone}"


def _data() -> str:
    from course_utils import data  # data stands on this module; the doctor looks at both

    states = data.verify()
    damaged = [name for name, state in states.items() if state.startswith("damaged")]
    if damaged:
        raise OSError(f"{', '.join(damaged)} damaged: `python -m course_utils.data verify` says how")
    missing = [name for name, state in states.items() if state == "missing"]
    return "MNIST is not beside the course and will be downloaded" if missing else "MNIST is here, checksums right"


def _smoke(seconds: float) -> str:
    from course_utils import models

    where = device()
    with torch.random.fork_rng(devices=[]):
        model = models.LeNet5().to(where, memory_format=torch.channels_last)
        images = torch.rand(128, 1, 28, 28).to(where)
    labels = torch.arange(128, device=where) % 10
    optimiser = torch.optim.AdamW(model.parameters())
    steps, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if not torch.isfinite(loss):
            raise ArithmeticError("the loss of a fresh network is not finite: the torch installation is broken")
        steps += 1
    rate = 128 * steps / elapsed
    return f"{rate:,.0f} images a second; three rounds of MNIST will take about {180_000 / rate:.0f} s"
