"""The attacks where the answer is known: their equations, plain loops, planes, and what more effort brings."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation
from course_utils.attacks import base, carlini_wagner, choose_targets, deepfool, distances, fgsm, lbfgs, pgd, universal
from course_utils.core import tensors
from tests.attacks.nets import Steep, Stopped, small


@pytest.fixture(scope="module")
def digits(net):
    """Test digits that the net classifies correctly."""
    split = data.mnist("cpu").test[:500]
    return split[evaluation.predict(net, split.images).labels == split.labels]


def test_an_interrupt_keeps_what_pgd_has_reached(net, digits, capsys):
    images, labels = digits.images[:50], digits.labels[:50]
    settings = dict(eps=0.15, norm="linf", steps=10)
    whole = pgd(net, images, labels, progress=False, **settings)
    for restarts in (1, 3):
        stopped = pgd(Stopped(net, 11), images, labels, progress=False, restarts=restarts, **settings)
        first, second = (evaluation.predict(net, x).labels != labels for x in (whole, stopped))
        assert second.sum() >= 0.7 * first.sum() > 0
    assert capsys.readouterr().out.count("Interrupted") == 2


def test_the_margin_is_the_logit_before_the_best_other():
    logits = torch.tensor([[1.0, 4.0, 2.0], [3.0, 3.0, 0.0]])
    assert torch.equal(evaluation.margin(logits, torch.tensor([1, 0])), torch.tensor([2.0, 0.0]))
    assert torch.equal(evaluation.margin(logits, torch.tensor([2, 2])), torch.tensor([-2.0, -3.0]))


def test_target_rules(net, digits):
    images, labels = digits.images, digits.labels
    logits = evaluation.logits(net, images)
    chosen = {rule: choose_targets(net, images, labels, rule) for rule in ("random", "next", "nearest", "least_likely")}
    assert all((targets != labels).all() and targets.dtype == torch.int64 for targets in chosen.values())
    assert torch.equal(chosen["next"], (labels + 1) % 10)
    order = logits.argsort(1, descending=True)
    assert torch.equal(chosen["nearest"], order[:, 1]) and torch.equal(chosen["least_likely"], order[:, -1])
    shift = (chosen["random"] - labels) % 10
    counts = shift.bincount(minlength=10)
    assert counts[0] == 0 and counts[1:].min() > 0.5 * len(labels) / 9
    generator = torch.Generator().manual_seed(1)
    again, other = (choose_targets(net, images, labels, "random", generator=g) for g in (None, generator))
    assert torch.equal(chosen["random"], again) and not torch.equal(again, other)


def test_the_bracket_closes_in_on_a_threshold():
    threshold = torch.tensor([1e-3, 0.7, 5.0, 4e4])
    bracket = base.Bracket(torch.ones(4))
    for _ in range(14):
        bracket.narrow(torch.arange(4), bracket.c < threshold)
    assert ((bracket.works < threshold) & (threshold <= bracket.fails)).all()
    assert (bracket.fails / bracket.works).max() < 1.1
    part = base.Bracket(torch.ones(2))
    part.narrow(torch.tensor([1]), torch.tensor([True]))
    assert part.c.tolist() == [1, 10]


def test_distances_are_the_one_liners_of_numpy():
    torch.manual_seed(0)
    a, b = torch.rand(2, 6, 3, 4, 5)
    b[:, 0] = a[:, 0]
    r = (b - a).numpy().reshape(6, -1)
    assert np.allclose(distances.linf(a, b), np.abs(r).max(1))
    assert np.allclose(distances.l2(a, b), np.sqrt((r**2).sum(1)))
    assert np.allclose(distances.l0(a, b), (r != 0).sum(1)) and distances.l0(a, b).tolist() == [40] * 6
    assert np.allclose(distances.distortion(a, b), np.sqrt((r**2).mean(1)))
    for ruler in (distances.linf, distances.l2, distances.l0, distances.distortion):
        assert ruler(a, a).tolist() == [0] * 6
        with pytest.raises(ValueError, match="differ in shape"):
            ruler(a, b[:1])


def gradient(model, x, y):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def test_fgsm_is_its_equation(net, digits):
    images, labels = digits.images[:50], digits.labels[:50]
    slope = gradient(net, images, labels)
    twin = (images + 0.1 * slope.sign()).clamp(0, 1)
    assert torch.allclose(fgsm(net, images, labels, 0.1), twin, atol=1e-6)

    targets = (labels + 1) % 10
    twin = (images - 0.1 * gradient(net, images, targets).sign()).clamp(0, 1)
    assert torch.allclose(fgsm(net, images, labels, 0.1, targets="next"), twin, atol=1e-6)

    twin = (images + 2 * slope / slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)).clamp(0, 1)
    assert torch.allclose(fgsm(net, images, labels, 2.0, norm="l2"), twin, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_is_a_plain_loop_over_one_image(norm, net, digits):
    eps, steps = {"linf": 0.2, "l2": 2.0}[norm], 10
    settings = dict(norm=norm, steps=steps, start="clean", early_exit=False, progress=False)
    for i in range(5):
        image, label = digits.images[i : i + 1], digits.labels[i : i + 1]
        x = image
        for _ in range(steps):
            slope = gradient(net, x, label)
            if norm == "linf":
                x = x + 2.5 * eps / steps * slope.sign()
                x = torch.minimum(torch.maximum(x, image - eps), image + eps).clamp(0, 1)
            else:
                x = x + 2.5 * eps / steps * slope / slope.norm()
                change = x - image
                x = (image + change * min(1, eps / change.norm().item())).clamp(0, 1)
        assert torch.allclose(pgd(net, image, label, eps, **settings), x, atol=1e-5)


@pytest.mark.parametrize("rule", [None, "nearest"])
def test_pgd_climbs_the_margin_by_falling_steps_as_a_plain_loop_does(rule, net, digits):
    eps, steps = 0.2, 8
    settings = dict(loss="margin", step_size="falling", steps=steps, start="clean", early_exit=False, progress=False)
    for i in range(5):
        image, label = digits.images[i : i + 1], digits.labels[i : i + 1]
        aim = label if rule is None else choose_targets(net, image, label, rule)
        x = image
        for step in range(steps):
            x = x.clone().requires_grad_()
            logits = net(x)[0]
            lead = logits[aim] - max(logits[k] for k in range(10) if k != aim)
            slope = torch.autograd.grad(lead if rule else -lead, x)[0]
            length = 2 * eps * (1 / 200) ** (step / (steps - 1))
            x = (image + (x.detach() + length * slope.sign() - image).clamp(-eps, eps)).clamp(0, 1)
        assert torch.allclose(pgd(net, image, label, eps, targets=rule, **settings), x, atol=1e-5)


def test_the_margin_has_a_slope_where_the_cross_entropy_rounds_to_0(net, digits):
    images, labels = digits.images[:50], digits.labels[:50]
    losses = ("cross_entropy", "margin")
    changed = [pgd(Steep(net), images, labels, 0.2, loss=loss, progress=False) for loss in losses]
    fooled = [(evaluation.predict(net, x).labels != labels).sum() for x in changed]
    assert fooled[0] < 10 and fooled[1] > 40


def test_pgd_with_one_step_from_the_image_is_fgsm(net, digits):
    images, labels = digits.images[:20], digits.labels[:20]
    one = pgd(net, images, labels, 0.1, steps=1, step_size=0.1, start="clean", progress=False)
    assert torch.allclose(one, fgsm(net, images, labels, 0.1), atol=1e-6)


def test_more_restarts_fool_no_fewer(net, digits):
    images, labels = digits.images[:100], digits.labels[:100]
    before = torch.zeros(len(images), dtype=torch.bool)
    for restarts in (1, 2, 4):
        changed = pgd(net, images, labels, 0.1, steps=5, restarts=restarts, progress=False)
        fooled = evaluation.predict(net, changed).labels != labels
        assert (fooled >= before).all()
        before = fooled
    assert 0 < before.sum() < len(images)


def test_a_restart_ends_when_nothing_is_left_to_fool(net, digits):
    """The last step of a try fools the last image."""
    images, labels = digits.images[:10], digits.labels[:10]
    changed = pgd(net, images, labels, 0.5, steps=1, step_size=0.5, start="clean", restarts=3, progress=False)
    easy = evaluation.predict(net, changed).labels != labels
    assert easy.any()
    pgd(net, images[easy], labels[easy], 0.5, steps=1, step_size=0.5, start="clean", restarts=3, progress=False)


@pytest.mark.parametrize("restarts", [1, 2])
@pytest.mark.parametrize("targets", [None, "next"])
def test_early_exit_fools_no_fewer(restarts, targets, net, digits):
    images, labels = digits.images[:100], digits.labels[:100]
    counts = []
    for early_exit in (False, True):
        settings = dict(targets=targets, steps=10, restarts=restarts, early_exit=early_exit, progress=False)
        task = base.AttackTask(net, images, labels, targets)
        changed = pgd(net, images, labels, 0.15, **settings)
        counts.append(task.is_adversarial(evaluation.logits(net, changed), task.rows).sum().item())
    assert counts[1] >= counts[0] > 0


def test_without_early_exit_the_loss_is_larger(net, digits):
    images, labels = digits.images[:50], digits.labels[:50]
    losses = []
    for early_exit in (True, False):
        changed = pgd(net, images, labels, 0.2, early_exit=early_exit, progress=False)
        losses.append(F.cross_entropy(evaluation.logits(net, changed), labels).item())
    assert losses[1] > 1.5 * losses[0]


@pytest.mark.parametrize("eps", [1e-4, 0.03, 3.0, 30.0])
def test_the_length_of_a_change_stays_within_any_budget(eps):
    model, images, labels = small((3, 32, 32))
    for changed in (fgsm(model, images, labels, eps, norm="l2"), pgd(model, images, labels, eps, norm="l2", steps=5)):
        assert distances.l2(images.double(), changed.double()).max() <= eps + 1e-6


def linear(classes, gap):
    """Softmax regression on grey images, confident enough that only two classes count; exact distances to class 1."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, classes))
    nn.init.normal_(model[1].weight, std=0.5)
    images = 0.5 + 0.02 * torch.randn(6, 3, 8, 8)
    with torch.no_grad():
        model[1].bias += -model(images).mean(0) - 40
        model[1].bias[0] += 40 + gap
        model[1].bias[1] += 40
    w = (model[1].weight[1] - model[1].weight[0]).detach()
    logits = evaluation.logits(model, images)
    lead = logits[:, 0] - logits[:, 1]
    return model, images, lead / w.norm(), lead / w.abs().sum()


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("gap", [5.0, 12.0])
@pytest.mark.parametrize("targets", [None, "next"])
@pytest.mark.parametrize(
    ("attack", "norm"),
    [(deepfool, "l2"), (deepfool, "linf"), (carlini_wagner, None), (lbfgs, "squared_l2"), (lbfgs, "l2")],
)
def test_the_distance_to_a_plane_is_found(attack, norm, targets, gap, classes):
    model, images, l2, linf = linear(classes, gap)
    assert (l2 > 0).all()
    settings = dict(norm=norm) if norm else dict(lr={5.0: 0.05, 12.0: 0.1}[gap])  # no step longer than the way
    changed = attack(model, images, torch.zeros(6, dtype=torch.int64), targets=targets, progress=False, **settings)
    assert changed.min() > 0 and changed.max() < 1
    found = distances.linf(images, changed) / linf if norm == "linf" else distances.l2(images, changed) / l2
    assert found.min() > 0.999 and found.max() < 1.03


