"""The lists of packages agree, and the commands that the texts name exist."""

import re

import pytest
from packaging.requirements import Requirement

from course_utils.bootstrap import KEPT, project
from tools.books import ROOT

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def listed():
    """Every requirement of pyproject.toml."""
    table = project()["project"]
    lines = table["dependencies"] + [line for extra in table["optional-dependencies"].values() for line in extra]
    return [Requirement(line) for line in lines]


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_environment_yml_leaves_the_packages_to_pyproject():
    table = project()["project"]
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    entries = re.findall(r"^ +- (.*)", text.partition("dependencies:")[2], flags=re.MULTILINE)
    assert entries == [f"python{table['requires-python']}", "pip", "pip:", "-e .[lab,test]"]
    assert set(table["optional-dependencies"]) == {"browser", "imagenet", "lab", "test"}


@pytest.mark.parametrize("line", pins())
def test_a_constraint_is_a_name_and_a_version(line):
    assert re.fullmatch(r'[a-z0-9-]+==[0-9.]+(; python_version (<|>=|==) "3\.\d+")?', line)
    assert Requirement(line).name not in KEPT


@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_has_one_tested_version_within_its_range(python):
    environment = {"python_version": python}
    chosen = [r for r in map(Requirement, pins()) if not r.marker or r.marker.evaluate(environment)]
    versions = {r.name: str(r.specifier).removeprefix("==") for r in chosen}
    assert len(versions) == len(chosen)
    for requirement in listed():
        if requirement.name not in KEPT:
            assert requirement.specifier.contains(versions[requirement.name]), requirement


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_commands_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*)\b.*:(?!=)", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE))
    assert named and named <= targets
    subcommands = set(re.findall(r"tools/lessons\.py ([a-z]+)", text))
    assert subcommands and subcommands <= {"run", "solve", "badges", "table"}
    for path in re.findall(r"\]\(((?!https?:)[^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        assert (ROOT / path).exists(), path
