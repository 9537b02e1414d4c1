"""Device, seed, folders, progress and the doctor."""

import random
import sys

import numpy as np
import psutil
import pytest
import torch

from course_utils import data, runtime


@pytest.mark.parametrize(
    ("said", "meant"),
    [(word, True) for word in ("1", "true", "TRUE", "Yes", "on", " 1", "1\n", "\tOn ")]
    + [(word, False) for word in ("0", "false", "False", "no", "OFF", " 0 ")]
    + [("", None), ("  ", None), (None, None)],
)
def test_a_switch_is_on_off_or_unset(monkeypatch, said, meant):
    monkeypatch.delenv("COURSE_TEST", raising=False)
    if said is not None:
        monkeypatch.setenv("COURSE_TEST", said)
    assert runtime.switch("COURSE_TEST") is meant


@pytest.mark.parametrize("said", ["2", "-1", "ja", "y", "enabled", "1 0", "none"])
def test_an_unknown_word_at_a_switch_is_an_error(monkeypatch, said):
    monkeypatch.setenv("COURSE_TEST", said)
    with pytest.raises(ValueError, match=rf"COURSE_TEST='{said}' .*1, true, yes, on.*0, false, no, off"):
        runtime.switch("COURSE_TEST")


@pytest.mark.parametrize("said", ["cpu", "CPU", " cpu ", "Cpu\n", "cpu:0"])
def test_the_device_can_be_chosen(monkeypatch, said):
    monkeypatch.setenv("COURSE_DEVICE", said)
    assert runtime.device().type == "cpu"


@pytest.mark.parametrize("said", ["tpu", "cuda:99", "cpu:1", "cpu:one", "cuda:"])
def test_a_device_that_is_not_here_is_named(monkeypatch, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: said.startswith("cuda"))
    monkeypatch.setenv("COURSE_DEVICE", said)
    with pytest.raises(ValueError, match=rf"COURSE_DEVICE='{said}' is not a device of this machine, which has: .*cpu"):
        runtime.device()


def test_blanks_name_no_device(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "  ")
    assert runtime.device().type in {"cuda", "mps", "cpu"}


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_best_device_comes_first(monkeypatch, cuda, mps, expected):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.device().type == expected


def test_seed_repeats_all_random_numbers():
    def draw():
        generator = runtime.seed(7)
        return random.random(), np.random.rand(), torch.rand(1).item(), torch.rand(1, generator=generator).item()

    assert draw() == draw()


def test_home_says_how_to_choose_another_folder(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="set the environment variable COURSE_HOME"):
        runtime.home("models")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "new"))
    assert runtime.home("a", "b") == tmp_path / "new" / "a" / "b" and runtime.home("a", "b").is_dir()


def test_write_atomically_leaves_no_half_file(tmp_path):
    file = tmp_path / "x.json"
    runtime.write_atomically(file, b"old")
    with pytest.raises(TypeError):
        runtime.write_atomically(file, "text")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_front_end_needs_a_kernel_and_somebody_before_it(monkeypatch):
    for name in ("COURSE_STATIC", "JPY_SESSION_NAME", "COLAB_RELEASE_TAG", "VSCODE_PID", "VSCODE_CWD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert not runtime.front_end()
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    assert runtime.front_end()
    monkeypatch.setenv("COURSE_STATIC", "1")
    assert not runtime.front_end()
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setenv("COURSE_STATIC", "0")
    assert runtime.front_end()


def test_progress_counts_and_can_be_silent(capsys):
    with runtime.progress(2, "work", show=False) as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_the_doctor_finds_a_healthy_machine_healthy():
    found = runtime.doctor(seconds=0.1)
    assert [topic for _, topic, _ in found.findings] == ["versions", "device", "memory", "cache", "data", "training"]
    assert found.healthy, found
    for part in ("torch", "numpy", "GiB free", "images a second", "checksums right", "bug report"):
        assert part in repr(found)


def test_the_doctor_reports_what_is_wrong_and_goes_on(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("COURSE_DEVICE", "tpu")
    monkeypatch.setattr(data, "verify", lambda: {"t10k-labels-idx1-ubyte.gz": "damaged: ..."})
    memory = psutil.virtual_memory()._replace(available=10**8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    found = runtime.doctor(seconds=0.1)
    wrong = {topic: text for fine, topic, text in found.findings if not fine}
    assert set(wrong) == {"device", "memory", "cache", "data", "training"} and not found.healthy
    assert "COURSE_DEVICE" in wrong["device"] and "COURSE_HOME" in wrong["cache"]
    assert "shut down other kernels" in wrong["memory"] and "t10k-labels" in wrong["data"]
    assert repr(found).count("BAD  ") == 5
