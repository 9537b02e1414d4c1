"""What the course prints reaches every standard output, whatever its encoding: a sign must not end a script."""

import contextlib
import io
import os
import subprocess
import sys

import pytest
import torch

from course_utils import __main__, data, doctor, ledger, runtime, widgets
from course_utils.exercises import check, every, hint, solution
from course_utils.exercises.desk import Listing
from course_utils.figures import Picture, Table
from course_utils.zoo import robust
from tools.notebooks import ROOT

ENCODINGS = ["ascii", "cp1252", "gbk", "cp437", "latin-1", "utf-8"]
SIGNS = "✓ ✗ ○ × − 10⁻¹² “ε” … 中文 ü 🎉 \udcff"

SCRIPT = f"""
import sys
from course_utils import __main__, doctor, ledger, runtime
from course_utils.exercises import check, hint, solution
from course_utils.figures import Table
from course_utils.widgets import guess

def unsolved(logits):
    raise NotImplementedError

check("0.1", unsolved)
check("0.1", lambda logits: logits)
scope = dict(vars(sys.modules[check("0.1", unsolved).__module__]))
exec(repr(solution("0.1")), scope)
assert check("0.1", scope[check("0.1", unsolved).__name__]) is not check("0.1", unsolved)
print(hint("0.1"), solution("0.1"))

print(ledger.record("T1", 0.01, {SIGNS!r} + "6.3 × 10⁻¹⁰⁵¹"))
print(ledger.table(), ledger.overview())
print(Table(["", "share"], [["α ✓", "× 3"]]))

mine = guess({SIGNS[:-2]!r}, choices=["“yes” ✓", "nö"])
mine.reveal("nö")
mine.lock("“yes” ✓")
mine.reveal("nö")

with runtime.progress_bar(2, {SIGNS!r}) as bar:
    bar.delay = 0
    bar.update(2)
    bar.refresh()
print(doctor.doctor(seconds=0.01))
__main__.main(["verify"])
__main__.main(["fetch", "imagenet"])
print("the end")
"""


def run(code, encoding, folder):
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "ördner ✓"
    (home / "MNIST/raw").mkdir(parents=True)
    (home / "MNIST/raw/train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    more = dict(PYTHONIOENCODING=encoding, PYTHONUTF8="0", COURSE_HOME=str(home), PYTHONPATH=str(ROOT))
    more |= dict(TORCH_HOME=str(home / "file" / "torch"), PIP_NO_INDEX="1")
    (home / "file").write_text("")  # where a folder should be
    return subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ | more, cwd=folder)


def test_a_script_reaches_its_end(tmp_path):
    done = run(SCRIPT, "ascii", tmp_path)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    out = done.stdout.decode("ascii")
    assert out.rstrip().endswith("the end")
    for words in ("0.1 right.", "0.1 not attempted", "0.1 not yet", "Predict:", "rdner", "You said", "damaged"):
        assert words in out, words


@contextlib.contextmanager
def stdout(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
    with contextlib.redirect_stdout(stream):
        yield lambda: stream.flush() or stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_the_course_shows_can_be_printed(encoding):
    shown = [
        Table(["name ✓", SIGNS], [[SIGNS, "x"]]),
        Picture(b"", SIGNS),
        Listing(SIGNS),
        doctor.Diagnosis([(True, "cache", SIGNS)]),
        *[hint(exercise.id) for exercise in every()],
        *[solution(exercise.id) for exercise in every()],
        ledger.table(),
    ]
    with stdout(encoding) as written:
        for each in shown:
            print(each)
        runtime.say(SIGNS)
        assert len(written()) > 1000 and ("✓" in written()) == (encoding == "utf-8")


def test_an_output_that_can_write_a_sign_gets_it():
    text = "✓ ✗ ○ × − 10⁻¹² “ε” … 中文 ü"
    for encoding in ("utf-8", "utf-16", "gb18030", None):
        stream = io.StringIO() if encoding is None else io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        assert runtime.printable(text, stream) == text
    assert runtime.printable("plain", None) == "plain"


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("ascii", "✓ right, ✗ not yet, ○ not attempted", "+ right, x not yet, o not attempted"),
        ("cp1252", "✓ “Ja” … × 3", "+ “Ja” … × 3"),
        ("ascii", "6.3 × 10⁻¹⁰⁵¹", "6.3 x 10^-1051"),
        ("ascii", "6.3 × 10⁵ of ½, m²", "6.3 x 10^5 of 1/2, m^2"),
        ("ascii", "Ångström, 中", "Angstrom, ?"),
        ("utf-8", "a\udcffb", "a?b"),
    ],
)
def test_a_sign_that_is_missing_is_spelled(encoding, text, expected):
    assert runtime.printable(text, io.TextIOWrapper(io.BytesIO(), encoding=encoding)) == expected


def test_no_output_at_all_is_none(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # pythonw
    runtime.say(SIGNS)
    check("0.1", lambda logits: logits)
    widgets.guess("✓?")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_with_odd_paths_are_told(encoding, monkeypatch, tmp_path):
    folder = tmp_path / "中 ✓"
    monkeypatch.setattr(data, "CHECKOUT", folder)
    monkeypatch.setattr(robust, "recipe_of", lambda name: (_ for _ in ()).throw(ValueError(SIGNS)))
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError(SIGNS)))
    with stdout(encoding) as written:
        assert __main__.main(["verify"]) == 0
        assert __main__.main(["retrain", "x"]) == 1
        with pytest.raises(OSError, match="could not be downloaded"):
            data._download(folder)
        assert "missing" in written()
