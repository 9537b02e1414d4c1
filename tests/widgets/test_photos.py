"""A photo to attack: what it shows is an attack within its budget, and a photo of one's own is never lost."""

import base64
import math
import re

import pytest
import torch
from PIL import Image
from torch import nn

from course_utils import attacks, evaluation, figures
from course_utils.images import photographs
from course_utils.widgets import photo_attack
from course_utils.widgets.photos import FACTOR, attempt, opinions
from tests.stage import HALVES, ask, stored

NAMES = ("hen", "ostrich", "box turtle", "ox", "fox", "ballpoint", "toilet tissue", "goldfish")


def network(classes=NAMES):
    """Eight classes, and photos of any size; its answers depend on the whole picture."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, len(classes)))
    with torch.no_grad():
        model[-1].weight *= 40
        model[-1].bias.copy_(-model[-1].weight.sum(1) / 2)  # so that brightness does not decide
    model.classes = classes
    return model


@pytest.fixture
def model():
    return network().train()


@pytest.fixture
def photos():
    """Two, of different sizes, with levels between those of a file."""
    source = torch.Generator().manual_seed(1)
    return {"grain": torch.rand(1, 3, 32, 32, generator=source), "slabs": torch.rand(1, 3, 24, 40, generator=source)}


def unlike(model, image):
    """The class that the model holds least likely."""
    return evaluation.logits(model, image).argmin().item()


def pictures(buffers, shape):
    return torch.cat([torch.frombuffer(bytearray(b), dtype=torch.uint8).view(1, *shape[1:], shape[0]) for b in buffers])


def test_it_starts_with_a_photo_and_what_the_network_says(live, model, photos):
    answer, buffers = ask(photo_attack(model, photos), "show")
    assert (answer["photo"], answer["photos"], answer["classes"]) == ("grain", ["grain", "slabs"], NAMES)
    assert answer["target"] == 1
    assert [len(b) for b in buffers] == [3 * 32 * 32]
    clean = (255 * photos["grain"]).round() / 255
    assert torch.equal(pictures(buffers, answer["shape"]), (255 * clean).byte().permute(0, 2, 3, 1))
    shares = evaluation.logits(model, clean).double().softmax(1)[0]
    best = shares.argsort(descending=True)[:5].tolist()
    assert answer["bars"] == [[(k, shares[k].item(), figures.percent(shares[k])) for k in best]]
    assert model.training


def test_an_attack_is_pgd_within_eps_on_what_a_file_can_hold(live, model, photos):
    lab = photo_attack(model, photos)
    target = unlike(model, photos["grain"])
    answer, buffers = ask(lab, "attack", target=target, eps=9, steps=10)
    clean, attacked, noisy, change = pictures(buffers, answer["shape"]).int()
    assert (attacked - clean).abs().max() == 9
    inside = (clean >= 9) & (clean <= 246)
    assert ((noisy - clean).abs() == 9)[inside].all() and 0.4 < ((noisy > clean)[inside]).float().mean() < 0.6
    assert ((change - 128 - FACTOR * (attacked - clean)).abs() <= 1).all()  # nothing of it is cut off
    image = clean.permute(2, 0, 1)[None] / 255
    label = evaluation.predict(model, image).labels
    settings = dict(targets=torch.tensor([target]), steps=10, start="clean", early_exit=False, progress=False)
    direct = attacks.pgd(model, image, label, 9 / 255, **settings)
    assert torch.equal(attacked, (255 * direct[0]).round().int().permute(1, 2, 0))
    assert answer["bars"][1][0][0] == target != answer["bars"][0][0][0]
    shares = evaluation.logits(model, attacked.permute(2, 0, 1)[None] / 255).double().softmax(1)[0]
    assert answer["bars"][1][0][1] == pytest.approx(shares[target].item(), rel=1e-5)  # of the picture shown, not before
    assert model.training and all(parameter.grad is None for parameter in model.parameters())


def test_the_largest_change_is_shown_whole(live, model, photos):
    lab = photo_attack(model, photos)
    answer, buffers = ask(lab, "attack", target=unlike(model, photos["grain"]), eps=16, steps=10)
    clean, attacked, _, change = pictures(buffers, answer["shape"]).int()
    assert (attacked - clean).abs().max() == 16
    assert ((change - 128 - FACTOR * (attacked - clean)).abs() <= 1).all()


def test_no_budget_changes_nothing_and_more_steps_help(live, model, photos):
    lab = photo_attack(model, photos)
    target = unlike(model, photos["grain"])
    answer, buffers = ask(lab, "attack", target=target, eps=0, steps=10)
    assert buffers[0] == buffers[1] == buffers[2] and set(buffers[3]) == {128}
    reached = []
    for steps in (1, 10):
        answer, _ = ask(lab, "attack", target=target, eps=3, steps=steps)
        reached.append(dict((k, share) for k, share, _ in answer["bars"][1])[target])
    assert reached[0] < reached[1]
    assert (answer["eps"], answer["steps"], answer["target"]) == (3, 10, target)


def test_the_target_has_a_bar_however_unlikely(model, photos):
    images = attempt(model, photos["grain"], unlike(model, photos["grain"]), 0, 1)
    target = unlike(model, images[:1])
    rows = opinions(model, images, target)[0]
    assert [k for k, _, _ in rows][-1] == target and len(rows) == 6
    assert len(opinions(model, images, rows[0][0])[0]) == 5


def test_another_photo_begins_without_an_attack(live, model, photos):
    lab = photo_attack(model, photos)
    ask(lab, "attack", target=unlike(model, photos["grain"]), eps=4, steps=5)
    assert len(ask(lab, "show")[1]) == 4  # a page that was loaded again
    answer, buffers = ask(lab, "photo", name="slabs")
    assert (answer["photo"], answer["shape"], len(buffers), len(answer["bars"])) == ("slabs", [3, 24, 40], 1, 1)
    assert answer["eps"] == 4  # the sliders stay


def test_a_photo_of_ones_own_joins_the_others(live, model, photos):
    lab = photo_attack(model, photos)
    data = base64.b64encode(stored(Image.fromarray(HALVES))).decode()
    answer, buffers = ask(lab, "upload", name="flag.png", data=data)
    assert (answer["photo"], answer["photos"]) == ("flag.png (yours)", ["grain", "slabs", "flag.png (yours)"])
    assert torch.equal(lab.images, (255 * photographs.crop(HALVES)).round() / 255)
    ask(lab, "photo", name="grain")
    assert ask(lab, "photo", name="flag.png (yours)")[1] == buffers
    assert list(photos) == ["grain", "slabs"]  # the learner's own dict


@pytest.mark.parametrize(
    ("do", "message", "how"),
    [
        ("upload", "^a.png is empty", dict(name="a.png", data="")),
        ("upload", "^a.heic cannot be read", dict(name="a.heic", data="aGVsbG8=")),
        ("attack", "says so without any attack", dict(target="said", eps=4, steps=5)),
        ("attack", "labels run|classes are 0 to 7|targets", dict(target=8, eps=4, steps=5)),
        ("photo", "KeyError: 'dog'", dict(name="dog")),
    ],
)
def test_an_error_is_the_answer_and_changes_nothing(live, model, photos, do, message, how):
    lab = photo_attack(model, photos)
    ask(lab, "attack", target=unlike(model, photos["grain"]), eps=4, steps=5)
    before = ask(lab, "show")
    if how.get("target") == "said":
        how = how | {"target": evaluation.predict(model, lab.images[:1]).labels.item()}
    answer, buffers = ask(lab, do, **how)
    assert buffers == []
    assert re.search(message, answer["error"]), answer["error"]
    assert ask(lab, "show") == before


def test_what_the_network_raises_is_said(live, model, photos):
    lab = photo_attack(model, photos)
    with torch.no_grad():
        model[-1].bias[0] = math.nan
    answer, _ = ask(lab, "attack", target=1, eps=4, steps=5)
    assert "NaN" in answer["error"]
    del lab.network[-1].weight
    assert ask(lab, "attack", target=1, eps=4, steps=5)[0]["error"].startswith("AttributeError: ")


def test_the_signs_are_others_each_time(live, model, photos):
    lab = photo_attack(model, photos)
    how = dict(target=unlike(model, photos["grain"]), eps=4, steps=2)
    first, second = (ask(lab, "attack", **how)[1] for _ in range(2))
    assert first[1] == second[1] and first[2] != second[2]


@pytest.mark.parametrize("here", ["live", "static"])
def test_what_does_not_fit_is_refused_at_once(request, here, model, photos):
    request.getfixturevalue(here)
    with pytest.raises(
        TypeError, match=r"no names for its classes, or none is 'ostrich': want one of ImageNet, such as zoo\.load"
    ):
        photo_attack(nn.Flatten(), photos)
    with pytest.raises(ValueError, match="there are no photos"):
        photo_attack(model, {})
    with pytest.raises(ValueError, match="'two' is 2 images"):
        photo_attack(model, {"two": torch.rand(2, 3, 8, 8)})
    with pytest.raises(TypeError, match=r"convert with images\.float\(\) / 255"):
        photo_attack(model, {"bytes": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)})
    with pytest.raises(ValueError, match="the model cannot take"):
        photo_attack(model, {"grey": torch.rand(1, 1, 8, 8)})


def test_the_static_twin_is_a_picture_and_always_the_same(static, monkeypatch, model, photos):
    state = torch.get_rng_state()
    target = NAMES[unlike(model, photos["grain"])]
    monkeypatch.setattr("course_utils.widgets.photos.TARGET", target)
    first, second = photo_attack(model, photos), photo_attack(model, photos)
    assert isinstance(first, figures.Picture)
    assert first.png == second.png
    assert torch.equal(torch.get_rng_state(), state)
    assert [first.alt.count(text) for text in ("grain at 1/255", "slabs at 4/255")] == [1, 1]
    assert f"towards {target}" in first.alt and model.training


def test_a_page_without_a_kernel_shows_what_was_there(live, model, photos):
    lab = photo_attack(model, photos)
    assert "grain at 0/255" in lab.picture().alt
    ask(lab, "photo", name="slabs")
    target = unlike(model, photos["slabs"])
    answer, _ = ask(lab, "attack", target=target, eps=4, steps=10)
    k, _, text = answer["bars"][1][0]
    assert f"towards {NAMES[target]}" in lab.picture().alt and "slabs at 4/255: before" in lab.picture().alt
    assert f"attacked {NAMES[k]} {text}" in lab.picture().alt


def status(page, text):
    page.wait_for_function(
        "text => [...document.querySelectorAll('.course-status')].every(s => s.textContent.includes(text))", arg=text
    )
    return page.locator(".course-status").first.inner_text()


@pytest.mark.slow
def test_search_attack_and_slide_in_a_browser(live, stage, model, photos):
    lab = photo_attack(model, photos)
    page = stage(lab, views=2)
    said = NAMES[evaluation.predict(model, lab.images).labels.item()]
    assert f"The network says {said} at" in status(page, "press Attack")
    assert page.locator(".photos-grid figure:visible").count() == 2  # one in each view
    field = page.get_by_role("combobox", name="It should say").first
    assert field.input_value() == "ostrich"
    assert page.locator("datalist").first.locator("option").count() == len(NAMES)
    for typed, name in {"ox": "ox", "fo": "fox", "t": "toilet tissue", "tu": "box turtle"}.items():
        field.fill(typed)  # one that begins so comes first, then one with a word that does
        field.press("Enter")
        assert field.input_value() == name
    field.fill("ostrich")
    field.press("Enter")
    field.fill("zebra")  # no class
    field.press("Enter")
    assert field.input_value() == "ostrich"
    target = unlike(model, lab.images)
    field.fill(NAMES[target][:4])
    field.press("Enter")
    assert field.input_value() == NAMES[target]
    slider = page.get_by_role("slider", name="largest change").first
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "16 levels of 255"
    assert page.evaluate("asked") == ["show"]  # nothing to follow yet
    page.get_by_role("button", name="Attack").first.press("Enter")
    status(page, f"now the network says {NAMES[target]}")
    assert page.locator(".photos-grid figure:visible").count() == 8
    assert page.get_by_role("combobox", name="It should say").last.input_value() == NAMES[target]  # the other view
    drawn = (
        page.locator(".photos-grid canvas")
        .nth(1)
        .evaluate("c => [...c.getContext('2d').getImageData(0, 0, 32, 32).data].filter((_, i) => i % 4 < 3)")
    )
    assert torch.equal(torch.tensor(drawn).view(32, 32, 3), (255 * lab.images[1]).round().long().permute(1, 2, 0))
    slider.press("ArrowLeft")
    status(page, "more than 15 levels")  # no need to press Attack again
    page.get_by_label("Photo").first.select_option("slabs")
    status(page, "press Attack")
    slider.press("ArrowRight")
    page.wait_for_timeout(200)
    assert page.evaluate("asked.slice(1)") == ["attack", "attack", "photo"] and page.evaluate("most") == 1


@pytest.mark.slow
def test_a_fast_hand_queues_nothing_in_a_browser(live, stage, model, photos):
    lab = photo_attack(model, photos)
    lab.settings["target"] = unlike(model, photos["grain"])
    page = stage(lab)
    status(page, "press Attack")
    page.get_by_role("button", name="Attack").click()
    status(page, "more than 4 levels")
    page.get_by_role("slider", name="largest change").evaluate(
        "one => { for (let k = 16; k > 1; k--) { one.value = k; one.dispatchEvent(new Event('input')) } }"
    )
    status(page, "more than 2 levels")
    page.wait_for_timeout(200)
    assert page.evaluate("asked.length") <= 5 and page.evaluate("most") == 1


@pytest.mark.slow
def test_uploads_and_trouble_in_a_browser(live, stage, model, photos, tmp_path):
    lab = photo_attack(model, photos)
    page = stage(lab)
    status(page, "press Attack")
    files = page.locator("input[type=file]")
    (tmp_path / "notes.txt").write_text("no picture")
    files.set_input_files(tmp_path / "notes.txt")
    assert status(page, "notes.txt cannot be read as a picture (it is of no kind known here)")
    assert page.locator(".course-trouble").count() == 1 and lab.photo == "grain"
    (tmp_path / "flag.png").write_bytes(stored(Image.fromarray(HALVES)))
    files.set_input_files(tmp_path / "flag.png")
    status(page, "press Attack")
    assert page.get_by_label("Photo", exact=True).input_value() == "flag.png (yours)"
    assert torch.equal(lab.images, (255 * photographs.crop(HALVES)).round() / 255)
    (tmp_path / "large.txt").write_bytes(bytes(5_000_000))
    files.set_input_files(tmp_path / "large.txt")
    status(page, "large.txt cannot be read as a picture by this browser")
    assert lab.photo == "flag.png (yours)"


@pytest.mark.slow
def test_a_large_photo_of_a_phone_is_shrunk_in_a_browser(live, stage, model, photos, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lay on its side
    noise = Image.effect_noise((3200, 2400), 120).convert("RGB")
    noise.paste((250, 0, 0), (0, 0, 1600, 2400))  # red at the left: on top, when it stands upright
    file = tmp_path / "phone.jpg"
    noise.save(file, "jpeg", quality=100, exif=exif)
    assert file.stat().st_size > 4e6
    lab = photo_attack(model, photos)
    page = stage(lab)
    status(page, "press Attack")
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("document.querySelector('.photos select').value === 'phone.jpg (yours)'")
    above, below = lab.images[0, :, :100].mean((1, 2)), lab.images[0, :, 124:].mean((1, 2))
    assert above[0] > 0.9 and above[1] < 0.1 and (below - 0.5).abs().max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 700])
def test_nothing_sticks_out_in_a_browser(live, stage, model, photos, width):
    lab = photo_attack(model, photos)
    lab.settings["target"] = unlike(model, photos["grain"])
    page = stage(lab)
    page.set_viewport_size({"width": width, "height": 900})
    status(page, "press Attack")
    page.get_by_role("button", name="Attack").click()
    status(page, "With random signs")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
