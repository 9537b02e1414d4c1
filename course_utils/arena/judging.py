"""The arena: six defended networks whose names are hidden, your attack, and a judge who believes what it measures.

The score of an attack on a network f, over images x with labels y that were drawn for this one trial:

    score = share with f(x') = y among the images with f(x) = y,    where |x' - x| <= eps in each pixel, 0 <= x' <= 1

The lower, the better for the attacker. An image x' that is outside the ball or the box, or no number, or never came,
counts as x. The mean over six networks makes the place on the score board, which stays on this computer.

What the judge guards against, and how:

- *Leaving the ball or the box, NaN, infinity*: looked at here, image by image, with 1e-6 for the rounding of float32.
- *A changed model, changed images or labels, a changed torch or judge*: the attack runs in another process
  (`sandbox.Worker`) with copies and a stand-in. The networks, the images and the labels that decide never leave this
  one.
- *More queries than allowed*: each pass of an image, forward or backward, is counted where the model is.
- *A table of answers made beforehand*: the images are drawn anew for each trial and moved by up to one pixel in either
  direction. What an attack may carry with it is limited, which makes such a table laborious, not impossible.
- *Endless loops, memory, exit, errors*: limits, and a process of its own. What was handed back before counts.

The attack gets the labels of its images. It needs them to know what to leave, and they buy nothing else: a real image
of another class lies outside the ball. What the judge does *not* see: an attack that reads the weights in
``data/models`` and asks its own copy as often as it likes (another threat model: say so), one that learns from trial to
trial through a file, one that reads or edits the board's, one whose pickling runs code here, one that is tried under
many names until it is lucky (the board counts the trials of a name and shows the latest).

`defend` is the other side: your network against the ladder of `defenses.evaluate`.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import data, evaluation, runtime, zoo
from course_utils.arena import scoreboard
from course_utils.arena.baselines import REFERENCES, Attack
from course_utils.arena.sandbox import QueryCounter, RemoteModel, Worker
from course_utils.core.checks import check_count
from course_utils.data import Split
from course_utils.defenses import evaluate, masking
from course_utils.defenses.squeezing import Squeezed
from course_utils.figures import Table

ROUNDING = 1e-6  # by which a pixel may stand outside the ball or the box
LETTERS = "ABCDEF"
NOTHING = "nothing was handed back"
BUDGET = 200  # passes an image
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
    return [
        Contestant("small-trades", 0.3, "trained to answer alike within its ball", partial(zoo.load, "small-trades")),
        Contestant("caffe-robust", 0.3, "Caffe's LeNet, trained against attacks", partial(zoo.load, "caffe-robust")),
        Contestant(
            "caffe-collapsed",
            0.3,
            "Caffe's LeNet, trained against single steps, a training that collapsed",
            partial(zoo.load, "caffe-collapsed"),
        ),
        Contestant("small-ibp", 0.1, "trained with interval bounds", partial(zoo.load, "small-ibp")),
        Contestant("distilled", 0.1, "LeNet-5, distilled at temperature 100", partial(zoo.load, "distilled")),
        Contestant(
            "squeezed", 0.2, "rounds to 4 grey levels before it looks", lambda: Squeezed(zoo.load("noise-0.25"), 4)
        ),
    ]


# The judge. ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """What one network kept.

    Attributes:
        clean: the share of the images, in [0, 1], that it names rightly as they are.
        kept: the share of these that it still does after the attack.
        passes: for each image.
        notes: what has to be said.
    """

    eps: float
    clean: float
    kept: float
    passes: float
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """A trial: a `Score` for each network, by its letter."""

    name: str
    images: int
    scores: dict[str, Score]

    @property
    def kept(self) -> float:
        """The mean over the networks of the share that is still right: the lower, the better the attack."""
        return sum(score.kept for score in self.scores.values()) / len(self.scores)

    def table(self) -> Table:
        """A row for each network."""
        rows = [
            [letter, f"{s.eps:g}", f"{s.clean:.0%}", f"{s.kept:.0%}", f"{s.passes:.0f}", "; ".join(s.notes) or "-"]
            for letter, s in self.scores.items()
        ]
        headers = ["net", "eps", "right before", "of these, still right", "passes an image", "the judge's remarks"]
        return Table(headers, [*rows, ["mean", "", "", f"{self.kept:.1%}", "", ""]])

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def judge(
    attack: Attack,
    *,
    name: str | None = None,
    images: int = 100,
    budget: int = BUDGET,
    seconds: float = 60.0,
    memory: int = 2**31,
    progress: bool = True,
) -> Verdict:
    """Put ``attack`` before the six networks, each with images of its own, and enter the result on the board.

    It is called as ``attack(model, images, labels, eps, budget)`` and returns images: float32, the same shape, within
    ``eps`` and [0, 1]. ``model`` answers logits and passes gradients back, and has no weights to look at. In
    ``model.left`` stands how many passes of an image are left, ``budget * len(images)`` to begin with; forward and
    backward count one each. Beyond that it raises `sandbox.OutOfBudget`. It may stand in a module of yours, which is
    imported anew for it, as its file is now.

    Args:
        name: on the board; None takes the function's own.
        images: test digits for each network, drawn anew, at most 1,000.
        budget: passes an image, on average.
        seconds: for all six together, once the process has started.
        memory: bytes for the attack.

    Raises:
        ValueError: a function that cannot be sent to another process; settings below 1.
        KeyboardInterrupt: as you wished; nothing is entered.
    """
    check_count("budget", budget)
    name = _titled(name or getattr(attack, "__name__", "attack"))
    with Worker(attack, seconds=seconds, memory=memory) as guest:
        verdict = _trial(name, guest.visit, images, budget, progress)
    if guest.said:
        runtime.say(f"{name} printed:\n{guest.said}")
    if all(any(note.startswith(NOTHING) for note in each.notes) for each in verdict.scores.values()):
        print("No network was attacked, so nothing is entered on the board.")
    else:
        _enter(verdict, reference=False)
    return verdict


def references(*, images: int = 100, progress: bool = True) -> Table:
    """The board, with the course's own attacks on it. They are tried by the same judge, and kept.

    They are trusted, so they need no process of their own; desk, budget and score are the same. One that was tried on
    fewer ``images`` is tried again.
    """
    present = {entry["name"]: entry["images"] for entry in scoreboard.read(_stamp())["attacks"]}
    for name, attack in REFERENCES.items():
        if present.get(name, 0) < images:
            _enter(_trial(name, partial(_here, attack), images, BUDGET, progress), reference=True)
    return board()


def score(model: nn.Module, clean: Split, given: Tensor | None, eps: float) -> tuple[Tensor, Tensor, list[str]]:
    """Which images ``model`` names rightly before and after, bool ``(N,)`` each, and remarks on what does not count.

    ``given`` are the attack's images, or None where there are none; ``clean`` is the judge's own copy.

    >>> digits = Split(torch.full((2, 1, 1, 2), 0.25), torch.tensor([0, 0]))
    >>> tilted = digits.images + torch.tensor([-0.1, 0.1])
    >>> score(nn.Flatten(), digits, tilted, eps=0.1)
    (tensor([True, True]), tensor([False, False]), [])
    >>> score(nn.Flatten(), digits, tilted, eps=0.05)
    (tensor([True, True]), tensor([True, True]), ['2 images left the ball, by 0.05 at most: they count as unchanged'])
    """
    attacked, notes = clean.images, []
    if given is not None:
        finite = given.isfinite().flatten(1).all(1)
        numbers = torch.where(finite[:, None, None, None], given, clean.images)
        over = ((numbers - clean.images).abs() - eps).flatten(1).amax(1)
        outside = torch.maximum(-numbers, numbers - 1).flatten(1).amax(1)
        strayed, unboxed = over > ROUNDING, outside > ROUNDING
        for wrong, what, worst in (
            (~finite, "hold NaN or infinity", None),
            (strayed, "left the ball", over),
            (unboxed, "left the box [0, 1]", outside),
        ):
            if wrong.any():
                far = "" if worst is None else f", by {worst.max():.1g} at most"
                notes.append(f"{int(wrong.sum())} images {what}{far}: they count as unchanged")
        legal = (finite & ~strayed & ~unboxed)[:, None, None, None]
        inside = numbers.clamp(clean.images - eps, clean.images + eps).clamp(0, 1)
        attacked = torch.where(legal, inside, clean.images)
    device = evaluation.device_of(model)
    before, after = (
        evaluation.predict(model, each.to(device)).labels.cpu() == clean.labels for each in (clean.images, attacked)
    )
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


def _trial(name: str, visit: Callable, images: int, budget: int, progress: bool) -> Verdict:
    """One attack against the six, wherever ``visit`` runs it."""
    if check_count("images", images) > MOST:
        raise ValueError(f"images={images}: at most {MOST} a network")
    scores, nets = {}, _lettered(scoreboard.read(_stamp())["secret"])
    drawn = draw(images * len(nets))
    with runtime.progress(len(nets), name, progress) as bar:
        for number, (letter, net) in enumerate(nets.items()):
            digits, model = drawn[number * images : (number + 1) * images], net.load().eval()
            desk = QueryCounter(model, budget * len(digits), digits.images.shape[1:])
            given, trouble = visit(desk, digits.images, digits.labels, net.eps, budget)
            if trouble.startswith("OutOfBudget"):
                trouble += f": `model.left` tells what is left of {budget} an image"
            if given is not None and given.shape != digits.images.shape:
                given, trouble = None, f"handed back shape {tuple(given.shape)}"
            before, after, notes = score(model, digits, given, net.eps)
            notes = [f"{NOTHING}: {trouble}"] * bool(trouble) + notes
            used = budget - desk.left / len(digits)
            kept = after.sum().item() / max(1, before.sum().item())
            scores[letter] = Score(net.eps, before.float().mean().item(), kept, used, notes)
            bar.update()
    return Verdict(name, images, scores)


def _enter(verdict: Verdict, reference: bool) -> None:
    shares = {letter: each.kept for letter, each in verdict.scores.items()}
    passes = sum(each.passes for each in verdict.scores.values()) / len(shares)
    entry = dict(name=verdict.name, reference=reference, images=verdict.images)
    scoreboard.enter(_stamp(), "attacks", entry | dict(kept=verdict.kept, passes=passes, shares=shares))


def _here(
    attack: Attack, desk: QueryCounter, images: Tensor, labels: Tensor, eps: float, budget: int
) -> tuple[Tensor, str]:
    """A visit by code of the course's own."""
    return attack(RemoteModel(desk.answer, desk.left).eval(), images.clone(), labels.clone(), eps, budget), ""


