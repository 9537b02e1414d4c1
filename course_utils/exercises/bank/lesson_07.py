"""Lesson 07: a ball, a few measurements, a product of shares, faces on a line, a half-space, a subspace."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import advised, evenly_spread, in_stages, looks, up_to_the_first_difference
from course_utils.exercises.timeout import TooLong, limited


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


# 7.1


def in_ball(number, d):
    directions = torch.randn(number, d)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return directions * torch.rand(number, 1) ** (1 / d)


MANY, FAR = 4000, 400
SLOW = 3.0  # seconds for a draw of MANY points; by a loop over them it takes a tenth of that
PER_POINT = (
    "one radius a point has to be a column, (number, 1), to stand beside (number, d): torch.rand(number, 1), and "
    "norm(dim=1, keepdim=True)"
)
REJECTING = (
    f"2 and 3 dimensions went well, but in 20 your code was stopped after {SLOW:g} s: do you draw from the cube and "
    "keep what lies in the ball? In 20 dimensions the ball fills 1/40,000,000 of the cube. Draw a direction and a "
    "radius instead"
)
BY_VOLUME = "as many in each shell as its volume says"
LAWS = {  # the share of points nearer to the centre than r is r ** power
    "evenly spread from 0 to 1": lambda d: 1,
    "as U ** d": lambda d: 1 / d,
    "as on a disc": lambda d: 2,
    "as in a ball of 3 dimensions": lambda d: 3,
    "as in a ball of one dimension more": lambda d: d + 1,
}


def _probe_in_ball(attempt):
    attempt, seen = advised(attempt, {"must match the size": PER_POINT}), {}
    for number, d in ((5, 2), (1, 3)):
        seen[f"the points for number = {number}, d = {d}"] = _shape(points := attempt(number, d))
        if not _is_cloud(points, number, d):
            return seen
    seen["the points of a second call"] = "the same again" if torch.equal(points, attempt(number, d)) else "new ones"
    for d in (2, 3, 20):
        points = _in_time(attempt, d)
        seen[f"{MANY} points of {d} dimensions"] = _shape(points)
        if not _is_cloud(points, MANY, d):
            return seen
        points = points.detach().cpu().double()
        seen[f"where {MANY} points of {d} dimensions lie"] = _outermost(points)
        seen[f"the lengths of {MANY} points of {d} dimensions"] = _law(points.norm(dim=1), d)
        seen[f"the directions of {MANY} points of {d} dimensions"] = evenly_spread(F.normalize(points, eps=1e-99))
        seen[f"how many of {MANY} points of {d} dimensions are alike"] = MANY - len(points.unique(dim=0))
    points = attempt(FAR, 784)
    seen[f"{FAR} points of 784 dimensions"] = _shape(points)
    if _is_cloud(points, FAR, 784):
        points = points.detach().cpu().double()
        seen[f"where {FAR} points of 784 dimensions lie"] = _outermost(points)
        seen[f"the lengths of {FAR} points of 784 dimensions"] = _law(points.norm(dim=1), 784)
    return seen


def _shape(points):
    """A result in words: its shape, and its type where that is none of a distance or a coordinate."""
    if points is None:
        return None
    odd = isinstance(points, Tensor) and not points.is_floating_point()
    return f"{named(points)} and type {points.dtype}" if odd else named(points)


def _is_cloud(points, number, d):
    return isinstance(points, Tensor) and points.is_floating_point() and points.shape == (number, d)


def _in_time(attempt, d):
    try:
        return limited(SLOW, lambda: attempt(MANY, d))
    except TooLong:
        if d == 20:
            raise NotYet(REJECTING) from None
        raise


def _outermost(points):
    if not points.isfinite().all():
        return "NaN or infinity"
    if (points.norm(dim=1) <= 1 + 1e-5).all():
        return "in the ball"
    inside = (points.abs().amax(1) <= 1).double().mean()
    return "outside the ball, but in the cube" if inside > 0.99 else "outside the ball and the cube"


def _law(lengths, d):
    """How lengths are distributed, in words; a right answer fails the test of Kolmogorov once in 30 million draws."""
    if lengths.std() < 1e-4:
        return "1, all of them" if (lengths - 1).abs().max() < 1e-4 else "all the same"
    limit = 3 / len(lengths) ** 0.5
    if _distance(lengths, d) < limit:
        return BY_VOLUME
    law = min(LAWS, key=lambda name: _distance(lengths, LAWS[name](d)))
    if _distance(lengths, LAWS[law](d)) < limit:
        return law
    if lengths.max() < 0.1:
        return "below 1/10, all of them"
    if _distance(lengths * d, 1) < limit:
        return "evenly spread from 0 to 1/d"
    if lengths.max() < 0.501:
        return "below 1/2, all of them"
    middle = (lengths**d).mean() - 0.5  # 0 in a ball
    if middle.abs() < 0.03:
        return "not as many in each shell as its volume says"
    return "too many near the centre" if middle < 0 else "too many near the surface"


def _distance(lengths, power):
    """Kolmogorov's: the largest gap between the shares found and r ** power."""
    shares, steps = lengths.clamp(max=1).sort().values ** power, torch.linspace(0, 1, len(lengths) + 1).double()
    return max((shares - steps[1:]).abs().max(), (shares - steps[:-1]).abs().max())


def _unit(points, **how):
    return points / points.norm(**how)


def _drawing(
    directions=lambda number, d: _unit(torch.randn(number, d), dim=1, keepdim=True),
    radii=lambda number, d: torch.rand(number, 1) ** (1 / d),
):
    """The points with one part exchanged: the source of the classic mistakes."""
    return lambda number, d: directions(number, d) * radii(number, d)


def _cube(number, d):
    return 2 * torch.rand(number, d) - 1


def _one(number, d):
    return 1


ON_SPHERE = (
    "all points lie on the sphere: inside it there is room too, so each needs a radius of its own, U ** (1 / d). "
    "(`1 // d` is 0, and U ** 0 is 1.)"
)
WHOLE_CUBE = (
    "these are points of a cube: in 2 dimensions a fifth of them lies outside the ball, in 20 nearly all. A direction "
    "comes from torch.randn"
)
TOO_LONG = (
    "some points lie outside the ball: a vector of d normals has a length near sqrt(d), a little different each time. "
    "Divide each by its own length, norm(dim=1, keepdim=True)"
)
THE_OTHER_ROOT = (
    "the root is not the d-th: the ball of radius r has the share r^d of the volume, whatever d is. So r^d is to be "
    "uniform, r = U ** (1 / d)"
)

