"""What takes a network apart: it is right on every layer that it takes, and takes no other. Nets drawn at random."""

import copy
import itertools
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

from course_utils import data, evaluation, models, training
from course_utils.attacks import pgd
from course_utils.collisions import null_space
from course_utils.data import Split
from course_utils.defenses import intervals, null_class
from course_utils.dimensions import single_pixels
from course_utils.dimensions.regions import on_a_line
from course_utils.dimensions.regions.around_an_image import nearest_faces, region_faces
from course_utils.dimensions.regions.pieces import KNOWN, piecewise_linear
from course_utils.layers import flattened, oddity
from tests.defenses.boxes import bounds

EVERY = {*KNOWN, *intervals.LINEAR, *intervals.CURVED, *intervals.RISING}


def seeded(build, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


# Modules that compute something else than the class they descend from


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Called(nn.Sequential):
    def __call__(self, x):
        return x - super().__call__(x)


class Backwards(nn.Sequential):
    def __iter__(self):
        return reversed(list(super().__iter__()))


class Scaled(nn.Linear):
    def forward(self, x):
        return -2 * super().forward(x)


class Doubled(nn.Conv2d):
    def _conv_forward(self, *arguments):
        return 2 * super()._conv_forward(*arguments)


class Bent(nn.ReLU):
    def forward(self, x):
        return (3 * x).sin()


class Awake(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


class Sleepless(nn.Dropout):
    training = property(lambda self: True, lambda self, mode: None)  # kept on the class, where vars(layer) has nothing


class Mirror(models.Normalise):
    def forward(self, x):
        return -super().forward(x)


def replaced(layer, forward):
    layer.forward = forward
    return layer


def hooked(layer, before=False):
    if before:
        layer.register_forward_pre_hook(lambda module, given: (-given[0],))
    else:
        layer.register_forward_hook(lambda module, given, result: 1 - 3 * result)
    return layer


def with_std(value):
    layer = models.Normalise([0.4], [0.3])
    layer.std.fill_(value)
    return layer


def no_parameter(layer):
    """Its weight is a plain tensor, which ``named_parameters`` does not list."""
    weight = layer.weight.detach()
    del layer.weight
    layer.weight = weight
    return layer


BODY = {  # shape in, shape out, for images (1, 6, 6)
    "residual": lambda: Residual(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()),
    "own __call__": lambda: Called(nn.Conv2d(1, 1, 3, padding=1), nn.Tanh()),
    "own order": lambda: Backwards(nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1)),
    "residual inside": lambda: nn.Sequential(nn.Identity(), Residual(nn.Conv2d(1, 1, 1))),
    "scaled": lambda: Scaled(6, 6),
    "doubled": lambda: Doubled(1, 1, 1),
    "bent": Bent,
    "awake": lambda: Awake(0.5),
    "sleepless": lambda: Sleepless(0.5),
    "mirror": lambda: Mirror([0.4], [0.3]),
    "own forward of one layer": lambda: replaced(nn.Identity(), lambda x: (5 * x).cos()),
    "own forward of one container": lambda: replaced(nn.Sequential(nn.Identity()), lambda x: -x),
    "hook": lambda: hooked(nn.Identity()),
    "hook before": lambda: hooked(nn.Sigmoid(), before=True),
    "hook of a container": lambda: hooked(nn.Sequential(nn.ReLU())),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(6, 6)),
    "old weight_norm": lambda: torch.nn.utils.weight_norm(nn.Linear(6, 6)),
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Conv2d(1, 1, 3, padding=1)),
    "old spectral_norm": lambda: torch.nn.utils.spectral_norm(nn.Linear(6, 6)),
    "pruned": lambda: prune.l1_unstructured(nn.Linear(6, 6), "weight", 5),
    "no parameter": lambda: no_parameter(nn.Linear(6, 6)),
    "no statistics": lambda: nn.BatchNorm2d(1, track_running_stats=False),
    "negative std": lambda: with_std(-0.3),
    "negative divisor": lambda: nn.AvgPool2d(1, divisor_override=-1),
    "unknown": lambda: nn.Softmax(3),
}
ODD = [name for name in BODY if name != "unknown"]


def odd_net(name, seed=0):
    return seeded(lambda: nn.Sequential(nn.Identity(), BODY[name](), nn.Flatten(), nn.Linear(36, 3)).eval(), seed)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", BODY)