# The other side. ----------------------------------------------------------------------------------------------------


def defend(
    build: Callable[[], nn.Module],
    *,
    name: str | None = None,
    eps: float = 0.3,
    images: int = 100,
    progress: bool = True,
) -> evaluate.RobustnessReport:
    """Put your own network before the ladder of `defenses.evaluate`, and enter it on the board.

    Args:
        build: a function without arguments that returns the network: digits ``(N, 1, 28, 28)`` in [0, 1] to logits
            ``(N, 10)``.
        name: on the board; None takes the function's own.
        eps: the radius that you claim.
        images: test digits, drawn anew.

    Returns:
        The ladder, for a look at its ``table()``. An interrupted one is not entered.

    Raises:
        TypeError, ValueError: what ``build`` returned is no such network, fails, or is never right; says how.
    """
    name = _titled(name or getattr(build, "__name__", "net"))
    digits = draw(check_count("images", images))
    model = _built(build, digits.images[:2])
    device = evaluation.device_of(model)
    asked = digits.images.to(device), digits.labels.to(device)
    with evaluation.mode(model, False):
        if not (evaluation.predict(model, asked[0]).labels == asked[1]).any():
            raise ValueError(f"the network names none of the {images} digits rightly: is it trained?")
        found = evaluate.robust_accuracy(model, *asked, eps, progress=progress)
        if "square" not in found.per_attack:  # interrupted, which it has said
            return found
        shares = found.accuracy()
        notes = [f"{attack}: {note}" for attack, note in found.notes.items()]
        checks = masking.gradient_masking(model, *asked, eps, report=found)
        notes += [check.message for check in checks if not check.passed]
    low = min((rung for rung in shares if rung not in ("clean", "worst")), key=shares.get)
    entry = dict(name=name, eps=float(eps), images=images, shares=shares, by=low, notes=notes)
    scoreboard.enter(_stamp(), "defenses", entry)
    return found


