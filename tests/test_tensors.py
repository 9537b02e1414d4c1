"""Whose tensors they are, of which type, how many: what holds for everything that is handed a network."""

import copy
from dataclasses import replace
from functools import partial
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import attacks, data, evaluation, exercises, models, objectives, training, zoo
from course_utils.arena import sandbox
from course_utils.collisions import invariance, match_logits, null_space
from course_utils.data import Split
from course_utils.defenses import adversarial, distillation, evaluate, intervals, null_class, smoothing, squeezing
from course_utils.dimensions import boundary_distance, flip_probability, single_pixels, spheres
from course_utils.exercises import desk
from course_utils.fooling import CPPN, Direct, ascend, map_elites
from course_utils.manifold import reject_option, scores
from course_utils.objectives import margin
from course_utils.widgets import breeding, drawing_pad, explorer
from course_utils.zoo import mnist
from course_utils.zoo.sparse_code import learn_codes

SHAPE, CLASSES = (1, 6, 6), 3
QUIET = dict(progress=False)
PAIRS = torch.arange(4).view(2, 2)  # of pixels


class Centred(nn.Module):
    """A network that first brings its images to another range, in place or not."""

    def __init__(self, net, in_place):
        super().__init__()
        self.net, self.in_place = net, in_place

    def forward(self, x):
        x = x if self.in_place else x.clone()
        x -= 0.3
        return self.net(x.mul_(2).clamp_(-0.5, 1.2))


class Farther(Centred):
    """A score, one number an image, that works so."""

    def forward(self, x):
        return super().forward(x).square().sum(1)


def network(dtype=None, outputs=CLASSES):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 20, dtype=dtype), nn.Tanh(), nn.Linear(20, outputs, dtype=dtype))
    with torch.no_grad():
        net[1].weight.mul_(4), net[3].weight.mul_(4)
    return net


def images(dtype, number=8):
    generator = torch.Generator().manual_seed(5)
    return torch.rand(number, *SHAPE, generator=generator, dtype=torch.float32).to(dtype)


def source():
    return torch.Generator().manual_seed(0)


def split_for(model, dtype):
    """Images that the model names rightly."""
    x = images(dtype)
    with torch.no_grad():
        return Split(x, model(x.clone()).argmax(1))


def trained(fit):
    """The weights after a training, and its losses."""

    def call(model, split):
        model = copy.deepcopy(model)
        history = fit(model, split)
        return *model.parameters(), torch.tensor(history.losses)

    return call


def first_litter(model, split):
    with mock.patch.object(breeding, "ENCODING", CPPN(SHAPE)):  # of the size of these networks
        return breeding.first(model, source()).images


def scene(canvas, number, generator):
    return canvas.expand(number, -1, -1, -1) * 0.9


def query_counter(model, split):
    """Both answers that the judge gives to an attack in another process."""
    at, weights = sandbox.QueryCounter(model, 100, SHAPE), torch.eye(CLASSES)[split.labels].to(split.images)
    return at.answer(split.images, keep=True), at.answer(split.images, weights)


def shortly(fit):
    return lambda m, s, **how: fit(m, s, epochs=2, batch=3, generator=source(), **how, **QUIET)


