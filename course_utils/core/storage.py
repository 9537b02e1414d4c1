"""Where files of the course lie, and how they are written: whole or not at all, without pickle, by one at a time."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
import safetensors
import safetensors.torch
from filelock import FileLock
from torch import Tensor, nn

PATIENCE = 5  # seconds to wait for a lock


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


def restore(model: nn.Module, file: Path, stamp: str) -> dict[str, str]:
    """Fill ``model`` with the weights that `store` wrote, and return the notes beside them.

    Raises:
        FileNotFoundError: there is no such file.
        OSError, ValueError: it cannot be read, or is damaged, or was written by another recipe; says which.
    """
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}")
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

    >>> model, file = models.FC(), home() / "softmax.safetensors"
    >>> store(model, file, "a recipe", author="me")
    >>> restore(model, file, "a recipe")["author"]
    'me'
    """
    tensors = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    notes |= {"recipe": stamp, "sha256": checksum(tensors)}
    write_atomically(file, safetensors.torch.save(tensors, metadata=notes))


def checksum(tensors: dict[str, Tensor]) -> str:
    """The SHA-256 of named tensors on the CPU: their names and their values."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode() + tensors[key].contiguous().numpy().tobytes())
    return digest.hexdigest()


class DamagedFile(OSError):
    """A data file whose checksum is wrong; the message says which, and how to restore it."""
