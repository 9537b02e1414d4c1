"""Device, seed, folders, progress and the doctor."""

import os
import random
import subprocess
import sys
import uuid

import numpy as np
import psutil
import pytest
import torch
from jupyter_client import KernelManager

from course_utils import data, doctor, runtime
from course_utils.core import memory
from tools.notebooks import ROOT


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


SIGNS = {
    "JPY_SESSION_NAME": "lesson.ipynb",
    "COLAB_RELEASE_TAG": "release-colab",
    "VSCODE_PID": "1",
    "VSCODE_CWD": "/",
    "KAGGLE_KERNEL_RUN_TYPE": "Interactive",
}


@pytest.fixture
def unmarked(monkeypatch):
    for name in ("COURSE_STATIC", *SIGNS):
        monkeypatch.delenv(name, raising=False)


def test_front_end_is_as_the_switch_says(unmarked, monkeypatch):
    assert not runtime.front_end()
    for word in ("0", "false", "off"):
        monkeypatch.setenv("COURSE_STATIC", word)
        assert runtime.front_end()
    for name, value in SIGNS.items():
        monkeypatch.setenv(name, value)
    for word in ("1", "true", "yes"):
        monkeypatch.setenv("COURSE_STATIC", word)
        assert not runtime.front_end()


def test_a_script_has_no_front_end_whatever_it_inherits(unmarked, monkeypatch):
    import ipykernel  # noqa: F401

    for name, value in SIGNS.items():
        monkeypatch.setenv(name, value)
        assert not runtime.front_end()


ASK = """
import os
from course_utils import runtime
signs = {}
for name, value in [(None, None), *SIGNS.items()]:
    for other in SIGNS:
        os.environ.pop(other, None)
    if name:
        os.environ[name] = value
    print(name, runtime.front_end())
"""


@pytest.fixture(scope="module")
def kernel():
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | {"COURSE_STATIC": "", "PYTHONPATH": str(ROOT)})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def answers(client, message):
    """What `ASK` prints in answer to this message."""
    message["content"] |= {"code": f"SIGNS = {SIGNS}\n{ASK}", "silent": False, "store_history": True}
    client.shell_channel.send(message)
    said = {}
    while True:
        reply = client.get_iopub_msg(timeout=60)
        if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if reply["msg_type"] == "stream":
            said |= dict(line.split() for line in reply["content"]["text"].splitlines())
        assert reply["msg_type"] != "error", reply["content"]
        if reply["content"].get("execution_state") == "idle":
            return said


def test_a_program_that_inherits_the_signs_of_a_front_end_is_none(kernel):
    """jupyter_client is what nbclient, nbconvert, nbval and papermill run a notebook with."""
    said = answers(kernel, kernel.session.msg("execute_request", {}))
    assert said == dict.fromkeys(["None", *SIGNS], "False")


@pytest.mark.parametrize("number", [uuid.uuid4(), uuid.uuid4().hex], ids=["JupyterLab", "classic notebook"])
def test_a_page_that_asks_is_a_front_end(kernel, number):
    message = kernel.session.msg("execute_request", {})
    message["header"] |= {"msg_id": str(number), "session": str(uuid.uuid4()), "username": ""}
    message["msg_id"] = message["header"]["msg_id"]
    said = answers(kernel, message)
    assert said == {"None": "False"} | dict.fromkeys(SIGNS, "True")


def test_the_doctor_names_a_switch_that_says_nothing(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "perhaps")
    monkeypatch.setenv("COURSE_STRICT", "ja")
    wrong = [text for fine, topic, text in doctor.doctor(seconds=0.01).findings if topic == "settings" and not fine]
    assert len(wrong) == 2 and "COURSE_STATIC='perhaps'" in wrong[0] and "COURSE_STRICT='ja'" in wrong[1]


GIB = 2**30


@pytest.fixture
def cgroups(monkeypatch, tmp_path):
    """``cgroups(lines, files)``: as if the system's own told this; of the machine's 64 GiB, 32 are free."""
    machine = psutil.virtual_memory()._replace(available=32 * GIB, total=64 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    monkeypatch.setattr(memory, "_process_limits", lambda: [])
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "OWN_CGROUPS", tmp_path / "own")

    def write(lines, files):
        (tmp_path / "own").write_text(lines)
        for name, content in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")

    return write


def version_2(folder, limit, used, cache=0, high="max"):
    names = {"memory.max": limit, "memory.high": high, "memory.current": used}
    stat = f"anon {used - cache}\ninactive_file {cache}"
    return {f"{folder}{name}": value for name, value in names.items()} | {f"{folder}memory.stat": stat}


def version_1(folder, limit, used, cache=0):
    names = {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used}
    stat = f"inactive_file 7\ntotal_inactive_file {cache}"
    return {f"memory/{folder}{name}": value for name, value in names.items()} | {f"memory/{folder}memory.stat": stat}


