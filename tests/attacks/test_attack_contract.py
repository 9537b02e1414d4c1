"""What every attack owes, in one table: bounds, nothing else touched, repeatable, clear about bad input."""

import copy
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import attacks, data, evaluation
from course_utils.attacks import choose_targets, distances
from tests.attacks.nets import NoWayBack, Steep, Stopped, small


def universal(model, images, labels, eps, **settings):
    """The images with the one perturbation."""
    v = attacks.universal(model, images, labels, eps, **settings)
    return (images.detach() + v).clamp(0, 1)


def eot(model, images, labels, eps, *, targets="next", **settings):
    """Canvases that are their own scenes; there is always a target."""
    targets = choose_targets(model, images, labels, targets or "next") if not torch.is_tensor(targets) else targets
    return attacks.eot(model, dimmed, images, targets, eps=eps, **settings)


def dimmed(canvas, number, generator):
    return canvas * (1 - 0.2 * torch.rand(number, 1, 1, 1, generator=generator)).to(canvas)


NOTHING = {}


class Row(NamedTuple):
    """An attack and what it promises.

    Attributes:
        run: called with model, images, labels (and eps if it has a budget).
        eps, norm: a budget; None for those that look for the smallest perturbation, and then return the image itself
            where the model is wrong already or nothing is found.
        wide: a budget in which digits are misclassified.
        targets: what it takes: "rules", "classes" or "none".
        gradient: it asks for gradients.
        draws: by itself, without a target rule.
        alone: settings with which an image fares in a batch as it does alone; None if there are none.
        sure: where an image of its own has succeeded, no rounding changes that.
        thorough: settings that look for the smallest perturbation in earnest.
    """

    run: Callable
    eps: float | None = None
    norm: str = "linf"
    wide: float | None = None
    targets: str = "rules"
    gradient: bool = True
    draws: bool = False
    alone: dict | None = NOTHING
    sure: bool = True
    thorough: dict = NOTHING


SHORT = dict(search_steps=4, steps=25)  # enough where the size of the perturbation does not matter
LONG = dict(search_steps=6, steps=40)
SURE = dict(start="clean", early_exit=False)
ANSWERS = dict(targets="classes", gradient=False, draws=True, alone=None, sure=False)
MANY = dict(draws=True, alone=None, sure=False)
NOISE = dict(targets="none", gradient=False, draws=True, alone=None)
ATTACKS = {
    "fgsm": Row(attacks.fgsm, 0.1, wide=0.25),
    "fgsm l2": Row(partial(attacks.fgsm, norm="l2"), 2.0, "l2", 4.0),
    "pgd": Row(attacks.pgd, 0.1, wide=0.25, draws=True, alone=SURE),
    "pgd l2": Row(partial(attacks.pgd, norm="l2"), 2.0, "l2", 4.0, draws=True, alone=SURE),
    "pgd margin": Row(
        partial(attacks.pgd, loss="margin", step_size="falling", restarts=2), 0.1, wide=0.25, draws=True, alone=SURE
    ),
    "deepfool": Row(attacks.deepfool),
    "deepfool linf": Row(partial(attacks.deepfool, norm="linf")),
    "carlini_wagner": Row(partial(attacks.carlini_wagner, **SHORT), thorough=LONG),
    "lbfgs": Row(partial(attacks.lbfgs, **SHORT), thorough=LONG),
    "lbfgs l2": Row(partial(attacks.lbfgs, norm="l2", **SHORT), thorough=LONG),
    "square": Row(partial(attacks.square, queries=30), 0.1, wide=0.4, gradient=False, draws=True, alone=None),
    "hop_skip_jump": Row(partial(attacks.hop_skip_jump, queries=120), **ANSWERS),
    "hop_skip_jump coarse": Row(partial(attacks.hop_skip_jump, queries=120, detail=1), **ANSWERS),
    "universal": Row(partial(universal, steps=10, batch=2), 0.1, **MANY),
    "universal l2": Row(partial(universal, steps=10, batch=2, norm="l2"), 2.0, "l2", **MANY),
    "random_noise": Row(attacks.random_noise, 0.1, **NOISE),
    "random_noise, best of 5": Row(partial(attacks.random_noise, draws=5), 0.1, **NOISE),
    "eot": Row(partial(eot, steps=5, batch=2), 0.1, **MANY),
}
BLIND = ("random_noise",)  # one draw asks the model nothing
FROM_SCENES = ("eot",)  # has errors of its own: see test_eot
QUIET = ("fgsm", "fgsm l2", *(name for name in ATTACKS if "noise" in name))  # too short for a progress bar
SMALLEST = [name for name, row in ATTACKS.items() if row.eps is None]
WITHIN = [name for name in ATTACKS if name not in SMALLEST]


