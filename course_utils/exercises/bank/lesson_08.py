"""Lesson 08: pigeonholes, what a layer does not see, radial functions, a hinge, a worst case, a right to refuse."""

import math
from decimal import Decimal
from fractions import Fraction

import torch
from torch.nn import functional as F

from course_utils.exercises.contracts import copied
from course_utils.exercises.differences import named
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.exercises.probes import advised, as_number, on


def crowd(pixels, levels, numbers, bits):
    images = pixels * math.log10(levels)
    outputs = numbers * bits * math.log10(2)
    return max(0.0, images - outputs)


TOO_LARGE = (
    "levels ** pixels has some 1,900 digits for a digit's image, and a float ends at 1.8e308. So compute with the "
    "logarithms: log10(a ** b / c) = b * log10(a) - log10(c)"
)
ADVICE = {
    **dict.fromkeys(("too large", "out of range", "range error", "Exceeds the", "Overflow", "too big"), TOO_LARGE),
    "math domain error": "this asks for the logarithm of 0 or less: with more outputs than images the share rounds "
    "down to 0 (and a difference falls below it). One image has some output for certain: never below log10(1) = 0",
    "no callable log10": "numpy knows no integers this large: math.log10 takes them, or the logarithms of the factors",
}


def _counts(*rows):
    return {f"{p} pixels of {g} levels, {n} numbers of {b} bits": (p, g, n, b) for p, g, n, b in rows}


def _plain(result):
    """A number of whatever type, as a float."""
    result = as_number(result)
    if isinstance(result, int) and abs(result) > 10**300:
        raise NotYet("this is the number of images itself: its logarithm is asked for, log10")
    result = float(result) if isinstance(result, (int, Decimal, Fraction)) else result
    if isinstance(result, float) and math.isinf(result):
        raise NotYet(TOO_LARGE)
    return result


EX_CROWD = Exercise(
    "8.1",
    crowd,
    probe=on(
        # in the small cases the outputs divide the images: "at least" and "on average" are the same
        _counts((3, 4, 1, 2), (40, 10, 2, 3), (4, 12, 2, 3), (1, 256, 1, 8), (2, 2, 2, 3), (784, 256, 10, 32)),
        _counts((784, 256, 0, 0)),
        what="the logarithm",
        plain=_plain,
        advice=ADVICE,
    ),
    mistakes="""
`max(0.0, images - outputs)` -> `images - outputs`: with more outputs than images this falls below 0, as if less than
    one image had an output. One image has one for certain: never below log10(1) = 0
`* bits` -> `` | `numbers * bits` -> `bits` | `numbers * bits` -> `(numbers + bits)` | `- outputs` -> `- numbers *
    2**bits` | `- outputs` -> `- math.log10(numbers * bits or 1)` | `- outputs` -> `- math.log10(2 * numbers * bits or
    1)` | `- outputs` -> `- bits * math.log10(numbers or 1)` | `- outputs` -> `- numbers * math.log10(bits or 1)` | `-
    outputs` -> `- math.log10(numbers or 1)` | `- outputs` -> `- math.log10(numbers * 2**bits or 1)` | `* math.log10(2)`
    -> `` | `- outputs` -> `- 8 * outputs`: the outputs are counted wrongly: a number of `bits` bits has 2 ** bits
    values, and a row of `numbers` of them 2 ** (numbers * bits)
`images -` -> `math.log10(pixels * levels) -` | `images -` -> `pixels * levels * math.log10(2) -` | `pixels * math` ->
    `math`: the images are counted wrongly: each pixel has `levels` greys, whatever the others have, so there are levels
    ** pixels images, and log10 of that is pixels * log10(levels)
`log10(levels)` -> `log(levels)` & `log10(2)` -> `log(2)` | `log10(levels)` -> `log2(levels)` & `log10(2)` -> `log2(2)`
    | `log10(2)` -> `log(2)`: this takes another base, or mixes two: log10 is asked for, which says how many digits the
    number has
`images - outputs` -> `images + outputs`: this multiplies: the images are *dealt out* to the outputs, so divide
`images - outputs` -> `outputs - images` | `max(0.0, images - outputs)` -> `outputs - images`: images and outputs are
    exchanged: the images are dealt out to the outputs, so images / outputs
`max(0.0, ` -> `abs(`: where there are more outputs than images none has to be shared: max(0, ...), not abs
`images - outputs` -> `images / (outputs or 1)`: one logarithm is divided by the other: the logarithm of a quotient is
    the *difference*, log10(a / b) = log10(a) - log10(b)
`images - outputs` -> `images`: this is the number of all images: deal them out to the 2 ** (numbers * bits) outputs
`math.log10(max(1, levels**pixels - 2 ** (numbers * bits)))`: this is how many more images than outputs there are:
    divide, do not subtract, the counts themselves
`outputs)` -> `outputs) // 1 + 1` | `images - outputs` -> `math.floor(images - outputs)` | `images - outputs` ->
    `math.ceil(images - outputs)`: this is rounded, or counts the digits: log10 itself is asked for, 3 for 1000
""",
    hints=(
        "Pigeons and holes: if 100 images go to 8 outputs, some output gets 100 / 8 at least. Count both.",
        "levels ** pixels and 2 ** (numbers * bits) are too large for floats, their logarithms are not: log10(a ** b) "
        "is b * log10(a), and a quotient becomes a difference.",
        "max(0, pixels * math.log10(levels) - numbers * bits * math.log10(2))",
    ),
)


