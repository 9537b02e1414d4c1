"""The lists of packages agree, there are wheels of all, and the commands that the texts name exist."""

import itertools
import os
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from course_utils.bootstrap import KEPT, pyproject
from tools import environment
from tools.notebooks import ROOT

PYTHONS = [f"3.{minor}" for minor in range(environment.OLDEST[1], environment.NEWEST[1] + 1)]
SYSTEMS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"]
UV = shutil.which("uv", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))


def listed():
    """Every requirement of pyproject.toml but the course itself."""
    table = pyproject()["project"]
    lines = table["dependencies"] + [line for extra in table["optional-dependencies"].values() for line in extra]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != table["name"]]


@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_has_one_tested_version_within_its_range(python):
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    chosen = [pin for pin in pins if not pin.marker or pin.marker.evaluate({"python_version": python})]
    versions = {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}
    assert len(versions) == len(chosen) and not KEPT & set(versions)
    for requirement in listed():
        if requirement.name not in KEPT:
            assert requirement.specifier.contains(versions[requirement.name]), requirement


def test_the_pythons_of_the_course_are_those_that_its_tools_take():
    accepted = pyproject()["project"]["requires-python"]
    assert [f"3.{minor}" for minor in range(50) if f"3.{minor}.1" in SpecifierSet(accepted)] == PYTHONS
    assert f"python{accepted}\n" in (ROOT / "environment.yml").read_text(encoding="utf-8")


def resolve(python, system):
    """What uv says of all extras at once: what has a solution has one with fewer packages too."""
    command = [UV, "pip", "compile", "pyproject.toml", "--all-extras", "--constraints", "constraints.txt"]
    command += ["--python-version", python, "--python-platform", system, "--only-binary", ":all:", "--no-header"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def resolved():
    with ThreadPoolExecutor(8) as pool:  # each waits for the index most of the time
        yield {case: pool.submit(resolve, *case) for case in itertools.product(PYTHONS, SYSTEMS)}


@pytest.mark.slow
@pytest.mark.skipif(not UV, reason="needs uv: pip install -e '.[test]'")
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_there_is_a_wheel_of_each_package(python, system, resolved):
    done = resolved[python, system].result()
    if "Failed to fetch" in done.stderr or "network was disabled" in done.stderr:
        pytest.skip("needs a package index: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    chosen = {line.partition("==")[0] for line in done.stdout.splitlines()}
    assert {requirement.name for requirement in listed()} <= chosen


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_commands_and_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE)):
        assert subprocess.run(["make", "-n", target, "REPO=x/y"], cwd=ROOT, capture_output=True).returncode == 0, target
    for command in re.findall(r"tools/lessons\.py ([a-z]+)", text):
        assert command in {"run", "solve", "badges", "table"}
    for path in re.findall(r"\]\(((?!https?:)[^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        assert (ROOT / path).exists(), path
