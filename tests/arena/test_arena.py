"""The judge believes what it measures: cheats are survived and named, queries are counted, the board keeps order."""

import importlib
import io
import os
import string
import sys
import threading
import time

import psutil
import pytest
import safetensors.torch
import torch
from torch import nn

from course_utils import arena, attacks, data
from course_utils.arena import baselines, judging, sandbox, scoreboard
from course_utils.arena.sandbox import OutOfBudget, QueryCounter, RemoteModel, Worker
from course_utils.core import storage
from course_utils.data import Split
from course_utils.defenses import evaluate
from course_utils.defenses.squeezing import Squeezed

SHAPE = (1, 28, 28)
BUDGET, IMAGES = 12, 20


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return tmp_path


@pytest.fixture
def six(monkeypatch, net):
    """Six nets that are quick to have."""
    nets = [judging.Contestant(f"net {i}", 0.1 + i / 100, "a LeNet-5", lambda: net) for i in range(6)]
    monkeypatch.setattr(judging, "roster", lambda: nets)


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").test[:40]


def local(model, passes=10_000):
    return RemoteModel(QueryCounter(model, passes, SHAPE).answer, passes)


# The stand-in and its counter. ----------------------------------------------------------------------


def gradient(model, images, labels):
    x = images.clone().requires_grad_()
    nn.functional.cross_entropy(model(x), labels).backward()
    return x.grad


def test_a_stand_in_answers_as_its_model_does(net, digits):
    x, y = digits.images, digits.labels
    assert torch.equal(local(net)(x), net(x))
    torch.testing.assert_close(gradient(local(net), x, y), gradient(net, x, y), rtol=1e-5, atol=1e-9)
    assert not list(local(net).parameters()) and gradient(local(net), x.double(), y).dtype == torch.float64


def test_many_images_go_in_portions(net, monkeypatch, digits):
    monkeypatch.setattr(sandbox, "PORTION", 7)
    x, y = digits.images, digits.labels
    torch.testing.assert_close(gradient(local(net), x, y), gradient(net, x, y), rtol=1e-4, atol=1e-7)


def test_two_forward_passes_may_be_followed_by_their_backward_passes_in_any_order(net, digits):
    first, second = (digits.images[i : i + 5].clone().requires_grad_() for i in (0, 5))
    model = local(net)
    sums = [model(x)[:, 0].sum() for x in (first, second)]
    for total, x in zip(sums, (first, second), strict=True):
        total.backward(retain_graph=True)
        own = x.detach().clone().requires_grad_()
        net(own)[:, 0].sum().backward()
        torch.testing.assert_close(x.grad, own.grad, rtol=1e-4, atol=1e-7)
    assert model.left == 10_000 - 4 * 5


def test_every_pass_of_an_image_is_counted_and_no_more_are_given(net, digits):
    counter = QueryCounter(net, 100, SHAPE)
    model = RemoteModel(counter.answer, 100)
    gradient(model, digits.images, digits.labels)
    assert counter.left == model.left == 20
    with pytest.raises(OutOfBudget, match="40 more passes were asked for, and 20 are left"):
        model(digits.images)
    assert counter.left == 20
    model.left = 10**9
    with pytest.raises(OutOfBudget):
        model(digits.images)


def test_a_gradient_without_its_forward_pass_costs_both(net, digits):
    counter, x = QueryCounter(net, 100, SHAPE), digits.images[:10]
    for cost in (20, 10, 10):  # from then on these images were asked about
        before = counter.left
        counter.answer(x, torch.ones(10, 10))
        assert before - counter.left == cost
    with pytest.raises(OutOfBudget, match="80 more passes were asked for, and 60 are left"):
        counter.answer(digits.images, torch.ones(40, 10))


def test_a_masked_gradient_stays_masked(net, digits):
    squeezed = Squeezed(net, 4)
    assert not gradient(local(squeezed), digits.images, digits.labels).any()