def unseen(weight, change):
    seen = change @ weight.T @ torch.linalg.pinv(weight).T
    return change - seen


SIDES = (
    "weight is (m, d), change has a change a *row*, (N, d): the layer makes change @ weight.T of them, (N, m). "
    "torch.linalg.pinv(weight) is (d, m), and leads from there back to (N, d) as change @ weight.T @ pinv(weight).T"
)
SINGULAR = "weight @ weight.T has no inverse here: its rows depend on each other. torch.linalg.pinv(weight) needs none"
UNSEEN_ADVICE = dict.fromkeys(("singular", "positive-definite", "not invertible"), SINGULAR) | dict.fromkeys(
    ("cannot be multiplied", "size mismatch", "must match", "same shape", "expanded size"), SIDES
)


def _probe_unseen(attempt):
    """Weights of full rank; then some whose rows depend on each other; then the type."""
    attempt = advised(attempt, UNSEEN_ADVICE)
    exact = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), torch.tensor([[3.0, 4.0, 5.0]])
    full = {
        "the weights (1, 0, 0) and (0, 2, 0), the change (3, 4, 5)": exact,
        "3 units, 8 pixels, 4 changes": (torch.randn(3, 8), torch.randn(4, 8)),
        "3 units with small weights, 8 pixels, 4 other changes": (0.05 * torch.randn(3, 8), torch.randn(4, 8)),
    }
    a, b = (8 * torch.randn(2, 6)).round() / 8  # eighths add up exactly, so that a rank of 2 is one in float64, too
    low = {
        "5 units, 6 pixels, a weight of rank 2": (torch.stack([a, b, a, a - b, 0 * a]), torch.randn(3, 6)),
        "2 units with the same weights, 6 pixels": (torch.stack([a, a]), torch.randn(1, 6)),
    }
    seen = {f"the part ({name})": attempt(*copied(case)) for name, case in full.items()}
    yield seen | {f"the part ({name})": _in_words(attempt(*copied(case)), *case) for name, case in low.items()}
    if (found := attempt(*copied(exact)).dtype) != torch.float32:
        raise NotYet(f"the numbers are right, but their type is {found}, which no network takes: return .to(change)")


