"""Lesson 08: pigeonholes, what a layer does not see, radial functions, a hinge, a worst case, a right to refuse."""

import math
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import (
    CUT,
    advised,
    as_number,
    in_stages,
    looks,
    slopes,
    up_to_the_first_difference,
)


def _normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# 8.1


def crowd(pixels, levels, numbers, bits):
    images = pixels * math.log10(levels)
    outputs = numbers * bits * math.log10(2)
    return max(0.0, images - outputs)


TOO_LARGE = (
    "levels ** pixels has some 1,900 digits for a digit's image, and a float ends at 1.8e308. So compute with the "
    "logarithms: log10(a ** b / c) = b * log10(a) - log10(c)"
)
LOG_OF_ZERO = (
    "this asks for the logarithm of 0 or less: with more outputs than images the share rounds down to 0 (and a "
    "difference falls below it). One image has some output for certain: never below log10(1) = 0"
)
BIG_INTEGERS = (
    "numpy knows no integers this large: math.log10 takes them. Or compute with the logarithms of the factors"
)
THE_LOGARITHM = "this is the number of images itself: want its logarithm, log10"
COUNTS = (  # in each small case the outputs divide the images, so that "at least" and "on average" are the same number
    (3, 4, 1, 2),
    (6, 10, 1, 4),
    (4, 12, 2, 3),
    (10, 2, 3, 2),
    (5, 6, 1, 3),
    (1, 256, 1, 8),
    (2, 2, 2, 3),
    (4, 2, 10, 32),
    (784, 256, 10, 32),
    (150_528, 256, 1000, 64),
)
NO_OUTPUT = 784, 256, 0, 0  # all images share the one empty answer


def _probe_crowd(attempt):
    advice = dict.fromkeys(
        ("too large", "out of range", "range error", "Exceeds the limit", "Overflow", "too big"), TOO_LARGE
    )
    attempt = advised(attempt, advice | {"math domain error": LOG_OF_ZERO, "no callable log10": BIG_INTEGERS})
    seen = _counted(attempt, COUNTS)
    return seen if describe_difference(seen, _counted(crowd, COUNTS)) else seen | _counted(attempt, [NO_OUTPUT])


def _counted(attempt, cases):
    seen = {}
    for case in cases:
        result = as_number(attempt(*case))
        if isinstance(result, (Decimal, Fraction)):
            result = float(result)
        if isinstance(result, float) and math.isinf(result):
            raise NotYet(TOO_LARGE)
        if isinstance(result, int) and abs(result) > 10**300:
            raise NotYet(THE_LOGARITHM)
        pixels, levels, numbers, bits = case
        seen[f"{pixels} pixels of {levels} levels, {numbers} numbers of {bits} bits"] = (
            float(result) if isinstance(result, (int, float)) else result
        )
    return seen


def _logs(pixels, levels, numbers, bits):
    return pixels * math.log10(levels), numbers * bits * math.log10(2)


def _shared(images=lambda p, g: p * math.log10(g), outputs=lambda n, b: n * b * math.log10(2), end=lambda a, b: a - b):
    """The logarithm with one part exchanged, as long as it is not below 0: the source of the classic mistakes."""
    return lambda pixels, levels, numbers, bits: max(0.0, end(images(pixels, levels), outputs(numbers, bits)))


def _in_floats(pixels, levels, numbers, bits):
    images = torch.tensor(float(levels)).double() ** pixels
    return (images / 2.0 ** min(numbers * bits, 1000)).log10().clamp(min=0)


def _of_the_difference(pixels, levels, numbers, bits):
    return math.log10(max(1, levels**pixels - 2 ** (numbers * bits)))


def _digits(pixels, levels, numbers, bits):
    return math.floor(crowd(pixels, levels, numbers, bits)) + 1


def _count(pixels, levels, numbers, bits):
    return max(1, levels**pixels // 2 ** (numbers * bits))


WRONG_BASE = "this is a logarithm to another base: want log10, so that the result says how many digits the number has"
WHOLE = "rounded to a whole number: leave log10 as it is"
OUTPUT_COUNT = (
    "the outputs are counted wrongly: a number of `bits` bits has 2 ** bits values, and a row of `numbers` of them "
    "2 ** (numbers * bits)"
)
IMAGE_COUNT = (
    "the images are counted wrongly: each pixel has `levels` greys, whatever the others have, so there are "
    "levels ** pixels images, and log10 of that is pixels * log10(levels)"
)
BELOW_ZERO = (
    "with more outputs than images this falls below 0, as if less than one image had an output. One image has one for "
    "certain: never below log10(1) = 0"
)
EXCHANGED = "images and outputs are exchanged: the images are dealt out to the outputs, so images / outputs"

EX_CROWD = Exercise(
    id="8.1",
    reference=crowd,
    probe=_probe_crowd,
    mistakes="",
    also=(
        Mistake(lambda *given: _logs(*given)[0] - _logs(*given)[1], BELOW_ZERO),
        Mistake(_shared(outputs=lambda n, b: n * math.log10(2)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: b * math.log10(2)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: math.log10(n * b)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: math.log10(2 * n * b)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: b * math.log10(n)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: n * math.log10(b)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: math.log10(n)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: math.log10(n) + b * math.log10(2)), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: n * b), OUTPUT_COUNT),
        Mistake(_shared(outputs=lambda n, b: 8 * n * b * math.log10(2)), OUTPUT_COUNT),
        Mistake(_shared(images=lambda p, g: math.log10(p * g)), IMAGE_COUNT),
        Mistake(_shared(images=lambda p, g: g * math.log10(p)), IMAGE_COUNT),
        Mistake(_shared(images=lambda p, g: p * g * math.log10(2)), IMAGE_COUNT),
        Mistake(_shared(images=lambda p, g: p * math.log10(2)), IMAGE_COUNT),
        Mistake(_shared(images=lambda p, g: math.log10(g)), IMAGE_COUNT),
        Mistake(_shared(images=lambda p, g: p * math.log10(g - 1)), IMAGE_COUNT),
        Mistake(_shared(lambda p, g: p * math.log(g), lambda n, b: n * b * math.log(2)), WRONG_BASE),
        Mistake(_shared(lambda p, g: p * math.log2(g), lambda n, b: n * b), WRONG_BASE),
        Mistake(
            _shared(outputs=lambda n, b: n * b * math.log(2)),
            "two bases are mixed: log10 for the images, and log10 for the outputs, numbers * bits * log10(2)",
        ),
        Mistake(
            _shared(end=lambda images, outputs: images + outputs),
            "images and outputs are multiplied (their logarithms added): the images are *dealt out* to the outputs, "
            "so divide",
        ),
        Mistake(_shared(end=lambda images, outputs: outputs - images), EXCHANGED),
        Mistake(lambda *given: _logs(*given)[1] - _logs(*given)[0], EXCHANGED),
        Mistake(
            _shared(end=lambda images, outputs: abs(images - outputs)),
            "abs turns too many outputs into a crowd: where there are more outputs than images none has to be shared. "
            "max(0, ...)",
        ),
        Mistake(
            _shared(end=lambda images, outputs: images / outputs),
            "one logarithm is divided by the other: the logarithm of a quotient is the *difference*, "
            "log10(a / b) = log10(a) - log10(b)",
        ),
        Mistake(
            _shared(end=lambda images, outputs: images),
            "this is the number of all images: deal them out to the 2 ** (numbers * bits) outputs",
        ),
        Mistake(
            _of_the_difference,
            "this is how many more images than outputs there are: divide, do not subtract, the counts themselves",
        ),
        Mistake(_in_floats, TOO_LARGE),
        Mistake(_count, THE_LOGARITHM),
        Mistake(lambda *given: math.floor(crowd(*given)), WHOLE),
        Mistake(lambda *given: math.ceil(crowd(*given)), WHOLE),
        Mistake(lambda *given: round(crowd(*given)), WHOLE),
        Mistake(
            _digits,
            "this counts the digits: want log10 itself, which is 3 for 1000",
        ),
    ),
    hints=(
        "Pigeons and holes: if 100 images go to 8 outputs, some output gets 100 / 8 at least. How many images are "
        "there, and how many different outputs?",
        "levels ** pixels images and 2 ** (numbers * bits) outputs. Both are too large for floats, their logarithms "
        "are not: log10(a ** b) = b * log10(a), and a quotient becomes a difference.",
        "max(0, pixels * math.log10(levels) - numbers * bits * math.log10(2))",
    ),
)

