"""The probability of a flip: exact where a formula exists, in agreement between the two ways, clear about bad input."""

import pytest
import torch
from scipy import integrate
from scipy import stats as laws
from torch import nn

from course_utils import data, evaluation
from course_utils.core import stats, tensors
from course_utils.dimensions.flip_probability import (
    FlipEstimate,
    flip_probability,
    flip_probability_splitting,
)

GREY = torch.full((1, 1, 2, 2), 0.5)
ZERO = torch.tensor([0])


class Beyond(nn.Module):
    """Class 1 where every one of some linear functions of the change from grey is above its bound."""

    def __init__(self, normals, bounds):
        super().__init__()
        self.normals = nn.Parameter(torch.tensor(normals))
        self.bounds = nn.Parameter(torch.tensor(bounds))

    def forward(self, images):
        inside = (images.flatten(1)[:, : self.normals.shape[1]] - 0.5) @ self.normals.T - self.bounds
        lead = inside.amin(1)
        return torch.stack([torch.zeros_like(lead), lead], 1)


def half_space(bound):
    return Beyond([[1.0]], [bound])


def seeded(number):
    return torch.Generator().manual_seed(number)


def exact(law, bound, size, d):
    """The probability that the first of ``d`` numbers of a change is above ``bound``."""
    if law == "gaussian":
        return laws.norm.sf(bound / size)
    half = (d - 1) / 2 if law == "sphere" else (d + 1) / 2
    return laws.beta.sf((1 + bound / size) / 2, half, half)


@pytest.mark.parametrize("law", ["gaussian", "ball", "sphere"])
def test_counts_agree_with_the_formula_for_a_half_space(law):
    images = torch.full((2, 3, 2, 2), 0.5)
    found = flip_probability(
        half_space(0.3), images, torch.tensor([0, 1]), 0.6, law=law, samples=20_000, progress=False
    )
    share = exact(law, 0.3, 0.6, 12)
    low, high = stats.clopper_pearson(found.counts, found.samples, 0.999)
    assert low[0] < share < high[0] and low[1] < 1 - share < high[1]
    assert found.samples == 20_000 and found.counts.dtype == torch.int64


@pytest.mark.parametrize("law", ["ball", "sphere"])
def test_changes_have_the_length_that_the_law_says(law):
    lengths = []

    class Watching(nn.Module):
        def forward(self, images):
            lengths.append((images - 0.5).flatten(1).norm(dim=1))
            return images.flatten(1)

    flip_probability(Watching(), GREY, ZERO, 0.7, law=law, samples=5000, progress=False)
    lengths = torch.cat(lengths[1:])  # the first call looks at the clean image
    if law == "sphere":
        torch.testing.assert_close(lengths, torch.full_like(lengths, 0.7))
    else:
        assert laws.kstest((lengths / 0.7).numpy(), lambda share: share**4).pvalue > 0.01


def test_the_plain_twin_counts_the_same(net):
    digits = data.mnist("cpu").test[:40]
    labels = evaluation.predict(net, digits.images).labels
    found = flip_probability(net, digits.images, labels, 0.5, samples=300, generator=seeded(1), progress=False)
    generator, plain = seeded(2), torch.zeros(40)
    for _ in range(300):
        noise = 0.5 * torch.randn(digits.images.shape, generator=generator)
        with torch.no_grad():
            plain += net(digits.images + noise).argmax(1) != labels
    gap = (found.counts - plain) / (found.counts + plain + 2).sqrt()
    assert plain.sum() > 500 and gap.abs().max() < 4 and gap.square().mean() < 1.6


def test_memory_does_not_grow_with_the_samples_nor_with_the_images(monkeypatch):
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 4 * 30)
    largest = []

    class Watching(nn.Module):
        def forward(self, images):
            largest.append(len(images))
            return images.flatten(1)

    for number, samples in ((1, 100), (7, 10), (50, 3)):
        found = flip_probability(
            Watching(), GREY.expand(number, -1, -1, -1), ZERO.expand(number), 1.0, samples=samples, progress=False
        )
        assert (
            found.samples == samples and (found.counts <= samples).all() and found.counts.float().mean() > samples / 2
        )
    assert max(largest) <= 30 and sum(largest) == 3 + 100 + 70 + 150


