"""The course from a shell: what each command says, and its exit status."""

import re
import runpy
import sys
from functools import partial

import pytest

from course_utils import __main__, bootstrap, data, doctor, models, training
from course_utils.core import storage
from course_utils.zoo import robust


def run(*arguments):
    """The exit status, as a shell sees it."""
    try:
        return __main__.main(list(arguments))
    except SystemExit as end:
        return end.code


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A shelf of one network."""
    found = {"clean": 0.75, "worst": 0.125}
    recipe = robust.RobustRecipe(
        models.FC,
        partial(training.fit, epochs=1),
        measure=lambda model, split: found,
        measured={"clean": 0.5},
    )
    few = data.MNIST(*(split[:200] for split in data.mnist("cpu")))
    monkeypatch.setattr(robust, "FOLDER", tmp_path)
    monkeypatch.setattr(robust, "RECIPES", {"small": recipe})
    monkeypatch.setattr(data, "mnist", lambda device=None: few)
    return recipe


def test_the_console_script_is_this_one(monkeypatch, capsys):
    assert bootstrap.pyproject()["project"]["scripts"] == {"deep-flaw": "course_utils.__main__:main"}
    monkeypatch.setattr(sys, "argv", ["deep-flaw", "list"])
    monkeypatch.delitem(sys.modules, "course_utils.__main__")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("course_utils", run_name="__main__")  # as python -m course_utils does
    assert not end.value.code
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(robust.RECIPES)


def test_help_names_the_commands(capsys):
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: deep-flaw") and all(command in said for command in __main__.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: command"),
        (["help"], "invalid choice: 'help'"),
        (["retrain"], "required: name"),
        (["fetch"], "required: name"),
        (["fetch", "resnet"], "invalid choice: 'resnet'"),
        (["verify", "faces"], "unrecognized arguments: faces"),
        (["list", "small"], "unrecognized arguments: small"),
    ],
)
def test_what_is_no_command_is_told_on_stderr(arguments, message, capsys):
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_the_doctor_exits_by_what_it_finds(monkeypatch, capsys):
    for fine in (True, False):
        monkeypatch.setattr(__main__, "doctor", lambda fine=fine: doctor.Diagnosis([(fine, "topic", "text")]))
        assert run("doctor") == (0 if fine else 1)
        assert ("All is well" in capsys.readouterr().out) == fine


def test_verify_names_each_file_and_what_is_damaged(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert run("verify") == 0
    said = capsys.readouterr().out
    assert said.count(" ok") >= 4 and str(tmp_path) not in said
    broken = storage.home("MNIST", "raw") / "t10k-labels-idx1-ubyte.gz"
    broken.write_bytes(b"")
    assert run("verify") == 1
    assert re.search(
        rf"{re.escape(str(broken.parent))}\n(.*\n)*.*t10k-labels-idx1-ubyte.gz +damaged: SHA-256 is",
        capsys.readouterr().out,
    )


def test_fetch_goes_on_after_a_failure(monkeypatch, capsys):
    def fail():
        raise storage.Missing("no route to host")

    monkeypatch.setattr(__main__, "FETCHED", {"imagenet": lambda: None, "faces": lambda: None})
    assert run("fetch", "imagenet", "faces") == 0
    assert capsys.readouterr().out == "imagenet: ok\nfaces: ok\n"
    monkeypatch.setitem(__main__.FETCHED, "imagenet", fail)
    assert run("fetch", "imagenet", "faces") == 1
    assert capsys.readouterr().out == "imagenet: no route to host\nfaces: ok\n"


def test_list_and_retrain(small, capsys):
    assert run("list") == 0
    assert re.search(r"small +missing +FC, fit\(epochs=1\), seed 0", capsys.readouterr().out)
    assert run("retrain", "small") == 0
    said = capsys.readouterr().out
    assert "measured now: clean 75.0%, worst 12.5%" in said and "as shipped:   clean 50.0%" in said
    assert run("list") == 0
    assert re.search(r"small +here", capsys.readouterr().out)


def test_retrain_refuses_an_unknown_network_before_it_trains_another(small, capsys):
    assert run("retrain", "small", "smal") == 1
    assert "did you mean 'small'" in capsys.readouterr().out and not robust.weights_file("small").exists()


def test_an_interrupted_training_leaves_the_file_as_it_was(small, monkeypatch, capsys):
    robust.retrain("small", device="cpu", progress=False)
    before = robust.weights_file("small").read_bytes()
    stopped = robust.RobustRecipe(models.FC, partial(lambda *_, **__: training.History()), small.measure, {})
    monkeypatch.setitem(robust.RECIPES, "small", stopped)
    assert run("retrain", "small") == 130
    assert "stopped: small.safetensors is as it was" in capsys.readouterr().out
    assert robust.weights_file("small").read_bytes() == before
