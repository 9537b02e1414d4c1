"""Faces made to appear and to vanish: budgets, places, and the whole cascade as the judge."""

import numpy as np
import pytest
import skimage
import torch
from torch.nn import functional as F

from course_utils import faces, runtime
from course_utils.faces import detector
from course_utils.faces.attack import appear, vanish


def noise(number, *, side=40, channels=3, dtype=torch.float32, seed=0):
    """Noise on 256 levels."""
    drawn = torch.rand(number, channels, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return (255 * drawn).round() / 255


def photo(name, side=256):
    """A photograph of scikit-image, shrunk, on 256 levels: ``(1, C, side, side)``."""
    pixels = torch.from_numpy(np.atleast_3d(getattr(skimage.data, name)()).copy()).permute(2, 0, 1)[None] / 255
    return (255 * F.interpolate(pixels, (side, side), mode="area")).round() / 255


def losses(cascade, images, box):
    """What each net holds of the window itself: -log p(face), ``(3, N)``."""
    left, top, right, bottom = box
    window = images[:, :, top:bottom, left:right].expand(-1, 3, -1, -1)
    windows = [F.interpolate(window, (net.side, net.side), mode="area") for net in cascade]
    with torch.no_grad():
        logits = [net(window).flatten(1) for net, window in zip(cascade, windows, strict=True)]
    return torch.stack([-each.log_softmax(1)[:, 1] for each in logits])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("attack", [appear, vanish])
def test_pictures_stay_in_the_ball_and_on_the_levels(untrained, attack, channels, dtype):
    start = noise(2, channels=channels, dtype=dtype)
    before, state = start.clone(), torch.get_rng_state()
    changed = attack(start, eps=8 / 255, cascade=untrained, steps=7, progress=False)
    assert changed.shape == start.shape and changed.dtype == dtype
    assert (changed - start).abs().max() <= 8 / 255 + 1e-6 and changed.min() >= 0 and changed.max() <= 1
    assert torch.allclose(255 * changed, (255 * changed).round(), atol=1e-3)
    assert torch.equal(start, before) and torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for net in untrained for parameter in net.parameters())


@pytest.mark.parametrize("attack", [appear, vanish])
def test_noise_between_the_levels_stays_in_the_ball(untrained, attack):
    start = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    for eps in (0.6 / 255, 5.3 / 255):
        changed = attack(start, eps=eps, cascade=untrained, steps=6, progress=False)
        assert (changed - start).abs().max() <= eps + 1e-6
        assert torch.allclose(255 * changed, (255 * changed).round(), atol=1e-3)


@pytest.mark.parametrize("attack", [appear, vanish])
def test_it_works_inside_inference_mode(untrained, attack):
    start = noise(1)
    with torch.inference_mode():
        inside = attack(start, eps=0.1, cascade=untrained, steps=2, progress=False)
    assert torch.equal(inside, attack(start, eps=0.1, cascade=untrained, steps=2, progress=False))


@pytest.mark.parametrize("attack", [appear, vanish])
def test_without_a_budget_nothing_changes(untrained, attack):
    start = noise(2)
    assert torch.allclose(attack(start, eps=0, cascade=untrained, steps=3, progress=False), start, atol=1e-7)


def test_every_net_comes_to_see_a_face_in_the_square(untrained):
    start = noise(3)
    changed = appear(start, eps=32 / 255, cascade=untrained, steps=30, progress=False)
    window = (4, 4, 36, 36)
    assert (losses(untrained, changed, window) < losses(untrained, start, window)).all()


def test_pixels_far_from_the_square_stay(untrained):
    start = torch.cat([noise(2), noise(2, seed=1)], 3)  # the square is 32 wide, in the middle of 80 pixels
    changed = appear(start, eps=0.5, cascade=untrained, steps=10, progress=False) != start
    assert changed[..., 6:34, 26:54].float().mean() > 0.5
    assert not changed[..., :16].any() and not changed[..., 64:].any()


def test_a_call_can_be_repeated_and_its_chance_chosen(untrained):
    def run(seed=None):
        generator = None if seed is None else runtime.ensure_generator(torch.Generator().manual_seed(seed))
        return appear(noise(1), eps=0.1, cascade=untrained, steps=3, generator=generator, progress=False)

    assert torch.equal(run(), run()) and torch.equal(run(), run(0)) and not torch.equal(run(), run(1))


def test_what_has_no_face_comes_back_as_it_was(untrained):
    for net in untrained:
        net.heads[0].bias.data = torch.tensor([9.0, -9.0])
    start = noise(2)
    assert torch.equal(vanish(start, eps=0.1, cascade=untrained, progress=False), start)


