"""The arena: six defended networks whose names are hidden, your attack, and a judge who believes what it measures.

The score of an attack on a network f, over images x with labels y that were drawn for this one trial:

    score = fraction with f(x') = y among the images with f(x) = y,    where |x' - x| <= eps in each pixel, 0 <= x' <= 1

The lower, the better for the attacker. An image x' that is outside the ball or the box, or no number, or never came,
counts as x. The mean over six networks makes the place on the score board, which stays on this computer.

What the judge guards against, and how:

- *Leaving the ball or the box, NaN, infinity*: looked at image by image, with 1e-6 for the rounding of float32.
- *A changed model, changed images or labels, a changed torch or judge*: the attack runs in another process
  (`sandbox.Worker`) with copies. The networks, images and labels that decide never leave this one.
- *More queries than allowed*: each pass of an image, forward or backward, is counted where the model is.
- *A table of answers made beforehand*: the images are drawn anew for each trial and moved by up to one pixel, and what
  an attack may carry with it is limited, which makes such a table laborious, not impossible.
- *Endless loops, memory, exit, errors*: limits, and a process of its own. What was handed back before counts.

What the judge does *not* see: an attack that reads the weights in ``data/models`` and asks its own copy as often as it
likes (another threat model: say so), one that learns from trial to trial through a file, one that reads or edits the
board's, one whose pickling runs code here, one that is tried under many names until it is lucky.

`defend` is the other side: your network against the attacks of `defenses.evaluate`.
"""

import secrets
from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import data, evaluation, runtime, zoo
from course_utils.arena import scoreboard
from course_utils.arena.baselines import REFERENCES, Contender
from course_utils.arena.sandbox import QueryCounter, RemoteModel, Worker
from course_utils.core.checks import check_count
from course_utils.data import Split
from course_utils.defenses import evaluate, masking
from course_utils.defenses.squeezing import Squeezed
from course_utils.figures import Table

ROUNDING = 1e-6  # by which a pixel may stand outside the ball or the box
LETTERS = "ABCDEF"
NOTHING = "nothing was handed back"
BUDGET = 200  # passes an image, on average
MEMORY = 2**31  # bytes for the attack
MOST = 1000  # images for each network
FEW = 50  # fewer are too few to be compared


class Contestant(NamedTuple):
    """A network of the arena: its name, the radius at which it is attacked, what it is, how to get it."""

    name: str
    eps: float
    what: str
    load: Callable[[], nn.Module]


def roster() -> list[Contestant]:
    """The six, in the order of the course. `judge` calls them by letters, in another order."""
    known = [
        ("small-trades", 0.3, "trained to answer alike within its ball"),
        ("caffe-robust", 0.3, "Caffe's LeNet, trained against attacks"),
        ("caffe-collapsed", 0.3, "Caffe's LeNet, trained against single steps, a training that collapsed"),
        ("small-ibp", 0.1, "trained with interval bounds"),
        ("distilled", 0.1, "LeNet-5, distilled at temperature 100"),
    ]
    nets = [Contestant(name, eps, what, partial(zoo.load, name)) for name, eps, what in known]
    squeezed = "squeezed", 0.2, "rounds to 4 grey levels before it looks"
    return [*nets, Contestant(*squeezed, lambda: Squeezed(zoo.load("noise-0.25"), 4))]


class Score(NamedTuple):
    """A network's accuracy on the images as they are, which fraction of these stayed ``correct``, passes an image."""

    eps: float
    accuracy: float
    correct: float
    passes: float
    notes: list[str]


class Verdict(Table):
    """A trial: a row and a `Score` for each network, by its letter; ``correct`` is the mean, the lower the better."""

    def __init__(self, name: str, images: int, scores: dict[str, Score]):
        self.name, self.images, self.scores = name, images, scores
        self.correct = mean(score.correct for score in scores.values())
        headers = ["net", "eps", "accuracy", "of these, still correct", "passes an image", "the judge's remarks"]
        rows = [
            [net, f"{s.eps:g}", f"{s.accuracy:.0%}", f"{s.correct:.0%}", f"{s.passes:.0f}", "; ".join(s.notes) or "-"]
            for net, s in scores.items()
        ]
        super().__init__(headers, [*rows, ["mean", "", "", f"{self.correct:.1%}", "", ""]])