# 8.2


def unseen(weight, change):
    seen = change @ weight.T @ torch.linalg.pinv(weight).T
    return change - seen


SIDES = (
    "weight is (m, d), change has a change a *row*, (N, d): the layer makes change @ weight.T of them, (N, m). "
    "torch.linalg.pinv(weight) is (d, m), and leads from there back to (N, d) as change @ weight.T @ pinv(weight).T"
)
SINGULAR = (
    "weight @ weight.T has no inverse here: rows of the weight depend on each other (two are alike, or one is 0). "
    "torch.linalg.pinv(weight) needs none"
)


@cache
def _layers():
    """Weights of full rank and changes, by name."""
    exact = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), torch.tensor([[3.0, 4.0, 5.0]])
    return {
        "the weights (1, 0, 0) and (0, 2, 0), the change (3, 4, 5)": (exact,),
        "3 units, 8 pixels, 4 changes": ((_normal(3, 8, seed=0), _normal(4, 8, seed=2)),),
        "3 units with small weights, 8 pixels, 4 other changes": (
            (0.05 * _normal(3, 8, seed=10), _normal(4, 8, seed=11)),
        ),
        "7 units, 4 pixels, which sees everything": ((_normal(7, 4, seed=5), _normal(2, 4, seed=6)),),
        "60 units, 784 pixels, 10 changes": ((_normal(60, 784, seed=8) / 28, _normal(10, 784, seed=9)),),
    }


@cache
def _dependent_layers():
    """Weights whose rows depend on each other. Eighths add up exactly, so that a rank of 2 is one in float64, too."""
    two = (8 * _normal(2, 6, seed=1)).round() / 8
    low = torch.stack([two[0], two[1], two[0], two[0] - two[1], torch.zeros(6)])
    return {
        "5 units, 6 pixels, a weight of rank 2": ((low, _normal(3, 6, seed=3)),),
        "2 units with the same weights, 6 pixels": ((two[[0, 0]], _normal(1, 6, seed=4)),),
        "2 units whose weights are 0, which sees nothing": ((torch.zeros(2, 3), _normal(4, 3, seed=7)),),
    }


def _probe_unseen(attempt):
    advice = dict.fromkeys(
        ("cannot be multiplied", "size mismatch", "must match", "same shape", "expanded size"), SIDES
    )
    advice |= dict.fromkeys(("singular", "positive-definite", "not invertible"), SINGULAR)
    attempt = advised(attempt, advice)
    seen = _parts(attempt)
    if not describe_difference(seen, _parts(unseen)):
        looks(attempt, "the type", _layers(), _want_float32)
    return seen


def _parts(attempt):
    seen = looks(attempt, "the part", _layers())
    for name, case in _dependent_layers().items():
        seen |= looks(attempt, "the part", {name: case}, partial(_judged, *case[0]))
    return seen


def _want_float32(found):
    if found.dtype != torch.float32:
        raise NotYet(
            f"the numbers are right, but their type is {found.dtype}. Added to images they make {found.dtype} of them, "
            "too, which the network refuses: return .to(change), which has the type of change"
        )


def _judged(weight, change, found):
    """A part in words: where it is wrong for a weight of lower rank, rounding errors decide about its values."""
    right = unseen(weight, change)
    if not isinstance(found, Tensor) or found.shape != right.shape:
        return None if found is None else named(found)
    off = found.detach().to(right) - right
    if off.abs().max() < 1e-3:
        return "all that is not seen, and nothing else"
    return "less than all that is not seen" if (off @ weight.T).abs().max() < 1e-3 else "something that is seen"


def _without(seen):
    """The change without what is taken for its seen part."""
    return lambda weight, change: change - seen(weight, change)


def _row_by_row(rows):
    def take_out(weight, change):
        for row in rows(weight):
            change = change - torch.outer(change @ row, row) / row.square().sum().clamp(min=1e-12)
        return change

    return take_out


def _onto(basis):
    def project(weight, change):
        directions = basis(weight)
        return change @ directions @ directions.T

    return project


def _full_qr(weight):
    return torch.linalg.qr(weight.T, mode="complete").Q


def _right_vectors(weight, full=True):
    return torch.linalg.svd(weight, full_matrices=full).Vh.T


def _above_0(weight):
    values, rows = torch.linalg.svd(weight, full_matrices=False)[1:]
    return rows[values > 0].T


def _null(weight):
    return _right_vectors(weight)[:, torch.linalg.matrix_rank(weight) :]


