"""The camera: its picture is the scene's, its trail the curve between, and its plane that of the principal axes."""

import math

import numpy as np
import pytest
import torch

from course_utils.images import scenes
from course_utils.widgets import scene_camera
from course_utils.widgets.viewpoint import STRIDE, VIEWS, ViewPlane, readout
from tests.stage import ask

NONE = [0.0] * 9


def only(name, value):
    return [value if other == name else 0.0 for other in scenes.POSE]


def points(buffer):
    return torch.from_numpy(np.frombuffer(buffer, np.float32).copy()).view(-1, 2)


def view(size=28, **pose):
    poses = torch.tensor([[pose.get(name, 0.0) for name in scenes.POSE]])
    return scenes.DESK.render(poses, size)


def test_it_starts_at_home(live):
    answer, (picture, trail, cloud) = ask(scene_camera(scenes.DESK), "show")
    assert answer["sliders"] == NONE
    assert answer["moved"] == "0.00"
    assert len(picture) == answer["size"] ** 2 == 784
    assert points(trail).tolist() == [answer["home"]]
    assert points(cloud).shape == (VIEWS, 2)
    assert [name for _, names in answer["groups"] for name in names] == list(scenes.POSE)


def test_the_picture_is_the_view_from_where_the_sliders_stand(live):
    answer, (picture, _, _) = ask(scene_camera(scenes.DESK), "move", sliders=only("yaw", -0.5))
    seen = view(yaw=-0.5 * scenes.REACH[0].item())
    shown = torch.frombuffer(bytearray(picture), dtype=torch.uint8).view(1, 1, 28, 28) / 255
    assert (shown - seen).abs().max() < 0.003
    assert answer["moved"] == f"{(seen - view()).norm():.2f}" != "0.00"
    assert answer["texts"][0] == "−17°"


def test_a_leap_leaves_the_trail_of_a_slow_move(live):
    quick, slow = scene_camera(scenes.DESK), scene_camera(scenes.DESK)
    _, (_, leap, _) = ask(quick, "move", sliders=only("roll", 1.0))
    for k in range(1, 21):
        _, (_, trail, _) = ask(slow, "move", sliders=only("roll", k * STRIDE))
    assert len(points(leap)) == len(points(trail)) == 21
    assert torch.allclose(points(leap), points(trail), atol=1e-4)
    bent = points(leap)
    straight = bent[0] + (bent[-1] - bent[0]) * torch.linspace(0, 1, 21)[:, None]
    assert (bent - straight).norm(dim=1).max() > 0.1


def test_home_and_back_is_the_same_way(live):
    widget = scene_camera(scenes.DESK)
    ask(widget, "move", sliders=[0.5] * 9)
    answer, (_, trail, _) = ask(widget, "move", sliders=NONE)
    assert torch.allclose(points(trail), points(trail).flip(0), atol=1e-4)
    assert answer["moved"] == "0.00"


def test_to_clear_leaves_the_dot(live):
    widget = scene_camera(scenes.DESK)
    _, (picture, before, _) = ask(widget, "move", sliders=only("zoom", 1.0))
    answer, (same, trail, _) = ask(widget, "clear")
    assert torch.equal(points(trail), points(before)[-1:])
    assert same == picture and answer["sliders"] == only("zoom", 1.0)


def test_a_second_page_sees_the_same(live):
    widget = scene_camera(scenes.DESK)
    first = ask(widget, "move", sliders=only("up", 0.4))
    assert ask(widget, "show") == first


def test_the_oldest_of_the_trail_goes_first(live, monkeypatch):
    monkeypatch.setattr("course_utils.widgets.viewpoint.KEPT", 30)
    widget = scene_camera(scenes.DESK)
    _, (_, before, _) = ask(widget, "move", sliders=only("yaw", 1.0))
    _, (_, trail, _) = ask(widget, "move", sliders=only("yaw", -1.0))
    assert len(points(before)) == 21 and len(points(trail)) == 30
    assert not (points(trail) == points(before)[0]).all(1)[0]


