"""What all attacks share: inputs checked once, gradients with respect to pixels, success, targets, the best so far.

The images of a batch do not depend on each other. So all of them share one forward and one backward pass, and an image
that is done leaves the batch; ``rows`` are the numbers of those still in it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime
from course_utils.core.checks import check_images, check_labels
from course_utils.core.tensors import by_portions, portions
from course_utils.evaluation import without

TARGET_RULES = ("random", "next", "nearest", "least_likely")
TIE = 1e-5  # a margin below this fraction of the largest logit could be lost to rounding in a batch of another size


class AttackTask:
    """One attack on one batch, on the model's device.

    ``images`` are a copy, ``rows`` their numbers, ``best`` what was found, ``targets`` None if any wrong class will do.
    In the loss stands ``target_or_label``: a target, whose loss falls (``direction`` -1), or a label to leave (+1).
    """

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, targets=None, generator=None):
        check_images(images)
        if images.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"images are {images.dtype}, too coarse for attacks: call .float() on them and the model")
        self.model = model
        self.images = images.detach().to(evaluation.device_of(model), copy=True)
        self.best, self.rows = Best(self.images), torch.arange(len(images), device=self.images.device)
        self.generator = runtime.ensure_generator(generator)
        some = self.images if isinstance(targets, str) else self.images[:1]
        with torch.no_grad(), evaluation.mode(model, False), evaluation.naming(model, images):
            parts = [evaluation.check_logits(evaluation.ask(model, part), len(part)) for (part,) in portions(some)]
        clean = torch.cat(parts)
        self.classes = clean.shape[1]
        self.labels = check_labels(labels, len(images), self.classes).to(self.images.device)
        self.targets = None if targets is None else self._choose(targets, clean)
        self.target_or_label, self.direction = (self.labels, 1) if targets is None else (self.targets, -1)

    def adversarial_margin(self, logits: Tensor, rows: Tensor) -> Tensor:
        """By how many logits the attack has succeeded, ``(N,)``; below 0 it has not."""
        return -self.direction * evaluation.margin(logits, self.target_or_label[rows])

    def is_adversarial(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Whether the attack has succeeded, beyond the reach of rounding: bool ``(N,)``."""
        return self.adversarial_margin(logits, rows) > TIE * logits.abs().amax(1)

    def cross_entropy(self, logits: Tensor, rows: Tensor) -> Tensor:
        """The cross-entropy of the target or label, ``(N,)`` in nats."""
        return F.cross_entropy(logits, self.target_or_label[rows], reduction="none")

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """The model's outputs ``(N, K)``, by a forward pass alone."""
        return torch.cat([self._forward(part) for (part,) in portions(x)])

    def gradient(self, x: Tensor, objective: Callable[[Tensor, Tensor], Tensor], rows: Tensor) -> tuple[Tensor, ...]:
        """Logits ``(N, K)``, ``objective(logits, rows)`` ``(N,)``, and its gradient in ``x``: one pass each way."""

        def differentiate(part, rows):
            logits = self._forward(part)
            value = objective(logits, rows)
            return logits, value, evaluation.gradient(value.sum(), part)

        return by_portions(differentiate, x, rows)

    def gradients(self, x: Tensor, minus: Tensor, plus: Tensor) -> tuple[Tensor, Tensor]:
        """``f_plus - f_minus`` for M classes ``plus`` an image, ``(N, M)``, and its gradients ``(N, M, C, H, W)``."""

        def differentiate(part, minus, plus):
            logits = self._forward(part)
            value = logits.gather(1, plus) - logits.gather(1, minus[:, None])
            return value, evaluation.gradients(value, part)

        return by_portions(differentiate, x, minus, plus, cost=plus.shape[1])

    def _forward(self, x: Tensor) -> Tensor:
        logits = evaluation.ask(self.model, x)
        if logits.shape != (len(x), self.classes) or not logits.isfinite().all():
            evaluation.check_logits(logits, len(x))  # says what is wrong; a few logits may look like probabilities
        return logits

    def _choose(self, targets: Tensor | str, logits: Tensor) -> Tensor:
        labels, classes, source, rules = self.labels, self.classes, self.generator, ", ".join(TARGET_RULES)
        if isinstance(targets, str):
            if targets == "nearest":
                return without(logits, labels).argmax(1)
            if targets == "least_likely":
                return without(logits, labels, float("inf")).argmin(1)
            if targets == "next":
                return (labels + 1) % classes
            if targets == "random":
                shift = torch.randint(1, classes, labels.shape, generator=source, device=source.device)
                return (labels + shift.to(labels.device)) % classes
            raise ValueError(f"there is no target rule {targets!r}: choose among {rules}")
        try:
            targets = check_labels(targets, len(labels), classes).to(labels.device)
        except (TypeError, ValueError) as error:
            raise type(error)(f"targets: {error}; or name a rule: {rules}") from None
        if (targets == labels).any():
            raise ValueError("some targets equal the labels: a target is the wrong class that the model is to predict")
        return targets