NO_INVERSE = (
    "change @ W.T @ W projects only if the rows of the weight have length 1 and stand at right angles, and these do "
    "neither. The pseudo-inverse mends both: change @ W.T @ torch.linalg.pinv(W).T is the part that is seen"
)
COUNTS_ROWS = (
    "the null space has d minus the *rank* dimensions, and the rank may be smaller than the number of rows: where rows "
    "depend on each other, directions are lost that the layer does not see. Count singular values above a small "
    "tolerance, as torch.linalg.matrix_rank does, or take torch.linalg.pinv"
)
ABOVE_0 = (
    "singular values are compared with 0 itself: where rows depend on each other those that should be 0 are rounding "
    "errors in float32, such as 1e-8, and directions are lost that the layer does not see. Compare with a small "
    "tolerance, as torch.linalg.matrix_rank does, or take torch.linalg.pinv"
)
COORDINATES = (
    "these are coordinates in a basis of the null space: multiply by the basis again, so that each is a change of d "
    "pixels"
)
OLD_INVERSE = (
    "torch.pinverse counts singular values down to 1e-15 of the largest, which in float32 are rounding errors: where "
    "rows depend on each other it inverts these. torch.linalg.pinv looks at the type of the numbers first"
)
THE_OUTPUTS = (
    "this is what the layer sees of the change, m numbers: want pixels, (N, d). torch.linalg.pinv(weight) leads back "
    "from m numbers to d pixels"
)
THE_SEEN = (
    "this is the part that the layer *does* see: take it away from the change. (The first columns of a full QR of "
    "weight.T span it, too.)"
)
NOTHING_LEFT = (
    "nothing is left. No change at all is not seen either, but want *all* of the change that is not seen, the nearest "
    "to it in the null space. (The small svd, full_matrices=False, keeps m of d directions; the null space is among "
    "the others.)"
)
ONE_EACH = "this is one number a change: return the changes themselves, (N, d)"

EX_UNSEEN = Exercise(
    id="8.2",
    reference=unseen,
    probe=_probe_unseen,
    mistakes="",
    also=(
        Mistake(
            lambda weight, change: change - unseen(weight, change),
            THE_SEEN,
        ),
        Mistake(
            lambda weight, change: -unseen(weight, change),
            "the sign is turned: the change minus what is seen of it",
        ),
        Mistake(_without(lambda W, x: x @ W.T @ W), NO_INVERSE),
        Mistake(_without(lambda W, x: x @ F.normalize(W).T @ F.normalize(W)), NO_INVERSE),
        Mistake(_without(lambda W, x: x @ (W / W.norm()).T @ (W / W.norm())), NO_INVERSE),
        Mistake(
            _without(lambda W, x: x @ W.T @ W / W.square().sum(1).mean()),
            NO_INVERSE,
        ),
        Mistake(
            _row_by_row(lambda weight: weight[:1]),
            "only the first row of the weight is taken out: the layer has m units, and each sees a direction",
        ),
        Mistake(
            _row_by_row(lambda weight: weight),
            "one row after the other is taken out, but rows are not at right angles: what is taken out for one brings "
            "back a bit of those before. Take all out at once: torch.linalg.pinv",
        ),
        Mistake(
            _row_by_row(lambda weight: weight.flip(0)),
            "one row after the other is taken out, but rows are not at right angles: what is taken out for one brings "
            "back a bit of those before. Take all out at once: torch.linalg.pinv",
        ),
        Mistake(lambda weight, change: change @ weight.T, THE_OUTPUTS),
        Mistake(lambda weight, change: change @ torch.linalg.pinv(weight), THE_OUTPUTS),
        Mistake(_without(lambda W, x: x @ W.T @ torch.pinverse(W).T), OLD_INVERSE),
        Mistake(_without(lambda W, x: x @ torch.pinverse(W) @ W), OLD_INVERSE),
        Mistake(_without(lambda W, x: x @ (torch.pinverse(W) @ W)), OLD_INVERSE),
        Mistake(_without(lambda W, x: (torch.pinverse(W) @ (W @ x.T)).T), OLD_INVERSE),
        Mistake(lambda W, x: x @ (torch.eye(W.shape[1]) - torch.pinverse(W) @ W), OLD_INVERSE),
        Mistake(lambda weight, change: change @ _null(weight), COORDINATES),
        Mistake(_without(_onto(_above_0)), ABOVE_0),
        Mistake(lambda W, x: x - x @ _above_0(W) @ _above_0(W).T, ABOVE_0),
        Mistake(_onto(lambda weight: _full_qr(weight)[:, len(weight) :]), COUNTS_ROWS),
        Mistake(_onto(lambda weight: _right_vectors(weight)[:, len(weight) :]), COUNTS_ROWS),
        Mistake(_without(_onto(lambda weight: torch.linalg.qr(weight.T).Q)), COUNTS_ROWS),
        Mistake(_without(_onto(lambda weight: _right_vectors(weight, full=False))), COUNTS_ROWS),
        Mistake(
            _onto(lambda weight: _right_vectors(weight, full=False)[:, torch.linalg.matrix_rank(weight) :]),
            NOTHING_LEFT,
        ),
        Mistake(
            _onto(lambda weight: _full_qr(weight)[:, : len(weight)]),
            THE_SEEN,
        ),
        Mistake(
            lambda weight, change: torch.zeros_like(change),
            NOTHING_LEFT,
        ),
        Mistake(
            lambda weight, change: change * (weight == 0).all(0),
            "these are the pixels that no unit looks at. A layer misses more: combinations of pixels whose weighted "
            "sums are all 0",
        ),
        Mistake(
            lambda weight, change: F.normalize(unseen(weight, change), dim=1),
            "each part has length 1 here: leave it as long as it is",
        ),
        Mistake(
            lambda weight, change: unseen(weight, change).clamp(0, 1),
            "a change may be negative: without clamp",
        ),
        Mistake(lambda weight, change: unseen(weight, change).T, "a change is a row: (N, d), not (d, N)"),
        Mistake(lambda weight, change: unseen(weight, change).norm(dim=1), ONE_EACH),
        Mistake(lambda weight, change: unseen(weight, change).norm(dim=1) / change.norm(dim=1), ONE_EACH),
        Mistake(
            lambda weight, change: torch.eye(weight.shape[1]) - torch.linalg.pinv(weight) @ weight,
            "this is the projection itself, (d, d): apply it to the changes, change @ projection",
        ),
        Mistake(
            lambda weight, change: _null(weight).T,
            "this is a basis of the null space: want the part of each change that lies in it, (N, d)",
        ),
        Mistake(
            lambda weight, change: unseen(weight, change[:1]),
            "this is the first change only: change has a change a row, and all can be done at once",
        ),
    ),
    hints=(
        "Split the change in two: a part that is a mixture of the weight's rows, and one at right angles to all of "
        "them. Which of the two does weight @ x see?",
        "The layer makes change @ weight.T of the changes. torch.linalg.pinv(weight), (d, m), gives the shortest "
        "change that makes the same numbers, also where rows depend on each other.",
        "change - change @ weight.T @ torch.linalg.pinv(weight).T",
    ),
)

# 8.3


def rbf(features, centres):
    return -(features[:, None] - centres).square().sum(dim=2)


PAIRS = (
    "each image is compared with *each* centre: features[:, None] - centres has the shape (N, K, d), and a sum over "
    "the last dimension leaves (N, K)"
)


