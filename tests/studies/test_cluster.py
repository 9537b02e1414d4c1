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


def started(told, *command):
    """A process in a group of its own, whose units tell in the file ``told``."""
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    environment = os.environ | {"PYTHONPATH": path, "TOY": str(told)}
    environment["DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION"] = "1.0"
    return subprocess.Popen([sys.executable, "-m", *command], env=environment, **quiet)


@contextlib.contextmanager
def cluster(port, told, workers=2):
    """A scheduler and workers; the scheduler's process, and its address."""
    address, host = f"tcp://127.0.0.1:{port}", ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = started(told, "distributed.cli.dask_scheduler", *host, "--port", str(port))
    number = ("--nworkers", str(workers), "--nthreads", "1")
    hands = started(told, "distributed.cli.dask_worker", address, *host, *number)
    try:
        yield scheduler, address
    finally:
        for each in (hands, scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@contextlib.contextmanager
def connected(address, workers=2):
    from distributed import Client

    with Client(address, timeout="60s") as client:
        client.wait_for_workers(workers, timeout=60)
        yield client


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    found = run(toy.study(toy.draw), folder=tmp_path_factory.mktemp("here"), workers=0, progress=False)
    return values(found)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The address of a cluster, and the file in which its units tell."""
    told = tmp_path_factory.mktemp("shared") / "told"
    with cluster(free_port(), told) as (_, address):
        yield address, told


def values(found):
    return {key: unit["value"] for key, unit in found.items()}


def stored(folder):
    return toy.study(toy.draw).results(folder).units()


@contextlib.contextmanager
def after_a_unit(folder, call):
    """Calls, in another thread, as soon as a unit is stored."""

    def watch():
        while not stored(folder):
            time.sleep(0.05)
        call()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield
    thread.join(10)


@pytest.mark.slow
def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(here, shared, tmp_path):
    address, told = shared
    with connected(address) as client:
        found = run(toy.study(toy.killed_once), executor=client.get_executor(), folder=tmp_path, progress=False)
    assert values(found) == here and Path(f"{told}-once").exists()


@pytest.mark.slow
def test_the_command_takes_a_scheduler(shared, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "study", lambda name: toy.study(toy.draw))
    assert command.run_command(["T1", "--dask", shared[0], "--folder", str(tmp_path)]) == 0
    assert "X1 holds" in capsys.readouterr().out


@pytest.mark.slow
def test_an_interrupt_takes_back_what_no_worker_has_begun(here, shared, tmp_path):
    address, told = shared
    told.unlink(missing_ok=True)
    with connected(address) as client:
        with after_a_unit(tmp_path, lambda: os.kill(os.getpid(), signal.SIGINT)), pytest.raises(KeyboardInterrupt):
            run(toy.study(toy.slow), executor=client.get_executor(), folder=tmp_path, progress=False)
        time.sleep(2)  # six units take less on two workers
        assert 0 < len(stored(tmp_path)) < 6 and len(told.read_text().split()) < 6
        assert values(run(toy.study(toy.slow), executor=client.get_executor(), folder=tmp_path, progress=False)) == here


@pytest.mark.slow
def test_a_unit_that_kills_every_worker_is_named_and_all_others_are_measured(shared, tmp_path):
    with connected(shared[0]) as client, pytest.raises(RuntimeError, match=r"unit 3 failed .KilledWorker.*\)\. What"):
        run(toy.study(toy.killed_always), executor=client.get_executor(), folder=tmp_path, progress=False)
    assert set(stored(tmp_path)) == set("01245")


@pytest.mark.slow
def test_after_the_scheduler_is_lost_a_second_run_does_the_rest(here, tmp_path):
    told, study, port = tmp_path / "told", toy.study(toy.slow), free_port()
    with (
        cluster(port, told, workers=1) as (scheduler, address),
        connected(address, 1) as client,
        after_a_unit(tmp_path, scheduler.kill),
        pytest.raises(RuntimeError, match=r"is the scheduler still there\?.*What is finished is kept"),
    ):
        run(study, executor=client.get_executor(), folder=tmp_path, progress=False)
    kept = stored(tmp_path)
    assert 0 < len(kept) < 6
    with cluster(port, told) as (_, address), connected(address) as client:
        assert values(run(study, executor=client.get_executor(), folder=tmp_path, progress=False)) == here
    assert all(told.read_text().split().count(key) == 1 for key in kept)