def test_what_computes_something_else_is_refused_by_its_number(name):
    net, images = odd_net(name), torch.rand(4, 1, 6, 6)
    labels, split = torch.zeros(4, dtype=torch.int64), Split(images, torch.zeros(4, dtype=torch.int64))
    inside = "residual inside" in name
    for call in (
        lambda: intervals.verified(net, images, labels, 0.1),
        lambda: training.fit(net, split, loss=intervals.IntervalLoss(0.1), epochs=1, progress=False),
    ):
        with pytest.raises(
            ValueError, match=f"holds a .*, and no rule here .* Layer {2 if inside else 1}: ."
        ) as caught:
            call()
        assert ("it is none of" in str(caught.value)) == (name == "unknown")
    for call in (
        lambda: on_a_line.crossings(net, images[:1], images[1:2]),
        lambda: region_faces(net, images[:1]),
    ):
        with pytest.raises(ValueError, match=f"layer {2 if inside else 1}, .*is not piecewise linear, or not known to"):
            call()
    assert torch.equal(null_space.first_layer_matrix(net, (1, 6, 6)), torch.eye(36))  # the layers before it alone
    with pytest.raises(ValueError, match="which is not affine"):
        null_space.first_layer_matrix(net[1:] if not inside else net[1][1:], (1, 6, 6))


@pytest.mark.parametrize("kind", [Residual, Called, Backwards])
def test_a_container_with_a_way_of_its_own_is_no_net_of_layers_in_a_line(kind):
    net, images = kind(nn.Flatten(), nn.Linear(36, 3)), torch.rand(2, 1, 6, 6)
    for call in (
        lambda: on_a_line.crossings(net, images[:1], images[1:]),
        lambda: null_class.with_null_class(net),
    ):
        with pytest.raises(TypeError, match=r"nn\.Sequential.* of its own"):
            call()
    with pytest.raises(ValueError, match=r"(?s)not affine.* of its own"):
        null_space.first_layer_matrix(net, (1, 6, 6))
    with pytest.raises(TypeError, match=r"want an nn\.Sequential that ends in nn\.Linear.*forward of its own"):
        null_class.with_null_class(nn.Sequential(nn.Flatten(), Scaled(36, 3)))
    with pytest.raises(TypeError, match="a hook may change"):
        null_class.with_null_class(hooked(nn.Sequential(nn.Flatten(), nn.Linear(36, 3))))


def test_a_hook_on_all_modules_stands_in_the_way_until_it_is_removed():
    net, images = models.FC(5), torch.rand(1, 1, 28, 28)
    handle = nn.modules.module.register_module_forward_hook(lambda module, given, result: -result)
    try:
        for call in (lambda: bounds(net, images, 0.1), lambda: on_a_line.crossings(net, images, images)):
            with pytest.raises((TypeError, ValueError), match="a hook on all modules"):
                call()
    finally:
        handle.remove()
    assert bounds(net, images, 0.1)[0].isfinite().all()


def test_what_ends_a_parametrization_ends_the_refusal():
    layer = parametrizations.weight_norm(nn.Linear(2, 2))
    assert "remove_parametrizations" in oddity(layer, EVERY)
    assert oddity(parametrize.remove_parametrizations(layer, "weight"), EVERY) == ""
    layer = prune.l1_unstructured(nn.Linear(2, 2), "weight", 1)
    assert "pruning" in oddity(layer, EVERY)
    assert oddity(prune.remove(layer, "weight"), EVERY) == ""
    layer = nn.LazyLinear(2)
    assert "take an image once" in oddity(layer, EVERY)
    layer(torch.ones(1, 2))
    assert oddity(layer, EVERY) == ""
    layer = nn.Linear(2, 2)
    handle = layer.register_forward_hook(lambda *_: None)
    assert "hook" in oddity(layer, EVERY)
    handle.remove()
    assert oddity(layer, EVERY) == ""


class Prepared(nn.Linear):
    """Only its first weights differ, and it has a method that ``forward`` does not use."""

    def __init__(self):
        super().__init__(36, 3)
        nn.init.orthogonal_(self.weight)

    def norm(self):
        return self.weight.norm()


class Net(nn.Sequential):
    """As many write their nets."""

    classes: int = 3

    def __init__(self):
        super().__init__(nn.Flatten(), Prepared())
        self.names = ("a", "b", "c")

    def extra_repr(self):
        return "three classes"


