"""Answers for the exercises of lesson 07: right in other ways, and wrong in ways that no list foresees."""

import math
import statistics

import numpy as np
import scipy.optimize
import scipy.stats
import torch

from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional

# 7.1


def _shadow_of_a_sphere(number, d):
    """Of a point on the sphere in d + 2 dimensions the first d coordinates (Archimedes, for d = 1)."""
    return F.normalize(torch.randn(number, d + 2), dim=1)[:, :d]


def _point_by_point(number, d):
    points = []
    for _ in range(number):
        normals = torch.randn(d)
        points.append(normals / math.hypot(*normals.tolist()) * torch.rand(()).item() ** (1 / d))
    return torch.stack(points)


def _by_beta(number, d):
    """The square of the length has a Beta distribution; numpy's numbers in float64."""
    normals = np.random.default_rng(torch.randint(10**9, ()).item()).normal(size=(number, d))
    squares = torch.distributions.Beta(d / 2, 1.0).sample((number, 1)).double()
    return torch.from_numpy(normals / np.linalg.norm(normals, axis=1, keepdims=True)) * squares.sqrt()


def _largest_of_d(number, d):
    """The largest of d uniform numbers has the law of the d-th root."""
    return F.normalize(torch.randn(number, d)) * torch.rand(number, d).amax(1)[:, None]


def _divides_by_more_than_the_norm(number, d):
    """Normals over the root of their squares and of 2 E, with E exponential: no root of order d."""
    normals = torch.randn(number, d)
    return normals / (normals.square().sum(1, keepdim=True) + 2 * torch.empty(number, 1).exponential_()).sqrt()


def rejects(number, d):
    """Right, but in 20 dimensions it never ends."""
    kept = torch.empty(0, d)
    while len(kept) < number:
        cube = 2 * torch.rand(number, d) - 1
        kept = torch.cat([kept, cube[cube.norm(dim=1) <= 1]])
    return kept[:number]


# 7.2


def _list_of_places(A, y, k):
    residual, support = y, []
    for _ in range(k):
        support.append((A.T @ residual).abs().argmax().item())
        columns = A[:, support]
        coefficients = torch.linalg.lstsq(columns, y[:, None]).solution[:, 0]
        residual = y - columns @ coefficients
    x = A.new_zeros(A.shape[1])
    x[support] = coefficients
    return x


def _normal_equations(A, y, k):
    """Columns scaled to length 1 for the choice; float64, and the equations of the least squares."""
    A, y = A.double(), y.double()
    x, residual, support = torch.zeros(A.shape[1]).double(), y, []
    while len(support) < k:
        support += [int(torch.argmax(torch.abs(residual @ A / A.norm(dim=0))))]
        C = A[:, support]
        solved = torch.linalg.solve(C.T @ C, C.T @ y)
        residual = y - C @ solved
    x[support] = solved
    return x


def _gram_schmidt(A, y, k):
    """Each chosen column is taken out of the residual at right angles to those before; numpy."""
    A, left, support, basis = A.numpy(), y.numpy().copy(), [], []
    for _ in range(k):
        support.append(np.abs(left @ A).argmax())
        column = A[:, support[-1]].copy()
        for _ in range(2):
            for b in basis:
                column -= (b @ column) * b
        basis.append(column / np.linalg.norm(column))
        left -= (basis[-1] @ left) * basis[-1]
    x = np.zeros(A.shape[1], dtype=A.dtype)
    x[support] = np.linalg.lstsq(A[:, support], y.numpy(), rcond=None)[0]
    return torch.from_numpy(x)


def _shrunk(A, y, k):
    """The right places, and entries that are drawn to 0, as the lasso draws them."""
    x = _list_of_places(A, y, k)
    return x.sign() * (x.abs() - 0.05).clamp(min=0)


def _basis_pursuit(A, y, k):
    """The solution with the smallest sum of absolute values, by linear programming."""
    n, table = A.shape[1], A.double().numpy()
    x = scipy.optimize.linprog(np.ones(2 * n), A_eq=np.hstack([table, -table]), b_eq=y.double().numpy()).x
    return torch.tensor(x[:n] - x[n:])