NONE = 9223372036854771712  # how version 1 writes that there is no limit


@pytest.mark.parametrize(
    ("lines", "files", "free", "total"),
    [
        ("0::/\n", {}, 32, 64),
        ("0::/\n", version_2("", "max", GIB), 32, 64),
        ("0::/\n", version_2("", 4 * GIB, GIB), 3, 4),
        ("0::/\n", version_2("", 4 * GIB, 4 * GIB, cache=2 * GIB), 2, 4),
        ("0::/\n", version_2("", 4 * GIB, GIB, high=2 * GIB), 1, 2),
        ("0::/\n", version_2("", 4 * GIB, 5 * GIB), 0, 4),
        ("0::/\n", {"memory.max": 4 * GIB, "memory.current": GIB}, 3, 4),
        ("0::/\n", version_2("", 100 * GIB, GIB), 32, 64),
        ("0::/a.slice/b\n", version_2("a.slice/b/", "max", GIB) | version_2("a.slice/", 4 * GIB, 2 * GIB), 2, 4),
        ("0::/a/b\n", version_2("a/b/", 3 * GIB, GIB) | version_2("a/", 9 * GIB, 8 * GIB), 1, 9),
        ("0::/docker/not-seen-from-inside\n", version_2("", 4 * GIB, GIB), 3, 4),
        ("0::/../outside\n", version_2("", 4 * GIB, GIB), 3, 4),
        ("12:cpu:/\n5:memory:/\n0::/\n", version_1("", NONE, GIB), 32, 64),
        ("12:cpu:/\n5:memory:/docker/x\n", version_1("docker/x/", 4 * GIB, 3 * GIB, cache=GIB), 2, 4),
        ("5:hugetlb,memory:/docker/x\n", version_1("", 4 * GIB, GIB), 3, 4),
        ("5:memory:/a/b\n", version_1("a/b/", NONE, GIB) | version_1("a/", 2 * GIB, GIB), 1, 2),
        ("1:name=systemd:/x:y\n", {}, 32, 64),
    ],
)
def test_memory_is_the_least_that_a_control_group_leaves(cgroups, lines, files, free, total):
    cgroups(lines, files)
    found = memory.memory()
    assert (found.free, found.total) == (free * GIB, total * GIB)
    assert ("container" in found.limit) == (total != 64)


def test_the_doctor_knows_a_containers_limit(cgroups):
    cgroups("0::/\n", version_2("", 2 * GIB, GIB))
    (found,) = [found for found in doctor.doctor(seconds=0.01).findings if found[1] == "memory"]
    assert not found[0]
    assert "1.0 of 2.0 GiB free within the limit of this container" in found[2] and "docker run --memory" in found[2]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to these limits")
def test_memory_is_what_the_process_may_take():
    code = """
import psutil, resource
from course_utils import doctor
from course_utils.core import memory
before = memory.memory()
for kind, what in [(resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")]:
    limit = getattr(psutil.Process().memory_info(), what) + 2**30
    resource.setrlimit(kind, (limit, resource.RLIM_INFINITY))
    found = memory.memory()
    assert found.total == limit and 0.9 * 2**30 < found.free <= 2**30, (what, before, found)
    (found,) = [found for found in doctor.doctor(seconds=0.01).findings if found[1] == "memory"]
    assert not found[0] and "within this process's own limit" in found[2] and "ulimit -v unlimited" in found[2], found
    resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_progress_counts_and_can_be_silent(capsys):
    with runtime.progress_bar(2, "work", show=False) as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_the_doctor_finds_a_healthy_machine_healthy():
    found = doctor.doctor(seconds=0.1)
    assert [topic for _, topic, _ in found.findings] == ["versions", "device", "memory", "cache", "data", "training"]
    assert found.healthy, found
    for part in ("torch", "numpy", "GiB free", "images a second", "checksums right", "bug report"):
        assert part in repr(found)


def test_the_doctor_reports_what_is_wrong_and_goes_on(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("COURSE_DEVICE", "tpu")
    monkeypatch.setattr(data, "verify", lambda: {"t10k-labels-idx1-ubyte.gz": "damaged: ..."})
    machine = psutil.virtual_memory()._replace(available=10**8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    found = doctor.doctor(seconds=0.1)
    wrong = {topic: text for fine, topic, text in found.findings if not fine}
    assert set(wrong) == {"device", "memory", "cache", "data", "training"} and not found.healthy
    assert "COURSE_DEVICE" in wrong["device"] and "COURSE_HOME" in wrong["cache"]
    assert "shut down other kernels" in wrong["memory"] and "t10k-labels" in wrong["data"]
    assert repr(found).count("BAD  ") == 5
