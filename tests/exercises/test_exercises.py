"""Every reference passes its check, every listed mistake meets its message, and the desk behaves."""

import _thread
import ast
import asyncio
import functools
import hashlib
import importlib
import re
import subprocess
import symtable
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from course_utils import exercises
from course_utils.exercises import check, desk, engine, hint, solution, timeout
from tools import notebooks

ALL = exercises.every()
MISTAKES = [(e, i) for e in ALL for i in range(len(e.listed))]


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_the_reference_is_right(exercise):
    exercise.examine(exercise.reference)
    assert len(exercise.listed) >= 4 and len(exercise.hints) >= 2 and exercise.stars in {1, 2, 3}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("exercise", "number"), MISTAKES, ids=[f"{e.id}-{i}" for e, i in MISTAKES])
def test_a_known_mistake_meets_its_message(exercise, number):
    mistake = exercise.listed[number]
    with pytest.raises(exercises.NotYet) as caught:
        exercise.examine(mistake.answer)
    assert str(caught.value) == mistake.message


def test_a_wrong_step_is_shown_beside_the_right_one():
    exercise = desk._find("1.2")
    with pytest.raises(exercises.NotYet) as caught:
        exercise.examine(exercise.listed[0].answer)
    assert caught.value.picture.png and "yours to" in caught.value.picture.alt


@pytest.mark.parametrize("exercise", [e for e in ALL if e.picture], ids=lambda e: e.id)
def test_a_listed_mistake_is_drawn(exercise, monkeypatch):
    drawn, draw = [], exercise.picture
    monkeypatch.setitem(vars(exercise), "picture", lambda *seen: drawn.append(draw(*seen)) or drawn[-1])
    for mistake in exercise.listed:
        drawn.clear()
        with pytest.raises(exercises.NotYet) as caught:
            exercise.examine(mistake.answer)
        assert not drawn, "pictures are drawn when they are asked for"
        if picture := caught.value.picture:
            assert picture is drawn[0] and picture.png and picture.alt
            return
    pytest.fail("no mistake on the list can be drawn")


def test_ids_are_unique_and_numbered():
    ids = [e.id for e in ALL]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"\d+\.\d+", id) for id in ids)


def test_judging_leaves_the_random_numbers_alone():
    state = torch.get_rng_state()
    ALL[0].examine(ALL[0].reference)
    assert torch.equal(torch.get_rng_state(), state)


# Answers that are right in another way, and wrong in ways that no list foresees; most stand in answers_NN.py.

ANSWERS = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("answers_*.py"))]


def rows(name, first):
    """Rows ``(id, answer, ...)`` of the dicts and the lists of that name, these and those of each lesson's file."""
    found = []
    for table in [first, *(getattr(answers, name, {}) for answers in ANSWERS)]:
        found += [(id, *each) if isinstance(each, tuple) else (id, each) for id, each in table.items()]
    return found + [row for answers in ANSWERS for row in getattr(answers, f"ALSO_{name}")]


RIGHT = {
    "0.1": lambda logits: torch.nn.functional.softmax(logits, -1).amax(-1),
    "1.1": lambda: torch.nn.Sequential(*[_xavier(layer) for layer in _reference("1.1")()]),
    "1.2": lambda *a: torch.tensor(_reference("1.2")(*a)),
    "1.3": lambda model, mean, std: lambda images: model(images.sub(mean).div(std)),
    "1.4": lambda confidences, correct, bins=15: torch.tensor(_reference("1.4")(confidences, correct, bins)),
    "1.5": lambda logits, labels, candidates: torch.tensor(_reference("1.5")(logits, labels, candidates)),
}


def _xavier(layer):
    """Other first weights."""
    if hasattr(layer, "weight"):
        torch.nn.init.xavier_uniform_(layer.weight)
    return layer


def _reference(id):
    return desk._find(id).reference


@pytest.mark.parametrize(("id", "answer"), rows("RIGHT", RIGHT))
def test_another_right_answer_is_right(id, answer):
    desk._find(id).examine(answer)


UNFORESEEN = {
    "0.1": (lambda logits: logits.softmax(1).min(1).values, "the values are not"),
    "1.1": (lambda: torch.nn.Linear(784, 10), "one nn.Sequential that begins with"),
    "1.2": (lambda model, images, labels, optimiser: 1.0, "the weights after 12 steps"),
    "1.3": (lambda model, mean, std: torch.ones(5, 3), "return a function"),
    "1.4": (lambda confidences, correct, bins=15: 0.0, "got 0, expected"),
    "1.5": (lambda logits, labels, candidates: 100.0, "got 100, expected"),
}


