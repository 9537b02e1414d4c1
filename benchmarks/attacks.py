"""What the attacks cost beside bare passes through the network, foolbox 3.3, and scipy's L-BFGS-B image by image.

usage: python benchmarks/attacks.py [--quick]

CaffeLeNet as `mnist.trained` makes it, on test digits that it names correctly. The two sides of a ratio run in turn,
each after a warm-up, and the medians are compared; the slow ones run once. --quick takes fewer images and turns.
"""

import argparse
import statistics
import sys
import time
import warnings

import torch
from torch.nn import functional as F

from course_utils import data, evaluation, figures, runtime, zoo
from course_utils.attacks import carlini_wagner, choose_targets, deepfool, distances, lbfgs, pgd
from course_utils.core import tensors

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # foolbox imports from a part of scipy that is about to move
        import foolbox
        import numpy as np
        from scipy.optimize import fmin_l_bfgs_b
except ImportError as missing:
    sys.exit(f"{missing}: this compares with foolbox and scipy, pip install foolbox scipy")

STEPS = 40  # of PGD
ROUNDS = 9  # values of c for lbfgs and carlini_wagner


def seconds(*loops, turns: int) -> list[tuple[float, torch.Tensor]]:
    """For each loop the median time of several turns, and its last result."""
    times, results = [[] for _ in loops], [None] * len(loops)
    for turn in range(turns + (turns > 1)):
        for i, loop in enumerate(loops):
            start = time.perf_counter()
            results[i] = loop()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn or turns == 1:
                times[i].append(time.perf_counter() - start)
    return [(statistics.median(taken), result) for taken, result in zip(times, results, strict=True)]


class Evaluations:
    """Counts the images that pass through a network."""

    def __init__(self, net):
        self.total = 0
        net.register_forward_hook(self)

    def __call__(self, net, inputs, outputs):
        self.total += len(outputs)

    def an_image(self, loop, number):
        before = self.total
        result = loop()
        return (self.total - before) / number, result


def by_foolbox(attack, net, digits, **settings):
    """A foolbox attack as a loop to time."""
    device = digits.images.device
    model = foolbox.PyTorchModel(net, bounds=(0, 1), device=device)
    return lambda: attack.run(model, digits.images, foolbox.criteria.Misclassification(digits.labels), **settings)


def by_scipy(net, image, target):
    """Szegedy's attack on one image: c starts from 1, is moved by tens, then halved on the logarithmic scale."""
    start = image.flatten().double().cpu().numpy()
    best, smallest = image, float("inf")

    def objective(x, c):
        point = torch.tensor(x, dtype=torch.float32, device=image.device).view(1, *image.shape).requires_grad_()
        loss = F.cross_entropy(net(point), target[None])
        (slope,) = torch.autograd.grad(loss, point)
        change = x - start
        return loss.item() + c * change @ change, slope.flatten().double().cpu().numpy() + 2 * c * change

    c, works, fails = 1.0, 0.0, float("inf")
    for _ in range(ROUNDS):
        x, _, _ = fmin_l_bfgs_b(objective, start.copy(), args=(c,), bounds=[(0, 1)] * len(start), maxiter=100)
        point = torch.tensor(np.clip(x, 0, 1), dtype=torch.float32, device=image.device).view(image.shape)
        with torch.no_grad():
            reached = net(point[None]).argmax(1)[0] == target
        if reached and (point - image).norm() < smallest:
            best, smallest = point, (point - image).norm()
        works, fails = (c, fails) if reached else (works, c)
        c = works * 10 if fails == float("inf") else fails / 10 if works == 0 else (works * fails) ** 0.5
    return best


def floor(net, digits, passes):
    """Bare forward and backward passes, as many images at once as the attacks take on this device."""
    portion = tensors.portion(digits.images)
    for _ in range(passes):
        for images, labels in zip(digits.images.split(portion), digits.labels.split(portion), strict=True):
            images = images.detach().requires_grad_()
            torch.autograd.grad(F.cross_entropy(net(images), labels, reduction="sum"), images)


def fooled(net, digits, changed):
    return evaluation.predict(net, changed).labels != digits.labels


def cost(net, digits, turns):
    def whole():
        return pgd(net, digits.images, digits.labels, 0.1, steps=STEPS, early_exit=False, progress=False)

    (bare, _), (taken, _) = seconds(lambda: floor(net, digits, STEPS), whole, turns=turns)
    print(f"pgd, {STEPS} steps without early exit, {len(digits)} images, medians of {turns}")
    row = [f"{taken:.2f}", f"{bare:.2f}", f"{taken / bare:.2f}", "1.10"]
    print(figures.Table(["pgd, s", f"{STEPS} bare passes, s", "pgd / bare", "goal, at most"], [row]), end="\n\n")