def _in_float32(A, y, k):
    return _list_of_places(A.float(), y.float(), k)


def _fills_float32(A, y, k):
    """Right until A is in float64."""
    x, places = torch.zeros(A.shape[1]), _list_of_places(A, y, k).nonzero()[:, 0]
    x[places] = torch.linalg.lstsq(A[:, places], y).solution
    return x


def _keeps_what_it_found(A, y, k):
    """A learner's: no new fit."""
    x, r = torch.zeros(A.shape[1], dtype=A.dtype), y
    for _ in range(k):
        j = (A.T @ r).abs().argmax()
        a = A[:, j]
        t = (a @ r) / (a @ a)
        x[j] += t
        r = r - t * a
    return x


def _fits(update, norms=False, sign=torch.abs):
    """A learner's: a column is chosen, all are fitted, and what is fitted to what may go wrong."""

    def pursue(A, y, k):
        S, r = [], y
        for _ in range(k):
            S.append(sign(A.T @ r / (A.norm(dim=0) if norms else 1)).argmax().item())
            sol, r = update(A[:, S], y, r)
        x = torch.zeros(A.shape[1], dtype=A.dtype)
        x[S] = sol
        return x

    return pursue


def _to_the_rest(C, y, r):
    sol = torch.linalg.lstsq(C, r[:, None]).solution[:, 0]
    return sol, r - C @ sol


def _to_y(C, y, r):
    sol = torch.linalg.lstsq(C, y).solution
    return sol, y - C @ sol


def _never_updates(C, y, r):
    return torch.linalg.lstsq(C, y).solution, r


# 7.3


def _pixel_by_pixel(shares):
    result = torch.ones(len(shares)).double()
    for column in shares.T:
        result = result * (1 - column)
    return result


# 7.4


def _by_shares_of_the_way(weight, bias, start, end):
    """From the inputs at both ends, where they differ in sign."""
    before, after = F.linear(torch.stack([start, end]), weight, bias)
    changes = before * after < 0
    return torch.sort((before / (before - after))[changes])[0]


def _unit_by_unit(weight, bias, start, end):
    found = []
    for w, b in zip(weight.tolist(), bias.tolist(), strict=True):
        at, to = (sum(a * x for a, x in zip(w, point.tolist(), strict=True)) + b for point in (start, end))
        if at != to and 0 < at / (at - to) < 1:
            found.append(at / (at - to))
    return torch.tensor(sorted(found))


def _by_bisection(weight, bias, start, end):
    """No formula: the interval that holds the zero is halved 60 times."""

    def height(t):
        return ((start + t[:, None] * (end - start)) * weight).sum(1) + bias

    low, high = torch.zeros_like(bias), torch.ones_like(bias)
    crossed = height(low) * height(high) < 0
    for _ in range(60):
        middle = (low + high) / 2
        same = height(middle).sign() == height(low).sign()
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return high[crossed].sort().values


def _without_pairs(weight, bias, start, end):
    """A fine grid on which neighbours that both lie in one cell count once."""
    grid = torch.linspace(0, 1, 3001).to(start)
    on = (start + grid[:, None] * (end - start)) @ weight.T + bias > 0
    return grid[1:][(on[1:] != on[:-1]).any(1)]


# 7.5


def _by_statistics(share, sigma):
    """The standard library, which knows no share of 0."""
    quantile = statistics.NormalDist(0, sigma).inv_cdf
    far = [-quantile(p) if p else math.inf for p in share.flatten().tolist()]
    return torch.tensor(far).view(share.shape)


def _halved(share, sigma):
    """Phi itself, inverted by bisection in float64."""
    low, high = torch.full_like(share, -40).double(), torch.full_like(share, 40).double()
    for _ in range(80):
        middle = (low + high) / 2
        below = torch.special.ndtr(middle) < share
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return torch.where(share > 0, -sigma * high, torch.inf)


# 7.6


def _added_up(gradient, basis):
    part = torch.zeros_like(gradient)
    for row in basis:
        part = part + torch.outer(gradient @ row, row)
    return part


def _least_squares(gradient, basis):
    weights = np.linalg.lstsq(basis.double().numpy().T, gradient.double().numpy().T, rcond=None)[0]
    return torch.from_numpy(weights.T @ basis.double().numpy())


