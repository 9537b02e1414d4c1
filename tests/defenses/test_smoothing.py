"""Randomised smoothing: bounds that hold as often as they say, exact where the answer is known, all noise kept."""

import math

import pytest
import torch
from scipy.stats import binom, binomtest
from torch import nn

from course_utils import data, models, runtime, training, zoo
from course_utils.attacks import pgd
from course_utils.core import tensors
from course_utils.core.stats import clopper_pearson
from course_utils.defenses import smoothing
from course_utils.defenses.smoothing import Certificate, NoisyLoss, Smoothed, certify, predict_smoothed
from tests.stage import interrupted

ndtri = torch.special.ndtri


def seed(number):
    return torch.Generator().manual_seed(number)


def half_space(distance, pixels=16):
    """A net that names class 0 on one side of a plane, and an image at ``distance`` from it, inside class 0."""
    normal = torch.ones(pixels) / math.sqrt(pixels)
    net = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 2))
    net[1].weight.data = torch.stack([normal, -normal])
    net[1].bias.data = torch.tensor([distance - 0.5 * normal.sum(), 0.5 * normal.sum() - distance])
    return net, torch.full((1, 1, 4, pixels // 4), 0.5)


class Seen(nn.Module):
    """Always names class 1 of 3, and keeps what it was shown."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def forward(self, images):
        self.shown.append(images.clone())
        return torch.tensor([0.0, 1.0, 0.5], dtype=images.dtype).expand(len(images), 3)


class Coins(nn.Module):
    """Names class k with the given chance, by the first pixel's noise around 0.5 at sigma 1."""

    def __init__(self, *chances):
        super().__init__()
        self.edges = ndtri(torch.tensor(chances).cumsum(0)[:-1].double())

    def forward(self, images):
        z = images[:, 0, 0, 0].double() - 0.5
        named = (z[:, None] > self.edges).sum(1)
        return nn.functional.one_hot(named, len(self.edges) + 1).to(images) * 2


# The bound


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_radius_is_too_large_as_often_as_alpha_allows(alpha):
    """For a half space the true radius is the distance: 3,000 certificates of it, and the exact law of their errors."""
    number, samples, sigma, distance = 3000, 100, 0.5, 0.4
    net, image = half_space(distance)
    images = image.expand(number, -1, -1, -1)
    found = certify(net, images, sigma, first=50, samples=samples, alpha=alpha, progress=False)
    p = torch.special.ndtr(torch.tensor(distance / sigma)).item()
    low, _ = clopper_pearson(torch.arange(samples + 1), samples, 1 - 2 * alpha)
    law = sum(binom.pmf(k, samples, p) for k in range(samples + 1) if low[k] > p)
    wrong = ((found.labels == 0) & (found.radii > distance)).double().mean().item()
    assert law <= alpha and wrong == pytest.approx(law, abs=4 * math.sqrt(law / number))
    assert not (found.labels == 1).any()


def test_many_samples_come_near_the_distance():
    net, image = half_space(0.4)
    found = certify(net, image, 0.5, samples=200_000, progress=False)
    assert found.labels.item() == 0 and 0.39 < found.radii.item() <= 0.4
    few = certify(net, image, 0.5, samples=100, progress=False)
    assert 0 < few.radii.item() < found.radii.item()


def test_beyond_the_plane_it_names_the_other_class():
    net, image = half_space(-0.6)
    found = certify(net, image, 0.5, progress=False)
    assert found.labels.item() == 1 and 0.4 < found.radii.item() < 0.6


def test_the_bound_is_the_one_sided_one_of_scipy(monkeypatch):
    draws = iter([torch.tensor([[7, 3], [2, 8], [9, 1]]), torch.tensor([[80, 20], [30, 70], [51, 49]])])
    monkeypatch.setattr(smoothing, "votes", lambda *_: next(draws))
    found = certify(nn.Flatten(), torch.rand(3, 1, 1, 2), 0.7, first=10, samples=100, alpha=0.01, progress=False)
    for k, radius in zip((80, 70), found.radii, strict=False):
        low = binomtest(k, 100, alternative="greater").proportion_ci(0.99, method="exact").low
        assert radius.item() == pytest.approx(0.7 * ndtri(torch.tensor(low)).item(), abs=1e-6)
    assert found.labels.tolist() == [0, 1, -1] and found.radii[2] == 0


def test_the_class_is_chosen_by_other_draws(monkeypatch):
    """The second draws prefer class 1, but the first chose 0: no certificate for either."""
    draws = iter([torch.tensor([[60, 40]]), torch.tensor([[10, 990]])])
    monkeypatch.setattr(smoothing, "votes", lambda *_: next(draws))
    found = certify(nn.Flatten(), torch.rand(1, 1, 1, 2), 1.0, progress=False)
    assert found.labels.item() == -1 and found.radii.item() == 0


def test_agreement_of_all_draws_gives_the_largest_radius():
    found = certify(Seen(), torch.rand(3, 1, 2, 2), 0.25, samples=500, alpha=0.01, progress=False)
    most = 0.25 * ndtri(torch.tensor(0.01 ** (1 / 500)).double()).item()
    assert found.labels.tolist() == [1, 1, 1] and found.radii.tolist() == pytest.approx([most] * 3, abs=1e-6)


def test_a_coin_gets_no_certificate():
    images = torch.full((400, 1, 1, 1), 0.5)
    found = certify(Coins(0.5, 0.5), images, 1.0, samples=200, alpha=0.05, progress=False)
    assert (found.labels >= 0).sum() <= 400 * 0.05 + 4 * math.sqrt(400 * 0.05)
    assert (found.radii[found.labels < 0] == 0).all()


def test_predict_needs_no_majority():
    images = torch.full((20, 1, 1, 1), 0.5)
    net = Coins(0.45, 0.3, 0.25)
    assert (predict_smoothed(net, images, 1.0, samples=2000, progress=False) == 0).all()
    assert (certify(net, images, 1.0, samples=2000, progress=False).labels == -1).all()
    assert (predict_smoothed(Coins(0.5, 0.5), images, 1.0, samples=100, progress=False) == -1).sum() >= 18


@pytest.mark.parametrize("counts", [[60, 40, 0], [90, 10, 0], [0, 100, 0], [30, 45, 25], [40, 35, 25], [65, 35, 0]])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_predict_is_the_binomial_test_of_scipy(monkeypatch, counts, alpha):
    monkeypatch.setattr(smoothing, "votes", lambda *_: torch.tensor([counts]))
    named = predict_smoothed(nn.Flatten(), torch.rand(1, 1, 1, 3), 1.0, alpha=alpha, progress=False).item()
    second, most = sorted(counts)[1:]
    agreed = binomtest(most, most + second, 0.5).pvalue <= alpha
    assert named == (counts.index(most) if agreed else -1)


# The noise and the passes


def test_the_noise_is_whole_and_its_own_for_each_copy():
    net, image = Seen(), torch.rand(1, 1, 8, 8)
    certify(net, image, 0.5, first=1, samples=2000, progress=False)
    noise = torch.cat([batch for batch in net.shown if len(batch) > 1]) - image
    assert (noise + image).min() < -0.5 and (noise + image).max() > 1.5
    assert noise.std().item() == pytest.approx(0.5, rel=0.02) and abs(noise.mean().item()) < 0.01
    assert len(noise.flatten(1).unique(dim=0)) == 2000


def test_the_passes_are_no_more_than_needed_and_no_larger_than_fits():
    net = Seen()
    certify(net, torch.rand(7, 3, 32, 32), 0.5, first=13, samples=101, progress=False)
    sizes = [len(batch) for batch in net.shown if len(batch) > 1]
    size = tensors.portion(torch.empty(7, 3, 32, 32))
    assert sum(sizes) == 7 * (13 + 101) and max(sizes) == size
    assert len(sizes) == math.ceil(91 / size) + math.ceil(707 / size)


def test_the_counts_are_those_of_a_plain_twin(monkeypatch):
    torch.manual_seed(0)
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).eval(), torch.rand(6, 1, 8, 8)
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 50 * 64)  # one image at a time
    draw = seed(5)
    with runtime.progress_bar(1, "", False) as bar:
        counts = smoothing.votes(net, images, 0.3, 50, seed(5), bar)
    for image, row in zip(images, counts, strict=True):
        noise = torch.randn(50, 1, 8, 8, generator=draw)
        named = [net(image[None] + 0.3 * each).argmax().item() for each in noise]
        assert row.tolist() == [named.count(k) for k in range(5)]