def _in_words(part, weight, change):
    """What a part holds: where it is wrong for a weight of lower rank, rounding errors decide about its values."""
    if not isinstance(part, torch.Tensor) or part.shape != change.shape:
        return named(part)
    part = part.detach().to(change)
    if not (part @ weight.T).abs().max() < 1e-3:
        return "something that is seen"
    unseen_by = torch.eye(weight.shape[1]) - torch.linalg.pinv(weight) @ weight
    lost = ((change - part) @ unseen_by).abs().max() > 1e-3
    return "less than all that is not seen" if lost else "all that is not seen, and nothing else"


EX_UNSEEN = Exercise(
    "8.2",
    unseen,
    _probe_unseen,
    mistakes=r"""
`change - seen` -> `seen`: this is the part that the layer *does* see: take it away from the change. (The first columns
    of a full QR of weight.T span it, too.)
`change - seen` -> `change`: this is the change as it came: take away the part that the layer sees
`change @ weight.T @ weight` | `torch.linalg.pinv(weight).T` -> `weight` | `torch.linalg.pinv(weight).T` -> `weight /
    weight.square().sum()` | `torch.linalg.pinv(weight).T` -> `weight / weight.square().sum(1).mean()` | `weight.T @
    torch.linalg.pinv(weight).T` -> `F.normalize(weight).T @ F.normalize(weight)`: change @ W.T @ W projects only if the
    rows have length 1 and stand at right angles: these do neither. The pseudo-inverse mends both, change @ W.T @
    torch.linalg.pinv(W).T
`seen = change @ weight.T @ torch.linalg.pinv(weight).T` -> `for row in weight:\n        change = change -
    torch.outer(change @ row, row) / row.square().sum()` & `- seen` -> `` | `seen = change @ weight.T @
    torch.linalg.pinv(weight).T` -> `for row in weight.flip(0):\n        change = change - torch.outer(change @ row,
    row) / row.square().sum()` & `- seen` -> ``: one row after the other is taken out, but rows are not at right angles:
    what is taken out for one brings back a bit of those before. Take all out at once: torch.linalg.pinv
`change @ weight.T` | `change @ torch.linalg.pinv(weight)`: this is what the layer sees of the change, m numbers: pixels
    are asked for, (N, d). torch.linalg.pinv(weight) leads back from m numbers to d pixels
`linalg.pinv` -> `pinverse`: torch.pinverse counts singular values down to 1e-15 of the largest, in float32 rounding
    errors, and inverts these where rows depend on each other. torch.linalg.pinv knows the type
`change @ torch.linalg.svd(weight).Vh[torch.linalg.matrix_rank(weight) :].T`: these are coordinates in a basis of the
    null space: multiply by the basis again, so that each is a change of d pixels
`weight.T @ torch.linalg.pinv(weight).T` -> `(rows := torch.linalg.svd(weight, full_matrices=False).Vh).T @ rows`: where
    rows depend on each other the null space has more than d - m dimensions, d minus the *rank*, and directions are lost
    that the layer does not see. Count singular values above a small tolerance, not above 0 (zeros come out as some
    1e-8), as torch.linalg.matrix_rank does, or take torch.linalg.pinv
`change - seen` -> `0 * change`: nothing is left. *All* of the change that is not seen is asked for, the nearest to it
    in the null space. (The small svd, full_matrices=False, keeps m of d directions; the null space is among the
    others.)
`change * (weight == 0).all(0)`: these are the pixels that no unit looks at. A layer misses more: combinations of pixels
    whose weighted sums are all 0
`change - seen` -> `(change - seen).norm(dim=1)` | `change - seen` -> `(change - seen).norm(dim=1) /
    change.norm(dim=1)`: this is one number a change: return the changes themselves, (N, d)
`torch.eye(weight.shape[1]) - torch.linalg.pinv(weight) @ weight` |
    `torch.linalg.svd(weight).Vh[torch.linalg.matrix_rank(weight) :]`: this is the projection, or a basis of the null
    space: apply it to the changes, so that (N, d) comes out
""",
    hints=(
        "Split the change: a mixture of the weight's rows, and a part at right angles to all of them. Which is seen?",
        "The layer makes change @ weight.T of the changes. torch.linalg.pinv(weight), (d, m), gives the shortest "
        "change that makes the same numbers, also where rows depend on each other.",
        "change - change @ weight.T @ torch.linalg.pinv(weight).T",
    ),
    stars=2,
)


