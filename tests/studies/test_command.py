"""``deep-flaw study``: what it says, and its exit status."""

import json
from dataclasses import replace

import pytest
import toy

from course_utils.__main__ import main
from course_utils.studies import RULES, command, store, study_names


@pytest.fixture
def said(monkeypatch, capsys, tmp_path):
    """Runs the command for the toy study, which is called T1, and returns the exit status and what was said."""
    known = {"T1": toy.study(toy.draw), "S1": toy.study(toy.interrupted), "N1": toy.study(toy.failing)}
    real = command.study
    monkeypatch.setattr(command, "study", lambda name: known.get(name) or real(name))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))

    def run(*arguments):
        try:
            status = main(["study", *arguments])
        except SystemExit as end:
            status = end.code
        told = capsys.readouterr()
        return status, told.out + (told.err if status == 2 else "")

    return run


def test_a_study_is_measured_and_judged(said, tmp_path):
    status, told = said("T1", "--workers", "0")
    assert status == 0 and told.startswith("X1 holds: ") and told.endswith("over 6 units\n")
    assert (tmp_path / "studies" / "X1.json").exists()
    status, told = said("T1", "--workers", "0", "--networks", "3", "--folder", str(tmp_path / "few"))
    assert status == 0 and told.endswith("over 3 units (a trial)\n")
    assert set(json.loads((tmp_path / "few" / "X1.json").read_text())["units"]) == set("012")
    few = said("T1", "--workers", "0", "--networks", "2", "--folder", str(tmp_path / "two"))[1]
    assert few.startswith("X1: ") and few.endswith(" (a trial, too few units for a verdict)\n")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_quick_trial_takes_the_first_unit_of_each_study(said, monkeypatch, tmp_path, workers):
    monkeypatch.setattr(command, "study_names", lambda: ["T1", "T1"])
    status, told = said("--quick", "--workers", workers)
    assert status == 0 and told.count("too few units for a verdict") == 2
    assert set(json.loads((tmp_path / "studies" / "X1.json").read_text())["units"]) == {"0"}
    first = {**toy.study(toy.failing).units, "0": toy.study(toy.failing).units["3"]}
    known = {"N1": replace(toy.study(toy.failing), units=first), "T1": toy.study(toy.draw)}
    monkeypatch.setattr(command, "study", known.get)
    status, told = said("--quick", "N1", "T1", "--workers", workers, "--folder", str(tmp_path / "new"))
    assert status == 1 and "unit 0 failed (ValueError: no such thing)" in told and "(a trial, too few" in told


def test_a_second_set_decides_nothing_and_lies_apart(said, tmp_path):
    status, told = said("T1", "--workers", "0", "--again", "--folder", str(tmp_path))
    assert status == 0 and told.endswith("over 3 units (a second set, which decides nothing)\n")
    again = store.Results(tmp_path / "again" / "X1.json", "X1", toy.RULE.data(), toy.RULE.sha256())
    assert set(again.units()) == {"6", "7", "8"} and not (tmp_path / "X1.json").exists()
    assert said("T1", "--quick", "--again")[0] == 2


def test_every_row_is_listed_and_on_the_page(said, tmp_path):
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "T1.json").write_text("not looked at")
    status, told = said("--list", "--report", str(tmp_path / "page.html"), "--folder", str(tmp_path))
    assert status == 0 and (tmp_path / "page.html").exists()
    assert [line.split()[0] for line in told.splitlines()[:-1]] == list(RULES) and told.count("  0 of ") == len(RULES)


ROW = next(name for name in RULES if name not in study_names()) if len(study_names()) < len(RULES) else ""


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        ([], 2, "name a row, or give --quick, --list or --report"),
        (["T11"], 1, "no row is called 'T11'; did you mean 'T1'?"),
        (["T1", "Z"], 1, "no row is called 'Z'; there are "),
        *([([ROW], 1, f"{ROW} has a rule and no study yet; there are ")] if ROW else []),
        (["T1", "--networks", "0"], 1, "--networks=0: want a whole number, at least 1"),
        (["T1", "--networks", "-2"], 1, "--networks=-2: want a whole number, at least 1"),
        (["T1", "--networks", "ten"], 2, "invalid int value: 'ten'"),
        (["T1", "--workers", "-1"], 1, "workers=-1: want a whole number, at least 0"),
        (["T1", "--dask", "tcp://127.0.0.1:9"], 1, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        (["T1", "--dask", "nonsense"], 1, "no Dask scheduler answers at nonsense"),
        (["N1", "--workers", "0"], 1, "X1: unit 3 failed (ValueError: no such thing)"),
        (["S1", "--workers", "0"], 130, "stopped; what is finished is kept"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(said, monkeypatch, arguments, status, why):
    if "--dask" in arguments:
        pytest.importorskip("distributed")
    monkeypatch.setattr(command, "PATIENCE", 0.3)
    found, told = said(*arguments)
    assert found == status and why in told.splitlines()[-1]


def test_nothing_is_measured_where_a_row_is_wrong(said, tmp_path):
    assert said("T1", "T11", "--workers", "0")[0] == 1 and not (tmp_path / "studies" / "X1.json").exists()


def test_a_study_without_a_second_set_says_so(said, monkeypatch):
    monkeypatch.setattr(command, "study", lambda name: replace(toy.study(toy.draw), again={}))
    assert said("T1", "--again") == (1, "X1 has no second set of units\n")