@cache
def _places():
    """Features and centres, by name."""
    exact = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0], [-1.0, 2.0]])
    signs = torch.where(_normal(10, 84, seed=3) > 0, 1.0, -1.0)
    return {
        "the features (0, 0), (3, 4), the centres (0, 0), (3, 0), (-1, 2)": (exact,),
        "5 images, 3 centres, 4 features": ((_normal(5, 4, seed=0), 2 * _normal(3, 4, seed=1)),),
        "5 other images, 3 other centres": ((_normal(5, 4, seed=8), _normal(3, 4, seed=9)),),
        "3 images, one centre": ((_normal(3, 2, seed=4), _normal(1, 2, seed=5)),),
        "one image, 6 centres": ((_normal(1, 5, seed=6), _normal(6, 5, seed=7)),),
        "50 images, 10 drawings of 84 pixels": ((1.5 * _normal(50, 84, seed=2).tanh(), signs),),
    }


def _probe_rbf(attempt):
    attempt = advised(attempt, dict.fromkeys(("must match the size", "cannot be multiplied", "size mismatch"), PAIRS))
    seen = looks(attempt, "the logits", _places())
    if describe_difference(seen, looks(rbf, "the logits", _places())):
        return seen
    few = {name: case for name, case in _places().items() if len(case[0][0]) < 50}
    return seen | slopes(attempt, "the logits", few)


def _measuring(distance=lambda offsets: offsets.square().sum(2), end=lambda distances: -distances):
    """The logits with one part exchanged: the source of the classic mistakes."""
    return lambda features, centres: end(distance(features[:, None] - centres))


def _multiplied_out(own=1, both=-2, others=1):
    """The square multiplied out, |h|^2 - 2 h . c + |c|^2, with other factors."""

    def measure(features, centres):
        squares = own * features.square().sum(1)[:, None] + others * centres.square().sum(1)
        return -(squares + both * features @ centres.T)

    return measure


BINOMIAL = "the square is multiplied out wrongly: |h - c|^2 = |h|^2 - 2 h . c + |c|^2, and the logit is minus all of it"
SQUARED = (
    "these are minus the distances: want minus their *squares*, so without the root (norm and cdist take one: square)"
)
RAW = "return the logits themselves, minus the squared distances: what makes probabilities of them comes later"
WHICH = "this names the nearest centre only: want a logit for each class, (N, K)"
LIKENESS = (
    "a product grows with the length of the features, so it can be large far from all centres: that is the layer which "
    "this one is to replace. Want minus the squared distance"
)

EX_RBF = Exercise(
    id="8.3",
    reference=rbf,
    probe=_probe_rbf,
    mistakes="",
    also=(
        Mistake(
            _measuring(end=lambda distances: distances),
            "the sign: the class with the *largest* logit wins, and the nearest centre is to win. Minus the squared "
            "distance",
        ),
        Mistake(_measuring(end=lambda distances: -distances.sqrt()), SQUARED),
        Mistake(lambda features, centres: -torch.cdist(features, centres), SQUARED),
        Mistake(
            lambda features, centres: torch.cdist(features, centres),
            "these are distances: the logits are *minus* their *squares*",
        ),
        Mistake(
            _measuring(end=lambda distances: -distances.square()),
            "the fourth power: squared once more than it should be",
        ),
        Mistake(
            _measuring(lambda offsets: offsets.square().mean(2)),
            "this is the mean over the features: the squared distance is the sum, dim=2",
        ),
        Mistake(
            _measuring(lambda offsets: offsets.square().sum(2) / 2),
            "half of it, as in the exponent of a Gaussian: want minus the squared distance, without 1/2",
        ),
        Mistake(
            _measuring(lambda offsets: offsets.abs().sum(2)),
            "this adds up absolute values: squares, .square()",
        ),
        Mistake(
            _measuring(lambda offsets: offsets.sum(2).square()),
            "this squares the sum, in which differences cancel: square first, then sum",
        ),
        Mistake(
            _measuring(lambda offsets: offsets.square().amax(2)),
            "only the largest difference counts here: sum over the features",
        ),
        Mistake(
            lambda features, centres: rbf(features, centres).T,
            "this is (K, N): an image is a row, a class is a column",
        ),
        *(
            Mistake(_multiplied_out(*factors), BINOMIAL)
            for factors in ((1, -1, 1), (1, 0, 1), (0, -2, 1), (1, -2, 0), (1, 2, 1), (-1, -2, -1), (-1, 2, 1))
        ),
        Mistake(lambda features, centres: features @ centres.T, LIKENESS),
        Mistake(lambda features, centres: 2 * features @ centres.T, LIKENESS),
        Mistake(
            lambda features, centres: F.cosine_similarity(features[:, None], centres, dim=2),
            "this is the cosine of an angle, which forgets how far away the features are: minus the squared distance",
        ),
        Mistake(_measuring(end=lambda distances: (-distances).softmax(1)), RAW),
        Mistake(_measuring(end=lambda distances: (-distances).log_softmax(1)), RAW),
        Mistake(_measuring(end=lambda distances: (-distances).exp()), RAW),
        Mistake(_measuring(end=lambda distances: 1 / (1 + distances)), RAW),
        Mistake(_measuring(end=lambda distances: distances.argmin(1)), WHICH),
        Mistake(_measuring(end=lambda distances: -distances.amin(1)), WHICH),
        Mistake(
            _measuring(lambda offsets: offsets.square()),
            "these are the squares feature by feature, (N, K, d): sum over the last dimension",
        ),
        Mistake(
            _measuring(lambda offsets: offsets.square().sum(1)),
            "this adds up over the centres (dim=1): the features are the last dimension, sum(2)",
        ),
        Mistake(_measuring(lambda offsets: offsets.square().sum()), "this is one number: want (N, K), so sum(2)"),
        Mistake(
            lambda features, centres: rbf(features[:1], centres)[0],
            "this is the first image only: want a row an image, (N, K)",
        ),
        Mistake(
            lambda features, centres: rbf(features[:1], centres).expand(len(features), -1),
            "each image gets the logits of the first",
        ),
        Mistake(lambda features, centres: rbf(features, centres).detach(), CUT),
        Mistake(lambda features, centres: rbf(features.detach(), centres), CUT),
        Mistake(lambda features, centres: torch.tensor(rbf(features, centres).tolist()), CUT),
        Mistake(
            _measuring(end=lambda distances: -distances.sqrt().square()),
            "the values are right, but the gradient is NaN for features that lie on a centre: the root has no slope "
            "at 0, and squaring comes too late. Leave out the root",
        ),
    ),
    hints=(
        "features is (N, d) and centres (K, d): features[:, None] is (N, 1, d), and minus centres it is all "
        "differences, (N, K, d).",
        "Squares, summed over the last dimension, are the squared distances. A logit has to be large where the "
        "distance is small.",
        "-(features[:, None] - centres).square().sum(dim=2)",
    ),
)

# 8.4


def hinge(logits, labels, margin):
    own = F.one_hot(labels, logits.shape[1]).bool()
    rival = logits.masked_fill(own, -torch.inf).amax(dim=1)
    return (margin + rival - logits[own]).clamp(min=0).mean()


OWN_LOGITS = (
    "logits[torch.arange(len(labels)), labels] are the labels' own logits, (N,), and so is "
    "logits.gather(1, labels[:, None])[:, 0]"
)
ROWS = f"labels is (N,), one class an image: {OWN_LOGITS}"