@pytest.mark.parametrize(("id", "answer", "message"), rows("UNFORESEEN", UNFORESEEN))
def test_an_unforeseen_answer_is_described(id, answer, message):
    with pytest.raises(exercises.NotYet) as caught:
        desk._find(id).examine(answer)
    assert message in str(caught.value)


def test_an_answer_that_takes_too_long_in_many_dimensions_is_told_why(monkeypatch):
    monkeypatch.setattr("course_utils.exercises.bank.lesson_07.SLOW", 0.5)
    with pytest.raises(exercises.NotYet, match="do you draw from the cube and keep what lies in the ball"):
        desk._find("7.1").examine(importlib.import_module("answers_07").rejects)


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
@pytest.mark.parametrize("answer", [lambda *a: None, lambda *a: "text", lambda: 1, lambda *a: torch.ones(2)])
def test_nonsense_never_breaks_the_check(exercise, answer):
    with pytest.raises(exercises.NotYet):
        exercise.examine(answer)


def test_what_the_probe_says_to_a_listed_mistake_is_not_told_to_others():
    def probe(function):
        if function() is None:
            raise engine.NotYet("only for those who return nothing")
        return function()

    also = (engine.Mistake(lambda: None, "nothing"), engine.Mistake(lambda: 2, "two"))
    exercise = engine.Exercise("9.9", lambda: 1, probe, "", ("a", "b"), also=also)
    with pytest.raises(exercises.NotYet, match="two"):
        exercise.examine(lambda: 2)


# The desk.


def unsolved(logits):
    raise NotImplementedError  # your code


def broken(logits):
    middle = logits * 2
    return middle.no_such_method()


def endless(logits):
    while True:
        pass


def stubborn(logits):
    while True:
        try:  # noqa: SIM105
            logits.sum()
        except:  # noqa: E722
            pass


def test_not_attempted_hands_back_the_reference(capsys):
    assert check("0.1", unsolved) is _reference("0.1")
    assert 'not attempted yet. The lesson goes on with the reference; `hint("0.1")`' in capsys.readouterr().out


def test_right_hands_back_the_learners_own(capsys):
    assert check("0.1", RIGHT["0.1"]) is RIGHT["0.1"]
    assert "✓ 0.1 right" in capsys.readouterr().out


def test_an_exception_is_told_at_the_learners_own_line(capsys):
    assert check("0.1", broken) is _reference("0.1")
    out = capsys.readouterr().out
    line = broken.__code__.co_firstlineno + 2
    assert f"in line {line} of its cell" in out and "return middle.no_such_method()" in out
    assert "AttributeError: 'Tensor' object has no attribute 'no_such_method'" in out


def test_a_library_error_is_told_at_the_learners_own_line(capsys):
    check("0.1", lambda logits: logits.long().softmax(1))
    out = capsys.readouterr().out
    assert "logits.long().softmax(1)" in out and "NotImplementedError" in out


@pytest.mark.parametrize("loop", [endless, stubborn])
def test_an_endless_loop_is_stopped(loop, capsys, monkeypatch):
    monkeypatch.setattr(engine, "SECONDS", 0.3)
    assert check("0.1", loop) is _reference("0.1")
    assert "a loop that never ends?" in capsys.readouterr().out


def sleeps(logits):
    time.sleep(2)


def locked(logits):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=2)


def waits(logits):
    subprocess.run([sys.executable, "-c", "import time; time.sleep(2)"])


def computes(logits):  # as a product of large matrices, without the memory
    hashlib.pbkdf2_hmac("sha256", b"one", b"huge step", 4_000_000)