def test_what_a_stand_in_cannot_do_is_said(net, digits):
    with pytest.raises(ValueError, match=r"takes images \(N, C, H, W\), and got \(28, 28\)"):
        local(net)(torch.zeros(28, 28))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 28, 28\)"):
        local(net)(torch.zeros(2, 3, 28, 28))
    with pytest.raises(ValueError, match="one gradient at a time"):
        attacks.deepfool(local(net), digits.images, digits.labels)


@pytest.mark.parametrize("attack", [*baselines.REFERENCES.values()])
def test_a_reference_does_the_same_to_a_stand_in_as_to_the_model(attack, net, digits):
    few = digits[:10]
    ours, plain = (attack(model, few.images, few.labels, 0.1, 100) for model in (local(net), net))
    assert torch.equal(ours, plain)


# What counts. ------------------------------------------------------------------------------------


class Bright(nn.Module):
    """Class 1 if the image is brighter than 1/2 on average."""

    def forward(self, images):
        mean = images.flatten(1).mean(1)
        return torch.stack([-mean, mean - 1], 1)


GREY = Split(
    torch.tensor([0.45, 0.45, 0.55, 0.0]).view(4, 1, 1, 1).expand(4, 1, 2, 2).clone(), torch.tensor([0, 1, 1, 0])
)
BEFORE = [True, False, True, True]


@pytest.mark.parametrize(
    ("change", "kept", "remark"),
    [
        (None, BEFORE, ""),
        (lambda x: x, BEFORE, ""),
        (lambda x: (x + 0.1).clamp(0, 1), [False, False, True, True], ""),
        (lambda x: x + torch.tensor([0.1, 0.1, -0.1, 0.1]).view(4, 1, 1, 1), [False, False, False, True], ""),
        (lambda x: x + 0.1 + 5e-7, [False, False, True, True], ""),
        (lambda x: x + 0.1001, BEFORE, "4 images left the ball, by 0.0001 at most"),
        (
            lambda x: x + 0.1 * (x == 0).logical_not() - 1e-4 * (x == 0),
            [False, False, True, True],
            r"1 images left the box",
        ),
        (
            lambda x: x + torch.tensor([0.1, float("nan"), 0, 0]).view(4, 1, 1, 1),
            [False, *BEFORE[1:]],
            "1 images hold NaN",
        ),
        (lambda x: x * float("inf"), BEFORE, "4 images hold NaN or infinity"),
        (lambda x: 1 - x, [*BEFORE[:3], True], "1 images left the ball, by 0.9 at most"),
    ],
)
def test_only_what_is_in_the_ball_and_the_box_counts(change, kept, remark):
    given = None if change is None else change(GREY.images)
    if remark.startswith("1 images left the ball"):
        kept = [False, False, False, True]  # three of the four are within 0.1 of their mirror image
    before, after, notes = arena.score(Bright(), GREY, given, eps=0.1)
    assert before.tolist() == BEFORE and after.tolist() == kept
    assert (remark in notes[0] and "they count as unchanged" in notes[0]) if remark else not notes


def test_the_images_are_digits_drawn_anew_and_moved(net):
    first, second = arena.draw(50), arena.draw(50)
    assert first.images.shape == (50, *SHAPE) and not torch.equal(first.images, second.images)
    whole = data.mnist("cpu").test
    known = {image.numpy().tobytes(): label.item() for image, label in zip(whole.images, whole.labels, strict=True)}
    assert sum(image.numpy().tobytes() in known for image in first.images) < 25  # 1 of 9 is not moved
    found, places = 0, [(y, x) for y in range(3) for x in range(3)]
    for image, label in zip(first.images, first.labels, strict=True):
        padded = nn.functional.pad(image, (1, 1, 1, 1))
        back = [padded[:, y : y + 28, x : x + 28].contiguous().numpy().tobytes() for y, x in places]
        labels = {known[one] for one in back if one in known}
        assert labels <= {label.item()}
        found += len(labels)
    assert found > 40  # what reached the edge before it was moved lost a line of pixels


# Cheats that the process survives: all in one visit each, of one worker. --------------------------