ATTACKS = {
    "fgsm": lambda m, x, y: attacks.fgsm(m, x, y, 0.1),
    "fgsm in l2, targets": lambda m, x, y: attacks.fgsm(m, x, y, 0.5, norm="l2", targets="random"),
    "pgd": lambda m, x, y: attacks.pgd(m, x, y, 0.1, steps=4, restarts=2, **QUIET),
    "pgd, all steps": lambda m, x, y: attacks.pgd(m, x, y, 0.5, norm="l2", loss="margin", early_exit=False, **QUIET),
    "lbfgs": lambda m, x, y: attacks.lbfgs(m, x, y, steps=10, search_steps=2, **QUIET),
    "deepfool": lambda m, x, y: attacks.deepfool(m, x, y, **QUIET),
    "deepfool in linf": lambda m, x, y: attacks.deepfool(m, x, y, norm="linf", **QUIET),
    "carlini_wagner": lambda m, x, y: attacks.carlini_wagner(m, x, y, steps=10, search_steps=2, **QUIET),
    "square": lambda m, x, y: attacks.square(m, x, y, 0.1, queries=30, **QUIET),
    "decision": lambda m, x, y: attacks.hop_skip_jump(m, x, y, queries=150, **QUIET),
    "decision, coarse": lambda m, x, y: attacks.hop_skip_jump(m, x, y, queries=150, detail=3, **QUIET),
    "universal": lambda m, x, y: attacks.universal(m, x, y, 0.2, steps=5, **QUIET),
    "expectation": lambda m, x, y: attacks.eot(m, scene, x, (y + 1) % CLASSES, steps=3, batch=2, **QUIET),
    "explorer": lambda m, x, y: explorer.run(m, x[:1], y[:1], "carlini & wagner", 0.1, 5),
}
CALLS = {
    **{name: lambda m, s, attack=attack: attack(m, s.images, s.labels) for name, attack in ATTACKS.items()},
    "logits": lambda m, s: evaluation.logits(m, s.images),
    "predict": lambda m, s: evaluation.predict(m, s.images),
    "accuracy": lambda m, s: torch.tensor(evaluation.accuracy(m, s)),
    "choose_targets": lambda m, s: attacks.choose_targets(m, s.images, s.labels, "nearest"),
    "map_elites, direct": lambda m, s: _bred(m, Direct(SHAPE)),
    "map_elites, crossed": lambda m, s: _bred(m, Direct(SHAPE, crossover=True)),
    "map_elites, cppn": lambda m, s: _bred(m, CPPN(SHAPE)),
    "breed": first_litter,
    "ascend": lambda m, s: ascend(m, s.labels, steps=5, shape=SHAPE, regularizer="total_variation", **QUIET),
    "fit": trained(shortly(training.fit)),
    "adversarial, fast": trained(lambda m, s: shortly(training.fit)(m, s, loss=adversarial.OneStep(0.1))),
    "adversarial, pgd": trained(lambda m, s: shortly(training.fit)(m, s, loss=adversarial.ManySteps(0.1, steps=2))),
    "trades": trained(lambda m, s: shortly(training.fit)(m, s, loss=adversarial.Trades(0.1, steps=2))),
    "distil": trained(lambda m, s: shortly(distillation.distil)(m, s, temperature=5.0)),
    "noise": trained(lambda m, s: shortly(training.fit)(m, s, loss=smoothing.NoisyLoss(0.2))),
    "certify": lambda m, s: smoothing.certify(m, s.images, 0.2, first=20, samples=100, **QUIET),
    "smoothing.predict_smoothed": lambda m, s: smoothing.predict_smoothed(m, s.images, 0.2, **QUIET),
    "a smoothed net": lambda m, s: ATTACKS["pgd"](smoothing.Smoothed(m, 0.2), s.images, s.labels),
    "a squeezed net": lambda m, s: _straight(m, s),
    "robust accuracy": lambda m, s: _climbed(m, s),
    "a guarded net": lambda m, s: attacks.pgd(_guard(m), s.images, s.labels, 0.1, **QUIET),
    "what is accepted": lambda m, s: _guard(m).accepted(s.images),
    "a guard itself": lambda m, s: _guard(m)(s.images).detach(),
    "flips": lambda m, s: flip_probability.flip_probability(m, s.images, s.labels, 0.3, samples=40, **QUIET).counts,
    "rare": lambda m, s: flip_probability.flip_probability_splitting(
        m, s.images[:2], s.labels[:2], 0.3, particles=20, **QUIET
    ),
    "nearest": lambda m, s: boundary_distance.boundary_distance(m, s.images, s.labels, turns=1, **QUIET),
    "survival": lambda m, s: single_pixels.survival(m, s.images[:1], s.labels[:1], **QUIET),
    "effects": lambda m, s: single_pixels.effects(m, s.images[:2]),
    "joint": lambda m, s: single_pixels.joint(m, s.images, s.labels, PAIRS, draws=9, **QUIET),
    "invariant": lambda m, s: invariance.invariant(m, s.images, s.labels, _others(s), 0.3, **QUIET),
    "large margin": trained(lambda m, s: shortly(training.fit)(m, s, loss=margin.large_margin, lr=0.01, decay=0.0)),
    "calibrate": lambda m, s: torch.tensor(objectives.calibrate(m, s).temperature),
    "the arena's query counter": query_counter,
}
COMPARED = {
    "collide": lambda m, s: match_logits(m, s.images, s.images.flip(0), steps=2, **QUIET),
    "unseen": lambda m, s: null_space.jacobian_null_space(m, s.images, s.images.flip(0)),
    "reach": lambda m, s: null_space.distance_until_logits_move(m, s.images, s.images.flip(0), 0.1),
}


