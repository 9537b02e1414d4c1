"""Lesson 02: Szegedy's attack from its parts, and the measures that go with it."""

import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.engine import Exercise, NotYet
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
`.square().mean(1).sqrt()` -> `.norm(dim=1)`: the Euclidean length grows with the number of pixels: take a mean
`.square().mean(1).sqrt()` -> `.norm(dim=1) / a[0].numel()` | `.mean(1).sqrt()` -> `.sum(1) / a[0].numel() ** 0.5`: the
    root is missing for one of the two, the sum of the squares or n: take it of their quotient, the mean
`.mean(1)` -> `.mean()` | `.flatten(1).square().mean(1).sqrt()` -> `.norm()`: this is one number for the whole batch:
    give one for each image, over its own values
`.flatten(1).square().mean(1)` -> `.square().mean((2, 3))` | `.mean(1)` -> `.sum(1).div(a[0, 0].numel())`: n counts the
    values of all channels of an image, not those of one channel
`.square().mean(1).sqrt()` -> `.abs().mean(1)`: the mean absolute change is another ruler: square, mean, then the root
`.mean(1)` -> `.sum(1).div(784)`: 784 is right for MNIST alone: take n from the images
`.square().mean(1).sqrt()` -> `.std(1)`: std subtracts the mean change, so brightening a picture evenly would count as 0
`.flatten(1).square().mean(1).sqrt()` -> `.square().mean((2, 3)).sqrt().mean(1)`: this takes a root in each channel:
    first the mean over all values, then one root
`.square().mean(1).sqrt()` -> `.mean(1)` | `.square().mean(1).sqrt()` -> `.mean(1).abs()` | `.square().mean(1).sqrt()`
    -> `.sum(1).square().div(a[0].numel()).sqrt()`: ups and downs cancel if they are added as they are: square first
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
`r.square().sum()` -> `r.norm()` | `r.square().sum()` -> `r.square().sum().sqrt()`: the length |r| is to be *squared*
`r.square().sum()` -> `r.square().sum().sqrt() ** 2`: the lesson starts at r = 0, and there the gradient of the root is
    NaN: square and sum, without a root in between
`.sum()` -> `.mean()` | `.sum()` -> `.mean().sqrt()`: the distortion takes a mean: |r|^2 is the *sum* of the squares
`model(x + r)` -> `model((x + r).clamp(0, 1))`: leave out clamp: at the edge it hides the slope. The box is kept by
    whoever takes the step
`.square().sum()` -> `.sum().square()`: ups and downs cancel in the sum: square first
`+ F` -> `- F`: this drives the image *away* from the target. We minimise F, so the loss of the target is added
`model(x + r)` -> `model(x)`: the network looks at x, not at x + r
`model(x + r)` -> `model(r)`: the network looks at the change alone, not at x + r
`F.cross_entropy(` -> `F.nll_loss(` | `F.cross_entropy(model(x + r), target)` -> `F.nll_loss(model(x + r).softmax(1),
    target)`: the cross-entropy is minus the *logarithm* of the target's probability: F.cross_entropy(logits, target)
`c * r` -> `c * (x + r)`: c weighs the size of the change r, not that of the changed image
`c * r.square().sum() + ` -> ``: the price of the change, c times |r|^2, is missing: nothing keeps r small
`c * (r.square().sum() + F.cross_entropy(model(x + r), target))`: c multiplies both terms here: in the formula it stands
    before |r|^2 alone
`r.square()` -> `r.detach().square()` | `target)` -> `target).detach()`: the value is right, but one of the two terms
    gives r no gradient: leave out .detach() and .item()
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
        seen[f"the values tried there ({name})"] = tuple(asked)
    return seen


