"""The set-up behind `make lab` and `make test`, without installing anything."""

import os
import shutil
import subprocess
import sys

import pytest

from tools import environment
from tools.books import ROOT


@pytest.fixture
def checkout(tmp_path):
    """The files that make needs, in a folder of their own."""
    (tmp_path / "tools").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/environment.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make(folder, *arguments):
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MAKELEVEL", "PORT", "BUDGETS", "CI")
    }
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True)


def altered_python(path, change):
    """A Python interpreter that runs ``change`` before the script it is given."""
    code = f"import runpy, sys; sys.argv = sys.argv[1:]; {change}; runpy.run_path(sys.argv[0], run_name='__main__')"
    return script(path, f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ("sys.version_info = (3, 9, 6)", ["needs Python 3.10 or newer", "PYTHON=python3.12"]),
        ("sys.version_info = (3, 15, 0)", ["not made for a Python newer than 3.14", "PYTHON=python3.12"]),
        (
            "import platform; sys.platform = 'darwin'; platform.machine = lambda: 'x86_64'",
            ["for Macs with an Intel processor", "If this Mac has an Apple processor", "Colab"],
        ),
        ("import sysconfig; sysconfig.get_platform = lambda: 'win-arm64'", ["is CPython for win-arm64;", "Colab"]),
        ("import sysconfig; sysconfig.get_platform = lambda: 'linux-x86_64'; sys.maxsize = 2**31 - 1", ["(32 bit);"]),
        ("import platform; platform.python_implementation = lambda: 'PyPy'", ["is PyPy for "]),
        (
            "import sysconfig; sysconfig.get_config_var = lambda name: 'cpython-312-x86_64-linux-musl'",
            ["is CPython for musllinux-"],
        ),
        ("sys.modules['ensurepip'] = None", ["sudo apt install python3.", "conda env create -f environment.yml"]),
    ],
    ids=["too old", "too new", "Intel Mac", "Windows on ARM", "32 bit", "PyPy", "musl", "no ensurepip"],
)
def test_an_unfit_python_is_told_what_to_do(change, messages, checkout):
    done = make(checkout, "lab", f"PYTHON={altered_python(checkout / 'python', change)}")
    assert done.returncode != 0
    assert all(message in done.stderr for message in messages), done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("build", environment.BUILDS)
@pytest.mark.parametrize("version", [environment.OLDEST, environment.NEWEST])
def test_a_python_for_which_there_are_wheels_is_taken(version, build, monkeypatch):
    system = build.removeprefix("CPython for ")
    monkeypatch.setattr(sys, "version_info", (*version, 1))
    monkeypatch.setattr(sys, "platform", "darwin" if "macosx" in system else "linux")
    monkeypatch.setattr(environment.sysconfig, "get_platform", lambda: system.replace("arm64", "universal2"))
    monkeypatch.setattr(environment.platform, "machine", lambda: system.rpartition("-")[2])
    assert environment.unfit() == ""


def test_a_missing_python_is_named(checkout):
    done = make(checkout, "lab", "PYTHON=python3.99")
    assert done.returncode != 0
    assert "There is no python3.99 here" in done.stdout


def test_the_first_answer_of_make_is_help(checkout):
    done = make(checkout)
    assert done.returncode == 0
    assert all(f"make {target}" in done.stdout for target in ("lab", "test", "test-all", "badges"))


@pytest.mark.parametrize("fails", ["units", "lessons"])
def test_both_halves_of_make_test_run_and_either_can_fail_it(fails, checkout):
    pattern = {"units": "*slow*", "lessons": "*nbval*"}[fails]
    fake = f'#!/bin/sh\necho "$@" >> log\ncase "$*" in {pattern}) exit 1;; esac\n'
    script(checkout / ".venv/bin/python", fake)
    done = make(checkout, "test", "PYTHON=true")
    units, lessons = (checkout / "log").read_text().splitlines()
    assert done.returncode != 0
    assert units == "-m pytest -n 2 --dist worksteal -m not slow tests"
    assert "--nbval-lax -" in lessons and lessons.endswith(" -n 2 --dist loadscope lessons")


def test_test_all_adds_the_budgets_and_the_solved_lessons_in_strict_mode(checkout):
    script(checkout / ".venv/bin/python", '#!/bin/sh\necho "${COURSE_STRICT:-0} $@" >> log\n')
    assert make(checkout, "test-all", "PYTHON=true").returncode == 0
    lines = (checkout / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "0", "0", "1", "0"]
    assert lines[1].endswith(" --budgets lessons") and "-n" not in lines[1].split()
    assert "tools/lessons.py solve" in lines[2] and lines[3].endswith(" --warm build/solved") and "-m slow" in lines[4]