RIGHT = {
    "7.1": _shadow_of_a_sphere,
    "7.2": _list_of_places,
    "7.3": lambda shares: torch.log1p(-shares).sum(1).exp(),
    "7.4": _by_shares_of_the_way,
    "7.5": _by_statistics,
    "7.6": _added_up,
}

ALSO_RIGHT = [
    ("7.1", lambda n, d: F.normalize(torch.randn(n, d)) * torch.exp(-torch.empty(n, 1).exponential_() / d)),
    ("7.2", lambda A, y, k: _list_of_places(A.double(), y.double(), k).to(A)),
    ("7.3", lambda shares: (1 - shares).log().sum(1).exp()),
    ("7.6", lambda gradient, basis: gradient - gradient @ (torch.eye(gradient.shape[1]) - basis.T @ basis)),
    ("7.1", _point_by_point),
    ("7.1", _by_beta),
    ("7.1", _largest_of_d),
    ("7.2", _normal_equations),
    ("7.2", _gram_schmidt),
    ("7.2", _fits(_to_y)),
    ("7.2", _fits(_to_y, norms=True)),
    ("7.2", _basis_pursuit),
    ("7.1", _divides_by_more_than_the_norm),
    ("7.3", lambda shares: torch.vmap(lambda row: (1 - row).prod())(shares)),
    (
        "7.4",
        lambda weight, bias, start, end: (t := -(weight @ start + bias) / (weight @ (end - start)))[
            (t > 0) & (t < 1)
        ].unique(),
    ),
    ("7.6", lambda gradient, basis: F.linear(F.linear(gradient, basis), basis.T)),
    ("7.3", _pixel_by_pixel),
    ("7.3", lambda shares: torch.stack([math.prod(1 - row) for row in shares.double()])),
    ("7.3", lambda shares: torch.from_numpy((1 - shares.numpy()).prod(axis=1))),
    ("7.3", lambda shares: (1 - shares).cumprod(1)[:, -1]),
    ("7.4", _unit_by_unit),
    ("7.4", _by_bisection),
    ("7.5", _halved),
    ("7.5", lambda share, sigma: torch.from_numpy(scipy.stats.norm.isf(share.numpy(), scale=sigma))),
    ("7.5", lambda share, sigma: -torch.special.ndtri(share.double()) * sigma),
    ("7.5", lambda share, sigma: -torch.distributions.Normal(0.0, sigma).icdf(share.double())),
    ("7.6", _least_squares),
    ("7.6", lambda gradient, basis: torch.einsum("nd,md,me->ne", gradient, basis, basis)),
    ("7.6", lambda gradient, basis: (basis.T @ (basis @ gradient.T)).T),
    ("7.6", lambda gradient, basis: (gradient.double() @ basis.T.double()) @ basis.double()),
    ("7.6", lambda gradient, basis: gradient @ (q := torch.linalg.qr(basis.T).Q) @ q.T),
]


def _three_quarters(number, d):
    """Right, but no point lies beyond 3/4."""
    return 0.75 * _shadow_of_a_sphere(number, d)


def _pulled_back(number, d):
    """Normals, those outside pulled back onto the sphere."""
    normals = torch.randn(number, d)
    return normals / normals.norm(dim=1, keepdim=True).clamp(min=1)


def _drops_the_rest(number, d):
    cube = 2 * torch.rand(number, d) - 1
    return cube[cube.norm(dim=1) <= 1]


def _normal_radius(number, d):
    return F.normalize(torch.randn(number, d)) * torch.randn(number, 1).abs() ** (1 / d)


def _takes_away_from_left(A, y, k):
    taken, left = [], y
    for _ in range(k):
        taken.append((A.T @ left).square().argmax().item())
        coefficients = torch.linalg.lstsq(A[:, taken], y).solution
        left = left - A[:, taken] @ coefficients
    return torch.zeros_like(A[0]).index_put((torch.tensor(taken),), coefficients, accumulate=False)