def rbf(features, centres):
    return -(features[:, None] - centres).square().sum(dim=2)


def _places():
    """The first image lies on a centre, where a root has no slope."""
    exact = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0], [-1.0, 2.0]])
    return {
        "the features (0, 0), (3, 4), the centres (0, 0), (3, 0), (-1, 2)": exact,
        "5 images, 3 centres, 4 features": (torch.randn(5, 4), 2 * torch.randn(3, 4)),
        "3 images, one centre": (torch.randn(3, 2), torch.randn(1, 2)),
    }


EX_RBF = Exercise(
    "8.3",
    rbf,
    probe=on(
        _places,
        what="the logits",
        gradient=True,
        advice=dict.fromkeys(
            ("must match the size", "cannot be multiplied", "size mismatch"),
            "each image is compared with *each* centre: features[:, None] - centres has the shape (N, K, d), and a sum "
            "over the last dimension leaves (N, K)",
        ),
    ),
    mistakes="""
`-(` -> `(`: the class with the *largest* logit wins, and the nearest centre is to win: minus the squared distance
`-torch.cdist(features, centres)` | `torch.cdist(features, centres)`: these are the distances themselves: the logits are
    minus their *squares*, so without the root (norm and cdist take one)
`dim=2)` -> `dim=2).square()`: this is the fourth power: squared once more than it should be
`.square().sum(dim=2)` -> `.sum(dim=2).square()`: this squares the sum, in which differences cancel: square first
`rbf(features, centres) - features @ centres.T` | `rbf(features, centres) - 2 * features @ centres.T` | `rbf(features,
    centres) + features.square().sum(1)[:, None]` | `rbf(features, centres) + centres.square().sum(1)` | `-rbf(features,
    -centres)` | `-rbf(features, centres) - 2 * centres.square().sum(1)`: the square is multiplied out wrongly: |h -
    c|^2 = |h|^2 - 2 h . c + |c|^2, and the logit is minus all of it
`features @ centres.T` | `2 * features @ centres.T`: a product grows with the length of the features, so it can be large
    far from all centres: that is the layer which this one is to replace. Minus the squared distance
`F.cosine_similarity(features[:, None], centres, dim=2)`: this is the cosine of an angle, which forgets how far away the
    features are: minus the squared distance
`rbf(features, centres).exp()` | `1 / (1 - rbf(features, centres))`: return the logits themselves, minus the squared
    distances: what makes probabilities of them comes later
`rbf(features, centres).argmax(1) + 0 * rbf(features, centres).amax(1)` | `rbf(features, centres).amax(1)`: this looks
    at the nearest centre only: a logit for each class is asked for, (N, K)
`.sum(dim=2)` -> `` | `dim=2` -> `dim=1` | `dim=2` -> `dim=0`: the squares, feature by feature, are (N, K, d): sum over
    the last dimension, dim=2
`.sum(dim=2)` -> `.sum(dim=2).sqrt().square()`: the values are right, but the gradient is NaN for features that lie on a
    centre: the root has no slope at 0, and squaring comes too late. Leave out the root
""",
    hints=(
        "features[:, None] is (N, 1, d), and minus centres it is all differences, (N, K, d).",
        "Squares, summed over the last dimension, are the squared distances. Near is to give a large logit.",
        "-(features[:, None] - centres).square().sum(dim=2)",
    ),
)


def hinge(logits, labels, margin):
    own = F.one_hot(labels, logits.shape[1]).bool()
    rival = logits.masked_fill(own, -torch.inf).amax(dim=1)
    return (margin + rival - logits[own]).clamp(min=0).mean()


