"""Lesson 06: the wrong answers of the first edition, and what it said to them."""

import torch
from torch.nn import functional as F

from frozen import CUT, Mistake


def dimension(distances):
    inverses = (distances[:, -1:] / distances[:, :-1]).log().mean(1)
    return 1 / inverses.mean()


def _counting(ratios=lambda t: t[:, -1:] / t[:, :-1], log=torch.log, mean=lambda logs: logs.mean(1), end=lambda inverses: 1 / inverses.mean()):
    """The estimate with one part exchanged: the source of the classic mistakes."""
    return lambda distances: end(mean(log(ratios(distances))))


BY_K = "divided by k: the sum has k - 1 terms (j = k would add log(T_k / T_k), which is 0), so divide by k - 1"


WRONG_BASE = "the formula wants the natural logarithm, torch.log: with another base the result is off by a factor"


SQUARES = "off by a factor of 2: these are plain distances, so take neither their root nor their square"


def _pulling(place=lambda pixel, flow: pixel + flow, scaled=lambda place, side, other: 2 * place / (side - 1) - 1, corners=True, padding="border", mode="bilinear", change=lambda flow: flow, stack=(0, 1)):
    """The warp with one part exchanged: the source of the classic mistakes."""

    def pull(image, flow):
        height, width = image.shape[2:]
        right, down = change(flow).unbind(1)
        x = scaled(place(torch.arange(width).expand_as(right), right), width, height)
        y = scaled(place(torch.arange(height)[:, None].expand_as(down), down), height, width)
        grid = torch.stack([(x, y)[i] for i in stack], 3)
        return F.grid_sample(image, grid, padding_mode=padding, align_corners=corners, mode=mode)

    return pull


def _adding(share):
    """The flow is added to the scaled grid, scaled itself by ``share(side)``."""

    def pull(image, flow):
        height, width = image.shape[2:]
        x = torch.linspace(-1, 1, width) + share(width) * flow[:, 0]
        y = torch.linspace(-1, 1, height)[:, None] + share(height) * flow[:, 1]
        return F.grid_sample(image, torch.stack([x, y], 3), padding_mode="border", align_corners=True)

    return pull


def _reshaped(flow):
    return flow.reshape(len(flow), *flow.shape[2:], 2).permute(0, 3, 1, 2)


HALF_A_PIXEL = "the flow is zero and the picture moves or stretches, by half a pixel or so: scale and align_corners do not belong together. With align_corners=True pixel 0 is at -1 and pixel W - 1 at 1, so x becomes 2 * x / (W - 1) - 1"


NO_GRID = "all pixels are read from one place: the flow says how far to go *from each pixel*. Add where the pixels are, torch.arange(width) and torch.arange(height)[:, None]"


BEYOND = 'beyond the border the border goes on: padding_mode="border" (grid_sample itself takes zeros)'


BETWEEN = 'only whole pixels are read: the flow has fractions, and between pixels the value is a mix of four. Do not round, and leave mode="bilinear"'


IN_PIXELS = "the flow is in pixels, and the grid in halves of the picture: a pixel is 2 / (W - 1) to the right and 2 / (H - 1) down. Add in pixels first, then scale the sum"


def area(inside, outside):
    above = (outside[:, None] > inside).float().mean()
    level = (outside[:, None] == inside).float().mean()
    return (above + level / 2).item()


COMPARISONS = "this is not one number. outside[:, None] > inside compares all pairs, and .float().mean() of that is the share in which the outside score is the higher one"


def _comparing(wins=torch.gt, end=torch.mean):
    """The area with one part exchanged: the source of the classic mistakes."""
    return lambda inside, outside: end(wins(outside[:, None], inside).float())


def _accuracy(threshold):
    def judge(inside, outside):
        t = threshold(inside, outside)
        return torch.cat([inside <= t, outside > t]).float().mean()

    return judge


def _balanced(threshold):
    def judge(inside, outside):
        t = threshold(inside, outside)
        return ((inside <= t).float().mean() + (outside > t).float().mean()) / 2

    return judge


