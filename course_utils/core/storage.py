"""Where files of the course lie, and how they are written: whole or not at all, without pickle, by one at a time.

There are two folders. What can be fetched or trained again lies in `home`, the user's cache folder. What the learner
did is the *record*: ledger, guesses, quiz answers, solved exercises, the arena's board, each a `JsonStore` in
`record_folder`, the user's data folder. The environment variable ``COURSE_HOME`` names one folder for both.
"""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs
import safetensors
import safetensors.torch
from filelock import FileLock
from torch import Tensor, nn

PATIENCE = 5  # seconds to wait for a lock
FORMAT = 1  # of the learner's record


def home(*parts: str) -> Path:
    """A folder for what can be had again, made when missing: trained networks, MNIST. ``~`` is the user's own folder.

    Raises:
        ValueError, OSError: the path is not a full one; the folder cannot be made.
    """
    return _folder(platformdirs.user_cache_dir("deep-flaw"), *parts)


def record_folder() -> Path:
    """The folder of the learner's record, made as `home` is."""
    return _folder(platformdirs.user_data_dir("deep-flaw"), "record")


def _folder(default: str, *parts: str) -> Path:
    base = os.environ.get("COURSE_HOME", "").strip() or default
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
    """Something that is neither here nor to be had from here. A notebook shows the message alone, no traceback."""

    def _render_traceback_(self) -> list[str]:
        after = "The run stops at this cell. The cells below still show what they showed when the lesson was stored: "
        return [f"Not here: {self}", "", after + "read on, and run it again from here when there is a network."]


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, never half.

    Where a drive has no permissions, or cannot put one file in the place of another, the content is what counts.
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
    """Keep a file that is not used any more under a free name that ends in ``suffix``, and return its new path."""
    taken = len(list(file.parent.glob(f"{file.stem}{suffix}*")))
    aside = file.with_suffix(f"{suffix}-{taken + 1}" if taken else suffix)
    write_atomically(aside, file.read_bytes())
    file.unlink()
    return aside


@contextmanager
def lock(file: Path) -> Iterator[bool]:
    """Keep other kernels from ``file`` meanwhile, by a file ``.lock`` beside it; False where the lock is not to be had.

    The work goes on without: on some drives nothing can be locked, and a kernel that was stopped may never let go.
    """
    guard = FileLock(f"{file}.lock", timeout=PATIENCE)
    with suppress(OSError, NotImplementedError):
        guard.acquire()
    try:
        yield guard.is_locked
    finally:
        with suppress(OSError, NotImplementedError):
            guard.release()


