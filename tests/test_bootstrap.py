"""A lesson alone in a folder fetches its course; elsewhere its first cell does nothing."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_utils import bootstrap
from tools import hygiene, lessons, notebooks
from tools.notebooks import ROOT, paths, read

PACKAGES = sysconfig.get_path("purelib")
WHERE = "from course_utils import bootstrap\nprint(bootstrap.__file__)"


def run_cell(folder, repo="", ref="main", then=WHERE, more_path="", **environment):
    """Run a bootstrap cell and what follows in ``folder``, by a Python that has all packages but not the course.

    Without the module site the .pth file of an editable install goes unread, so ``course_utils`` is not found.
    """
    folder.mkdir(parents=True, exist_ok=True)
    code = f"{notebooks.bootstrap_cell(repo, ref)}\n{then}"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [more_path, PACKAGES]))} | environment
    return subprocess.run([sys.executable, "-S", "-c", code], cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A git repository with the working tree's package and data, on the branch main and with the tag v1."""
    folder = tmp_path_factory.mktemp("remote of the course")
    for name in ("course_utils", "data"):
        leave = shutil.ignore_patterns("__pycache__", "*-ubyte", "verified.json")
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", folder)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-qm", "course"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder.as_uri().replace("%20", " ")


def test_a_lesson_alone_fetches_the_course_once(remote, tmp_path):
    first = run_cell(tmp_path, remote, ref="v1")
    assert first.stdout.strip() == str(tmp_path / "deep-flaw/course_utils/bootstrap.py"), first.stderr
    assert first.stderr == ""
    again = run_cell(tmp_path, "file:///no/longer/there", ref="v1")
    assert again.stdout == first.stdout, again.stderr