UNFORESEEN = {
    "7.1": (
        _three_quarters,
        "where 4000 points of 3 dimensions lie: got none farther out than 0.7, expected as many in each shell",
    ),
    "7.2": (_shrunk, "x (20 measurements of 30 numbers, 1 of which is not zero): the shape is right, but the values"),
    "7.3": (
        lambda shares: torch.full((len(shares),), 0.45),
        "the probability (4 images of 3 pixels): the shape is right",
    ),
    "7.4": (_without_pairs, "a grid finds the places only roughly"),
    "7.5": (
        lambda share, sigma: 2.3263 * sigma * torch.ones_like(share),
        "the distance for share = 0.3, sigma = 1: got 2.326, expected 0.5244",
    ),
    "7.6": (
        lambda gradient, basis: gradient / 2,
        "the part (the gradient (3, 4, 5), the first two axes): the shape is",
    ),
}

A_ROW = "a direction a *row*"


def _spoils_the_residual(A, y, k):
    """Matching pursuit: `residual = y` is another name for y."""
    x, residual = torch.zeros(A.shape[1]), y
    for _ in range(k):
        place = (A.T @ residual).abs().argmax()
        step = A[:, place] @ residual / A[:, place].square().sum()
        x[place] += step
        residual -= step * A[:, place]
    return x


def _on_grid(number):
    def look(weight, bias, start, end):
        grid = torch.linspace(0, 1, number).to(start)
        on = (start + grid[:, None] * (end - start)) @ weight.T + bias > 0
        return grid[1:][(on[1:] != on[:-1]).any(1)]

    return look


def _radius_first(number, d):
    radius = torch.rand(number, 1)
    return radius * F.normalize(torch.randn(number, d), dim=1)


def _places_by(choose):
    def cross(weight, bias, start, end):
        return choose(-(weight @ start + bias) / (weight @ (end - start)))

    return cross