@cache
def _answers():
    """Logits, labels and margins, by name; no image lies on an edge of the hinge, where any slope would do."""
    one = {
        f"the logits {logits}, label {label}, margin {margin:g}": (
            (torch.tensor([[float(f) for f in logits]]), torch.tensor([label])),
            margin,
        )
        for logits, label, margin in (
            ((1, 3, 2), 0, 1.0),
            ((5, 3, 2), 0, 1.0),
            ((2, 0, 1.5), 0, 1.0),
            ((4, 1, 3), 0, 2.0),
            ((-7, -3, -5), 1, 4.0),
        )
    }
    far = -300 + 5 * _normal(30, 10, seed=2)
    low = -(2.0**40) + 2.0**17 * torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 5.0]])  # exact in float32, as are sums
    return one | {
        "6 images, 4 classes, margin 1": ((2 * _normal(6, 4, seed=0), torch.tensor([0, 3, 1, 2, 2, 0])), 1.0),
        "5 images, 2 classes, margin 0": ((_normal(5, 2, seed=1), torch.tensor([0, 1, 1, 0, 1])), 0.0),
        "30 images, 10 classes, logits near -300, margin 3": ((far, (far.argmax(1) + torch.arange(30) % 2) % 10), 3.0),
        "2 images, 3 classes, logits near -1e12, margin 262144": ((low, torch.tensor([1, 2])), 2.0**18),
        "8 images, 3 classes, margin 20": ((_normal(8, 3, seed=4), torch.arange(8) % 3), 20.0),
    }


def _probe_hinge(attempt):
    attempt = advised(attempt, dict.fromkeys(("must match the size", "same number of dimensions"), ROWS))
    seen = looks(attempt, "the loss", _answers(), as_number)
    if describe_difference(seen, looks(hinge, "the loss", _answers(), as_number)):
        return seen
    return seen | slopes(attempt, "the loss", _answers())


def _own(logits, labels):
    return logits.gather(1, labels[:, None])[:, 0]


def _filled(value):
    """The largest logit, with some value in the place of the label's."""
    return lambda logits, labels: logits.scatter(1, labels[:, None], value).amax(1)


_largest_other = _filled(-torch.inf)


def _hinging(
    before=lambda logits: logits,
    rival=_largest_other,
    gap=lambda margin, rival, own: margin + rival - own,
    cut=lambda gaps: gaps.clamp(min=0),
    mean=lambda losses: losses.mean(),
):
    """The loss with one part exchanged: the source of the classic mistakes."""

    def lose(logits, labels, margin):
        logits = before(logits)
        return mean(cut(gap(margin, rival(logits, labels), _own(logits, labels))))

    return lose


def _all_rivals(mean):
    """Weston and Watkins's hinge: each rival pays for itself."""

    def lose(logits, labels, margin):
        gaps = (margin + logits - _own(logits, labels)[:, None]).clamp(min=0)
        return mean(gaps.scatter(1, labels[:, None], 0).sum(1), logits.shape[1])

    return lose


def _each_for_itself(logits, labels, margin):
    signs = 2 * F.one_hot(labels, logits.shape[1]) - 1
    return (margin - signs * logits).clamp(min=0).sum(1).mean()


def _all_columns(logits, labels, margin):
    rival = _largest_other(logits, labels)
    return (margin + rival - logits[:, labels]).clamp(min=0).mean()


WESTON = (
    "every rival pays here (Weston and Watkins 1999; F.multi_margin_loss divides by K too): Crammer and Singer's hinge "
    "looks at the *largest* rival only"
)
AMONG_RIVALS = (
    "the label counts among its own rivals, so the loss never falls below the margin, however right the answer is: "
    "put -inf in the label's place before the maximum"
)
PLACEHOLDER = (
    "the number in the label's place takes part in the maximum, and wins where all rivals are lower (logits may lie "
    "anywhere: a radial function's near -300, others still lower): put -inf there"
)
IMAGES_APART = "the rival is looked for among all images here: each image has its own, amax(dim=1)"

