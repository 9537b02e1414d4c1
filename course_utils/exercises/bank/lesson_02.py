"""Lesson 02: Szegedy's attack from its parts, and the measures that go with it."""

import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import as_number, on


def distortion(a, b):
    return (b - a).flatten(1).square().mean(1).sqrt()


EX_DISTORTION = Exercise(
    "2.1",
    distortion,
    probe=on(
        lambda: {
            "4 pairs of colour images": (torch.rand(4, 3, 5, 6), torch.rand(4, 3, 5, 6)),
            "a pair of grey images": (torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)),
        },
        what="the distortion",
        typed=True,
    ),
    mistakes="""
`.mean(1).sqrt()` -> `.mean(1)`: this is the mean *square*: its root is missing, so the unit is not that of a pixel
`.square().mean(1).sqrt()` -> `.norm(dim=1)`: this is the Euclidean length: it grows with the number of pixels. Take the
    mean of the squares
`.square().mean(1).sqrt()` -> `.norm(dim=1) / a[0].numel()`: the length is divided by n here, and has to be divided by
    the root of n
`.mean(1)` -> `.mean()`: this is one number for the whole batch: give one for each image, over its own values
`.flatten(1).square().mean(1)` -> `.square().mean((2, 3))`: this is one number for each channel: n counts the values of
    all channels of an image
`.square().mean(1).sqrt()` -> `.abs().mean(1)`: this is the mean absolute change. Szegedy's squares before the mean and
    takes the root after it, so that large changes count for more
`.mean(1)` -> `.sum(1).div(784)`: 784 is right for MNIST alone: take n from the images, which may have another size and
    three channels
`.square().mean(1).sqrt()` -> `.std(1)`: the standard deviation subtracts the mean change first, so a picture that is
    brightened evenly would count as unchanged
`.flatten(1).square().mean(1).sqrt()` -> `.square().mean((2, 3)).sqrt().mean(1)`: this takes the root in each channel
    and then the mean: first the mean over all values, then one root
`.square().mean(1).sqrt()` -> `.mean(1)`: ups and downs cancel in a plain mean: square first
`.square().mean(1).sqrt()` -> `.abs().amax(1)`: this is the largest change of one value, another ruler: linf
""",
    hints=(
        "`flatten(1)` turns each image into one row of numbers; then everything happens along dim 1.",
        "Root, mean, square: read the name from right to left. `.square()`, then `.mean(1)`, then `.sqrt()`.",
    ),
)


def objective(model, x, r, target, c):
    return c * r.square().sum() + F.cross_entropy(model(x + r), target)


def _probe_objective(function):
    """Value and gradient for small networks, at changes of the size that the lesson meets and at its start, r = 0."""
    seen = {}
    for name, size, goal, c in (("", 0.5, 2, 0.7), (" for another network", 0.1, 0, 3.0), (" at r = 0", 0.0, 1, 0.2)):
        model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 4)).eval()
        x, r, target = torch.rand(1, 1, 3, 4), size * torch.randn(1, 1, 3, 4), torch.tensor([goal])
        value = function(model, x, r.requires_grad_(), target, c)
        if not isinstance(value, torch.Tensor):
            number = "a Python number has no gradient: return the tensor, without .item()"
            raise NotYet(number if isinstance(value, float) else "return one tensor, the value of F")
        if value.numel() != 1:
            raise NotYet(f"F is one number, and this has shape {tuple(value.shape)}: is a .sum() missing?")
        if not value.requires_grad:
            raise NotYet("no gradient flows from this value back to r: leave out .detach(), .data and torch.no_grad")
        (gradient,) = torch.autograd.grad(value.sum(), r, allow_unused=True)
        seen[f"the value of F{name}"] = value.detach().reshape(())
        seen[f"the gradient of F with respect to r{name}"] = torch.zeros_like(r) if gradient is None else gradient
    return seen