def test_a_lesson_alone_finds_all_that_the_lessons_import(remote, tmp_path):
    """Of the course it imports all that they do; of the other packages it looks whether they are there."""
    lines = {}
    for path in paths():
        for _, cell in hygiene.code_cells(read(path)):
            for node in ast.parse(hygiene.python(cell.source)).body:
                if isinstance(node, ast.Import | ast.ImportFrom) and "__future__" not in ast.unparse(node):
                    line = ast.unparse(node)
                    package = (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
                    if package != "course_utils":
                        line = f"import importlib.util; assert importlib.util.find_spec('{package}')"
                    lines[line] = path.stem
    assert any("course_utils" in line for line in lines)
    done = run_cell(tmp_path, remote, then="\n".join(f"{line}  # in {lesson}" for line, lesson in lines.items()))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_first_lesson_alone_runs_to_its_end(remote, tmp_path, monkeypatch):
    """In a kernel that has all packages but not the course."""
    argv = [sys.executable, "-S", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "alone", "language": "python", "env": {"PYTHONPATH": PACKAGES}}
    (tmp_path / "kernels/alone").mkdir(parents=True)
    (tmp_path / "kernels/alone/kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    book = read(paths()[0])
    for cell in hygiene.tagged(book, "bootstrap"):
        cell.source = notebooks.bootstrap_cell(remote, "main")
    (tmp_path / "alone").mkdir()
    lessons.execute(book, tmp_path / "alone", kernel="alone")
    assert (tmp_path / "alone/deep-flaw/data/MNIST/raw/train-images-idx3-ubyte").exists()


def test_a_lesson_in_a_checkout_finds_it_upwards(tmp_path):
    (tmp_path / "course_utils").symlink_to(ROOT / "course_utils")
    for folder in (tmp_path, tmp_path / "lessons", tmp_path / "build/solved"):
        done = run_cell(folder)
        assert done.stdout.strip() == str(tmp_path / "course_utils/bootstrap.py"), done.stderr


def test_the_cell_does_nothing_where_the_course_is_installed(tmp_path):
    done = run_cell(tmp_path, "file:///nowhere", more_path=str(ROOT))
    assert done.stdout.strip() == str(ROOT / "course_utils/bootstrap.py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("repo", "environment", "messages"),
    [
        ("", {}, ["Cannot fetch the course (no address).", "inside a copy of the whole course"]),
        ("file:///nowhere", {}, ["Cannot fetch the course (file:///nowhere).", "fatal: "]),
        ("file:///nowhere", {"PATH": ""}, ["Cannot fetch the course (file:///nowhere).", "git: "]),
    ],
    ids=["no address", "no such remote", "no git"],
)
def test_a_course_that_cannot_be_fetched_is_said_plainly(repo, environment, messages, tmp_path):
    done = run_cell(tmp_path, repo, **environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(message in done.stderr for message in messages)


@pytest.fixture
def machine(monkeypatch):
    """A Python with these packages, and a pip that records its calls: ``machine.installed`` and ``machine.calls``."""

    installed = {"numpy": "2.1", "torch": "2.9+cu130", "torchvision": "0.24", "ipywidgets": "7.7.1"}
    machine = SimpleNamespace(installed=installed, calls=[], returncode=0)

    def run(command, **_):
        at = command.index("--constraint")
        machine.calls.append((command[at + 2 :], Path(command[at + 1]).read_text().split()))
        return subprocess.CompletedProcess(command, machine.returncode, "", "no network")

    def distributions():
        return [SimpleNamespace(metadata={"Name": name}, version=version) for name, version in installed.items()]

    monkeypatch.setattr(bootstrap, "installed_version", installed.get)
    monkeypatch.setattr(bootstrap.metadata, "distributions", distributions)
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    return machine


def test_only_absent_packages_are_installed_and_none_changes(machine, capsys):
    bootstrap.install_missing()
    [(asked, constraints)] = machine.calls
    names = {bootstrap.Requirement(line).name for line in asked}
    everything = {bootstrap.Requirement(line).name for line in bootstrap.pyproject()["project"]["dependencies"]}
    assert names == everything - set(machine.installed)
    assert constraints == ["numpy==2.1", "torch==2.9+cu130", "torchvision==0.24", "ipywidgets==7.7.1"]
    assert "ipywidgets 7.7.1 is older than the course was written for" in capsys.readouterr().out


ODD = {
    "debian": "Name: debian\nVersion: 1.1build1\n",
    "spaced": "Name: spaced\nVersion: 1.0 beta\n",
    "unknown": "Name: unknown\nVersion: UNKNOWN\n",
    "no_version": "Name: no-version\n",
    "no_name": "Version: 1.0\n",
    "odd_name": "Name: odd name!\nVersion: 1.0\n",
    "address": "Name: x @ https://example.org/x.whl\nVersion: 1.0\n",
    "extra": "Name: extra[all]\nVersion: 1.0\n",
    "latin": b"Name: latin\nVersion: 1.0\nAuthor: J\xf6rg\n",
    "nothing": None,
}


@pytest.fixture
def record(monkeypatch, tmp_path):
    """``record(folder, name, text)``: put the record of an installed package on the path, and into a folder of it."""

    def record(folder, name, text):
        info = tmp_path / folder / f"{name}.dist-info"
        info.mkdir(parents=True)
        if text is not None:
            (info / "METADATA").write_bytes(text if isinstance(text, bytes) else text.encode())
        if str(tmp_path / folder) not in sys.path:
            monkeypatch.syspath_prepend(tmp_path / folder)

    return record


@pytest.fixture
def constraints(monkeypatch):
    """``constraints()``: what pip is told to leave as it is where one package is absent."""
    told = []

    def run(command, **_):
        told.extend(Path(command[command.index("--constraint") + 1]).read_text().splitlines())
        return subprocess.CompletedProcess(command, 0)

    def constraints():
        monkeypatch.setattr(bootstrap, "pyproject", lambda: {"project": {"dependencies": ["no-such-package"]}})
        monkeypatch.setattr(bootstrap.subprocess, "run", run)
        bootstrap.install_missing()
        return told

    return constraints


def test_what_pip_could_not_read_is_no_constraint(record, constraints):
    for name, text in ODD.items():
        record("odd", f"{name}-1.0", text)
    record("fine", "Local.Build-2.4.0", "Name: Local.Build\nVersion: 2.4.0+cu121\n")
    record("fine", "dev-1", "Name: dev\nVersion: 1.0.dev3+g1234abc\n")
    record("fine", "early-1", "Name: early\nVersion: 2.0rc1\n")
    pins = constraints()
    assert {"local-build==2.4.0+cu121", "dev==1.0.dev3+g1234abc", "early==2.0rc1"} <= set(pins)
    assert any(pin.startswith("torch==") for pin in pins)
    names = [bootstrap.Requirement(pin).name for pin in pins]
    assert not {"debian", "spaced", "unknown", "no-version", "x", "extra"} & set(names) and len(set(names)) == len(
        names
    )


def test_of_two_records_the_one_in_use_counts(record, constraints):
    record("second", "twice-1.0", "Name: twice\nVersion: 1.0\n")
    record("first", "twice-2.0", "Name: twice\nVersion: 2.0\n")
    record("first", "~eft-1.0", "Name: left\nVersion: 1.0\n")  # what an interrupted pip leaves behind
    record("second", "left-3.0", "Name: left\nVersion: 3.0\n")
    record("first", "~one-1.0", "Name: gone\nVersion: 1.0\n")
    pins = constraints()
    assert "twice==2.0" in pins and "left==3.0" in pins
    assert not [pin for pin in pins if pin.startswith("gone") or pin in ("twice==1.0", "left==1.0")]


def test_pip_installs_beside_packages_with_odd_versions(record, monkeypatch, tmp_path):
    """The real pip, with a wheel from a folder, into a folder. Of itself it stops at a record that is not UTF-8."""
    for name in ODD.keys() - {"latin", "nothing"}:
        record("odd", f"{name}-1.0", ODD[name])
    with zipfile.ZipFile(tmp_path / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    settings = dict(NO_INDEX="1", FIND_LINKS=tmp_path, TARGET=tmp_path / "there", CONFIG_FILE=os.devnull)
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "odd"))
    monkeypatch.setattr(bootstrap, "pyproject", lambda: {"project": {"dependencies": ["tiny"]}})
    bootstrap.install_missing()
    assert (tmp_path / "there/tiny.py").exists()


@pytest.mark.parametrize("version", ["1.1build1", "UNKNOWN"])
def test_a_package_of_ours_whose_version_cannot_be_compared_is_left_and_named(machine, version, capsys):
    machine.installed["matplotlib"] = version
    bootstrap.install_missing()
    [(asked, constraints)] = machine.calls
    assert not [line for line in (*asked, *constraints) if line.startswith("matplotlib")]
    assert f"matplotlib {version} may be older than the course was written for: it asks for" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, "Name: anywidget\n"])
def test_a_record_that_cannot_be_read_is_no_package(record, text):
    record("broken", "anywidget-1.0", text)
    assert bootstrap.installed_version("anywidget") is None and bootstrap.installed_version("torch")


def test_nothing_is_called_where_nothing_is_absent(machine):
    for line in bootstrap.pyproject()["project"]["dependencies"]:
        machine.installed.setdefault(bootstrap.Requirement(line).name, "99")
    bootstrap.install_missing()
    assert machine.calls == []


def test_torch_is_asked_for_and_never_installed(machine):
    del machine.installed["torch"], machine.installed["numpy"]
    with pytest.raises(SystemExit, match=r"lacks numpy, torch: see https://pytorch.org"):
        bootstrap.install_missing()
    assert machine.calls == []


def test_a_pip_that_fails_is_quoted(machine):
    machine.returncode = 1
    with pytest.raises(SystemExit, match=r"pip could not install anywidget.*\n.*no network"):
        bootstrap.install_missing()