EX_HINGE = Exercise(
    id="8.4",
    reference=hinge,
    probe=_probe_hinge,
    mistakes="",
    also=(
        Mistake(_hinging(rival=lambda logits, labels: logits.amax(1)), AMONG_RIVALS),
        *(
            Mistake(_all_rivals(mean), WESTON)
            for mean in (
                lambda sums, classes: sums.mean(),
                lambda sums, classes: sums.mean() / classes,
                lambda sums, classes: sums.mean() / (classes - 1),
                lambda sums, classes: sums.sum(),
            )
        ),
        *(Mistake(_hinging(rival=_filled(value)), PLACEHOLDER) for value in (0, -1, -10, -100, -1000, -1e4, -1e9)),
        Mistake(
            _hinging(rival=lambda logits, labels: (logits - torch.inf * F.one_hot(labels, logits.shape[1])).amax(1)),
            "NaN: infinity times 0 is NaN, so all other logits are lost. *Write* -inf into the label's place of a "
            "copy: logits.scatter(1, labels[:, None], -torch.inf), or masked_fill",
        ),
        Mistake(
            _hinging(gap=lambda margin, rival, own: margin + own - rival),
            "the sign: the loss has to fall as the label's logit rises, margin + rival - own",
        ),
        Mistake(
            _hinging(gap=lambda margin, rival, own: rival - own - margin),
            "the margin has the wrong sign: the label is to win *by the margin*, so a narrow win still costs, "
            "margin + rival - own",
        ),
        Mistake(
            _hinging(gap=lambda margin, rival, own: rival - own),
            "the margin is missing, so any win is enough: margin + rival - own",
        ),
        Mistake(
            _hinging(gap=lambda margin, rival, own: 1 + rival - own),
            "the margin is 1 here, whatever is asked for: margin + rival - own",
        ),
        Mistake(
            _hinging(gap=lambda margin, rival, own: margin * (1 + rival - own)),
            "the margin multiplies: it is added, margin + rival - own",
        ),
        Mistake(
            _hinging(gap=lambda margin, rival, own: margin - own),
            "the rival is missing: what counts is by how much the label's logit passes the largest other one",
        ),
        Mistake(
            _hinging(cut=lambda gaps: gaps),
            "without max(0, ...) an image that is right by far pays for one that is wrong: clamp(min=0), image by "
            "image",
        ),
        Mistake(
            _hinging(cut=lambda gaps: gaps, mean=lambda losses: losses.mean().clamp(min=0)),
            "max(0, ...) comes after the mean here, so an image that is right by far pays for one that is wrong: "
            "clamp(min=0) first, then the mean",
        ),
        Mistake(
            _hinging(cut=lambda gaps: gaps.abs()),
            "abs punishes answers that are right by more than the margin: clamp(min=0)",
        ),
        Mistake(
            _hinging(cut=F.softplus),
            "softplus rounds the hinge off, so that even a sure answer costs a little: max(0, ...), clamp(min=0)",
        ),
        Mistake(
            _hinging(cut=lambda gaps: gaps.clamp(min=0).square()),
            "this is the squared hinge: without the square",
        ),
        Mistake(
            _hinging(cut=lambda gaps: (gaps > 0).float()),
            "this counts the images inside the margin: a count has no gradient. By how much are they inside?",
        ),
        Mistake(
            _hinging(cut=lambda gaps: gaps.clamp(0, 1)),
            "the loss is cut at 1: a hinge goes on rising, clamp(min=0) without a maximum",
        ),
        Mistake(_hinging(mean=lambda losses: losses.sum()), "this is the sum over the images: their mean"),
        Mistake(_hinging(mean=lambda losses: losses.amax()), "this is the worst image's loss: the mean over images"),
        Mistake(
            _hinging(mean=lambda losses: losses),
            "this is one number an image, (N,): return their mean",
        ),
        Mistake(
            _hinging(mean=lambda losses: losses[losses > 0].mean() if (losses > 0).any() else losses.sum()),
            "images that pay nothing count, too: the mean runs over all of them",
        ),
        Mistake(
            _hinging(before=lambda logits: logits.softmax(1)),
            "softmax squeezes all differences below 1, so a margin of 1 is out of reach: compare the logits themselves",
        ),
        Mistake(
            _hinging(rival=lambda logits, labels: logits.topk(2).values[:, 1]),
            "the second largest logit is the rival only if the label is the largest: where the image is misnamed, the "
            "rival is the largest. Put -inf in the label's place, then amax",
        ),
        Mistake(
            _hinging(rival=lambda logits, labels: _largest_other(logits, labels).max()),
            IMAGES_APART,
        ),
        Mistake(
            _hinging(rival=lambda logits, labels: _largest_other(logits, labels).argmax()),
            "argmax says *which* class the rival is: its logit is wanted, amax(dim=1)",
        ),
        Mistake(
            _hinging(
                rival=lambda logits, labels: logits.scatter(1, labels[:, None], -torch.inf).argmax(1),
            ),
            "argmax says *which* class the rival is: its logit is wanted, amax(dim=1)",
        ),
        Mistake(
            _hinging(
                rival=lambda logits, labels: logits.scatter(1, labels[:, None], 0).sum(1) / max(logits.shape[1] - 1, 1)
            ),
            "this is the mean of the rivals: one of them alone can win, so take the largest",
        ),
        Mistake(
            _hinging(rival=lambda logits, labels: logits.scatter(1, labels[:, None], torch.inf).amin(1)),
            "this is the weakest rival: the largest of the others, amax",
        ),
        Mistake(
            _hinging(rival=lambda logits, labels: logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)),
            "logsumexp lies above the largest rival, the more so the more rivals are near it: amax",
        ),
        Mistake(
            _all_columns,
            f"logits[:, labels] is (N, N), the logits of every image at every label: {OWN_LOGITS}",
        ),
        Mistake(
            lambda logits, labels, margin: (
                (margin + _largest_other(logits, labels) - logits.gather(1, labels[:, None])).clamp(min=0).mean()
            ),
            "gather leaves a column, (N, 1), and with the rivals, (N,), that makes (N, N), each rival minus each own "
            f"logit: {OWN_LOGITS}",
        ),
        Mistake(
            _each_for_itself,
            "each class is a yes-or-no question of its own here (one against the rest), its logit compared with "
            "+margin or -margin: compare the label's logit with the largest of the others",
        ),
        Mistake(
            lambda logits, labels, margin: F.cross_entropy(logits, labels),
            "this is the cross-entropy, which never is content: max(0, margin + rival - own)",
        ),
        Mistake(lambda logits, labels, margin: hinge(logits, labels, margin).item(), CUT),
        Mistake(lambda logits, labels, margin: hinge(logits.detach(), labels, margin), CUT),
        Mistake(
            _hinging(rival=lambda logits, labels: _largest_other(logits, labels).detach()),
            "the value is right, but the largest rival is cut off from the network, so only the label's logit is "
            "pushed: leave out .detach() (and .item(), numpy) there too",
        ),
    ),
    hints=(
        "For each image two numbers: the label's own logit, logits[torch.arange(len(labels)), labels], and the largest "
        "of the *others*. (Crammer and Singer 2001.)",
        "To leave the label out of the maximum, put -inf in its place in a copy: "
        "logits.scatter(1, labels[:, None], -torch.inf).amax(1). The caller's logits stay as they are.",
        "(margin + rival - own).clamp(min=0).mean()",
    ),
)

# 8.5


def worst(rights):
    return rights.all(dim=0).float().mean().item()


EACH_IMAGE = "Python's own all, and, not take one truth value: rights.all(dim=0) asks for each image"
AS_FLOATS = "a mean of True and False needs numbers: .float().mean()"


@cache
def _attacks():
    """Who is right under which attack, by name."""
    table = torch.tensor([[1, 1, 0, 1, 1], [1, 0, 1, 1, 1], [1, 1, 1, 0, 1]]).bool()
    square = _normal(4, 4, seed=5) > -1
    return {
        "3 attacks on 5 images, each beats another one": ((table,),),
        "one attack on 4 images, which beats one": ((torch.tensor([[True, True, False, True]]),),),
        "2 attacks that beat the same image of 3": ((torch.tensor([[False, True, True]] * 2),),),
        "3 attacks on one image, one beats it": ((torch.tensor([[True], [False], [True]]),),),
        "2 attacks on 4 images, beaten by none": ((torch.ones(2, 4).bool(),),),
        "2 attacks on 4 images, each beats 2, together all": ((torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]]).bool(),),),
        "4 attacks on 4 images": ((square,),),
        "5 attacks on 200 images": ((_normal(5, 200, seed=1) > -1 - torch.arange(5)[:, None] / 5,),),
    }


def _probe_worst(attempt):
    advice = dict.fromkeys(("could not infer output dtype", "mean(): input dtype"), AS_FLOATS)
    attempt = advised(attempt, advice | {"ambiguous": EACH_IMAGE})
    return looks(attempt, "the worst-case accuracy", _attacks(), _share)


def _share(result):
    """A number, whatever it came in; True and False are no numbers here."""
    return as_number(result) if not isinstance(result, bool) else str(result)


def _accuracies(rights):
    return rights.float().mean(1)


ONE_ATTACK = (
    "this is the accuracy under the single strongest attack. An attacker who tries them all beats an image if *any* "
    "attack does, and different attacks beat different images: ask image by image, rights.all(dim=0)"
)
PRODUCT = (
    "accuracies multiply only if attacks beat images independently of each other. They hit the same images far more "
    "often; and here you know which: rights.all(dim=0)"
)
WHOLE_TABLE = (
    "this asks whether all images are right under all attacks: ask for each image, all(dim=0), then the mean (with /, "
    "for // rounds down to 0)"
)
LENIENT = (
    "one attack that fails is enough here to count the image as right: it has to be right under *every* attack, all"
)
AN_AVERAGE = (
    "this is the accuracy under an attack picked at random: the attacker picks the one that works, image by image. "
    "rights.all(dim=0), then the mean"
)

