"""Lesson 07: the wrong answers of the first edition, and what it said to them."""

import torch
from torch.nn import functional as F

from frozen import Mistake


def in_ball(number, d):
    directions = torch.randn(number, d)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return directions * torch.rand(number, 1) ** (1 / d)


def _unit(points, **how):
    return points / points.norm(**how)


def _drawing(directions=lambda number, d: _unit(torch.randn(number, d), dim=1, keepdim=True), radii=lambda number, d: torch.rand(number, 1) ** (1 / d)):
    """The points with one part exchanged: the source of the classic mistakes."""
    return lambda number, d: directions(number, d) * radii(number, d)


def _cube(number, d):
    return 2 * torch.rand(number, d) - 1


def _one(number, d):
    return 1


ON_SPHERE = "all points lie on the sphere: inside it there is room too, so each needs a radius of its own, U ** (1 / d). (`1 // d` is 0, and U ** 0 is 1.)"


WHOLE_CUBE = "these are points of a cube: in 2 dimensions a fifth of them lies outside the ball, in 20 nearly all. A direction comes from torch.randn"


TOO_LONG = "some points lie outside the ball: a vector of d normals has a length near sqrt(d), a little different each time. Divide each by its own length, norm(dim=1, keepdim=True)"


THE_OTHER_ROOT = "the root is not the d-th: the ball of radius r has the share r^d of the volume, whatever d is. So r^d is to be uniform, r = U ** (1 / d)"


def recover(A, y, k):
    x, chosen = torch.zeros_like(A[0]), torch.zeros_like(A[0], dtype=torch.bool)
    for _ in range(k):
        residual = y - A @ x
        chosen[(A.T @ residual).abs().argmax()] = True
        x[chosen] = torch.linalg.lstsq(A[:, chosen], y).solution
    return x


def _matching(score=torch.abs, fit=lambda columns, y, residual: _solved(columns, y), target=lambda y, fitted: y - fitted, best=torch.argmax, steps=lambda k: k, end=lambda A, x, support: x):
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


ONCE = "all places are chosen at once: a large entry makes itself felt in every column, and hides the small ones. Choose one, take its part away from y, and look for the next in what is left"


FITTED = "the coefficients stay as they were first found, and so does what the columns found later change about them (matching pursuit). Solve for *all* chosen coefficients anew in each round, against y itself: lstsq"


FITTED_TO_REST = "the coefficients are fitted to the residual, which the earlier columns have left already: fit all chosen columns to y"


ONE_COLUMN = "only one column is chosen, perhaps over and over: repeat the choice k times, and look each time at what is *left*, residual = y - A[:, support] @ coefficients"


PLACES = "this is only the coefficients: put them in their places in a vector of n zeros, x[support] = coefficients"


def stable(shares):
    return (1 - shares).prod(dim=1)


THE_SUM = "the shares are added: that is the chance only if no two pixels can be bad at once, and it leaves [0, 1] where they add up to more than 1. For independent pixels the chances to *survive* multiply"


ONE_NUMBER = "this is one number for all images: one an image, (N,), dim=1"


def crossings(weight, bias, start, end):
    speed = weight @ (end - start)
    t = -(weight @ start + bias) / speed
    return t[(t > 0) & (t < 1)].sort().values


def _crossing(height=lambda weight, bias, start, end: weight @ start + bias, speed=lambda weight, start, end: weight @ (end - start), places=lambda heights, speeds: -heights / speeds, keep=lambda t: t[(t > 0) & (t < 1)], end_with=lambda t, start, end: t.sort().values):
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


OPPOSITE = "all t have the wrong sign: w . start + b + t w . (end - start) = 0, solved for t, has a minus, and the direction is end - start"


DIRECTION = "the line leaves the start in the direction end - start, so a unit's input changes at the speed weight @ (end - start)"


GRID = "a grid finds the places only roughly, and of two faces between neighbours it may see one or none. A unit's input is a straight line in t, so its zero can be computed: -(weight @ start + bias) / (weight @ (end - start))"


NOT_FINITE = "infinite or NaN: a unit whose face is parallel to the line is never crossed, and division by its speed 0 gives inf or NaN. Keep what lies inside, t[(t > 0) & (t < 1)]: for inf and NaN both comparisons together are False"


ENDS = "an end itself counts here: want places inside the line, 0 < t < 1. (A small number added to the speed, against a division by 0, moves the end inside, too. No need for it: the two comparisons drop inf and NaN)"