def those(wanted):
    return pytest.mark.parametrize("name", [name for name, row in ATTACKS.items() if wanted(name, row)])


def task(names):
    """Each of these attacks, untargeted and targeted as far as it is."""
    pairs = [(name, targets) for name in names for targets in (None, "next")]
    return pytest.mark.parametrize(
        ("name", "targets"), [(n, t) for n, t in pairs if t is None or ATTACKS[n].targets != "none"]
    )


everyone = pytest.mark.parametrize("name", ATTACKS)
checking = those(lambda name, row: name not in (*BLIND, *FROM_SCENES))  # asks the model, through the common door
smallest = pytest.mark.parametrize("name", SMALLEST)


def attack(name, model, images, labels, targets=None, **settings):
    row = ATTACKS[name]
    settings = settings if name in QUIET else dict(progress=False) | settings
    if targets is not None:
        rule = isinstance(targets, str) and row.targets == "classes"
        settings["targets"] = choose_targets(model, images, labels, targets) if rule else targets
    budget = () if row.eps is None else (settings.pop("eps", row.eps),)
    return row.run(model, images, labels, *budget, **settings)


def spent(name, images, changed):
    """How much more than its budget an attack has used; 0 for one without a budget."""
    row = ATTACKS[name]
    if row.eps is None:
        return 0.0
    return getattr(distances, row.norm)(images.double(), changed.double()).max().item() - row.eps


@pytest.fixture(scope="module")
def digits(net):
    """Test digits that the net classifies correctly."""
    split = data.mnist("cpu").test[:50]
    return split[evaluation.predict(net, split.images).labels == split.labels]


# Nothing but the result


@task(ATTACKS)
def test_nothing_but_the_result_is_touched(name, targets):
    model, images, labels = small()
    model(images.requires_grad_()).sum().backward()
    model.train()
    model[1].eval()
    tensors = (images, labels, *model.parameters(), *model.buffers())
    before = [each.detach().clone() for each in tensors]
    slopes = [each.grad.clone() for each in (images, *model.parameters())]
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    changed = attack(name, model, images, labels, targets)
    assert changed.shape == images.shape and changed.dtype == images.dtype and not changed.requires_grad
    assert changed.min() >= 0 and changed.max() <= 1 and spent(name, before[0], changed) <= 1e-6
    assert changed.data_ptr() != images.data_ptr()
    assert all(map(torch.equal, tensors, before))
    assert all(map(torch.equal, [each.grad for each in (images, *model.parameters())], slopes))
    assert all(each.requires_grad for each in model.parameters())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)


@everyone
def test_no_gradient_is_left_behind(name):
    model, images, labels = small()
    attack(name, model, images.requires_grad_(), labels)
    assert images.grad is None and all(each.grad is None for each in model.parameters())


@everyone
def test_the_model_is_attacked_in_evaluation_mode(name):
    model, images, labels = small()
    changed = attack(name, model.train(), images, labels)
    assert model.training and torch.equal(changed, attack(name, model.eval(), images, labels))


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
def test_the_layout_of_the_images_does_not_matter(name):
    model, images, labels = small()
    turned = images.transpose(2, 3).contiguous().transpose(2, 3)
    strided = torch.stack([images, images], dim=1)[:, 0]
    assert not turned.is_contiguous() and not strided.is_contiguous()
    plain = attack(name, model, images, labels)
    for other in (turned, strided, images[:1].expand(5, -1, -1, -1)):
        changed = attack(name, model, other, labels)
        assert changed.shape == images.shape and spent(name, other, changed) <= 1e-6
        if other is strided:
            assert torch.allclose(changed, plain, atol=1e-5)


@everyone
def test_it_works_inside_no_grad_and_inference_mode(name):
    model, images, labels = small()
    plain = attack(name, model, images, labels)
    with torch.no_grad():
        assert torch.equal(attack(name, model, images, labels), plain)
    with torch.inference_mode():
        images, labels = images.clone(), labels.clone()
        assert torch.equal(attack(name, model, images, labels), plain)
    assert torch.equal(attack(name, model, images, labels), plain)


class Sum(nn.Module):
    """Two classes, dark and bright, and no parameters."""

    def forward(self, images):
        total = images.sum((1, 2, 3))
        return torch.stack([total, images[0].numel() - total], dim=1)