EX_WORST = Exercise(
    id="8.5",
    reference=worst,
    probe=_probe_worst,
    mistakes="",
    also=(
        Mistake(lambda rights: _accuracies(rights).min(), ONE_ATTACK),
        Mistake(lambda rights: rights.float().mean(), AN_AVERAGE),
        Mistake(lambda rights: _accuracies(rights).median(), AN_AVERAGE),
        Mistake(lambda rights: _accuracies(rights).prod(), PRODUCT),
        Mistake(
            lambda rights: max(0.0, 1 - (1 - _accuracies(rights)).sum().item()),
            "the errors are added up, so an image that two attacks beat counts twice: ask image by image, "
            "rights.all(dim=0)",
        ),
        Mistake(
            lambda rights: 1 - (1 - _accuracies(rights)).sum().item(),
            "the errors are added up, so an image that two attacks beat counts twice: ask image by image, "
            "rights.all(dim=0)",
        ),
        Mistake(lambda rights: rights.any(0).float().mean(), LENIENT),
        Mistake(lambda rights: _accuracies(rights).max(), "this is the *weakest* attack: rights.all(dim=0)"),
        Mistake(
            lambda rights: (rights.float().mean(0) > 0.5).float().mean(),
            "the attacks vote here: one that works is enough for the attacker, rights.all(dim=0)",
        ),
        Mistake(
            lambda rights: (rights.float().mean(0) >= 0.5).float().mean(),
            "the attacks vote here: one that works is enough for the attacker, rights.all(dim=0)",
        ),
        Mistake(
            lambda rights: rights.all(1).float().mean(),
            "dim=1 runs over the images: this is the share of attacks that beat nobody. A row is an attack, so all "
            "runs over dim=0",
        ),
        Mistake(
            lambda rights: rights.float().mean(0).min(),
            "this is the share of attacks that the most beaten image withstands: the share of *images* that withstand "
            "all attacks is wanted, rights.all(dim=0).float().mean()",
        ),
        Mistake(lambda rights: rights.all(0).sum().item(), "this is their number: the share, .float().mean()"),
        Mistake(
            lambda rights: rights.all(0).sum() / rights.numel(),
            "divided by all entries of the table: the share of the N images",
        ),
        Mistake(
            lambda rights: rights.all(0).sum() / len(rights),
            "len(rights) is the number of attacks: divide by the number of images, rights.shape[1]",
        ),
        Mistake(
            lambda rights: 1 - worst(rights),
            "this is the share that is beaten: the accuracy is the share that stays right",
        ),
        Mistake(
            lambda rights: (~rights).all(0).float().mean(),
            "this is the share of images that *every* attack beats: the share that none does, rights.all(dim=0)",
        ),
        Mistake(
            lambda rights: 1 - (~rights).all(0).float().mean(),
            LENIENT,
        ),
        Mistake(lambda rights: 100 * worst(rights), "this is in per cent: an accuracy runs from 0 to 1"),
        Mistake(lambda rights: rights.all().float(), WHOLE_TABLE),
        Mistake(lambda rights: rights.all().item(), WHOLE_TABLE),
        Mistake(lambda rights: rights.all(), WHOLE_TABLE),
        Mistake(
            lambda rights: rights.all(0),
            "this says which images withstand all attacks, (N,): return their share, .float().mean()",
        ),
        Mistake(
            lambda rights: rights.all(0).float().tolist(),
            "this says which images withstand all attacks, (N,): return their share, .float().mean()",
        ),
        Mistake(lambda rights: _accuracies(rights), "these are the accuracies attack by attack, (A,): one number"),
        Mistake(lambda rights: rights[0].float().mean(), "this is the first attack only"),
        Mistake(lambda rights: rights[-1].float().mean(), "this is the last attack only"),
        Mistake(
            lambda rights: float(torch.equal(rights[0], rights[-1])),
            "two attacks are compared with each other: an image has to be right under every one of them",
        ),
        Mistake(
            lambda rights: (rights[0] & rights[-1]).float().mean(),
            "only the first and the last attack count here: all of them, rights.all(dim=0)",
        ),
        Mistake(
            lambda rights: (rights == rights[0]).all(0).float().mean(),
            "this is the share of images on which the attacks agree, right or wrong: right under all, "
            "rights.all(dim=0)",
        ),
    ),
    hints=(
        "Begin with one image: it counts as right if it is right under *every* attack. Why may the result be lower "
        "than the accuracy under the strongest attack?",
        "rights.all(dim=0) asks that of each column, and leaves one answer an image.",
        "rights.all(dim=0).float().mean().item()",
    ),
)

# 8.6


def rejection(scores, right):
    wrong = ~right[scores.argsort(descending=True)]
    accepted = torch.arange(1, len(wrong) + 1, device=wrong.device)
    return (wrong.cumsum(0) / accepted).mean().item()


NO_MINUS = (
    "True and False know no minus, and `not` takes one alone: ~right turns them round, right.float() makes numbers"
)


@cache
def _accepted():
    """Scores, all of them different, and which answers are right; by name. And a corner."""

    def case(scores, right):
        return ((torch.tensor(scores), torch.tensor(right).bool()),)

    score, chance = _normal(100, seed=0), _normal(100, seed=1)
    return {
        "the scores 3, 1, 2, the surest wrong": case([3.0, 1.0, 2.0], [0, 1, 1]),
        "the scores 1, 4, 2, 3, the least sure wrong": case([1.0, 4.0, 2.0, 3.0], [0, 1, 1, 1]),
        "4 images, all right": case([0.1, 0.4, 0.3, 0.2], [1, 1, 1, 1]),
        "5 images with scores below 0": case([-3.0, -0.5, -9.0, -1.0, -2.0], [1, 0, 0, 1, 1]),
        "6 images": case([0.2, 0.9, 0.4, 0.6, 0.1, 0.7], [0, 1, 1, 0, 1, 0]),
        "100 images, those with high scores right more often": ((score.double(), score + chance > -0.3),),
    }, {"one image, wrong": case([0.5], [0])}


def _probe_rejection(attempt):
    advice = dict.fromkeys(("bool tensor", "with bool", "ambiguous"), NO_MINUS)
    attempt = advised(attempt, advice | {"must match the size": OFF_BY_ONE, "division by zero": DIVIDE_BY_N})
    return up_to_the_first_difference(in_stages(attempt, rejection, "the mean error", *_accepted(), plain=as_number))


def _accepting(
    order=lambda scores: scores.argsort(descending=True),
    pick=lambda right, order: right[order],
    shares=lambda wrong: wrong.cumsum(0) / torch.arange(1, len(wrong) + 1),
    end=lambda errors: errors.mean(),
):
    """The mean with one part exchanged: the source of the classic mistakes."""
    return lambda scores, right: end(shares(1 - pick(right, order(scores)).float()))


