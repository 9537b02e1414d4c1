"""Interval bounds: never broken by an attack, exact where they must be, honest about rounding, and trainable."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation, models, training, zoo
from course_utils.attacks import pgd
from course_utils.core import tensors
from course_utils.data import Split
from course_utils.defenses import intervals
from course_utils.defenses.intervals import IntervalLoss
from tests.defenses.boxes import bounds, margins


def seeded(build, seed):
    """What ``build`` makes with torch's own generator at ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


NETS = {  # one of each layer that is known, for images (1, 8, 8)
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 4)),
    "curved": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(64, 20), nn.Sigmoid(), nn.Linear(20, 12, bias=False), nn.Tanh(), nn.Linear(12, 3)
    ),
    "convolutions": lambda: nn.Sequential(
        models.Normalise([0.4], [0.3]),
        nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(6, 6, 3, groups=2, padding=1, padding_mode="reflect"), nn.ReLU(), nn.AvgPool2d((2, 1))),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(48, 4),
        nn.Identity(),
    ),
    "no linear end": lambda: nn.Sequential(nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten()),
}


def random_net(kind, seed):
    """A net of that kind with batch statistics that are not those of a fresh one."""

    def build():
        net = NETS[kind]()
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for value in (layer.weight.data, layer.bias.data, layer.running_mean):
                    value.normal_()
                layer.running_var.uniform_(0.2, 2)
        return net.eval()

    return seeded(build, seed)


