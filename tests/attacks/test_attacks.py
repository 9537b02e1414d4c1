"""Every attack: inside its bounds, nothing else touched, clear about bad input, and right where the answer is known."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation
from course_utils.attacks import base, carlini_wagner, choose_targets, deepfool, distances, fgsm, lbfgs, pgd, universal
from course_utils.core import tensors

WITHIN = {  # attacks with a budget: name -> attack, norm, eps
    "fgsm": (fgsm, "linf", 0.1),
    "fgsm l2": (fgsm, "l2", 2.0),
    "pgd": (pgd, "linf", 0.1),
    "pgd l2": (pgd, "l2", 2.0),
}
SHORT = dict(search_steps=4, steps=25)  # enough where the size of the change does not matter
SMALLEST = {  # attacks that look for the smallest change: name -> attack, settings of a short run
    "deepfool": (deepfool, {}),
    "deepfool linf": (deepfool, dict(norm="linf")),
    "carlini_wagner": (carlini_wagner, SHORT),
    "lbfgs": (lbfgs, SHORT),
    "lbfgs l2": (lbfgs, SHORT | dict(norm="l2")),
}
ALL = [*WITHIN, *SMALLEST]
everyone = pytest.mark.parametrize("name", ALL)


def attack(name, model, images, labels, **settings):
    """The attack of that name, without a progress bar."""
    if name in WITHIN:
        run, norm, eps = WITHIN[name]
        settings = dict(norm=norm) | settings
        settings = settings if run is fgsm else dict(progress=False) | settings
        return run(model, images, labels, settings.pop("eps", eps), **settings)
    run, short = SMALLEST[name]
    return run(model, images, labels, **dict(progress=False) | short | settings)


def full(name):
    """The settings that look for the smallest change in earnest."""
    return dict(search_steps=6, steps=40) if "search_steps" in SMALLEST[name][1] else {}


def spent(name, images, changed):
    """How much more than its budget an attack has used; 0 for one without a budget."""
    if name not in WITHIN:
        return 0.0
    _, norm, eps = WITHIN[name]
    return getattr(distances, norm)(images.double(), changed.double()).max().item() - eps


@pytest.fixture(scope="module")
def digits(net):
    """Test digits that the net names correctly."""
    split = data.mnist("cpu").test[:500]
    return split[evaluation.predict(net, split.images).labels == split.labels]


def small(shape=(3, 17, 23), classes=7):
    """A net with a mode, for images of any shape, and five random images with the labels that it gives them."""
    torch.manual_seed(1)
    channels, height, width = shape
    model = nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(4 * height * width, classes),
    )
    images = torch.rand(5, *shape)
    return model, images, evaluation.predict(model, images).labels


# What every attack owes


@everyone
@pytest.mark.parametrize("targets", [None, "next"])
def test_nothing_but_the_result_is_touched(name, targets):
    model, images, labels = small()
    model.train()
    model[1].eval()
    images.requires_grad_()
    before = images.detach().clone(), labels.clone()
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    changed = attack(name, model, images, labels, targets=targets)
    assert changed.shape == images.shape and changed.dtype == images.dtype and not changed.requires_grad
    assert changed.min() >= 0 and changed.max() <= 1 and spent(name, before[0], changed) <= 1e-6
    assert changed.data_ptr() != images.data_ptr()
    assert torch.equal(images, before[0]) and torch.equal(labels, before[1])
    assert images.grad is None and all(p.grad is None and p.requires_grad for p in model.parameters())
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@everyone
def test_gradients_that_were_there_stay(name):
    model, images, labels = small()
    model(images.requires_grad_()).sum().backward()
    before = [t.grad.clone() for t in (images, *model.parameters())]
    attack(name, model, images, labels)
    assert all(torch.equal(t.grad, g) for t, g in zip((images, *model.parameters()), before, strict=True))


@everyone
@pytest.mark.parametrize(
    ("shape", "classes", "number"),
    [((1, 28, 28), 10, 2), ((1, 5, 9), 2, 5), ((3, 8, 8), 1000, 2), ((1, 1, 1), 3, 1), ((4, 1, 7), 5, 1)],
)
def test_any_size_any_number_of_classes(name, shape, classes, number):
    model, images, labels = small(shape, classes)
    images, labels = images[:number], labels[:number]
    changed = attack(name, model, images, labels)
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 1
    assert spent(name, images, changed) <= 1e-6


@everyone
def test_the_model_is_attacked_in_evaluation_mode(name):
    model, images, labels = small()
    changed = attack(name, model.train(), images, labels)
    assert model.training and torch.equal(changed, attack(name, model.eval(), images, labels))


@everyone
def test_the_layout_of_the_images_does_not_matter(name):
    model, images, labels = small()
    turned = images.transpose(2, 3).contiguous().transpose(2, 3)
    strided = torch.stack([images, images], dim=1)[:, 0]
    assert not turned.is_contiguous() and not strided.is_contiguous()
    plain = attack(name, model, images, labels)
    for other in (turned, strided, images[:1].expand(5, -1, -1, -1)):
        changed = attack(name, model, other, labels)
        assert changed.shape == images.shape and spent(name, other, changed) <= 1e-6
        if other is not turned and torch.equal(other, images):
            assert torch.allclose(changed, plain, atol=1e-5)


@everyone
def test_an_attack_works_inside_no_grad_and_inference_mode(name):
    model, images, labels = small()
    plain = attack(name, model, images, labels)
    with torch.no_grad():
        assert torch.equal(attack(name, model, images, labels), plain)
    with torch.inference_mode():
        assert torch.equal(attack(name, model, images.clone(), labels.clone()), plain)
    with torch.inference_mode():
        images, labels = images.clone(), labels.clone()
    assert torch.equal(attack(name, model, images, labels), plain)


@everyone
def test_double_precision_and_a_net_without_parameters(name):
    class Sum(nn.Module):
        def forward(self, images):
            total = images.sum((1, 2, 3))
            return torch.stack([total, 48 - total], dim=1)

    images = torch.full((2, 3, 4, 4), 0.48, dtype=torch.float64)
    images[1] = 0.52
    changed = attack(name, Sum(), images, torch.tensor([1, 0]))
    assert changed.dtype == torch.float64 and spent(name, images, changed) <= 1e-6
    assert evaluation.predict(Sum(), changed).labels.tolist() == [0, 1]


@everyone
@pytest.mark.parametrize("targets", [None, "next"])
def test_success_holds_in_batches_of_another_size(name, targets, net, digits):
    images, labels = digits.images[:40], digits.labels[:40]
    wide = dict(eps=4.0 if "l2" in name else 0.25) if name in WITHIN else {}
    changed = attack(name, net, images, labels, targets=targets, **wide)
    named = torch.cat([evaluation.predict(net, part).labels for part in changed.split(7)])
    fooled = named != labels if targets is None else named == choose_targets(net, images, labels, targets)
    if name in SMALLEST:
        assert fooled.all() and (distances.l2(images, changed) > 0).all()
    else:
        assert fooled.float().mean() > 0.1


@everyone
def test_an_image_fares_in_a_batch_as_it_does_alone(name, net, digits):
    images, labels = digits.images[:3], digits.labels[:3]
    settings = dict(start="clean", early_exit=False) if name.startswith("pgd") else {}
    settings = full(name) if name in SMALLEST else settings
    together = attack(name, net, images, labels, **settings)
    alone = torch.cat([attack(name, net, x[None], y[None], **settings) for x, y in zip(images, labels, strict=True)])
    if name in WITHIN:
        assert ((together - alone).abs() > 1e-4).float().mean() < 0.01
    else:
        ratio = distances.l2(images, alone) / distances.l2(images, together)
        assert (ratio - 1).abs().max() < 0.05


class Stopped(nn.Module):
    """A net during whose k-th pass the stop button is pressed."""

    def __init__(self, net, k):
        super().__init__()
        self.net, self.left = net, k

    def forward(self, images):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.net(images)


@pytest.mark.parametrize("k", [1, 2, 4, 20])
@everyone
def test_an_interrupt_returns_the_best_so_far(name, k, net, digits, capsys):
    images, labels = digits.images[:20], digits.labels[:20]
    checks = 2 if name.startswith("lbfgs") else 1  # passes before the search: one image, and a target for each
    model = Stopped(net, checks + k).train()
    changed = attack(name, model, images, labels)
    interrupted = "Interrupted" in capsys.readouterr().out
    assert interrupted == (model.left <= 0)
    assert interrupted or k > 1
    assert model.training and model.net.training
    net.eval()
    assert changed.min() >= 0 and changed.max() <= 1 and spent(name, images, changed) <= 1e-6
    if name in SMALLEST:
        fooled = evaluation.predict(net, changed).labels != labels
        assert torch.equal(fooled, distances.l0(images, changed) > 0)


def test_an_interrupt_keeps_what_pgd_has_reached(net, digits, capsys):
    images, labels = digits.images[:50], digits.labels[:50]
    settings = dict(eps=0.15, norm="linf", steps=10)
    whole = pgd(net, images, labels, progress=False, **settings)
    for restarts in (1, 3):
        stopped = pgd(Stopped(net, 11), images, labels, progress=False, restarts=restarts, **settings)
        first, second = (evaluation.predict(net, x).labels != labels for x in (whole, stopped))
        assert second.sum() >= 0.7 * first.sum() > 0
    assert capsys.readouterr().out.count("Interrupted") == 2


# Bad input


class Pair(nn.Module):
    def forward(self, images):
        return images, images


class Cut(nn.Module):
    """No gradient gets through."""

    def __init__(self, how):
        super().__init__()
        self.net, self.how = small()[0], how

    def forward(self, images):
        if self.how == "detach":
            return self.net(images).detach()
        if self.how == "constant":
            return self.net(torch.full_like(images, 0.5))
        with torch.no_grad():
            return self.net(images)


class Root(nn.Module):
    """A gradient that is infinite at 0, times 0."""

    def forward(self, images):
        return (images.flatten(1) * 0).sqrt()[:, :7] + images.flatten(1)[:, :7] - 1


def named_by(model, images):
    return model, images, evaluation.predict(model, images).labels


MISTAKES = {
    "before normalisation": lambda m, x, y: (m, (x - 0.13) / 0.3, y),
    "divide by 255": lambda m, x, y: (m, x * 255, y),
    "convert with images.float() / 255": lambda m, x, y: (m, (x * 255).byte(), y),
    "torch.float16, too coarse": lambda m, x, y: (m, x.half(), y),
    "images are a ndarray": lambda m, x, y: (m, x.numpy(), y),
    "for one image write image[None]": lambda m, x, y: (m, x[0], y[:1]),
    "images hold NaN": lambda m, x, y: (m, x * torch.nan, y),
    "the batch is empty": lambda m, x, y: (m, x[:0], y[:0]),
    "labels have shape (4,), not (5,)": lambda m, x, y: (m, x, y[:4]),
    "one-hot": lambda m, x, y: (m, x, F.one_hot(y, 7)),
    "labels.long()": lambda m, x, y: (m, x, y.float()),
    "the classes are 0 to 6": lambda m, x, y: (m, x, y + 7),
    "leave out the softmax": lambda m, x, y: (nn.Sequential(m, nn.Softmax(1)), x, y),
    "returns NaN": lambda m, x, y: (nn.Sequential(m, nn.Threshold(float("inf"), float("nan"))), x, y),
    "not a tensor of logits": lambda m, x, y: (Pair(), x, y),
    "not (1, K) logits": lambda m, x, y: (nn.Flatten(0), x, y),
    "at least 2 classes": lambda m, x, y: (nn.Sequential(m, nn.Linear(7, 1)), x, y * 0),
    "cannot take": lambda m, x, y: (nn.Conv2d(1, 4, 30), x, y),
    "not an nn.Module": lambda m, x, y: (m.forward, x, y),
    "look for detach": lambda m, x, y: (Cut("detach"), x, y),
    "look for detach, no_grad": lambda m, x, y: (Cut("no_grad"), x, y),
    "no gradient flows": lambda m, x, y: named_by(Cut("constant"), x),
    "gradient holds NaN": lambda m, x, y: named_by(Root(), x),
}


@everyone
@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_named(name, message):
    arguments = MISTAKES[message](*small())
    with pytest.raises((TypeError, ValueError)) as caught:
        attack(name, *arguments)
    assert message in str(caught.value)


SETTINGS = [
    ("pgd", dict(targets="nxt"), "no target rule 'nxt': choose among random, next"),
    ("pgd", dict(targets="next", norm="l7"), "no norm 'l7' here: choose among linf, l2"),
    ("fgsm", dict(norm="squared_l2"), "no norm 'squared_l2' here"),
    ("deepfool", dict(norm=2), "no norm 2 here"),
    ("lbfgs", dict(norm="linf"), "choose among squared_l2, l2"),
    ("fgsm", dict(eps=8), "for 8 grey levels write 8/255"),
    ("pgd", dict(eps=-0.1), "not below 0"),
    ("pgd", dict(eps=float("nan")), "finite"),
    ("pgd", dict(steps=0), "steps=0: want a whole number"),
    ("pgd", dict(restarts=1.5), "restarts=1.5"),
    ("pgd", dict(step_size=-1), "step_size=-1"),
    ("pgd", dict(step_size="short"), "step_size='short'"),
    ("pgd", dict(loss="hinge"), "no loss 'hinge' here: choose among cross_entropy, margin"),
    ("pgd", dict(start="middle"), 'want "random" or "clean"'),
    ("deepfool", dict(candidates=1), "candidates=1"),
    ("deepfool", dict(candidates=2.5), "candidates=2.5"),
    ("deepfool", dict(overshoot=-1), "overshoot=-1"),
    ("deepfool", dict(overshoot=float("nan")), "overshoot=nan"),
    ("carlini_wagner", dict(kappa=-1), "kappa=-1"),
    ("carlini_wagner", dict(lr=0), "lr=0"),
    ("carlini_wagner", dict(search_steps=0), "search_steps=0"),
    ("lbfgs", dict(c=-1), "c=-1"),
    ("lbfgs", dict(steps=True), "steps=True"),
]


@pytest.mark.parametrize(("name", "settings", "message"), SETTINGS)
def test_an_impossible_setting_is_named(name, settings, message):
    with pytest.raises(ValueError) as caught:
        attack(name, *small(), **settings)
    assert message in str(caught.value)


@everyone
def test_impossible_targets_are_named(name):
    model, images, labels = small()
    with pytest.raises(ValueError, match="some targets equal the labels"):
        attack(name, model, images, labels, targets=labels)
    with pytest.raises(ValueError, match=r"targets: .* or name a rule"):
        attack(name, model, images, labels, targets=labels[:2])
    with pytest.raises(ValueError, match="the classes are 0 to 6"):
        attack(name, model, images, labels, targets=labels + 7)


# The shared parts


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


def test_projection_finds_the_nearest_point_of_the_ball_and_the_box():
    torch.manual_seed(0)
    centre, x = torch.rand(50, 3, 5, 5), 3 * torch.randn(50, 3, 5, 5)
    for norm, eps in (("linf", 0.2), ("l2", 1.5), ("linf", 0.0), ("l2", 0.0)):
        inside = tensors.project(x, centre, eps, norm)
        assert inside.min() >= 0 and inside.max() <= 1
        assert getattr(distances, norm)(centre, inside).max() <= eps + 1e-6
        assert torch.allclose(tensors.project(inside, centre, eps, norm), inside, atol=1e-6)
    near = centre.clamp(0.3, 0.7) + 0.01
    assert torch.allclose(tensors.project(near, centre.clamp(0.3, 0.7), 0.2, "l2"), near, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_fill_the_ball(norm):
    centre = torch.full((4000, 1, 1, 2), 0.5)
    start = tensors.random_start(centre, 0.3, norm, None)
    size = getattr(distances, norm)(centre, start)
    assert size.max() <= 0.3 + 1e-6
    assert (size < 0.3 / 2**0.5).float().mean() == pytest.approx(0.5, abs=0.03)  # half the area


def test_the_steepest_step_has_length_1_however_small_the_gradient():
    torch.manual_seed(0)
    gradient = torch.randn(3, 1, 4, 4)
    for scale in (1e-30, 1e-12, 1.0, 1e20):
        step = tensors.steepest(gradient * scale, "l2")
        assert torch.allclose(step, gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1), atol=1e-5)
    assert not tensors.steepest(torch.zeros(1, 1, 2, 2), "l2").any()


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


# Within a budget


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
    class Steep(nn.Module):
        def forward(self, x):
            return 1000 * net(x)

    images, labels = digits.images[:50], digits.labels[:50]
    fooled = [
        (evaluation.predict(net, pgd(Steep(), images, labels, 0.2, loss=loss, progress=False)).labels != labels).sum()
        for loss in ("cross_entropy", "margin")
    ]
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


def test_a_seed_repeats_a_run_and_another_seed_does_not(net, digits):
    images, labels = digits.images[:10], digits.labels[:10]

    def run(seed=None, **settings):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return pgd(net, images, labels, 0.1, steps=3, early_exit=False, generator=generator, progress=False, **settings)

    for settings in ({}, dict(targets="random"), dict(norm="l2")):
        assert torch.equal(run(**settings), run(**settings)) and torch.equal(run(3, **settings), run(3, **settings))
        assert not torch.equal(run(3, **settings), run(4, **settings))
    assert torch.equal(run(start="clean"), run(5, start="clean"))


@pytest.mark.parametrize("name", WITHIN)
def test_a_budget_of_nothing_changes_nothing(name):
    model, images, labels = small()
    assert torch.equal(attack(name, model, images, labels, eps=0), images)


@pytest.mark.parametrize("eps", [1e-4, 0.03, 3.0, 30.0])
def test_the_length_of_a_change_stays_within_any_budget(eps):
    model, images, labels = small((3, 32, 32))
    for changed in (fgsm(model, images, labels, eps, norm="l2"), pgd(model, images, labels, eps, norm="l2", steps=5)):
        assert distances.l2(images.double(), changed.double()).max() <= eps + 1e-6


# The smallest change


@pytest.mark.parametrize("name", SMALLEST)
def test_an_image_that_is_misnamed_already_comes_back_unchanged(name, net, digits):
    images, labels = digits.images[:10], digits.labels[:10].clone()
    labels[::2] = (labels[::2] + 1) % 10
    targets = "next" if name.startswith("lbfgs") else None
    changed = attack(name, net, images, labels, targets=targets)
    wrong = (labels != digits.labels[:10]) if targets is None else choose_targets(net, images, labels, "next") == -1
    assert torch.equal(changed[wrong], images[wrong])
    assert (distances.l0(images, changed)[~wrong] > 0).all()
    reached = digits.labels[:10]
    there = (reached + 1) % 10
    assert torch.equal(attack(name, net, images, there, targets=reached), images)


class Level(nn.Module):
    """Always the same class, by a lead that no image makes up."""

    def forward(self, images):
        total = images.sum((1, 2, 3))
        return torch.stack([total + 1e4, total * 2, total * 3], dim=1)


@pytest.mark.parametrize("name", SMALLEST)
def test_an_image_for_which_nothing_is_found_comes_back_unchanged(name):
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(attack(name, Level(), images, torch.zeros(3, dtype=torch.int64)), images)


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
@pytest.mark.parametrize("name", SMALLEST)
def test_the_distance_to_a_plane_is_found(name, targets, gap, classes):
    model, images, l2, linf = linear(classes, gap)
    assert (l2 > 0).all()
    settings = {} if name.startswith("deepfool") else dict(search_steps=9, steps=100)
    settings |= dict(lr={5.0: 0.05, 12.0: 0.1}[gap]) if name == "carlini_wagner" else {}  # no step longer than the way
    changed = attack(name, model, images, torch.zeros(6, dtype=torch.int64), targets=targets, **settings)
    assert changed.min() > 0 and changed.max() < 1
    found = distances.linf(images, changed) / linf if name == "deepfool linf" else distances.l2(images, changed) / l2
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


class Share(nn.Module):
    """Logits of two classes that add up to 1, as long as the image is not too bright."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return torch.stack([mean, 1 - mean], dim=1) + (mean > 0.7)[:, None]