def judge(
    attack: Contender, *, name: str | None = None, images: int = 100, seconds: float = 60.0, progress: bool = True
) -> Verdict:
    """Put ``attack`` before the six networks, each with images of its own, and enter the result on the board.

    It is called as ``attack(model, images, labels, eps, budget)`` and returns images: float32, the same shape, within
    ``eps`` and [0, 1]. ``model`` answers logits and passes gradients back, and has no weights to look at; `RemoteModel`
    says what is counted, and how much is left. It may stand in a module of yours, which is imported anew for it.

    Args:
        name: on the board; None takes the function's own.
        images: test digits for each network, drawn anew, at most 1,000.
        seconds: for all six together, once the process has started.

    Raises:
        ValueError: a function that cannot be sent to another process.
    """
    name = _titled(name or getattr(attack, "__name__", "attack"))
    with Worker(attack, seconds=seconds, memory=MEMORY) as worker:
        verdict = _trial(name, worker.visit, images, progress)
    if worker.said:
        runtime.say(f"{name} printed:\n{worker.said}")
    if all(any(note.startswith(NOTHING) for note in score.notes) for score in verdict.scores.values()):
        print("No network was attacked, so nothing is entered on the board.")
    else:
        _enter(verdict, reference=False)
    return verdict


def references(*, images: int = 100, progress: bool = True) -> Table:
    """The board, with the course's own attacks on it. They are tried by the same judge, and kept.

    They are trusted, so they need no process of their own; counter, budget and score are the same. One that was tried
    on fewer ``images`` is tried again.
    """
    present = {entry["name"]: entry["images"] for entry in scoreboard.read(_stamp())["attacks"]}
    for name, attack in REFERENCES.items():
        if present.get(name, 0) < images:
            _enter(_trial(name, partial(_here, attack), images, progress), reference=True)
    return board()


def score(model: nn.Module, clean: Split, given: Tensor | None, eps: float) -> tuple[Tensor, Tensor, list[str]]:
    """Which images are classified correctly before and after, bool ``(N,)`` each, and remarks on what does not count.

    ``given`` are the attack's images, or None where there are none; ``clean`` is the judge's own copy, which stands in
    the place of each image that breaks a rule.

    >>> digits = Split(torch.full((2, 1, 1, 2), 0.25), torch.tensor([0, 0]))
    >>> tilted = digits.images + torch.tensor([-0.1, 0.1])
    >>> score(nn.Flatten(), digits, tilted, eps=0.1)
    (tensor([True, True]), tensor([False, False]), [])
    >>> score(nn.Flatten(), digits, tilted, eps=0.05)
    (tensor([True, True]), tensor([True, True]), ['2 images left the ball, by 0.05 at most: they count as unchanged'])
    """
    images = clean.images
    given = images if given is None else given
    wrong = ~given.isfinite().flatten(1).all(1)
    notes = [f"{wrong.sum()} images hold NaN or infinity: they count as unchanged"] if wrong.any() else []
    numbers = torch.where(wrong[:, None, None, None], images, given)
    distances = {"the ball": (numbers - images).abs() - eps, "the box [0, 1]": torch.maximum(-numbers, numbers - 1)}
    for what, distance in distances.items():
        far = distance.flatten(1).amax(1)
        if number := (far > ROUNDING).sum().item():
            notes.append(f"{number} images left {what}, by {far.max():.1g} at most: they count as unchanged")
        wrong = wrong | (far > ROUNDING)
    inside = numbers.clamp(images - eps, images + eps).clamp(0, 1)
    attacked = torch.where(wrong[:, None, None, None], images, inside)
    device = evaluation.device_of(model)
    before, after = (evaluation.predict(model, x.to(device)).labels.cpu() == clean.labels for x in (images, attacked))
    return before, before & after, notes