def mask_labels(model, images, labels, eps):
    images.fill_(0.5)
    labels.fill_(0)
    return images


def patch_torch(model, images, labels, eps):
    torch.Tensor.argmax = lambda self, *_: labels + 1
    torch.equal = lambda *_: True
    judging.score = lambda *_: (torch.zeros(20), torch.zeros(20), [])
    return images


def tamper(model, images, labels, eps):
    for parameter in model.parameters():
        parameter.data.zero_()
    model.train().left = 10**9
    model.register_forward_hook(lambda *_: torch.zeros(20, 10))
    model.forward = lambda x: torch.zeros(len(x), 10)
    model(images)
    return images


def another_class(model, images, labels, eps):
    test = data.mnist("cpu").test
    return torch.stack([test.images[test.labels != label][0] for label in labels])


def ask_on(model, images, labels, eps):
    model.left = 10**9
    while True:
        model(images)


def best_so_far(model, images, labels, eps):
    x = images
    try:
        while True:
            x = attacks.pgd(model, images, labels, eps, steps=5, progress=False)
    except OutOfBudget:
        return x


def with_gradient(model, images, labels, eps):
    return best_so_far(model, images, labels, eps).clone().requires_grad_()


def fails(model, images, labels, eps):
    return images * (1 / len(labels[:0]))


def exits(model, images, labels, eps):
    raise SystemExit(3)


CHEATS = {
    "a little out of the ball": (lambda m, x, y, eps: x + (eps + 1e-4) * (x < 0.5), "left the ball, by 0.0001 at most"),
    "a little out of the box": (lambda m, x, y, eps: x - 1e-4, "left the box [0, 1], by 0.0001 at most"),
    "NaN": (lambda m, x, y, eps: x / 0, f"{IMAGES} images hold NaN or infinity"),
    "one image": (
        lambda m, x, y, eps: x[:1],
        "the attack returned shape (1, 1, 28, 28), not (20, 1, 28, 28)",
    ),
    "float64": (lambda m, x, y, eps: x.double(), "TypeError: the attack returned torch.float64, not torch.float32"),
    "nothing": (lambda m, x, y, eps: None, "returned None: is the `return` missing?"),
    "an array": (lambda m, x, y, eps: x.numpy(), "returned a ndarray, not a tensor"),
    "labels in place": (mask_labels, f"{IMAGES} images left the ball"),
    "another torch": (patch_torch, ""),
    "another model": (tamper, ""),
    "another class": (another_class, f"{IMAGES} images left the ball"),
    "more than its passes": (ask_on, "OutOfBudget: 20 more passes were asked for, and 0 are left"),
    "an error": (fails, "ZeroDivisionError"),
    "exit": (exits, "SystemExit: 3"),
    "honest": (best_so_far, ""),
    "with a gradient": (with_gradient, ""),
}


@pytest.fixture(scope="module")
def caught(net, tmp_path_factory):
    """The judge's verdict on each cheat: the radius tells the attack which is its turn."""
    table = [cheat for cheat, _ in CHEATS.values()]

    def attack(model, images, labels, eps, budget):
        print("turn", round(eps * 1000) - 100)
        return table[round(eps * 1000) - 100](model, images, labels, eps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("arena")))
        nets = [judging.Contestant(f"net {i}", 0.1 + i / 1000, "a LeNet-5", lambda: net) for i in range(len(CHEATS))]
        patch.setattr(judging, "roster", lambda: nets)
        patch.setattr(judging, "LETTERS", string.ascii_uppercase)
        patch.setattr(judging, "BUDGET", BUDGET)
        before = storage.checksum(net.state_dict())
        verdict = arena.judge(attack, name="cheats", images=IMAGES, progress=False)
        assert storage.checksum(net.state_dict()) == before and not net.training
        board = arena.board()
    scores = {round(score.eps * 1000) - 100: score for score in verdict.scores.values()}
    return {name: scores[i] for i, name in enumerate(CHEATS)}, board


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_survived_and_named(name, caught):
    scores, _ = caught
    score, remark = scores[name], CHEATS[name][1]
    assert remark in " ".join(score.notes) and bool(remark) == bool(score.notes)
    assert score.passes <= BUDGET
    if name in ("honest", "with a gradient"):
        assert score.correct < 1
    else:
        assert score.correct == 1 and score.accuracy > 0.2