EX_IN_BALL = Exercise(
    id="7.1",
    reference=in_ball,
    probe=_probe_in_ball,
    mistakes="",
    also=(
        Mistake(
            _drawing(radii=lambda number, d: torch.rand(number, 1)),
            "the radius is uniform, so half of the points lie in the inner ball of radius 1/2, which has only the "
            "share 2^-d of the volume. r^d is to be uniform: take the d-th root, U ** (1 / d)",
        ),
        Mistake(
            _drawing(radii=lambda number, d: torch.rand(number, 1) ** d),
            "U ** d crowds the points at the centre: it is the power d of the *radius* that is uniform, so the radius "
            "is the d-th root, U ** (1 / d)",
        ),
        Mistake(
            _drawing(radii=lambda number, d: torch.rand(number, 1) ** 1 / d),
            "the radius is U / d: a power is taken before a division, so put brackets round the fraction, U ** (1 / d)",
        ),
        *(
            Mistake(_drawing(radii=lambda number, d, root=root: torch.rand(number, 1) ** (1 / root(d))), THE_OTHER_ROOT)
            for root in (lambda d: 2, lambda d: 3, lambda d: d + 1, lambda d: d - 1)
        ),
        Mistake(_drawing(radii=_one), ON_SPHERE),
        Mistake(_cube, WHOLE_CUBE),
        Mistake(torch.rand, WHOLE_CUBE),
        Mistake(
            _drawing(directions=lambda number, d: _unit(_cube(number, d), dim=1, keepdim=True)),
            "the points crowd in the directions of the cube's corners, which are farther away than its faces. A vector "
            "of normals, torch.randn, prefers no direction",
        ),
        Mistake(
            _drawing(directions=lambda number, d: _unit(torch.rand(number, d), dim=1, keepdim=True)),
            "no coordinate is negative: torch.rand draws from [0, 1]. For the direction take torch.randn",
        ),
        Mistake(_drawing(directions=torch.randn), TOO_LONG),
        Mistake(_drawing(directions=torch.randn, radii=_one), TOO_LONG),
        Mistake(
            _drawing(directions=lambda number, d: torch.randn(number, d) / d**0.5),
            "divided by sqrt(d), lengths are near 1 but not 1, and half of them is above. Divide each point by its own "
            "length, norm(dim=1, keepdim=True)",
        ),
        Mistake(
            _drawing(directions=lambda number, d: _unit(torch.randn(number, d), dim=0)),
            "the norm runs over the points here (dim=0): a point is a row, so its length is norm(dim=1, keepdim=True)",
        ),
        Mistake(
            _drawing(directions=lambda number, d: _unit(torch.randn(number, d))),
            "norm() without dim is the length of the whole table: divide each point by its own, "
            "norm(dim=1, keepdim=True)",
        ),
        Mistake(
            _drawing(radii=lambda number, d: torch.rand(1) ** (1 / d)),
            "all points share one radius: draw one a point, torch.rand(number, 1)",
        ),
        Mistake(
            _drawing(radii=lambda number, d: torch.rand(number, d) ** (1 / d)),
            "each coordinate has a radius of its own here: draw one a point, torch.rand(number, 1)",
        ),
        Mistake(
            _drawing(directions=lambda number, d: _unit(torch.randn(1, d))),
            "all points lie in one direction: draw one a point, torch.randn(number, d)",
        ),
        Mistake(lambda number, d: in_ball(number, d).T, "a point is a row here: (number, d), not (d, number)"),
    ),
    hints=(
        "Draw a direction and a radius, one after the other. A vector of d normals, torch.randn, prefers no direction: "
        "divide each by its length, norm(dim=1, keepdim=True).",
        "The ball of radius r has the share r^d of the whole volume. So the radius is below r with probability r^d: "
        "which function of a uniform U does that?",
        "directions * torch.rand(number, 1) ** (1 / d)",
    ),
)

# 7.2


def recover(A, y, k):
    x, chosen = torch.zeros_like(A[0]), torch.zeros_like(A[0], dtype=torch.bool)
    for _ in range(k):
        residual = y - A @ x
        chosen[(A.T @ residual).abs().argmax()] = True
        x[chosen] = torch.linalg.lstsq(A[:, chosen], y).solution
    return x


COLUMNS = (
    "A has a row a measurement and a *column* an entry of x: A.T @ residual, (n,), says how much each column has to do "
    "with the residual, and A[:, support] are the columns chosen so far"
)
SINGULAR = (
    "these columns have no inverse: A.T @ A over *all* columns has none, since there are more columns than "
    "measurements, nor has it if one column is taken twice. Solve for the columns chosen so far, each once: lstsq"
)
TYPES = (
    "A and y may be float64, and what you make to hold x or its coefficients has to be of their type: "
    "torch.zeros_like(A[0]), or A.new_zeros(A.shape[1])"
)


@cache
def _measured():
    """Measurements, what they measure, how many entries of that are not zero; by name."""
    found = {}
    for number, (m, n, k) in enumerate(((20, 30, 1), (60, 200, 4), (90, 256, 8), (60, 200, 4))):
        source, signs = _seeded(number), torch.tensor([-1.0, 1.0])
        A = torch.randn(m, n, generator=source) / (m**0.5 if number < 2 else 1)
        x, places = torch.zeros(n), torch.randperm(n, generator=source)[:k]
        x[places] = (0.4 + 2 * torch.rand(k, generator=source)) * signs[torch.arange(k) % 2]
        others = "other " if number == 3 else ""
        name = f"{m} {others}measurements of {n} {others}numbers, {k} of which {'is' if k == 1 else 'are'} not zero"
        found[name] = (A, A @ x), k
    return found