ALSO_UNFORESEEN = [
    ("7.1", _normal_radius, "and multiply by a radius below 1"),
    ("7.2", _takes_away_from_left, "earlier columns are taken away twice"),
    ("7.3", lambda shares: (1 - shares.mean(1)) ** 784, "this is the blog's"),
    ("7.4", _places_by(lambda t: t[t.abs() < 1].sort().values), "before the start or behind the end"),
    ("7.6", lambda gradient, basis: (gradient @ basis.T).relu() @ basis, "coordinates enter as they are"),
    ("7.1", lambda number, d: torch.zeros(number, d).long(), "and type torch.int64, expected a tensor of shape (5, 2)"),
    ("7.1", lambda number, d: _shadow_of_a_sphere(number, d) / 2, "got none farther out than 0.5, expected as many"),
    ("7.2", _in_float32, "got rounded: float32 on the way?, expected exact"),
    ("7.2", _fills_float32, "A and y are float64"),
    ("7.4", _places_by(lambda t: t[t > 0 and t < 1]), "each t has a truth value of its own"),
    ("7.4", _places_by(lambda t: t[t > 0 & t < 1]), "`&` binds before `>`"),
    ("7.4", _places_by(lambda t: t.double()[(t > 0) & (t < 1)].sort), "got a builtin_function_or_method"),
    (
        "7.4",
        lambda weight, bias, start, end: -(weight @ start + bias) / (weight.double() @ (end - start).double()),
        "got shape (6,), expected (5,)",
    ),
    ("7.5", lambda share, sigma: sigma * math.erf(share), "share is a tensor, of any shape"),
    ("7.5", lambda share, sigma: torch.special.ndtri(share).to(torch.complex64), "and type torch.complex64"),
    (
        "7.1",
        lambda number, d: F.normalize(torch.randn(number, d)) * torch.rand(number) ** (1 / d),
        "a column, (number, 1)",
    ),
    (
        "7.1",
        lambda number, d: _largest_of_d(number // 2 + 1, d).repeat(2, 1)[:number],
        "points of 3 dimensions are alike",
    ),
    (
        "7.1",
        lambda number, d: F.normalize(torch.randn(number, d)) if d > 99 else _largest_of_d(number, d),
        "where 400 points of 784 dimensions lie: got 1 from the centre, all of them",
    ),
    ("7.4", _places_by(lambda t: t[(t > 0.01) & (t < 0.99)].sort().values), "got shape (3,), expected (5,)"),
    ("7.3", lambda shares: (1 - shares[:, :784]).prod(1), "half of them a little bad"),
    ("7.1", _drops_the_rest, "got a tensor of shape ("),
    ("7.1", _pulled_back, "expected as many in each shell as its volume says"),
    ("7.1", lambda number, d: torch.zeros(number, d), "got the same again, expected new ones"),
    (
        "7.1",
        lambda number, d: torch.full((number, d), torch.nan),
        "some coordinates are NaN or infinite",
    ),
    ("7.1", lambda number, d: np.zeros((number, d)), "got an ndarray, expected a tensor of shape (5, 2)"),
    ("7.2", _spoils_the_residual, LEFT_BEHIND["in place"]),
    ("7.2", lambda A, y, k: A @ y, "A has a row a measurement and a *column* an entry of x"),
    ("7.2", lambda A, y, k: torch.linalg.inv(A[:, [0, 0]].T @ A[:, [0, 0]]), "these columns have no inverse"),
    ("7.2", lambda A, y, k: torch.zeros(A.shape[1]), "the shape is right, but the values are not"),
    (
        "7.3",
        lambda shares: [math.prod(1 - row).item() for row in shares],
        "got a list, expected a tensor of shape (1,)",
    ),
    ("7.1", _radius_first, "the radius is uniform"),
    ("7.2", _keeps_what_it_found, "the coefficients stay as they were first found"),
    *(
        ("7.2", _fits(update, norms, sign), message)
        for norms in (False, True)
        for update, sign, message in (
            (_to_the_rest, torch.abs, "the coefficients are fitted to what the earlier columns have left already"),
            (_never_updates, torch.abs, "only one column is chosen, perhaps over and over"),
            (_to_y, torch.clone, "the largest product is taken with its sign"),
        )
    ),
    ("7.4", _on_grid(500), "a grid finds the places only roughly"),
    ("7.4", _on_grid(10_000), "a grid finds the places only roughly"),
    (
        "7.5",
        lambda share, sigma: 28 * sigma * torch.special.ndtri(share),
        "no 28 here: sigma is the deviation of *one*",
    ),
    ("7.5", lambda share, sigma: -(784**0.5) * sigma * torch.special.ndtri(share), "no 28 here"),
    ("7.5", lambda share, sigma: -sigma * 2**0.5 * torch.special.erfinv(2 * share - 1), "in float32 1 - 2e-9 is 1"),
    ("7.5", lambda share, sigma: -sigma * torch.special.ndtri(share.clamp(min=1e-8)), "a share of 0 is given a finite"),
    ("7.3", lambda shares: torch.zeros(len(shares)), "the shares 0.5, 0.1, 0 of one image"),
    ("7.4", lambda weight, bias, start, end: torch.empty(0), "got shape (0,), expected (5,)"),
    ("7.4", lambda weight, bias, start, end: start @ weight, "weight has a row a unit, (m, n)"),
    (
        "7.4",
        lambda weight, bias, start, end: torch.tensor([0.25, 0.375, 0.75]),
        "(6 units and a line in the plane): got shape",
    ),
    ("7.5", lambda share, sigma: 1.0, "the distances for 5 shares and sigma = 1: got the number 1, expected a tensor"),
    ("7.5", lambda share, sigma: torch.distributions.Normal(0, sigma).icdf(1 - share), "(Normal.icdf does that too)"),
    ("7.5", lambda share, sigma: -torch.distributions.Normal(0, sigma).icdf(share), "(Normal.icdf does that too)"),
    ("7.5", lambda share, sigma: statistics.NormalDist().inv_cdf(share), "your code raised"),
    ("7.6", lambda gradient, basis: gradient @ basis @ basis.T, A_ROW),
    ("7.6", lambda gradient, basis: basis @ basis.T @ gradient, A_ROW),
    ("7.6", lambda gradient, basis: torch.zeros_like(gradient), "every number that your function returns is 0"),
    (
        "7.6",
        lambda gradient, basis: gradient * torch.tensor([1.0, 1, 0]).repeat(14)[: gradient.shape[1]],
        "6 gradients in",
    ),
]