def test_an_error_is_told_at_the_line_of_the_learner(caught):
    scores, board = caught
    assert "of fails: `return images * (1 / len(labels[:0]))`" in scores["an error"].notes[0]
    assert "`model.left` tells what is left" in scores["more than its passes"].notes[0]
    assert board.rows[0][0] == "cheats"


# Cheats that end the process. --------------------------------------------------------------------


def visits(attack, net, digits, seconds=20.0, memory=2**31, times=1):
    start = time.monotonic()
    with Worker(attack, seconds=seconds, memory=memory) as worker:
        found = [
            worker.visit(QueryCounter(net, 1000, SHAPE), digits.images, digits.labels, 0.1, 10) for _ in range(times)
        ]
        pid = worker._process.pid
    assert not psutil.pid_exists(pid) and time.monotonic() - start < sandbox.STARTUP
    return found


def test_the_guest_computes_what_is_computed_here_and_what_it_prints_is_heard(net, digits, monkeypatch):
    """Signs that this process may not be able to print do not stop it."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")

    def attack(model, images, labels, eps, budget):
        print("✓ 中", tuple(images.shape))
        return attacks.pgd(model, images, labels, eps, steps=5)

    with Worker(attack, seconds=60, memory=2**31) as worker:
        counter = QueryCounter(net, 1000, SHAPE)
        given, trouble = worker.visit(counter, digits.images, digits.labels, 0.1, 10)
        expected = attack(local(net), digits.images, digits.labels, 0.1, 10)
    assert not trouble and torch.equal(given, expected) and counter.left < 1000 - 5 * 40
    assert worker.said == "✓ 中 (40, 1, 28, 28)"


MODULES = {
    "mine/__init__.py": "",
    "mine/steps.py": "from . import sizes\nimport other\n\n\ndef step(model, images, *_):\n"
    "    from .sizes import SIZE\n    return images + other.sign() * SIZE\n",
    "mine/sizes.py": "SIZE = 0.25\n",
    "other.py": "import statistics\n\n\ndef sign():\n    return statistics.mean([-1.0, -1.0])\n",
    "random.py": "raise ImportError('not the one of the library')\n",
}


@pytest.fixture
def modules(monkeypatch, tmp_path):
    """A folder with modules of a learner's own, where the notebook is; as a kernel has it, the first place to look."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (tmp_path / "mine").mkdir()
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("mine", "mine.steps", "mine.sizes", "other", "of_beside", "of_below"):
        sys.modules.pop(name, None)


def test_a_module_beside_the_notebook_is_found_with_those_that_it_imports(modules, monkeypatch, net, digits):
    """However its folder is named: as the working one, or by a path from there."""
    monkeypatch.setattr(sys, "path", ["", "beside", "mine/../below", *sys.path[1:]])
    for folder in ("beside", "below"):
        (modules / folder).mkdir()
        (modules / folder / f"of_{folder}.py").write_text("def same(images):\n    return images\n")
    step = importlib.import_module("mine.steps").step
    one, other = (importlib.import_module(f"of_{folder}").same for folder in ("beside", "below"))
    ((given, trouble),) = visits(lambda *given: one(other(step(*given))), net, digits)
    assert not trouble and torch.equal(given, digits.images - 0.25)


@pytest.mark.parametrize("text", [None, "step_ = None"])
def test_a_module_that_cannot_be_imported_is_explained(text, modules, net, digits):
    step = importlib.import_module("mine.steps").step

    def late(*given):
        import nowhere  # noqa: F401

    if text:
        (modules / "mine/steps.py").write_text(text)
    ((given, trouble),) = visits(step if text else late, net, digits)
    assert (
        given is None and "imports its modules anew, as their files are now: keep them beside the notebook" in trouble
    )