def _answers():
    """No image lies on an edge of the hinge, where any slope would do."""
    far = 5 * torch.randn(30, 10) - 300
    low = -(2.0**40) + 2.0**17 * torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 5.0]])  # exact in float32, as are sums
    one = ((1, 3, 2), 0, 1.0), ((5, 3, 2), 0, 1.0), ((4, 1, 3), 0, 2.0), ((-7, -3, -5), 1, 4.0)
    return {
        f"the logits {logits}, label {k}, margin {m:g}": (torch.tensor([logits]).float(), torch.tensor([k]), m)
        for logits, k, m in one
    } | {
        "6 images, 4 classes, margin 1": (2 * torch.randn(6, 4), torch.tensor([0, 3, 1, 2, 2, 0]), 1.0),
        "30 images, 10 classes, logits near -300, margin 3": (far, (far.argmax(1) + torch.arange(30) % 2) % 10, 3.0),
        "2 images, 3 classes, logits near -1e12, margin 262144": (low, torch.tensor([1, 2]), 2.0**18),
    }


EX_HINGE = Exercise(
    "8.4",
    hinge,
    probe=on(
        _answers,
        what="the loss",
        plain=as_number,
        gradient=True,
        advice=dict.fromkeys(
            ("must match the size", "same number of dimensions"),
            "labels is (N,), one class an image: logits[torch.arange(len(labels)), labels] are the labels' own logits, "
            "(N,), and so is logits.gather(1, labels[:, None])[:, 0]",
        ),
    ),
    mistakes=r"""
`.masked_fill(own, -torch.inf)` -> ``: the loss never falls below the margin, however right the answer is: put -inf in
    the label's place before the maximum, lest it be its own rival, and the margin inside of max(0, ...)
`F.multi_margin_loss(logits, labels, margin=margin)` | `F.multi_margin_loss(logits, labels, margin=margin) *
    logits.shape[1]` | `F.multi_margin_loss(logits, labels, margin=margin) / (1 - 1 / logits.shape[1])` |
    `F.multi_margin_loss(logits, labels, margin=margin) * logits.numel()`: every rival pays here (Weston and Watkins
    1999; F.multi_margin_loss divides by K too): Crammer and Singer's hinge looks at the *largest* rival only
`-torch.inf` -> `0` | `-torch.inf` -> `-1` | `-torch.inf` -> `-10` | `-torch.inf` -> `-100` | `-torch.inf` -> `-1000` |
    `-torch.inf` -> `-1e4` | `-torch.inf` -> `-1e9`: this number takes part in the maximum, and wins where all rivals
    are lower (logits may lie anywhere: a radial function's near -300, others still lower): put -inf there
`logits.masked_fill(own, -torch.inf)` -> `(logits - torch.inf * own)`: infinity times 0 is NaN: *write* -inf into the
    label's place of a copy, as masked_fill does, or logits.scatter(1, labels[:, None], -torch.inf)
`rival - logits[own]` -> `logits[own] - rival`: the loss has to fall as the label's logit rises, so - own
`margin + rival` -> `rival`: the margin is missing, so any win is enough: margin + rival - own
`margin + rival - logits[own]` -> `margin * (1 + rival - logits[own])` | `margin + rival - logits[own]` -> `margin *
    (rival - logits[own])`: the margin multiplies here: it is added
`margin + rival` -> `margin`: the rival is missing: by how much does the label's logit pass the largest other one?
`.clamp(min=0).mean()` -> `.mean()` | `.clamp(min=0).mean()` -> `.mean().clamp(min=0)`: without max(0, ...) image by
    image, one that is right by far pays for one that is wrong: clamp(min=0) first, then the mean
`clamp(min=0)` -> `abs()`: abs punishes answers that are right by more than the margin: clamp(min=0)
`(margin + rival - logits[own]).clamp(min=0)` -> `F.softplus(margin + rival - logits[own])`: softplus rounds the hinge
    off, so that even a sure answer costs a little: max(0, ...), clamp(min=0)
`.mean()` -> `.square().mean()`: this is the squared hinge: without the square
`.mean()` -> `.sign().mean()`: a count of images inside the margin has no gradient: by how much are they inside?
`min=0` -> `0, 1`: the loss is cut at 1: a hinge goes on rising, clamp(min=0) without a maximum
`.mean()` -> ``: this is one number an image, (N,): return their mean
`return (` -> `losses = (` & `.mean()` -> `\n    return losses[losses > 0].mean().nan_to_num()`: images that pay nothing
    count, too: the mean runs over all of them
`logits.masked_fill(own, -torch.inf).amax(dim=1)` -> `logits.topk(2).values[:, 1]`: where the image is misnamed the
    rival is the largest logit, not the second: put -inf in the label's place, then amax
`amax(dim=1)` -> `argmax(dim=1)` | `amax(dim=1)` -> `amax(dim=1).argmax()`: argmax says *which* class the rival is: its
    logit is asked for, amax(dim=1)
`logits.masked_fill(own, -torch.inf).amax(dim=1)` -> `logits.masked_fill(own, 0).sum(1) / (logits.shape[1] - 1)`: this
    is the mean of the rivals: one of them alone can win, so take the largest
`-torch.inf).amax` -> `torch.inf).amin`: this is the weakest rival: the largest of the others, amax
`amax(dim=1)` -> `logsumexp(1)`: logsumexp lies above the largest rival, the more so the more rivals are near it: amax
`logits[own]` -> `logits[:, labels]` | `logits[own]` -> `logits[own][:, None]`: (N, N) numbers come together here, those
    of every image at every label: logits[:, labels] makes them, and a column (N, 1) beside a row (N,). The labels' own
    logits are logits[torch.arange(len(labels)), labels], (N,), or logits.gather(1, labels[:, None])[:, 0]
`(margin - (2 * F.one_hot(labels, logits.shape[1]) - 1) * logits).clamp(min=0).sum(1).mean()`: each class is a question
    of its own here, one against the rest: compare the label's logit with the largest of the others
`F.cross_entropy(logits, labels)`: this is the cross-entropy, which never is content: max(0, margin + rival - own)
`amax(dim=1)` -> `amax(dim=1).detach()` | `- logits[own]` -> `- logits[own].detach()`: the value is right, but one of
    the two logits gets no gradient: leave out .detach() (.item(), numpy) there too
""",
    hints=(
        "For each image two numbers: the label's own logit, logits[torch.arange(len(labels)), labels], and the largest "
        "of the *others*. (Crammer and Singer 2001.)",
        "Leave the label out of the maximum: logits.scatter(1, labels[:, None], -torch.inf).amax(1), a copy.",
        "(margin + rival - own).clamp(min=0).mean()",
    ),
    stars=2,
)


