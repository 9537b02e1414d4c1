"""Expectation over transformations: right where the best canvas is known, and sturdier than a fixed perturbation."""

import copy

import pytest
import torch
from torch import nn

from course_utils import data, evaluation
from course_utils.attacks import pgd
from course_utils.attacks.eot import eot
from course_utils.images import physical


class Linear(nn.Module):
    """Two classes: one pixel of weight ``w`` each speaks for class 1."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images):
        score = (images * self.weights).flatten(1).sum(1)
        return torch.stack([-score, score], 1)


def itself(canvas, number, generator):
    return canvas.expand(number, -1, -1, -1)


def run(model, scene, start, *args, **how):
    return eot(model, scene, start, *args, progress=False, **how)


def weights(seed=0):
    draws = torch.randn(1, 5, 5, generator=torch.Generator().manual_seed(seed))
    return draws + draws.sign()  # none near 0


def test_a_linear_model_wants_a_corner_of_the_box():
    start = torch.full((1, 1, 5, 5), 0.5)
    found = run(Linear(weights()), itself, start, torch.tensor([1]), step_size=0.2)
    torch.testing.assert_close(found[0], (weights() > 0).float(), atol=0.01, rtol=0)
    found = run(Linear(weights()), itself, start, torch.tensor([1]), eps=0.1)
    torch.testing.assert_close(found - start, 0.1 * weights().sign()[None], atol=2e-3, rtol=0)


def test_what_a_scene_shows_half_of_the_time_counts_half():
    """The sign of a pixel's mean weight over the scenes decides, not that of its weight in any one."""
    flips = torch.tensor([1.0, 1.0, 1.0, -1.0])

    def scene(canvas, number, generator):
        rows = torch.randint(4, (number,), generator=generator)
        signs = flips[rows].view(-1, 1, 1, 1)
        return 0.5 + signs * (canvas - 0.5)

    start = torch.full((1, 1, 5, 5), 0.5)
    found = run(Linear(0.01 * weights()), scene, start, torch.tensor([1]), batch=64)
    torch.testing.assert_close(found[0], (weights() > 0).float(), atol=0.01, rtol=0)


def test_in_fresh_scenes_it_beats_a_perturbation_made_for_one_picture(net):
    digits = data.mnist("cpu").test[:6]
    targets = (digits.labels + 3) % 10
    settings = dict(eps=0.3, targets=targets)

    def scene(canvas, number, generator):
        return physical.rotate(canvas.expand(number, -1, -1, -1), (-60.0, 60.0), generator=generator)

    def reached(canvases):
        fresh = torch.Generator().manual_seed(1)
        seen = torch.cat([scene(canvas[None], 40, fresh) for canvas in canvases])
        return (evaluation.predict(net, seen).labels == targets.repeat_interleave(40)).float().mean()

    fixed = pgd(net, digits.images, digits.labels, early_exit=False, progress=False, **settings)
    sturdy = run(net, scene, digits.images, steps=40, **settings)
    assert (evaluation.predict(net, fixed).labels == targets).float().mean() > 0.8
    assert reached(sturdy) > reached(fixed) + 0.1


def test_several_canvases_are_as_good_as_each_alone(net):
    exact, images = copy.deepcopy(net).double(), data.mnist("cpu").test.images[:2].double()

    def shifted(canvas, number, generator):
        return torch.cat([canvas.roll(i % 3, 3) for i in range(number)])

    how = dict(eps=0.2, steps=10, batch=3)
    together = run(exact, shifted, images, torch.tensor([3, 5]), **how)
    for i, target in enumerate([3, 5]):
        alone = run(exact, shifted, images[i : i + 1], torch.tensor([target]), **how)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=0)


def test_a_canvas_may_be_smaller_than_the_picture(net):
    photos = data.mnist("cpu").test.images[:50]

    def scene(canvas, number, generator):
        rows = torch.randint(50, (number,), generator=generator)
        things = physical.disc(canvas).expand(number, -1, -1, -1)
        return physical.stick(things, photos[rows], area=0.25, degrees=(-20.0, 20.0), generator=generator)

    def share(canvas):
        seen = scene(canvas, 200, torch.Generator().manual_seed(1))
        return (evaluation.predict(net, seen).labels == 8).float().mean()

    start = torch.full((1, 1, 12, 12), 0.5)
    found = run(net, scene, start, torch.tensor([8]), steps=100)
    assert found.shape == start.shape and share(found) > share(start) + 0.3


def test_each_step_sees_as_many_fresh_scenes_as_were_asked_for():
    asked = []

    def scene(canvas, number, generator):
        asked.append((number, generator.get_state().numpy().tobytes()))
        return physical.sensor_noise(canvas.expand(number, -1, -1, -1), 0.1, generator=generator)

    run(Linear(weights()), scene, torch.rand(1, 1, 5, 5), torch.tensor([1]), steps=7, batch=3)
    assert [number for number, _ in asked] == [1] + [3] * 7  # the first look tells the number of classes
    assert len({state for _, state in asked[1:]}) == 7


GOOD = dict(scene=itself, start=torch.rand(1, 1, 5, 5), targets=torch.tensor([1]))


@pytest.mark.parametrize(
    "change, error, message",
    [
        (dict(targets=torch.tensor([2])), ValueError, "classes are 0 to 1"),
        (dict(targets=torch.tensor([1, 1])), ValueError, r"not \(1,\)"),
        (dict(targets=1), TypeError, "as_tensor"),
        (dict(start=torch.rand(1, 5, 5)), ValueError, r"image\[None\]"),
        (dict(start=torch.full((1, 1, 5, 5), 200.0)), ValueError, "divide by 255"),
        (dict(eps=16), ValueError, "16/255"),
        (dict(steps=0), ValueError, "steps=0"),
        (dict(batch=0.5), ValueError, "batch=0.5"),
        (dict(step_size=-1.0), ValueError, "step_size"),
        (dict(scene=lambda c, n, g: c), ValueError, "scene returns.*1 pictures where 8"),
        (dict(scene=lambda c, n, g: None), TypeError, "scene returns.*NoneType"),
        (dict(scene=lambda c, n, g: 2 + c.expand(n, -1, -1, -1)), ValueError, "scene returns.*0 to 1"),
        (dict(scene=lambda c, n, g: c.detach().expand(n, -1, -1, -1)), ValueError, "no gradient"),
    ],
)
def test_what_cannot_work_is_refused(change, error, message):
    settings = GOOD | change
    call = [settings.pop(name) for name in ("scene", "start", "targets")]
    with pytest.raises(error, match=message):
        run(Linear(weights()), *call, **settings)


def test_a_sure_success_and_a_sure_failure_keep_finite_gradients():
    huge = Linear(1e4 * weights())
    start = torch.full((1, 1, 5, 5), 0.5)
    for aim in (0, 1):
        assert run(huge, itself, start, torch.tensor([aim]), steps=3).isfinite().all()
