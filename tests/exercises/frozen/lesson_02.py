"""Lesson 02: the wrong answers of the first edition, and what it said to them."""

import torch
from torch.nn import functional as F

from frozen import Mistake


def _searching(middle, give=lambda low, high: low, swap=False, extra=0):
    """The search with one part exchanged: the source of the classic mistakes."""

    def search(works, low, high, steps):
        for _ in range(steps + extra):
            c = middle(low, high)
            if works(c) != swap:
                low = c
            else:
                high = c
        return give(low, high)

    return search


def _geometric(low, high):
    return (low * high) ** 0.5


def _last_tried(works, low, high, steps):
    for _ in range(steps):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if works(middle) else (low, middle)
    return middle


def _best_tried(works, low, high, steps, best):
    """The largest value that was tried and works; ``best`` if none was."""
    for _ in range(steps):
        middle = (low * high) ** 0.5
        low, high, best = (middle, high, middle) if works(middle) else (low, middle, best)
    return best


def _one_by_one(works, low, high, steps):
    c = low
    for _ in range(steps):
        if not works(c * 2):
            break
        c *= 2
    return c


def _counting(energy=torch.square, descending=True, plus=1, below=torch.lt):
    """The count with one part exchanged: the source of the classic mistakes."""

    def count(change, share=0.9, sort=True):
        held = energy(change.flatten())
        held = held.sort(descending=descending).values if sort and descending is not None else held
        return int(below(held.cumsum(0), share * held.sum()).sum()) + plus

    return count


FIXED_SIZE = "a fixed size is written out: use `size`, since the layers see images of different sizes"


def _spectra(weight, size):
    return torch.linalg.svdvals(torch.fft.fft2(weight, s=(size, size)).permute(2, 3, 0, 1))


def purity(features, labels, directions, k=8):
    top = (features @ directions.T).topk(k, dim=0).indices
    return F.one_hot(labels[top], 10).sum(0).amax(1) / k


def _scoring(values=lambda f, d: f @ d.T, dim=0, largest=True, then=lambda counts, k: counts.amax(1) / k):
    """The score with one part exchanged: the source of the classic mistakes."""

    def score(features, labels, directions, k=8):
        top = values(features, directions).topk(k, dim=dim, largest=largest).indices
        return then(F.one_hot(labels[top], 10).sum(dim).float(), k)

    return score