def test_deepfool_goes_further_by_its_overshoot_and_no_further_classes_than_there_are():
    model, images, l2, _ = linear(5, 12.0)
    labels = torch.zeros(6, dtype=torch.int64)
    for overshoot in (0.0, 0.02, 0.5):
        for targets in (None, "next"):
            changed = deepfool(model, images, labels, overshoot=overshoot, candidates=99, targets=targets)
            assert torch.allclose(distances.l2(images, changed) / l2, torch.tensor(1 + overshoot), atol=0.003)


def test_carlini_wagner_searches_on_both_sides_of_its_best_c(monkeypatch):
    """Each c starts from an image that is over the boundary: that alone must not count."""
    seen = []

    class Seen(base.Bracket):
        def narrow(self, rows, success):
            seen.extend(success.tolist())
            super().narrow(rows, success)

    monkeypatch.setattr(sys.modules[carlini_wagner.__module__], "Bracket", Seen)
    model, images, l2, _ = linear(2, 5.0)
    changed = carlini_wagner(model, images, torch.zeros(6, dtype=torch.int64), progress=False)
    assert True in seen and False in seen
    assert (distances.l2(images, changed) / l2).max() < 1.06


def test_kappa_is_the_lead(net, digits):
    images, labels = digits.images[:5], digits.labels[:5]
    sizes = []
    for kappa in (0.0, 3.0):
        changed = carlini_wagner(net, images, labels, kappa=kappa, search_steps=6, steps=40, progress=False)
        lead = -evaluation.margin(evaluation.logits(net, changed), labels)
        assert (lead >= kappa - 1e-3).all() and lead.max() < kappa + 1
        sizes.append(distances.l2(images, changed).mean().item())
    assert sizes[1] > sizes[0]
    far = carlini_wagner(net, images, labels, kappa=1e6, search_steps=2, steps=20, progress=False)
    assert torch.equal(far, images)