def _bred(model, encoding):
    archive = map_elites(model, encoding, generations=5, population=20, **QUIET)
    return archive.images, archive.confidence, archive.history


def _straight(model, split):
    return ATTACKS["pgd"](squeezing.straight_through(squeezing.Squeezed(model, 4)), split.images, split.labels)


def _climbed(model, split):
    climbed = evaluate.robust_accuracy(model, split.images, split.labels, 0.1, queries=10, nearest=1, **QUIET)
    return climbed.images, *climbed.per_attack.values()


def _guard(model):
    score = Farther(getattr(model, "net", model), getattr(model, "in_place", False))
    return reject_option.RejectOption(model, score, threshold=3.0, unit=2.0)


def _others(split):
    return Split(split.images.flip(2), (split.labels + 1) % CLASSES)


def tensors(found):
    return [found] if isinstance(found, torch.Tensor) else list(found)


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


every_call = pytest.mark.parametrize("name", [*CALLS, *COMPARED])


@every_call
def test_a_network_that_works_in_place_changes_what_nobody_needs(name):
    """The same result as from its twin that copies first, and the images as they were."""
    found = []
    for in_place in (False, True):
        model = Centred(network(), in_place)
        split = split_for(model, torch.float32)
        before = split.images.clone()
        found.append(tensors((CALLS | COMPARED)[name](model, split)))
        assert torch.equal(split.images, before)
    for twin, own in zip(*found, strict=True):
        torch.testing.assert_close(own, twin, rtol=0, atol=0, equal_nan=True)


def test_a_score_that_works_in_place_changes_no_image():
    x = images(torch.float32)
    before = x.clone()
    plain, own = (scores.off_manifold(Farther(network(), in_place), x) for in_place in (False, True))
    assert torch.equal(x, before) and torch.equal(plain, own)


@every_call
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_give_the_type_and_not_torch(name, dtype, float64):
    model = network(dtype)
    split = split_for(model, dtype)
    found = tensors((CALLS | COMPARED)[name](model, split))
    if name in ATTACKS or name in ("logits", "ascend", "map_elites, direct", "map_elites, cppn", "breed", "effects"):
        assert {each.dtype for each in found} == {dtype}


@every_call
def test_everything_runs_where_only_deterministic_operations_are_allowed(name, deterministic):
    model = network()
    (CALLS | COMPARED)[name](model, split_for(model, torch.float32))


ASK = ("the arena's query counter",)  # the network themselves


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ASK])
def test_a_single_logit_names_no_class(name):
    split = Split(images(torch.float32), torch.zeros(8, dtype=torch.int64))
    with pytest.raises(ValueError, match="one logit an image, and there have to be at least 2 classes"):
        CALLS[name](network(outputs=1), split)


@pytest.mark.parametrize("name", COMPARED)
def test_a_single_logit_can_be_compared(name):
    split = Split(images(torch.float32), torch.zeros(8, dtype=torch.int64))
    COMPARED[name](network(outputs=1), split)


# Torch's own type


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:300]


@pytest.mark.parametrize("name", ["fc500-150", "ae400"])
def test_a_recipe_makes_the_same_network(name, digits, monkeypatch, tmp_path, request):
    monkeypatch.setattr(data, "mnist", lambda device: data.MNIST(digits, digits))
    recipe = mnist.RECIPES[name]
    monkeypatch.setitem(mnist.RECIPES, name, replace(recipe, train=partial(recipe.train, epochs=1)))
    found = []
    for folder in ("first", "second"):
        monkeypatch.setenv("COURSE_HOME", str(tmp_path / folder))
        found.append([*zoo.load(name, device="cpu", **QUIET).parameters()])
        request.getfixturevalue("float64")  # for the second
    for first, second in zip(*found, strict=True):
        assert second.dtype == torch.float32 and torch.equal(first, second)