def worst(rights):
    return rights.all(dim=0).float().mean().item()


def _under(*attacks):
    """Who is right under which attack, an attack a text."""
    return (torch.tensor([[image == "1" for image in attack] for attack in attacks]),)


EX_WORST = Exercise(
    "8.5",
    worst,
    probe=on(
        {
            "3 attacks on 5 images, each beats another one": _under("11011", "10111", "11101"),
            "one attack on 4 images, which beats one": _under("1101"),
            "2 attacks that beat the same image of 3": _under("011", "011"),
            "2 attacks on 4 images, each beats 2, together all": _under("1100", "0011"),
            "5 attacks on 8 images": _under("11101111", "11000101", "11110101", "11111111", "01100111"),
        },
        what="the worst-case accuracy",
        plain=as_number,
        advice={
            "dtype": "a mean of True and False needs numbers: .float().mean()",
            "ambiguous": "Python's own all, and, not take one truth value: rights.all(dim=0) asks for each image",
        },
    ),
    mistakes="""
`rights.float().mean(1).min()`: this is the accuracy under the strongest attack alone. Whoever tries them all beats an
    image if *any* attack does: ask image by image, rights.all(dim=0)
`.all(dim=0)` -> `` | `rights.float().mean(1).median().item()`: this is the accuracy under an attack picked at random:
    the attacker picks the one that works, image by image. rights.all(dim=0), then the mean
`rights.float().mean(1).prod()`: accuracies multiply only if attacks beat images independently of each other. They hit
    the same images far more often; and here you know which: rights.all(dim=0)
`1 - (~rights).float().mean(1).sum()` | `max(0.0, 1 - (~rights).float().mean(1).sum())`: the errors are added up, so an
    image that two attacks beat counts twice: ask image by image, rights.all(dim=0)
`all` -> `any`: one attack that fails is enough here: an image has to be right under *every* attack, all
`rights.float().mean(1).max()`: this is the *weakest* attack: rights.all(dim=0)
`.all(dim=0)` -> `.float().mean(0).gt(0.5)` | `.all(dim=0)` -> `.float().mean(0).ge(0.5)`: the attacks vote here: one
    that works is enough for the attacker, rights.all(dim=0)
`dim=0` -> `dim=1`: a row is an attack, so this is the share of attacks that beat nobody: all runs over dim=0
`rights.float().mean(0).min()`: this is the share of attacks that the most beaten image withstands: the share of
    *images* that withstand all attacks is asked for, rights.all(dim=0).float().mean()
`.float().mean()` -> `.sum()`: this is their number: the share, .float().mean()
`.float().mean().item()` -> `.sum() / rights.numel()` | `.float().mean().item()` -> `.sum() / len(rights)`: divide by
    the number of images, rights.shape[1]: len(rights) counts the attacks, and rights.numel() all entries of the table
`rights.all` -> `(~rights).all`: this is the share that *every* attack beats: the share that *none* beats is asked for
`dim=0` -> `` | `bool(rights.all())`: this asks whether all images are right under all attacks: ask for each image,
    all(dim=0), then the mean (with /, for // rounds down to 0)
`.float().mean().item()` -> `` | `.mean().item()` -> `.tolist()`: this says which images withstand all attacks, (N,):
    return their share, .float().mean()
`rights.float().mean(1)`: these are the accuracies attack by attack, (A,): one number is asked for
`rights.all(dim=0)` -> `rights[-1]` | `rights.all(dim=0)` -> `(rights[0] & rights[-1])`: only the last attack, or the
    first and the last, count here: all of them, rights.all(dim=0)
`rights.all` -> `(rights == rights[0]).all` | `float(torch.equal(rights[0], rights[-1]))`: the attacks are compared with
    each other here: an image has to be *right* under every one of them, rights.all(dim=0)
""",
    hints=(
        "When is one image right under *every* attack? Why may their share be lower than under the strongest attack?",
        "rights.all(dim=0) asks that of each column, and leaves one answer an image.",
        "rights.all(dim=0).float().mean().item()",
    ),
)