def _probe_recover(attempt):
    advice = {"singular": SINGULAR, "not invertible": SINGULAR}
    advice |= dict.fromkeys(("size mismatch", "cannot be multiplied", "must match the size"), COLUMNS)
    advice |= dict.fromkeys(("same dtype", "dtypes match", "same type"), TYPES)
    attempt = advised(attempt, advice)
    seen = looks(attempt, "x", _measured())
    if describe_difference(seen, looks(recover, "x", _measured())):
        return seen
    return seen | looks(attempt, "x, to 6 decimals", _measured_in_float64(), _judged)


@cache
def _measured_in_float64():
    """As the lesson measures: with numbers that leave no room for rounding."""
    source = _seeded(7)
    A = torch.randn(40, 120, generator=source).double() / 40**0.5
    x = torch.zeros(120).double()
    x[[3, 50, 77, 110]] = torch.tensor([1.5, -0.7, 2.0, -1.1]).double()
    return {"40 measurements of 120 numbers in float64, 4 of which are not zero": ((A, A @ x), 4)}


def _judged(found):
    """In words how near a result is to what was measured in float64."""
    (((A, y), k),) = _measured_in_float64().values()
    if not isinstance(found, Tensor) or found.shape != A[0].shape:
        return None if found is None else named(found)
    error = (found.detach().double() - recover(A, y, k)).abs().max()
    return "exact" if error < 1e-7 else "rounded: float32 on the way?" if error < 1e-3 else "other numbers"


def _matching(
    score=torch.abs,
    fit=lambda columns, y, residual: _solved(columns, y),
    target=lambda y, fitted: y - fitted,
    best=torch.argmax,
    steps=lambda k: k,
    end=lambda A, x, support: x,
):
    """Matching pursuit with one part exchanged: the source of the classic mistakes."""

    def pursue(A, y, k):
        x, support, residual = torch.zeros_like(A[0]), [], y
        for _ in range(steps(k)):
            support.append(best(score(A.T @ residual)).item())
            places = sorted(set(support))
            x = torch.zeros_like(x)
            x[places] = fit(A[:, places], y, residual)
            residual = target(y, A @ x)
        return end(A, x, support)

    return pursue


def _solved(columns, y):
    return torch.linalg.lstsq(columns, y).solution


def _without_fit(share, length=lambda A: 1):
    """Matching pursuit as it was before it was orthogonal: each coefficient is kept as first found."""

    def pursue(A, y, k):
        x, residual = torch.zeros_like(A[0]), y
        for _ in range(k):
            place = (A.T @ residual / length(A)).abs().argmax()
            step = A[:, place] @ residual * share(A[:, place])
            x[place] += step
            residual = residual - step * A[:, place]
        return x

    return pursue


def _fits_what_is_left(A, y, k):
    """The coefficients of the last round, which are those of what the rounds before have left."""
    x, support, residual = torch.zeros_like(A[0]), [], y
    for _ in range(k):
        support.append((A.T @ residual).abs().argmax().item())
        coefficients = _solved(A[:, support], residual)
        residual = residual - A[:, support] @ coefficients
    x[support] = coefficients
    return x


def _never_looks_again(A, y, k):
    """One column, k times, which share its coefficient."""
    x, support = torch.zeros_like(A[0]), [(A.T @ y).abs().argmax().item()] * k
    x[support] = _solved(A[:, support], y)
    return x


def _at_once(first, fit=True):
    """The k largest of some first guess, in one go."""

    def choose(A, y, k):
        guess = first(A, y)
        places = guess.abs().topk(k).indices
        x = torch.zeros_like(A[0])
        x[places] = _solved(A[:, places], y) if fit else guess[places]
        return x

    return choose


def _correlations(A, y):
    return A.T @ y


def _dense(A, y):
    return torch.linalg.pinv(A) @ y


def _in_order_of_choice(A, y, k):
    """The coefficients are sorted by column, their places by choice."""
    x, support = torch.zeros_like(A[0]), _matching(end=lambda A, x, support: support)(A, y, k)
    x[support] = _solved(A[:, sorted(support)], y)
    return x


ONCE = (
    "all places are chosen at once: a large entry makes itself felt in every column, and hides the small ones. Choose "
    "one, take its part away from y, and look for the next in what is left"
)
FITTED = (
    "the coefficients stay as they were first found, and so does what the columns found later change about them "
    "(matching pursuit). Solve for *all* chosen coefficients anew in each round, against y itself: lstsq"
)
FITTED_TO_REST = (
    "the coefficients are fitted to the residual, which the earlier columns have left already: fit all chosen columns "
    "to y"
)
ONE_COLUMN = (
    "only one column is chosen, perhaps over and over: repeat the choice k times, and look each time at what is "
    "*left*, residual = y - A[:, support] @ coefficients"
)
PLACES = "this is only the coefficients: put them in their places in a vector of n zeros, x[support] = coefficients"