def test_exit_is_noticed_and_the_rest_is_not_reached(net, digits):
    def attack(*_):
        os._exit(7)

    (none, first), (_, second) = visits(attack, net, digits, times=2)
    assert none is None and "its process ended (exit code 7)" in first and second.startswith("not reached: its process")


def test_an_endless_loop_is_stopped(net, digits):
    def attack(*_):
        while True:
            pass

    ((_, trouble),) = visits(attack, net, digits, seconds=1)
    assert trouble == "stopped after 1 s: is there a loop that never ends?"


def test_what_the_guest_has_started_goes_with_it(net, digits):
    def attack(model, images, *_):
        import subprocess
        import sys

        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)  # left behind"])
        return images

    ((given, trouble),) = visits(attack, net, digits)
    assert torch.equal(given, digits.images) and not trouble
    assert not [one for one in psutil.process_iter(["cmdline"]) if "left behind" in str(one.info["cmdline"])]


def hungry():
    def attack(*_):
        kept = []
        while True:
            kept.append(torch.ones(2**22))

    return attack  # made here, it travels without this module


def test_too_much_memory_is_an_error_at_its_line_where_the_system_helps(net, digits):
    ((_, trouble),) = visits(hungry(), net, digits, memory=2**28)
    assert "memory" in trouble and ("kept.append" in trouble or "stopped at 0.25 GiB" in trouble)


def test_too_much_memory_is_noticed_where_the_system_does_not_help(net, digits):
    with Worker(hungry(), seconds=60, memory=2**33) as worker:
        worker.memory = 2**28  # as if it had not been told
        _, trouble = worker.visit(QueryCounter(net, 1000, SHAPE), digits.images, digits.labels, 0.1, 10)
    assert trouble == "stopped at 0.25 GiB of memory"


def test_whoever_writes_to_the_judge_himself_is_shown_the_door(net, digits):
    def attack(*_):
        for number in range(3, 30):
            try:
                os.write(number, b'{"kind": "done", "shapes": [[99999, 99999]]}\n')
            except OSError:
                continue

    ((given, trouble),) = visits(attack, net, digits)
    assert given is None and "wrote to the judge's pipe by itself" in trouble


def message(parts):
    content = safetensors.torch.save(parts)
    return len(content).to_bytes(8, "little") + content


@pytest.mark.parametrize(
    "garbage",
    [
        b"{half and no more",
        (2**40).to_bytes(8, "little"),
        (8).to_bytes(8, "little") + b"\xff" * 8,
        message({}),
        message({"head": torch.zeros(3)}),
        message({"head": torch.tensor([123, 125], dtype=torch.uint8), "1": torch.zeros(2)}),
    ],
)
def test_what_is_no_message_is_refused(garbage):
    with pytest.raises(sandbox.NO_MESSAGE):
        sandbox._receive(io.BytesIO(garbage))


def test_half_a_message_is_the_end():
    whole = io.BytesIO()
    sandbox._send(whole, {"kind": "done"}, torch.ones(2))
    for half in (b"", whole.getvalue()[:5], whole.getvalue()[:-1]):
        with pytest.raises(EOFError):
            sandbox._receive(io.BytesIO(half))


def test_an_interrupt_ends_the_process_and_enters_nothing(six, monkeypatch):
    def attack(*_):
        while True:
            pass

    monkeypatch.setattr(Worker, "_limit", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        arena.judge(attack, images=2, progress=False)
    assert not arena.board().rows
    assert not [child for child in psutil.Process().children() if "sandbox._serve" in " ".join(child.cmdline())]


LOCK, LARGE = threading.Lock(), torch.zeros(10_000_000)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (nn.Flatten(), "is a Flatten: pass the function itself"),
        (None, "is a NoneType"),
        (lambda *_, lock=LOCK: lock, "cannot be sent to a process of its own"),
        (lambda *_, kept=LARGE: kept, "carries 38 MB with it, and 8 are allowed"),
    ],
)
def test_a_function_that_cannot_be_sent_is_refused(attack, message):
    with pytest.raises(ValueError, match=message):
        Worker(attack, seconds=1, memory=1)


