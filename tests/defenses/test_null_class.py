"""The class for nonsense: what is added, what each round trains on and reports, and that it learns what it is shown."""

import copy

import pytest
import torch
from torch import nn

from course_utils import data, evaluation, models, runtime, training
from course_utils.data import Split
from course_utils.defenses import null_class
from course_utils.defenses.null_class import Round, null_class_rounds, with_null_class
from course_utils.fooling import ascend

QUIET = dict(progress=False)


def small(classes=3, dtype=torch.float32, bias=True):
    """A net with a mode, for images of 1 x 4 x 4."""
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.0), nn.Linear(8, classes, bias=bias)
    return nn.Sequential(*layers).to(dtype).eval()


def split(number=40, classes=3, seed=1, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(number, 1, 4, 4, generator=draw).to(dtype)
    return Split(images, torch.arange(number) % classes)


def noise(model, generator):
    """Two images for each of three classes."""
    return torch.rand(6, 1, 4, 4, generator=generator).to(next(model.parameters()))


def run(model=None, breed=noise, **settings):
    settings = dict(test=split(seed=2), rounds=3, digits=20, **QUIET) | settings
    return null_class_rounds(small() if model is None else model, settings.pop("split", split()), breed, **settings)


# One more output


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
def test_the_old_logits_stay_and_the_new_one_is_their_mean(dtype, bias):
    model, images = small(dtype=dtype, bias=bias), split(dtype=dtype).images
    outputs, wide = model(images), with_null_class(model)
    assert wide(images).shape == (40, 4) and wide(images).dtype == dtype
    assert torch.allclose(wide(images)[:, :3], outputs, atol=1e-6)
    assert torch.allclose(wide(images)[:, 3], outputs.mean(1), atol=1e-6)


def test_no_label_changes_on_digits(net):
    images = data.mnist("cpu").test.images[:500]
    assert torch.equal(evaluation.predict(with_null_class(net), images).labels, evaluation.predict(net, images).labels)


def test_the_copy_is_a_copy():
    model = small()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    wide = with_null_class(model)
    with torch.no_grad():
        for parameter in wide.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in wide.modules()) and all(p.requires_grad for p in wide.parameters())


@pytest.mark.parametrize("build", [models.LeNet5, models.CaffeLeNet, models.Strided, models.FC])
def test_the_nets_of_the_course_can_be_widened(build):
    assert with_null_class(build())(torch.rand(2, 1, 28, 28)).shape == (2, 11)


class Wrapped(nn.Module):
    pass


@pytest.mark.parametrize(
    "model", [nn.Linear(4, 3), Wrapped(), nn.Sequential(), nn.Sequential(nn.Linear(4, 3), nn.ReLU())]
)
def test_only_a_dense_layer_at_the_end_takes_a_row(model):
    with pytest.raises(TypeError, match=r"ends in nn\.Linear"):
        with_null_class(model)
    with pytest.raises(TypeError, match=r"ends in nn\.Linear"):
        run(model)


def test_a_single_class_cannot_be_bred_for():
    one = split(classes=1)
    with pytest.raises(ValueError, match="one logit an image, and there have to be at least 2 classes"):
        next(run(small(1), split=one, test=one))


# Round after round


def test_the_first_round_is_the_model_itself():
    model = small()
    before = copy.deepcopy(model.state_dict())
    first, second, third = run(model)
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert [r.model[-1].out_features for r in (first, second, third)] == [3, 4, 4]
    for state in (model.state_dict(), first.model.state_dict()):
        assert all(torch.equal(value, before[name]) for name, value in state.items())
    weights = [r.model[1].weight for r in (first, second, third)]
    assert not torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def test_a_record_says_what_a_plain_count_says():
    test = split(seed=2)
    for record in run(test=test):
        with torch.no_grad():
            shares = record.model(record.images).softmax(1)
            right = record.model(test.images).argmax(1) == test.labels
        plain = torch.tensor([shares[row, row % 3] for row in range(6)])
        assert torch.allclose(record.confidences, plain, atol=1e-6)
        assert record.accuracy == pytest.approx(right.double().mean().item(), abs=1e-6)
        assert not record.model.training


def test_the_summary_of_known_confidences():
    confidences = torch.tensor([0.1, 0.9999, 1.0, 0.95])
    record = Round(1, nn.Flatten(), torch.rand(4, 1, 2, 2), confidences, 1.0)
    assert record.median == pytest.approx((0.95 + 0.9999) / 2)