def test_what_the_course_ships_stays_float32(digits, float64):
    for name in ("small-fast", "small-ibp"):
        model = zoo.load(name, device="cpu")
        assert next(model.parameters()).dtype == torch.float32
        assert evaluation.accuracy(model, digits) > 0.9
        assert drawing_pad.confidences(model, torch.zeros(1, 1, 28, 28)).sum() == pytest.approx(1)


TRAINERS = {
    "fit": lambda m, s, **how: training.fit(m, s, **how),
    "with a penalty": lambda m, s, **how: training.fit(m, s, penalty=lambda net: net[-1].weight.square().sum(), **how),
    "adversarial": lambda m, s, **how: training.fit(m, s, loss=adversarial.OneStep(0.1), **how),
    "trades": lambda m, s, **how: training.fit(m, s, loss=adversarial.Trades(0.1, steps=1), **how),
    "distil": lambda m, s, **how: distillation.distil(m, s, temperature=5.0, **how),
    "smoothing": lambda m, s, **how: training.fit(m, s, loss=smoothing.NoisyLoss(0.25), **how),
    "intervals": lambda m, s, **how: training.fit(m, s, loss=intervals.IntervalLoss(0.05), **how),
}
every_trainer = pytest.mark.parametrize("trainer", TRAINERS)


@every_trainer
def test_a_network_is_trained_in_the_type_of_the_images(trainer, digits, float64):
    model = nn.Sequential(nn.Conv2d(1, 4, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 10))
    assert TRAINERS[trainer](model, digits, epochs=1, **QUIET).finished
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert 0 <= evaluation.accuracy(model, digits) <= 1


def test_objectives_scores_and_autoencoders_take_the_type_of_the_images(digits, float64):
    how = dict(epochs=1, **QUIET)
    encoder = nn.Linear(784, 16)
    assert learn_codes(encoder, digits, lr=0.01, **how).finished
    assert encoder.weight.dtype == torch.float32
    for score in (scores.autoencoder(digits.images, **how), scores.vae(digits.images, **how)):
        assert scores.off_manifold(score, digits.images[:5]).dtype == torch.float32
    net = objectives.rbf_lenet(digits, **how)
    assert evaluation.logits(net, digits.images[:5]).dtype == torch.float32


def test_a_class_for_nonsense_takes_the_type_of_the_digits(digits, float64):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    found = null_class.null_class_rounds(
        model, digits, lambda net, source: torch.rand(10, 1, 28, 28), test=digits, rounds=2, digits=100, **QUIET
    )
    assert [len(each.images) for each in found] == [10, 10]


@pytest.mark.parametrize("exercise", exercises.every(), ids=lambda e: e.id)
def test_the_reference_is_right_whatever_the_type(exercise, float64):
    exercise.examine(exercise.reference)
    assert torch.get_default_dtype() == torch.float64


# Lazy networks


def lazy(*first):
    return nn.Sequential(*first, nn.LazyConv2d(4, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))


@every_trainer
def test_a_lazy_network_is_trained(trainer, digits):
    model = lazy()
    assert TRAINERS[trainer](model, digits, epochs=1, **QUIET).finished
    assert [tuple(each.shape) for each in model.parameters()] == [(4, 1, 4, 4), (4,), (10, 196), (10,)]
    assert all(each.requires_grad for each in model.parameters())


def test_a_lazy_network_with_batch_normalisation(digits):
    model = nn.Sequential(nn.LazyConv2d(4, 5), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10))
    assert training.fit(model, digits, epochs=1, **QUIET).finished


def test_a_lazy_network_that_does_not_fit_is_named(digits):
    with pytest.raises(ValueError, match=r"cannot take torch\.float32 images of shape"):
        training.fit(lazy(nn.Conv2d(3, 3, 3)), digits, epochs=1, **QUIET)


