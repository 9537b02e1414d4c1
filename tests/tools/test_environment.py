"""The set-up behind `make lab` and `make test`, without installing anything."""

import os
import shutil
import subprocess
import sys

import pytest

from tools import environment
from tools.notebooks import ROOT


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
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "PORT", "CI")}
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True)


def altered_python(path, change):
    """A Python interpreter that runs ``change`` before the script it is given."""
    code = f"import runpy, sys; sys.argv = sys.argv[1:]; {change}; runpy.run_path(sys.argv[0], run_name='__main__')"
    return script(path, f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ("sys.version_info = (3, 9, 6)", ["needs Python 3.10 or newer", "PYTHON=python3.12"]),
        ("sys.version_info = (3, 15, 0)", ["is newer than 3.14", "not made for that yet", "PYTHON=python3.12"]),
        (
            "import platform; sys.platform = 'darwin'; platform.machine = lambda: 'x86_64'",
            ["for Macs with an Intel processor", "If this Mac has an Apple processor", "Colab"],
        ),
        (
            "import sysconfig; sysconfig.get_platform = lambda: 'win-arm64'",
            ["is CPython for win-arm64;", "CPython for linux-x86_64", "Colab"],
        ),
        ("import sysconfig; sysconfig.get_platform = lambda: 'linux-x86_64'; sys.maxsize = 2**31 - 1", ["(32 bit);"]),
        ("import platform; platform.python_implementation = lambda: 'PyPy'", ["is PyPy for "]),
        (
            "import sysconfig; sysconfig.get_config_var = lambda name: 'cpython-312-x86_64-linux-musl'",
            ["is CPython for musllinux-"],
        ),
        (
            "sys.modules['ensurepip'] = None; import shutil; shutil.which = lambda _: None",
            ["sudo apt install python3.", "conda env create -f environment.yml"],
        ),
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


def test_make_says_what_it_can_do(checkout):
    done = make(checkout)
    assert done.returncode == 0
    assert all(f"make {target} " in done.stdout for target in ("lab", "test", "ci", "badges"))
    done = make(checkout, "badges", "PYTHON=true")
    assert done.returncode != 0 and "make badges REPO=owner/name" in done.stdout


@pytest.mark.parametrize("fails", ["units", "lessons"])
def test_both_halves_of_make_test_run_and_either_can_fail_it(fails, checkout):
    pattern = {"units": "* tests", "lessons": "* lessons"}[fails]
    script(checkout / ".venv/bin/python", f'#!/bin/sh\necho "$@" >> log\ncase "$*" in {pattern}) exit 1;; esac\n')
    assert make(checkout, "test", "PYTHON=true").returncode != 0
    assert [line.split()[-1] for line in (checkout / "log").read_text().splitlines()] == ["tests", "lessons"]


def test_make_ci_solves_the_lessons_in_strict_mode_and_accepts_no_skip(checkout):
    for name in ("python", "ruff", "lint-imports"):
        script(checkout / ".venv/bin" / name, '#!/bin/sh\necho "${COURSE_STRICT:-0} $@" >> log\n')
    assert make(checkout, "ci", "PYTHON=true", "CI=1").returncode == 0
    lines = (checkout / "log").read_text().splitlines()
    assert [line.split()[-1] for line in lines if "pytest" in line] == ["tests", "lessons", "build/solved", "tests"]
    assert [line[0] for line in lines if "build/solved" in line] == ["1"]
    assert all("--complete" in line for line in lines if "pytest" in line)


@pytest.fixture(params=["uv", "pip"])
def calls(request, checkout, monkeypatch):
    """The commands that `environment` runs in the checkout; one that makes .venv makes what a real one would."""
    calls, venv = [], checkout / ".venv"

    def run(command, **_):
        if command[1] == "-c":
            if not venv.exists():
                raise FileNotFoundError
        else:
            calls.append(command)
        if "venv" in command[1:3]:
            shutil.rmtree(venv, ignore_errors=True)
            script(venv / "bin/activate", f"VIRTUAL_ENV={venv}")
        return subprocess.CompletedProcess(command, int("--fail" in command))

    for name, value in {"ROOT": checkout, "VENV": venv, "PYTHON": venv / "bin/python"}.items():
        monkeypatch.setattr(environment, name, value)
    monkeypatch.setattr(environment.subprocess, "run", run)
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/usr/bin/uv" if request.param == "uv" else None)
    monkeypatch.delenv("PIP_FLAGS", raising=False)
    return calls


def installed(calls):
    """What was installed, extra by extra, and how often .venv was made."""
    wanted = [command[command.index("-e") + 1] for command in calls if "-e" in command]
    return wanted, sum("venv" in command[1:3] for command in calls)


def test_the_first_install_makes_the_environment_and_the_second_does_nothing(calls, monkeypatch, checkout):
    monkeypatch.setenv("PIP_FLAGS", "--extra-index-url 'https://example.org/a b'")
    for extra in ("lab", "lab", "test", "lab"):
        environment.install(extra)
    assert installed(calls) == ([".[lab]", ".[test]"], 1)
    making, installing = calls[0], calls[-1]
    assert making[-1] == str(checkout / ".venv") and sys.executable in making
    assert "--extra-index-url https://example.org/a b" in " ".join(installing)
    assert installing[-2:] == ["-c", "constraints.txt"] and str(checkout / ".venv/bin/python") in installing
    assert {command[0] for command in calls if "install" in command} in ({"uv"}, {str(checkout / ".venv/bin/python")})


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_list_of_packages_is_installed_again(name, calls, checkout):
    environment.install("lab")
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    environment.install("lab")
    assert installed(calls) == ([".[lab]", ".[lab]"], 1)


def test_a_moved_environment_is_made_anew(calls, checkout):
    environment.install("lab")
    (checkout / ".venv/bin/activate").write_text("VIRTUAL_ENV=/somewhere/else/.venv")
    environment.install("lab")
    assert installed(calls) == ([".[lab]", ".[lab]"], 2)


def test_a_failed_install_is_tried_again(calls, monkeypatch):
    monkeypatch.setenv("PIP_FLAGS", "--fail")
    with pytest.raises(SystemExit, match="Run the same command again"):
        environment.install("lab")
    monkeypatch.delenv("PIP_FLAGS")
    environment.install("lab")
    assert installed(calls)[0][-1] == ".[lab]" and "--fail" not in calls[-1]


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