def test_nothing_but_the_result_is_touched():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(16, 3)).train()
    net[1].eval()
    images = torch.rand(3, 1, 4, 4, requires_grad=True)
    before, random = images.detach().clone(), torch.get_rng_state()
    found = certify(net, images, 0.25, progress=False)
    again = certify(net, images, 0.25, progress=False)
    assert torch.equal(found.labels, again.labels) and torch.equal(found.radii, again.radii)
    other = certify(net, images, 0.25, generator=seed(9), progress=False)
    assert not torch.equal(found.radii, other.radii)
    predict_smoothed(net, images, 0.25, progress=False)
    assert net.training and not net[1].training and torch.equal(torch.get_rng_state(), random)
    assert torch.equal(images, before) and images.grad is None and not found.radii.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())


def test_float64_goes_through():
    found = certify(Seen(), torch.rand(2, 1, 2, 2, dtype=torch.float64), 0.25, progress=False)
    assert found.radii.dtype == torch.float64 and found.labels.dtype == torch.int64


def test_an_interrupt_keeps_the_images_that_are_done(monkeypatch, capsys):
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 200 * 4)  # 200 copies: the first draws of two images, 0.2 of the rest
    found = certify(interrupted(Seen(), 6), torch.rand(3, 1, 2, 2), 0.25, first=100, samples=200, progress=False)
    assert found.labels.tolist() == [1, -1, -1] and found.radii[0] > 0 and (found.radii[1:] == 0).all()
    assert "without all of their draws abstain" in capsys.readouterr().out
    net = interrupted(Seen(), 2)  # it stops among the draws that choose the class: then nothing more is asked
    found = certify(net, torch.rand(3, 1, 2, 2), 0.25, first=300, samples=200, progress=False)
    assert found.labels.tolist() == [-1, -1, -1] and net.passes == 2