def _hits(threshold):
    return lambda inside, outside: (outside > threshold(inside, outside)).float().mean()


THRESHOLDS = (
    lambda inside, outside: inside.mean(),
    lambda inside, outside: inside.median(),
    lambda inside, outside: (inside.mean() + outside.mean()) / 2,
    lambda inside, outside: torch.cat([inside, outside]).mean(),
    lambda inside, outside: torch.cat([inside, outside]).median(),
    lambda inside, outside: inside.quantile(0.95),
    lambda inside, outside: inside.max(),
    lambda inside, outside: 0.5,
)


def _zipped(sort):
    def compare(inside, outside):
        pairs = list(zip(sort(inside).tolist(), sort(outside).tolist()))  # noqa: B905
        return sum((b > a) + (b == a) / 2 for a, b in pairs) / len(pairs)

    return compare


def _halves_in_whole_numbers(inside, outside):
    won, level = (compare(outside[:, None], inside).sum() for compare in (torch.gt, torch.eq))
    return (won + level // 2) / (len(inside) * len(outside))


ONE_THRESHOLD = "this judges one threshold. The area takes them all together: it is the share of all pairs in which the outside score is above the inside score"


IN_LINE = "zip pairs the first with the first and forgets the rest: each outside score is compared with *each* inside score"


def guard(logits, score, threshold):
    rejected = logits.amax(1) + score - threshold
    return torch.cat([logits, rejected[:, None]], 1)


def _guarding(rejected, keep=lambda logits, score, threshold: logits):
    """A guard with one part exchanged: the source of the classic mistakes."""

    def guarded(logits, score, threshold):
        last = rejected(logits, score, threshold)[:, None]
        return torch.cat([keep(logits, score, threshold), last], 1)

    return guarded


def _excess(logits, score, threshold):
    return logits.amax(1) + score - threshold


def _hard(logits, score, threshold):
    return torch.where(score > threshold, torch.inf, -torch.inf)


MASKED = (
    "the decisions may be right, but the switch is hard: as the score changes a little, the last logit does not, and "
    "its gradient is 0. An attack that follows gradients would fail for want of a direction, and you would call that "
    "safety (gradient masking; Carlini and Wagner 2017 went round it so). Let the logit grow with the score"
)


CUT = "the last logit follows the score, but no gradient does: leave out .detach(), .item(), .data, torch.tensor and torch.no_grad, or an attack cannot see the guard"


UNTOUCHED = "the logits of the classes change: leave them as they are, without softmax, and put one more beside them"


BELOW_LARGEST = "the last logit has to be larger than *every* class of its image just where the score is above the threshold: begin with the largest of them, logits.amax(1), and add score - threshold"


FALLS = "the last logit falls in some images as the score grows (abs and a square do so below the threshold, a ratio or a product where the largest logit or the threshold is negative): add the difference, score - threshold"


def split(change, directions):
    basis = torch.linalg.qr(directions).Q
    along = basis @ (basis.T @ change)
    return along, change - along


SHARE = "this is a share of the length: return the two parts themselves, each in the shape of the change"


def _splitting(basis=lambda j: torch.linalg.qr(j).Q, give=lambda change, along: (along, change - along)):
    """Taking apart with one part exchanged: the source of the classic mistakes."""

    def take_apart(change, directions):
        b = basis(directions)
        return give(change, b @ (b.T @ change))

    return take_apart


def _by_coefficients(rest):
    """The coefficients of the basis, or of the directions themselves, in place of the part."""

    def take_apart(change, directions):
        along = split(change, directions)[0]
        return rest(directions, along), change - along

    return take_apart


def _one_after_the_other(change, directions):
    across = change
    for column in directions.T:
        across = across - column * (column @ across) / (column @ column)
    return change - across, across


COEFFICIENTS = "these are the d coefficients: the part itself is the sum of the directions, each times its own, basis @ coefficients, with the shape of the change"


WRONG = {
    "6.1": (
        Mistake(_counting(end=lambda inverses: (1 / inverses).mean()), "the average of the estimates is too large by (k - 1)/(k - 2), a twentieth at k = 20 and half at k = 4: 1/x bends upwards. Average the inverses over the points, then invert once"),
        Mistake(_counting(mean=lambda logs: logs.sum(1) / (logs.shape[1] + 1)), BY_K),
        Mistake(_counting(mean=lambda logs: logs.sum(1) / (logs.shape[1] - 1)), "divided by k - 2: that goes with the average of the estimates. The inverses are right on average with k - 1"),
        Mistake(_counting(ratios=lambda t: t[:, :-1] / t[:, -1:]), "negative, since T_j / T_k is below 1: the farthest stands above, log(T_k / T_j)"),
        Mistake(_counting(log=torch.log10), WRONG_BASE),
        Mistake(_counting(log=torch.log2), WRONG_BASE),
        Mistake(_counting(log=torch.log1p), "log(1 + ratio) is not the logarithm of the ratio: torch.log"),
        Mistake(_counting(log=lambda ratios: ratios), "the logarithm is missing: log(T_k / T_j), and then the mean"),
        Mistake(_counting(log=lambda ratios: ratios, mean=lambda ratios: ratios.mean(1).log()), "the logarithm of the mean ratio is not the mean of the logarithms: take the logarithm first"),
        Mistake(_counting(end=lambda inverses: 1 / inverses), "this is one number a point: average the inverses over the points before you invert"),
        Mistake(_counting(mean=lambda logs: logs, end=lambda logs: 1 / logs.mean(0)), "this is one number a neighbour: the mean runs over the neighbours and over the points"),
        Mistake(_counting(end=lambda inverses: inverses.mean()), "this is the inverse of the dimension: return 1 / it"),
        Mistake(_counting(ratios=lambda t: t[-1:] / t[:-1]), "rows and columns are exchanged: a row is a point, and its last *column* the farthest neighbour, distances[:, -1:]"),
        Mistake(_counting(log=lambda ratios: ratios.sqrt().log()), SQUARES),
        Mistake(_counting(log=lambda ratios: ratios.square().log()), SQUARES),
        Mistake(_counting(ratios=lambda t: t[:, -1:] / t[:, :1]), "only T_1 is used: sum log(T_k / T_j) over all j below k, distances[:, :-1]"),
        Mistake(_counting(ratios=lambda t: t[:, 1:] / t[:, :1]), "each distance is compared with the nearest one: compare each with the farthest, T_k / T_j"),
        Mistake(_counting(ratios=lambda t: t[:, 1:] / t[:, :-1]), "each distance is compared with the next one: compare each with the farthest, T_k / T_j"),
        Mistake(_counting(ratios=lambda t: t[:, 1:2] / t[:, :1]), "only the two nearest neighbours are used: the sum runs over all j below k"),
        Mistake(_counting(mean=lambda logs: logs.sum(1)), "the sum over the neighbours is not divided by k - 1: it grows with k, and the dimension does not"),
        Mistake(_counting(end=lambda inverses: 1 / inverses.sum()), "the inverses are added up over the points: average them, or more points would mean fewer dimensions"),
        Mistake(_counting(end=lambda inverses: 1 / inverses.median()), "the median of the inverses: MacKay and Ghahramani's estimate takes their mean"),
        Mistake(lambda distances: round(dimension(distances).item()), "rounded to a whole number: leave the estimate as it is, its fraction says how sure it is"),
    ),
    "6.2": (
        Mistake(_pulling(place=lambda pixel, flow: pixel - flow), "the picture moves the wrong way: out(x) = image(x + flow(x)) reads at the tip of the arrow, so what lies to the right comes to the left. Add the flow, and push no pixel along it"),
        Mistake(_pulling(change=lambda flow: flow.flip(1)), "right and down are exchanged: channel 0 of the flow goes to the right, channel 1 down"),
        Mistake(_pulling(stack=(1, 0)), "x and y are exchanged in the grid: grid_sample wants x (along the width) first, then y"),
        Mistake(_pulling(scaled=lambda place, side, other: place), "the grid is in pixels: grid_sample wants -1 at the first pixel and 1 at the last, 2 * x / (W - 1) - 1"),
        Mistake(_pulling(scaled=lambda place, side, other: place / (side - 1)), "the grid runs from 0 to 1: grid_sample wants -1 at the first pixel and 1 at the last, 2 * x / (W - 1) - 1"),
        Mistake(_pulling(scaled=lambda place, side, other: 2 * place / (other - 1) - 1), "width and height are exchanged in the scale: x is divided by W - 1, y by H - 1"),
        Mistake(_pulling(corners=False), HALF_A_PIXEL),
        Mistake(_pulling(scaled=lambda place, side, other: (2 * place + 1) / side - 1), HALF_A_PIXEL),
        Mistake(_pulling(scaled=lambda place, side, other: 2 * place / side - 1), HALF_A_PIXEL),
        Mistake(_pulling(scaled=lambda place, side, other: 2 * place / side - 1, corners=False), HALF_A_PIXEL),
        Mistake(_pulling(corners=False, padding="zeros"), HALF_A_PIXEL),
        Mistake(_pulling(scaled=lambda place, side, other: 2 * place / side - 1, corners=False, padding="zeros"), HALF_A_PIXEL),
        Mistake(_pulling(place=lambda pixel, flow: flow), NO_GRID),
        Mistake(_pulling(place=lambda pixel, flow: flow, scaled=lambda place, side, other: place), NO_GRID),
        Mistake(_adding(lambda side: 1), IN_PIXELS),
        Mistake(_adding(lambda side: 1 / side), IN_PIXELS),
        Mistake(_adding(lambda side: 1 / (side - 1)), IN_PIXELS),
        Mistake(_adding(lambda side: 2 / side), IN_PIXELS),
        Mistake(_pulling(change=_reshaped), "reshape and view cut the numbers into other pieces and mix right with down: flow.permute(0, 2, 3, 1) moves the two channels to the end"),
        Mistake(_pulling(change=lambda flow: flow[:1].expand_as(flow)), "all images are moved by the flow of the first one: each has its own"),
        Mistake(lambda image, flow: image.clone(), "the image comes back as it was: where is the flow?"),
        Mistake(_pulling(padding="zeros"), BEYOND),
        Mistake(_pulling(padding="reflection"), BEYOND),
        Mistake(_pulling(mode="nearest"), BETWEEN),
        Mistake(_pulling(change=torch.round), BETWEEN),
        Mistake(_pulling(change=torch.trunc), BETWEEN),
        Mistake(_pulling(change=torch.floor), BETWEEN),
        Mistake(_pulling(mode="bicubic"), 'this mixes 16 pixels: here the four around each place are asked for, mode="bilinear"'),
    ),
    "6.3": (
        Mistake(lambda inside, outside: 1 - area(inside, outside), "this is 1 minus the area: count the pairs in which the *outside* score is the higher one"),
        Mistake(_comparing(), "ties count as lost here: a pair with equal scores counts half (a coin would decide it)"),
        Mistake(_comparing(torch.ge), "ties count as won here: a pair with equal scores counts half (a coin would decide it)"),
        Mistake(_halves_in_whole_numbers, "half of an odd number of ties is no whole number, and `//` rounds it down: divide with /"),
        *(Mistake(rate(t), ONE_THRESHOLD) for rate in (_accuracy, _balanced, _hits) for t in THRESHOLDS),
        Mistake(_zipped(lambda scores: scores), IN_LINE),
        Mistake(_zipped(lambda scores: scores.sort().values), IN_LINE),
        Mistake(lambda inside, outside: outside[:, None] > inside, COMPARISONS),
        Mistake(lambda inside, outside: (outside[:, None] > inside).float().mean(1), COMPARISONS),
        Mistake(_comparing(end=torch.sum), "this is the number of pairs won (Mann and Whitney's U): divide by the number of all pairs, N * M"),
        Mistake(lambda inside, outside: 100 * area(inside, outside), "this is in per cent: a chance runs from 0 to 1"),
        Mistake(lambda inside, outside: outside.mean() - inside.mean(), "the difference of the means depends on the unit of the score: count pairs"),
        Mistake(lambda inside, outside: (outside.mean() > inside.mean()).float(), "this compares the means: compare each outside score with each inside score, and take the share"),
        Mistake(lambda inside, outside: 2 * area(inside, outside) - 1, "this runs from -1 to 1 (pairs won minus pairs lost): the area counts the pairs won, and half of the ties"),
        Mistake(lambda inside, outside: max(area(inside, outside), 1 - area(inside, outside)), "a score that points the wrong way is turned round here: an area below 0.5 is a finding, report it"),
    ),
    "6.4": (
        Mistake(_guarding(_hard), MASKED),
        Mistake(_guarding(lambda logits, score, threshold: (score > threshold).float()), MASKED),
        Mistake(_guarding(lambda logits, score, threshold: logits.amax(1) + (score - threshold).clamp(min=0)), "in some images the last logit does not move with the score, and its gradient is 0 there: clamp, relu and a steep sigmoid cut it off. Leave the difference as it is, negative where the image is accepted"),
        Mistake(_guarding(lambda logits, score, threshold: logits.amax(1) + threshold - score), "this rejects where the score is *below* the threshold: a large score is far off. Add score - threshold"),
        Mistake(_guarding(lambda logits, score, threshold: torch.full_like(score, threshold)), "the last logit does not depend on the score, so all that matters is how large the others are: add score - threshold to the largest logit of the image"),
        Mistake(_guarding(lambda logits, score, threshold: score - threshold), BELOW_LARGEST),
        Mistake(_guarding(lambda logits, score, threshold: 1000 * (score - threshold)), BELOW_LARGEST),
        Mistake(_guarding(lambda logits, score, threshold: score), BELOW_LARGEST),
        Mistake(_guarding(lambda logits, score, threshold: logits.mean(1) + score - threshold), BELOW_LARGEST),
        Mistake(_guarding(lambda logits, score, threshold: logits.softmax(1).amax(1) + score - threshold), "the largest *probability* is compared with logits here: take the largest logit, logits.amax(1)"),
        Mistake(_guarding(lambda logits, score, threshold: logits.logsumexp(1) + score - threshold), "logsumexp lies above the largest logit, by log 2 if two share the lead, so images below the threshold are rejected too: logits.amax(1)"),
        Mistake(_guarding(lambda logits, score, threshold: logits.amax(1) + score), "the threshold is missing: the last logit is to pass the largest where the score passes the threshold"),
        Mistake(_guarding(lambda logits, score, threshold: logits.amax(1) * score / threshold), FALLS),
        Mistake(_guarding(lambda logits, score, threshold: logits.amax(1) * (1 + score - threshold)), FALLS),
        Mistake(_guarding(lambda logits, score, threshold: logits.amax(1) + (score - threshold).abs()), FALLS),
        Mistake(_guarding(lambda logits, score, threshold: logits.max() + score - threshold), "images depend on each other here: is there a maximum or a mean over the whole batch? The largest logit of each image is logits.amax(1)"),
        Mistake(lambda logits, score, threshold: torch.cat([_excess(logits, score, threshold)[:, None], logits], 1), "the new class stands first, which renumbers all others: put it last, torch.cat([logits, ...], 1)"),
        Mistake(lambda logits, score, threshold: guard(logits, score, threshold).softmax(1), UNTOUCHED),
        Mistake(lambda logits, score, threshold: guard(logits, score, threshold).log_softmax(1), UNTOUCHED),
        Mistake(lambda logits, score, threshold: guard(logits.softmax(1), score, threshold), UNTOUCHED),
        Mistake(lambda logits, score, threshold: guard(logits - logits.amax(1, keepdim=True), score, threshold), UNTOUCHED),
        Mistake(_guarding(_excess, lambda logits, s, t: logits * (s <= t)[:, None]), UNTOUCHED),
        Mistake(_guarding(_excess, lambda logits, s, t: logits.masked_fill((s > t)[:, None], -torch.inf)), UNTOUCHED),
        Mistake(_guarding(lambda logits, score, threshold: _excess(logits, score.detach(), threshold)), CUT),
        Mistake(lambda logits, score, threshold: guard(logits, score, threshold).detach(), CUT),
        Mistake(_guarding(_excess, lambda logits, score, threshold: logits.detach()), "the classes' own logits are cut off from the network: leave out .detach() there too"),
        Mistake(_excess, "this is the new logit alone: put it beside the others, torch.cat([logits, rejected[:, None]], 1)"),
        Mistake(lambda logits, score, threshold: guard(logits, score, threshold).argmax(1), "this is the decision, which has no gradient: return the logits, (N, K + 1)"),
    ),
    "6.5": (
        Mistake(_splitting(lambda j: j), "directions @ (directions.T @ change) projects only if the columns have length 1 and stand at right angles, and these do neither: make an orthonormal basis of them first, torch.linalg.qr(directions).Q"),
        Mistake(_splitting(lambda j: j / j.norm(dim=0)), "the columns have length 1 now, but do not stand at right angles, so what they share counts twice: torch.linalg.qr(directions).Q mends both"),
        Mistake(_splitting(lambda j: j / j.norm()), "one length for all directions does not make them orthonormal: torch.linalg.qr(directions).Q"),
        Mistake(_splitting(lambda j: F.normalize(j, dim=1)), "the *rows* have length 1 now: a direction is a column. torch.linalg.qr(directions).Q is an orthonormal basis"),
        Mistake(_one_after_the_other, "one direction after the other is taken out of the rest, but they do not stand at right angles: what is taken out for one brings back a bit of those before. Make them orthonormal first, torch.linalg.qr(directions).Q"),
        Mistake(_splitting(give=lambda change, along: (change - along, along)), "the two are exchanged: the part along the directions comes first, then the rest"),
        Mistake(_splitting(lambda j: torch.linalg.qr(j, mode="complete").Q), 'a basis of all D dimensions: everything lies along it, and the rest is 0. Keep d columns: qr without "complete", svd with full_matrices=False'),
        Mistake(_splitting(lambda j: torch.linalg.qr(j).Q[:, :1]), "only one direction is used: the span has d of them"),
        Mistake(_splitting(give=lambda change, along: (along, along - change)), "the rest has the wrong sign: change - along, so that the two parts add up to the change"),
        Mistake(_splitting(give=lambda change, along: (along, change)), "the second part is the whole change: take the first away from it, change - along"),
        Mistake(_by_coefficients(lambda j, along: torch.linalg.qr(j).Q.T @ along), COEFFICIENTS),
        Mistake(_by_coefficients(lambda j, along: torch.linalg.pinv(j) @ along), COEFFICIENTS),
        Mistake(_by_coefficients(lambda j, along: j.T @ along), COEFFICIENTS),
        Mistake(lambda change, directions: split(change, directions)[0].norm() / change.norm(), SHARE),
        Mistake(lambda change, directions: tuple(p.norm() / change.norm() for p in split(change, directions)), SHARE),
        Mistake(lambda change, directions: tuple(p.norm().square() / change.norm() ** 2 for p in split(change, directions)), SHARE),
        Mistake(lambda change, directions: tuple(p.norm() for p in split(change, directions)), "these are the lengths of the two parts: return the parts themselves, each in the shape of the change"),
        Mistake(lambda change, directions: tuple(p / p.norm() for p in split(change, directions)), "the parts have length 1 here: leave them as long as they are, so that they add up to the change"),
        Mistake(lambda change, directions: split(change, directions)[0], "return two things: the part along the directions, and the rest"),
    ),
}
