"""Lesson 07: a ball, a few measurements, a product of shares, faces on a line, a flat boundary, a subspace."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.special import erfinv, log_ndtr, ndtr, ndtri  # noqa: F401 (in mistakes)

from course_utils.exercises.differences import named
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.exercises.probes import advised, evenly_spread, on
from course_utils.exercises.timeout import TooLong, limited

NO_PRODUCT = ("size mismatch", "cannot be multiplied", "must match the size", "subscript")  # what torch says of shapes


def _shape(found):
    """A result in words: its shape, and its type where that is none of a distance or a coordinate."""
    odd = isinstance(found, Tensor) and not found.is_floating_point()
    return found if found is None else f"{named(found)} and type {found.dtype}" if odd else named(found)


def in_ball(number, d):
    directions = torch.randn(number, d)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return directions * torch.rand(number, 1) ** (1 / d)


MANY = 4000
SLOW = 3.0  # seconds for a draw of MANY points; by a loop over them it takes a tenth of that
PER_POINT = "one radius a point is a column, (number, 1): torch.rand(number, 1), and norm(dim=1, keepdim=True)"
REJECTING = (
    f"2 and 3 dimensions went well, but in 20 your code was stopped after {SLOW:g} s: do you draw from the cube and "
    "keep what lies in the ball? It fills 1/40,000,000 of the cube in 20. Draw a direction and a radius"
)
BY_VOLUME = "as many in each shell as its volume says"


def _probe_in_ball(attempt):
    attempt = advised(attempt, {"must match the size": PER_POINT})
    for number, d in ((5, 2), (1, 3), (MANY, 3), (MANY, 2), (MANY, 20), (400, 784)):
        try:
            points, of = limited(SLOW, partial(attempt, number, d)), f"{number} points of {d} dimensions"
        except TooLong as error:
            raise (NotYet(REJECTING) if d == 20 else error) from None
        yield {of: _shape(points)}
        if number == 1:
            again = torch.equal(points, attempt(number, d))
            yield {"the points of a second call": "the same again" if again else "new ones"}
        if number > 5:
            points = points.detach().cpu().double()
            yield {
                f"where {of} lie": _law(points, d),
                f"the directions of {of}": d == 784 or evenly_spread(F.normalize(points, eps=1e-99)),
                f"how many of {of} are alike": number - len(points.unique(dim=0)),
            }


def _law(points, d):
    """How lengths are distributed, in words; a right answer fails the test of Kolmogorov once in 30 million draws."""
    lengths = points.norm(dim=1)
    if not lengths.isfinite().all():
        raise NotYet("some coordinates are NaN or infinite: look for a division by 0")
    if lengths.max() > 1 + 1e-5:
        return "outside the ball" + (", but in the cube" if points.abs().max() <= 1 else " and the cube")
    if lengths.std() < 1e-4:
        return "1 from the centre, all of them" if lengths.max() > 1 - 1e-4 else "all as far from the centre"
    power = -1 / lengths.clamp(1e-30).log().mean().item()  # a share r ** power is nearer to the centre than r
    steps = torch.linspace(0, 1, len(lengths)).double()
    for each in (d, power):
        if (lengths.sort().values ** each - steps).abs().max() < 3 / len(lengths) ** 0.5:
            return BY_VOLUME if each == d else f"at U ** (1 / {each:.0f})" if each > 0.7 else f"at U ** {1 / each:.0f}"
    middle = (lengths**d).mean() - 0.5  # 0 in a ball
    shell = "not " + BY_VOLUME if middle.abs() < 0.05 else f"too many near the {'surface' if middle > 0 else 'centre'}"
    return shell if lengths.max() > 0.8 else f"none farther out than {lengths.max():.1f}"


EX_IN_BALL = Exercise(
    "7.1",
    in_ball,
    _probe_in_ball,
    mistakes="""
`** (1 / d)` -> ``: the radius is uniform, so half of the points lie in the inner ball of radius 1/2, which has only the
    share 2^-d of the volume. r^d is to be uniform: take the d-th root, U ** (1 / d)
