"""Keep the virtual environment .venv of this checkout, and start JupyterLab in it. The Makefile calls this file.

usage: python tools/environment.py lab|test|browser ...   install the course with these extras, if not done yet
       python tools/environment.py start                  install it with the extra lab, and open the first lesson

It installs with uv where that is found, and with pip where not. The syntax stays that of Python 3.6, so that an old
Python gets as far as the message about its age.
"""

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST, NEWEST = (3, 10), (3, 14)  # as pyproject.toml's requires-python
BUILDS = ["CPython for " + name for name in ("linux-x86_64", "linux-aarch64", "macosx-arm64", "win-amd64")]
ANOTHER = "Name another one, for example: make lab PYTHON=python3.12"
INTEL_MAC = """\
is a Python for Macs with an Intel processor; PyTorch, from the version that the course needs on, is not made for them.
If this Mac has an Apple processor, install a Python that is made for it, and name it: make lab PYTHON=/path/to/python3.
If not, take another machine, or Colab (see README.md)."""
NO_VENV = """\
cannot make virtual environments: its module ensurepip is missing.
On Debian and Ubuntu install it, sudo apt install python{}.{}-venv, and run the same command again.
Or name another Python (make lab PYTHON=/path/to/python3), or use conda: conda env create -f environment.yml"""
NOT_INSTALLED = """
The installation did not finish; the reason stands above. Run the same command again to go on where it stopped."""


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
    if sys.maxsize < 2**32:
        system += " (32 bit)"
    return platform.python_implementation() + " for " + system


def unfit():
    """Why the course cannot be installed with the Python that runs this file, "" if it can."""
    this, version = sys.executable, tuple(sys.version_info[:2])
    if version < OLDEST:
        return f"The course needs Python 3.10 or newer; {this} is {platform.python_version()}.\n{ANOTHER}"
    if version > NEWEST:
        return f"{this} is newer than 3.14, and some packages of the course are not made for that yet.\n{ANOTHER}"
    if build() == "CPython for macosx-x86_64":
        return f"{this} {INTEL_MAC}"
    if build() not in BUILDS:
        made = ",\n".join(BUILDS)
        return f"{this} is {build()}; some packages of the course are only made for\n{made}.\n{ANOTHER}, or take Colab."
    if not shutil.which("uv") and importlib.util.find_spec("ensurepip") is None:
        return f"{this} {NO_VENV.format(*version)}"
    return ""


def run(*command):
    if subprocess.run([str(word) for word in command], cwd=str(ROOT)).returncode:
        sys.exit(NOT_INSTALLED)


def create():
    """Make .venv anew with the Python that runs this file, or say why that cannot be."""
    reason = unfit()
    if reason:
        sys.exit(reason)
    print("Making .venv ...", flush=True)
    if shutil.which("uv"):
        run("uv", "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, VENV)
    else:
        run(sys.executable, "-m", "venv", "--clear", VENV)


def install(extra):
    """Install the course and one extra, unless that was done with the same lists of packages."""
    lists = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    fingerprint = hashlib.sha256(lists).hexdigest()
    stamp = VENV / f"installed-{extra}"
    if not sound():
        create()
    elif stamp.exists() and stamp.read_text(encoding="utf-8") == fingerprint:
        return
    flags = shlex.split(os.environ.get("PIP_FLAGS", ""))
    if shutil.which("uv"):  # which looks for the best version in all indexes, as pip does
        pip = ["uv", "pip", "install", "--python", PYTHON, "--index-strategy", "unsafe-best-match", *flags]
    else:
        pip = [PYTHON, "-m", "pip", "install", *flags]
        run(*pip, "--quiet", "pip>=21.3")  # older ones know no -e
    run(*pip, "-e", f".[{extra}]", "-c", "constraints.txt")
    stamp.write_text(fingerprint, encoding="utf-8")


def start():
    """Become JupyterLab with the first lesson open; it takes the next free port when its own is taken."""
    command = [str(PYTHON), "-m", "jupyterlab", "--LabApp.default_url=/lab/tree/lessons/00_start_here.ipynb"]
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
        install("lab")
        start()
    if not set(sys.argv[1:]) <= {"lab", "test", "browser"}:
        sys.exit(__doc__)
    for extra in sys.argv[1:]:
        install(extra)
