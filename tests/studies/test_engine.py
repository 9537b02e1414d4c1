"""Units run anywhere, once, to the same bits, and are kept."""

import json
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy

from course_utils.studies import engine, run

QUIET = dict(progress=False)


def values(found):
    return {key: unit["value"] for key, unit in found.items()}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What the units give one after the other, in this process."""
    return values(run(toy.study(toy.draw), folder=tmp_path_factory.mktemp("here"), workers=0, **QUIET))


def test_processes_and_threads_give_the_same_bits(here, tmp_path):
    threads = torch.get_num_threads()
    assert values(run(toy.study(toy.draw), folder=tmp_path / "processes", workers=2, **QUIET)) == here
    with ThreadPoolExecutor(1) as executor:
        assert values(run(toy.study(toy.draw), executor=executor, folder=tmp_path / "threads", **QUIET)) == here
    assert torch.get_num_threads() == threads
    assert values(run(toy.study(toy.draw), ["5", "2"], folder=tmp_path / "some", workers=0, **QUIET)) == {
        key: here[key] for key in ("5", "2")
    }


def test_a_finished_unit_never_runs_again(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "told"))
    study = toy.study(toy.draw_and_tell)
    run(study, ["1", "4"], folder=tmp_path, workers=0, **QUIET)
    assert values(run(study, folder=tmp_path, workers=0, **QUIET)) == here
    assert (tmp_path / "told").read_text().split() == ["1", "4", "0", "2", "3", "5"]


def test_two_runs_at_once_do_no_harm(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "told"))
    code = f"""
        import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        import toy
        from course_utils.studies import run
        run(toy.study(toy.draw_and_tell), folder={str(tmp_path)!r}, workers=0, progress=False)
    """
    runs = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)]) for _ in range(2)]
    assert [each.wait(60) for each in runs] == [0, 0]
    assert {key: unit["value"] for key, unit in toy.study(toy.draw).results(tmp_path).units().items()} == here


def test_the_unit_of_a_killed_process_runs_again(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "killed"))
    assert values(run(toy.study(toy.killed_once), folder=tmp_path, workers=2, **QUIET)) == here


def test_a_unit_that_kills_every_process_is_given_up_and_the_others_are_kept(tmp_path):
    with pytest.raises(RuntimeError, match="unit 3 was lost 3 times"):
        run(toy.study(toy.killed_always), folder=tmp_path, workers=1, **QUIET)
    assert set(toy.study(toy.draw).results(tmp_path).units()) >= {"0", "1", "2"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_unit_that_fails_is_named_and_the_others_are_kept(tmp_path, workers):
    with pytest.raises((RuntimeError, ValueError), match="no such thing"):
        run(toy.study(toy.failing), folder=tmp_path, workers=workers, **QUIET)
    kept = toy.study(toy.draw).results(tmp_path).units()
    assert {"0", "1", "2"} <= set(kept) and kept["1"]["beside"] == [1, 2]


def test_an_interrupt_keeps_what_is_done(here, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(toy.study(toy.interrupted), folder=tmp_path, workers=0, **QUIET)
    assert set(toy.study(toy.draw).results(tmp_path).units()) == {"0", "1", "2"}
    assert values(run(toy.study(toy.draw), folder=tmp_path, workers=0, **QUIET)) == here


def test_what_is_stored_says_where_it_comes_from(tmp_path):
    run(toy.study(toy.draw), ["0"], folder=tmp_path, workers=0, **QUIET)
    stored = json.loads((tmp_path / "X1.json").read_text())
    assert stored["sha256"] == toy.RULE.sha256() and stored["rule"]["sentence"] == "so it is"
    assert set(stored["units"]["0"]) == {"value", "seconds", "device", "versions"}


def test_results_under_another_rule_are_refused(tmp_path):
    run(toy.study(toy.draw), ["0"], folder=tmp_path, workers=0, **QUIET)
    moved = replace(toy.study(toy.draw), rule=replace(toy.RULE, cut=0.5))
    with pytest.raises(ValueError, match="measured under another rule than today's"):
        run(moved, folder=tmp_path, workers=0, **QUIET)


@pytest.mark.parametrize("text", ["", "[]", '{"sha256": 1}', '{"units": 3'])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "X1.json").write_text(text)
    with pytest.raises(ValueError, match="is damaged"):
        run(toy.study(toy.draw), folder=tmp_path, workers=0, **QUIET)


def test_a_unit_that_there_is_not_is_named(tmp_path):
    with pytest.raises(ValueError, match="X1 has no unit '9'; its units are 0, 1, 2"):
        run(toy.study(toy.draw), ["9"], folder=tmp_path, **QUIET)


def test_a_unit_draws_from_its_own_generator():
    where = ("X1", "toy", "draw")
    one, same, other = (engine.measured(*where, key, 0)["value"] for key in ("0", "0", "1"))
    assert one == same != other