def early(net, digits, turns):
    rows = []
    for eps in (0.1, 0.2, 0.3):
        attack = foolbox.attacks.LinfPGD(steps=STEPS, rel_stepsize=2.5 / STEPS)
        theirs = by_foolbox(attack, net, digits, epsilon=eps)

        def ours(eps=eps):
            return pgd(net, digits.images, digits.labels, eps, steps=STEPS, progress=False)

        (mine, a), (other, b) = seconds(ours, theirs, turns=turns)
        shares = [figures.percent(fooled(net, digits, x).float().mean()) for x in (a, b)]
        rows.append([f"{eps:g}", f"{mine:.2f}", f"{other:.2f}", f"{other / mine:.1f}x", "2x", *shares])
    print(f"pgd, {STEPS} steps with early exit, and foolbox LinfPGD; {len(digits)} images, medians of {turns}")
    head = ["eps", "pgd, s", "foolbox, s", "foolbox / pgd", "goal, at least", "fooled by pgd", "by foolbox"]
    print(figures.Table(head, rows), end="\n\n")


def smallest(net, digits, turns):
    rows = []
    for norm, attack in (("l2", foolbox.attacks.L2DeepFoolAttack), ("linf", foolbox.attacks.LinfDeepFoolAttack)):
        theirs = by_foolbox(attack(steps=50, candidates=10, overshoot=0.02), net, digits)

        def ours(norm=norm):
            return deepfool(net, digits.images, digits.labels, norm=norm, progress=False)

        rows.append([f"deepfool, {norm}", *compare(net, digits, ours, theirs, turns, norm, "median"), "5x"])

    def adam():
        return carlini_wagner(net, digits.images, digits.labels, search_steps=ROUNDS, steps=100, progress=False)

    for stepsize in (0.01, 0.1):  # foolbox's own, and a better one for 100 steps
        attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=ROUNDS, steps=100, stepsize=stepsize)
        theirs = by_foolbox(attack, net, digits)
        rows.append([f"carlini_wagner, {stepsize:g}", *compare(net, digits, adam, theirs, 1, "l2", "mean"), "3x"])
    print(f"smallest changes, and foolbox; {len(digits)} images, medians of {turns} (carlini_wagner once)")
    head = [
        "attack",
        "ours, s",
        "foolbox, s",
        "foolbox / ours",
        "success",
        "foolbox",
        "size",
        "foolbox",
        "goal, at least",
    ]
    print(figures.Table(head, rows))
    print("size: median (deepfool) or mean (carlini_wagner) over the images that both fool.")
    print(f"carlini_wagner: {ROUNDS} x 100 steps, with the step size for foolbox.\n")


def compare(net, digits, ours, theirs, turns, norm, average):
    (mine, a), (other, b) = seconds(ours, theirs, turns=turns)
    shares = [fooled(net, digits, x) for x in (a, b)]
    both = shares[0] & shares[1]
    sizes = [getattr(getattr(distances, norm)(digits.images, x)[both], average)().item() for x in (a, b)]
    percents = [figures.percent(share.float().mean()) for share in shares]
    return [f"{mine:.2f}", f"{other:.2f}", f"{other / mine:.1f}x", *percents, *(f"{size:.4f}" for size in sizes)]


def szegedy(net, digits, few):
    targets = choose_targets(net, digits.images, digits.labels, "next")
    counter = Evaluations(net)

    def ours():
        return lbfgs(net, digits.images, digits.labels, targets=targets, search_steps=ROUNDS, progress=False)

    def theirs():
        with runtime.one_thread():  # the fastest for one image: scipy and torch disturb each other's threads
            pairs = zip(digits.images[:few], targets[:few], strict=True)
            return torch.stack([by_scipy(net, image, target) for image, target in pairs])

    lbfgs(net, digits.images[:5], digits.labels[:5], targets=targets[:5], steps=3, progress=False)
    rows, sizes = [], []
    for name, loop, number in (("lbfgs, one batch", ours, len(digits)), ("scipy, one by one", theirs, few)):
        start = time.perf_counter()
        passes, changed = counter.an_image(loop, number)
        taken = (time.perf_counter() - start) / number
        reached = evaluation.predict(net, changed).labels == targets[:number]
        sizes.append(distances.distortion(digits.images[:few], changed[:few]))
        share = figures.percent(reached.float().mean())
        rows.append([name, number, f"{1000 * taken:.1f}", f"{passes:.0f}", share, f"{sizes[-1].mean():.5f}", taken])
    ratio = rows[1].pop() / rows[0].pop()
    print(f"lbfgs with targets 'next', {ROUNDS} values of c; distortion on the same {few} images")
    print(
        figures.Table(["attack", "images", "ms an image", "evaluations an image", "success", "mean distortion"], rows)
    )
    each = " ".join(f"{one:.3f}" for one in (sizes[0] / sizes[1]).sort().values)
    print(f"scipy / lbfgs in time: {ratio:.1f}x (goal: at least 5x); lbfgs / scipy in distortion, each image: {each}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and turns: under a minute on two cores")
    quick = parser.parse_args().quick
    net = zoo.load("caffe_lenet")
    split = data.mnist(evaluation.device_of(net)).test[:600]
    digits = split[evaluation.predict(net, split.images).labels == split.labels][: 60 if quick else 500]
    turns = 1 if quick else 5
    print(f"CaffeLeNet on {digits.images.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    cost(net, digits, turns)
    early(net, digits, turns)
    smallest(net, digits[:15] if quick else digits, turns)
    szegedy(net, digits[:40] if quick else digits[:200], 3 if quick else 10)


if __name__ == "__main__":
    main()