class JsonStore:
    """One part of the learner's record: a JSON file ``{"format": 1, name: contents}`` in `record_folder`.

    A file that cannot be read is put aside under another name, with a warning, and a new one begins. Where a change
    cannot be written, a warning says so, also in ``trouble``; this kernel remembers it and tries again the next time.
    One that a newer version of the course wrote stays as it is: a RuntimeError says what to do.

    Args:
        fresh: makes the contents to begin with: list or dict.
        check: raises ValueError, TypeError, KeyError or AttributeError if contents are not what they should be.
        former: pattern of the files in `home` that held this before there was a record. They are taken over once, by
            ``adopt(contents, stem, document)``, which returns the contents with one of them added.

    >>> notes = JsonStore("notes", fresh=list, check=sorted)
    >>> notes.update(lambda kept: kept.append("b")), notes.read()
    (['b'], ['b'])
    """

    def __init__(
        self,
        name: str,
        *,
        fresh: Callable[[], Any],
        check: Callable[[Any], Any],
        former: str = "",
        adopt: Callable[[Any, str, Any], Any] = lambda contents, stem, document: document,
    ):
        self.name, self.fresh, self.check, self.former, self.adopt = name, fresh, check, former, adopt
        self.trouble = ""
        self._unwritten: dict[Path, list[Callable]] = {}

    @property
    def file(self) -> Path:
        return record_folder() / f"{self.name}.json"

    def read(self) -> Any:
        return self.update()

    def update(self, *changes: Callable[[Any], object]) -> Any:
        """Let functions change the contents in place, while no other kernel does; the contents after that.

        What `check` raises of them is raised here, and nothing is written.
        """
        file, self.trouble = self.file, ""
        changes = [*self._unwritten.get(file, []), *changes]
        with lock(file):
            contents = self._load(file)
            before = self._packed(contents)
            for change in changes:
                change(contents)
            if self._packed(contents) != before:
                self.check(contents)
                try:
                    write_atomically(file, self._packed(contents))
                except OSError as error:
                    self._unwritten[file] = changes
                    self.trouble = f"{file} could not be written ({error}): what is new is kept in this kernel alone"
                    warnings.warn(self.trouble, stacklevel=3)
                    return contents
        self._unwritten.pop(file, None)
        return contents

    def _packed(self, contents: Any) -> bytes:
        return json.dumps({"format": FORMAT, self.name: contents}, indent=1).encode()

    def _load(self, file: Path) -> Any:
        if not file.exists():
            return self._taken_over(file) if self.former else self.fresh()
        with _damaged_aside(file):
            document = json.loads(file.read_text(encoding="utf-8"))
            if document["format"] > FORMAT:
                raise RuntimeError(
                    f"{file} was written by a newer version of the course: update this one, or set the environment "
                    "variable COURSE_HOME to another folder, and restart the kernel"
                )
            self.check(document[self.name])
            return document[self.name]
        return self.fresh()

    def _taken_over(self, file: Path) -> Any:
        """What the course kept in its cache folder before there was a record."""
        contents, found = self.fresh(), []
        for old in sorted(home().glob(self.former), key=lambda old: (old.stat().st_mtime, old.name)):
            with _damaged_aside(old):
                grown = self.adopt(contents, old.stem, json.loads(old.read_text(encoding="utf-8")))
                self.check(grown)
                contents, found = grown, [*found, old]
        if found:
            with suppress(OSError):  # then they are taken over another time
                write_atomically(file, self._packed(contents))
                for old in found:
                    put_aside(old, ".old")
        return contents


@contextmanager
def _damaged_aside(file: Path) -> Iterator[None]:
    """A file that turns out not to hold what it should is put aside, with a warning."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        aside = put_aside(file, ".damaged")
        warnings.warn(f"{file} could not be read ({error!r}); it now lies in {aside}, a new one begins", stacklevel=6)


def restore(model: nn.Module, file: Path, stamp: str) -> dict[str, str]:
    """Fill ``model`` with the weights that `store` wrote, and return the notes beside them.

    Raises:
        FileNotFoundError: there is no such file.
        OSError, ValueError: it cannot be read, or is damaged, or was written by another recipe; says which.
    """
    try:
        tensors = safetensors.torch.load_file(file)
        with safetensors.safe_open(file, "pt") as opened:
            notes = opened.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    if notes.get("recipe") != stamp:
        raise ValueError("it was written by another recipe")
    if notes.get("sha256") != checksum(tensors):
        raise ValueError("its checksum is wrong")
    expected = {key: value.shape for key, value in model.state_dict().items()}
    if {key: value.shape for key, value in tensors.items()} != expected:
        raise ValueError("it holds another network")
    model.load_state_dict(tensors)
    return notes


def store(model: nn.Module, file: Path, stamp: str, **notes: str) -> None:
    """Write the weights without pickle, in one step: another kernel sees the whole file or none.

    >>> model, file = nn.Linear(2, 2), home() / "line.safetensors"
    >>> store(model, file, "a recipe", author="me")
    >>> restore(model, file, "a recipe")["author"]
    'me'
    """
    tensors = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    notes |= {"recipe": stamp, "sha256": checksum(tensors)}
    write_atomically(file, safetensors.torch.save(tensors, metadata=notes))


def checksum(tensors: dict[str, Tensor]) -> str:
    """The SHA-256 of named tensors on the CPU: their names and their values."""
    return sha256(b"".join(key.encode() + tensors[key].contiguous().numpy().tobytes() for key in sorted(tensors)))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def mismatch(content: bytes, expected: str) -> str:
    """What is wrong with the SHA-256 of a file's contents; "" where it is the expected one."""
    found = sha256(content)
    return "" if found == expected else f"SHA-256 is {found}, expected {expected}"


class DamagedFile(OSError):
    """A data file whose checksum is wrong; the message says which, and how to restore it."""
