"""The course for a notebook on its own, as in Colab: what its first cell calls after fetching the course.

Only packages that are absent are installed, and everything that is there stays at its version. numpy, torch and
torchvision are never touched: a hosted notebook comes with the builds that fit its machine.
"""

import importlib
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

KEPT = {"numpy", "torch", "torchvision"}


def pyproject(root: Path | None = None) -> dict:
    """The contents of a checkout's ``pyproject.toml``, by default of the checkout that this file lies in.

    >>> pyproject()["project"]["name"]
    'deep-flaw'
    """
    root = root or Path(__file__).resolve().parents[1]
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def install_missing() -> None:
    """Install the packages of the course that are absent, and say which ones are too old."""
    requirements = [Requirement(line) for line in pyproject()["project"]["dependencies"]]
    missing = [r for r in requirements if not installed_version(r.name)]
    if kept := sorted(KEPT & {r.name for r in missing}):
        raise SystemExit(f"This Python lacks {', '.join(kept)}: see https://pytorch.org/get-started/locally/")
    for r in requirements:
        if (version := installed_version(r.name)) and (doubt := _doubt(r, version)):
            print(f"{r.name} {version} {doubt}: it asks for {r}")
    if not missing:
        return
    print("Installing", *[r.name for r in missing])
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "installed.txt")
        constraints.write_text("".join(f"{pin}\n" for pin in _pins()), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
        done = subprocess.run([*pip, *map(str, missing)], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise SystemExit(f"pip could not install {', '.join(r.name for r in missing)}:\n{done.stderr}")
    importlib.invalidate_caches()


def installed_version(name: str) -> str | None:
    """The version of an installed package; None where there is none, or where its record cannot be read."""
    try:
        return metadata.version(name)
    except Exception:  # a half-removed package has a record without a name, without a version, or none
        return None


def _doubt(requirement: Requirement, version: str) -> str:
    """What speaks against an installed version, "" if nothing."""
    try:
        fits = requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return "may be older than the course was written for"
    return "" if fits else "is older than the course was written for"


def _pins() -> list[str]:
    """Constraints that keep each installed package as it is; without those that pip could not read such a line of.

    Distributions give their packages names and versions that are not Python's, such as 1.1build1, and an interrupted
    pip leaves records behind. The version is asked for by name, so that of two records the one in use counts.
    """
    found = {}
    for record in metadata.distributions():
        with suppress(Exception):  # whatever a broken record raises
            name = record.metadata["Name"]
            if Requirement(name).name == name and (known := installed_version(name)):
                found[canonicalize_name(name)] = Version(known)
    return [f"{name}=={version}" for name, version in found.items()]