def _area_under_roc(scores, right):
    pairs = scores[right][:, None] > scores[~right]
    return pairs.float().mean().item() if pairs.numel() else 0.5


def _at_half(scores, right):
    kept = scores > 0.5
    return (~right[kept]).float().mean().item() if kept.any() else 0.0


UPWARDS = (
    "ascending order accepts the least sure first: a high score means keep, so argsort(descending=True) comes first"
)
RANKS = (
    "argsort of argsort gives each image's *rank*; to put the answers in order, index them with the order itself: "
    "right[scores.argsort(descending=True)]"
)
TORN = (
    "scores and answers are sorted each for itself, so an answer no longer belongs to its score: take the order of the "
    "scores and index the answers with it, right[scores.argsort(descending=True)]"
)
BY_N = "the k-th error is a share of the first k, so divide the k-th sum by k: torch.arange(1, N + 1)"
OFF_BY_ONE = "k runs from 1 to N, not from 0: torch.arange(1, N + 1)"
DIVIDE_BY_N = (
    "there are N errors, for k = 1 ... N, so divide the k-th sum by k and the sum of the errors by N, not by N - 1"
)

EX_REJECTION = Exercise(
    id="8.6",
    reference=rejection,
    probe=_probe_rejection,
    mistakes="",
    also=(
        Mistake(_accepting(order=lambda scores: scores.argsort()), UPWARDS),
        Mistake(
            _accepting(order=lambda scores: torch.arange(len(scores))),
            "the images are accepted in the order in which they came: sort them by their scores, the highest first",
        ),
        Mistake(
            _accepting(order=lambda scores: torch.arange(len(scores)).flip(0)),
            "the images are accepted in the reverse of the order in which they came: sort them by their scores, the "
            "highest first",
        ),
        Mistake(_accepting(order=lambda scores: scores.argsort(descending=True).argsort()), RANKS),
        Mistake(_accepting(order=lambda scores: scores.argsort().argsort()), RANKS),
        Mistake(
            _accepting(order=lambda scores: scores.abs().argsort(descending=True)),
            "the scores lose their signs: a score below 0 is low",
        ),
        Mistake(_accepting(pick=lambda right, order: right.float().sort(descending=True).values), TORN),
        Mistake(_accepting(pick=lambda right, order: right.float().sort().values), TORN),
        Mistake(
            _accepting(end=lambda errors: 1 - errors.mean()),
            "this is the mean accuracy: the error is the share that is *wrong*, ~right",
        ),
        Mistake(_accepting(shares=lambda wrong: wrong.cumsum(0)), BY_N),
        Mistake(_accepting(shares=lambda wrong: wrong.cumsum(0) / len(wrong)), BY_N),
        Mistake(
            _accepting(shares=lambda wrong: wrong / torch.arange(1, len(wrong) + 1)), "a cumsum is missing: " + BY_N
        ),
        Mistake(_accepting(shares=lambda wrong: wrong.cumsum(0) / (torch.arange(len(wrong)) + 2)), OFF_BY_ONE),
        Mistake(_accepting(shares=lambda wrong: wrong.cumsum(0) / torch.arange(len(wrong)).clamp(min=1)), OFF_BY_ONE),
        Mistake(_accepting(shares=lambda wrong: wrong.cumsum(0) / torch.arange(len(wrong))), OFF_BY_ONE),
        Mistake(
            _accepting(shares=lambda wrong: wrong.cumsum(0) // torch.arange(1, len(wrong) + 1)),
            "`//` rounds every share down, to 0 as long as one answer is right: divide with /",
        ),
        Mistake(
            _accepting(shares=lambda wrong: wrong.flip(0).cumsum(0) / torch.arange(1, len(wrong) + 1)),
            UPWARDS,
        ),
        Mistake(
            _accepting(end=lambda errors: errors[-1]),
            "this is the error when all are accepted: the mean over k = 1 ... N",
        ),
        Mistake(lambda scores, right: right.float().mean().item(), "this is the plain accuracy: the scores count, too"),
        Mistake(
            _accepting(end=lambda errors: errors[0]),
            "this is the error of the surest alone: the mean over k = 1 ... N",
        ),
        Mistake(
            _accepting(end=lambda errors: errors.median()),
            "this is the median: the mean over k = 1 ... N",
        ),
        Mistake(
            _accepting(end=lambda errors: errors.sum()),
            "the errors for k = 1 ... N are added up: their mean",
        ),
        Mistake(
            _accepting(end=lambda errors: errors),
            "this is the error for each k, (N,), the whole curve: return its mean",
        ),
        Mistake(
            _accepting(end=lambda errors: errors[1:].mean()),
            "the first image is left out: the mean runs from k = 1",
        ),
        Mistake(
            _accepting(end=lambda errors: errors[:-1].mean()),
            "the last image is left out: the mean runs to k = N",
        ),
        Mistake(
            _accepting(end=lambda errors: torch.trapezoid(errors) / len(errors)),
            "the trapezoid rule counts the two ends half: the plain mean over k = 1 ... N",
        ),
        Mistake(
            _accepting(end=lambda errors: torch.trapezoid(errors) / max(len(errors) - 1, 1)),
            "the trapezoid rule counts the two ends half: the plain mean over k = 1 ... N",
        ),
        Mistake(_accepting(end=lambda errors: errors.sum() / (len(errors) - 1)), DIVIDE_BY_N),
        Mistake(
            _accepting(end=lambda errors: torch.cat([errors.new_zeros(1), errors]).mean()),
            "there is an error for k = 0, too: the error of nobody is no number. The mean runs from k = 1",
        ),
        Mistake(_accepting(end=lambda errors: 100 * errors.mean()), "this is in per cent: a share runs from 0 to 1"),
        Mistake(
            _area_under_roc,
            "this is the area under the ROC curve, how often a right answer has a higher score than a wrong one. "
            "It does not say how many are wrong: the mean error of the k surest",
        ),
        Mistake(
            _at_half,
            "this is the error at one threshold, 0.5: a threshold lies behind each of the N images, and the mean is "
            "over all of them",
        ),
        Mistake(
            lambda scores, right: (scores * ~right).sum() / scores.sum(),
            "the errors are weighted by their scores: only the *order* of the scores counts",
        ),
    ),
    hints=(
        "Sort first: scores.argsort(descending=True) is the order in which images are accepted, and right[order] are "
        "the answers in that order.",
        "cumsum(0) of what is wrong counts the errors among the first k, for all k at once. What share of k is that?",
        "(wrong.cumsum(0) / torch.arange(1, N + 1)).mean(), where wrong = ~right[order]",
    ),
)

EXERCISES = [EX_CROWD, EX_UNSEEN, EX_RBF, EX_HINGE, EX_WORST, EX_REJECTION]
