"""Keep the virtual environment .venv of this checkout, and start JupyterLab in it. The Makefile calls this file.

usage: python tools/environment.py lab|test      install the course with this extra, where that is not done yet
       python tools/environment.py start         open the first lesson

The syntax stays that of Python 3.6, so that an old Python gets as far as the message about its age.
"""

import hashlib
import importlib.util
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FIRST = "/lab/tree/lessons/00_start_here.ipynb"

TOO_OLD = """\
The course needs Python 3.10 or newer; {executable} is {version}.
Name another one, for example: make lab PYTHON=python3.12
"""
NO_VENV = """\
{executable} cannot make virtual environments: its module ensurepip is missing.
On Debian and Ubuntu install it and run the same command again:
    sudo apt install python{version}-venv
Or name another Python (make lab PYTHON=/path/to/python3), or use conda: conda env create -f environment.yml
"""
NOT_INSTALLED = """\
The installation did not finish; the reason stands above. Run the same command again to go on where it stopped.
"""


def sound():
    """Whether .venv has a Python that starts, and was made where it lies now: scripts in it hold its address."""
    try:
        starts = subprocess.run([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL).returncode == 0
        return starts and str(VENV) in (VENV / "bin" / "activate").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def create():
    """Make .venv anew with the Python that runs this file, or say why that cannot be."""
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.exit(TOO_OLD.format(executable=sys.executable, version=sys.version.split()[0]))
    if importlib.util.find_spec("ensurepip") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(NO_VENV.format(executable=sys.executable, version=version))
    print("Making .venv ...", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)]).returncode:
        sys.exit(NOT_INSTALLED)


def install(extra):
    """Install the course and one extra, unless that was done with the same lists of packages."""
    lists = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    fingerprint = hashlib.sha256(lists).hexdigest()
    stamp = VENV / f"installed-{extra}"
    if not sound():
        create()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == fingerprint:
        return
    flags = shlex.split(os.environ.get("PIP_FLAGS", ""))
    pip = [str(PYTHON), "-m", "pip", "install", *flags]
    for what in (["--quiet", "pip>=21.3"], ["-e", f".[{extra}]", "-c", "constraints.txt"]):  # older pips know no -e
        if subprocess.run([*pip, *what], cwd=str(ROOT)).returncode:
            sys.exit(NOT_INSTALLED)
    stamp.write_text(fingerprint, encoding="utf-8")


def start():
    """Become JupyterLab with the first lesson open; it takes the next free port when its own is taken."""
    command = [str(PYTHON), "-m", "jupyterlab", "--LabApp.default_url=" + FIRST]
    if os.environ.get("PORT"):
        command.append("--port=" + os.environ["PORT"])
    if os.geteuid() == 0:
        command.append("--allow-root")
    if sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        command.append("--no-browser")
    os.chdir(str(ROOT))
    os.execv(command[0], command)


if __name__ == "__main__":
    if sys.argv[1:] == ["start"]:
        start()
    elif sys.argv[1:] in (["lab"], ["test"]):
        install(sys.argv[1])
    else:
        sys.exit(__doc__)