def elsewhere(call):
    """``call()`` in another thread than Python's main one."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("where", [lambda call: call(), elsewhere], ids=["main", "thread"])
@pytest.mark.parametrize("attempt", [sleeps, locked, waits, computes])
def test_an_attempt_that_waits_holds_nobody(attempt, where, capsys, monkeypatch):
    monkeypatch.setattr(engine, "SECONDS", 0.2)
    monkeypatch.setattr(timeout, "GRACE", 0.1)
    ended = []

    def noted(logits):
        attempt(logits)
        ended.append(attempt)

    assert where(lambda: check("0.1", noted)) is _reference("0.1")
    assert not ended
    out = capsys.readouterr().out
    last = {sleeps: "time.sleep(2)", locked: "lock.acquire(timeout=2)", waits: "subprocess.run(", computes: "pbkdf2"}
    assert "stopped waiting for your code after 0.2 s in line" in out and last[attempt] in out
    assert "does it wait for something" in out


def test_an_attempt_that_ends_late_leaves_the_random_numbers_alone(monkeypatch):
    monkeypatch.setattr(engine, "SECONDS", 0.1)
    monkeypatch.setattr(timeout, "GRACE", 0.1)
    ended = threading.Event()

    def late(logits):
        try:
            time.sleep(0.5)
        finally:
            ended.set()

    with pytest.raises(exercises.NotYet, match="stopped waiting"):
        desk._find("0.1").examine(late)
    torch.manual_seed(7)
    assert ended.wait(10)
    time.sleep(0.1)
    assert torch.initial_seed() == 7 and torch.rand(1).equal(torch.rand(1, generator=torch.Generator().manual_seed(7)))


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, asyncio.CancelledError, BaseException])
def test_no_error_of_an_attempt_ends_the_lesson(kind, capsys):
    def attempt(logits):
        raise kind("so")

    assert check("0.1", attempt) is desk._find("0.1").reference
    assert f"{kind.__name__}: so" in capsys.readouterr().out


def test_an_interrupt_ends_check_and_the_attempt():
    counts = [0]

    def counting(logits):
        while True:
            counts[0] += 1

    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        check("0.1", counting)
    reached = counts[0]
    time.sleep(0.1)
    assert counts[0] == reached


def test_a_limit_ends_what_runs_within_a_limit_of_its_own():
    counts = [0]

    def counting():
        while True:
            counts[0] += 1

    with pytest.raises(timeout.TooLong):
        timeout.limited(0.3, lambda: timeout.limited(60, counting))
    reached = counts[0]
    time.sleep(0.1)
    assert reached and counts[0] == reached


def test_what_is_limited_finds_torch_as_its_caller_has_it():
    for grad in (torch.enable_grad, torch.no_grad):
        with grad():
            assert timeout.limited(1, torch.is_grad_enabled) == torch.is_grad_enabled()


def test_what_an_attempt_warns_of_is_no_error_of_the_cell(capsys):
    """A grader takes whatever a cell writes to stderr for a failure."""

    def warning(logits):
        print("careful", file=sys.stderr)  # as the module warnings does
        return RIGHT["0.1"](logits)

    assert check("0.1", warning) is warning
    out, err = capsys.readouterr()
    assert "careful" in out and not err


@torch.no_grad()
def decorated(logits):
    return helper(logits)


def helper(logits):
    return logits.missing()


@pytest.mark.parametrize("attempt", [decorated, functools.partial(decorated)])
def test_an_exception_in_a_helper_is_told_at_the_helpers_line(attempt, capsys):
    check("0.1", attempt)
    assert "return logits.missing()" in capsys.readouterr().out


def test_a_learner_who_exits_is_told(capsys):
    check("0.1", lambda logits: sys.exit(1))
    assert "SystemExit: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "attempt",
    [int, len, "".join, functools.partial(unsolved, 1), type("Own", (), {"__wrapped__": property(lambda s: s)})],
)
def test_whatever_can_be_called_is_judged(attempt, capsys):
    assert check("0.1", attempt) is _reference("0.1")
    assert "✗ 0.1 not yet: " in capsys.readouterr().out


@pytest.mark.parametrize("attempt", [broken, lambda logits: logits, None])
def test_every_not_yet_says_what_helps_and_how_the_lesson_goes_on(attempt, capsys):
    check("0.1", attempt)
    assert 'The lesson goes on with the reference; `hint("0.1")` helps.' in capsys.readouterr().out


@pytest.mark.parametrize("attempt", [None, 3, torch.ones(2), "text", torch.nn.Linear(2, 2)])
def test_something_that_is_no_function_is_named(attempt, capsys):
    check("0.1", attempt)
    assert "not a function: pass the function itself" in capsys.readouterr().out


@pytest.mark.parametrize("attempt", [unsolved, broken, lambda logits: logits])
def test_strict_mode_is_an_assert(attempt, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(AssertionError, match=r"0\.1 not") as caught:
        check("0.1", attempt)
    assert "goes on" not in str(caught.value)
    assert check("0.1", RIGHT["0.1"]) is RIGHT["0.1"]


@pytest.mark.parametrize("switch", [None, "0", "no such word"])
@pytest.mark.parametrize("execution", ["autograde", "validate"])
def test_nbgrader_is_strict_whatever_else_is_set(execution, switch, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", execution)
    monkeypatch.setenv("COURSE_STRICT", switch) if switch else monkeypatch.delenv("COURSE_STRICT", raising=False)
    with pytest.raises(AssertionError, match="not attempted yet"):
        check("0.1", unsolved)
    assert check("0.1", RIGHT["0.1"]) is RIGHT["0.1"]


@pytest.mark.parametrize("dressed", [lambda f: f, torch.no_grad(), functools.partial, functools.cache])
def test_a_reference_from_before_a_reload_is_no_attempt(dressed, capsys):
    fallen_back = dressed(check("0.1", unsolved))
    importlib.reload(sys.modules["course_utils.exercises.bank.lesson_00"])
    assert check("0.1", fallen_back) is _reference("0.1") is not fallen_back
    out = capsys.readouterr().out
    assert "✓" not in out and "from an earlier check" in out


def test_the_reference_of_an_earlier_check_is_no_attempt(capsys, monkeypatch):
    fallen_back = check("0.1", unsolved)
    assert check("0.1", fallen_back) is fallen_back
    out = capsys.readouterr().out
    assert "✓" not in out and "from an earlier check" in out
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(AssertionError):
        check("0.1", fallen_back)


def test_hints_come_one_by_one(monkeypatch):
    monkeypatch.setattr(desk, "_hints_given", desk.Counter())
    hints = desk._find("0.1").hints
    shown = [repr(hint("0.1")) for _ in range(len(hints) + 1)]
    assert all(text in note for text, note in zip(hints, shown, strict=False))
    assert 'solution("0.1")' in shown[-1] and shown[-1] == shown[-2]


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_the_solution_is_code_that_a_learner_can_paste(exercise):
    text = repr(solution(exercise.id))
    compile(text, "solution", "exec")
    assert text.startswith("def ") and "```python" in solution(exercise.id)._repr_markdown_()


@pytest.mark.parametrize("id", ["1.99", "77.1", "x", "", 99.2])
def test_an_unknown_exercise_lists_the_known_ones(id):
    with pytest.raises(ValueError, match=r"there is no exercise .*1\.1"):
        check(id, unsolved)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check("0,1", unsolved), "there is no exercise '0,1': do you mean \"0.1\"?"),
        (lambda: hint("L01-3"), "there is no exercise 'L01-3': do you mean \"1.3\"?"),
        (lambda: hint("1.9"), "there is no exercise '1.9': lesson 1 has 1.1 to 1.5"),
        (lambda: hint(1), "there is no exercise 1: lesson 1 has 1.1 to 1.5"),
        (lambda: solution("x"), "there is no exercise 'x': the course has 0.1, 1.1 to 1.5, "),
        (lambda: hint(), 'say which exercise, as in hint("1.2"): the course has 0.1, '),
        (lambda: solution(), 'say which exercise, as in hint("1.2"): the course has 0.1, '),
        (lambda: check(), 'say which exercise, as in hint("1.2"): the course has 0.1, '),
        (lambda: hint(unsolved), 'name the exercise by its number, as in hint("1.2"), not by a function: the course'),
        (lambda: check("0.1"), 'check wants your function, too: check("0.1", confidence)'),
        (lambda: check(unsolved, "0.1"), 'the other way round: check("0.1", unsolved)'),
    ],
)
def test_a_slip_at_the_desk_is_one_line(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    (line,) = caught.value._render_traceback_()
    assert line.startswith(message) and "\n" not in line


def test_a_number_is_as_good_as_its_text(capsys):
    assert check(0.1, RIGHT["0.1"]) is RIGHT["0.1"] and "✓ 0.1 right" in capsys.readouterr().out
    assert hint(0.1).id == "0.1"


def test_a_note_is_safe_html():
    note = desk.Note("✗", "#000000", "1.1", "got <b> and `a < b`")
    assert "&lt;b&gt;" in note._repr_html_() and "<code>a &lt; b</code>" in note._repr_html_()


def _given(exercise):
    """What the cells of its lesson above an exercise import, by name, and the names that they define."""
    imported, defined = {}, set()
    (path,) = (notebooks.ROOT / "lessons").glob(f"{int(exercise.id.partition('.')[0]):02}_*.ipynb")
    for cell in notebooks.read(path).cells:
        if cell.metadata.get("course", {}).get("exercise") == exercise.id:
            return imported, defined
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    exec(ast.unparse(node), imported)
            names = symtable.symtable(cell.source, path.name, "exec").get_symbols()
            defined |= {name.get_name() for name in names if name.is_assigned() and not name.is_imported()}


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_the_lesson_gives_what_the_reference_uses(exercise):
    imported, defined = _given(exercise)
    own = exercise.reference.__globals__
    used = {node.id for node in ast.walk(ast.parse(exercises.source(exercise.id))) if isinstance(node, ast.Name)}
    for name in used & own.keys() - defined - {exercise.reference.__name__}:
        assert imported.get(name) is own[name], f"{name} is not there, or another thing"
