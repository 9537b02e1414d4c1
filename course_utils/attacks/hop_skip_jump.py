r"""HopSkipJump: a black-box attack that may only ask which class the model predicts, and counts every query.

No logits, no gradients: an answer is right or wrong. Start from an image that is misclassified and walk back to the
clean one until the answer is about to change. There, on the boundary, ask about small random steps u_i: the answers
s_i = +1 (wrong) or -1 (right) say on which side of it they end, and together they give its normal,

    v = sum of (s_i - mean s) u_i,        x <- walk_back(x + a v / ||v||),

where the length a is halved until the model is wrong there. Then again from the new point, with more queries. Chen,
Jordan and Wainwright 2019, arXiv 1904.02144.

In d dimensions the cosine between v and the normal is about sqrt(2 n / (pi d)) after n queries, which is next to
nothing for a photograph. Smooth steps, drawn on a coarse grid, have fewer dimensions, and networks listen to them: Guo,
Frank and Weinberger 2018, arXiv 1809.08758.
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.attacks.base import AttackTask, attack_context
from course_utils.core.checks import check_count, check_images
from course_utils.core.tensors import bisect, length, portion, spread

STARTS = 50  # random images that are tried
TILES = 4  # on a side of them; grey tiles are given more different classes than fine noise is
HALVINGS = 10  # queries of a walk back, which ends within 2**-10 of the way to the clean image
STRIDES = 3  # queries kept for the length of a step, which may take more
FIRST = 25  # random steps of the first round; those of round t are FIRST * sqrt(t)
FEWEST = 10  # random steps that are worth a round
RADIUS = 0.05  # length of a random step as a fraction of the distance to the clean image


def hop_skip_jump(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | None = None,
    queries: int = 1000,
    start: Tensor | None = None,
    detail: int | None = None,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_step: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Look for the nearest image that the model misclassifies, in L2, with no more than ``queries`` queries an image.

    Args:
        targets: None or int64 ``(N,)``; rules look at logits, which this attacker never sees.
        start: ``(N, C, H, W)``, images to begin with that are misclassified, or as the target. For a target give some;
            without them, or where one will not do, random tiles are tried.
        detail: draw the random steps on a grid of so many points a side, and enlarge them smoothly. Far better for
            large images, such as 14 for 224 pixels. None lets every pixel move by itself.
        on_step: called after the start and after each round with the best images so far, and with the queries spent
            on each, int64 ``(N,)``.

    >>> hop_skip_jump(nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0]), queries=200).argmax().item()
    1
    """
    check_count("queries", queries)
    if isinstance(targets, str):
        hint = "look at logits, which this attacker never sees; give class numbers, such as (labels + 1) % 10"
        raise TypeError(f"targets={targets!r}: rules {hint}")
    with attack_context(model, images, labels, targets, generator, (queries, "hop_skip_jump", progress)) as task:
        size = tuple(images.shape[2:])
        if detail is not None and check_count("detail", detail) > max(size):
            raise ValueError(f"detail={detail} is finer than the images of {size} pixels: leave it out")
        if start is not None and check_images(start).shape != images.shape:
            raise ValueError(f"start has shape {tuple(start.shape)}, not {tuple(images.shape)}: want one each")
        game = _Queries(task, queries)

        def report():
            task.bar.update(queries - int(game.left.max()) - task.bar.n)
            if on_step is not None:
                on_step(task.best.images.clone().to(images), queries - game.left.to(labels.device))

        rows = _begin(game, task.best.images, start)
        x, there = task.best.images, rows[game.left[rows] >= HALVINGS]
        x[there] = _walk_back(game, x[there], there)
        task.best.score[rows] = -length(x[rows] - task.images[rows])
        report()
        for round_ in itertools.count(1):
            spare = game.left[rows] - HALVINGS - STRIDES
            rows, spare = rows[spare >= FEWEST], spare[spare >= FEWEST]
            if not len(rows):
                break
            x, far = task.best.images[rows], -task.best.score[rows]
            number = spare.clamp(max=int(FIRST * math.sqrt(round_)))
            v = boundary_normal(game, x, rows, RADIUS * far, number, detail, task.generator)
            x, there = _stride(game, x, rows, v, far / math.sqrt(round_))
            x, moved = _walk_back(game, x[there], rows[there]), rows[there]
            task.best.offer(x, moved, -length(x - task.images[moved]))
            report()
    return task.best.images.to(images)


