"""Folders, atomic writing, locks, and the store of the learner's record: nothing that somebody did is lost."""

import errno
import io
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import filelock
import pytest
import torch

from course_utils import doctor, ledger
from course_utils.arena import scoreboard
from course_utils.core import storage
from course_utils.core.storage import JsonStore
from course_utils.exercises import desk
from course_utils.widgets import guess, guesses, quiz


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "course"))
    return tmp_path / "course"


def refused(number):
    """A function that the file system refuses."""

    def refuse(*_, **__):
        raise NotImplementedError if number is None else OSError(number, os.strerror(number))

    return refuse


REFUSALS = [errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, None]


# Folders. -----------------------------------------------------------------------------------------


def test_caches_and_the_record_lie_apart_and_under_course_home_if_it_is_set(home, monkeypatch, tmp_path):
    assert storage.home("a", "b") == home / "a" / "b" and storage.home("a", "b").is_dir()
    assert storage.record_folder() == home / "record" and (home / "record").is_dir()
    monkeypatch.setenv("COURSE_HOME", " ")
    monkeypatch.setattr(storage.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    monkeypatch.setattr(storage.platformdirs, "user_data_dir", lambda name: str(tmp_path / "data" / name))
    assert storage.home() == tmp_path / "cache" / "deep-flaw"
    assert storage.record_folder() == tmp_path / "data" / "deep-flaw" / "record"


def test_a_folder_that_cannot_be_made_says_how_to_choose_another(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    for folder in (storage.home, storage.record_folder):
        with pytest.raises(OSError, match="set the environment variable COURSE_HOME"):
            folder()


@pytest.mark.parametrize("said", ["~/course", " ~/course ", "{user}/course", "{user}/a/../course"])
def test_home_is_one_folder_wherever_a_notebook_lies(said, monkeypatch, tmp_path):
    user = tmp_path / "user"
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("USERPROFILE", str(user))
    monkeypatch.setenv("COURSE_HOME", said.format(user=user))
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found.append(storage.home("models").resolve())
        assert list(Path.cwd().iterdir()) == []
    assert found == [user.resolve() / "course/models"] * 2


@pytest.mark.parametrize("said", ["course", "./course", "../course", "~nobody-is-called-so/course", "$HOME/course"])
def test_a_home_that_follows_the_working_folder_is_refused(said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_HOME", said)
    with pytest.raises(ValueError, match=r"is no full path.*set the environment variable COURSE_HOME.* ~/"):
        storage.home()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_of_the_system_that_is_no_full_path_is_refused(monkeypatch):
    monkeypatch.delenv("COURSE_HOME")
    monkeypatch.setattr(storage.platformdirs, "user_cache_dir", lambda name: f"cache/{name}")
    with pytest.raises(ValueError, match="'cache/deep-flaw' is no full path"):
        storage.home()


# Writing. -----------------------------------------------------------------------------------------


def test_write_atomically_leaves_no_half_file(tmp_path):
    file = tmp_path / "x.json"
    storage.write_atomically(file, b"old")
    with pytest.raises(TypeError):
        storage.write_atomically(file, "text")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_a_full_disk_keeps_what_was_there(monkeypatch, tmp_path):
    file = tmp_path / "ledger.json"
    storage.write_atomically(file, b"old")

    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", lambda handle, mode: os.close(handle) or Full())
    with pytest.raises(OSError, match="No space left"):
        storage.write_atomically(file, b"new")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_what_is_put_aside_takes_nobodys_place(tmp_path):
    for number in range(3):
        (tmp_path / "x.json").write_text(str(number))
        storage.put_aside(tmp_path / "x.json", ".damaged")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "x.damaged": "0",
        "x.damaged-2": "1",
        "x.damaged-3": "2",
    }


# The store. ---------------------------------------------------------------------------------------


def check(words):
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("no list of words")


@pytest.fixture
def words():
    return JsonStore("words", fresh=list, check=check)


def test_what_is_kept_is_read_by_the_next_kernel(words, home):
    assert words.read() == [] and not words.file.exists()
    assert words.update(lambda kept: kept.append("ä")) == ["ä"]
    assert JsonStore("words", fresh=list, check=check).read() == ["ä"]
    assert json.loads(words.file.read_text()) == {"format": 1, "words": ["ä"]}
    assert words.file == home / "record" / "words.json"


def test_what_does_not_belong_there_is_not_written(words):
    words.update(lambda kept: kept.append("a"))
    with pytest.raises(ValueError, match="no list of words"):
        words.update(lambda kept: kept.append(3))
    assert words.read() == ["a"]


@pytest.mark.parametrize(
    "content", ["", "{half", "[]", "{}", '{"format": 1}', '{"format": "1", "words": []}', '{"format": 1, "words": [2]}']
)
def test_a_damaged_file_is_put_aside_and_said_so_once(content, words):
    words.file.write_text(content)
    with pytest.warns(UserWarning, match=r"words.json could not be read .* now lies in .*words.damaged"):
        assert words.read() == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert words.update(lambda kept: kept.append("a")) == words.read() == ["a"]
    assert words.file.with_suffix(".damaged").read_text() == content


def test_what_a_newer_course_wrote_stays_as_it_is(words):
    content = json.dumps({"format": storage.FORMAT + 1, "words": {"of": "another form"}})
    words.file.write_text(content)
    for use in (words.read, lambda: words.update(lambda kept: kept.append("a"))):
        with pytest.raises(RuntimeError, match=r"written by a newer version of the course: update"):
            use()
    assert words.file.read_text() == content


def test_a_failing_disk_warns_and_loses_nothing(words, monkeypatch):
    words.update(lambda kept: kept.append("a"))
    with monkeypatch.context() as full:
        full.setattr(storage, "write_atomically", refused(errno.ENOSPC))
        for word in "bc":
            with pytest.warns(UserWarning, match=r"could not be written .*No space left.* this kernel alone"):
                words.update(lambda kept, word=word: kept.append(word))
        with pytest.warns(UserWarning, match="could not be written"):
            assert words.read() == ["a", "b", "c"]
        assert "No space left" in words.trouble
    another = JsonStore("words", fresh=list, check=check)
    assert another.update(lambda kept: kept.append("of another kernel")) == ["a", "of another kernel"]
    assert words.read() == another.read() == ["a", "of another kernel", "b", "c"]
    assert not words.trouble


WRITER = """
from course_utils.core.storage import JsonStore
store = JsonStore("words", fresh=list, check=list)
for number in range(20):
    store.update(lambda kept: kept.append(f"a{number}"))
"""


def test_two_kernels_at_once_lose_nothing(words):
    with subprocess.Popen([sys.executable, "-c", WRITER]) as other:
        while not words.read():
            assert other.poll() is None
            time.sleep(0.02)
        for number in range(20):
            words.update(lambda kept, number=number: kept.append(f"b{number}"))
    assert other.returncode == 0
    assert sorted(words.read()) == sorted(f"{name}{number}" for name in "ab" for number in range(20))


# What the course kept before there was a record. --------------------------------------------------

TRIAL = dict(name="a", reference=False, images=2, passes=1.0, trials=3, date="2026-01-02")
BOARD = dict(stamp="six", secret=7, revealed=True, defenses=[])
ANSWER = dict(picture=0, label=3, sure=4, wanted=60, shown=66.7)


def test_old_files_are_taken_over_once_and_put_aside(home, static):
    old = {
        "arena.json": BOARD | {"attacks": [TRIAL | {"kept": 0.5, "shares": {"A": 0.5}}]},
        "predictions/1.json": {"question": "Old?", "guess": 2.5, "revealed": True},
        "predictions/2.json": {"question": "Q?", "guess": 3, "revealed": True, "said": "3 %", "measured": "4 %"},
        "quizzes/abc.json": {"answers": [ANSWER]},
    }
    for number, (name, content) in enumerate(old.items()):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(json.dumps(content))
        os.utime(home / name, (number, number))
    (home / "predictions/3.json").write_text("[")
    for _ in range(2):
        assert scoreboard.STORE.read() == BOARD | {"attacks": [TRIAL | {"correct": 0.5, "accuracy": {"A": 0.5}}]}
        assert quiz.STORE.read() == {"abc": [ANSWER]}
        if not guesses.STORE.file.exists():
            with pytest.warns(UserWarning, match=r"3.json could not be read"):
                guesses.guesses()
        assert guesses.guesses() == [("Old?", "2.5", "", ""), ("Q?", "3 %", "4 %", "")]
    left = {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()}
    aside = {str(Path(name).with_suffix(".old")) for name in old} | {"predictions/3.damaged"}
    assert {name for name in left if not name.startswith("record")} == aside
    for name, content in old.items():
        assert json.loads((home / name).with_suffix(".old").read_text()) == content


def test_old_files_stay_until_they_are_kept_anew(home, monkeypatch):
    old = home / "quizzes/abc.json"
    old.parent.mkdir(parents=True)
    old.write_text(json.dumps({"answers": [ANSWER]}))
    with monkeypatch.context() as full:
        full.setattr(storage, "write_atomically", refused(errno.ENOSPC))
        assert quiz.STORE.read() == {"abc": [ANSWER]} and old.exists()
    assert quiz.STORE.read() == {"abc": [ANSWER]} and not old.exists()


# All that a learner wants kept, on drives of many kinds. ------------------------------------------


@pytest.fixture
def work(live, home):
    """``work()`` does what a learner wants kept: a ledger's row, a network, a trial on the board, a guess."""

    def work():
        ledger.record("T1", 0.01, "one net")
        storage.store(net := torch.nn.Linear(2, 2), storage.home() / "net.safetensors", "recipe")
        scoreboard.enter("nets", "attacks", dict(name="mine", reference=False, images=9, **KEPT))
        guess("How many?").lock(3)
        again = torch.nn.Linear(2, 2)
        storage.restore(again, home / "net.safetensors", "recipe")
        assert torch.equal(net.weight, again.weight)
        assert ledger.rows() == {"T1": (0.01, "one net")}
        assert [kept["name"] for kept in scoreboard.read("nets")["attacks"]] == ["mine"]
        assert guess("How many?").value == 3
        left = {file.name for file in home.rglob("*.*") if file.suffix != ".lock" and "damaged" not in file.suffix}
        assert left == {"net.safetensors", "ledger.json", "arena.json", "guesses.json"}

    return work


KEPT = dict(correct=0.5, passes=1.0, accuracy={"A": 0.5})


def cache():
    (found,) = [found for found in doctor.doctor(seconds=0.01).findings if found[1] == "cache"]
    return found


@pytest.mark.parametrize(
    ("name", "number"), [("chmod", n) for n in REFUSALS] + [("replace", n) for n in REFUSALS if n is not None]
)
def test_a_drive_that_refuses_a_nicety_keeps_the_work(work, home, monkeypatch, name, number):
    monkeypatch.setattr(os, name, refused(number))
    work()
    work()  # over what is there
    for file in home.glob("record/*.json"):
        file.write_text("{")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        work()
    assert len({str(warning.message) for warning in said}) == 3
    aside = list(home.rglob("*.damaged"))
    assert len(aside) == 3 and {file.read_text() for file in aside} == {"{"}
    fine, _, text = cache()
    assert fine and "is writable" in text


@pytest.mark.parametrize("number", [*REFUSALS, errno.ENOLCK])
def test_a_drive_without_locks_keeps_the_work(work, monkeypatch, number):
    monkeypatch.setattr(filelock.FileLock, "acquire", refused(number))
    work()
    fine, _, text = cache()
    assert fine and "files cannot be locked there: run one lesson at a time" in text


HOLDER = """
import filelock, sys
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
input()
"""


def test_a_lock_that_nobody_lets_go_does_not_hold_the_work_for_ever(work, monkeypatch):
    monkeypatch.setattr(storage, "PATIENCE", 0.1)
    file = storage.record_folder() / "ledger.json"
    command = [sys.executable, "-c", HOLDER, f"{file}.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline()
        with storage.lock(file) as held:
            assert not held
        start = time.monotonic()
        work()
        assert time.monotonic() - start < 10
        other.communicate(b"\n")
    with storage.lock(file) as held:
        assert held


def test_a_disk_that_keeps_nothing_costs_no_trial_and_no_guess(live, monkeypatch, capsys):
    monkeypatch.setattr(storage, "write_atomically", refused(errno.ENOSPC))
    with pytest.warns(UserWarning, match=r"arena.json could not be written .*No space left"):
        scoreboard.enter("nets", "attacks", dict(name="mine", reference=False, images=9, **KEPT))
    with pytest.warns(UserWarning, match=r"guesses.json could not be written .*No space left"):
        mine = guess("How many?")
        mine.lock(3)
        mine.reveal(4)
    assert "You said 3, measured 4" in capsys.readouterr().out
    with pytest.warns(UserWarning, match=r"ledger.json could not be written"):
        ledger.record("T1", 0.01, "one net")
        assert len(ledger.rows()) == 1


def test_the_doctor_says_in_words_where_nothing_can_be_kept(monkeypatch):
    monkeypatch.setattr(storage.tempfile, "mkstemp", refused(errno.EROFS))
    fine, _, text = cache()
    assert not fine and "keeps no files" in text and "set COURSE_HOME to another folder" in text


# Exercises done. ----------------------------------------------------------------------------------


def test_a_solved_exercise_is_kept_with_its_day_and_only_before_a_page(monkeypatch):
    exercise = desk.every()[0]

    def own(*arguments, **settings):
        return exercise.reference(*arguments, **settings)

    monkeypatch.setattr(type(exercise), "examine", lambda self, attempt: None)
    monkeypatch.setenv("COURSE_STATIC", "1")
    desk.check(exercise.id, own)
    assert not desk.STORE.file.exists()
    monkeypatch.setenv("COURSE_STATIC", "0")
    desk.STORE.update(lambda solved: solved.update({"0.9": "2026-01-02"}))
    desk.check(exercise.id, own)
    assert desk.STORE.read() == {"0.9": "2026-01-02", exercise.id: [time.strftime("%Y-%m-%d"), 1, 0, False]}
    monkeypatch.setattr(type(exercise), "examine", refused(None))
    desk.check("0.1", own)  # not attempted
    assert len(desk.STORE.read()) == 2