EX_RECOVER = Exercise(
    id="7.2",
    reference=recover,
    probe=_probe_recover,
    mistakes="",
    also=(
        Mistake(
            lambda A, y, k: _dense(A, y),
            "this fits the measurements, but all n numbers share the work: of all solutions it is the *shortest*, not "
            "the one with the fewest entries. Choose columns, k of them",
        ),
        Mistake(
            _matching(score=lambda scores: scores),
            "the largest product is taken with its sign, which misses all negative entries: (A.T @ residual).abs()",
        ),
        Mistake(
            _matching(score=lambda scores: -scores.abs()),
            "the column that has *least* to do with the residual is chosen: argmax",
        ),
        Mistake(_without_fit(lambda column: 1 / (column @ column)), FITTED),
        Mistake(_without_fit(lambda column: 1), FITTED),
        Mistake(_without_fit(lambda column: 1 / (column @ column), lambda A: A.norm(dim=0)), FITTED),
        Mistake(_fits_what_is_left, FITTED_TO_REST),
        Mistake(_never_looks_again, ONE_COLUMN),
        Mistake(
            _matching(fit=lambda columns, y, residual: _solved(columns, residual)),
            FITTED_TO_REST,
        ),
        Mistake(
            _matching(fit=lambda columns, y, residual: columns.T @ y),
            "the products with the columns are taken for the coefficients: columns are not at right angles, nor of "
            "length 1. Solve for the coefficients: lstsq",
        ),
        Mistake(_matching(target=lambda y, fitted: y), ONE_COLUMN),
        Mistake(_matching(target=lambda y, fitted: fitted), ONE_COLUMN),
        Mistake(_matching(steps=lambda k: 1), ONE_COLUMN),
        Mistake(_at_once(_correlations), ONCE),
        Mistake(_at_once(_correlations, fit=False), ONCE),
        Mistake(_at_once(_dense), ONCE),
        Mistake(_at_once(_dense, fit=False), ONCE),
        Mistake(
            _matching(steps=lambda k: max(k - 1, 1)),
            "one entry is missing: choose k columns, `for _ in range(k)`",
        ),
        Mistake(_matching(end=lambda A, x, support: x[support]), PLACES),
        Mistake(_matching(end=lambda A, x, support: x[sorted(support)]), PLACES),
        Mistake(_matching(end=lambda A, x, support: torch.tensor(support)), "these are the places: return x, (n,)"),
        Mistake(_matching(end=lambda A, x, support: A @ x), "this is A @ x, the measurements again: return x, (n,)"),
        Mistake(
            _matching(end=lambda A, x, support: x[:, None]),
            "this is a column, (n, 1): want (n,). Give lstsq the vector y itself, or take [:, 0] of its column",
        ),
        Mistake(lambda A, y, k: recover(A, y, k).abs(), "the entries lose their signs: abs is only for the choice"),
        Mistake(
            _in_order_of_choice,
            "the right numbers stand in the wrong places: x[support] and A[:, support] want the same order of support",
        ),
    ),
    hints=(
        "The columns of a random A are nearly at right angles to each other: that is high dimension. So A.T @ y "
        "already tells which column has most to do with y. Take that one, and look again at what is left.",
        "In each round: add (A.T @ residual).abs().argmax() to the support; solve y = A[:, support] @ coefficients by "
        "torch.linalg.lstsq; residual = y - A[:, support] @ coefficients. (Tropp and Gilbert 2007: orthogonal matching "
        "pursuit.)",
        "coefficients = torch.linalg.lstsq(A[:, support], y).solution, with the support a list of numbers. At "
        "the end: x = A.new_zeros(A.shape[1]), which is of A's type, and x[support] = coefficients.",
    ),
)

# 7.3


def stable(shares):
    return (1 - shares).prod(dim=1)


@cache
def _shares():
    few = torch.rand(5, 784, generator=_seeded(0))
    shares = {
        "the shares 0.5, 0.1, 0 of one image": torch.tensor([[0.5, 0.1, 0.0]]),
        "4 images of 3 pixels": torch.tensor([[0.2, 0.4, 0.3], [0.0, 0.0, 0.0], [0.6, 1.0, 0.0], [0.9, 0.3, 0.5]]),
        "3 images of 3 pixels": torch.rand(3, 3, generator=_seeded(1)),
        "3 other images of 3 pixels": torch.rand(3, 3, generator=_seeded(2)),
        "5 images of 784 pixels": 0.02 * few * (few < 0.3),
        "2 images of 3136 pixels, half of them a little bad": torch.tensor([5e-4, 0.0]).repeat(1568).expand(2, 3136),
        "2 images of 3136 pixels, half of them bad": torch.tensor([0.5, 0.0]).repeat(1568).expand(2, 3136),
    }
    return {name: ((each,),) for name, each in shares.items()}


def _probe_stable(attempt):
    return looks(attempt, "the probability", _shares())


THE_SUM = (
    "the shares are added: that is the chance only if no two pixels can be bad at once, and it leaves [0, 1] where "
    "they add up to more than 1. For independent pixels the chances to *survive* multiply"
)
ONE_NUMBER = "this is one number for all images: one an image, (N,), dim=1"

EX_STABLE = Exercise(
    id="7.3",
    reference=stable,
    probe=_probe_stable,
    mistakes="",
    also=(
        Mistake(
            lambda shares: shares.prod(1),
            "this is the chance that *every* pixel takes the image out of its class: an image is stable if none does, "
            "so multiply 1 - share",
        ),
        Mistake(
            lambda shares: 1 - shares.prod(1),
            "this is the chance that not all pixels are bad at once: one bad pixel is enough, so multiply 1 - share",
        ),
        Mistake(
            lambda shares: 1 - stable(shares),
            "this is the chance that some pixel takes it out: the image is stable if none does, so leave out the 1 -",
        ),
        Mistake(lambda shares: 1 - shares.sum(1), THE_SUM),
        Mistake(lambda shares: (1 - shares.sum(1)).clamp(min=0), THE_SUM),
        Mistake(lambda shares: (1 - shares).sum(1), "these are added: chances of independent events multiply, prod"),
        Mistake(
            lambda shares: (1 - shares).mean(1),
            "the mean is the chance that *one* pixel, picked at random, leaves the image in its class: all of them are "
            "to, so multiply",
        ),
        Mistake(
            lambda shares: (1 - shares.mean(1)) ** shares.shape[1],
            "this is (1 - eps)^n with the mean share for eps, the blog's short form. It is larger than the product "
            "unless all pixels of the image are alike: multiply the 1 - share of the pixels themselves",
        ),
        Mistake(
            lambda shares: (1 - shares.mean()) ** shares.shape[1],
            "one eps for all images and pixels: multiply the 1 - share of each image's own pixels",
        ),
        Mistake(
            lambda shares: torch.exp(-shares.sum(1)),
            "exp(-sum) is close while all shares are small, and 1 - share is below exp(-share) otherwise (a share of 1 "
            "leaves nothing): multiply 1 - share, or add up torch.log1p(-shares)",
        ),
        Mistake(
            lambda shares: 1 - shares.amax(1),
            "only the worst pixel counts here: the others are drawn too, and each can take the image out",
        ),
        Mistake(
            lambda shares: (shares == 0).all(1).float(),
            "this asks whether the image is stable for certain: the chance is wanted, so multiply 1 - share",
        ),
        Mistake(
            lambda shares: (1 - shares).prod(1) ** (1 / shares.shape[1]),
            "this is the geometric mean, the chance for one typical pixel: leave out the n-th root",
        ),
        Mistake(
            lambda shares: torch.log1p(-shares).sum(1),
            "this is the logarithm of the chance: take exp of it",
        ),
        Mistake(
            lambda shares: (1 - shares).log2().sum(1).exp(),
            "logarithm and exponential have different bases: torch.log1p(-shares) goes with exp",
        ),
        Mistake(
            lambda shares: ((1 - shares).log() * (1 - shares)).sum(1).exp(),
            "0 * log(0) is NaN, and the sum wants no weights: the product is exp of the plain sum of the logarithms",
        ),
        Mistake(
            lambda shares: (1 - shares).prod(0),
            "this multiplies over the images (dim=0): a row is an image, so the product runs over dim=1",
        ),
        Mistake(lambda shares: (1 - shares).prod(), ONE_NUMBER),
        Mistake(lambda shares: stable(shares).mean(), ONE_NUMBER),
        Mistake(
            lambda shares: 1 - shares, "these are the chances of single pixels, (N, n): multiply them, .prod(dim=1)"
        ),
        Mistake(
            lambda shares: (1 - shares).cumprod(1),
            "cumprod keeps the products on the way, (N, n): only the last one is wanted, prod(dim=1)",
        ),
        Mistake(lambda shares: (1 - shares).prod(1, keepdim=True), "this is (N, 1), want (N,): without keepdim"),
        Mistake(lambda shares: 100 * stable(shares), "this is in per cent: a chance runs from 0 to 1"),
        Mistake(
            lambda shares: (1 - shares.clamp(1e-3, 1 - 1e-3)).prod(1),
            "the shares are moved away from 0 and 1: a share of 0 has to count as 1 in the product, or hundreds of "
            "harmless pixels add up. No logarithm needs saving here: (1 - shares).prod(dim=1)",
        ),
    ),
    hints=(
        "Pixel j leaves image i in its class with probability 1 - share_ij. The image is stable if all its pixels do, "
        "and the blog takes them for independent.",
        "Chances of independent events multiply: (1 - shares), then a product over the pixels, dim=1.",
    ),
)