@everyone
def test_double_precision_and_a_net_without_parameters(name):
    images = torch.full((2, 3, 4, 4), 0.48, dtype=torch.float64)
    images[1] = 0.52
    labels = torch.tensor([1, 0])
    changed = attack(name, Sum(), images, labels)
    assert changed.dtype == torch.float64 and spent(name, images, changed) <= 1e-6
    if name in SMALLEST or name.startswith(("fgsm", "pgd")):
        assert evaluation.predict(Sum(), changed).labels.tolist() == [0, 1]


@everyone
def test_a_seed_repeats_a_run_and_another_seed_does_not(name, net, digits):
    row, images, labels = ATTACKS[name], digits.images[:4], digits.labels[:4]

    def run(seed=None, targets=None):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return attack(name, net, images, labels, targets, generator=generator)

    third, default = run(3), run()
    if row.draws:
        assert torch.equal(run(), default) and torch.equal(run(3), third) and not torch.equal(third, run(4))
    else:
        assert torch.equal(default, third) and torch.equal(third, run(4))
    if row.targets == "rules" and not row.draws:
        third = run(3, "random")
        assert torch.equal(run(3, "random"), third) and not torch.equal(third, run(4, "random"))


class Looks(TorchDispatchMode):
    """Counts how often the range of something is looked at."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.number = shape, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.aminmax.default and args[0].shape == self.shape:
            self.number += 1
        return function(*args, **(kwargs or {}))


@task([name for name in ATTACKS if name not in FROM_SCENES and ATTACKS[name].targets != "classes"])
def test_images_are_checked_once_on_the_way_in(name, targets):
    model, images, labels = small()
    with Looks(images.shape) as looks:
        attack(name, model, images, labels, targets and "nearest")
    assert looks.number == 1


# Success


@task([name for name, row in ATTACKS.items() if row.targets != "none" and row.sure])
def test_success_holds_in_batches_of_another_size(name, targets, net, digits):
    images, labels = digits.images[:20], digits.labels[:20]
    row = ATTACKS[name]
    changed = attack(name, net, images, labels, targets, **(dict(eps=row.wide) if row.wide else {}))
    predicted = torch.cat([evaluation.predict(net, part).labels for part in changed.split(7)])
    reached = predicted == choose_targets(net, images, labels, targets) if targets else predicted != labels
    if name in SMALLEST:
        assert reached.all() and (distances.l2(images, changed) > 0).all()
    else:
        assert reached.float().mean() > 0.1


@those(lambda name, row: row.alone is not None)
def test_an_image_fares_in_a_batch_as_it_does_alone(name, net, digits):
    images, labels = digits.images[:2], digits.labels[:2]
    settings = ATTACKS[name].alone | ATTACKS[name].thorough
    together = attack(name, net, images, labels, **settings)
    alone = torch.cat([attack(name, net, x[None], y[None], **settings) for x, y in zip(images, labels, strict=True)])
    if name in WITHIN:
        assert ((together - alone).abs() > 1e-4).float().mean() < 0.01
    else:
        ratio = distances.l2(images, alone) / distances.l2(images, together)
        assert (ratio - 1).abs().max() < 0.05


@pytest.mark.parametrize("name", WITHIN)
def test_a_budget_of_nothing_changes_nothing(name):
    model, images, labels = small()
    assert torch.equal(attack(name, model, images, labels, eps=0), images)


@smallest
def test_an_image_that_is_misclassified_already_comes_back_unchanged(name, net, digits):
    images, right = digits.images[:10], digits.labels[:10]
    labels = right.clone()
    labels[::2] = (labels[::2] + 1) % 10
    if not name.startswith("lbfgs"):  # which always has a target
        changed = attack(name, net, images, labels)
        assert torch.equal(distances.l0(images, changed) > 0, labels == right)
    assert torch.equal(attack(name, net, images, (right + 1) % 10, right), images)


class Level(nn.Module):
    """Always the same class, by a margin that no image makes up."""

    def forward(self, images):
        total = images.sum((1, 2, 3))
        return torch.stack([total + 1e4, total * 2, total * 3], dim=1)


@smallest
def test_an_image_for_which_nothing_is_found_comes_back_unchanged(name):
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(attack(name, Level(), images, torch.zeros(3, dtype=torch.int64)), images)


@pytest.mark.parametrize("k", [1, 2, 4, 20])
@those(lambda name, row: name not in BLIND)
def test_an_interrupt_returns_the_best_so_far(name, k, net, digits, capsys):
    images, labels = digits.images[:20], digits.labels[:20]
    checks = 2 if name in FROM_SCENES else 1  # passes before the search
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


@checking
def test_where_attacks_are_compared_an_interrupt_ends_them_all(name, net, digits):
    with attacks.base.reraise_interrupts(), pytest.raises(KeyboardInterrupt):
        attack(name, Stopped(net, 2), digits.images[:5], digits.labels[:5])


@those(lambda name, row: not row.gradient)
def test_a_black_box_attack_asks_for_no_gradient(name, net, digits):
    class Black(nn.Module):
        def forward(self, images):
            assert not images.requires_grad
            return NoWayBack.apply(net(images))

    images, labels = digits.images[:5], digits.labels[:5]
    assert torch.equal(attack(name, Black(), images, labels), attack(name, net, images, labels))


@smallest
def test_a_very_confident_net_is_no_shelter(name, net, digits):
    """Scaled by 100 its loss is flat, and its boundaries are where they were."""
    images, labels = digits.images[:5], digits.labels[:5]
    plain, sharp = (
        attack(name, model, images, labels, **ATTACKS[name].thorough) for model in (net, Steep(net, factor=100))
    )
    assert (evaluation.predict(net, sharp).labels != labels).all()
    assert distances.l2(images, sharp).mean() < 1.05 * distances.l2(images, plain).mean()


class Fractions(nn.Module):
    """Logits of two classes that add up to 1, as long as the image is not too bright."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return torch.stack([mean, 1 - mean], dim=1) + (mean > 0.7)[:, None]