def test_lbfgs_with_a_given_c_weighs_change_against_loss(net, digits):
    images, labels = digits.images[:10], digits.labels[:10]
    targets = choose_targets(net, images, labels, "next")
    sizes, losses = [], []
    for c in (0.0, 0.01, 1.0, 100.0):
        changed = lbfgs(net, images, labels, targets=targets, c=c, progress=False)
        sizes.append(distances.l2(images, changed).mean().item())
        losses.append(F.cross_entropy(evaluation.logits(net, changed), targets).item())
    assert sizes == sorted(sizes, reverse=True) and losses == sorted(losses)


@pytest.mark.parametrize("norm", ["squared_l2", "l2"])
def test_lbfgs_for_one_c_finds_what_many_plain_steps_find(norm, net, digits):
    image, label, target = digits.images[:1], digits.labels[:1], (digits.labels[:1] + 1) % 10

    def objective(x):
        size = ((x - image).square().sum() + 1e-12).sqrt()
        return 0.5 * size ** (2 if norm == "squared_l2" else 1) + F.cross_entropy(net(x), target)

    x = image.clone()
    for _ in range(600):
        x.requires_grad_()
        (slope,) = torch.autograd.grad(objective(x), x)
        x = (x.detach() - 0.02 * slope).clamp(0, 1)
    found = lbfgs(net, image, label, targets=target, c=0.5, norm=norm, progress=False)
    with torch.no_grad():
        assert objective(found) <= 1.02 * objective(x)