# 7.4


def crossings(weight, bias, start, end):
    speed = weight @ (end - start)
    t = -(weight @ start + bias) / speed
    return t[(t > 0) & (t < 1)].sort().values


VECTORS = (
    "weight has a row a unit, (m, n), and start and end are vectors, (n,): weight @ start + bias is the input of every "
    "unit at the start, (m,)"
)
BRACKETS = (
    "each t has a truth value of its own: neither `and` nor 0 < t < 1 takes several, and `&` binds before `>`. With "
    "brackets: t[(t > 0) & (t < 1)]"
)


@cache
def _layers():
    """A layer and a line through it, by name; in float64 first, where no crossing is lost by rounding. And corners."""
    exact = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]]).double()
    bias = torch.tensor([-1.0, -6.0, 1.0, 0.0, 1.5, 0.0]).double()
    ends = torch.tensor([[0.0, 0.0], [4.0, 0.0]]).double()
    random = [torch.randn(*shape, generator=_seeded(3)).double() for shape in ((40, 5), (2, 5))]
    shifts = torch.randn(40, generator=_seeded(4)).double()
    close = torch.cat([random[0][:8], random[0][:8]]), torch.cat([shifts[:8], shifts[:8] + 1e-4])
    few = exact[[0, 1, 4, 0, 0, 0]], torch.tensor([-1.0, -6.0, 1.5, 1.0, -0.004, -3.996]).double()
    layers = {
        "6 units and a line in the plane": (*few, *ends),
        "40 units in 5 dimensions": (random[0], shifts, *random[1]),
        "the same line backwards": (random[0], shifts, *random[1].flip(0)),
        "8 pairs of units whose faces nearly coincide": (*close, *random[1]),
        "40 units in 5 dimensions, in float32": [each.float() for each in (random[0], shifts, *random[1])],
    }
    corners = {
        "6 units and a line, some of them parallel to it": (exact, bias, *ends),
        "units whose faces pass through the ends of the line": (exact[:2], bias.new_tensor([0.0, -8.0]), *ends),
    }
    return [{name: (inputs,) for name, inputs in cases.items()} for cases in (layers, corners)]


def _probe_crossings(attempt):
    advice = dict.fromkeys(("size mismatch", "cannot be multiplied", "must match the size"), VECTORS)
    advice |= dict.fromkeys(("ambiguous", "bitwise_and"), BRACKETS)
    return up_to_the_first_difference(in_stages(advised(attempt, advice), crossings, "the places", *_layers()))


def _crossing(
    height=lambda weight, bias, start, end: weight @ start + bias,
    speed=lambda weight, start, end: weight @ (end - start),
    places=lambda heights, speeds: -heights / speeds,
    keep=lambda t: t[(t > 0) & (t < 1)],
    end_with=lambda t, start, end: t.sort().values,
):
    """The places with one part exchanged: the source of the classic mistakes."""

    def cross(weight, bias, start, end):
        t = places(height(weight, bias, start, end), speed(weight, start, end))
        return end_with(keep(t), start, end)

    return cross


def _on_grid(number, by_pattern):
    """Where the units' pattern, or each unit, differs between neighbours on a grid."""

    def look(weight, bias, start, end):
        grid = torch.linspace(0, 1, number).to(start)
        on = (start + grid[:, None] * (end - start)) @ weight.T + bias > 0
        changed = on[1:] != on[:-1]
        cells = changed.any(1).nonzero()[:, 0] if by_pattern else changed.nonzero()[:, 0]
        return (grid[cells] + grid[cells + 1]) / 2

    return look


OUTSIDE = "some of these lie before the start or behind the end: keep only t with 0 < t < 1, t[(t > 0) & (t < 1)]"
OPPOSITE = (
    "all t have the wrong sign: w . start + b + t w . (end - start) = 0, solved for t, has a minus, and the direction "
    "is end - start"
)
DIRECTION = (
    "the line leaves the start in the direction end - start, so a unit's input changes at the speed "
    "weight @ (end - start)"
)
GRID = (
    "a grid finds the places only roughly, and of two faces between neighbours it may see one or none. A unit's input "
    "is a straight line in t, so its zero can be computed: -(weight @ start + bias) / (weight @ (end - start))"
)
NOT_FINITE = (
    "infinite or NaN: a unit whose face is parallel to the line is never crossed, and division by its speed 0 gives "
    "inf or NaN. Keep what lies inside, t[(t > 0) & (t < 1)]: for inf and NaN both comparisons together are False"
)