@checking
def test_logits_that_add_up_to_1_on_the_way_are_no_probabilities(name):
    budget = dict(eps=0.6) if name in WITHIN else {}
    changed = attack(name, Fractions(), torch.full((1, 1, 2, 2), 0.71), torch.tensor([0]), **budget)
    assert changed.mean() < 0.71


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


def labelled_by(model, images):
    return model, images, evaluation.predict(model, images).labels


BAD_IMAGES = {
    "before normalisation": lambda m, x, y: (m, (x - 0.13) / 0.3, y),
    "divide by 255": lambda m, x, y: (m, x * 255, y),
    "convert with images.float() / 255": lambda m, x, y: (m, (x * 255).byte(), y),
    "images are a ndarray": lambda m, x, y: (m, x.numpy(), y),
    "for one image write image[None]": lambda m, x, y: (m, x[0], y[:1]),
    "images hold NaN": lambda m, x, y: (m, x * torch.nan, y),
    "the batch is empty": lambda m, x, y: (m, x[:0], y[:0]),
}
BAD_MODELS_AND_LABELS = {
    "torch.float16, too coarse": lambda m, x, y: (m, x.half(), y),
    "labels have shape (4,), not (5,)": lambda m, x, y: (m, x, y[:4]),
    "one-hot": lambda m, x, y: (m, x, F.one_hot(y, 7)),
    "labels.long()": lambda m, x, y: (m, x, y.float()),
    "the classes are 0 to 6": lambda m, x, y: (m, x, y + 7),
    "leave out the softmax": lambda m, x, y: (nn.Sequential(m, nn.Softmax(1)), x, y),
    "returns NaN": lambda m, x, y: (nn.Sequential(m, nn.Threshold(float("inf"), float("nan"))), x, y),
    "not a tensor of logits": lambda m, x, y: (Pair(), x, y),
    "K) logits": lambda m, x, y: (nn.Flatten(0), x, y),
    "at least 2 classes": lambda m, x, y: (nn.Sequential(m, nn.Linear(7, 1)), x, y * 0),
    "cannot take": lambda m, x, y: (nn.Conv2d(1, 4, 30), x, y),
    "not an nn.Module": lambda m, x, y: (m.forward, x, y),
}
BAD_GRADIENTS = {
    "look for detach": lambda m, x, y: (Cut("detach"), x, y),
    "look for detach, no_grad": lambda m, x, y: (Cut("no_grad"), x, y),
    "no gradient flows": lambda m, x, y: labelled_by(Cut("constant"), x),
    "gradient holds NaN": lambda m, x, y: labelled_by(Root(), x),
}


