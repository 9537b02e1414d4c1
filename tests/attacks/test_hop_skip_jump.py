"""The attack that sees only decisions: nothing else is looked at, every question is counted, and it finds its way."""

import itertools
import math

import pytest
import torch
from torch import nn

from course_utils import data, evaluation, runtime, zoo
from course_utils.attacks import deepfool, distances, fgsm
from course_utils.attacks.hop_skip_jump import boundary_normal
from course_utils.attacks.hop_skip_jump import hop_skip_jump as attack
from course_utils.core import tensors
from tests.attacks.nets import NoWayBack


def decision(*arguments, **settings):
    return attack(*arguments, **dict(progress=False) | settings)


class Counted(nn.Module):
    """A network that counts the images it is asked about."""

    def __init__(self, net):
        super().__init__()
        self.net, self.asked = net, 0

    def forward(self, x):
        assert not torch.is_grad_enabled() and not x.requires_grad
        self.asked += len(x)
        return self.net(x)


class Decisions(nn.Module):
    """A network that keeps its logits, and its gradient, to itself."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        logits = NoWayBack.apply(self.net(x))
        return 7 * nn.functional.one_hot(logits.argmax(1), logits.shape[1]) + 0 * logits


def half_space(d=64, classes=2, seed=0):
    """Two classes parted by one plane through the middle of the unit cube, and images on one side of it."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(d, generator=generator)
    model = nn.Sequential(nn.Flatten(), nn.Linear(d, 2))
    model[1].weight.data = torch.stack([torch.zeros(d), w])
    model[1].bias.data = torch.stack([torch.tensor(0.0), -w.sum() / 2])
    images = 0.3 + 0.4 * torch.rand(6, 1, 8, d // 8, generator=generator)
    return model, images, model(images).argmax(1).detach(), w


@pytest.fixture(scope="module")
def digits(net):
    """Test digits that the net names correctly."""
    split = data.mnist("cpu").test[:30]
    return split[evaluation.predict(net, split.images).labels == split.labels][:12]


@pytest.mark.parametrize("settings", [{}, {"detail": 14}, {"aimed": True}])
def test_only_decisions_are_looked_at(net, digits, settings):
    """A network whose logits are one-hot and whose gradient raises is attacked in the very same way."""
    settings = dict(settings)
    images, labels = digits.images, digits.labels
    if settings.pop("aimed", False):
        settings["targets"] = (labels + 1) % 10
    open_, closed = (decision(model, images, labels, queries=200, **settings) for model in (net, Decisions(net)))
    assert torch.equal(open_, closed) and not torch.equal(open_, images)
    with pytest.raises(AssertionError, match="the gradient was asked for"):  # so that the test could fail
        fgsm(Decisions(net), images, labels, 0.1)


@pytest.mark.parametrize("queries", [1, 2, 3, 12, 25, 26, 60, 333])
@pytest.mark.parametrize("aimed", [False, True])
def test_every_question_is_counted_and_none_is_too_many(net, digits, queries, aimed):
    digits = digits[:5]
    targets = (digits.labels + 1) % 10 if aimed else None
    model, seen = Counted(net), []
    decision(
        model,
        digits.images,
        digits.labels,
        targets=targets,
        queries=queries,
        on_step=lambda _, spent: seen.append(spent.clone()),
    )
    assert seen[-1].dtype == torch.int64 and seen[-1].shape == (5,)
    assert model.asked == seen[-1].sum() and (seen[-1] <= queries).all()
    assert all((after >= before).all() for before, after in itertools.pairwise(seen))
    if queries == 333 and not aimed:
        assert (seen[-1] > 300).all()  # and the budget is used
    for image, label in zip(digits.images, digits.labels, strict=True):
        model, seen = Counted(net), []
        decision(
            model, image[None], label[None], queries=queries, on_step=lambda _, spent, seen=seen: seen.append(spent)
        )
        assert model.asked == seen[-1].item() <= queries


def test_small_portions_are_counted_too(net, digits, monkeypatch):
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 250)
    model, seen = Counted(net), []
    changed = decision(
        model, digits.images, digits.labels, queries=100, on_step=lambda _, spent: seen.append(spent.clone())
    )
    assert model.asked == seen[-1].sum() and (evaluation.predict(net, changed).labels != digits.labels).all()


def test_on_a_plane_it_comes_near_the_nearest_point():
    model, images, labels, w = half_space()
    exact = ((images.flatten(1) - 0.5) @ w).abs() / w.norm()
    found = distances.l2(images, decision(model, images, labels, queries=3000))
    assert (found >= exact - 1e-5).all() and (found <= 1.1 * exact).all()
    few = distances.l2(images, decision(model, images, labels, queries=100))
    assert (few > found).all()


def normals(model, x, number, detail=None, radius=0.1):
    """The normal at each image from so many random steps."""
    rows, full = torch.arange(len(x)), torch.full((len(x),), number)
    wrong = lambda u, rows: model(u).argmax(1) != 0  # noqa: E731
    return boundary_normal(wrong, x, rows, torch.full((len(x),), radius), full, detail, runtime.ensure_generator())


