"""The attacks beside other people's: foolbox 3.3, and one call of scipy's L-BFGS-B an image."""

import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_utils import data, evaluation, runtime, zoo
from course_utils.attacks import carlini_wagner, choose_targets, deepfool, distances, fgsm, lbfgs, pgd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # foolbox imports from a part of scipy that is about to move
    foolbox = pytest.importorskip("foolbox")
optimize = pytest.importorskip("scipy.optimize")


@pytest.fixture(scope="module")
def recipes():
    """The course's networks as `trained` makes them, and the first 60 test digits that both name correctly."""
    nets = {name: zoo.load(name, device="cpu", progress=False) for name in ("lenet5", "caffe_lenet")}
    split = data.mnist("cpu").test[:80]
    right = [evaluation.predict(net, split.images).labels == split.labels for net in nets.values()]
    return nets, split[right[0] & right[1]][:60]


@pytest.fixture(scope="module")
def digits(net):
    split = data.mnist("cpu").test[:200]
    return split[evaluation.predict(net, split.images).labels == split.labels][:100]


def outside(attack, net, images, labels, targets=None, **settings):
    """What an attack of foolbox makes of the images."""
    criteria = foolbox.criteria
    criterion = criteria.Misclassification(labels) if targets is None else criteria.TargetedMisclassification(targets)
    return attack.run(foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu"), images, criterion, **settings)


def success(net, images, labels):
    return evaluation.predict(net, images).labels != labels


@pytest.mark.parametrize("rule", [None, "next", "least_likely"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("linf", 0.3), ("l2", 1.5), ("l2", 4.0)])
def test_fgsm_and_pgd_make_the_changes_that_foolbox_makes(norm, eps, rule, net, digits):
    images, labels = digits.images[:50], digits.labels[:50]
    targets = None if rule is None else choose_targets(net, images, labels, rule)
    attack = dict(linf=foolbox.attacks.LinfPGD, l2=foolbox.attacks.L2PGD)[norm]

    def theirs(steps, stepsize):
        clean = attack(steps=steps, abs_stepsize=stepsize, random_start=False)
        return outside(clean, net, images, labels, targets, epsilon=eps)

    settings = dict(targets=targets, norm=norm)
    once = fgsm(net, images, labels, eps, **settings)  # foolbox's own FGSM takes no targets
    assert torch.allclose(once, theirs(1, eps), rtol=0, atol=1e-5)
    often = pgd(net, images, labels, eps, steps=10, start="clean", early_exit=False, progress=False, **settings)
    assert torch.allclose(often, theirs(10, 0.25 * eps), rtol=0, atol=1e-5)


@pytest.mark.parametrize("eps", [0.1, 0.2])
def test_pgd_that_leaves_early_fools_as_many_as_foolbox(eps, net, digits):
    images, labels = digits.images, digits.labels
    torch.manual_seed(0)
    theirs = outside(foolbox.attacks.LinfPGD(steps=40, rel_stepsize=2.5 / 40), net, images, labels, epsilon=eps)
    ours = pgd(net, images, labels, eps, progress=False)
    assert success(net, ours, labels).sum() >= success(net, theirs, labels).sum() - 1


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_goes_no_further_than_that_of_foolbox(norm, net, digits):
    images, labels = digits.images, digits.labels
    attack = dict(l2=foolbox.attacks.L2DeepFoolAttack, linf=foolbox.attacks.LinfDeepFoolAttack)[norm]
    theirs = outside(attack(steps=50, candidates=10, overshoot=0.02), net, images, labels)
    ours = deepfool(net, images, labels, norm=norm, progress=False)
    assert success(net, ours, labels).all() and success(net, theirs, labels).all()
    ruler = getattr(distances, norm)
    assert ruler(images, ours).median() <= 1.02 * ruler(images, theirs).median()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "caffe_lenet"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_on_the_trained_nets(name, norm, recipes):
    test_deepfool_goes_no_further_than_that_of_foolbox(norm, recipes[0][name], recipes[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "caffe_lenet"])
def test_carlini_wagner_finds_no_larger_changes_than_that_of_foolbox(name, recipes, capsys):
    """At 9 x 100 steps; for foolbox also with a step size that is better than its own."""
    net, digits = recipes[0][name], recipes[1][:25]
    images, labels = digits.images, digits.labels
    ours = carlini_wagner(net, images, labels, progress=False)
    assert success(net, ours, labels).all()
    size = distances.l2(images, ours)
    lines = []
    for stepsize in (0.01, 0.1):
        attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=9, steps=100, stepsize=stepsize)
        theirs = outside(attack, net, images, labels)
        fooled, other = success(net, theirs, labels), distances.l2(images, theirs)
        share, means = fooled.float().mean(), (other[fooled].mean(), size[fooled].mean())
        lines.append(f"{stepsize}: {share:.0%}, mean L2 {means[0]:.3f}, ours on the same images {means[1]:.3f}")
        assert means[1] <= means[0]
    with capsys.disabled():
        print(f"\n{name}, carlini_wagner {size.mean():.3f}; foolbox", "; ".join(lines))


def by_scipy(net, image, target, rounds=9, iterations=100):
    """Szegedy's attack on one image: c starts from 1, is moved by tens, then halved on the logarithmic scale."""
    start = image.flatten().double().numpy()
    best, smallest = image, np.inf

    def objective(x, c):
        point = torch.tensor(x, dtype=torch.float32).view(1, *image.shape).requires_grad_()
        loss = F.cross_entropy(net(point), target[None])
        (slope,) = torch.autograd.grad(loss, point)
        change = x - start
        return loss.item() + c * change @ change, slope.flatten().double().numpy() + 2 * c * change

    c, works, fails = 1.0, 0.0, np.inf
    for _ in range(rounds):
        box = [(0, 1)] * len(start)
        x, _, _ = optimize.fmin_l_bfgs_b(objective, start.copy(), args=(c,), bounds=box, maxiter=iterations)
        point = torch.tensor(x, dtype=torch.float32).clamp(0, 1).view(image.shape)
        reached = evaluation.predict(net, point[None]).labels[0] == target
        if reached and (point - image).norm() < smallest:
            best, smallest = point, (point - image).norm()
        works, fails = (c, fails) if reached else (works, c)
        c = works * 10 if fails == np.inf else fails / 10 if works == 0 else (works * fails) ** 0.5
    return best


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "caffe_lenet"])
def test_lbfgs_finds_changes_as_small_as_those_of_scipy(name, recipes, capsys):
    net, digits = recipes[0][name], recipes[1][:10]
    targets = choose_targets(net, digits.images, digits.labels, "next")
    with runtime.one_thread():  # scipy and torch disturb each other's threads, ten times over
        theirs = torch.stack([by_scipy(net, x, t) for x, t in zip(digits.images, targets, strict=True)])
    ours = lbfgs(net, digits.images, digits.labels, targets=targets, progress=False)
    for changed in (theirs, ours):
        assert (evaluation.predict(net, changed).labels == targets).all()
    sizes = [distances.distortion(digits.images, changed) for changed in (ours, theirs)]
    ratio = sizes[0] / sizes[1]
    with capsys.disabled():
        ratios = " ".join(f"{one:.3f}" for one in ratio.sort().values)
        print(f"\n{name}, mean distortion {sizes[0].mean():.4f}, scipy {sizes[1].mean():.4f}; ratio an image {ratios}")
    assert sizes[0].mean() <= 1.01 * sizes[1].mean()
    assert ratio.max() < 1.1