def test_a_subclass_that_computes_the_same_is_taken():
    net, images = seeded(Net), torch.rand(2, 1, 6, 6)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    plain[1].load_state_dict(net[1].state_dict())
    for mine, theirs in zip(bounds(net, images, 0.1), bounds(plain, images, 0.1), strict=True):
        assert torch.equal(mine, theirs)
    assert list(piecewise_linear(net)) == [*net] and null_space.first_layer_matrix(net, (1, 6, 6)).shape == (3, 36)
    assert null_class.with_null_class(net)(images).shape == (2, 4)


def test_no_proof_in_half_precision():
    net, images = models.FC(5), torch.rand(2, 1, 28, 28)
    with pytest.raises(ValueError, match="want float32 or float64"):
        intervals.verified(net.half(), images.half(), torch.tensor([0, 0]), 0.1)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ValueError, match=r"no torch\.autocast"):
        intervals.verified(net.float(), images, torch.tensor([0, 0]), 0.1)


@pytest.mark.parametrize("layer", [lambda: nn.AvgPool2d(3), lambda: nn.BatchNorm2d(1, affine=False)])
def test_layers_without_weights_have_a_slack_for_rounding_too(layer):
    """A box around 0, so that all of it is radius."""
    for seed in range(30):
        draw = random.Random(seed)
        std = [draw.uniform(0.1, 1.1)]
        net = nn.Sequential(models.Normalise([draw.uniform(0.49, 0.51)], std), layer(), nn.Flatten()).eval()
        low, high = bounds(net, torch.full((1, 1, 3, 3), 0.5), 0.5)
        exact = copy.deepcopy(net).double()
        assert (exact(torch.zeros(1, 1, 3, 3).double()) >= low).all()
        assert (exact(torch.ones(1, 1, 3, 3).double()) <= high).all()


# The fault as it was found: digits "proved" by layers that the network does not compute


def test_a_residual_block_as_a_sequential_gets_no_proof():
    digits = data.mnist("cpu")
    few = Split(F.avg_pool2d(digits.train[:1500].images, 4), digits.train[:1500].labels)
    net = seeded(
        lambda: nn.Sequential(Residual(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()), nn.Flatten(), nn.Linear(49, 10))
    )
    training.fit(net, few, epochs=2, progress=False, generator=torch.Generator().manual_seed(0))
    images, labels = few.images[:100], few.labels[:100]
    blindly = nn.Sequential(*net[0], *net[1:])  # what the bounds used to look at
    low, high = bounds(blindly, images, 0.02)
    logits = evaluation.logits(net, images)
    assert ((logits < low) | (logits > high)).any(), "this net shows nothing"
    with pytest.raises(ValueError, match=r"holds a Residual.* Layer 0: it is a Sequential with a forward of its own"):
        intervals.verified(net, images, labels, 0.02)
    right = logits.argmax(1) == labels
    with pytest.raises(ValueError, match=r"layer 0, .* is not piecewise linear, or not known to be"):
        single_pixels.survival(net, images[right][:2], labels[right][:2], progress=False)


# Drawn at random


def draw_net(seed):
    """A net that is legal, with one odd module in half of the cases: the net, its images, whether it is plain.

    The known layers come with every option that they have. In place works only what lets gradients through.
    """
    draw = random.Random(seed)
    channels, side = draw.choice([1, 1, 3]), draw.choice([5, 6, 7])
    images = torch.rand(2, channels, side, side)
    while True:
        odd = draw.random() < 0.5
        layers, shape = [], images.shape
        length = draw.randint(1, 5)
        strange = draw.randrange(length) if odd else -1
        for place in range(length):
            layer = draw_odd(draw, shape[1]) if place == strange else draw_known(draw, shape[1])
            layers.append(layer)
            try:
                shape = nn.Sequential(*layers).eval()(images).shape
            except (RuntimeError, ValueError):  # too small for its kernel
                layers.pop()
                strange += place == strange
        if len(shape) == 4 and shape[2:].numel() and (strange < length or not odd):
            break
    flat = shape[1:].numel()
    layers.append(nn.Flatten())
    if draw.random() < 0.5:
        layers += [
            nn.Linear(flat, 6, bias=draw.random() < 0.5),
            draw.choice([nn.ReLU(), nn.ReLU(inplace=True), nn.Tanh()]),
        ]
        flat = 6
    layers.append(nn.Linear(flat, 3))
    if draw.random() < 0.3:
        layers.append(draw.choice([nn.Identity(), nn.Dropout()]))
    if draw.random() < 0.5:  # the same layers, nested
        cut = draw.randrange(1, len(layers))
        layers = [nn.Sequential(*layers[:cut]), *layers[cut:]]
    net = nn.Sequential(*layers)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 2)
            if module.affine:
                module.weight.data.normal_()
                module.bias.data.normal_()
    return net.eval(), images, not odd