def refuses(name, mistake, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        attack(name, *mistake(*small()))
    assert message in str(caught.value)


@everyone
@pytest.mark.parametrize("message", BAD_IMAGES)
def test_what_is_wrong_with_images_is_said(name, message):
    refuses(name, BAD_IMAGES[message], message)


@checking
@pytest.mark.parametrize("message", BAD_MODELS_AND_LABELS)
def test_what_is_wrong_with_model_and_labels_is_said(name, message):
    refuses(name, BAD_MODELS_AND_LABELS[message], message)


@those(lambda name, row: row.gradient and name not in FROM_SCENES)
@pytest.mark.parametrize("message", BAD_GRADIENTS)
def test_what_is_wrong_with_a_gradient_is_said(name, message):
    refuses(name, BAD_GRADIENTS[message], message)


@those(lambda name, row: row.targets != "none" and name not in FROM_SCENES)
def test_impossible_targets_are_refused(name):
    model, images, labels = small()
    with pytest.raises(ValueError, match="some targets equal the labels"):
        attack(name, model, images, labels, labels)
    with pytest.raises(ValueError, match=r"targets: .* or name a rule"):
        attack(name, model, images, labels, labels[:2])
    with pytest.raises(ValueError, match="the classes are 0 to 6"):
        attack(name, model, images, labels, labels + 7)
    if ATTACKS[name].targets == "rules":
        with pytest.raises(ValueError, match="no target rule 'nxt': choose among random, next"):
            attack(name, model, images, labels, "nxt")


SETTINGS = [
    ("fgsm", dict(norm="squared_l2"), "no norm 'squared_l2' here"),
    ("fgsm", dict(eps=8), "for 8 grey levels write 8/255"),
    ("pgd", dict(norm="l7"), "no norm 'l7' here: choose among linf, l2"),
    ("pgd", dict(eps=-0.1), "not below 0"),
    ("pgd", dict(eps=float("nan")), "finite"),
    ("pgd", dict(steps=0), "steps=0: want a whole number"),
    ("pgd", dict(restarts=1.5), "restarts=1.5"),
    ("pgd", dict(step_size=-1), "step_size=-1"),
    ("pgd", dict(step_size="short"), "step_size='short'"),
    ("pgd", dict(loss="hinge"), "no loss 'hinge' here: choose among cross_entropy, margin"),
    ("pgd", dict(start="middle"), 'want "random" or "clean"'),
    ("deepfool", dict(norm=2), "no norm 2 here"),
    ("deepfool", dict(candidates=1), "candidates=1"),
    ("deepfool", dict(candidates=2.5), "candidates=2.5"),
    ("deepfool", dict(overshoot=-1), "overshoot=-1"),
    ("deepfool", dict(overshoot=float("nan")), "overshoot=nan"),
    ("carlini_wagner", dict(kappa=-1), "kappa=-1"),
    ("carlini_wagner", dict(lr=0), "lr=0"),
    ("carlini_wagner", dict(search_steps=0), "search_steps=0"),
    ("lbfgs", dict(norm="linf"), "choose among squared_l2, l2"),
    ("lbfgs", dict(c=-1), "c=-1"),
    ("lbfgs", dict(steps=True), "steps=True"),
    ("square", dict(eps=25), "for 25 grey levels write 25/255"),
    ("square", dict(queries=2.5), "queries=2.5"),
    ("universal", dict(batch=0), "batch=0"),
    ("random_noise", dict(draws=0), "draws=0"),
    ("random_noise", dict(eps=2), "write 2/255"),
    ("hop_skip_jump", dict(queries=0), "queries=0: want a whole number, at least 1"),
    ("hop_skip_jump", dict(detail=0), "detail=0"),
    ("hop_skip_jump", dict(detail=56), "finer than the images of (17, 23) pixels"),
    ("hop_skip_jump", dict(start=torch.rand(1, 3, 17, 23)), "want one each"),
    ("hop_skip_jump", dict(start=255 * torch.rand(5, 3, 17, 23)), "divide by 255"),
]


@pytest.mark.parametrize(("name", "settings", "message"), SETTINGS)
def test_an_impossible_setting_is_named(name, settings, message):
    with pytest.raises(ValueError) as caught:
        attack(name, *small(), **settings)
    assert message in str(caught.value)


# With a GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@everyone
def test_a_gpu_finds_what_the_cpu_finds(name, net, digits):
    images, labels = digits.images[:20], digits.labels[:20]
    state = torch.cuda.get_rng_state()
    settings = (ATTACKS[name].alone or {}) | ATTACKS[name].thorough
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
@everyone
def test_a_generator_may_live_on_the_gpu(name, digits):
    model = small((1, 28, 28), 10)[0].cuda()
    images, labels = digits.images[:20].cuda(), digits.labels[:20].cuda()
    runs = [attack(name, model, images, labels, generator=torch.Generator("cuda").manual_seed(0)) for _ in range(2)]
    assert torch.equal(*runs)