ENDS = (
    "an end itself counts here: want places inside the line, 0 < t < 1. (A small number added to the speed, against a "
    "division by 0, moves the end inside, too. No need for it: the two comparisons drop inf and NaN)"
)

EX_CROSSINGS = Exercise(
    id="7.4",
    reference=crossings,
    probe=_probe_crossings,
    mistakes="",
    also=(
        Mistake(
            _crossing(height=lambda weight, bias, start, end: weight @ start - bias),
            "the bias has the wrong sign: w . x(t) + b = 0 gives t = -(w . start + b) / (w . (end - start))",
        ),
        Mistake(
            _crossing(places=lambda heights, speeds: -heights / speeds, height=lambda w, b, s, e: w @ s),
            "the bias is missing: a unit switches where w . x + b = 0",
        ),
        Mistake(_crossing(places=lambda heights, speeds: heights / speeds), OPPOSITE),
        Mistake(_crossing(speed=lambda weight, start, end: weight @ (start - end)), OPPOSITE),
        Mistake(
            _crossing(places=lambda heights, speeds: (heights / speeds).abs()),
            "abs brings in faces that lie *behind* the start: keep the sign, and the t between 0 and 1",
        ),
        Mistake(_crossing(keep=lambda t: t), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t[t.isfinite()]), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t[t > 0]), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t[t < 1]), OUTSIDE),
        Mistake(
            _crossing(keep=lambda t: t.clamp(0, 1)),
            "clamp moves the places outside to the ends, where no face is: drop them, t[(t > 0) & (t < 1)]",
        ),
        Mistake(_crossing(keep=lambda t: t[~((t <= 0) | (t >= 1))]), NOT_FINITE),
        Mistake(_crossing(keep=lambda t: t.where((t > 0) & (t < 1), torch.nan)), NOT_FINITE),
        Mistake(
            _crossing(keep=lambda t: t[(t >= 0) & (t <= 1)]),
            ENDS,
        ),
        *(
            Mistake(_crossing(keep=keep), ENDS)
            for keep in (lambda t: t[(t >= 0) & (t < 1)], lambda t: t[(t > 0) & (t <= 1)])
        ),
        Mistake(
            _crossing(speed=lambda weight, start, end: weight @ (end - start) + 1e-12),
            ENDS,
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: t.sort()),
            "sort() returns two things, the sorted places and where they stood: take .values",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: torch.cat([t.new_zeros(1), t.sort().values, t.new_ones(1)])),
            "the ends, 0 and 1, are no crossings: return the places between them",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: t),
            "in the order of the units: the places come in the order in which the line meets them, .sort().values",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: t.sort(descending=True).values),
            "from the last to the first: ascending, .sort().values",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: t.argsort()),
            "argsort gives the order: return the places, .sort().values",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: len(t)),
            "this is their number: return the places themselves, a tensor (K,)",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: start + t.sort().values[:, None] * (end - start)),
            "these are the points: return the t at which the line reaches them, (K,)",
        ),
        Mistake(
            _crossing(end_with=lambda t, start, end: t.sort().values * (end - start).norm()),
            "these are distances from the start: t is the share of the way, between 0 and 1",
        ),
        Mistake(_crossing(speed=lambda weight, start, end: weight @ end), DIRECTION),
        Mistake(
            lambda weight, bias, start, end: crossings(weight, bias, end, start),
            "this begins at the end: t is 0 at start and 1 at end",
        ),
        Mistake(
            _crossing(height=lambda weight, bias, start, end: weight @ end + bias),
            "the unit's input is taken at the end: t counts from the start, -(weight @ start + bias)",
        ),
        Mistake(
            _crossing(places=lambda heights, speeds: -speeds / heights),
            "the fraction stands upside down: the input at the start over its speed",
        ),
        *(
            Mistake(_on_grid(number, way), GRID)
            for number in (11, 21, 100, 101, 200, 1000, 1001)
            for way in (True, False)
        ),
    ),
    hints=(
        "On the line x(t) = start + t (end - start) the input of a unit is w . x(t) + b, which is a straight line in "
        "t. It crosses the face where that is 0.",
        "At the start it is weight @ start + bias, and it changes at the speed weight @ (end - start), for all units "
        "at once. When is it 0?",
        "t = -(weight @ start + bias) / (weight @ (end - start)); keep t[(t > 0) & (t < 1)], which drops inf and NaN "
        "too; then .sort().values.",
    ),
)

# 7.5


def boundary(share, sigma):
    return -sigma * torch.special.ndtri(share)


SHARES = (0.01, 0.3, 0.5, 0.9, 1e-4, 1e-9)


WHOLE = "share is a tensor, of any shape: torch.special.ndtri takes it whole, where math and statistics take one number"


def _probe_boundary(attempt):
    attempt = advised(attempt, {"converted to": WHOLE, "must be real number": WHOLE})
    table = torch.tensor([[0.02, 0.4, 0.6], [1e-12, 1e-3, 0.25]]).double()
    tables = {
        "2 x 3 shares in float64, sigma = 0.5": ((table,), 0.5),
        "2 x 3 other shares in float64, sigma = 0.5": ((1 - table.flip(1),), 0.5),
    }
    nothing = {"the shares 0 and 0.2, sigma = 0.5": ((torch.tensor([0.0, 0.2]),), 0.5)}

    def stages():
        yield _distances(attempt), _distances(boundary)
        yield from in_stages(attempt, boundary, "the distances", tables, nothing)

    return up_to_the_first_difference(stages())


def _distances(attempt):
    seen, shares = {}, torch.tensor(SHARES)
    for sigma in (1.0, 0.2, 3.0):
        found = attempt(shares, sigma)
        fits = isinstance(found, Tensor) and found.shape == shares.shape and found.is_floating_point()
        what = f"the distances for {len(SHARES)} shares and sigma = {sigma:g}"
        seen[what] = _shape(found)
        if not fits:
            return seen
        seen |= {
            f"the distance for share = {s:g}, sigma = {sigma:g}": d.item() for s, d in zip(SHARES, found, strict=True)
        }
    return seen


def _by_erfinv(share, sigma):
    return sigma * 2**0.5 * torch.erfinv(1 - 2 * share)