def test_bad_input_is_named():
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.rand(2, 1, 2, 2)
    for sigma, message in ((0, "above 0"), (-1, "above 0"), (float("nan"), "above 0"), (64, "write 64/255")):
        for call in (certify, predict_smoothed, Smoothed, NoisyLoss):
            with pytest.raises(ValueError, match=message):
                call(*{Smoothed: (net, sigma), NoisyLoss: (sigma,)}.get(call, (net, images, sigma)))
    for alpha in (0, 0.5, 1, -1):
        for call in (certify, predict_smoothed):
            with pytest.raises(ValueError, match=f"alpha={alpha}: want the probability"):
                call(net, images, 0.25, alpha=alpha)
    with pytest.raises(ValueError, match="that proves nothing at alpha="):
        certify(net, images, 0.25, samples=9)
    assert certify(Seen(), images, 0.25, samples=10, progress=False).radii.min() > 0
    for settings in (dict(samples=0), dict(first=0), dict(samples=2.5)):
        with pytest.raises(ValueError, match="want a whole number"):
            certify(net, images, 0.25, **settings)
    with pytest.raises(TypeError, match=r"images.float\(\) / 255"):
        certify(net, (255 * images).byte(), 0.25)
    with pytest.raises(ValueError, match="probabilities, not logits"):
        certify(nn.Sequential(net, nn.Softmax(1)), images, 0.25)
    with pytest.raises(TypeError, match="wrap it in one"):
        Smoothed(lambda x: x, 0.25)
    with pytest.raises(ValueError, match="labels have shape"):
        Certificate(torch.tensor([1]), torch.tensor([0.5])).accuracy(torch.tensor([1, 2]))