def random_images(number, seed, shape=(1, 8, 8)):
    """Half of the pixels black or white, so that the box is cut off there."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(number, *shape, generator=draw)
    return torch.where(torch.rand(images.shape, generator=draw) < 0.5, images.round(), images)


def largest(net, images, labels, steps):
    """The largest eps at which each image is verified, by halving: ``(N,)``."""
    low, high = torch.zeros(len(images)), torch.ones(len(images))
    for _ in range(steps):
        middle = (low + high) / 2
        each = zip(images.split(1), labels.split(1), middle.tolist(), strict=True)
        proved = torch.cat([intervals.verified(net, image, label, eps) for image, label, eps in each])
        low, high = torch.where(proved, middle, low), torch.where(proved, high, middle)
    return low


def inside(images, eps, number, seed):
    """``number`` points of each box: corners, and as many from within. ``(number, N, ...)``."""
    draw = torch.Generator().manual_seed(seed)
    changes = 2 * torch.rand(number, *images.shape, generator=draw) - 1
    changes[::2] = changes[::2].sign()
    return (images + eps * changes).clamp(0, 1)


# Sound: nothing that an attack finds lies outside


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", NETS)
def test_no_attack_succeeds_where_there_is_a_proof(kind, seed):
    net, images = random_net(kind, seed), random_images(4, seed)
    labels = evaluation.predict(net, images).labels
    reach = largest(net, images, labels, steps=10)
    assert (reach > 1e-3).sum() >= 2, "nothing is proved, so nothing is tested"
    for image, label, eps in zip(images.split(1), labels.split(1), reach.tolist(), strict=True):
        if eps == 0:
            continue
        assert intervals.verified(net, image, label, eps).all()
        tried = [pgd(net, image, label, eps, steps=15, early_exit=False, progress=False)]
        tried += [*inside(image, eps, 100, seed)]
        assert (evaluation.predict(net, torch.cat(tried)).labels == label).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", NETS)
def test_logits_within_the_box_stay_within_their_bounds(kind, seed):
    net, images = random_net(kind, seed), random_images(8, seed)
    for eps in (0.0, 1e-4, 0.03, 0.5):
        low, high = bounds(net, images, eps)
        logits = evaluation.logits(net, inside(images, eps, 50, seed).flatten(0, 1)).view(50, 8, -1)
        assert (logits >= low).all() and (logits <= high).all()


@pytest.mark.parametrize("seed", range(5))
def test_rounding_never_breaks_a_proof_at_its_edge(seed):
    """A linear net is proved up to its true distance, so that only the slack stands between proof and mistake."""
    net = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 4)), seed)
    net[1].weight.data *= 30
    images = random_images(4, seed, (1, 28, 28))
    labels = evaluation.predict(net, images).labels
    reach = largest(net, images, labels, steps=24)
    weight = net[1].weight.detach()
    directions = (weight - weight[labels][:, None]).sign().view(4, 4, 1, 28, 28)  # of the worst corner for each class

    def corners(eps):
        return (images[:, None] + eps.view(-1, 1, 1, 1, 1) * directions).clamp(0, 1).flatten(0, 1)

    own = labels.repeat_interleave(4)
    assert (evaluation.predict(net, corners(reach)).labels == own).all()
    assert reach.min() > 1e-3, "the slack has eaten the proof"
    beyond = evaluation.predict(net, corners(reach + 5e-4)).labels.view(4, 4)
    assert (beyond != labels[:, None]).any(1).all(), "the proof stops short of where the net does"


def test_without_a_slack_rounding_would_show(monkeypatch):
    net, images = seeded(lambda: models.FC(30), 0), random_images(50, 0, (1, 28, 28))
    truth = copy.deepcopy(net).double()(images.double())
    for broken in (False, True):
        if broken:
            monkeypatch.setattr(intervals, "_slack", lambda terms, values: 0.0)
            monkeypatch.setattr(intervals, "_box", lambda images, eps: (images, images))
        low, high = bounds(net, images, 0.0)
        assert ((truth < low) | (truth > high)).any() == broken


# Right: against a plain twin, and where the answer is known


def plain(net, low, high):
    """The bounds in float64 by the signs of the weights, one output at a time; only for Flatten, Linear and ReLU."""
    low, high = low.double().flatten(1), high.double().flatten(1)
    for layer in net[1:]:
        if isinstance(layer, nn.ReLU):
            low, high = low.clamp_min(0), high.clamp_min(0)
            continue
        lows, highs = [], []
        for row, shift in zip(layer.weight.double(), layer.bias.double(), strict=True):
            up, down = row.clamp_min(0), row.clamp_max(0)
            lows.append(low @ up + high @ down + shift)
            highs.append(high @ up + low @ down + shift)
        low, high = torch.stack(lows, 1), torch.stack(highs, 1)
    return low.detach(), high.detach()


@pytest.mark.parametrize("eps", [0.0, 0.01, 0.3])
def test_the_bounds_are_those_of_a_plain_twin(eps):
    net = seeded(lambda: models.FC(30, 20), 1)
    images = random_images(5, 1, (1, 28, 28))
    low, high = bounds(net, images, eps)
    truth = plain(net, (images - eps).clamp_min(0), (images + eps).clamp_max(1))
    assert (low <= truth[0]).all() and (high >= truth[1]).all()
    torch.testing.assert_close(torch.stack([low, high]).double(), torch.stack(truth), atol=2e-2, rtol=0)
    exact = bounds(copy.deepcopy(net).double(), images.double(), eps)
    torch.testing.assert_close(torch.stack(exact), torch.stack(truth), atol=1e-6, rtol=0)


def test_a_linear_net_has_exact_bounds_and_exact_margins():
    net = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 3)), 2).double()
    image, eps = torch.tensor([0.02, 0.5, 0.9]).double().view(1, 1, 1, 3), 0.2
    sides = [((p - eps).clamp(0, 1), (p + eps).clamp(0, 1)) for p in image.flatten()]
    corners = torch.tensor([*itertools.product(*sides)]).double()
    logits = net(corners.view(-1, 1, 1, 3)).detach()
    low, high = bounds(net, image, eps)
    torch.testing.assert_close(torch.stack([low[0], high[0]]), torch.stack([logits.amin(0), logits.amax(0)]))
    for y in range(3):
        lower = margins(net, image, torch.tensor([y]), eps)[0]
        torch.testing.assert_close(lower, (logits[:, y, None] - logits).amin(0))


def test_the_whole_plane_of_a_net_of_two_pixels_is_inside():
    net = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 3)), 3)
    axis = torch.linspace(0, 1, 101)
    plane = torch.cartesian_prod(axis, axis)
    logits = net(plane.view(-1, 1, 1, 2)).detach()
    names = logits.argmax(1)
    centres = plane[::97]
    for eps in (0.05, 0.2):
        proved = intervals.verified(net, centres.view(-1, 1, 1, 2), names[::97], eps)
        low, high = bounds(net, centres.view(-1, 1, 1, 2), eps)
        near = (plane - centres[:, None]).abs().amax(2) <= eps
        stays = torch.stack([(names[row] == name).all() for row, name in zip(near, names[::97], strict=True)])
        assert proved.any() and not proved.all() and (stays | ~proved).all()
        for row, least, most in zip(near, low, high, strict=True):
            assert (logits[row] >= least).all() and (logits[row] <= most).all()


def test_merging_the_last_layer_proves_more_than_the_bounds_of_the_logits():
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    net[1].weight.data = torch.tensor([[1.0], [0.9]])  # class 0 leads wherever the pixel is above 0
    image, label = torch.full((1, 1, 1, 1), 0.5), torch.tensor([0])
    low, high = bounds(net, image, 0.2)
    assert low[0, 0] < high[0, 1] and intervals.verified(net, image, label, 0.2)


@pytest.mark.parametrize("kind", NETS)
def test_what_the_bounds_prove_the_margins_prove(kind):
    net, images = random_net(kind, 5), random_images(50, 5)
    labels = evaluation.predict(net, images).labels
    low, high = bounds(net, images, 0.01)
    others = high.scatter(1, labels[:, None], float("-inf")).amax(1)
    proved = intervals.verified(net, images, labels, 0.01)
    assert (proved | ~(low.gather(1, labels[:, None])[:, 0] > others)).all()


def test_a_wrong_label_and_a_tie_are_never_proved():
    net, images = random_net("dense", 0), random_images(20, 0)
    wrong = (evaluation.predict(net, images).labels + 1) % 4
    assert not intervals.verified(net, images, wrong, 0.0).any()
    nn.init.zeros_(net[-1].weight), nn.init.zeros_(net[-1].bias)
    assert not intervals.verified(net, images, wrong, 0.0).any()


def test_the_box_ends_at_black_and_white():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    net[1].weight.data = torch.ones(1, 2)
    low, high = bounds(net, torch.tensor([[[[0.0, 1.0]]]]), 0.25)
    assert low.item() == pytest.approx(0.75, abs=1e-4) and high.item() == pytest.approx(1.25, abs=1e-4)


def test_a_larger_box_has_wider_bounds():
    net, images = random_net("convolutions", 0), random_images(5, 0)
    found = [bounds(net, images, eps) for eps in (0.0, 0.01, 0.1, 1.0)]
    for (low, high), (lower, higher) in itertools.pairwise(found):
        assert (lower < low).all() and (higher > high).all()
    assert (found[0][1] - found[0][0]).max() < 1e-2


# What it owes


def test_nothing_but_the_result_is_touched():
    net, images = random_net("convolutions", 0).train(), random_images(4, 0).requires_grad_()
    labels = torch.zeros(4, dtype=torch.int64)
    net[1][1].eval()
    modes = [module.training for module in net.modules()]
    state = {key: value.clone() for key, value in net.state_dict().items()}
    random, before = torch.get_rng_state(), images.detach().clone()
    found = intervals.verified(net, images, labels, 0.1)
    assert not found.requires_grad and torch.equal(images, before) and images.grad is None
    assert [module.training for module in net.modules()] == modes and torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_any_number_of_images_and_colours(monkeypatch):
    net = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)), 0)
    images = random_images(7, 0, (3, 5, 5))
    labels = evaluation.predict(net, images).labels
    eps = largest(net, images, labels, steps=10).median().item()
    whole = intervals.verified(net, images, labels, eps)
    assert 0 < whole.sum() < 7
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 3 * 75 * intervals.COST)  # three images at once
    assert torch.equal(intervals.verified(net, images, labels, eps), whole)


def test_bad_input_is_named():
    net, images, labels = random_net("dense", 0), random_images(2, 0), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="holds a Softmax, and no rule"):
        intervals.verified(nn.Sequential(nn.Flatten(), nn.Softmax(1)), images, labels, 0.1)
    with pytest.raises(ValueError, match="holds a Bare, and no rule"):

        class Bare(nn.Module):
            def forward(self, x):
                return x.flatten(1)

        intervals.verified(Bare(), images, labels, 0.1)
    with pytest.raises(ValueError, match="holds a BatchNorm2d"):
        intervals.verified(
            nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten()), images, labels, 0.1
        )
    for eps, message in ((-0.1, "not below 0"), (float("nan"), "finite"), (8, "for 8 grey levels write 8/255")):
        with pytest.raises(ValueError, match=message):
            intervals.verified(net, images, labels, eps)
    with pytest.raises(TypeError, match=r"images.float\(\) / 255"):
        intervals.verified(net, images.byte(), labels, 0.1)
    with pytest.raises(ValueError, match="cannot take"):
        intervals.verified(net, images[:, :, 1:], labels, 0.1)
    with pytest.raises(TypeError, match="wrap it in one"):
        intervals.verified(lambda x: x, images, labels, 0.1)
    with pytest.raises(ValueError, match="the classes are 0 to 3"):
        intervals.verified(net, images, torch.tensor([0, 4]), 0.1)
    with pytest.raises(ValueError, match="one logit an image"):
        intervals.verified(nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), images, labels * 0, 0.1)


# Training


def test_training_makes_proofs():
    digits = data.mnist("cpu")
    few, unseen = (
        Split(F.avg_pool2d(part.images, 4), part.labels) for part in (digits.train[:2000], digits.test[:500])
    )
    settings = dict(epochs=5, batch=50, progress=False)
    shares = {}
    for name in ("ordinary", "intervals"):
        net = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 40), nn.ReLU(), nn.Linear(40, 10)), 0)
        draw = torch.Generator().manual_seed(0)
        if name == "ordinary":
            training.fit(net, few, **settings, generator=draw)
        else:
            training.fit(net, few, loss=IntervalLoss(0.05), decay=0.0, **settings, generator=draw)
        shares[name] = intervals.verified(net, unseen.images, unseen.labels, 0.05).float().mean().item()
    assert shares["intervals"] > max(0.2, 5 * shares["ordinary"])


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0])
def test_the_loss_is_that_of_the_schedule(warmup, kappa):
    """Weights that cannot move: each loss can be computed by hand."""
    net, images = random_net("curved", 0).double(), random_images(12, 0).double()
    split = Split(images, torch.arange(12) % 3)
    draw = torch.Generator().manual_seed(3)
    orders = [row for _ in range(2) for row in torch.randperm(12, generator=draw).split(4)]
    loss = IntervalLoss(0.02, warmup=warmup, kappa=kappa)
    settings = dict(epochs=2, batch=4, lr=1e-12, decay=0.0, progress=False)
    losses = training.fit(net, split, loss=loss, **settings, generator=torch.Generator().manual_seed(3)).losses
    grown = {0.0: [1.0] * 6, 0.5: [0.0, 0.5, 1.0, 1.0, 1.0, 1.0], 1.0: [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]}[warmup]
    for loss, share, rows in zip(losses, grown, orders, strict=True):
        part = split[rows]
        clean = F.cross_entropy(net(part.images), part.labels)
        lower = margins(net, part.images, part.labels, 0.02 * share)
        worst = (-lower).logsumexp(1).mean()  # the label's own logit is 0
        weight = share * (1 - kappa)
        assert loss == pytest.approx(((1 - weight) * clean + weight * worst).item(), abs=1e-5)


def test_each_batch_is_moved_as_a_whole_and_its_edge_repeated():
    """Weights that cannot move, all images in each batch: each loss is that of one of the nine moves."""
    net, images = random_net("curved", 0).double(), random_images(4, 0).double()
    split = Split(images, torch.arange(4) % 3)
    ends = torch.tensor([0, *range(8), 7])  # the side is 8
    moves = {}
    for down, right in itertools.product(range(3), repeat=2):
        moved = images[:, :, ends[down : down + 8]][:, :, :, ends[right : right + 8]]
        lower = margins(net, moved, split.labels, 0.02)
        moves[down, right] = (-lower).logsumexp(1).mean().item()
    loss = IntervalLoss(0.02, warmup=0, kappa=0, shift=1)
    settings = dict(loss=loss, epochs=40, batch=4, lr=1e-12, decay=0.0, progress=False)
    losses = training.fit(net, split, **settings, generator=torch.Generator().manual_seed(3)).losses
    seen = set()
    for loss in losses:
        apart, move = min((abs(loss - value), move) for move, value in moves.items())
        assert apart < 1e-5
        seen.add(move)
    assert len(seen) == 9


def test_training_refuses_what_it_cannot_use():
    split = Split(random_images(4, 0), torch.tensor([0, 1, 2, 3]))
    for settings, message in (
        (dict(eps=-1), "not below 0"),
        (dict(eps=0.1, kappa=2), "kappa=2: want a number in"),
        (dict(eps=0.1, warmup=-1), "warmup=-1: want a number in"),
        (dict(eps=0.1, shift=-1), "shift=-1: want a whole number of pixels, from 0 to 7"),
        (dict(eps=0.1, shift=1.5), "shift=1.5"),
        (dict(eps=0.1, shift=8), "shift=8"),
    ):
        with pytest.raises(ValueError, match=message):
            training.fit(random_net("dense", 0), split, loss=IntervalLoss(**settings), epochs=1, progress=False)


# The shipped net


@pytest.mark.slow
def test_the_shipped_net_proves_what_it_claims():
    net, digits = zoo.load("small-ibp", device="cpu"), data.mnist("cpu").test
    proved = intervals.verified(net, digits.images, digits.labels, 0.1)
    assert 1 - proved.float().mean().item() <= 0.04
    assert evaluation.accuracy(net, digits) >= 0.98
    rows = proved[:300].nonzero()[:, 0]
    part = digits[:300][rows]
    attacked = pgd(net, part.images, part.labels, 0.1, restarts=2, early_exit=False, progress=False)
    assert (evaluation.predict(net, attacked).labels == part.labels).all()