def _by_erfinv(share, sigma):
    return sigma * 2**0.5 * torch.erfinv(1 - 2 * share)


def _of(quantile):
    return lambda share, sigma: sigma * quantile(share)


ndtr, ndtri = torch.special.ndtr, torch.special.ndtri


ONE_SIDE = "this is the two-sided quantile: the noise is beyond the boundary on *one* side, so the share enters Phi^-1 as it is"


FORWARD = "Phi turns a distance into a share: the way back is its inverse, the quantile function, torch.special.ndtri (ndtr is Phi itself)"


ERROR_FUNCTION = "erfinv has another unit: Phi^-1(p) = sqrt(2) erfinv(2 p - 1). Easier is torch.special.ndtri, which is Phi^-1"


KEPT_FINITE = "a share of 0 is given a finite distance: if the noise never enters, the half-space is infinitely far. Leave out clamp and nan_to_num; torch.special.ndtri(0) is -inf"


def into_subspace(gradient, basis):
    return gradient @ basis.T @ basis


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


WRONG = {
    "7.1": (
        Mistake(_drawing(radii=lambda number, d: torch.rand(number, 1)), "the radius is uniform, so half of the points lie in the inner ball of radius 1/2, which has only the share 2^-d of the volume. r^d is to be uniform: take the d-th root, U ** (1 / d)"),
        Mistake(_drawing(radii=lambda number, d: torch.rand(number, 1) ** d), "U ** d crowds the points at the centre: it is the power d of the *radius* that is uniform, so the radius is the d-th root, U ** (1 / d)"),
        Mistake(_drawing(radii=lambda number, d: torch.rand(number, 1) ** 1 / d), "the radius is U / d: a power is taken before a division, so put brackets round the fraction, U ** (1 / d)"),
        *(Mistake(_drawing(radii=lambda number, d, root=root: torch.rand(number, 1) ** (1 / root(d))), THE_OTHER_ROOT) for root in (lambda d: 2, lambda d: 3, lambda d: d + 1, lambda d: d - 1)),
        Mistake(_drawing(radii=_one), ON_SPHERE),
        Mistake(_cube, WHOLE_CUBE),
        Mistake(torch.rand, WHOLE_CUBE),
        Mistake(_drawing(directions=lambda number, d: _unit(_cube(number, d), dim=1, keepdim=True)), "the points crowd in the directions of the cube's corners, which are farther away than its faces. A vector of normals, torch.randn, prefers no direction"),
        Mistake(_drawing(directions=lambda number, d: _unit(torch.rand(number, d), dim=1, keepdim=True)), "no coordinate is negative: torch.rand draws from [0, 1]. For the direction take torch.randn"),
        Mistake(_drawing(directions=torch.randn), TOO_LONG),
        Mistake(_drawing(directions=torch.randn, radii=_one), TOO_LONG),
        Mistake(_drawing(directions=lambda number, d: torch.randn(number, d) / d**0.5), "divided by sqrt(d), lengths are near 1 but not 1, and half of them is above. Divide each point by its own length, norm(dim=1, keepdim=True)"),
        Mistake(_drawing(directions=lambda number, d: _unit(torch.randn(number, d), dim=0)), "the norm runs over the points here (dim=0): a point is a row, so its length is norm(dim=1, keepdim=True)"),
        Mistake(_drawing(directions=lambda number, d: _unit(torch.randn(number, d))), "norm() without dim is the length of the whole table: divide each point by its own, norm(dim=1, keepdim=True)"),
        Mistake(_drawing(radii=lambda number, d: torch.rand(1) ** (1 / d)), "all points share one radius: draw one a point, torch.rand(number, 1)"),
        Mistake(_drawing(radii=lambda number, d: torch.rand(number, d) ** (1 / d)), "each coordinate has a radius of its own here: draw one a point, torch.rand(number, 1)"),
        Mistake(_drawing(directions=lambda number, d: _unit(torch.randn(1, d))), "all points lie in one direction: draw one a point, torch.randn(number, d)"),
        Mistake(lambda number, d: in_ball(number, d).T, "a point is a row here: (number, d), not (d, number)"),
    ),
    "7.2": (
        Mistake(lambda A, y, k: _dense(A, y), "this fits the measurements, but all n numbers share the work: of all solutions it is the *shortest*, not the one with the fewest entries. Choose columns, k of them"),
        Mistake(_matching(score=lambda scores: scores), "the largest product is taken with its sign, which misses all negative entries: (A.T @ residual).abs()"),
        Mistake(_matching(score=lambda scores: -scores.abs()), "the column that has *least* to do with the residual is chosen: argmax"),
        Mistake(_without_fit(lambda column: 1 / (column @ column)), FITTED),
        Mistake(_without_fit(lambda column: 1), FITTED),
        Mistake(_without_fit(lambda column: 1 / (column @ column), lambda A: A.norm(dim=0)), FITTED),
        Mistake(_fits_what_is_left, FITTED_TO_REST),
        Mistake(_never_looks_again, ONE_COLUMN),
        Mistake(_matching(fit=lambda columns, y, residual: _solved(columns, residual)), FITTED_TO_REST),
        Mistake(_matching(fit=lambda columns, y, residual: columns.T @ y), "the products with the columns are taken for the coefficients: columns are not at right angles, nor of length 1. Solve for the coefficients: lstsq"),
        Mistake(_matching(target=lambda y, fitted: y), ONE_COLUMN),
        Mistake(_matching(target=lambda y, fitted: fitted), ONE_COLUMN),
        Mistake(_matching(steps=lambda k: 1), ONE_COLUMN),
        Mistake(_at_once(_correlations), ONCE),
        Mistake(_at_once(_correlations, fit=False), ONCE),
        Mistake(_at_once(_dense), ONCE),
        Mistake(_at_once(_dense, fit=False), ONCE),
        Mistake(_matching(steps=lambda k: max(k - 1, 1)), "one entry is missing: choose k columns, `for _ in range(k)`"),
        Mistake(_matching(end=lambda A, x, support: x[support]), PLACES),
        Mistake(_matching(end=lambda A, x, support: x[sorted(support)]), PLACES),
        Mistake(_matching(end=lambda A, x, support: torch.tensor(support)), "these are the places: return x, (n,)"),
        Mistake(_matching(end=lambda A, x, support: A @ x), "this is A @ x, the measurements again: return x, (n,)"),
        Mistake(_matching(end=lambda A, x, support: x[:, None]), "this is a column, (n, 1): want (n,). Give lstsq the vector y itself, or take [:, 0] of its column"),
        Mistake(lambda A, y, k: recover(A, y, k).abs(), "the entries lose their signs: abs is only for the choice"),
        Mistake(_in_order_of_choice, "the right numbers stand in the wrong places: x[support] and A[:, support] want the same order of support"),
    ),
    "7.3": (
        Mistake(lambda shares: shares.prod(1), "this is the chance that *every* pixel takes the image out of its class: an image is stable if none does, so multiply 1 - share"),
        Mistake(lambda shares: 1 - shares.prod(1), "this is the chance that not all pixels are bad at once: one bad pixel is enough, so multiply 1 - share"),
        Mistake(lambda shares: 1 - stable(shares), "this is the chance that some pixel takes it out: the image is stable if none does, so leave out the 1 -"),
        Mistake(lambda shares: 1 - shares.sum(1), THE_SUM),
        Mistake(lambda shares: (1 - shares.sum(1)).clamp(min=0), THE_SUM),
        Mistake(lambda shares: (1 - shares).sum(1), "these are added: chances of independent events multiply, prod"),
        Mistake(lambda shares: (1 - shares).mean(1), "the mean is the chance that *one* pixel, picked at random, leaves the image in its class: all of them are to, so multiply"),
        Mistake(lambda shares: (1 - shares.mean(1)) ** shares.shape[1], "this is (1 - eps)^n with the mean share for eps, the blog's short form. It is larger than the product unless all pixels of the image are alike: multiply the 1 - share of the pixels themselves"),
        Mistake(lambda shares: (1 - shares.mean()) ** shares.shape[1], "one eps for all images and pixels: multiply the 1 - share of each image's own pixels"),
        Mistake(lambda shares: torch.exp(-shares.sum(1)), "exp(-sum) is close while all shares are small, and 1 - share is below exp(-share) otherwise (a share of 1 leaves nothing): multiply 1 - share, or add up torch.log1p(-shares)"),
        Mistake(lambda shares: 1 - shares.amax(1), "only the worst pixel counts here: the others are drawn too, and each can take the image out"),
        Mistake(lambda shares: (shares == 0).all(1).float(), "this asks whether the image is stable for certain: the chance is wanted, so multiply 1 - share"),
        Mistake(lambda shares: (1 - shares).prod(1) ** (1 / shares.shape[1]), "this is the geometric mean, the chance for one typical pixel: leave out the n-th root"),
        Mistake(lambda shares: torch.log1p(-shares).sum(1), "this is the logarithm of the chance: take exp of it"),
        Mistake(lambda shares: (1 - shares).log2().sum(1).exp(), "logarithm and exponential have different bases: torch.log1p(-shares) goes with exp"),
        Mistake(lambda shares: ((1 - shares).log() * (1 - shares)).sum(1).exp(), "0 * log(0) is NaN, and the sum wants no weights: the product is exp of the plain sum of the logarithms"),
        Mistake(lambda shares: (1 - shares).prod(0), "this multiplies over the images (dim=0): a row is an image, so the product runs over dim=1"),
        Mistake(lambda shares: (1 - shares).prod(), ONE_NUMBER),
        Mistake(lambda shares: stable(shares).mean(), ONE_NUMBER),
        Mistake(lambda shares: 1 - shares, "these are the chances of single pixels, (N, n): multiply them, .prod(dim=1)"),
        Mistake(lambda shares: (1 - shares).cumprod(1), "cumprod keeps the products on the way, (N, n): only the last one is wanted, prod(dim=1)"),
        Mistake(lambda shares: (1 - shares).prod(1, keepdim=True), "this is (N, 1), want (N,): without keepdim"),
        Mistake(lambda shares: 100 * stable(shares), "this is in per cent: a chance runs from 0 to 1"),
        Mistake(lambda shares: (1 - shares.clamp(1e-3, 1 - 1e-3)).prod(1), "the shares are moved away from 0 and 1: a share of 0 has to count as 1 in the product, or hundreds of harmless pixels add up. No logarithm needs saving here: (1 - shares).prod(dim=1)"),
    ),
    "7.4": (
        Mistake(_crossing(height=lambda weight, bias, start, end: weight @ start - bias), "the bias has the wrong sign: w . x(t) + b = 0 gives t = -(w . start + b) / (w . (end - start))"),
        Mistake(_crossing(places=lambda heights, speeds: -heights / speeds, height=lambda w, b, s, e: w @ s), "the bias is missing: a unit switches where w . x + b = 0"),
        Mistake(_crossing(places=lambda heights, speeds: heights / speeds), OPPOSITE),
        Mistake(_crossing(speed=lambda weight, start, end: weight @ (start - end)), OPPOSITE),
        Mistake(_crossing(places=lambda heights, speeds: (heights / speeds).abs()), "abs brings in faces that lie *behind* the start: keep the sign, and the t between 0 and 1"),
        Mistake(_crossing(keep=lambda t: t), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t[t.isfinite()]), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t[t > 0]), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t[t < 1]), OUTSIDE),
        Mistake(_crossing(keep=lambda t: t.clamp(0, 1)), "clamp moves the places outside to the ends, where no face is: drop them, t[(t > 0) & (t < 1)]"),
        Mistake(_crossing(keep=lambda t: t[~((t <= 0) | (t >= 1))]), NOT_FINITE),
        Mistake(_crossing(keep=lambda t: t.where((t > 0) & (t < 1), torch.nan)), NOT_FINITE),
        Mistake(_crossing(keep=lambda t: t[(t >= 0) & (t <= 1)]), ENDS),
        *(Mistake(_crossing(keep=keep), ENDS) for keep in (lambda t: t[(t >= 0) & (t < 1)], lambda t: t[(t > 0) & (t <= 1)])),
        Mistake(_crossing(speed=lambda weight, start, end: weight @ (end - start) + 1e-12), ENDS),
        Mistake(_crossing(end_with=lambda t, start, end: t.sort()), "sort() returns two things, the sorted places and where they stood: take .values"),
        Mistake(_crossing(end_with=lambda t, start, end: torch.cat([t.new_zeros(1), t.sort().values, t.new_ones(1)])), "the ends, 0 and 1, are no crossings: return the places between them"),
        Mistake(_crossing(end_with=lambda t, start, end: t), "in the order of the units: the places come in the order in which the line meets them, .sort().values"),
        Mistake(_crossing(end_with=lambda t, start, end: t.sort(descending=True).values), "from the last to the first: ascending, .sort().values"),
        Mistake(_crossing(end_with=lambda t, start, end: t.argsort()), "argsort gives the order: return the places, .sort().values"),
        Mistake(_crossing(end_with=lambda t, start, end: len(t)), "this is their number: return the places themselves, a tensor (K,)"),
        Mistake(_crossing(end_with=lambda t, start, end: start + t.sort().values[:, None] * (end - start)), "these are the points: return the t at which the line reaches them, (K,)"),
        Mistake(_crossing(end_with=lambda t, start, end: t.sort().values * (end - start).norm()), "these are distances from the start: t is the share of the way, between 0 and 1"),
        Mistake(_crossing(speed=lambda weight, start, end: weight @ end), DIRECTION),
        Mistake(lambda weight, bias, start, end: crossings(weight, bias, end, start), "this begins at the end: t is 0 at start and 1 at end"),
        Mistake(_crossing(height=lambda weight, bias, start, end: weight @ end + bias), "the unit's input is taken at the end: t counts from the start, -(weight @ start + bias)"),
        Mistake(_crossing(places=lambda heights, speeds: -speeds / heights), "the fraction stands upside down: the input at the start over its speed"),
        *(Mistake(_on_grid(number, way), GRID) for number in (11, 21, 100, 101, 200, 1000, 1001) for way in (True, False)),
    ),
    "7.5": (
        Mistake(_of(ndtri), "the sign: Phi^-1 of a small share is negative, and the distance is positive as long as the image lies on its own side: -sigma * Phi^-1(share)"),
        Mistake(lambda share, sigma: -ndtri(share), "sigma is missing: this is the distance in standard deviations of the noise"),
        Mistake(lambda share, sigma: -28 * sigma * ndtri(share), "28 times too far: sigma is the deviation of *one* pixel, and along the boundary's normal the noise moves the image by sigma, whatever the number of pixels. Only its whole length is 28 sigma"),
        Mistake(lambda share, sigma: -(sigma**2) * ndtri(share), "sigma squared is the variance: distances go with the standard deviation, sigma"),
        Mistake(lambda share, sigma: -(sigma**0.5) * ndtri(share), "no root: sigma is the standard deviation already, sigma"),
        Mistake(lambda share, sigma: -ndtri(share) / sigma, "stronger noise that enters as rarely means a boundary farther away: multiply by sigma"),
        Mistake(lambda share, sigma: -ndtri(share / sigma), "sigma stands outside: -sigma * Phi^-1(share)"),
        Mistake(lambda share, sigma: -ndtri(share * sigma), "sigma stands outside: -sigma * Phi^-1(share)"),
        *(Mistake(_of(wrong), FORWARD) for wrong in (ndtr, lambda share: -ndtr(share), lambda share: ndtr(-share), lambda share: 1 - ndtr(share), lambda share: 1 / ndtr(share), lambda share: -1 / ndtr(share))),
        Mistake(_of(lambda share: -torch.special.log_ndtr(share)), FORWARD),
        *(Mistake(_of(wrong), ONE_SIDE) for wrong in (lambda share: -ndtri(share / 2), lambda share: ndtri(1 - share / 2), lambda share: -ndtri(2 * share), lambda share: ndtri(1 - 2 * share))),
        Mistake(_of(lambda share: torch.erfinv(1 - 2 * share)), ERROR_FUNCTION),
        Mistake(_of(lambda share: -torch.erfinv(share)), ERROR_FUNCTION),
        Mistake(_of(lambda share: torch.erfinv(1 - share)), ERROR_FUNCTION),
        Mistake(_of(lambda share: 2**0.5 * torch.erfinv(1 - share)), ONE_SIDE),
        Mistake(_of(lambda share: -(2**0.5) * torch.erfinv(share)), ERROR_FUNCTION),
        Mistake(_by_erfinv, "right until the share is small: in float32 1 - 2e-9 is 1, and a small share is taken for none (Normal.icdf does that too). torch.special.ndtri(share) keeps it, and -sigma * ndtri(share) needs no 1 - share"),
        Mistake(_of(lambda share: -ndtri(share).abs()), "all distances are negative: -sigma * Phi^-1(share) without abs"),
        Mistake(_of(lambda share: ndtri(share).abs()), "above a share of 1/2 the image lies beyond the boundary, and its distance is negative: without abs"),
        Mistake(_of(lambda share: (-ndtri(share)).clamp(min=0)), "above a share of 1/2 the image lies beyond the boundary, and its distance is negative: without clamp"),
        *(Mistake(_of(lambda share, least=least: -ndtri(share.clamp(least, 1 - least))), KEPT_FINITE) for least in (1e-12, 1e-10, 1e-20, 1e-30)),
        Mistake(_of(lambda share: -ndtri(share).nan_to_num()), KEPT_FINITE),
        Mistake(_of(lambda share: -ndtri(share).nan_to_num(0.0, 0.0, 0.0)), KEPT_FINITE),
        Mistake(_of(lambda share: -ndtri(share.clamp(1e-6, 1 - 1e-6))), "small shares are lifted to 1e-6: leave out clamp. They are what this is about, and torch.special.ndtri takes them, 0 too"),
        Mistake(_of(lambda share: torch.sqrt(-2 * share.log())), "this is the bound exp(-z^2 / 2) for the tail, turned round: close for tiny shares only. torch.special.ndtri is the quantile itself"),
        Mistake(_of(lambda share: -torch.logit(share)), "the logit is the quantile of the *logistic* distribution: for normal noise take torch.special.ndtri"),
        Mistake(_of(lambda share: 1 - share), "the share is no distance yet: -sigma * Phi^-1(share)"),
    ),
    "7.6": (
        Mistake(lambda gradient, basis: gradient @ basis.T, "these are the coordinates in the subspace, (N, m): multiply them with the directions, coordinates @ basis, to come back to pixels"),
        Mistake(lambda gradient, basis: (gradient @ basis.T).sum(1, keepdim=True), "the coordinates are added up: each belongs to its own direction, coordinates @ basis"),
        Mistake(lambda gradient, basis: basis.T @ basis, "this is the matrix that projects: apply it to the gradients, gradient @ (basis.T @ basis)"),
        Mistake(lambda gradient, basis: basis.T @ basis @ gradient.T, "this has a gradient a column, (n, N): transpose it back, or write gradient @ basis.T @ basis"),
        Mistake(_then(lambda part, gradient, basis: gradient - part), ALONG),
        Mistake(_then(lambda part, gradient, basis: part - gradient), ALONG),
        Mistake(_then(lambda part, gradient, basis: -part), "the sign is turned round: the part in the subspace is the *sum* of the parts along its directions"),
        Mistake(_then(lambda part, gradient, basis: F.normalize(part, dim=1)), LENGTH),
        Mistake(_then(lambda part, gradient, basis: F.normalize(part, dim=0)), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part / part.norm()), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part / gradient.norm(dim=1, keepdim=True)), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part.sign()), LENGTH),
        Mistake(_then(lambda part, gradient, basis: part / len(basis)), "divided by m: the parts along the m directions add up, they are not averaged"),
        Mistake(_then(lambda part, gradient, basis: part * (basis.shape[1] / len(basis)) ** 0.5), "times sqrt(n / m): that is what Fawzi *predicts* for distances. The part itself is not stretched"),
        Mistake(_row_by_row(lambda part, along: along), "only the last direction is left: each round overwrites the one before. Add the parts up"),
        Mistake(lambda gradient, basis: into_subspace(gradient, basis[:1]), "only the first direction of the basis is used: all m of them span the subspace"),
        Mistake(lambda gradient, basis: gradient * (torch.arange(gradient.shape[1]) < len(basis)), "this keeps the first m pixels: the subspace is spanned by the rows of basis, not by axes"),
        Mistake(lambda gradient, basis: gradient * basis.sum(0), "entry by entry this is no projection: the product of a gradient with a direction is the sum over all n pixels, gradient @ basis.T"),
        Mistake(lambda gradient, basis: (gradient @ basis.T).abs() @ basis, "the coordinates lose their signs: without abs"),
        Mistake(lambda gradient, basis: (gradient @ basis.T) ** 2 @ basis, "the coordinates are squared: for directions of length 1 a coordinate is the plain product"),
        Mistake(_then(lambda part, gradient, basis: part.mean(0)), "this is the mean over the images: one row a gradient, (N, n)"),
        Mistake(_then(lambda part, gradient, basis: part.mean(0).expand_as(part)), "all images get the same part, the mean over them: each has its own gradient"),
        Mistake(_then(lambda part, gradient, basis: part[0]), "only the first gradient is left: all N, (N, n)"),
        Mistake(lambda gradient, basis: gradient.clone(), "the gradient itself, unchanged: only its part in the subspace"),
    ),
}
