"""Off-manifold scores, the classifier that rejects by them, and how well they tell images apart."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation
from course_utils.attacks import carlini_wagner, choose_targets, deepfool, distances, pgd
from course_utils.manifold import detection, scores
from course_utils.manifold.reject_option import RejectOption

SCORES = ("neighbour", "autoencoder", "vae")
everyone = pytest.mark.parametrize("name", SCORES)


def build(name, images, **settings):
    """The score of that name for these images."""
    if name == "neighbour":
        return scores.Neighbour(images)
    return getattr(scores, name)(images, **dict(epochs=1, progress=False) | settings)


def area(inside, outside):
    false_alarms, hits = detection.roc(inside, outside)
    return torch.trapezoid(hits, false_alarms).item()


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:2000]


@pytest.fixture(scope="module")
def held_out():
    return data.mnist("cpu").test[:500]


@pytest.fixture(scope="module")
def built(digits):
    """Every score, for 2,000 digits."""
    return {name: build(name, digits.images, epochs=8, batch=50) for name in SCORES}


# What every score owes


@everyone
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 9), (4, 1, 7), (1, 1, 1)])
def test_images_of_any_shape(name, shape):
    score = build(name, torch.rand(20, *shape))
    found = score(torch.rand(3, *shape))
    assert found.shape == (3,) and found.isfinite().all()


@everyone
def test_the_gradient_is_that_of_finite_differences(name):
    images = torch.rand(40, 1, 4, 4, dtype=torch.float64)
    score = build(name, images)
    inside = (0.2 + 0.6 * torch.rand(3, 1, 4, 4, dtype=torch.float64)).requires_grad_()
    assert score(inside).dtype == torch.float64
    assert torch.autograd.gradcheck(score, inside)


@everyone
def test_nothing_but_the_result_is_touched(name):
    images = torch.rand(60, 1, 6, 6)
    before, random = images.clone(), torch.get_rng_state()
    score = build(name, images)
    first = score(images)
    assert torch.equal(score(images), first)
    assert torch.equal(torch.get_rng_state(), random) and torch.equal(images, before)
    assert all(p.requires_grad and p.grad is None for p in score.parameters())


@everyone
def test_an_image_gets_the_same_score_in_any_batch(name, built, held_out):
    images = held_out.images[:7]
    alone = torch.cat([built[name](image[None]) for image in images])
    assert torch.allclose(built[name](images), alone, rtol=1e-4, atol=1e-3)
    assert torch.allclose(scores.off_manifold(built[name], images), alone, rtol=1e-4, atol=1e-3)


@everyone
def test_digits_are_nearer_than_other_images(name, built, held_out):
    inside = scores.off_manifold(built[name], held_out.images)
    noise = torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    turned = held_out.images[held_out.labels == 7].rot90(1, (2, 3))
    assert area(inside, scores.off_manifold(built[name], noise)) == 1
    assert area(inside, scores.off_manifold(built[name], turned)) > 0.75
    assert 0.4 < area(inside, scores.off_manifold(built[name], data.mnist("cpu").test[500:1000].images)) < 0.6


@everyone
def test_a_step_down_the_gradient_lowers_the_score(name, built, held_out):
    images = held_out.images[:50].clone().requires_grad_()
    score = built[name](images)
    slope = evaluation.gradient(score.sum(), images)
    moved = images.detach() - 0.05 * slope / slope.flatten(1).norm(dim=1)[:, None, None, None]
    assert (built[name](moved) < score).all()


@everyone
def test_images_of_another_shape_are_refused(name, built):
    with pytest.raises(ValueError, match=r"made for images of shape \(1, 28, 28\), not \(1, 27, 28\)"):
        built[name](torch.rand(2, 1, 27, 28))


@everyone
def test_images_of_another_type_are_refused(name, built):
    with pytest.raises(ValueError, match=r"torch.float32, not torch.float64: write images.to\(torch.float32\)"):
        built[name](torch.rand(2, 1, 28, 28).double())


@everyone
def test_weights_and_points_travel_with_the_state(name, built, held_out):
    other = build(name, torch.rand(2000, 1, 28, 28), generator=torch.Generator().manual_seed(5))
    images = held_out.images[:5]
    assert not torch.allclose(other(images), built[name](images), rtol=1e-3)
    other.load_state_dict(built[name].state_dict())
    assert torch.equal(other(images), built[name](images))


@pytest.mark.parametrize("name", SCORES[1:])
def test_the_generator_decides_the_training(name):
    images = torch.rand(100, 1, 5, 5)
    first, second, third, silent = (
        build(name, images, generator=None if seed is None else torch.Generator().manual_seed(seed))(images)
        for seed in (1, 1, 2, None)
    )
    assert torch.equal(first, second) and not torch.equal(first, third)
    torch.rand(3)
    assert torch.equal(silent, build(name, images)(images))


@everyone
@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.rand(5, 28, 28), ValueError, r"not \(N, C, H, W\)"),
        (torch.full((5, 1, 2, 2), 9.0), ValueError, "grey levels"),
        (torch.zeros(5, 1, 2, 2, dtype=torch.uint8), TypeError, "/ 255"),
    ],
)
def test_points_outside_the_convention_are_refused(name, images, error, message):
    with pytest.raises(error, match=message):
        build(name, images)


@pytest.mark.parametrize("name", SCORES[1:])
def test_impossible_settings_are_refused(name):
    with pytest.raises(ValueError, match="epochs=0"):
        build(name, torch.rand(5, 1, 2, 2), epochs=0)


@pytest.mark.parametrize("name", SCORES[1:])
def test_an_interrupted_training_keeps_the_best_weights(name, monkeypatch, capsys):
    left = 4  # the schedule takes a step when it is made

    def press(*_, **__):
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.lr_scheduler.OneCycleLR, "step", lambda self: press())
    score = build(name, torch.rand(1000, 1, 4, 4), epochs=5)
    assert left == 0 and "Interrupted after 2 of 20" in capsys.readouterr().out
    assert scores.off_manifold(score, torch.rand(3, 1, 4, 4)).shape == (3,)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@everyone
def test_a_gpu_finds_what_the_cpu_finds(name, built, net, held_out):
    images, labels = held_out.images[:10], held_out.labels[:10]
    here = scores.off_manifold(built[name], images)
    remote = copy.deepcopy(built[name]).cuda()
    there = scores.off_manifold(remote, images)
    assert there.is_cuda and torch.allclose(there.cpu(), here, rtol=1e-3, atol=1e-2)
    guarded = RejectOption(copy.deepcopy(net).cuda(), remote, here.median().item())
    assert pgd(guarded, images, labels, 0.1, targets=(labels + 1) % 10, steps=2, progress=False).device == images.device
    assert build(name, held_out.images.cuda())(images.cuda()).is_cuda


# Each score by itself


@pytest.mark.parametrize("k", [1, 3, 20])
def test_neighbour_agrees_with_all_distances(k, digits, held_out):
    points, images = digits.images[:300], held_out.images[:20]
    plain = torch.cdist(images.flatten(1).double(), points.flatten(1).double()).sort(1).values[:, k - 1]
    found = scores.Neighbour(points, k)(images)
    assert torch.allclose(found.double(), plain, atol=1e-5)


def test_neighbour_pulls_straight_towards_the_point():
    points = torch.zeros(2, 1, 1, 2)
    points[1] = 1
    images = torch.tensor([[[[0.3, 0.4]]], [[[1.0, 1.0]]]], requires_grad=True)
    score = scores.Neighbour(points, 1)
    assert torch.allclose(score(images), torch.tensor([0.5, 0.0]))
    slope = evaluation.gradient(score(images).sum(), images)
    assert torch.allclose(slope.flatten(1), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))  # at a point: 0, not NaN


def test_neighbour_keeps_the_points_without_a_copy():
    points = torch.rand(10, 1, 3, 3)
    assert scores.Neighbour(points).points.data_ptr() == points.data_ptr()


def test_stopping_the_search_for_neighbours_stops_the_attack(net, held_out, monkeypatch, capsys):
    """A stopped search hands back the rows it has: they must not pass for those of all images."""
    guarded = RejectOption(net, scores.Neighbour(held_out.images[:50]), 5.0)
    whole, calls = scores.nearest, []

    def stopped(queries, *args, **kwargs):
        calls.append(len(queries))
        found = whole(queries, *args, **kwargs)
        return found if len(calls) < 4 else type(found)(found.distances[:3], found.rows[:3])

    monkeypatch.setattr(scores, "nearest", stopped)
    images, labels = held_out.images[:9], held_out.labels[:9]
    changed = pgd(guarded, images, labels, 0.1, targets=(labels + 1) % 10, steps=20, progress=False)
    assert len(calls) == 4 and "Interrupted" in capsys.readouterr().out
    assert changed.shape == images.shape and (changed - images).abs().max() <= 0.1 + 1e-6


@pytest.mark.parametrize("k", [0, 1.5, 11])
def test_neighbour_refuses_a_k_that_is_not_there(k):
    with pytest.raises(ValueError, match=rf"k={k}"):
        scores.Neighbour(torch.rand(10, 1, 3, 3), k)


def test_reconstruction_is_the_length_of_what_is_lost(built, held_out):
    images, score = held_out.images[:20], built["autoencoder"]
    back = score.rebuild(images)
    assert back.shape == images.shape and back.min() >= 0 and back.max() <= 1
    assert torch.allclose(score(images), distances.l2(images, back))


def test_the_autoencoder_has_learnt_digits_it_has_not_seen(built, digits, held_out):
    """The mean digit, a code of no numbers at all, leaves far more."""
    error = scores.off_manifold(built["autoencoder"], held_out.images).mean()
    assert error < 0.6 * distances.l2(held_out.images, digits.images.mean(0).expand_as(held_out.images)).mean()


def test_likelihood_is_a_bound_on_a_density_known_by_integration():
    """With two pixels and a code, log p(x) can be integrated: by drawing codes from q and weighing them."""
    score = scores.vae(torch.rand(2000, 1, 1, 2).round() * 0.6 + 0.2, epochs=20, progress=False)
    image, spread = torch.tensor([[[[0.2, 0.8]]]]), score.log_spread.exp().item()
    with torch.no_grad():
        mean, log_variance = score.encoder(image.flatten(1)).chunk(2, 1)
        noise = torch.randn(200_000, scores.CODE, generator=torch.Generator().manual_seed(0))
        codes = mean + (log_variance / 2).exp() * noise
        normal = torch.distributions.Normal
        log_x = normal(score.decoder(codes).sigmoid(), spread).log_prob(image.flatten(1)).sum(1)
        log_q = normal(mean, (log_variance / 2).exp()).log_prob(codes).sum(1)
        log_z = normal(0.0, 1.0).log_prob(codes).sum(1)
        exact = -((log_x + log_z - log_q).logsumexp(0) - math.log(len(codes))).item()
        bound = -(log_x + log_z - log_q).mean().item()
        found = torch.stack([score.bound(image, part[:, None])[0] for part in noise.split(1000)]).mean().item()
    assert found == pytest.approx(bound, abs=0.02)
    assert exact < bound
    assert score(image).item() == pytest.approx(bound, abs=0.5)  # eight draws


def test_likelihood_learns_the_spread_of_its_noise():
    """Noise of a known size around one picture: nothing else is to be learnt, and -log p(x) is known."""
    generator = torch.Generator().manual_seed(0)
    images = 0.5 + 0.05 * torch.randn(4000, 1, 5, 5, generator=generator)
    score = scores.vae(images.clamp(0, 1), epochs=40, lr=0.01, progress=False)
    assert score.log_spread.exp().item() == pytest.approx(0.05, rel=0.1)
    entropy = 25 * (math.log(0.05) + math.log(2 * math.pi * math.e) / 2)
    assert scores.off_manifold(score, images.clamp(0, 1)).mean().item() == pytest.approx(entropy, abs=1)


def test_likelihood_has_mirrored_draws(built):
    noise = built["vae"].noise
    assert torch.equal(noise[: scores.DRAWS], -noise[scores.DRAWS :]) and noise.shape == (8, 1, scores.CODE)


# measure


class Brightness(nn.Module):
    """A score with a mode and without parameters."""

    def forward(self, images):
        assert not self.training and not torch.is_grad_enabled()
        return images.flatten(1).mean(1)


def test_measure_works_in_evaluation_mode_without_gradients():
    score = Brightness().train()
    assert torch.allclose(scores.off_manifold(score, torch.ones(5, 1, 2, 2, requires_grad=True)), torch.ones(5))
    assert score.training


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (torch.zeros(3, 1), r"shape \(3, 1\) for 3 images"),
        (torch.zeros(()), r"shape \(\) for 3 images"),
        (None, "a NoneType for 3 images"),
        (torch.full((3,), float("nan")), "NaN or infinity"),
    ],
)
def test_a_score_that_is_none_is_refused(result, message):
    class Wrong(nn.Module):
        def forward(self, images):
            return result

    with pytest.raises(ValueError, match=message):
        scores.off_manifold(Wrong(), torch.rand(3, 1, 2, 2))
    with pytest.raises(ValueError, match=message):
        RejectOption(nn.Flatten(), Wrong(), 0.0)(torch.rand(3, 1, 2, 2))


def test_measure_refuses_a_function():
    with pytest.raises(TypeError, match="wrap it in one"):
        scores.off_manifold(lambda images: images, torch.rand(3, 1, 2, 2))


# Guarded


@everyone
@pytest.mark.parametrize("unit", [0.1, 1.0, 50.0])
def test_the_last_class_wins_exactly_above_the_threshold(name, unit, built, net, held_out):
    score = built[name]
    found = scores.off_manifold(score, held_out.images)
    limit = found.double().quantile(0.7).item()
    limit += 1e-3 * found.std().item()  # on none of the images
    guarded = RejectOption(net, score, limit, unit)
    outputs = evaluation.logits(guarded, held_out.images)
    plain = evaluation.logits(net, held_out.images)
    assert outputs.shape == (500, 11) and torch.equal(outputs[:, :10], plain)
    assert torch.equal(outputs.argmax(1) == 10, found > limit)
    assert torch.equal(guarded.accepted(held_out.images), found <= limit)
    assert torch.allclose(outputs[:, 10] - plain.amax(1), (found - limit) / unit, rtol=1e-3, atol=1e-3)


def test_a_score_at_the_threshold_is_accepted_whatever_the_sign_of_the_logits():
    class Level(nn.Module):
        def forward(self, images):
            return images[:, 0, 0, 0]

    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    for bias in (-5.0, 5.0):
        nn.init.zeros_(model[1].weight)
        nn.init.constant_(model[1].bias, bias)
        images = torch.tensor([0.25, 0.5, 0.75]).view(3, 1, 1, 1)
        assert RejectOption(model, Level(), 0.5).accepted(images).tolist() == [True, True, False]


def test_gradients_flow_through_the_model_and_the_score(built, net, held_out):
    images = held_out.images[:5].clone().requires_grad_()
    guarded = RejectOption(net, built["neighbour"], 5.0, unit=2.0)
    slope = evaluation.gradient(guarded(images)[:, 10].sum(), images)
    model, score = net(images).amax(1).sum(), built["neighbour"](images).sum()
    assert torch.allclose(slope, evaluation.gradient(model, images) + evaluation.gradient(score, images) / 2, atol=1e-5)


def test_guarded_is_a_module_like_any_other(built, net):
    guarded = RejectOption(net, built["autoencoder"], 1.0)
    assert len(list(guarded.parameters())) == len(list(net.parameters())) + len(list(built["autoencoder"].parameters()))
    with evaluation.mode(guarded, True):
        assert net.training and built["autoencoder"].training
    assert not net.training
    assert guarded.double()(torch.rand(1, 1, 28, 28).double()).dtype == torch.float64
    guarded.float()


@pytest.mark.parametrize(
    ("model", "score", "settings", "error", "message"),
    [
        (F.relu, Brightness(), {}, TypeError, "the model is a .*function"),
        (nn.Flatten(), F.relu, {}, TypeError, "the score is a .*function"),
        (nn.Flatten(), Brightness(), dict(threshold=math.nan), ValueError, "threshold=nan"),
        (nn.Flatten(), Brightness(), dict(threshold=math.inf), ValueError, "threshold=inf"),
        (nn.Flatten(), Brightness(), dict(unit=0), ValueError, "unit=0"),
        (nn.Flatten(), Brightness(), dict(unit=math.inf), ValueError, "unit=inf"),
    ],
)
def test_guarded_refuses_nonsense(model, score, settings, error, message):
    with pytest.raises(error, match=message):
        RejectOption(model, score, **dict(threshold=1.0) | settings)


@pytest.fixture(scope="module")
def guards(built, net, held_out):
    """For each score: the net behind it, at 5 % false alarms on digits that are not attacked."""
    found = {name: scores.off_manifold(score, held_out.images[200:]) for name, score in built.items()}
    return {name: RejectOption(net, built[name], detection.threshold(s), s.std().item()) for name, s in found.items()}


@pytest.fixture(scope="module")
def victims(guards, net, held_out):
    """40 digits that the net names correctly and that no score rejects, and for each its nearest wrong class."""
    split = held_out[:200]
    good = evaluation.predict(net, split.images).labels == split.labels
    for guarded in guards.values():
        good &= guarded.accepted(split.images)
    split = split[good][:40]
    return split, choose_targets(net, split.images, split.labels, "nearest")


@everyone
def test_an_attack_through_the_detector_beats_one_that_does_not_know_it(name, guards, net, victims):
    split, targets = victims
    settings = dict(eps=0.3, targets=targets, steps=30, progress=False)
    blind = pgd(net, split.images, split.labels, **settings, early_exit=False)
    knows = pgd(guards[name], split.images, split.labels, **settings)
    blind, knows = (evaluation.predict(guards[name], x).labels == targets for x in (blind, knows))
    assert knows.float().mean() > max(0.9, blind.float().mean() + 0.1)


@everyone
def test_the_smallest_change_past_the_detector_is_no_smaller_than_without_it(name, guards, net, victims):
    split, targets = victims
    images, labels, targets = split.images[:6], split.labels[:6], targets[:6]
    plain = carlini_wagner(net, images, labels, targets=targets, steps=60, search_steps=6, progress=False)
    changed = carlini_wagner(guards[name], images, labels, targets=targets, steps=60, search_steps=6, progress=False)
    there = evaluation.predict(guards[name], changed).labels == targets
    assert there.float().mean() > 0.8
    ratio = distances.l2(images, changed)[there] / distances.l2(images, plain)[there]
    assert ratio.min() > 0.9


def test_without_targets_being_rejected_counts_as_success(guards, victims):
    split, _ = victims
    changed = deepfool(guards["neighbour"], split.images, split.labels, progress=False)
    assert (evaluation.predict(guards["neighbour"], changed).labels == 10).any()


# detection


def some(number, levels, generator):
    return torch.randint(levels, (number,), generator=generator).float()


@pytest.mark.parametrize("levels", [2, 5, 100000])
@pytest.mark.parametrize("sizes", [(1, 1), (7, 30), (200, 3)])
def test_the_area_under_the_curve_is_that_of_mann_and_whitney(levels, sizes):
    generator = torch.Generator().manual_seed(levels)
    inside, outside = some(sizes[0], levels, generator), some(sizes[1], levels, generator) + 0.4 * levels // 1
    expected = stats.mannwhitneyu(outside.double().numpy(), inside.double().numpy()).statistic / (sizes[0] * sizes[1])
    assert area(inside, outside) == pytest.approx(expected, abs=1e-12)
    assert area(outside, inside) == pytest.approx(1 - expected, abs=1e-12)


def test_the_curve_holds_every_threshold_once():
    inside, outside = torch.tensor([1.0, 2.0, 2.0, 5.0]), torch.tensor([2.0, 4.0])
    false_alarms, hits = detection.roc(inside, outside)
    assert false_alarms.tolist() == [0, 0.25, 0.25, 0.75, 1] and hits.tolist() == [0, 0, 0.5, 1, 1]


def test_area_of_the_extremes():
    low, high = torch.arange(5.0), torch.arange(5.0) + 10
    assert area(low, high) == 1 and area(high, low) == 0 and area(low, low) == 0.5


@pytest.mark.parametrize("number", [1, 19, 20, 1000])
def test_the_threshold_lets_no_more_than_its_share_be_rejected(number):
    inside = torch.randn(number, generator=torch.Generator().manual_seed(number)).round(decimals=1)
    limit = detection.threshold(inside)
    assert (inside > limit).float().mean() <= detection.ALARMS
    lower = inside[inside < limit]
    if len(lower):
        assert (inside > lower.max()).double().mean() > detection.ALARMS


def test_a_threshold_on_distinct_scores_uses_the_whole_share():
    inside = torch.from_numpy(np.random.default_rng(0).permutation(200)).float()
    assert (inside > detection.threshold(inside)).sum() == 10


@pytest.mark.parametrize(
    ("scores_", "error", "message"),
    [
        ([1.0, 2.0], TypeError, "list, not a tensor"),
        (torch.rand(3, 2), ValueError, r"shape \(3, 2\)"),
        (torch.rand(0), ValueError, r"shape \(0,\)"),
        (torch.tensor([1.0, math.nan]), ValueError, "holds NaN"),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused(scores_, error, message):
    with pytest.raises(error, match="inside.*" + message):
        detection.roc(scores_, torch.rand(2))
    with pytest.raises(error, match="outside.*" + message):
        detection.roc(torch.rand(2), scores_)
    with pytest.raises(error, match="inside.*" + message):
        detection.threshold(scores_)