def draw_known(draw, channels):
    def flip():
        return draw.random() < 0.5

    kernel, stride = draw.choice([1, 2, 3, (1, 2)]), draw.choice([1, 1, 2])
    kind = draw.choice(["conv", "conv", "conv", "norm", "batch", "relu", "max", "avg", "curved", "drop", "same"])
    if kind == "conv":
        groups = draw.choice([1, channels])
        mode = draw.choice(["zeros", "reflect", "circular", "replicate"])
        padding = "same" if stride == 1 and kernel in (1, 3) and flip() else draw.choice([0, 1, (0, 1)])
        options = dict(stride=stride, padding=padding, dilation=draw.choice([1, 1, 2]), groups=groups, bias=flip())
        return nn.Conv2d(channels, groups * draw.randint(1, 2), kernel, padding_mode=mode, **options)
    if kind == "norm":
        numbers = [[draw.uniform(0.1, 1) for _ in range(channels)] for _ in range(2)]
        return models.Normalise(*numbers)
    if kind == "batch":
        return nn.BatchNorm2d(channels, affine=flip(), momentum=draw.choice([0.1, None]))
    if kind == "max":
        plain = flip()
        return nn.MaxPool2d(kernel, stride) if plain else nn.MaxPool2d(3, stride, 1, ceil_mode=flip())
    if kind == "avg":
        padding = 0 if kernel == 1 or kernel == (1, 2) else draw.choice([0, 1])
        options = dict(ceil_mode=flip(), count_include_pad=flip(), divisor_override=draw.choice([None, None, 5]))
        return nn.AvgPool2d(kernel, stride, padding, **options)
    if kind == "same":  # one layer in two places
        layer = nn.Conv2d(channels, channels, 1)
        return nn.Sequential(layer, nn.ReLU(inplace=flip()), layer)
    return {"relu": nn.ReLU(), "curved": draw.choice([nn.Sigmoid(), nn.Tanh()]), "drop": nn.Dropout()}[kind]


def draw_odd(draw, channels):
    def conv():
        return nn.Conv2d(channels, channels, 3, padding=1)

    return draw.choice(
        [
            lambda: Residual(conv(), nn.ReLU()),
            lambda: Called(conv()),
            lambda: nn.Sequential(Backwards(nn.ReLU(), conv())),
            lambda: Doubled(channels, channels, 1),
            Bent,
            lambda: Mirror([0.4], [0.3]),
            lambda: replaced(conv(), lambda x: (9 * x).sin()),
            lambda: hooked(conv()),
            lambda: hooked(nn.Sequential(conv()), before=True),
            lambda: parametrizations.weight_norm(conv()),
            lambda: prune.l1_unstructured(conv(), "weight", 2),
            lambda: no_parameter(conv()),
            lambda: nn.AvgPool2d(1, divisor_override=-1),
            lambda: with_std(-0.3),
            lambda: nn.LeakyReLU(-0.5),
            lambda: nn.GELU(),
        ]
    )()


def worst_of(net, images, eps, steps=8):
    """Points of each box at which single logits were driven up or down: ``(tries, N, C, H, W)``."""
    found = []
    for klass, sign in itertools.product(range(3), (-1, 1)):
        at = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
        for _ in range(steps):
            at.requires_grad_()
            (slope,) = torch.autograd.grad(net(at.clone())[:, klass].sum(), at)
            at = torch.clamp(at.detach() + sign * eps / 2 * slope.sign(), images - eps, images + eps).clamp(0, 1)
            found.append(at)
    return torch.stack(found)