def test_an_interrupt_hands_back_whole_rounds(capsys, monkeypatch):
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 4 * 2)
    calls = []

    class Stopped(nn.Module):
        def forward(self, images):
            calls.append(len(images))
            if len(calls) == 7:
                raise KeyboardInterrupt
            return images.flatten(1)[:, :2] * 0 + torch.tensor([0.0, 2.0])

    found = flip_probability(Stopped(), GREY.expand(4, -1, -1, -1), ZERO.expand(4), 1.0, samples=9, progress=False)
    assert found.samples == 2 and found.counts.tolist() == [2, 2, 2, 2]
    assert "Interrupted" in capsys.readouterr().out


# rare events


@pytest.mark.parametrize("bound", [0.5, 9.2623])
def test_splitting_is_right_on_average_and_knows_its_error(bound):
    share = laws.norm.sf(bound)  # down to 1e-20
    repeats = GREY.double().expand(150, -1, -1, -1)
    model = half_space(bound).double()
    found = flip_probability_splitting(
        model, repeats, ZERO.expand(150), 1.0, particles=300, generator=seeded(1), progress=False
    )
    ratio = found.probabilities / share
    assert abs(ratio.mean() - 1) < 3.5 * ratio.std() / 150**0.5
    assert 0.75 < found.errors.mean() / ratio.std() < 1.3


@pytest.mark.parametrize("law", ["ball", "sphere"])
@pytest.mark.parametrize("bound", [0.8])
def test_splitting_agrees_with_the_formula_for_the_cap_of_a_ball_and_a_sphere(law, bound):
    images = torch.full((60, 1, 5, 5), 0.5)
    found = flip_probability_splitting(
        half_space(bound), images, ZERO.expand(60), 1.0, law=law, generator=seeded(2), progress=False
    )
    ratio = found.probabilities / exact(law, bound, 1.0, 25)
    assert abs(ratio.mean() - 1) < 3.5 * ratio.std() / 60**0.5 and ratio.std() < 0.5


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.8])
def test_splitting_agrees_with_the_integral_for_the_meeting_of_two_half_spaces(correlation):
    rest = (1 - correlation**2) ** 0.5
    model = Beyond([[1.0, 0.0], [correlation, rest]], [2.5, 3.0])
    share, _ = integrate.quad(
        lambda x: laws.norm.pdf(x) * laws.norm.cdf((correlation * x - 3.0) / rest), 2.5, 14, points=[3, 4, 6]
    )
    found = flip_probability_splitting(
        model, GREY.expand(80, -1, -1, -1), ZERO.expand(80), 1.0, generator=seeded(3), progress=False
    )
    ratio = found.probabilities / share
    assert share < 2e-3 and abs(ratio.mean() - 1) < 3.5 * ratio.std() / 80**0.5


def test_splitting_agrees_with_plain_counts_for_many_faces():
    normals = torch.nn.functional.normalize(torch.randn(30, 8, generator=seeded(0)), dim=1)

    class Outside(nn.Module):
        """Class 1 outside a polytope."""

        def forward(self, images):
            lead = ((images.flatten(1) - 0.5) @ normals.T - 4.0).amax(1)
            return torch.stack([torch.zeros_like(lead), lead], 1)

    images = torch.full((40, 2, 2, 2), 0.5)
    found = flip_probability_splitting(Outside(), images, ZERO.expand(40), 1.0, progress=False)
    counts = flip_probability(Outside(), images[:1], ZERO, 1.0, samples=400_000, progress=False).counts
    low, high = stats.clopper_pearson(counts, 400_000, 0.99)
    mean, error = found.probabilities.mean(), found.probabilities.std() / 40**0.5
    assert low - 2 * error < mean < high + 2 * error


def test_splitting_agrees_with_plain_counts_for_a_network(net):
    digits = data.mnist("cpu").test[:60]
    labels = evaluation.predict(net, digits.images).labels
    first = flip_probability(net, digits.images, labels, 0.35, samples=150, progress=False).counts
    some = ((first > 0) & (first < 8)).nonzero()[:2, 0]
    images, labels = digits.images[some], labels[some]
    found = flip_probability_splitting(net, images, labels, 0.35, generator=seeded(5), progress=False)
    counts = flip_probability(net, images, labels, 0.35, samples=8000, generator=seeded(6), progress=False).counts
    low, high = stats.clopper_pearson(counts, 8000, 0.99)
    reach = 1 + 2.5 * found.errors
    assert ((found.probabilities > low / reach) & (found.probabilities < high * reach)).all()
    assert len(some) == 2 and (found.errors < 0.3).all()