def draw(number: int) -> Split:
    """Test digits, each moved by up to one pixel: new ones each time, and nobody can know which."""
    source = torch.Generator().manual_seed(secrets.randbits(63))
    digits = data.mnist("cpu").test
    digits = digits[torch.randperm(len(digits), generator=source)[:number]]
    moves = torch.randint(3, (len(digits), 2), generator=source).tolist()
    padded = F.pad(digits.images, (1, 1, 1, 1))
    moved = [one[:, y : y + 28, x : x + 28] for one, (y, x) in zip(padded, moves, strict=True)]
    return Split(torch.stack(moved), digits.labels)


def _trial(name: str, visit: Callable, images: int, progress: bool) -> Verdict:
    if check_count("images", images) > MOST:
        raise ValueError(f"images={images}: at most {MOST} a network")
    scores, nets = {}, _lettered(scoreboard.read(_stamp())["secret"])
    drawn = draw(images * len(nets))
    with runtime.progress_bar(len(nets), name, progress) as bar:
        for number, (letter, net) in enumerate(nets.items()):
            digits, model = drawn[number * images : (number + 1) * images], net.load().eval()
            counter = QueryCounter(model, BUDGET * len(digits), digits.images.shape[1:])
            given, trouble = visit(counter, digits.images, digits.labels, net.eps, BUDGET)
            if trouble.startswith("OutOfBudget"):
                trouble += f": `model.left` tells what is left of {BUDGET} an image"
            if given is not None and given.shape != digits.images.shape:
                wanted = tuple(digits.images.shape)
                given, trouble = None, f"the attack returned shape {tuple(given.shape)}, not {wanted}"
            before, after, notes = score(model, digits, given, net.eps)
            if trouble:
                notes = [f"{NOTHING}: {trouble}", *notes]
            correct = after.sum().item() / max(1, before.sum().item())
            used = BUDGET - counter.left / len(digits)
            scores[letter] = Score(net.eps, before.float().mean().item(), correct, used, notes)
            bar.update()
    return Verdict(name, images, scores)


def _here(
    attack: Contender, counter: QueryCounter, images: Tensor, labels: Tensor, eps: float, budget: int
) -> tuple[Tensor, str]:
    return attack(RemoteModel(counter.answer, counter.left).eval(), images.clone(), labels.clone(), eps, budget), ""


def _enter(verdict: Verdict, reference: bool) -> None:
    passes = mean(score.passes for score in verdict.scores.values())
    entry = dict(name=verdict.name, reference=reference, images=verdict.images, correct=verdict.correct, passes=passes)
    entry["accuracy"] = {letter: score.correct for letter, score in verdict.scores.items()}
    scoreboard.enter(_stamp(), "attacks", entry)


def defend(
    build: Callable[[], nn.Module],
    *,
    name: str | None = None,
    eps: float = 0.3,
    images: int = 100,
    progress: bool = True,
) -> evaluate.RobustnessReport:
    """Put your own network before the attacks of `defenses.evaluate`, and enter it on the board.

    ``build`` is a function without arguments that returns the network, from digits ``(N, 1, 28, 28)`` to logits
    ``(N, 10)``; ``eps`` is the radius that you claim, and ``images`` digits are drawn anew. Returns the report, for a
    look at its ``table()``. An interrupted one is not entered.
    """
    if isinstance(build, nn.Module) or not callable(build):
        raise TypeError(f"defend takes a function that returns a network, and got a {type(build).__name__}")
    name = _titled(name or getattr(build, "__name__", "net"))
    model, digits = build(), draw(check_count("images", images))
    device = evaluation.device_of(model)
    asked = digits.images.to(device), digits.labels.to(device)
    logits = evaluation.logits(model, asked[0])
    if logits.shape[1] != 10:
        raise ValueError(f"the network has {logits.shape[1]} outputs, not one for each of the ten digits")
    if not (logits.argmax(1) == asked[1]).any():
        raise ValueError(f"the network classifies none of the {images} digits correctly: is it trained?")
    with evaluation.mode(model, False):
        report = evaluate.robust_accuracy(model, *asked, eps, progress=progress)
        if "square" not in report.per_attack:  # interrupted, which it has said
            return report
        checks = masking.gradient_masking(model, *asked, eps, report=report)
    accuracy = report.accuracy()
    notes = [f"{attack}: {note}" for attack, note in report.notes.items()]
    notes += [check.message for check in checks if not check.passed]
    strongest = min((attack for attack in accuracy if attack not in ("clean", "worst")), key=accuracy.get)
    entry = dict(name=name, eps=float(eps), images=images, accuracy=accuracy, by=strongest, notes=notes)
    scoreboard.enter(_stamp(), "defenses", entry)
    return report