def test_certified_accuracy_counts_right_labels_beyond_the_radius():
    found = Certificate(torch.tensor([3, -1, 7, 2]), torch.tensor([0.5, 0.0, 1.0, 2.0]))
    labels = torch.tensor([3, 1, 7, 1])
    assert [found.accuracy(labels, radius) for radius in (0.0, 0.5, 0.6, 1.5)] == [0.5, 0.5, 0.25, 0.0]


# Attacks, and training


def test_smoothed_is_the_mean_of_the_softmax():
    torch.manual_seed(0)
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), torch.rand(4, 1, 4, 4)
    soft = Smoothed(net, 0.5, samples=7)
    random = torch.get_rng_state()
    noise = torch.randn(7, 1, 4, 4, generator=seed(0))
    mean = torch.stack([net(images + 0.5 * each).softmax(1) for each in noise]).mean(0)
    torch.testing.assert_close(soft(images), mean.log())
    assert torch.equal(soft(images), soft(images)) and torch.equal(torch.get_rng_state(), random)
    assert not soft.eval().model.training


@pytest.fixture(scope="module")
def hardened():
    """A dense net trained in noise of 0.5 on 2,000 digits."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = models.FC(50)
    split = data.mnist("cpu").train[:2000]
    settings = dict(epochs=4, batch=50, generator=seed(0), progress=False)
    assert training.fit(net, split, loss=NoisyLoss(0.5), **settings).finished
    return net.eval()


def test_training_meets_new_noise_in_each_step():
    """Weights that cannot move: each loss can be computed by hand."""
    net = models.FC(20)
    split = data.mnist("cpu").train[:60]
    settings = dict(epochs=2, batch=20, lr=1e-12, progress=False)
    losses = training.fit(net, split, loss=NoisyLoss(0.5), **settings, generator=seed(3)).losses
    draw, expected = seed(3), []
    for _ in range(2):
        for rows in torch.randperm(60, generator=draw).split(20):
            noise = torch.randn(20, 1, 28, 28, generator=draw)
            logits = net(split.images[rows] + 0.5 * noise)
            expected.append(nn.functional.cross_entropy(logits, split.labels[rows]).item())
    assert losses == pytest.approx(expected, abs=1e-5)


def test_an_attack_respects_the_radius_and_not_what_lies_beyond(hardened):
    digits = data.mnist("cpu").test[:40]
    found = certify(hardened, digits.images, 0.5, progress=False)
    right = digits[found.labels == digits.labels]
    radii = found.radii[found.labels == digits.labels]
    soft = Smoothed(hardened, 0.5, samples=16)
    fallen = {}
    for eps in (0.5, 2.5):
        attacked = pgd(soft, right.images, right.labels, eps, norm="l2", steps=10, early_exit=False, progress=False)
        named = predict_smoothed(hardened, attacked, 0.5, samples=1000, generator=seed(7), progress=False)
        fallen[eps] = (named >= 0) & (named != right.labels)
    assert (radii > 0.5).sum() > 10 and not (fallen[0.5] & (radii > 0.5)).any()
    assert fallen[2.5].float().mean() > 0.3  # the attack works where nothing is proved


# The shipped nets


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("noise-0.25", 0.9), ("noise-0.5", 0.85), ("noise-1", 0.5)])
def test_the_shipped_nets_prove_what_they_claim(name, least):
    digits, sigma = data.mnist("cpu").test[:100], float(name.removeprefix("noise-"))
    found = certify(zoo.load(name, device="cpu"), digits.images, sigma, progress=False)
    assert found.accuracy(digits.labels, radius=sigma) >= least