def test_lazy_networks_elsewhere(digits):
    how = dict(epochs=1, **QUIET)
    assert evaluation.logits(lazy(), digits.images[:3]).shape == (3, 10)
    encoder = nn.LazyLinear(16)
    assert learn_codes(encoder, digits, lr=0.01, **how).finished and encoder.weight.shape == (16, 784)
    loss = lambda net, x, y: F.cross_entropy(net(x), y)  # noqa: E731
    assert objectives.train(lazy, digits, loss, **how)[0].weight.shape == (4, 1, 4, 4)
    for attack in (attacks.fgsm, attacks.square):
        assert attack(lazy(), digits.images[:2], digits.labels[:2], 0.1).shape == (2, 1, 28, 28)
    fresh = dict(test=digits, rounds=2, digits=100, **QUIET)
    found = null_class.null_class_rounds(lazy(), digits, lambda net, source: torch.rand(10, 1, 28, 28), **fresh)
    assert [each.model[-1].out_features for each in found] == [10, 11]
    sphere = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(2))
    assert spheres.train_spheres(sphere, 5, samples=251, batch=25, **QUIET).finished


def test_a_twin_that_is_distilled_begins_as_its_teacher(digits, monkeypatch):
    begun = []

    def watched(student, *rest, **how):
        begun.append([each.detach().clone() for each in student.parameters()])
        return training.fit(student, *rest, **how)

    monkeypatch.setattr(distillation, "fit", watched)
    distillation.distil(lazy(), digits, temperature=5.0, epochs=1, **QUIET)
    assert all(map(torch.equal, *begun))


def test_lenet_may_be_written_lazily():
    def lenet5():
        return nn.Sequential(
            models.Normalise([0.1307], [0.3081]),
            *(nn.LazyConv2d(6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.LazyConv2d(16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.LazyLinear(120), nn.ReLU(), nn.LazyLinear(84), nn.ReLU(), nn.LazyLinear(10)),
        )

    desk._find("1.1").examine(lenet5)


# A last batch of one


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 8, 9, 257])
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 128])
def test_no_image_is_left_alone(number, batch):
    seen, numbers = [], torch.arange(float(number)).view(-1, 1, 1, 1) / 256
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))

    def look(net, images, _):
        seen.append((256 * images).long().flatten())
        return net(images).mean()

    training.fit(model, Split(numbers, numbers), loss=look, epochs=2, batch=batch, generator=source(), **QUIET)
    rounds = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    for batches in rounds:
        sizes = [len(rows) for rows in batches]
        assert torch.cat(batches).sort().values.tolist() == list(range(number))
        assert max(sizes) <= batch + 1
        assert batch == 1 or number == 1 or min(sizes) > 1
    plain = torch.randperm(number, generator=source()).split(batch)
    if len(plain[-1]) > 1 or len(plain) == 1:  # as ever, where no image would be alone
        assert all(map(torch.equal, rounds[0], plain)) and len(rounds[0]) == len(plain)


@every_trainer
@pytest.mark.parametrize("number", [257, 129])
def test_batch_normalisation_meets_no_image_alone(trainer, number, digits):
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 28), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 10))
    )  # one place in each channel
    ends = []
    watch = dict(on_report=lambda history: ends.append(1), every=None)
    history = TRAINERS[trainer](model, digits[:number], epochs=3, batch=128, **watch, **QUIET)
    assert history.finished and len(history.losses) == 3 * (number // 128)
    assert len(ends) == (6 if trainer == "distil" else 3)


@every_trainer
def test_one_image_and_batch_normalisation_is_explained(trainer, digits):
    model = nn.Sequential(nn.Conv2d(1, 4, 28), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 10))
    with pytest.raises(ValueError, match="batch normalisation cannot learn from one image at a time"):
        TRAINERS[trainer](model, digits[:1], epochs=1, **QUIET)
    with pytest.raises(ValueError, match="batch=2 or more"):
        TRAINERS[trainer](model, digits[:5], epochs=1, batch=1, **QUIET)
    assert TRAINERS[trainer](lazy(), digits[:1], epochs=1, **QUIET).finished


def test_other_trainings_meet_no_image_alone(digits):
    how = dict(epochs=2, batch=128, **QUIET)
    norm = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.BatchNorm1d(9), nn.Linear(9, 10))  # noqa: E731
    objectives.train(norm, digits[:257], lambda net, x, y: F.cross_entropy(net(x), y), **how)
    assert spheres.train_spheres(spheres.dense(5, 8), 5, samples=251, batch=25, **QUIET).finished