def board(side: str = "attacks") -> Table:
    """The score board on this computer: the "attacks", best first, or the "defenses", largest eps first.

    Attacks that were tried on fewer than 50 images a network stand below the others.
    """
    if side not in scoreboard.SIDES:
        raise ValueError(f'side={side!r}: want "attacks" or "defenses"')
    kept = scoreboard.read(_stamp())
    rows = []
    if side == "defenses":
        for entry in sorted(kept["defenses"], key=lambda entry: (-entry["eps"], -entry["accuracy"]["worst"])):
            accuracies = [f"{entry['accuracy'][attack]:.0%}" for attack in ("clean", "worst")]
            last = [entry["by"], entry["images"], entry["trials"], "; ".join(entry["notes"]) or "-"]
            rows.append([entry["name"], f"{entry['eps']:g}", *accuracies, *last])
        headers = ["net", "eps", "clean", "robust accuracy", "strongest attack", "images", "trials", "remarks"]
        return Table(headers, rows)
    nets = _lettered(kept["secret"])
    titles = [f"{letter}: {net.name}" if kept["revealed"] else letter for letter, net in nets.items()]
    for entry in sorted(kept["attacks"], key=lambda entry: (entry["images"] < FEW, entry["correct"])):
        name = f"{entry['name']} (ours)" if entry["reference"] else entry["name"]
        accuracies = [f"{entry['accuracy'][letter]:.0%}" for letter in nets]
        last = [f"{entry['passes']:.0f}", f"{entry['images']} x {len(nets)}", entry["trials"]]
        rows.append([name, f"{entry['correct']:.1%}", *accuracies, *last])
    return Table(["attack", "still correct", *titles, "passes", "images", "trials"], rows)


def reveal() -> Table:
    """Which network was which, and what did most to it on the board. From now on the board names them."""
    kept, rows = scoreboard.read(_stamp(), lambda board: board.update(revealed=True)), []
    for letter, net in _lettered(kept["secret"]).items():
        best = min(kept["attacks"], key=lambda entry: (entry["images"] < FEW, entry["accuracy"][letter]), default=None)
        shown = [f"{best['accuracy'][letter]:.0%}", best["name"]] if best else ["-", "-"]
        rows.append([letter, net.name, net.what, f"{net.eps:g}", *shown])
    return Table(["", "net", "what it is", "eps", "least that was still correct", "by"], rows)


def _stamp() -> str:
    return ", ".join(f"{net.name} {net.eps:g}" for net in roster())


def _lettered(secret: int) -> dict[str, Contestant]:
    nets = roster()
    order = torch.randperm(len(nets), generator=torch.Generator().manual_seed(secret)).tolist()
    return {LETTERS[place]: nets[i] for place, i in enumerate(order)}


def _titled(name: str) -> str:
    name = " ".join(str(name).split())[:40]
    if name.removesuffix("(ours)").strip() in REFERENCES:
        raise ValueError(f"{name!r} is one of the course's own attacks: give yours another name")
    return name
