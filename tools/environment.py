"""Keep the virtual environment .venv of this checkout, and start JupyterLab in it. The Makefile calls this file.

usage: python tools/environment.py lab|test|browser    install the course with this extra, where that is not done yet
       python tools/environment.py start               open the first lesson

The syntax stays that of Python 3.6, so that an old Python gets as far as the message about its age.
"""

import hashlib
import importlib.util
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FIRST = "/lab/tree/lessons/00_start_here.ipynb"
OLDEST, NEWEST = (3, 10), (3, 14)  # as pyproject.toml's requires-python
BUILDS = ["CPython for " + name for name in ("linux-x86_64", "linux-aarch64", "macosx-arm64", "win-amd64")]

TOO_OLD = """\
The course needs Python 3.10 or newer; {executable} is {version}.
Name another one, for example: make lab PYTHON=python3.12
"""
TOO_NEW = """\
{executable} is {version}, and some packages of the course are not made for a Python newer than {newest} yet.
Name another one, for example: make lab PYTHON=python3.12
"""
INTEL_MAC = """\
{executable} is a Python for Macs with an Intel processor; PyTorch, from the version that the course needs on, is not
made for them. If this Mac has an Apple processor, install a Python that is made for it, and name it:
make lab PYTHON=/path/to/python3. If not, take another machine, or Colab (see README.md).
"""
NOT_BUILT = """\
{executable} is {build}; some packages of the course are not made for that, only for:
{builds}.
Name another Python: make lab PYTHON=/path/to/python3. If there is none for this machine, Colab is left (see README.md).
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


def build():
    """What the Python that runs this file is made for, in the words of `BUILDS`."""
    system = "macosx-" + platform.machine() if sys.platform == "darwin" else sysconfig.get_platform()
    if system.startswith("linux") and "musl" in (sysconfig.get_config_var("SOABI") or ""):
        system = "musl" + system
    bits = "" if sys.maxsize > 2**32 else " (32 bit)"
    return platform.python_implementation() + " for " + system + bits


def unfit():
    """Why the course cannot be installed with the Python that runs this file, "" if it can."""
    about = {"executable": sys.executable, "version": sys.version.split()[0]}
    if sys.version_info[:2] < OLDEST:
        return TOO_OLD.format(**about)
    if sys.version_info[:2] > NEWEST:
        return TOO_NEW.format(newest=".".join(map(str, NEWEST)), **about)
    if build() == "CPython for macosx-x86_64":
        return INTEL_MAC.format(**about)
    if build() not in BUILDS:
        return NOT_BUILT.format(build=build(), builds=", ".join(BUILDS), **about)
    if importlib.util.find_spec("ensurepip") is None:
        return NO_VENV.format(executable=sys.executable, version=".".join(map(str, sys.version_info[:2])))
    return ""


def create():
    """Make .venv anew with the Python that runs this file, or say why that cannot be."""
    reason = unfit()
    if reason:
        sys.exit(reason)
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
    elif sys.argv[1:] in (["lab"], ["test"], ["browser"]):
        install(sys.argv[1])
    else:
        sys.exit(__doc__)