def test_an_image_whose_faces_are_gone_is_left_alone(untrained, monkeypatch):
    """The judge sees a face in the first image once, and always in the second."""
    looks = []

    def detect(images, cascade):
        looks.append(len(images))
        box = torch.tensor([[10.0, 10, 30, 34]])
        seen = {1: [1, 1], 2: [0, 1]}.get(len(looks), [1])
        return [faces.Faces(box[:many], torch.ones(many), torch.zeros(many, 5, 2)) for many in seen]

    monkeypatch.setattr(detector, "detect", detect)
    start = noise(2)
    five = vanish(start, eps=0.1, cascade=untrained, steps=5, progress=False)
    looks.clear()
    ten = vanish(start, eps=0.1, cascade=untrained, steps=10, progress=False)
    assert looks == [2, 2]
    assert torch.equal(ten[0], five[0]) and not torch.equal(ten[0], start[0]) and not torch.equal(ten[1], five[1])


def test_an_interrupt_hands_back_the_pictures_so_far(untrained, monkeypatch, capsys):
    whole = appear(noise(1), eps=0.1, cascade=untrained, steps=4, progress=False)
    look, calls = detector.CascadeNet.look, []

    def interrupted(net, images):
        calls.append(1)
        if len(calls) > 3 * 4:
            raise KeyboardInterrupt
        return look(net, images)

    monkeypatch.setattr(detector.CascadeNet, "look", interrupted)
    partial = appear(noise(1), eps=0.1, cascade=untrained, steps=40, progress=False)
    assert "so far" in capsys.readouterr().out
    assert torch.equal(partial, whole)


def test_an_interrupt_of_the_first_look_hands_back_the_pictures(untrained, monkeypatch, capsys):
    def interrupted(images, cascade):
        raise KeyboardInterrupt

    monkeypatch.setattr(detector, "detect", interrupted)
    start = noise(2)
    assert torch.equal(vanish(start, eps=0.1, cascade=untrained, progress=False), start)
    assert "so far" in capsys.readouterr().out


@pytest.mark.parametrize("settings", [{"eps": 8}, {"eps": 0.1, "steps": 0}])
@pytest.mark.parametrize("attack", [appear, vanish])
def test_settings_are_judged_before_the_networks_are_fetched(attack, settings, monkeypatch):
    monkeypatch.setattr(detector, "nets", lambda device: pytest.fail("the networks were fetched"))
    with pytest.raises(ValueError, match=r"8/255|at least 1"):
        attack(noise(1), **settings)


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        (torch.rand(3, 40, 40), {}, r"write image\[None\]"),
        (torch.rand(1, 3, 40, 40) * 255, {}, "divide by 255"),
        (torch.rand(1, 4, 40, 40), {}, "4 channels"),
        (torch.rand(1, 3, 40, 19), {}, "too small for a face"),
        (torch.rand(1, 3, 40, 40), {"eps": 8}, "write 8/255"),
        (torch.rand(1, 3, 40, 40), {"eps": -0.1}, "not below 0"),
        (torch.rand(1, 3, 40, 40), {"steps": 0}, "at least 1"),
    ],
)
@pytest.mark.parametrize("attack", [appear, vanish])
def test_bad_input_is_named(untrained, attack, images, settings, message):
    with pytest.raises(ValueError, match=message):
        attack(images, **{"eps": 0.1, **settings}, cascade=untrained, progress=False)


def test_the_second_detector_finds_the_astronaut():
    (boxes,) = faces.second_opinion(photo("astronaut"))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert ((centres - torch.tensor([112.0, 58.0])).abs() < 10).all(1).sum() == 1  # and a false alarm elsewhere


def test_the_second_detector_tells_faces_from_others():
    crops = torch.from_numpy(skimage.data.lfw_subset()).float()[:, None]
    frames = noise(40, channels=1, side=100)
    frames[:20, :, 20:80, 20:80] = F.interpolate(crops[:20], (60, 60), mode="bilinear")
    frames[20:, :, 20:80, 20:80] = F.interpolate(crops[100:120], (60, 60), mode="bilinear")
    seen = torch.tensor([len(boxes) > 0 for boxes in faces.second_opinion(frames)])
    assert seen[:20].sum() >= 15 and seen[20:].sum() <= 2


@pytest.mark.slow
def test_noise_becomes_a_face_for_the_whole_cascade(trained):
    start = noise(2, side=160)
    assert not any(len(found.boxes) for found in faces.detect(start, trained))
    changed = appear(start, eps=16 / 255, cascade=trained, progress=False)
    for found in faces.detect(changed, trained):
        assert len(found.boxes) == 1 and found.probabilities[0] > 0.95
        assert (found.boxes[0] - torch.tensor([16.0, 16, 144, 144])).abs().max() < 30


@pytest.mark.slow
def test_a_face_vanishes_and_one_beside_it_too(trained):
    astronaut = photo("astronaut")
    assert len(faces.detect(astronaut, trained)[0].boxes) == 1
    both = torch.cat([astronaut, photo("camera").expand(-1, 3, -1, -1)])
    changed = vanish(both, eps=16 / 255, cascade=trained, progress=False)
    assert not any(len(found.boxes) for found in faces.detect(changed, trained))
    signs = torch.randint(0, 2, both.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert all(len(found.boxes) for found in faces.detect((both + signs * 16 / 255).clamp(0, 1), trained))