@contextmanager
def attack_context(model, images, labels, targets=None, generator=None, bar=(1, "", False)) -> Iterator[AttackTask]:
    """The room in which an attack works: inputs checked, model in evaluation mode, an interrupt ends it quietly.

    ``bar`` holds steps, name and whether to show it, as for `runtime.progress_bar`; the attack moves ``task.bar``.
    """
    with torch.inference_mode(False), torch.enable_grad():
        task = AttackTask(model, images, labels, targets, generator)
        try:
            with evaluation.mode(model, False), runtime.progress_bar(*bar) as task.bar:
                yield task
                task.bar.update(task.bar.total - task.bar.n)  # it may have finished early
        except KeyboardInterrupt:
            if _reraised.get():
                raise
            print("Interrupted: this is what was found so far.")


_reraised = ContextVar("_reraised", default=False)


def reraise_interrupts() -> AbstractContextManager:
    """In here an interrupt ends more than one attack: where attacks are compared, half of one looks like a weak one."""
    return runtime.meanwhile(_reraised.get, _reraised.set, True)


def choose_targets(
    model: nn.Module, images: Tensor, labels: Tensor, rule: str, *, generator: torch.Generator | None = None
) -> Tensor:
    """One wrong class for each image, int64 ``(N,)``. How targets are drawn changes every distortion: state the rule.

    Args:
        rule: "random" (each wrong class equally likely), "next" (the label plus 1, after the last comes 0), "nearest"
            (the wrong class with the highest logit) or "least_likely" (the one with the lowest).

    >>> choose_targets(nn.Flatten(), torch.rand(2, 1, 1, 3), torch.tensor([0, 2]), "next")
    tensor([1, 0])
    """
    return AttackTask(model, images, labels, str(rule), generator).targets.to(labels.device)


class Best:
    """The best ``images`` so far, and the ``score`` of each: the higher the better, and -inf for the clean image."""

    def __init__(self, images: Tensor):
        self.images = images.clone()
        self.score = torch.full_like(images[:, 0, 0, 0], float("-inf"))

    def offer(self, x: Tensor, rows: Tensor, score: Tensor) -> Tensor:
        """Keep those of ``x`` that score higher than what their rows have; which are they? bool ``(N,)``."""
        better = score > self.score[rows]
        self.images[rows[better]], self.score[rows[better]] = x[better], score[better]
        return better

    def settle(self, done: Tensor, rows: Tensor, x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Keep those of ``x`` that are done for good, and hand back the rows, x and others that are not."""
        self.images[rows[done]], self.score[rows[done]] = x[done], float("inf")
        return tuple(each[~done] for each in (rows, x, *others))


def keep_rows(state: object, mask: Tensor) -> None:
    """Let the images outside ``mask`` go from all tensors of ``state``."""
    if not mask.all():
        for name, value in vars(state).items():
            if isinstance(value, Tensor):
                setattr(state, name, value[mask])


class Bracket:
    """For each image, a search for the largest weight c of the distance at which an attack still succeeds.

    A success makes c ten times larger and a failure ten times smaller, until both have been seen; then c is the
    geometric mean of the largest that succeeded and the smallest that failed.
    """

    def __init__(self, c: Tensor):
        self.c, self.works, self.fails = c, torch.zeros_like(c), torch.full_like(c, float("inf"))
        self.rounds = torch.zeros_like(c, dtype=torch.int64)  # how many values have been tried

    def narrow(self, rows: Tensor, success: Tensor) -> None:
        """Take in what came of the present c for the images in ``rows``, and choose their next."""
        c, works, fails = self.c[rows], self.works[rows], self.fails[rows]
        works, fails = torch.where(success, c, works), torch.where(success, fails, c)
        following = torch.where(fails.isinf(), 10 * works, torch.where(works == 0, fails / 10, (works * fails).sqrt()))
        self.works[rows], self.fails[rows], self.c[rows] = works, fails, following
        self.rounds[rows] += 1