class _Queries:
    """A model that answers right or wrong, and how many queries are ``left`` for each image."""

    def __init__(self, task: AttackTask, queries: int):
        self.task, self.left = task, torch.full_like(task.labels, queries)
        self.left[0] -= 1  # the model was asked once how many classes it has

    def __call__(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether the model is wrong about ``x`` ``(M, C, H, W)``, which belong to the images in ``rows``: ``(M,)``."""
        self.left.index_add_(0, rows, torch.full_like(rows, -1))
        predicted = self.task.logits(x).argmax(1) if len(x) else rows
        same = predicted == self.task.target_or_label[rows]
        return ~same if self.task.targets is None else same


def _begin(game: _Queries, best: Tensor, start: Tensor | None) -> Tensor:
    """Write a misclassified image into ``best`` for each that is not, and return their rows."""
    rows, source = game.task.rows[game.left > 0], game.task.generator
    rows = rows[~game(best[rows], rows)]
    found = torch.zeros_like(game.left, dtype=torch.bool)
    for attempt in range(STARTS if start is None else STARTS + 1):
        rows = rows[game.left[rows] > 0]
        if not len(rows):
            break
        if attempt == 0 and start is not None:
            x = start.to(best)[rows]
        else:
            tiles = torch.rand(len(rows), best.shape[1], TILES, TILES, generator=source, device=source.device)
            x = F.interpolate(tiles.to(best), size=best.shape[2:])
        wrong = game(x, rows)
        best[rows[wrong]] = x[wrong]
        found[rows[wrong]] = True
        rows = rows[~wrong]
    return game.task.rows[found]


def _walk_back(game: _Queries, x: Tensor, rows: Tensor) -> Tensor:
    """The point between the clean image and ``x`` where the answer changes, on the wrong side of it."""
    clean, r = game.task.images[rows], x - game.task.images[rows]
    zero = torch.zeros_like(length(x))
    _, fraction = bisect(zero, zero + 1, lambda fraction: game(clean + spread(fraction, x) * r, rows), HALVINGS)
    return clean + spread(fraction, x) * r


def boundary_normal(
    game: _Queries, x: Tensor, rows: Tensor, radius: Tensor, number: Tensor, detail: int | None, generator
) -> Tensor:
    """The boundary's normal at ``x``, from ``number`` ``(M,)`` random steps each: unit vectors ``(M, C, H, W)``."""
    steps, signed, signs = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(radius)
    side = x.shape[2:] if detail is None else (detail, detail)
    every = torch.arange(len(rows), device=rows.device).repeat_interleave(number)
    for at in every.split(portion(x, cost=1 / 4)):  # the model takes them in portions of its own
        u = torch.randn(len(at), x.shape[1], *side, generator=generator, device=generator.device).to(x)
        u = u if detail is None else F.interpolate(u, size=x.shape[2:], mode="bilinear")
        u *= spread(radius[at] / length(u), u)
        u = u.add_(x[at]).clamp_(0, 1)
        sign = game(u, rows[at]).to(x) * 2 - 1
        u -= x[at]  # as far as [0, 1] let it go
        steps.index_add_(0, at, u)
        signed.index_add_(0, at, u.mul_(spread(sign, u)))
        signs.index_add_(0, at, sign)
    mean = signs / number
    mean = torch.where(mean.abs() == 1, 0, mean)  # all on one side: then their sum says where that is
    v = signed - spread(mean, x) * steps
    return v / spread(length(v).clamp_min(torch.finfo(x.dtype).tiny), x)


def _stride(game: _Queries, x: Tensor, rows: Tensor, v: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Go along ``v`` by ``size``, halved until the model is wrong there: the points, and which of them were found."""
    x, size = x.clone(), size.clone()
    found = torch.zeros_like(rows, dtype=torch.bool)
    while True:
        search = ((game.left[rows] > HALVINGS) & ~found & (size > 1e-6)).nonzero()[:, 0]
        if not len(search):
            return x, found
        y = (x[search] + spread(size[search], x) * v[search]).clamp(0, 1)
        wrong = game(y, rows[search])
        x[search[wrong]] = y[wrong]
        found[search[wrong]] = True
        size[search[~wrong]] /= 2