# The trial and the board. ------------------------------------------------------------------------


def identity(model, images, labels, eps, budget):
    return images


class Trusted:
    """A guest that needs no process."""

    said = ""

    def __init__(self, attack, **_):
        self.visit = lambda *task: judging._here(attack, *task)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_trial_stands_on_the_board_and_names_stay_hidden_until_revealed(six, monkeypatch):
    monkeypatch.setattr(judging, "Worker", Trusted)
    for _ in range(2):
        verdict = arena.judge(identity, images=4, progress=False)
    table = arena.board()
    assert table.headers[2:8] == list("ABCDEF") and len(table.rows) == 1
    assert table.rows[0][0] == "identity" and table.rows[0][-1] == 2
    assert verdict.correct == 1
    assert "still correct" in verdict._repr_html_() and "mean" in repr(verdict)
    shown = arena.reveal()
    assert sorted(row[1] for row in shown.rows) == [f"net {i}" for i in range(6)]
    assert {row[-1] for row in shown.rows} == {"identity"}
    letters = {row[0]: row[3] for row in shown.rows}
    assert letters == {letter: f"{score.eps:g}" for letter, score in verdict.scores.items()}
    assert arena.board().headers[2] == f"A: {shown.rows[0][1]}"


def test_the_references_are_tried_once_by_the_same_judge(six, monkeypatch):
    first = arena.references(images=20, progress=False)
    monkeypatch.setattr(judging, "_trial", None)
    assert arena.references(images=10, progress=False).rows == first.rows
    kept = {row[0]: float(row[1].rstrip(" %")) for row in first.rows}
    assert set(kept) == {f"{name} (ours)" for name in baselines.REFERENCES}
    for strong in ("PGD, 40 steps", "margin, 40 steps", "squares"):
        assert kept[f"{strong} (ours)"] < kept["random signs (ours)"]
    for name in ("one step", "squares (ours)"):
        with pytest.raises(ValueError, match="one of the course's own attacks"):
            arena.judge(identity, name=name)


def test_more_images_make_the_references_try_again(six, monkeypatch):
    monkeypatch.setattr(judging, "REFERENCES", dict(list(baselines.REFERENCES.items())[:2]))
    few, more = (arena.references(images=images, progress=False) for images in (2, 4))
    assert [row[-2] for row in few.rows + more.rows] == ["2 x 6"] * 2 + ["4 x 6"] * 2
    assert {row[-1] for row in more.rows} == {2}


def test_an_attack_that_hands_nothing_back_is_not_entered(six, monkeypatch, capsys):
    monkeypatch.setattr(judging, "Worker", Trusted)
    monkeypatch.setattr(judging, "_here", lambda *_: (None, "of fails: ValueError"))
    verdict = arena.judge(identity, images=2, progress=False)
    assert {score.notes[0] for score in verdict.scores.values()} == {"nothing was handed back: of fails: ValueError"}
    assert "nothing is entered" in capsys.readouterr().out and not arena.board().rows


def test_a_trial_on_few_images_does_not_lead(home):
    for name, images, kept in (("many", 50, 0.5), ("lucky", 49, 0.0), ("poor", 1000, 0.9)):
        entry = ENTRY | dict(name=name, images=images, correct=kept, accuracy=dict.fromkeys("ABCDEF", kept))
        scoreboard.enter(judging._stamp(), "attacks", entry)
    assert [row[0] for row in arena.board().rows] == ["many", "poor", "lucky"]
    assert {row[-1] for row in arena.reveal().rows} == {"many"}


def test_defenses_stand_by_what_they_claim_and_then_by_what_they_keep(home):
    for name, eps, worst in (("modest", 0.01, 1.0), ("bold", 0.3, 0.5), ("better", 0.3, 0.6)):
        entry = dict(name=name, eps=eps, images=2, accuracy={"clean": 1.0, "worst": worst}, by="fgsm", notes=[])
        scoreboard.enter(judging._stamp(), "defenses", entry)
    assert [row[0] for row in arena.board("defenses").rows] == ["better", "bold", "modest"]