WRONG = {
    "2.1": (
        Mistake(lambda a, b: (b - a).flatten(1).square().mean(1), "this is the mean *square*: its root is missing, so the unit is not that of a pixel"),
        Mistake(lambda a, b: (b - a).flatten(1).norm(dim=1), "this is the Euclidean length: it grows with the number of pixels. Take the mean of the squares"),
        Mistake(lambda a, b: (b - a).flatten(1).norm(dim=1) / a[0].numel(), "the length is divided by n here, and has to be divided by the root of n"),
        Mistake(lambda a, b: (b - a).square().mean().sqrt(), "this is one number for the whole batch: give one for each image, over its own values"),
        Mistake(lambda a, b: (b - a).square().mean((2, 3)).sqrt(), "this is one number for each channel: n counts the values of all channels of an image"),
        Mistake(lambda a, b: (b - a).flatten(1).abs().mean(1), "this is the mean absolute change. Szegedy's squares before the mean and takes the root after it, so that large changes count for more"),
        Mistake(lambda a, b: ((b - a).flatten(1).square().sum(1) / 784).sqrt(), "784 is right for MNIST alone: take n from the images, which may have another size and three channels"),
        Mistake(lambda a, b: (b - a).flatten(1).std(1), "the standard deviation subtracts the mean change first, so a picture that is brightened evenly would count as unchanged"),
        Mistake(lambda a, b: (b - a).square().mean((2, 3)).sqrt().mean(1), "this takes the root in each channel and then the mean: first the mean over all values, then one root"),
        Mistake(lambda a, b: (b - a).flatten(1).mean(1), "ups and downs cancel in a plain mean: square first"),
        Mistake(lambda a, b: (b - a).flatten(1).abs().amax(1), "this is the largest change of one value, another ruler: linf"),
    ),
    "2.2": (
        Mistake(lambda m, x, r, t, c: r.square().sum() + c * F.cross_entropy(m(x + r), t), "c stands before the loss here. In the formula it stands before |r|: a large c asks for a small change"),
        Mistake(lambda m, x, r, t, c: c * r.norm() + F.cross_entropy(m(x + r), t), "this takes the length |r|; here the *squared* length is asked for (both readings exist, and are compared later)"),
        Mistake(lambda m, x, r, t, c: c * r.square().sum().sqrt() ** 2 + F.cross_entropy(m(x + r), t), "the lesson starts at r = 0, and there the gradient of the root is NaN: square and sum, without a root in between"),
        Mistake(lambda m, x, r, t, c: c * r.square().mean() + F.cross_entropy(m(x + r), t), "the mean of the squares is smaller than their sum, 784 times for a digit: |r|^2 is the sum"),
        Mistake(lambda m, x, r, t, c: c * r.square().mean().sqrt() + F.cross_entropy(m(x + r), t), "this takes the distortion: the price is c times the squared length, the sum of the squares"),
        Mistake(lambda m, x, r, t, c: c * r.abs().sum() + F.cross_entropy(m(x + r), t), "this takes the sum of |r_i|, which likes few large changes: the squares are asked for"),
        Mistake(lambda m, x, r, t, c: c / 2 * r.square().sum() + F.cross_entropy(m(x + r), t), "there is no 1/2 in this formula: c stands before the squared length"),
        Mistake(lambda m, x, r, t, c: c * r.square().sum() + F.cross_entropy(m((x + r).clamp(0, 1)), t), "leave out clamp: at the edge it hides the slope. The box is kept by whoever takes the step"),
        Mistake(lambda m, x, r, t, c: c * r.sum() + F.cross_entropy(m(x + r), t), "r.sum() can be negative: the squares are missing"),
        Mistake(lambda m, x, r, t, c: c * r.square().sum() - F.cross_entropy(m(x + r), t), "the minus sign drives the image *away* from the target. We minimise F, so the loss of the target is added"),
        Mistake(lambda m, x, r, t, c: c * r.square().sum() + F.cross_entropy(m(x), t), "the network looks at x, not at x + r: the gradient cannot tell which change would help"),
        Mistake(lambda m, x, r, t, c: c * r.square().sum() + F.cross_entropy(m(r), t), "the network looks at the change alone, not at x + r"),
        Mistake(lambda m, x, r, t, c: c * r.square().sum() + F.cross_entropy(m(x + r).softmax(1), t), "cross_entropy applies the softmax itself: give it the logits"),
        Mistake(lambda m, x, r, t, c: c * (x + r).square().sum() + F.cross_entropy(m(x + r), t), "c weighs the size of the change r, not that of the changed image"),
        Mistake(lambda m, x, r, t, c: F.cross_entropy(m(x + r), t), "the price of the change, c times |r|^2, is missing: nothing keeps r small"),
    ),
    "2.3": (
        Mistake(_searching(lambda low, high: (low + high) / 2), "this halves the interval in the middle. c runs over powers of ten: between 0.01 and 100 take the geometric mean, 1, not 50"),
        Mistake(_searching(_geometric, give=lambda low, high: high), "this returns the smallest c that *fails*: the largest one that was seen to work is the other end"),
        Mistake(lambda works, low, high, steps: _best_tried(works, low, high, steps, 0.0), "no value that was tried works, and this returns 0, which does not work either: `low` does, so begin with it"),
        Mistake(lambda works, low, high, steps: _best_tried(works, low, high, steps, None), "no value that was tried works, and this returns None: `low` works, so begin with it"),
        Mistake(lambda works, low, high, steps: _searching(_geometric)(works, 0.01, 100.0, steps), "0.01 and 100 are written out: use `low` and `high`, which may be others"),
        Mistake(lambda works, low, high, steps: _searching(_geometric)(works, low, high, 10), "10 is written out: use `steps`"),
        Mistake(_searching(_geometric, give=lambda low, high: (low * high) ** 0.5), "the middle of the last interval was never tried, and may fail: return the end that works"),
        Mistake(_searching(_geometric, swap=True), "the two ends are exchanged: if c works, the largest c that works lies *above* it, so low moves up"),
        Mistake(_searching(_geometric, give=lambda low, high: high, swap=True), "this looks for the smallest c, as the paper's sentence reads: with c before |r| the *largest* one that works is wanted"),
        Mistake(_searching(lambda low, high: (low * high) / 2), "Python reads `(low * high) ** 1 / 2` as half of the product: the root is `** 0.5`"),
        Mistake(_last_tried, "this returns the value tried last, which may fail: return the end that works"),
        Mistake(_one_by_one, "doubling stops at the first failure, up to a factor 2 too low: halve the interval instead"),
        Mistake(_searching(_geometric, extra=-1), "one value too few is tried: `steps` times means range(steps)"),
        Mistake(_searching(lambda low, high: low + high), "low + high is not between the two: the geometric mean is the root of the product"),
    ),
    "2.4": (
        Mistake(_counting(energy=torch.abs), "this adds up |r_i|: the energy of a pixel is its *square*, and with squares fewer pixels carry the most"),
        Mistake(_counting(energy=lambda r: r), "ups and downs cancel: square the changes before adding them up"),
        Mistake(_counting(descending=False), "this starts with the smallest changes and counts too many pixels: sort in descending order"),
        Mistake(_counting(descending=None), "the changes are added up in the order of the picture, row by row: sort them by energy first"),
        Mistake(_counting(below=torch.le), "one pixel too many where the share is reached exactly: count the partial sums *below* share * sum, with <"),
        Mistake(_counting(plus=0), "one pixel short: the one with which the share is reached belongs to it"),
        Mistake(lambda change, share=0.9: int((change.abs() > (1 - share) * change.abs().max()).sum()), "this counts pixels above a share of the largest one: add up energy up to a share of the *sum*"),
        Mistake(lambda change, share=0.9: _counting()(change), "0.9 is written out: use `share`, which is 0.9 only if nothing else is said"),
        Mistake(lambda change, share=0.9: _counting()(change.sort(descending=True).values, share, sort=False), "this sorts each row of the picture by itself: make one long row first, with flatten()"),
        Mistake(lambda change, share=0.9: int(share * (change != 0).sum()), "this is a share of the number of pixels, however much each of them changed"),
        Mistake(lambda change, share=0.9: _counting()(change, share) / change.numel(), "this is a share of the pixels: the number itself is asked for"),
    ),
    "2.5": (
        Mistake(lambda w, n: torch.linalg.matrix_norm(w.flatten(1), 2), "this is the norm of the kernel written as one matrix. A pixel is under the window many times, so the layer can stretch more: go to frequencies first"),
        Mistake(lambda w, n: w.norm(), "this is the root of all squared weights (the Frobenius norm of the kernel), which bounds nothing here"),
        Mistake(lambda w, n: torch.linalg.matrix_norm(w.sum((2, 3)), 2), "this looks at frequency 0 alone, a picture without structure: take the largest over all frequencies"),
        Mistake(lambda w, n: _spectra(w, w.shape[-1]).max(), "the Fourier transform is as small as the kernel: give it the size of the image, `s=(size, size)`, which fills up with zeros"),
        Mistake(lambda w, n: _spectra(w, n)[..., 0].mean(), "this is the mean over the frequencies: the worst image puts all its energy into the one that is stretched most"),
        Mistake(lambda w, n: torch.fft.fft2(w, s=(n, n)).abs().max(), "this takes the largest entry. The maps work together: at each frequency the entries form a matrix, and its largest singular value counts"),
        Mistake(lambda w, n: torch.linalg.svdvals(torch.fft.fft2(w, s=(n, n))).max(), "svdvals takes the last two dimensions as the matrix, and these are frequencies here: bring out and in to the end with permute(2, 3, 0, 1)"),
        Mistake(lambda w, n: torch.linalg.svdvals(torch.fft.fft2(w, s=(n, n)).real.permute(2, 3, 0, 1)).max(), "half of each wave is lost with .real: the transform is complex, and svdvals takes it as it is"),
        Mistake(lambda w, n: torch.linalg.svdvals(torch.fft.fft2(w, s=(n, n)).abs().permute(2, 3, 0, 1)).max(), "abs() throws the phases away, which decide how the maps add up: svdvals takes complex matrices"),
        Mistake(lambda w, n: torch.linalg.svdvals(torch.fft.fft2(w, s=(n, n), norm="ortho").permute(2, 3, 0, 1)).max(), 'norm="ortho" divides by the size: the plain transform gives the factor by which each wave is stretched'),
        Mistake(lambda w, n: _spectra(w, 28).max(), FIXED_SIZE),
        Mistake(lambda w, n: _spectra(w, n)[..., -1].max(), "this is the smallest singular value of each matrix: the layer stretches by the largest"),
    ),
    "2.6": (
        Mistake(_scoring(largest=False), "these are the images with the smallest values: the paper shows those that excite the direction *most*"),
        Mistake(_scoring(values=lambda f, d: (f @ d.T).abs()), "the absolute value mixes both ends: an image far on the other side does not excite the direction"),
        Mistake(_scoring(dim=1), "topk runs over the directions here: for each direction choose among the images, dim=0"),
        Mistake(_scoring(then=lambda counts, k: counts.amax(1)), "this is the count of the most common class: divide by k, so that 1 means all of one class"),
        Mistake(_scoring(then=lambda counts, k: (counts > 0).sum(1) / k), "this counts how many different classes there are: the share of the most common one is asked for"),
        Mistake(_scoring(then=lambda counts, k: (counts.amax(1) / k).mean()), "this is the mean over the directions: give one number for each"),
        Mistake(lambda f, y, d, k=8: purity(f, y, d), "8 is written out: use `k`, which is 8 only if nothing else is said"),
        Mistake(_scoring(values=lambda f, d: -torch.cdist(f, d)), "these are the images nearest to the direction: the largest inner product is asked for"),
        Mistake(_scoring(values=lambda f, d: F.normalize(f, dim=1) @ d.T), "the features are scaled to length 1 here, which asks for the angle: the paper takes the plain product"),
    ),
}