@torch.no_grad()
@pytest.mark.parametrize(("d", "number"), [(64, 50), (400, 100), (1600, 100)])
def test_the_normal_is_as_good_as_the_formula_says(d, number):
    model, _, _, w = half_space(d)
    v = normals(model, torch.full((30, 1, 8, d // 8), 0.5), number)
    assert torch.allclose(v.flatten(1).norm(dim=1), torch.ones(30))
    cosine = (v.flatten(1) @ w / w.norm()).mean().item()
    expected = math.sqrt(2 * number / (math.pi * d))
    expected /= math.sqrt(1 + expected**2)  # where n is not small beside d
    assert cosine == pytest.approx(expected, rel=0.1)


@torch.no_grad()
def test_coarse_steps_are_smooth():
    model, _, _, _ = half_space()
    one, two = (normals(model, torch.full((2, 1, 8, 8), 0.5), 20, detail, radius=1.0) for detail in (1, 2))
    assert torch.allclose(one, one[:, :, :1, :1].expand_as(one))
    assert not torch.allclose(two, two[:, :, :1, :1].expand_as(two))
    assert torch.allclose(two[..., :2, :2], two[..., :1, :1].expand(-1, -1, 2, 2))  # the corners of a bilinear picture


def test_digits_are_misnamed_and_the_more_questions_the_nearer(net, digits):
    curve, spent = [], []

    def note(images, queries):
        assert (evaluation.predict(net, images).labels != digits.labels).all()
        curve.append(distances.l2(digits.images, images))
        spent.append(queries)

    changed = decision(net, digits.images, digits.labels, queries=500, detail=14, on_step=note)
    assert torch.equal(distances.l2(digits.images, changed), curve[-1])
    assert all((after <= before).all() for before, after in itertools.pairwise(curve))
    assert curve[-1].median() < 0.6 * curve[0].median()
    nearest = distances.l2(digits.images, deepfool(net, digits.images, digits.labels, progress=False))
    assert curve[-1].median() > nearest.median()


def test_a_start_and_a_target(net, digits):
    targets = (digits.labels + 1) % 10
    others = data.mnist("cpu").test[30:300]
    named = evaluation.predict(net, others.images).labels
    start = torch.stack([others.images[named == target][0] for target in targets])
    seen = []
    changed = decision(
        net,
        digits.images,
        digits.labels,
        targets=targets,
        start=start,
        queries=300,
        on_step=lambda images, _: seen.append(images),
    )
    assert (evaluation.predict(net, changed).labels == targets).all()
    assert (distances.l2(digits.images, changed) < distances.l2(digits.images, start)).all()
    along, way = seen[0] - digits.images, start - digits.images  # the first walk goes straight from the start
    cosine = (along * way).flatten(1).sum(1) / along.flatten(1).norm(dim=1) / way.flatten(1).norm(dim=1)
    assert torch.allclose(cosine, torch.ones(len(cosine)), atol=1e-4)


def test_a_start_that_will_not_do_is_replaced(net, digits):
    changed = decision(net, digits.images, digits.labels, start=digits.images, queries=100)
    assert (evaluation.predict(net, changed).labels != digits.labels).all()


def test_what_is_wrong_already_and_what_cannot_be_found_stay(net, digits):
    wrong = (digits.labels + 1) % 10
    seen = []
    same = decision(net, digits.images, wrong, on_step=lambda _, spent: seen.append(spent))
    assert torch.equal(same, digits.images) and seen[-1].sum() == len(digits.images) + 1
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    nn.init.zeros_(model[1].weight)
    model[1].bias.data = torch.tensor([0.0, 5.0, 0.0])
    model, labels = Counted(model), torch.ones(len(digits.labels), dtype=torch.int64)
    assert torch.equal(decision(model, digits.images, labels), digits.images)
    assert (
        model.asked == 51 * len(labels) + 1
    )  # the clean images, 50 tries each, and one to learn the number of classes


class Enough(Exception):
    """The budget is spent."""


@pytest.mark.slow
def test_it_comes_as_near_as_that_of_foolbox(capsys):
    """At as many questions. Foolbox gets one image at a time and the best of all it asked, with its own settings."""
    foolbox = pytest.importorskip("foolbox")
    net = zoo.load("lenet5", device="cpu", progress=False)
    digits = data.mnist("cpu").test[:16]
    digits = digits[evaluation.predict(net, digits.images).labels == digits.labels][:15]
    theirs = []

    class Watched(nn.Module):
        def forward(self, x):
            logits = net(x)
            asked.extend(torch.where(logits.argmax(1) == label, math.inf, (x - image).flatten(1).norm(dim=1)).tolist())
            if len(asked) >= 1000:
                raise Enough
            return logits

    for image, label in zip(digits.images, digits.labels, strict=True):
        asked = []
        torch.manual_seed(0)
        with pytest.raises(Enough), torch.no_grad():
            hops = foolbox.attacks.HopSkipJumpAttack()
            hops(foolbox.PyTorchModel(Watched().eval(), (0, 1), device="cpu"), image[None], label[None], epsilons=None)
        theirs.append(min(asked))
    ours = distances.l2(digits.images, decision(net, digits.images, digits.labels, queries=1000)).median().item()
    theirs = torch.tensor(theirs).median().item()
    with capsys.disabled():
        print(f"\nmedian L2 after 1,000 questions: {ours:.2f}, foolbox {theirs:.2f}")
    assert ours <= 1.1 * theirs