def test_one_step_and_one_round_are_allowed(net, digits):
    images, labels = digits.images[:4], digits.labels[:4]
    for run in (carlini_wagner, lbfgs):
        changed = run(net, images, labels, search_steps=1, steps=1, progress=False)
        assert changed.shape == images.shape
    assert deepfool(net, images, labels, steps=1, progress=False).shape == images.shape


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.2), ("l2", 4.0)])
def test_a_universal_change_fools_on_images_it_has_not_seen(norm, eps, net, digits):
    seen, unseen = digits[:200], digits[200:]
    random = torch.get_rng_state()
    v = universal(net, seen.images, seen.labels, eps, norm=norm, steps=40, progress=False)
    assert torch.equal(torch.get_rng_state(), random)
    assert v.shape == (1, 1, 28, 28) and getattr(distances, norm)(torch.zeros_like(v), v).item() <= eps + 1e-6
    torch.manual_seed(0)
    noise = eps * tensors.steepest(torch.randn_like(v), norm)
    fooled = [
        (evaluation.predict(net, (unseen.images + change).clamp(0, 1)).labels != unseen.labels).float().mean()
        for change in (v, noise)
    ]
    assert fooled[0] > 0.2 and fooled[0] > 2 * fooled[1]


def test_a_universal_change_towards_one_class(net, digits):
    other = digits[digits.labels != 8]
    v = universal(net, other.images, other.labels, 0.3, targets=torch.full_like(other.labels, 8), progress=False)
    named = evaluation.predict(net, (other.images + v).clamp(0, 1)).labels
    clean = evaluation.predict(net, other.images).labels
    assert (named == 8).float().mean() > (clean == 8).float().mean() + 0.2