def test_each_image_has_its_own_answer():
    class Own(nn.Module):
        """The bound is written in the second pixel; images whose own noise is large do not come near 0.01 here."""

        def forward(self, images):
            x = images.flatten(1)
            return torch.stack([x[:, 1:].mean(1) * 100, x[:, 0] * 100], 1)

    images = torch.zeros(4, 1, 10, 10)
    images[:, :, :, :] = torch.tensor([0.1, 0.3, 0.02, 0.5]).view(4, 1, 1, 1)
    images[:, :, 0, 0] = 0
    found = flip_probability_splitting(Own(), images, ZERO.expand(4), 0.1, particles=2000, progress=False)
    distance = torch.tensor([0.1, 0.3, 0.02, 0.5], dtype=torch.float64) / (1 + 1 / 99) ** 0.5
    expected = torch.special.log_ndtr(-distance / 0.1).exp()
    assert ((found.probabilities / expected).log().abs() < 4 * found.errors).all()
    assert torch.isfinite(found.probabilities).all()


def test_certain_and_impossible_flips():
    found = flip_probability_splitting(half_space(-20.0), GREY, ZERO, 1.0, progress=False)
    assert found.probabilities == 1 and found.errors < 1e-7
    constant = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.zeros_(constant[1].weight)
    constant[1].bias.data = torch.tensor([2.0, 0.0])
    stuck = flip_probability_splitting(constant, GREY, ZERO, 1.0, progress=False)
    assert stuck.probabilities == 0 and stuck.errors.isnan()
    far = flip_probability_splitting(half_space(15.0), GREY, ZERO, 1.0, particles=20, progress=False)  # 4e-51
    assert far.probabilities == 0 and far.errors.isnan()


def test_an_interrupt_leaves_the_rest_unknown(capsys, monkeypatch):
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 4 * 100)
    calls = []

    class Stopped(nn.Module):
        def forward(self, images):
            calls.append(len(images))
            if len(calls) == 3:
                raise KeyboardInterrupt
            return images.flatten(1)[:, :2] * 0 + torch.tensor([0.0, 2.0])

    found = flip_probability_splitting(
        Stopped(), GREY.expand(3, -1, -1, -1), ZERO.expand(3), 1.0, particles=100, progress=False
    )
    assert found.probabilities[0] == 1 and found.probabilities[1:].isnan().all()
    assert "Interrupted" in capsys.readouterr().out


# bad input

BAD = {
    "choose among gaussian, ball, sphere": dict(law="uniform"),
    "a radius above 0": dict(size=0.0),
    "write 25/255": dict(size=25),
}


@pytest.mark.parametrize("run", [flip_probability, flip_probability_splitting])
@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_a_message_that_helps(run, message):
    settings = dict(images=GREY, labels=ZERO, size=1.0) | BAD[message]
    with pytest.raises((TypeError, ValueError), match=message):
        run(half_space(1.0), progress=False, **settings)


@pytest.mark.parametrize("settings", [dict(samples=0), dict(samples=1.5)])
def test_impossible_numbers_of_samples_are_refused(settings):
    with pytest.raises(ValueError, match="samples"):
        flip_probability(half_space(1.0), GREY, ZERO, 1.0, progress=False, **settings)


@pytest.mark.parametrize("settings", [dict(particles=9), dict(particles=2.5)])
def test_impossible_populations_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        flip_probability_splitting(half_space(1.0), GREY, ZERO, 1.0, progress=False, **settings)


def test_splitting_works_inside_inference_mode():
    with torch.inference_mode():
        found = flip_probability_splitting(half_space(1.0), GREY, ZERO, 1.0, particles=20, progress=False)
    assert found.probabilities.isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_measures_the_same():
    model = half_space(3.0).cuda()
    images, labels = GREY.expand(20, -1, -1, -1).cuda(), ZERO.expand(20).cuda()
    found = flip_probability(model, images, labels, 1.0, samples=20_000, progress=False)
    assert isinstance(found, FlipEstimate) and found.counts.is_cuda
    assert found.counts.double().mean().item() / 20_000 == pytest.approx(laws.norm.sf(3), rel=0.15)
    for generator in (None, seeded(0), torch.Generator("cuda").manual_seed(0)):
        found = flip_probability_splitting(model, images, labels, 1.0, generator=generator, progress=False)
        assert found.probabilities.mean().item() == pytest.approx(laws.norm.sf(3), rel=0.2)