EX_SEARCH = Exercise(
    "2.3",
    largest_c,
    _probe_search,
    mistakes=r"""
`(low * high) ** 0.5` -> `(low + high) / 2`: c runs over powers of ten: between 0.01 and 100 try 1, the geometric mean
`return low` -> `return high`: this returns the smallest c that *failed*: the other end is the largest that worked
`for _` -> `best = 0.0\n    for _` & `low = middle` -> `low = best = middle` & `return low` -> `return best` | `for _`
    -> `best = None\n    for _` & `low = middle` -> `low = best = middle` & `return low` -> `return best`: no value that
    was tried works, and this returns what it began with: begin with `low`, which works
`for _` -> `low, high = 0.01, 100.0\n    for _`: 0.01 and 100 are written out: use `low` and `high`, which may be others
`return low` -> `return (low * high) ** 0.5`: the middle of the last interval was never tried, and may fail: return the
    end that works
`if works` -> `if not works`: the ends are exchanged: if c works, the largest that does lies *above*, so low moves up
`if works` -> `if not works` & `return low` -> `return high`: this looks for the smallest c, as the paper's sentence
    reads: with c before |r| the *largest* one that works is wanted
`** 0.5` -> `** 1 / 2`: Python reads `(low * high) ** 1 / 2` as half of the product: the root is `** 0.5`
`return low` -> `return middle`: this returns the value tried last, which may fail: return the end that works
`    return low` -> `        return low`: `return` stands inside the loop, so that only one value is tried
`high = middle` -> `break` | `(low * high) ** 0.5` -> `2 * low` & `high = middle` -> `break`: the search ends at the
    first failure: a failure moves `high`, and the next value lies between the two
`(low * high) ** 0.5` -> `low + high`: low + high is not between the two: the geometric mean is the root of the product
""",
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
    probe=on(_changes, what="the number of pixels", plain=lambda n: float(n) if isinstance(n, int) else as_number(n)),
    mistakes="""
`<` -> `<=`: one pixel too many where the share is reached exactly: count the partial sums *below* share * sum, with <
` + 1` -> ``: one pixel short: the one with which the share is reached belongs to it
`int((change.abs() > (1 - share) * change.abs().max()).sum())`: this counts pixels above a share of the largest one: add
    up energy up to a share of the *sum*
`change.flatten().square().sort(descending=True).values` -> `change.sort(descending=True).values.flatten().square()`:
    this sorts each row of the picture by itself: make one long row first, with flatten()
`int(share * (change != 0).sum())`: this is a share of the number of pixels, however much each of them changed
`share * energy.sum()` -> `share`: a share of the *whole energy* is meant: share times the sum of all squares
`energy.cumsum(0)` -> `energy` | `energy.cumsum(0)` -> `energy` & ` + 1` -> ``: add the energies up first, cumsum
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


def _probe_bound(bound):
    """Kernels whose largest frequency is not 0, at two sizes."""
    wide, narrow = torch.randn(4, 3, 5, 5), torch.randn(2, 1, 3, 3)
    edge = torch.tensor([[[[0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]]])
    return {
        "the bound of a convolution with 3 maps in and 4 out": _one_number(bound(wide, 12)),
        "the bound of a convolution with 1 map in and 2 out": _one_number(bound(narrow, 8)),
        "the bound of the kernel (1, -1) on 8 x 8, which is 2": _one_number(bound(edge, 8)),
        "the bound of the kernel (1, -1) on 7 x 7": _one_number(bound(edge, 7)),
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
`weight.norm()`: this is the Frobenius norm of the kernel, the root of all squared weights, which bounds nothing here
`torch.linalg.matrix_norm(weight.sum((2, 3)), 2)`: this looks at frequency 0 alone: take the largest over all
    frequencies
`s=(size, size)` -> `s=weight.shape[2:]`: the Fourier transform is as small as the kernel: give it the size of the
    image, `s=(size, size)`, which fills up with zeros
`.max()` -> `[..., 0].mean()`: this is the mean over the frequencies: the worst image has all its energy in one of them
`torch.linalg.svdvals(spectrum.permute(2, 3, 0, 1)).max()` -> `spectrum.abs().max()`: this takes the largest entry. The
    maps work together: at each frequency the entries form a matrix, and its largest singular value counts
`.permute(2, 3, 0, 1)` -> ``: svdvals takes the last two dimensions as the matrix, and these are frequencies here: bring
    out and in to the end with permute(2, 3, 0, 1)
`.permute` -> `.real.permute`: half of each wave is lost with .real: the transform is complex, and svdvals takes it as
    it is
`.permute` -> `.abs().permute`: abs() throws the phases away, which decide how the maps add up: svdvals takes complex
    matrices
`(size, size)` -> `(28, 28)`: a fixed size is written out: use `size`, since the layers see images of different sizes
`(size, size)` -> `(size, size), norm="ortho"`: this is divided by the size, as norm="ortho" does: the plain transform
    gives the factor by which each wave is stretched
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
`.amax(1)` -> ``: these are the shares of all classes: keep the largest of each direction
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
