"""B3: views of the right objects, searches whose end is known, and poses that another object hides behind."""

import pytest
import torch
from torch import nn

from course_utils.images.scenes import OBJECTS
from course_utils.studies import b3


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


class Says(nn.Module):
    """Always the same name, with a confidence."""

    def __init__(self, name, confidence=0.99):
        super().__init__()
        p = torch.full((5,), (1 - confidence) / 4)
        p[name] = confidence
        self.register_buffer("logits", p.log())

    def forward(self, images):
        return self.logits + 0 * images.flatten(1).sum(1, keepdim=True)


def test_the_network_has_a_name_for_each_object():
    assert b3.Objects()(torch.rand(2, 1, 28, 28)).shape == (2, len(OBJECTS))


def test_each_view_shows_its_own_object():
    poses = b3.random_poses(7, generator=dice())[:, :7]
    labels = torch.tensor([3, 0, 3, 4, 1, 2, 0])
    alone = [list(OBJECTS.values())[k].render(pose[None]) for k, pose in zip(labels, poses, strict=True)]
    torch.testing.assert_close(b3.shoot(poses, labels), torch.cat(alone))
    torch.testing.assert_close(b3.shoot(poses[:1], labels[:1]), alone[0])


def test_gradients_reach_the_pose_of_each_view():
    poses, labels = torch.zeros(3, 7, requires_grad=True), torch.tensor([2, 0, 2])
    b3.shoot(poses, labels)[1].sum().backward()
    assert (poses.grad != 0).any(1).tolist() == [False, True, False]


def test_an_album_has_as_many_views_of_each_from_poses_within_the_reach():
    poses, views = b3.album(50, dice())
    assert views.labels.bincount().tolist() == [10] * 5 and (poses.abs() <= b3.CAMERA).all()
    torch.testing.assert_close(views.images, b3.shoot(poses, views.labels))


def test_each_object_is_searched_for_each_other_name():
    labels, names = b3.pairs()
    assert len(labels) == 100 and set(torch.stack([labels, names], 1).tolist()[0]) == {0, 1}
    counts = torch.zeros(5, 5).index_put((labels, names), torch.ones(100), accumulate=True)
    assert counts.equal(5 * (1 - torch.eye(5)))


def test_a_climb_finds_the_best_place_in_the_box(monkeypatch):
    monkeypatch.setattr(b3, "STEPS", 120)

    def show(numbers):  # the best of the first name is inside, that of the second in a corner
        return torch.stack([-9 * (numbers - 0.3).square().sum(1), numbers.sum(1), 0 * numbers.sum(1)], 1)

    start = torch.tensor([[-0.9, -0.5], [-0.9, -0.5], [0.8, 0.8]])
    names, box = torch.tensor([0, 1, 1]), torch.tensor([-1.0, 1.0])
    best, sure = b3.climb(nn.Identity(), show, start, names, box, 0.05)
    torch.testing.assert_close(best[1:], torch.ones(2, 2))
    p = show(best).softmax(1).gather(1, names[:, None])[:, 0]
    torch.testing.assert_close(sure, p)
    grid = torch.cartesian_prod(*[torch.linspace(-1, 1, 201)] * 2)
    assert sure[0] >= show(grid).softmax(1)[:, 0].max() - 1e-3
    alone = b3.climb(nn.Identity(), show, start[:1], names[:1], box, 0.05)
    torch.testing.assert_close(alone, (best[:1], sure[:1]))


def test_a_climb_keeps_the_surest_and_not_the_last(monkeypatch):
    monkeypatch.setattr(b3, "STEPS", 1)

    def show(numbers):  # a ridge that a step of 0.5 crosses
        return torch.stack([-20 * (numbers[:, 0] - 0.1).square(), 0 * numbers[:, 0]], 1)

    best, sure = b3.climb(nn.Identity(), show, torch.tensor([[0.0]]), torch.tensor([0]), torch.tensor([-1.0, 1.0]), 0.5)
    assert best.item() == 0 and sure.item() == pytest.approx(torch.tensor([-0.2, 0]).softmax(0)[0].item())