def _built(build: Callable[[], nn.Module], images: Tensor) -> nn.Module:
    """The network that ``build`` makes, if it is one."""
    if isinstance(build, nn.Module) or not callable(build):
        raise TypeError(f"defend takes a function that returns a network, and got a {type(build).__name__}")
    model = build()
    if not isinstance(model, nn.Module):
        raise TypeError(f"{getattr(build, '__name__', 'build')} returned a {type(model).__name__}, not an nn.Module")
    with evaluation.mode(model, False):
        try:
            outputs = evaluation.logits(model, images.to(evaluation.device_of(model)))
        except (TypeError, ValueError):
            raise
        except Exception as error:
            raise ValueError(f"the network fails on two digits ({type(error).__name__}: {error})") from error
    if outputs.shape[1] != 10:
        raise ValueError(f"the network has {outputs.shape[1]} outputs, not one for each of the ten digits")
    return model


# The board. ---------------------------------------------------------------------------------------------------------


def board(side: str = "attacks") -> Table:
    """The score board on this computer: the "attacks", best first, or the "defenses", largest eps first.

    Attacks that were tried on fewer than 50 images a network stand below the others.

    Raises:
        ValueError: another side.
    """
    if side not in scoreboard.SIDES:
        raise ValueError(f'side={side!r}: want "attacks" or "defenses"')
    kept = scoreboard.read(_stamp())
    if side == "defenses":
        rows = []
        for entry in sorted(kept["defenses"], key=lambda entry: (-entry["eps"], -entry["shares"]["worst"])):
            shares = [f"{entry['shares'][rung]:.0%}" for rung in ("clean", "worst")]
            last = [entry["by"], entry["images"], entry["trials"], "; ".join(entry["notes"]) or "-"]
            rows.append([entry["name"], f"{entry['eps']:g}", *shares, *last])
        return Table(["net", "eps", "clean", "worst case", "lowest rung", "images", "trials", "remarks"], rows)
    nets = _lettered(kept["secret"])
    titles = [f"{letter}: {net.name}" if kept["revealed"] else letter for letter, net in nets.items()]
    rows = []
    for entry in sorted(kept["attacks"], key=lambda entry: (entry["images"] < FEW, entry["kept"])):
        shares = [f"{entry['shares'][letter]:.0%}" for letter in nets]
        last = [f"{entry['passes']:.0f}", f"{entry['images']} x {len(nets)}", entry["trials"]]
        rows.append([entry["name"] + " (ours)" * entry["reference"], f"{entry['kept']:.1%}", *shares, *last])
    return Table(["attack", "still right", *titles, "passes", "images", "trials"], rows)


def reveal() -> Table:
    """Which network was which, and what did most to it on the board. From now on the board names them."""
    kept, rows = scoreboard.reveal(_stamp()), []
    for letter, net in _lettered(kept["secret"]).items():
        best = min(kept["attacks"], key=lambda entry: (entry["images"] < FEW, entry["shares"][letter]), default=None)
        shown = [f"{best['shares'][letter]:.0%}", best["name"]] if best else ["-", "-"]
        rows.append([letter, net.name, net.what, f"{net.eps:g}", *shown])
    return Table(["", "net", "what it is", "eps", "least that was left", "by"], rows)


def _stamp() -> str:
    return ", ".join(f"{net.name} {net.eps:g}" for net in roster())


def _lettered(secret: int) -> dict[str, Contestant]:
    """The networks by their letters."""
    nets = roster()
    order = torch.randperm(len(nets), generator=torch.Generator().manual_seed(secret)).tolist()
    return {LETTERS[place]: nets[i] for place, i in enumerate(order)}


def _titled(name: str) -> str:
    name = " ".join(str(name).split())[:40]
    if name.removesuffix("(ours)").strip() in REFERENCES:
        raise ValueError(f"{name!r} is one of the course's own attacks: give yours another name")
    return name