def test_each_net_is_bred_against_when_it_is_asked_for():
    met = []

    def breed(model, generator):
        met.append(model)
        return noise(model, generator)

    records = run(breed=breed)
    assert not met
    for number, record in enumerate(records, start=1):
        assert len(met) == number and met[-1] is record.model


def test_a_training_holds_digits_and_all_images_so_far(monkeypatch):
    mixtures, fit = [], training.fit

    def spy(model, mixture, **settings):
        mixtures.append(mixture)
        return fit(model, mixture, **settings)

    monkeypatch.setattr(training, "fit", spy)
    digits = split(number=300)
    records = list(run(split=digits, rounds=4, digits=90))
    drawn = []
    for number, mixture in enumerate(mixtures, start=1):
        none = mixture.labels == 3
        assert len(mixture) == 120 and none.sum() == 30
        bred = torch.cat([r.images for r in records[:number]]).flatten(1)
        found, times = mixture.images[none].flatten(1).unique(dim=0, return_counts=True)
        assert torch.equal(found, bred.unique(dim=0))
        assert times.max() - times.min() <= 1
        rows = (mixture.images[~none].flatten(1)[:, None] == digits.images.flatten(1)).all(2).float().argmax(1)
        assert len(rows.unique()) == 90 and torch.equal(mixture.labels[~none], digits.labels[rows])
        drawn.append(set(rows.tolist()))
    assert drawn[0] != drawn[1] != drawn[2]


def test_more_bred_images_than_fit_are_drawn_from():
    def breed(model, generator):
        return torch.rand(300, 1, 4, 4, generator=generator)

    mixture = null_class._mixture(split(), breed(None, runtime.seed(0)), 60, 3, runtime.seed(1))
    none = mixture.images[mixture.labels == 3].flatten(1)
    assert len(none) == 20 == len(none.unique(dim=0))
    assert [r.number for r in run(breed=breed, rounds=2)] == [1, 2]


def test_a_run_can_be_repeated_and_leaves_the_global_numbers_alone():
    state = torch.get_rng_state()
    one, two, other = (list(run(generator=torch.Generator().manual_seed(s))) for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a.confidences, b.confidences) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[-1].confidences, other[-1].confidences)


def test_float64_and_other_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    digits = Split(torch.rand(20, 3, 2, 2, dtype=torch.float64), torch.arange(20) % 2)

    def breed(net, generator):
        return torch.rand(4, 3, 2, 2, generator=generator, dtype=torch.float64)

    last = list(null_class_rounds(model, digits, breed, test=digits, rounds=2, **QUIET))[-1]
    assert last.confidences.dtype == torch.float64


def test_it_refuses_what_it_was_shown_and_still_names_digits(net):
    digits = data.mnist("cpu")
    climbed = ascend(net, torch.arange(10).repeat(3), steps=40, **QUIET)
    shown, unseen = climbed[:20], climbed[20:]
    settings = dict(test=digits.test[:500], rounds=2, digits=4000, epochs=3, **QUIET)
    first, second = null_class_rounds(net, digits.train, lambda net, generator: shown, **settings)
    assert second.median < 0.1 < 0.9 < first.median and second.accuracy > first.accuracy - 0.05
    assert (evaluation.predict(second.model, unseen).labels == 10).double().mean() > 0.9


def test_an_interrupted_training_ends_the_rounds(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *arguments, **settings: training.History(finished=False))
    assert [record.number for record in run()] == [1]


# What is refused, and when


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (dict(rounds=0), ValueError, "rounds=0"),
        (dict(digits=2.5), ValueError, r"digits=2\.5"),
        (dict(breed=None), TypeError, "breed is a NoneType"),
        (dict(split=torch.rand(4, 1, 4, 4)), TypeError, r"pass digits\.train"),
        (dict(test=None), TypeError, r"pass digits\.train"),
        (dict(split=split(classes=4)), ValueError, "labels run from 0 to 3"),
        (dict(test=split(classes=4)), ValueError, "labels run from 0 to 3"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, error, message):
    with pytest.raises(error, match=message):
        run(**settings)


@pytest.mark.parametrize(
    ("bred", "error", "message"),
    [
        (torch.rand(4, 1, 4, 4), ValueError, r"4 images for 3 classes: .*images\[:3\]"),
        (torch.full((3, 1, 4, 4), 200.0), ValueError, "divide by 255"),
        ([1, 2, 3], TypeError, "not a tensor"),
    ],
)
def test_bad_bred_images_are_refused(bred, error, message):
    with pytest.raises(error, match=message):
        next(run(breed=lambda model, generator: bred))