EX_OBJECTIVE = Exercise(
    "2.2",
    objective,
    _probe_objective,
    mistakes="""
`c * r.square().sum() + F` -> `r.square().sum() + c * F`: c stands before the loss here. In the formula it stands before
    |r|: a large c asks for a small change
`r.square().sum()` -> `r.norm()`: this takes the length |r|; here the *squared* length is asked for (both readings
    exist, and are compared later)
`r.square().sum()` -> `r.square().sum().sqrt() ** 2`: the lesson starts at r = 0, and there the gradient of the root is
    NaN: square and sum, without a root in between
`.sum()` -> `.mean()`: the mean of the squares is smaller than their sum, 784 times for a digit: |r|^2 is the sum
`.sum()` -> `.mean().sqrt()`: this takes the distortion: the price is c times the squared length, the sum of the squares
`.square()` -> `.abs()`: this takes the sum of |r_i|, which likes few large changes: the squares are asked for
`c * r` -> `c / 2 * r`: there is no 1/2 in this formula: c stands before the squared length
`model(x + r)` -> `model((x + r).clamp(0, 1))`: leave out clamp: at the edge it hides the slope. The box is kept by
    whoever takes the step
`.square()` -> ``: r.sum() can be negative: the squares are missing
`+ F` -> `- F`: the minus sign drives the image *away* from the target. We minimise F, so the loss of the target is
    added
`model(x + r)` -> `model(x)`: the network looks at x, not at x + r: the gradient cannot tell which change would help
`model(x + r)` -> `model(r)`: the network looks at the change alone, not at x + r
`model(x + r)` -> `model(x + r).softmax(1)`: cross_entropy applies the softmax itself: give it the logits
`c * r` -> `c * (x + r)`: c weighs the size of the change r, not that of the changed image
`c * r.square().sum() + ` -> ``: the price of the change, c times |r|^2, is missing: nothing keeps r small
`c * r.square()` -> `(c * r).square()`: c is squared, too: it stands before |r|^2, outside of the square
`c * (r.square().sum() + F.cross_entropy(model(x + r), target))`: c multiplies both terms here: in the formula it stands
    before |r|^2 alone
""",
    hints=(
        "Two terms: what the change costs, and how far the network is from saying `target`.",
        "The squared length of a tensor is `r.square().sum()`; the loss is `F.cross_entropy(logits, target)`.",
        "The network has to see `x + r`: `F.cross_entropy(model(x + r), target)`.",
    ),
    stars=1,
)


def largest_c(works, low, high, steps):
    for _ in range(steps):
        middle = (low * high) ** 0.5
        if works(middle):
            low = middle
        else:
            high = middle
    return low


ENDS = (
    (0.013, 0.01, 100.0, 10),
    (0.9, 0.01, 100.0, 10),
    (70.0, 0.01, 100.0, 10),
    (3.0, 1e-4, 20.0, 7),
    (0.2, 0.2, 5.0, 4),
)


def _probe_search(search):
    """Thresholds near both ends and at one, other ends, and what is asked on the way."""
    seen = {}
    for threshold, low, high, steps in ENDS:
        asked = []

        def works(c, threshold=threshold, asked=asked):
            asked.append(float(c))
            return c <= threshold

        name = f"c up to {threshold:g} works, from {low:g} to {high:g}"
        seen[f"what it returns where every {name}"] = as_number(search(works, low, high, steps))
        seen[f"the number of values tried there ({name})"] = len(asked)
    return seen


def _doubles(works, low, high, steps):
    for _ in range(steps):
        if not works(2 * low):
            break
        low *= 2
    return low


EX_SEARCH = Exercise(
    "2.3",
    largest_c,
    _probe_search,
    mistakes=r"""
`(low * high) ** 0.5` -> `(low + high) / 2`: this halves the interval in the middle. c runs over powers of ten: between
    0.01 and 100 take the geometric mean, 1, not 50
`return low` -> `return high`: this returns the smallest c that *fails*: the largest one that was seen to work is the
    other end
`for _` -> `best = 0.0\n    for _` & `low = middle` -> `low = best = middle` & `return low` -> `return best`: no value
    that was tried works, and this returns 0, which does not work either: `low` does, so begin with it
`for _` -> `best = None\n    for _` & `low = middle` -> `low = best = middle` & `return low` -> `return best`: no value
    that was tried works, and this returns None: `low` works, so begin with it
`for _` -> `low, high = 0.01, 100.0\n    for _`: 0.01 and 100 are written out: use `low` and `high`, which may be others
`return low` -> `return (low * high) ** 0.5`: the middle of the last interval was never tried, and may fail: return the
    end that works
`if works` -> `if not works`: the two ends are exchanged: if c works, the largest c that works lies *above* it, so low
    moves up
`if works` -> `if not works` & `return low` -> `return high`: this looks for the smallest c, as the paper's sentence
    reads: with c before |r| the *largest* one that works is wanted
`** 0.5` -> `** 1 / 2`: Python reads `(low * high) ** 1 / 2` as half of the product: the root is `** 0.5`
`return low` -> `return middle`: this returns the value tried last, which may fail: return the end that works
`(steps)` -> `(steps - 1)`: one value too few is tried: `steps` times means range(steps)
`(low * high) ** 0.5` -> `low + high`: low + high is not between the two: the geometric mean is the root of the product
""",
    also=(
        Mistake(_doubles, "doubling stops at the first failure, up to a factor 2 too low: halve the interval instead"),
    ),
    hints=(
        "Keep two ends: `low`, which works, and `high`, which does not. Try one c between them and move one end.",
        "Between 0.01 and 100 the middle in powers of ten is 1: `(low * high) ** 0.5`.",
        "`if works(middle): low = middle`, else `high = middle`; in the end return `low`.",
    ),
    stars=2,
)