def _of(quantile):
    return lambda share, sigma: sigma * quantile(share)


ndtr, ndtri = torch.special.ndtr, torch.special.ndtri
ONE_SIDE = (
    "this is the two-sided quantile: the noise is beyond the boundary on *one* side, so the share enters Phi^-1 as it "
    "is"
)
FORWARD = (
    "Phi turns a distance into a share: the way back is its inverse, the quantile function, torch.special.ndtri (ndtr "
    "is Phi itself)"
)
ERROR_FUNCTION = (
    "erfinv has another unit: Phi^-1(p) = sqrt(2) erfinv(2 p - 1). Easier is torch.special.ndtri, which is Phi^-1"
)
KEPT_FINITE = (
    "a share of 0 is given a finite distance: if the noise never enters, the half-space is infinitely far. Leave out "
    "clamp and nan_to_num; torch.special.ndtri(0) is -inf"
)

EX_BOUNDARY = Exercise(
    id="7.5",
    reference=boundary,
    probe=_probe_boundary,
    mistakes="",
    also=(
        Mistake(
            _of(ndtri),
            "the sign: Phi^-1 of a small share is negative, and the distance is positive as long as the image lies on "
            "its own side: -sigma * Phi^-1(share)",
        ),
        Mistake(
            lambda share, sigma: -ndtri(share),
            "sigma is missing: this is the distance in standard deviations of the noise",
        ),
        Mistake(
            lambda share, sigma: -28 * sigma * ndtri(share),
            "28 times too far: sigma is the deviation of *one* pixel, and along the boundary's normal the noise moves "
            "the image by sigma, whatever the number of pixels. Only its whole length is 28 sigma",
        ),
        Mistake(
            lambda share, sigma: -(sigma**2) * ndtri(share),
            "sigma squared is the variance: distances go with the standard deviation, sigma",
        ),
        Mistake(
            lambda share, sigma: -(sigma**0.5) * ndtri(share), "no root: sigma is the standard deviation already, sigma"
        ),
        Mistake(
            lambda share, sigma: -ndtri(share) / sigma,
            "stronger noise that enters as rarely means a boundary farther away: multiply by sigma",
        ),
        Mistake(lambda share, sigma: -ndtri(share / sigma), "sigma stands outside: -sigma * Phi^-1(share)"),
        Mistake(lambda share, sigma: -ndtri(share * sigma), "sigma stands outside: -sigma * Phi^-1(share)"),
        *(
            Mistake(_of(wrong), FORWARD)
            for wrong in (
                ndtr,
                lambda share: -ndtr(share),
                lambda share: ndtr(-share),
                lambda share: 1 - ndtr(share),
                lambda share: 1 / ndtr(share),
                lambda share: -1 / ndtr(share),
            )
        ),
        Mistake(_of(lambda share: -torch.special.log_ndtr(share)), FORWARD),
        *(
            Mistake(_of(wrong), ONE_SIDE)
            for wrong in (
                lambda share: -ndtri(share / 2),
                lambda share: ndtri(1 - share / 2),
                lambda share: -ndtri(2 * share),
                lambda share: ndtri(1 - 2 * share),
            )
        ),
        Mistake(_of(lambda share: torch.erfinv(1 - 2 * share)), ERROR_FUNCTION),
        Mistake(_of(lambda share: -torch.erfinv(share)), ERROR_FUNCTION),
        Mistake(_of(lambda share: torch.erfinv(1 - share)), ERROR_FUNCTION),
        Mistake(_of(lambda share: 2**0.5 * torch.erfinv(1 - share)), ONE_SIDE),
        Mistake(_of(lambda share: -(2**0.5) * torch.erfinv(share)), ERROR_FUNCTION),
        Mistake(
            _by_erfinv,
            "right until the share is small: in float32 1 - 2e-9 is 1, and a small share is taken for none "
            "(Normal.icdf does that too). torch.special.ndtri(share) keeps it, and -sigma * ndtri(share) needs no "
            "1 - share",
        ),
        Mistake(
            _of(lambda share: -ndtri(share).abs()),
            "all distances are negative: -sigma * Phi^-1(share) without abs",
        ),
        Mistake(
            _of(lambda share: ndtri(share).abs()),
            "above a share of 1/2 the image lies beyond the boundary, and its distance is negative: without abs",
        ),
        Mistake(
            _of(lambda share: (-ndtri(share)).clamp(min=0)),
            "above a share of 1/2 the image lies beyond the boundary, and its distance is negative: without clamp",
        ),
        *(
            Mistake(_of(lambda share, least=least: -ndtri(share.clamp(least, 1 - least))), KEPT_FINITE)
            for least in (1e-12, 1e-10, 1e-20, 1e-30)
        ),
        Mistake(_of(lambda share: -ndtri(share).nan_to_num()), KEPT_FINITE),
        Mistake(_of(lambda share: -ndtri(share).nan_to_num(0.0, 0.0, 0.0)), KEPT_FINITE),
        Mistake(
            _of(lambda share: -ndtri(share.clamp(1e-6, 1 - 1e-6))),
            "small shares are lifted to 1e-6: leave out clamp. They are what this is about, and torch.special.ndtri "
            "takes them, 0 too",
        ),
        Mistake(
            _of(lambda share: torch.sqrt(-2 * share.log())),
            "this is the bound exp(-z^2 / 2) for the tail, turned round: close for tiny shares only. "
            "torch.special.ndtri is the quantile itself",
        ),
        Mistake(
            _of(lambda share: -torch.logit(share)),
            "the logit is the quantile of the *logistic* distribution: for normal noise take torch.special.ndtri",
        ),
        Mistake(_of(lambda share: 1 - share), "the share is no distance yet: -sigma * Phi^-1(share)"),
    ),
    hints=(
        "Only one component of the noise matters, the one across the boundary, and that is normal with standard "
        "deviation sigma, whatever the dimension. A boundary at distance r is passed with probability Phi(-r / sigma).",
        "Solve share = Phi(-r / sigma) for r. The inverse of Phi is torch.special.ndtri. (Ford, Gilmer, Carlini and "
        "Cubuk, arXiv 1901.10513.)",
    ),
)

# 7.6


