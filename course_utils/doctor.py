"""The doctor: says what is wrong with an installation, in a block for a bug report."""

import os
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from course_utils import data, models
from course_utils.bootstrap import installed_version
from course_utils.core.memory import GROUP, MACHINE, PROCESS, memory
from course_utils.core.storage import home, lock, record_folder, write_atomically
from course_utils.runtime import device, ensure_generator, printable, switch
from course_utils.training import fit, seeded


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
    for topic, look in tqdm(topics.items(), desc="looking", delay=0.5):
        try:
            findings.append((True, topic, look()))
        except Exception as error:  # a doctor reports every failure and goes on
            findings.append((False, topic, f"{type(error).__name__}: {error}"))
    return Diagnosis(findings)


def _versions() -> str:
    names = ("deep-flaw", "torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "anywidget", "jupyterlab")
    system = f"{platform.system()} {platform.machine()}"
    found = ", ".join(f"{name} {installed_version(name) or '-'}" for name in names)
    return f"Python {platform.python_version()} on {system}; {found}"


def _device() -> str:
    where = device()
    name = f" ({torch.cuda.get_device_name(where)})" if where.type == "cuda" else ""
    return f"{where}{name}; torch uses {torch.get_num_threads()} of {os.cpu_count()} CPU cores"


ENOUGH = 1.5 * 2**30  # bytes of memory that the course wants
ADVICE = {
    MACHINE: "shut down other kernels (menu Kernel, Shut Down All Kernels)",
    PROCESS: "lift it with `ulimit -v unlimited` where Jupyter is started, or ask who runs the machine",
    GROUP: "shut down other kernels, or let it have more, as with `docker run --memory`",
}


def _memory() -> str:
    found = memory()
    text = f"{found.free / 2**30:.1f} of {found.total / 2**30:.1f} GiB free{found.limit}"
    if found.free < ENOUGH:
        raise MemoryError(f"{text}; the course wants {ENOUGH / 2**30}: {ADVICE[found.limit]}")
    return text


def _cache() -> str:
    """Try the course's two folders as it uses them: lock, write twice, read back."""
    folder, record = home(), record_folder()
    shown, own, alone = "$COURSE_HOME", "", ""
    if not os.environ.get("COURSE_HOME", "").strip():
        shown, beside = (str(place).replace(str(Path.home()), "~") for place in (folder, record))
        own = f"; your record is in {beside}"
    for note in (folder / "doctor.txt", record / "doctor.txt"):
        try:
            with lock(note) as held:
                for content in (b"", b"kept"):
                    write_atomically(note, content)
                kept = note.read_bytes()
                note.unlink()
        except OSError as error:
            hint = "set COURSE_HOME to another folder, and restart"
            raise OSError(f"{shown} keeps no files ({error}): {hint}") from error
        if kept != content:
            raise OSError(f"{shown} gave back other bytes than were written: set COURSE_HOME to another folder")
        if not held:
            alone = "; files cannot be locked there: run one lesson at a time"
    free = shutil.disk_usage(folder).free
    if free < 2**29:
        raise OSError(f"only {free / 2**20:.0f} MiB of disk left for trained networks: free some, or move COURSE_HOME")
    return f"{shown} is writable, {free / 2**30:.0f} GiB free{own}{alone}"


def _data() -> str:
    states = data.verify()
    damaged = [name for name, state in states.items() if state.startswith("damaged")]
    if damaged:
        raise OSError(f"{', '.join(damaged)} damaged: `deep-flaw verify` says how")
    if "missing" in states.values():
        return "MNIST is not beside the course and will be downloaded"
    return "MNIST is here, checksums right"


def _smoke(seconds: float) -> str:
    where, number = device(), 1280
    with seeded(0):
        model, images = models.LeNet5(), torch.rand(number, 1, 28, 28).to(where)
    split = data.Split(images, torch.arange(number, device=where) % 10)
    rounds, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        if not fit(model, split, epochs=1, generator=ensure_generator(), progress=False).finished:
            raise KeyboardInterrupt
        rounds += 1
    rate = number * rounds / elapsed
    return f"{rate:,.0f} images a second; three rounds of MNIST will take about {180_000 / rate:.0f} s"