def pixels_for(change, share=0.9):
    energy = change.flatten().square().sort(descending=True).values
    return int((energy.cumsum(0) < share * energy.sum()).sum()) + 1


def _changes():
    spread, peaked = torch.randn(1, 12, 12), torch.randn(1, 9, 12) ** 3
    single, even = torch.zeros(1, 12, 12), torch.zeros(1, 4, 4)
    single[0, 3, 4] = -0.5
    even[0, 1] = 0.25
    return {
        "for a change that is spread out": (spread,),
        "for a change with a few large pixels": (peaked,),
        "for a change of one pixel": (single,),
        "for half of the energy": (spread, 0.5),
        "for 99 % of the energy": (peaked, 0.99),
        "for half of the energy of 4 equal pixels": (even, 0.5),
    }


EX_PIXELS = Exercise(
    "2.4",
    pixels_for,
    probe=on(_changes, what="the number of pixels", plain=as_number),
    mistakes="""
`.square()` -> `.abs()`: this adds up |r_i|: the energy of a pixel is its *square*, and with squares fewer pixels carry
    the most
`.square()` -> ``: ups and downs cancel: square the changes before adding them up
`=True` -> `=False`: this starts with the smallest changes and counts too many pixels: sort in descending order
`.sort(descending=True).values` -> ``: the changes are added up in the order of the picture, row by row: sort them by
    energy first
`<` -> `<=`: one pixel too many where the share is reached exactly: count the partial sums *below* share * sum, with <
` + 1` -> ``: one pixel short: the one with which the share is reached belongs to it
`int((change.abs() > (1 - share) * change.abs().max()).sum())`: this counts pixels above a share of the largest one: add
    up energy up to a share of the *sum*
`change.flatten().square().sort(descending=True).values` -> `change.sort(descending=True).values.flatten().square()`:
    this sorts each row of the picture by itself: make one long row first, with flatten()
`int(share * (change != 0).sum())`: this is a share of the number of pixels, however much each of them changed
`pixels_for(change, share) / change.numel()`: this is a share of the pixels: the number itself is asked for
""",
    hints=(
        "Sort the energies so that the largest come first, then add them up one after another: `cumsum`.",
        "How many partial sums are still below `share` times the whole? The next pixel is the one that reaches it.",
    ),
    stars=2,
)


def conv_bound(weight, size):
    spectrum = torch.fft.fft2(weight, s=(size, size))
    return torch.linalg.svdvals(spectrum.permute(2, 3, 0, 1)).max()


FIXED_SIZE = "a fixed size is written out: use `size`, since the layers see images of different sizes"