`(1 / d)` -> `d`: U ** d crowds the points at the centre: the power d of the *radius* is uniform, so U ** (1 / d)
`(1 / d)` -> `1 / d`: the radius is U / d: a power is taken before a division, so put brackets, U ** (1 / d)
`1 / d` -> `1 / 2` | `1 / d` -> `1 / 3` | `1 / d` -> `1 / (d + 1)` | `1 / d` -> `1 / (d - 1)`: the root is not the d-th:
    the ball of radius r has the share r^d of the volume. So r^d is to be uniform, r = U ** (1 / d)
`1 / d` -> `0`: all points lie on the sphere (U ** (1 // d) is 1): each needs a radius of its own, U ** (1 / d)
`2 * torch.rand(number, d) - 1` | `torch.rand(number, d)`: these are points of a cube: in 2 dimensions a fifth of them
    lies outside the ball, in 20 nearly all. A direction comes from torch.randn
`randn(number, d)` -> `rand(number, d) - 0.5`: the directions crowd at the cube's corners: torch.randn prefers none
`randn(number, d)` -> `rand(number, d)`: no coordinate is negative: torch.rand draws from [0, 1]. Take torch.randn
`/ directions.norm(dim=1, keepdim=True)` -> `` | `/ directions.norm(dim=1, keepdim=True)` -> `` & `1 / d` -> `0` |
    `directions.norm(dim=1, keepdim=True)` -> `d**0.5`: some points lie outside the ball: divide each by its own length,
    norm(dim=1, keepdim=True), which is only near sqrt(d), and multiply by a radius below 1
`dim=1, keepdim=True` -> `dim=0` | `dim=1, keepdim=True` -> ``: divide each point, which is a row, by its own length,
    norm(dim=1, keepdim=True): dim=0 runs over the points, and norm() without dim is the length of the whole table
`rand(number, 1)` -> `rand(1)`: all points share one radius: draw one a point, torch.rand(number, 1)
`rand(number, 1)` -> `rand(number, d)`: each coordinate has its own radius: draw one a point, torch.rand(number, 1)
`randn(number, d)` -> `randn(1, d)`: all points lie in one direction: draw one a point, torch.randn(number, d)
""",
    hints=(
        "Draw a direction and a radius. A vector of d normals, torch.randn, prefers no direction: divide it by its "
        "length, norm(dim=1, keepdim=True).",
        "The ball of radius r has the share r^d of the whole volume. So the radius is below r with probability r^d: "
        "which function of a uniform U does that?",
        "directions * torch.rand(number, 1) ** (1 / d)",
    ),
    stars=2,
)


def recover(A, y, k):
    taken, left = [], y
    for _ in range(k):
        taken.append((A.T @ left).abs().argmax().item())
        columns = A[:, taken]
        coefficients = torch.linalg.lstsq(columns, y).solution
        left = y - columns @ coefficients
    x = torch.zeros_like(A[0])
    x[taken] = coefficients
    return x


COLUMNS = (
    "A has a row a measurement and a *column* an entry of x: A.T @ left, (n,), says how much each column has to do "
    "with what is left of y, and A[:, taken] are the columns taken so far"
)
SINGULAR = (
    "these columns have no inverse: A.T @ A over *all* columns has none, since there are more columns than "
    "measurements, nor has it if one column is taken twice. Fit the columns taken so far, each once: lstsq"
)
TYPES = "A and y are float64, and what holds x or its coefficients has to be of their type: torch.zeros_like(A[0])"
ADVICE = dict.fromkeys(("same dtype", "dtypes match", "same type"), TYPES) | dict.fromkeys(
    (*NO_PRODUCT, "should match"), COLUMNS
)
ADVICE |= dict.fromkeys(("singular", "not invertible"), SINGULAR)


def _measured(m, n, k):
    """Columns of length 1, in which all variants of the method agree; what they measure; and k."""
    A, x = F.normalize(torch.randn(m, n).double(), dim=0), torch.zeros(n).double()
    x[torch.randperm(n)[:k]] = (0.4 + 2 * torch.rand(k).double()) * (-1) ** torch.arange(k)
    return A, A @ x, k


def _probe_recover(attempt):
    attempt, (A, y, k) = advised(attempt, ADVICE), _measured(90, 256, 8)
    first = {
        "20 measurements of 30 numbers, 1 of which is not zero": _measured(20, 30, 1),
        "60 measurements of 200 numbers, 4 of which are not zero": _measured(60, 200, 4),
        "60 other measurements of 200 other numbers, 4 of which are not zero": _measured(60, 200, 4),
    }
    longer = {"90 measurements of 256 numbers, 8 of which are not zero": (A * torch.linspace(0.8, 1.2, 256), y, k)}
    yield from on(first, longer, what="x")(attempt)
    A, y, k = _measured(40, 120, 4)
    error = (A @ attempt(A, y, k).detach().double() - y).abs().max()
    exact = "exact" if error < 1e-8 else "rounded: float32 on the way?" if error < 1e-3 else "other numbers"
    yield {"x, to 8 decimals (40 measurements of 120 numbers, 4 of which are not zero)": exact}


EX_RECOVER = Exercise(
    "7.2",
    recover,
    _probe_recover,
    mistakes="""
`torch.linalg.pinv(A) @ y`: this fits the measurements, but all n numbers share the work: of all solutions it is the
    *shortest*, not the one with the fewest entries. Choose columns, k of them
`.abs()` -> ``: the largest product is taken with its sign, which misses all negative entries: (A.T @ left).abs()
`argmax` -> `argmin` & `range(k)` -> `range(1)`: the column *least* like what is left of y is taken: argmax
`[], y` -> `[], y; found = 0 * A[0]` & `coefficients = torch.linalg.lstsq(columns, y).solution` -> `found[taken[-1]] +=
    columns[:, -1] @ left` & `columns @ coefficients` -> `A @ found` & `x[taken] = coefficients` -> `return found`: the
    coefficients stay as they were first found, and so does what the columns found later change about them. Fit *all*
    columns taken so far anew in each round, to y itself: lstsq
`(columns, y)` -> `(columns, left)` | `(columns, y)` -> `(columns, left)` & `left = y` -> `left = left` | `(columns, y)`
    -> `(columns, left)` & `A[:, taken]` -> `A[:, sorted({*taken})]` & `[taken] =` -> `[sorted({*taken})] =`: the
    coefficients are fitted to what the earlier columns have left already: fit all columns taken so far to y
`torch.linalg.lstsq(columns, y).solution` -> `columns.T @ y`: the products with the columns are taken for the
    coefficients, which is right for columns at right angles alone. Fit them: lstsq
`range(k)` -> `range(1)` | `y - columns` -> `y - 0 * columns`: only one column is chosen, perhaps over and over: repeat
    the choice k times, and look each time at what is *left*, left = y - A[:, taken] @ coefficients
`range(k)` -> `range(1)` & `.append(` -> ` = (` & `argmax().item()` -> `topk(k).indices` | `range(k)` -> `range(1)` &
    `.append((A.T` -> ` = ((torch.linalg.pinv(A)` & `argmax().item()` -> `topk(k).indices` | `torch.where((s := A.T @
    y).abs() >= s.abs().topk(k).values[-1], s, 0)` | `torch.where((s := torch.linalg.pinv(A) @ y).abs() >=
    s.abs().topk(k).values[-1], s, 0)`: all places are chosen at once: a large entry makes itself felt in every column,
    and hides the small ones. Choose one, take its part away from y, and look for the next in what is left
`left = y` -> `left = left`: earlier columns are taken away twice: what is left is y - A[:, taken] @ coefficients
`range(k)` -> `range(k - 1 or 1)`: one entry is missing: choose k columns, `for _ in range(k)`
`return x` -> `return coefficients` | `return x` -> `return x[sorted(taken)]` | `return x` -> `return
    torch.tensor(taken)` | `return x` -> `return A @ x`: return x itself, (n,), not A @ x, nor places or coefficients
    alone: put these in their places in a vector of n zeros, x[taken] = coefficients
`return x` -> `return x[:, None]`: this is a column, (n, 1): want (n,). Give lstsq the vector y itself, or take [:, 0]
`A[:, taken]` -> `A[:, sorted(taken)]`: right numbers in the wrong places: x[taken] and A[:, taken] want the same order
""",
    hints=(
        "The columns of a random A are nearly at right angles to each other: that is high dimension. So A.T @ y "
        "already tells which column has most to do with y. Take that one, and look again at what is left.",
        "In each round: (A.T @ left).abs().argmax().item() is the next column; fit y = A[:, taken] @ coefficients by "
        "torch.linalg.lstsq; left = y - A[:, taken] @ coefficients. (Tropp and Gilbert 2007.)",
        "coefficients = torch.linalg.lstsq(columns, y).solution; last x = zeros_like(A[0]), x[taken] = coefficients.",
    ),
    stars=3,
)


def stable(shares):
    return (1 - shares).prod(dim=1)


def _shares():
    few = torch.rand(5, 784)
    return {
        "the shares 0.5, 0.1, 0 of one image": (torch.tensor([[0.5, 0.1, 0.0]]),),
        "4 images of 3 pixels": (torch.tensor([[0.2, 0.4, 0.3], [0.0, 0.0, 0.0], [0.6, 1.0, 0.0], [0.9, 0.3, 0.5]]),),
        "4 other images of 3 pixels": (torch.rand(4, 3),),
        "5 images of 784 pixels": (0.02 * few * (few < 0.3),),
        "2 images of 3136 pixels, half of them a little bad": (torch.tensor([5e-4, 0.0]).repeat(2, 1568),),
    }


EX_STABLE = Exercise(
    "7.3",
    stable,
    probe=on(_shares, what="the probability"),
    mistakes="""
`1 - shares` -> `shares`: this is the chance that *every* pixel takes the image out: none may, so multiply 1 - share
`1 - shares.prod(1)`: this is the chance that not all pixels are bad at once: one is enough, so multiply 1 - share
`return ` -> `return 1 - `: this is the chance that some pixel takes the image out of its class: leave out the 1 -
`1 - shares.sum(1)` | `(1 - shares.sum(1)).clamp(min=0)`: the shares are added: that is right only if no two pixels can
    be bad at once. For independent pixels the chances to *survive* multiply
`(1 - shares).mean(1)`: this is the chance for *one* pixel, picked at random: all are to survive, so multiply
`(1 - shares.mean(1)) ** shares.shape[1]` | `(1 - shares.mean()) ** shares.shape[1]` | `(1 - shares.mean(1)) ** 784`:
    this is the blog's (1 - ε)^n with a mean share for ε, right only if all pixels are alike: multiply 1 - share
`torch.exp(-shares.sum(1))`: exp(-sum) is close for small shares alone: multiply 1 - share, or sum torch.log1p(-shares)
`1 - shares.amax(1)`: only the worst pixel counts here: the others are drawn too, and each can take the image out
`(shares == 0).all(1).float()`: this asks whether the image is stable for certain: the chance is wanted
`.prod(dim=1)` -> `.log().mean(1).exp()`: this is the chance for one typical pixel: leave out the n-th root
`(1 - shares).log2().sum(1).exp()`: logarithm and exponential have different bases: torch.log1p(-shares) goes with exp
`((1 - shares).log() * (1 - shares)).sum(1).exp()`: the sum wants no weights: exp of the plain sum of the logarithms
`.prod(dim=1)` -> `` | `.prod` -> `.cumprod`: one number an image, (N,): the product over all its pixels, .prod(dim=1)
`1 - shares` -> `1 - shares.clamp(1e-3, 1 - 1e-3)`: leave out clamp: hundreds of harmless pixels add up
""",
    hints=(
        "Pixel j leaves image i in its class with probability 1 - share_ij. The image is stable if all its pixels do, "
        "and the blog takes them for independent.",
        "Chances of independent events multiply: (1 - shares), then a product over the pixels, dim=1.",
    ),
)


def crossings(weight, bias, start, end):
    speed = weight @ (end - start)
    t = -(weight @ start + bias) / speed
    return t[(t > 0) & (t < 1)].sort().values


VECTORS = "weight has a row a unit, (m, n): weight @ start + bias, (m,), is the input of every unit at the start"
BRACKETS = "each t has a truth value of its own, and `&` binds before `>`: with brackets, t[(t > 0) & (t < 1)]"
CANNOT_CROSS = dict.fromkeys(NO_PRODUCT, VECTORS) | dict.fromkeys(("ambiguous", "bitwise_and"), BRACKETS)
GRID = (
    "a grid finds the places only roughly, and of two faces between neighbours it may see one or none. A unit's input "
    "is a straight line in t, so its zero can be computed: -(weight @ start + bias) / (weight @ (end - start))"
)


def _probe_crossings(attempt):
    """First faces so close together that a grid sees one place at most, and there no unit switches."""
    attempt = advised(attempt, CANNOT_CROSS)
    places, (start, end) = 0.3123456 + 1e-6 * torch.arange(5).double(), torch.tensor([[0.0], [1.0]]).double()
    found = attempt(torch.ones(5, 1).double(), -places, start, end)
    one = isinstance(found, Tensor) and found.ndim == 1 and len(found) and found.max() - found.min() < 2e-6
    if one and 2e-7 < (found[:, None] - places).abs().min() < 0.1:
        raise NotYet(GRID)
    few = torch.tensor([[1.0, 0.0], [2.0, 1.0], [-1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]).double()
    aside = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [0.0, 1.0], [0.0, 0.0], [-1.0, 0.0]]).double()
    line = few.new_tensor([[0.0, 0.0], [4.0, 0.0]])
    many = tuple(torch.randn(shape) for shape in ((40, 5), (40,), (5,), (5,)))
    layers = {
        "6 units and a line in the plane": (few, few.new_tensor([-1.0, -6.0, 1.5, 1.0, -0.004, -3.996]), *line),
        "40 units in 5 dimensions": many,
        "the same line backwards": (*many[:2], *many[:1:-1]),
    }
    bias = few.new_tensor([0.0, -8.0, 1.0, 0.0, 0.0, 1.5])
    corners = {"6 units, whose faces may be parallel to the line or pass through its ends": (aside, bias, *line)}
    yield from on(layers, corners, what="the places")(attempt)


EX_CROSSINGS = Exercise(
    "7.4",
    crossings,
    _probe_crossings,
    mistakes="""
`start + bias` -> `start - bias`: the bias has the wrong sign: t = -(w . start + b) / (w . (end - start))
`start + bias` -> `start`: the bias is missing: a unit switches where w . x + b = 0
`-(weight` -> `(weight`: all t have the wrong sign: w . start + b + t w . (end - start) = 0, solved for t, has a minus
`/ speed` -> `/ speed; t = t.abs()`: abs brings in faces that lie *behind* the start: keep the sign, and 0 < t < 1
`[(t > 0) & (t < 1)]` -> `` | `(t > 0) & (t < 1)` -> `t.isfinite()` | `(t > 0) & ` -> `` | ` & (t < 1)` -> `` | `(t > 0)
    & (t < 1)` -> `t.abs() < 1`: some of these lie before the start or behind the end: keep only t with 0 < t < 1, t[(t
    > 0) & (t < 1)]
`t[(t > 0) & (t < 1)]` -> `t.clamp(0, 1)`: clamp moves the places outside to the ends: drop them, t[(t > 0) & (t < 1)]
`(t > 0) & (t < 1)` -> `~((t <= 0) | (t >= 1))` | `[(t > 0) & (t < 1)]` -> `.where((t > 0) & (t < 1), torch.nan)`:
    division by the speed 0, of a face parallel to the line, gives inf or NaN: t[(t > 0) & (t < 1)] drops both
`> 0` -> `>= 0` & `< 1` -> `<= 1` | `> 0` -> `>= 0` | `< 1` -> `<= 1` | `(end - start)` -> `(end - start) + 1e-12`: an
    end itself counts here: want 0 < t < 1. (A small number added to the speed moves an end inside, too: leave it out)
`.sort().values` -> `.sort()` | `sort().values` -> `argsort()`: sort() returns two things, the sorted places and where
    they stood, and argsort() the latter: return the places, .sort().values
`.sort().values` -> `.new_tensor([0, *t[(t > 0) & (t < 1)].sort().values, 1])`: the ends, 0 and 1, are no crossings
`.sort().values` -> ``: in the order of the units: the line meets them in another one, .sort().values
`.sort().values` -> `.shape[0]`: this is their number: return the places themselves, a tensor (K,)
`values` -> `values[:, None] * (end - start) + start` | `values` -> `values * (end - start).norm()`: these are the
    points, or distances from the start: return t, the share of the way, between 0 and 1
`(end - start)` -> `end`: the direction is end - start, so a unit's input changes at the speed weight @ (end - start)
`start + bias` -> `end + bias`: the input is taken at the end: t counts from the start, -(weight @ start + bias)
`-(weight @ start + bias) / speed` -> `-speed / (weight @ start + bias)`: the fraction stands upside down
""",
    hints=(
        "On the line x(t) = start + t (end - start) the input of a unit is w . x(t) + b, which is a straight line in "
        "t. It crosses the face where that is 0.",
        "At the start it is weight @ start + bias, and it changes at the speed weight @ (end - start), for all units "
        "at once. When is it 0?",
        "t = -(weight @ start + bias) / (weight @ (end - start)); then t[(t > 0) & (t < 1)].sort().values.",
    ),
    stars=2,
)


def boundary(share, sigma):
    return -sigma * torch.special.ndtri(share)


SHARES = (0.01, 0.3, 0.5, 0.9, 1e-4)
WHOLE = "share is a tensor, of any shape: torch.special.ndtri takes it whole, where math and statistics take one number"
KEPT_FINITE = (
    "a share of 0 is given a finite distance: if the noise never flips the class, the boundary is infinitely far. "
    "Leave out clamp and nan_to_num: torch.special.ndtri takes small shares, and ndtri(0) is -inf"
)


def _probe_boundary(attempt):
    attempt = advised(attempt, dict.fromkeys(("converted to", "must be real number"), WHOLE))
    for sigma in (1.0, 0.2):
        found = attempt(torch.tensor(SHARES), sigma)
        yield {f"the distances for {len(SHARES)} shares and sigma = {sigma:g}": _shape(found)}
        pairs = zip(SHARES, found.tolist(), strict=True)
        yield {f"the distance for share = {share:g}, sigma = {sigma:g}": distance for share, distance in pairs}
    found = attempt(torch.tensor([0.0, 1e-9]), 0.5)
    if found[0].isfinite():
        raise NotYet(KEPT_FINITE)
    yield {"the distances for the shares 0 and 1e-9, sigma = 0.5": found}
    table = torch.tensor([[0.02, 0.4, 0.6], [1e-12, 1e-3, 0.25]]).double()
    tables = {"2 x 3 shares, sigma = 0.5": (table, 0.5), "2 x 3 other shares, sigma = 0.5": (1 - table.flip(1), 0.5)}
    yield from on(tables, what="the distances")(attempt)


EX_BOUNDARY = Exercise(
    "7.5",
    boundary,
    _probe_boundary,
    mistakes="""
`-sigma` -> `sigma`: the sign: Φ^-1 of a small share is negative, the distance positive: -sigma * Φ^-1(share)
`-sigma * ` -> `-`: sigma is missing: this is the distance in standard deviations of the noise
`-sigma` -> `-28 * sigma` | `-sigma` -> `28 * sigma` | `-sigma` -> `-sigma / 28`: no 28 here: sigma is the deviation of
    *one* pixel, and along the boundary's normal the noise moves the image by sigma. Only its whole length is 28 sigma
`-ndtri(share / sigma)` | `-ndtri(share * sigma)`: sigma stands outside: -sigma * Φ^-1(share)
`sigma * ndtr(share)` | `-sigma * ndtr(share)` | `sigma * ndtr(-share)` | `sigma / ndtr(share)` | `-sigma / ndtr(share)`
    | `-sigma * log_ndtr(share)`: ndtr is Φ, which turns a distance into a share: the way back is its inverse, ndtri
`-sigma * ndtri(share / 2)` | `-sigma * ndtri(2 * share)`: this counts two sides, and the boundary has one: Φ^-1(share)
`sigma * erfinv(1 - 2 * share)` | `-sigma * erfinv(share)` | `sigma * erfinv(1 - share)` | `-sigma * 2**0.5 *
    erfinv(share)`: erfinv is not Φ^-1(p), which is sqrt(2) erfinv(2 p - 1). Easier is torch.special.ndtri
`sigma * 2**0.5 * erfinv(1 - 2 * share)`: right until the share is small: in float32 1 - 2e-9 is 1, and a small share is
    taken for none (Normal.icdf does that too). -sigma * torch.special.ndtri(share) needs no 1 - share
`-sigma * ndtri(share).abs()`: all distances are negative: -sigma * Φ^-1(share) without abs
`boundary(share, sigma).abs()` | `boundary(share, sigma).clamp(min=0)`: above a share of 1/2 the image lies beyond the
    boundary, and its distance is negative: without abs or clamp
`sigma * torch.sqrt(-2 * share.log())`: this is the bound exp(-z^2 / 2), turned round, close for tiny shares only:
    torch.special.ndtri
`-sigma * torch.logit(share)`: the logit belongs to other noise: a Gaussian wants torch.special.ndtri
`sigma * (1 - share)`: the share is no distance yet: -sigma * Φ^-1(share)
""",
    hints=(
        "Only one component of the noise matters, the one across the boundary, and that is normal with standard "
        "deviation sigma, whatever the dimension: share = Φ(-r / sigma) at distance r.",
        "Solve that for r. The inverse of Φ is torch.special.ndtri.",
    ),
)


def into_subspace(gradient, basis):
    return gradient @ basis.T @ basis


SHAPES = (
    "gradient is (N, n) and basis (m, n), a direction a *row*. gradient @ basis.T are the coordinates, (N, m), and "
    "coordinates @ basis takes them back to (N, n)"
)


def _gradients():
    one, other = (torch.linalg.qr(torch.randn(40, 5)).Q.T.contiguous() for _ in range(2))
    return {
        "the gradient (3, 4, 5), the first two axes": (torch.tensor([[3.0, 4.0, 5.0]]), torch.eye(3)[:2]),
        "6 gradients in 40 dimensions, a subspace of 5": (torch.randn(6, 40), one),
        "6 other gradients in 40 dimensions, another subspace of 5": (torch.randn(6, 40), other),
    }


EX_INTO_SUBSPACE = Exercise(
    "7.6",
    into_subspace,
    probe=on(_gradients, what="the part", advice=dict.fromkeys(NO_PRODUCT, SHAPES)),
    mistakes="""
`gradient @ basis.T` | `(gradient @ basis.T).sum(1, keepdim=True)`: these are the coordinates in the subspace, or their
    sum: each belongs to its own direction, coordinates @ basis takes them back to pixels
`basis.T @ basis`: this is the matrix that projects: apply it to the gradients, gradient @ (basis.T @ basis)
`return ` -> `return gradient - ` | `return ` -> `return -gradient + `: the part *across* the subspace, not that in it
`F.normalize(into_subspace(gradient, basis), dim=0)` | `F.normalize(into_subspace(gradient, basis), dim=(0, 1))`: the
    length is lost: return the part itself, which is shorter than the gradient. Nothing is to be normalised
`return ` -> `return 1 / len(basis) * `: divided by m: the parts along the m directions add up, they are not averaged
`return ` -> `return (basis.shape[1] / len(basis)) ** 0.5 * `: no sqrt(n / m) here: that is for distances
`into_subspace(gradient, basis[-1:])`: only the last direction is left: add the parts up, along all m directions
`gradient * (torch.arange(gradient.shape[1]) < len(basis))`: the first m pixels: use the *rows* of basis
`gradient * basis.sum(0)`: no projection: a product with a direction is the *sum* over all n pixels, gradient @ basis.T
`(gradient @ basis.T).abs() @ basis` | `(gradient @ basis.T) ** 2 @ basis` | `(gradient @ basis.T).relu() @ basis`:
    coordinates enter as they are, without abs, squares or relu
`gradient`: the gradient itself, unchanged: only its part in the subspace
""",
    hints=(
        "The part of g along one direction b of length 1 is (g . b) b. At right angles to each other the parts add up.",
        "All coordinates at once: gradient @ basis.T, (N, m). With `@ basis` they become vectors of n pixels again.",
    ),
)

EXERCISES = [EX_IN_BALL, EX_RECOVER, EX_STABLE, EX_CROSSINGS, EX_BOUNDARY, EX_INTO_SUBSPACE]
