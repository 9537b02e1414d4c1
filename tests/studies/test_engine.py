"""Units run anywhere, once, to the same bits, and are kept."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
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


def started(folder, workers, **how):
    """A run in another Python."""
    code = f"""
        import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        import toy
        from course_utils.studies import run
        run(toy.study(toy.slow), folder={str(folder)!r}, workers={workers}, progress=False)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], **how)


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


def test_a_unit_that_another_run_has_finished_meanwhile_is_left_out(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "told"))
    assert values(run(toy.study(toy.visited), folder=tmp_path, workers=0, **QUIET)) == here
    assert (tmp_path / "told").read_text().split() == ["4", "0", "1", "2", "3", "5"]


def test_two_runs_at_once_do_no_harm(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "told"))
    other = started(tmp_path, workers=0)
    while other.poll() is None and not toy.study(toy.draw).results(tmp_path).units():
        time.sleep(0.02)
    assert values(run(toy.study(toy.draw_and_tell), folder=tmp_path, workers=0, **QUIET)) == here
    assert other.wait(60) == 0 and values(toy.study(toy.draw).results(tmp_path).units()) == here
    told = (tmp_path / "told").read_text().split()
    assert told.count("0") == 1 and set(told) == set(here) and len(told) <= 7  # the one that both were at


@pytest.mark.parametrize(
    ("order", "tries"), [("301245", 2), *(pytest.param(o, 3, marks=pytest.mark.slow) for o in ("012453", "013245"))]
)
def test_a_unit_that_kills_every_process_is_named_and_all_others_are_measured(
    here, tmp_path, monkeypatch, order, tries
):
    """Unit 1 loses its process, too, but once; no other is blamed."""
    monkeypatch.setenv("TOY", str(tmp_path / "toy"))
    monkeypatch.setattr(engine, "TRIES", tries)
    with pytest.raises(RuntimeError, match=r"unit 3 failed \(its process was lost again and again.* less\)\. What"):
        run(toy.study(toy.killed_always), order, folder=tmp_path, workers=2, **QUIET)
    assert values(toy.study(toy.draw).results(tmp_path).units()) == {key: here[key] for key in "01245"}


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_unit_that_fails_is_named_and_all_others_are_measured(tmp_path, workers):
    with pytest.raises(
        RuntimeError, match=r"X1: unit 3 failed \(ValueError: no such thing\)\. What is finished is kept"
    ):
        run(toy.study(toy.failing), folder=tmp_path, workers=workers, **QUIET)
    kept = toy.study(toy.draw).results(tmp_path).units()
    assert set(kept) == set("01245") and kept["1"]["beside"] == [1, 2]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("0", "cannot be stored .*Tensor is not JSON serializable.* return a value of finite numbers"),
        ("1", "cannot be stored .*not JSON compliant"),
        ("2", "cannot be stored .*ndarray is not JSON serializable"),
        ("3", "cannot be stored .it has no value"),
        ("4", "cannot be stored .*not JSON compliant"),
        ("5", "would make X1.json larger than 300 kB: return summaries"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_at_once(tmp_path, key, why):
    with pytest.raises(RuntimeError, match=f"X1: unit {key} failed .*unit {key} {why}"):
        run(toy.study(toy.odd), [key], folder=tmp_path, workers=0, **QUIET)
    assert not (tmp_path / "X1.json").exists()


def test_units_that_fail_are_counted(tmp_path):
    with pytest.raises(RuntimeError, match=r"unit 0 failed .*; 5 more failed, too: 1, 2, 3, 4, 5"):
        run(toy.study(toy.odd), folder=tmp_path, workers=0, **QUIET)


def test_an_interrupt_keeps_what_is_done(here, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(toy.study(toy.interrupted), folder=tmp_path, workers=0, **QUIET)
    assert set(toy.study(toy.draw).results(tmp_path).units()) == {"0", "1", "2"}
    assert values(run(toy.study(toy.draw), folder=tmp_path, workers=0, **QUIET)) == here


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to interrupt")
def test_ctrl_c_stops_the_processes_and_keeps_what_is_done(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "told"))
    other = started(tmp_path, workers=2, start_new_session=True, stderr=subprocess.PIPE)
    while other.poll() is None and not toy.study(toy.draw).results(tmp_path).units():
        time.sleep(0.02)
    os.killpg(other.pid, signal.SIGINT)
    assert other.communicate(timeout=30)[1].endswith(b"KeyboardInterrupt\n")
    kept = values(toy.study(toy.draw).results(tmp_path).units())
    assert 0 < len(kept) < 6 and kept == {key: here[key] for key in kept}


def test_what_is_stored_says_where_it_comes_from(tmp_path):
    run(toy.study(toy.draw), ["0"], folder=tmp_path, workers=0, **QUIET)
    stored = json.loads((tmp_path / "X1.json").read_text())
    assert stored["sha256"] == toy.RULE.sha256() and stored["rule"]["sentence"] == "so it is"
    assert set(stored["units"]["0"]) == {"value", "seed", "seconds", "device", "versions"}
    generator = torch.Generator().manual_seed(stored["units"]["0"]["seed"])
    assert toy.draw(0, generator) == stored["units"]["0"]["value"]


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


def test_workers_are_not_negative(tmp_path):
    with pytest.raises(ValueError, match="workers=-1: want a whole number, at least 0"):
        run(toy.study(toy.draw), folder=tmp_path, workers=-1, **QUIET)


def test_a_unit_draws_from_its_own_generator():
    where = ("X1", "toy", "draw")
    one, same, other = (engine.measured(*where, key, 0)["value"] for key in ("0", "0", "1"))
    assert one == same != other
