"""A real Dask cluster on this machine: a scheduler and workers that are processes of their own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import toy

from course_utils.studies import command, run

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")
HERE = Path(__file__).parent


def started(*command):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)])}
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return subprocess.Popen([sys.executable, "-m", *command], env=environment, **quiet)


@contextlib.contextmanager
def cluster(port, workers=2):
    """A scheduler and workers; the scheduler's process, and its address."""
    address = f"tcp://127.0.0.1:{port}"
    scheduler = started("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    hands = started(
        "distributed.cli.dask_worker", address, "--nworkers", str(workers), "--nthreads", "1", "--no-dashboard"
    )
    try:
        yield scheduler, address
    finally:
        for each in (hands, scheduler):
            each.send_signal(signal.SIGTERM)
        for each in (hands, scheduler):
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.wait(20)
            each.kill()


@contextlib.contextmanager
def connected(address, workers=2):
    from distributed import Client

    with Client(address, timeout="60s") as client:
        client.wait_for_workers(workers, timeout=60)
        yield client


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    found = run(toy.study(toy.draw), folder=tmp_path_factory.mktemp("here"), workers=0, progress=False)
    return {key: unit["value"] for key, unit in found.items()}


def values(found):
    return {key: unit["value"] for key, unit in found.items()}


@pytest.mark.slow
def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(here, port, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "killed"))
    with cluster(port) as (_, address), connected(address) as client:
        found = run(toy.study(toy.killed_once), executor=client.get_executor(), folder=tmp_path, progress=False)
    assert values(found) == here and (tmp_path / "killed").exists()


@pytest.mark.slow
def test_after_the_scheduler_is_lost_a_second_run_does_the_rest(here, port, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "told"))
    study = toy.study(toy.slow)
    with cluster(port, workers=1) as (scheduler, address), connected(address, 1) as client:
        threading.Timer(2.5, scheduler.kill).start()
        with pytest.raises(RuntimeError, match="What is finished is kept"):
            run(study, executor=client.get_executor(), folder=tmp_path, progress=False)
    kept = study.results(tmp_path).units()
    assert 0 < len(kept) < 6
    with cluster(port) as (_, address), connected(address) as client:
        assert values(run(study, executor=client.get_executor(), folder=tmp_path, progress=False)) == here
    told = (tmp_path / "told").read_text().split()
    assert all(told.count(key) == 1 for key in kept)


@pytest.mark.slow
def test_the_command_takes_a_scheduler(port, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "study", lambda name: toy.study(toy.draw))
    with cluster(port) as (_, address):
        time.sleep(1)
        assert command.run_command(["T1", "--dask", address, "--folder", str(tmp_path)]) == 0
    assert "T1 holds" in capsys.readouterr().out


def test_a_scheduler_that_is_not_there_is_said(tmp_path, capsys):
    monkey = ["T1", "--dask", "tcp://127.0.0.1:9", "--folder", str(tmp_path)]
    assert command.run_command(monkey) == 1 and "127.0.0.1:9" in capsys.readouterr().out