def test_ci_runs_what_test_all_runs_but_of_the_solved_lessons_only_the_exercises(checkout):
    script(checkout / ".venv/bin/python", '#!/bin/sh\necho "${COURSE_STRICT:-0} $@" >> log\n')
    logs = []
    for targets in (["test-all"], ["test", "test-more"]):
        for target in targets:
            assert make(checkout, target, "BUDGETS=1", "PYTHON=true").returncode == 0
        logs.append((checkout / "log").read_text().splitlines())
        (checkout / "log").unlink()
    everything, ci = logs
    assert ci[:2] == everything[:2] and ci[4] == everything[4].replace("-m pytest", "-m pytest --warm")
    assert ci[2] == everything[2] + " --exercises"
    assert ci[3] == everything[3].replace("--warm build/solved", "build/exercises") and ci[3].startswith("1 ")
    ci = (ROOT / ".ci/run").read_text()
    assert "make --no-print-directory test BUDGETS=1\n" in ci and "make --no-print-directory test-more\n" in ci


def test_where_all_tests_must_run_pytest_accepts_no_skip(checkout):
    script(checkout / ".venv/bin/python", '#!/bin/sh\necho "$@" >> log\n')
    for target in ("test-all", "test-more"):
        assert make(checkout, target, "PYTHON=true", "CI=1").returncode == 0
    runs = [line for line in (checkout / "log").read_text().splitlines() if "pytest" in line]
    assert len(runs) == 6 and all(line.startswith("-m pytest --complete ") for line in runs)
    ci = (ROOT / ".ci/run").read_text()
    assert ci.index("export CI=1") < ci.index("make ")


def test_badges_ask_for_a_repository(checkout):
    done = make(checkout, "badges", "PYTHON=true")
    assert done.returncode != 0
    assert "make badges REPO=owner/name" in done.stdout


@pytest.fixture
def calls(checkout, monkeypatch):
    """The commands that `environment` runs in the checkout; `python -m venv` makes what a real one would."""
    calls, venv = [], checkout / ".venv"

    def run(command, **_):
        if command[1] == "-c":
            if not venv.exists():
                raise FileNotFoundError
        else:
            calls.append(command[1:])
        if command[1:3] == ["-m", "venv"]:
            shutil.rmtree(venv, ignore_errors=True)
            script(venv / "bin/activate", f"VIRTUAL_ENV={venv}")
        return subprocess.CompletedProcess(command, int("--fail" in command))

    for name, value in {"ROOT": checkout, "VENV": venv, "PYTHON": venv / "bin/python"}.items():
        monkeypatch.setattr(environment, name, value)
    monkeypatch.setattr(environment.subprocess, "run", run)
    monkeypatch.delenv("PIP_FLAGS", raising=False)
    return calls


def test_the_first_install_makes_the_environment_and_the_second_does_nothing(calls, monkeypatch):
    monkeypatch.setenv("PIP_FLAGS", "--extra-index-url 'https://example.org/a b'")
    environment.install("lab")
    flags = ["--extra-index-url", "https://example.org/a b"]
    assert [command[:2] for command in calls] == [["-m", "venv"], ["-m", "pip"], ["-m", "pip"]]
    assert calls[2] == ["-m", "pip", "install", *flags, "-e", ".[lab]", "-c", "constraints.txt"]
    environment.install("lab")
    assert len(calls) == 3
    environment.install("test")
    assert calls[-1][-3:] == [".[test]", "-c", "constraints.txt"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_list_of_packages_is_installed_again(name, calls, checkout):
    environment.install("lab")
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    environment.install("lab")
    assert [command[1] for command in calls] == ["venv", "pip", "pip", "pip", "pip"]


def test_a_moved_environment_is_made_anew(calls, checkout):
    environment.install("lab")
    (checkout / ".venv/bin/activate").write_text("VIRTUAL_ENV=/somewhere/else/.venv")
    environment.install("lab")
    assert [command[1] for command in calls] == ["venv", "pip", "pip"] * 2


def test_a_failed_install_is_tried_again(calls, monkeypatch):
    monkeypatch.setenv("PIP_FLAGS", "--fail")
    with pytest.raises(SystemExit, match="Run the same command again"):
        environment.install("lab")
    monkeypatch.delenv("PIP_FLAGS")
    environment.install("lab")
    assert calls[-1] == ["-m", "pip", "install", "-e", ".[lab]", "-c", "constraints.txt"]


@pytest.mark.parametrize(
    ("user", "settings", "added"),
    [
        (1000, {"DISPLAY": ":0"}, []),
        (1000, {}, ["--no-browser"]),
        (0, {"WAYLAND_DISPLAY": "wayland-0"}, ["--allow-root"]),
        (0, {"PORT": "9999"}, ["--port=9999", "--allow-root", "--no-browser"]),
    ],
    ids=["desktop", "no display", "root", "root on a server with a port"],
)
def test_jupyterlab_starts_as_the_machine_allows(user, settings, added, calls, monkeypatch, checkout):
    monkeypatch.chdir(checkout)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.extend(command))
    environment.start()
    assert started[1:] == ["-m", "jupyterlab", "--LabApp.default_url=/lab/tree/lessons/00_start_here.ipynb", *added]