@everyone
def test_logits_that_add_up_to_1_on_the_way_are_no_probabilities(name):
    changed = attack(
        name, Share(), torch.full((1, 1, 2, 2), 0.71), torch.tensor([0]), **(dict(eps=0.6) if name in WITHIN else {})
    )
    assert changed.mean() < 0.71


def test_kappa_is_the_lead(net, digits):
    images, labels = digits.images[:5], digits.labels[:5]
    sizes = []
    for kappa in (0.0, 3.0):
        changed = carlini_wagner(net, images, labels, kappa=kappa, **full("carlini_wagner"), progress=False)
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


@pytest.mark.parametrize("name", SMALLEST)
def test_a_very_confident_net_is_no_shelter(name, net, digits):
    """Scaled by 100 its loss is flat, and its boundaries are where they were."""
    images, labels = digits.images[:10], digits.labels[:10]
    plain = attack(name, net, images, labels, **full(name))
    sharp = attack(name, nn.Sequential(net, Times(100)), images, labels, **full(name))
    assert (evaluation.predict(net, sharp).labels != labels).all()
    ratio = distances.l2(images, sharp).mean() / distances.l2(images, plain).mean()
    assert ratio < 1.05


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, logits):
        return self.factor * logits


# One change for all


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


def test_universal_repeats_and_is_interrupted(net, digits, capsys):
    images, labels = digits.images[:50], digits.labels[:50]

    def run(seed, model=net):
        generator = torch.Generator().manual_seed(seed)
        return universal(model, images, labels, 0.1, steps=5, batch=20, generator=generator, progress=False)

    assert torch.equal(run(1), run(1)) and not torch.equal(run(1), run(2))
    stopped = Stopped(net, 4).train()
    assert 0 < run(1, stopped).abs().max() <= 0.1 + 1e-6 and stopped.training
    net.eval()
    assert "Interrupted" in capsys.readouterr().out


# With a GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@everyone
def test_a_gpu_finds_what_the_cpu_finds(name, net, digits):
    import copy

    images, labels = digits.images[:20], digits.labels[:20]
    state = torch.cuda.get_rng_state()
    settings = dict(start="clean", early_exit=False, steps=5) if name.startswith("pgd") else {}
    settings = full(name) if name in SMALLEST else settings
    here = attack(name, net, images, labels, **settings)
    remote = copy.deepcopy(net).cuda()
    there = attack(name, remote, images, labels, **settings)
    assert there.device == images.device
    assert attack(name, remote, images.cuda(), labels.cuda(), **settings).is_cuda
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert spent(name, images, there) <= 1e-6
    assert distances.l2(images, there).mean() == pytest.approx(distances.l2(images, here).mean(), rel=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_generator_may_live_on_the_gpu(digits):
    model = small((1, 28, 28), 10)[0].cuda()
    images, labels = digits.images[:20].cuda(), digits.labels[:20].cuda()
    runs = []
    for _ in range(2):
        generator = torch.Generator("cuda").manual_seed(0)
        runs.append(pgd(model, images, labels, 0.1, steps=2, targets="random", generator=generator, progress=False))
    assert torch.equal(*runs)