def test_sliders_end_at_their_reach(live):
    answer, _ = ask(scene_camera(scenes.DESK), "move", sliders=[9.0] * 9)
    assert answer["sliders"] == [1.0] * 9


def test_the_plane_is_that_of_the_principal_axes():
    plane = ViewPlane(scenes.DESK)
    views = scenes.DESK.render(scenes.random_poses(VIEWS, free=9)).flatten(1).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(views.T))
    assert plane.explained == pytest.approx((values[::-1] / values.sum())[:2].tolist(), abs=1e-4)
    assert plane.cloud.var(0).tolist() == pytest.approx(values[::-1][:2].tolist(), rel=1e-3)
    first = (views - views.mean(0)) @ vectors[:, -1]
    assert abs(np.corrcoef(first, plane.cloud[:, 0].numpy())[0, 1]) > 0.999
    some = views[:200, None] - views[None, :200]
    assert plane.usual == pytest.approx(np.linalg.norm(some, axis=2)[np.triu_indices(200, 1)].mean(), rel=0.05)


def test_an_error_is_the_answer_and_changes_nothing(live):
    widget = scene_camera(scenes.DESK)
    ask(widget, "move", sliders=only("yaw", 0.5))
    before = ask(widget, "show")
    for wrong in ([0.0] * 5, [math.nan] * 9, ["left"] * 9):
        answer, buffers = ask(widget, "move", sliders=wrong)
        assert "Error" in answer["error"] and buffers == []
    assert ask(widget, "show") == before


@pytest.mark.parametrize("here", ["live", "static"])
def test_other_things_than_scenes_are_refused(request, here):
    request.getfixturevalue(here)
    with pytest.raises(TypeError, match=r"the scene is a Tensor, not a Scene: pass scenes\.DESK"):
        scene_camera(torch.rand(1, 1, 28, 28))


def test_another_scene(live):
    _, (picture, _, _) = ask(scene_camera(scenes.OBJECTS["pan"]), "show")
    shown = torch.frombuffer(bytearray(picture), dtype=torch.uint8).view(1, 1, 28, 28) / 255
    assert (shown - scenes.OBJECTS["pan"].render(torch.zeros(1, 9))).abs().max() < 0.003


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("yaw", 0.0, "0°"),
        ("light elevation", -0.5, "−29°"),
        ("forward", 0.6, "+0.60 units"),
        ("up", 0.0, "0 units"),
        ("zoom", 0.0, "× 1.00"),
        ("zoom", -0.3, "× 0.74"),
    ],
)
def test_a_value_has_its_unit(name, value, text):
    assert readout(name, value) == text


def test_the_static_twin_says_what_it_shows(static, undrawn):
    state = torch.get_rng_state()
    alt = scene_camera(scenes.DESK).alt
    assert torch.equal(torch.get_rng_state(), state)
    yaw = torch.zeros(101, 9)
    yaw[:, 0] = torch.linspace(-1, 1, 101) * scenes.REACH[0]
    views = scenes.DESK.render(yaw).flatten(1)
    along, straight = views.diff(dim=0).norm(dim=1).sum(), (views[-1] - views[0]).norm()
    assert f"yaw {along:.1f} along the curve, {straight:.1f} straight" in alt


def test_a_page_without_a_kernel_shows_what_was_there(live, undrawn):
    widget = scene_camera(scenes.DESK)
    answer, _ = ask(widget, "move", sliders=only("yaw", 0.5))
    assert f"{answer['moved']} from home" in widget.picture().alt


def steps(page):
    return int(page.locator(".viewpoint-plot").first.get_attribute("aria-label").split(" steps")[0].split()[-1])