def _probe_bound(bound):
    """Kernels whose largest frequency is not 0, at two sizes."""
    wide, narrow = torch.randn(4, 3, 5, 5), torch.randn(2, 1, 3, 3)
    edge = torch.tensor([[[[0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]]])
    even, odd = _one_number(bound(edge, 8)), _one_number(bound(edge, 7))
    if even == odd and 1.9 < even < 2.1:  # on n x n it is 2 for an even n, and a little less for an odd one
        raise NotYet(FIXED_SIZE)
    return {
        "the bound of a convolution with 3 maps in and 4 out": _one_number(bound(wide, 12)),
        "the bound of a convolution with 1 map in and 2 out": _one_number(bound(narrow, 8)),
        "the bound of the kernel (1, -1) on 8 x 8, which is 2": even,
        "the bound of the kernel (1, -1) on 7 x 7": odd,
    }


def _one_number(value):
    if isinstance(value, (tuple, list)) or getattr(value, "numel", lambda: 1)() != 1:
        raise NotYet("one number is asked for, the largest over all frequencies and singular values: .max() at the end")
    return float(value.real if isinstance(value, torch.Tensor) and value.is_complex() else value)


EX_BOUND = Exercise(
    "2.5",
    conv_bound,
    _probe_bound,
    mistakes="""
`torch.linalg.matrix_norm(weight.flatten(1), 2)`: this is the norm of the kernel written as one matrix. A pixel is under
    the window many times, so the layer can stretch more: go to frequencies first
`weight.norm()`: this is the root of all squared weights (the Frobenius norm of the kernel), which bounds nothing here
`torch.linalg.matrix_norm(weight.sum((2, 3)), 2)`: this looks at frequency 0 alone, a picture without structure: take
    the largest over all frequencies
`s=(size, size)` -> `s=weight.shape[2:]`: the Fourier transform is as small as the kernel: give it the size of the
    image, `s=(size, size)`, which fills up with zeros
`.max()` -> `[..., 0].mean()`: this is the mean over the frequencies: the worst image puts all its energy into the one
    that is stretched most
`torch.linalg.svdvals(spectrum.permute(2, 3, 0, 1)).max()` -> `spectrum.abs().max()`: this takes the largest entry. The
    maps work together: at each frequency the entries form a matrix, and its largest singular value counts
`.permute(2, 3, 0, 1)` -> ``: svdvals takes the last two dimensions as the matrix, and these are frequencies here: bring
    out and in to the end with permute(2, 3, 0, 1)
`.permute` -> `.real.permute`: half of each wave is lost with .real: the transform is complex, and svdvals takes it as
    it is
`.permute` -> `.abs().permute`: abs() throws the phases away, which decide how the maps add up: svdvals takes complex
    matrices
`(size, size)` -> `(size, size), norm="ortho"`: norm="ortho" divides by the size: the plain transform gives the factor
    by which each wave is stretched
`.max()` -> `[..., -1].max()`: this is the smallest singular value of each matrix: the layer stretches by the largest
`.max()` -> `.sum()` | `.max()` -> `.sum(-1).max()`: this adds up singular values: an image is stretched by one of them
    at a time, the largest
`(2, 3, 0, 1)` -> `(0, 1, 2, 3).reshape(size, size, *weight.shape[:2])`: reshape only cuts the row of numbers anew, and
    mixes frequencies: bring out and in to the end with permute(2, 3, 0, 1)
`fft2(weight, ` -> `fft2(weight, dim=(0, 1), `: the transform runs over the maps, out and in: leave `dim` alone, and it
    runs over the last two dimensions
`torch.linalg.svdvals(spectrum.permute(2, 3, 0, 1)).max()` -> `spectrum.abs().square().sum((0, 1)).sqrt().max()`: this
    is the Frobenius norm at each frequency, as if all singular values acted at once: the largest one alone, svdvals
""",
    also=(Mistake(lambda weight, size: conv_bound(weight, 28), FIXED_SIZE),),
    hints=(
        "`torch.fft.fft2(weight, s=(size, size))` has shape (out, in, size, size): for each frequency one matrix.",
        "`svdvals` works on the last two dimensions: `permute(2, 3, 0, 1)` brings out and in there.",
        "The bound is the largest of all singular values: `.max()`.",
    ),
    stars=2,
)


def purity(features, labels, directions, k=8):
    top = (features @ directions.T).topk(k, dim=0).indices
    return F.one_hot(labels[top], 10).sum(0).amax(1) / k


def _sets():
    """Features in which some directions are pure and some are not; one direction points the wrong way."""
    labels, features = torch.arange(60) % 10, torch.randn(60, 5)
    features[:, 0] += 3.0 * (labels == 4)
    features[:, 1] -= 3.0 * (labels == 7)
    directions = torch.cat([torch.eye(5), torch.randn(3, 5)])
    return {
        "8 directions": (features, labels, directions),
        "8 directions with k = 3": (features, labels, directions, 3),
        "4 directions, other features": (torch.randn(40, 3), torch.randint(0, 10, (40,)), torch.randn(4, 3), 5),
    }


EX_PURITY = Exercise(
    "2.6",
    purity,
    probe=on(_sets, what="the purity"),
    mistakes="""
`dim=0` -> `dim=0, largest=False`: these are the images with the smallest values: the paper shows those that excite the
    direction *most*
`(features @ directions.T)` -> `(features @ directions.T).abs()`: the absolute value mixes both ends: an image far on
    the other side does not excite the direction
`dim=0` -> `dim=1` & `.sum(0)` -> `.sum(1)`: topk runs over the directions here: for each direction choose among the
    images, dim=0
` / k` -> ``: this is the count of the most common class: divide by k, so that 1 means all of one class
`.amax(1)` -> `.gt(0).sum(1)`: this counts how many different classes there are: the share of the most common one is
    asked for
`(features @ directions.T)` -> `(-torch.cdist(features, directions))`: these are the images nearest to the direction:
    the largest inner product is asked for
`(features @` -> `(F.normalize(features, dim=1) @`: the features are scaled to length 1 here, which asks for the angle:
    the paper takes the plain product
`.sum(0).amax(1) / k` -> `.sum(0).argmax(1)`: this is the most common class itself: the share of the k images that it
    has is asked for, the largest count over k
`F.one_hot(labels[top], 10).sum(0).amax(1) / k` -> `(labels[top] == labels[top[:1]]).float().mean(0)`: this is the share
    that agrees with the *first* image: that of the most common class is asked for
""",
    hints=(
        "`features @ directions.T` has one row an image and one column a direction.",
        "`topk(k, dim=0).indices` has k rows: the numbers of the images. `labels[...]` turns them into classes.",
        "`F.one_hot(..., 10).sum(0)` counts the classes for each direction; the largest count over k is the purity.",
    ),
    stars=2,
)

EXERCISES = (EX_DISTORTION, EX_OBJECTIVE, EX_SEARCH, EX_PIXELS, EX_BOUND, EX_PURITY)