def rejection(scores, right):
    wrong = ~right[scores.argsort(descending=True)]
    accepted = torch.arange(1, len(wrong) + 1, device=wrong.device)
    return (wrong.cumsum(0) / accepted).mean().item()


def _accepted(*rows):
    return {name: (torch.tensor(scores), torch.tensor(right).bool()) for name, scores, right in rows}


NO_MINUS = "True and False know no minus, and `not` takes one alone: ~right turns them round, .float() makes numbers"

EX_REJECTION = Exercise(
    "8.6",
    rejection,
    probe=on(
        _accepted(
            ("the scores 3, 1, 2, the surest wrong", [3.0, 1.0, 2.0], [0, 1, 1]),
            ("the scores 1, 4, 2, 3, the least sure wrong", [1.0, 4.0, 2.0, 3.0], [0, 1, 1, 1]),
            ("6 images", [0.2, 0.9, 0.4, 0.6, 0.1, 0.7], [0, 1, 1, 0, 1, 0]),
        ),
        _accepted(("5 images, some scores below 0", [-3.0, 0.5, -9.0, 1.0, -2.0], [1, 0, 1, 1, 0])),
        what="the mean error",
        plain=as_number,
        advice={
            **dict.fromkeys(("bool tensor", "with bool", "ambiguous"), NO_MINUS),
            "must match the size": "k runs from 1 to N, not from 0: torch.arange(1, N + 1)",
        },
    ),
    mistakes="""
`=True` -> `=False`: ascending order accepts the least sure first: a high score means keep, so descending=True
`[scores.argsort(descending=True)]` -> `` | `[scores.argsort(descending=True)]` -> `.flip(0)`: the images are accepted
    in the order in which they came, or its reverse: sort them by their scores, the highest first
`descending=True)` -> `descending=True).argsort()` | `descending=True)` -> `descending=True).argsort(descending=True)` |
    `descending=True` -> `` & `)]` -> `).argsort()]`: argsort of argsort gives *ranks*: index the answers with the order
    itself, right[scores.argsort(descending=True)]
`[scores.argsort(descending=True)]` -> `.sort(descending=True).values` | `[scores.argsort(descending=True)]` ->
    `.sort().values`: scores and answers are sorted apart, so an answer no longer belongs to its score: index the
    answers with the order of the scores, right[scores.argsort(descending=True)]
`~right` -> `right`: this is the mean accuracy: the error is the share that is *wrong*, ~right
`(wrong.cumsum(0) / accepted)` -> `wrong.cumsum(0).float()` | `/ accepted` -> `/ len(wrong)`: the k-th error is a share
    of the first k, so divide the k-th sum by k: torch.arange(1, N + 1)
`1, len(wrong) + 1` -> `2, len(wrong) + 2` | `1, len(wrong) + 1` -> `0, len(wrong)` | `/ accepted` -> `/ (accepted -
    1).clamp(min=1)`: k runs from 1 to N, not from 0: torch.arange(1, N + 1)
`wrong.cumsum(0) / accepted` -> `wrong.cumsum(0) // accepted * 1.0`: // rounds every share down: divide with /
`.mean()` -> `[0]` | `.mean()` -> `[-1]`: this is the error of the surest alone, or of all: the mean over k = 1 ... N
`right.float().mean().item()`: this is the plain accuracy: the scores count, too
`.mean()` -> `.median()`: this is the median: the mean over k = 1 ... N
`.mean().item()` -> ``: this is the error for each k, (N,), the whole curve: return its mean
`.mean()` -> `[1:].mean()` | `.mean()` -> `[:-1].mean()`: the mean runs from k = 1 to k = N: one image is left out
`return (` -> `return torch.trapezoid(` & `.mean()` -> `.div(len(wrong))` | `return (` -> `return torch.trapezoid(` &
    `.mean()` -> `.div(len(wrong) - 1)`: the trapezoid rule counts the two ends half: the plain mean over k = 1 ... N
`.mean()` -> `.div(len(wrong) - 1).sum()`: there are N errors, for k = 1 ... N, so divide the k-th sum by k and the sum
    of the errors by N, not by N - 1
`.mean()` -> `.div(len(wrong) + 1).sum()`: the error of nobody is no number: the mean runs from k = 1
`(scores[right][:, None] > scores[~right]).float().mean()`: this is the area under the ROC curve, how often a right
    answer has a higher score than a wrong one. It does not say how many are wrong: the mean error of the k surest
`(~right[scores > 0.5]).float().mean()`: this is the error at one threshold, 0.5: a threshold lies behind each of the N
    images, and the mean is over all of them
`(scores * ~right).sum() / scores.sum()`: the errors are weighted by their scores: only the *order* of the scores counts
""",
    hints=(
        "scores.argsort(descending=True) is the order in which images are accepted; right[order], the answers in it.",
        "cumsum(0) of what is wrong counts the errors among the first k, for all k at once. What share of k is that?",
        "(wrong.cumsum(0) / torch.arange(1, N + 1)).mean(), where wrong = ~right[order]",
    ),
    stars=2,
)

EXERCISES = (EX_CROWD, EX_UNSEEN, EX_RBF, EX_HINGE, EX_WORST, EX_REJECTION)