@pytest.mark.slow
def test_slide_sweep_clear_and_go_home_in_a_browser(live, stage):
    widget = scene_camera(scenes.DESK)
    page = stage(widget, views=2)
    page.wait_for_function("document.querySelectorAll('.viewpoint-groups label').length === 18")
    status = page.locator(".course-status").first
    assert status.inner_text().startswith("This picture lies 0.00 from home, over all 784 pixels; two random views lie")
    roll = page.get_by_role("slider", name="roll").first
    for _ in range(10):
        roll.press("ArrowRight")
    page.wait_for_function("document.querySelector('.viewpoint canvas').ariaLabel === 'The view from roll +7°'")
    assert roll.get_attribute("aria-valuetext") == "+7°"
    assert page.get_by_role("slider", name="roll").last.input_value() == "0.2"  # in the other view
    assert widget.sliders.tolist() == pytest.approx(only("roll", 0.2))
    drawn = page.locator(".viewpoint canvas").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
    )
    assert (torch.tensor(drawn).view_as(widget.image) / 255 - widget.image).abs().max() < 0.003

    assert page.get_by_label("slider to sweep").first.input_value() == "2"  # the one touched last
    page.get_by_role("button", name="Clear trail").first.click()
    page.wait_for_function("document.querySelector('.viewpoint-plot').ariaLabel.includes(' 0 steps')")
    page.get_by_role("button", name="Sweep").first.click()
    page.get_by_role("button", name="Stop").last.wait_for()
    page.get_by_role("button", name="Sweep").first.wait_for()
    page.wait_for_timeout(200)
    assert widget.sliders.tolist() == pytest.approx(only("roll", 0.2))
    sweep = torch.zeros(101, 9)
    sweep[:, 2] = torch.linspace(-1, 1, 101)
    nearest = torch.cdist(widget.plane.project(widget.plane.render(sweep)), widget.trail).amin(1)
    assert nearest.max() < 0.1  # the whole range was traced
    assert page.evaluate("most") == 1  # questions on their way at the same time

    page.get_by_role("button", name="Sweep").first.click()
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Stop").first.click()
    page.wait_for_timeout(300)
    stopped = steps(page)
    page.wait_for_timeout(300)
    assert steps(page) == stopped
    page.get_by_role("button", name="Home").last.press("Enter")
    page.wait_for_function("document.querySelector('.viewpoint canvas').ariaLabel === 'The view from home'")
    assert status.inner_text().startswith("This picture lies 0.00 from home")
    assert page.get_by_role("slider", name="roll").first.input_value() == "0"


@pytest.mark.slow
def test_a_fast_hand_queues_nothing_in_a_browser(live, stage):
    widget = scene_camera(scenes.DESK)
    page = stage(widget)
    page.wait_for_function("document.querySelectorAll('.viewpoint-groups label').length === 9")
    page.get_by_role("slider", name="yaw").evaluate(
        "one => { for (let k = 1; k <= 40; k++) { one.value = k / 50; one.dispatchEvent(new Event('input')) } }"
    )
    page.wait_for_timeout(500)
    assert page.evaluate("asked.length") <= 4 and page.evaluate("most") == 1
    assert widget.sliders.tolist() == pytest.approx(only("yaw", 0.8))
    assert 17 <= len(widget.trail) <= 19  # no shorter than the way, however few the questions


@pytest.mark.slow
def test_an_error_in_a_browser_puts_the_sliders_back(live, stage):
    widget = scene_camera(scenes.DESK)
    page = stage(widget)
    page.wait_for_function("document.querySelectorAll('.viewpoint-groups label').length === 9")
    widget.plane.scene = None
    page.get_by_role("slider", name="zoom").press("End")
    page.wait_for_selector(".course-trouble")
    assert "AttributeError" in page.locator(".course-status").inner_text()
    assert page.get_by_role("slider", name="zoom").input_value() == "0"


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 700])
def test_nothing_sticks_out_in_a_browser(live, stage, width):
    page = stage(scene_camera(scenes.DESK))
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function("document.querySelectorAll('.viewpoint-groups label').length === 9")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    svg = page.locator(".viewpoint-plot svg").bounding_box()
    assert svg["x"] >= 0 and svg["x"] + svg["width"] <= width