def into_subspace(gradient, basis):
    return gradient @ basis.T @ basis


SHAPES = (
    "gradient is (N, n) and basis (m, n), a direction a *row*. gradient @ basis.T are the coordinates, (N, m), and "
    "coordinates @ basis takes them back to (N, n)"
)


@cache
def _gradients():
    def pair(number, d, m, seed):
        gradient = torch.randn(number, d, generator=_seeded(seed))
        return gradient, torch.linalg.qr(torch.randn(d, m, generator=_seeded(seed + 50))).Q.T.contiguous()

    pairs = {
        "the gradient (3, 4, 5), the first two axes": (torch.tensor([[3.0, 4.0, 5.0]]), torch.eye(3)[:2]),
        "6 gradients in 40 dimensions, a subspace of 5": pair(6, 40, 5, 0),
        "6 other gradients in 40 dimensions, another subspace of 5": pair(6, 40, 5, 5),
        "4 gradients in 4 dimensions, a subspace of 3": pair(4, 4, 3, 1),
        "5 gradients in 9 dimensions, a line": pair(5, 9, 1, 2),
        "2 gradients in 7 dimensions, the whole space": pair(2, 7, 7, 3),
        "3 gradients in 12 dimensions, a subspace of 3": pair(3, 12, 3, 4),
    }
    return {name: (inputs,) for name, inputs in pairs.items()}


def _probe_into_subspace(attempt):
    advice = dict.fromkeys(("size mismatch", "cannot be multiplied", "must match the size", "subscript"), SHAPES)
    return looks(advised(attempt, advice), "the part", _gradients())


def _then(change):
    return lambda gradient, basis: change(into_subspace(gradient, basis), gradient, basis)


def _row_by_row(combine):
    """Projects on one row of the basis after the other."""

    def project(gradient, basis):
        part = torch.zeros_like(gradient)
        for row in basis:
            part = combine(part, (gradient @ row)[:, None] * row)
        return part

    return project


ALONG = "this is the part *across* the subspace: return what lies in it, gradient @ basis.T @ basis, without gradient -"
LENGTH = "the length is lost: return the part itself, which is shorter than the gradient. Nothing is to be normalised"

EX_INTO_SUBSPACE = Exercise(
    id="7.6",
    reference=into_subspace,
    probe=_probe_into_subspace,
    mistakes="",
    also=(
        Mistake(
            lambda gradient, basis: gradient @ basis.T,
            "these are the coordinates in the subspace, (N, m): multiply them with the directions, coordinates @ "
            "basis, to come back to pixels",
        ),
        Mistake(
            lambda gradient, basis: (gradient @ basis.T).sum(1, keepdim=True),
            "the coordinates are added up: each belongs to its own direction, coordinates @ basis",
        ),
        Mistake(
            lambda gradient, basis: basis.T @ basis,
            "this is the matrix that projects: apply it to the gradients, gradient @ (basis.T @ basis)",
        ),
        Mistake(
            lambda gradient, basis: basis.T @ basis @ gradient.T,
            "this has a gradient a column, (n, N): transpose it back, or write gradient @ basis.T @ basis",
        ),
        Mistake(_then(lambda part, gradient, basis: gradient - part), ALONG),
        Mistake(_then(lambda part, gradient, basis: part - gradient), ALONG),
        Mistake(
            _then(lambda part, gradient, basis: -part),
            "the sign is turned round: the part in the subspace is the *sum* of the parts along its directions",
        ),
        Mistake(_then(lambda part, gradient, basis: F.normalize(part, dim=1)), LENGTH),
        Mistake(_then(lambda part, gradient, basis: F.normalize(part, dim=0)), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part / part.norm()), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part / gradient.norm(dim=1, keepdim=True)), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part.sign()), LENGTH),
        Mistake(
            _then(lambda part, gradient, basis: part / len(basis)),
            "divided by m: the parts along the m directions add up, they are not averaged",
        ),
        Mistake(
            _then(lambda part, gradient, basis: part * (basis.shape[1] / len(basis)) ** 0.5),
            "times sqrt(n / m): that is what Fawzi *predicts* for distances. The part itself is not stretched",
        ),
        Mistake(
            _row_by_row(lambda part, along: along),
            "only the last direction is left: each round overwrites the one before. Add the parts up",
        ),
        Mistake(
            lambda gradient, basis: into_subspace(gradient, basis[:1]),
            "only the first direction of the basis is used: all m of them span the subspace",
        ),
        Mistake(
            lambda gradient, basis: gradient * (torch.arange(gradient.shape[1]) < len(basis)),
            "this keeps the first m pixels: the subspace is spanned by the rows of basis, not by axes",
        ),
        Mistake(
            lambda gradient, basis: gradient * basis.sum(0),
            "entry by entry this is no projection: the product of a gradient with a direction is the sum over all n "
            "pixels, gradient @ basis.T",
        ),
        Mistake(
            lambda gradient, basis: (gradient @ basis.T).abs() @ basis,
            "the coordinates lose their signs: without abs",
        ),
        Mistake(
            lambda gradient, basis: (gradient @ basis.T) ** 2 @ basis,
            "the coordinates are squared: for directions of length 1 a coordinate is the plain product",
        ),
        Mistake(
            _then(lambda part, gradient, basis: part.mean(0)),
            "this is the mean over the images: one row a gradient, (N, n)",
        ),
        Mistake(
            _then(lambda part, gradient, basis: part.mean(0).expand_as(part)),
            "all images get the same part, the mean over them: each has its own gradient",
        ),
        Mistake(_then(lambda part, gradient, basis: part[0]), "only the first gradient is left: all N, (N, n)"),
        Mistake(
            lambda gradient, basis: gradient.clone(), "the gradient itself, unchanged: only its part in the subspace"
        ),
    ),
    hints=(
        "The part of g along one direction b of length 1 is (g . b) b. For directions at right angles to each other "
        "the parts add up.",
        "All products at once: gradient @ basis.T, (N, m), the coordinates in the subspace. With `@ basis` they become "
        "vectors of n pixels again.",
    ),
)

EXERCISES = [EX_IN_BALL, EX_RECOVER, EX_STABLE, EX_CROSSINGS, EX_BOUNDARY, EX_INTO_SUBSPACE]