def test_settings_that_make_no_sense_are_refused(six):
    for wrong in (0, 2000):
        with pytest.raises(ValueError, match="images="):
            arena.judge(identity, images=wrong, progress=False)
    with pytest.raises(ValueError, match='want "attacks" or "defenses"'):
        arena.board("both")


ENTRY = dict(name="a", reference=False, images=2, correct=0.5, passes=1.0, accuracy={"A": 0.5})


def test_other_networks_empty_the_board_but_not_the_other_side(home):
    defense = dict(name="d", eps=0.3, images=2, accuracy={"clean": 1.0, "worst": 0.5}, by="fgsm", notes=[])
    scoreboard.enter("six", "attacks", ENTRY)
    scoreboard.enter("six", "defenses", defense)
    scoreboard.read("six", lambda board: board.update(revealed=True))
    assert scoreboard.read("six")["revealed"]
    after = scoreboard.read("another six")
    assert after["attacks"] == [] and not after["revealed"] and [d["name"] for d in after["defenses"]] == ["d"]


@pytest.mark.parametrize("contents", [{}, [], {"attacks": [{"name": 1}], "defenses": [], "secret": 1}])
def test_what_is_no_board_is_not_taken_for_one(contents):
    with pytest.raises((KeyError, TypeError)):
        scoreboard.STORE.check(contents)


def test_an_entry_that_lacks_something_is_refused(home):
    with pytest.raises(KeyError):
        scoreboard.enter("six", "attacks", {"name": "a"})
    with pytest.raises(ValueError, match="correct of the type"):
        scoreboard.enter("six", "attacks", ENTRY | {"correct": "0.5"})


# The other side. ---------------------------------------------------------------------------------


class Coin(nn.Module):
    def forward(self, images):
        return torch.rand(len(images), 10)


def test_a_net_of_ones_own_climbs_the_ladder(net):
    report = arena.defend(lambda: net, name="mine", images=20, eps=0.3, progress=False)
    (row,) = arena.board("defenses").rows
    accuracy = report.accuracy()
    assert row[0] == "mine" and row[2:4] == [f"{accuracy['clean']:.0%}", f"{accuracy['worst']:.0%}"]
    assert accuracy["worst"] < 0.3 < accuracy["clean"] and accuracy[row[4]] == min(
        accuracy[r] for r in report.per_attack
    )


def test_a_net_that_names_nothing_rightly_is_sent_back(monkeypatch, digits):
    ones = digits[digits.labels == 1][:4]
    monkeypatch.setattr(judging, "draw", lambda number: ones)
    with pytest.raises(ValueError, match="classifies none of the 4 digits correctly"):
        arena.defend(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Threshold(9e9, 0.0)), images=4)


def test_an_interrupted_climb_is_handed_back_and_not_entered(net, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "square", interrupted)
    report = arena.defend(lambda: net, images=4, progress=False)
    assert "pgd-40" in report.per_attack and not arena.board("defenses").rows


def test_a_net_that_throws_dice_is_said_to(net):
    arena.defend(Coin, images=100, progress=False)  # one in ten is right by chance
    assert "answers" in arena.board("defenses").rows[0][-1]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (nn.Flatten(), TypeError, "takes a function that returns a network, and got a Flatten"),
        (lambda: None, TypeError, "a NoneType, not an nn.Module"),
        (lambda: nn.Linear(3, 10), ValueError, "the model cannot take"),
        (lambda: nn.Flatten(), ValueError, "784 outputs"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1)),
            ValueError,
            "softmax|probabilities|logits",
        ),
    ],
)
def test_what_is_no_net_is_refused_and_not_entered(build, error, message):
    with pytest.raises(error, match=message):
        arena.defend(build, images=4, progress=False)
    assert not scoreboard.read(judging._stamp())["defenses"]