def attack(net, images, eps):
    """Breaks of the bounds or of the proofs within ``eps`` of each image; None where the net is refused."""
    labels = evaluation.predict(net, images).labels
    try:
        low, high = bounds(net, images, eps)
    except (TypeError, ValueError):
        return None
    points = torch.cat([worst_of(net, images, eps), (images + eps * torch.randn(20, *images.shape).sign()).clamp(0, 1)])
    logits = evaluation.logits(net, points.flatten(0, 1)).view(len(points), len(images), 3)
    broken = int(((logits < low) | (logits > high)).sum())
    for smaller in (eps, eps / 10, eps / 100):
        proved = intervals.verified(net, images, labels, smaller)
        if proved.any():
            some, own = images[proved], labels[proved]
            tried = [pgd(net, some, own, smaller, steps=10, early_exit=False, progress=False)]
            tried += [*worst_of(net, some, smaller, steps=3)]
            broken += sum(int((evaluation.predict(net, each).labels != own).sum()) for each in tried)
    return broken


@pytest.mark.parametrize("block", range(4))
def test_bounds_of_odd_nets_hold_or_are_refused(block):
    taken = 0
    for seed in range(20 * block, 20 * block + 20):
        net, images, plain = seeded(lambda seed=seed: draw_net(seed), seed)
        broken = seeded(lambda net=net, images=images: attack(net, images, 0.05), seed)
        assert (broken is None) != plain, f"net {seed} is {'refused' if plain else 'taken'}: {net}"
        assert not broken, f"net {seed}: {net}"
        taken += plain
    assert 5 <= taken <= 15


@pytest.mark.parametrize("block", range(2))
def test_regions_of_odd_nets_agree_with_the_nets_own_outputs(block):
    taken = 0
    for seed in range(1000 + 80 * block, 1080 + 80 * block):
        net, images, plain = seeded(lambda seed=seed: draw_net(seed), seed)
        start, end = images.double().split(1)
        try:
            (line,) = on_a_line.crossings(net, start, end)
        except (TypeError, ValueError):
            continue
        assert plain, f"net {seed} is taken: {net}"
        taken += 1
        net = net.double()
        ends = torch.cat([torch.zeros(1).double(), line.at, torch.ones(1).double()])
        share = torch.rand(len(ends) - 1, 1, dtype=torch.float64)
        at = torch.lerp(ends[:-1], ends[1:], share[:, 0])
        own = net(torch.lerp(start, end, at.view(-1, 1, 1, 1))).detach()
        torch.testing.assert_close(torch.lerp(line.logits[:-1], line.logits[1:], share), own, atol=1e-8, rtol=1e-6)
        label = evaluation.predict(net, start).labels
        found = single_pixels.survival(net, start, label, progress=False)
        many = start.flatten().repeat(start.numel(), 1)
        edges = torch.lerp(found.lower, found.upper, 0.001 + 0.998 * torch.rand_like(found.lower)).flatten()
        many.scatter_(1, torch.arange(start.numel())[:, None], edges[:, None])
        assert (evaluation.predict(net, many.view(-1, *start.shape[1:])).labels == label).all()
        slope = torch.autograd.functional.jacobian(lambda x, net=net: net(x)[0], start).flatten(1)
        logits = net(start)[0].detach()
        away = (logits[label] - logits) / (slope[label] - slope).norm(dim=1)
        away[label] = torch.inf
        near = nearest_faces(net, start, progress=False).decision
        torch.testing.assert_close(near, away.min()[None], atol=1e-8, rtol=1e-6)
    assert taken >= 5


def test_null_spaces_of_odd_nets_are_not_seen():
    taken = 0
    for seed in range(2000, 2080):
        net, images, _ = seeded(lambda seed=seed: draw_net(seed), seed)
        net, images = net.double(), images.double()
        try:
            rows = null_space.first_layer_matrix(net, images.shape[1:])
        except (TypeError, ValueError):
            continue
        hidden = torch.linalg.svd(rows).Vh[int(torch.linalg.matrix_rank(rows)) :]
        if len(hidden):
            taken += 1
            change = torch.randn(2, len(hidden), dtype=torch.float64) @ hidden.double()
            with torch.no_grad():
                torch.testing.assert_close(net(images + change.view_as(images)), net(images), atol=1e-8, rtol=1e-6)
    assert taken >= 10


def test_the_layers_of_a_net_in_their_order():
    shared = nn.ReLU()
    inner = nn.Sequential(shared, nn.Sequential(nn.Identity(), shared))
    assert [*flattened(nn.Sequential(inner, shared))] == [shared, inner[1][0], shared, shared]
    odd = Residual(nn.ReLU())
    assert [*flattened(nn.Sequential(inner[1], odd))] == [inner[1][0], shared, odd] and [*flattened(odd)] == [odd]