def test_more_starts_keep_the_surest_view_of_all(monkeypatch):
    monkeypatch.setattr(b3, "STEPS", 1)
    torch.manual_seed(0)
    model, (labels, names) = nn.Sequential(nn.Flatten(), nn.Linear(784, 5)).requires_grad_(False), b3.pairs()
    alone, generator = [], dice(4)
    for _ in range(3):
        alone.append(b3.search(model, labels, names, 1, generator)[1])
    images, sure = b3.search(model, labels, names, 3, dice(4))
    torch.testing.assert_close(sure, torch.stack(alone).amax(0))
    assert (sure > alone[0]).any()
    torch.testing.assert_close(sure, model(images).softmax(1).gather(1, names[:, None])[:, 0])


def test_what_another_object_shows_is_found_whatever_it_is_called():
    poses, views = b3.album(6000, dice(1))
    hidden = b3.random_poses(4, generator=dice(2))[:, :7]
    truth = torch.tensor([0, 1, 3, 4])
    images = b3.shoot(hidden, truth)
    near = b3.others(images, (truth + 1) % 5, poses, views)
    rows = torch.arange(4)
    assert (near[rows, truth] <= 2 * b3.ROUNDING).all() and near[rows, (truth + 1) % 5].isinf().all()
    rest = near[near.isfinite()].sort().values
    assert len(rest) == 16 and (rest[4:] > 2 * b3.ROUNDING).all()
    started = torch.cdist(images.flatten(1), views.images.flatten(1)).amin(1) / 28
    assert (started > 5 * b3.ROUNDING).all()  # the nearest view alone would not do


@pytest.fixture
def small(monkeypatch):
    """A study of few views and steps, whose network and judges are given."""
    for name, value in {"VIEWS": 100, "FRESH": 100, "STEPS": 1, "LOOKS": 1, "NEAREST": 1}.items():
        monkeypatch.setattr(b3, name, value)

    def study(model, near=None):
        monkeypatch.setattr(b3, "network", lambda name, seed, recipe, views: model)
        monkeypatch.setattr(b3, "grown", lambda *_: {})
        if near is not None:
            monkeypatch.setattr(b3, "others", lambda images, *_: torch.full((len(images), 5), near))
        return b3.misnamed([0, "one start"], dice())

    return study


def test_a_network_with_one_name_is_found_for_that_name(small):
    found = small(Says(2), near=0.1)
    assert found["value"] == [20, 100] and found["search over all pixels"] == 0.2
    assert (found["factor"], found["top"]) == ("one start", 0)
    assert found["wrong names at 95 % on fresh views"] == found["error on fresh views"] == 0.8
    assert found["nearest picture of the named object"] == pytest.approx([0.1] * 3)


def test_a_view_that_another_object_can_make_does_not_count(small):
    found = small(Says(2), near=2 * b3.ROUNDING)
    assert found["value"] == [0, 100] and found["left out, since another object looks the same"] == 20
    assert small(Says(2), near=2.01 * b3.ROUNDING)["value"] == [20, 100]


def test_an_unsure_network_is_never_found(small):
    found = small(Says(2, confidence=0.9))
    assert found["value"] == [0, 100] and found["nearest picture of the named object"] == []
    assert found["wrong names at 95 % on fresh views"] == 0 and found["error on fresh views"] == 0.8


@pytest.mark.parametrize("confidence, share", [(0.99, 0.2), (0.9, 0.0)])
def test_what_is_grown_has_to_be_named_and_accepted(monkeypatch, confidence, share):
    class Judge(nn.Module):
        def __init__(self, score):
            super().__init__()
            self.score = score

        def forward(self, images):
            return self.score(images.flatten(1))

    monkeypatch.setattr(b3, "STEPS", 1)
    monkeypatch.setattr(b3, "Neighbour", lambda points: Judge(lambda pixels: pixels.mean(1)))  # noise is too bright
    monkeypatch.setattr(b3, "autoencoder", lambda images, **_: Judge(lambda pixels: -pixels.std(1)))
    _, views = b3.album(100, dice())
    found = b3.grown(Says(1, confidence), views, views, dice())
    assert found["5th neighbour"] == {"named and accepted": 0.0, "to the nearest view": None}
    assert found["autoencoder"]["named and accepted"] == share
    assert (found["autoencoder"]["to the nearest view"] or 1) > 0.2  # noise is no view


def test_each_training_is_searched_with_one_start_and_with_ten():
    (study,) = b3.STUDIES
    assert sorted(study.units.values()) == sorted([seed, starts] for seed in range(10) for starts in b3.STARTS)
