"""The dimension slider: its numbers are those of scipy and of plain sampling, in Python and in the page."""

import math
import re

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from course_utils.widgets import high_dimensions
from course_utils.widgets.concentration import SAMPLES, below, exact, fraction_text, radius_text, sample
from tests.stage import ask

DIMENSIONS = [1, 2, 3, 10, 100, 784, 1000]


@pytest.mark.parametrize("n", DIMENSIONS)
def test_half_of_the_ball_lies_outside_the_radius(n):
    assert exact(n).radius == pytest.approx(scipy.stats.beta(n, 1).median(), rel=1e-12)


@pytest.mark.parametrize("n", DIMENSIONS[1:])
def test_the_spread_is_that_of_the_density(n):
    reach = min(math.pi / 2, 12 / math.sqrt(n))
    weight = scipy.integrate.quad(lambda t: math.cos(t) ** (n - 2), -reach, reach)[0]
    variance = scipy.integrate.quad(lambda t: t * t * math.cos(t) ** (n - 2), -reach, reach)[0] / weight
    assert exact(n).spread == pytest.approx(math.degrees(math.sqrt(variance)), rel=1e-7)


def test_spreads_that_are_known():
    assert exact(1).spread == pytest.approx(90)
    assert exact(2).spread == pytest.approx(180 / math.sqrt(12))
    assert math.radians(exact(1000).spread) == pytest.approx(1 / math.sqrt(1000), rel=2e-3)


def test_shares_of_the_cube_that_are_known():
    for n, share in [(1, 1), (2, math.pi / 4), (3, math.pi / 6), (4, math.pi**2 / 32)]:
        assert exact(n).inside == pytest.approx(math.log10(share), abs=1e-12)
    gammas = scipy.special.gammaln(392 + 1) / math.log(10)
    assert exact(784).inside == pytest.approx(392 * math.log10(math.pi) - gammas - 784 * math.log10(2))


def test_the_blogs_power():
    assert 10 ** exact(784, 0.001).above == pytest.approx(0.999**784)
    assert 10 ** exact(2, 0.5).above == pytest.approx(0.25)


@pytest.mark.parametrize("n", DIMENSIONS[1:])
def test_the_law_of_the_angle_is_that_of_scipy(n):
    angles = torch.linspace(0, 180, 37)
    half = (n - 1) / 2
    law = scipy.stats.beta(half, half).cdf((1 - np.cos(np.radians(angles.double().numpy()))) / 2)
    assert below(n, angles).numpy() == pytest.approx(law, abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 784])
def test_the_sample_obeys_the_laws(n):
    drawn, known = sample(n, 0.05), exact(n, 0.05)
    assert scipy.stats.kstest(drawn.lengths.double().numpy(), lambda r: r**n).pvalue > 1e-3
    for count, log10 in ((drawn.inside, known.inside), (drawn.above, known.above)):
        assert scipy.stats.binomtest(int((count >= n).sum()), SAMPLES, min(1.0, 10**log10)).pvalue > 1e-3
    if n > 1:
        law = scipy.stats.kstest(drawn.angles.double().numpy(), lambda a: below(n, torch.as_tensor(a)).numpy())
        assert law.pvalue > 1e-3
    else:
        assert 0.45 < (drawn.angles > 179).float().mean() < 0.55
        assert ((drawn.angles < 1) | (drawn.angles > 179)).all()


def test_a_sample_is_seeded():
    state = torch.get_rng_state()
    assert torch.equal(sample(5).lengths, sample(5).lengths)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.5, "50 %"),
        (0.0123, "1.23 %"),
        (0.00101, "0.101 %"),
        (3.8e-4, "3.8 × 10⁻⁴"),
        (9.97e-9, "1.0 × 10⁻⁸"),
    ],
)
def test_how_a_share_is_written(share, text):
    assert fraction_text(math.log10(share)) == text


def test_the_static_twin_says_what_it_shows(static, undrawn):
    alt = high_dimensions().alt
    assert "in 784 dimensions half of the ball lies outside radius 0.99912" in alt
    assert "90° ± 2.05°" in alt


def test_an_answer_holds_the_laws_and_a_new_sample(live):
    widget = high_dimensions()
    answer, buffers = ask(widget, "draw", n=10, eps=0.5, zoom=False)
    lengths, law, angles, _, inside, above, left, fell = (
        torch.frombuffer(bytearray(b), dtype=torch.float32) for b in buffers
    )
    assert answer["settings"] == dict(n=10, eps=0.5, zoom=False)
    assert (lengths.sum().item(), angles.sum().item()) == pytest.approx((1, 1))
    assert law[-1] == pytest.approx(1 - (44 / 45) ** 10, rel=1e-4)
    at = answer["stops"].index(10)
    assert (inside[at].item(), above[at].item()) == pytest.approx((10 ** exact(10).inside, 0.5**10), rel=1e-4)
    assert (left[at] - inside[at]).abs() < 0.01 and (fell[at] - above[at]).abs() < 0.01
    again, others = ask(widget, "show")
    assert again["settings"] == answer["settings"] and others != buffers


@pytest.mark.parametrize("n", [1, 2, 784])
def test_to_zoom_in_is_to_see_less(live, n):
    answer, _ = ask(high_dimensions(), "draw", n=n, zoom=True)
    (low, high), (left, right) = answer["reach"]
    assert 0 < low < high == 1 and left + right == 180 and (right < 100 or n < 784)


def test_a_wrong_question_changes_nothing(live):
    widget = high_dimensions()
    answer, buffers = ask(widget, "draw", n=0)
    assert "Error" in answer["error"] and buffers == []
    assert ask(widget, "show")[0]["settings"]["n"] == 2


@pytest.fixture
def slider(live, stage):
    """The widget in an empty page, with its first answer."""
    page = stage(high_dimensions(), viewport={"width": 900, "height": 700})
    texts(page, 2)
    return page


def jump(page, n):
    """Move by keyboard to n, and read the three texts."""
    handle = page.get_by_role("slider", name="dimension n")
    handle.press("Home")
    while int(page.locator("output").first.inner_text()) < n:
        handle.press("ArrowRight")
    return texts(page, n)


def texts(page, n):
    page.wait_for_function(f"document.querySelector('figcaption').textContent.startsWith('In {n} dimension')")
    return page.locator("figcaption").all_inner_texts()


def drawn(text):
    return [int(number.replace(",", "")) for number in re.findall(r"rawn: ([\d,]+)", text)]


@pytest.mark.slow
def test_the_page_says_what_python_knows(slider):
    for n in DIMENSIONS:
        shell, angle, shares = jump(slider, n)
        known = exact(n)
        assert f"outside radius {radius_text(known.radius)}." in shell
        assert f"at 90° ± {known.spread:.3g}° (1/√n is {math.degrees(1 / math.sqrt(n)):.3g}°)" in angle
        assert f"fills {fraction_text(known.inside)} of the cube" in shares
        assert f"eps = 0.01 with probability {fraction_text(known.above)}" in shares
        assert slider.get_by_role("slider", name="dimension n").get_attribute("aria-valuetext").startswith(f"{n} dim")


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3, 100, 784])
def test_the_page_draws_what_the_laws_say(slider, n):
    jump(slider, n)
    known, totals, means, spreads = exact(n), np.zeros(3), [], []
    for _ in range(5):
        before = slider.evaluate("document.body.innerHTML")  # with the bars: the texts may be the same by chance
        slider.get_by_role("button", name="Draw again").click()
        slider.wait_for_function("old => document.body.innerHTML !== old", arg=before)
        shell, angle, shares = texts(slider, n)
        totals += drawn(shell) + drawn(shares)
        mean, spread = re.search(r"Drawn: ([\d.]+)° ± ([\d.]+)°", angle).groups()
        means.append(float(mean))
        spreads.append(float(spread))
    for count, share in zip(totals, (0.5, 10**known.inside, 10**known.above), strict=True):
        assert scipy.stats.binomtest(int(count), 5 * SAMPLES, min(share, 1.0)).pvalue > 1e-4
    assert np.mean(means) == pytest.approx(90, abs=5 * known.spread / math.sqrt(5 * SAMPLES) + 0.05)
    assert np.mean(spreads) == pytest.approx(known.spread, rel=0.05)


@pytest.mark.slow
def test_the_dashed_line_is_the_law(slider):
    for n in (2, 3, 10):
        jump(slider, n)
        points, height = (
            slider.locator(".concentration-law")
            .nth(1)
            .evaluate("one => [[...one.points].map(({ x, y }) => [x, y]), one.ownerSVGElement.height.baseVal.value]")
        )
        x, y = np.array(points).T
        shares = (height - 36 - y) / (height - 36 - 8)  # of the height of the plot, to 0.1 pixels
        middles = torch.linspace(2, 178, len(x))
        law = (below(n, middles + 2) - below(n, middles - 2)).numpy()
        assert shares / shares.max() == pytest.approx(law / law.max(), abs=0.004)


@pytest.mark.slow
def test_eps_and_zoom(slider):
    slider.get_by_role("button", name="n = 100", exact=True).click()
    texts(slider, 100)
    slider.get_by_role("slider", name="eps").press("End")
    slider.wait_for_function("document.body.innerText.includes('eps = 0.5 ')")
    assert fraction_text(100 * math.log10(0.5)) in texts(slider, 100)[2]
    narrow = slider.locator(".course-plot").first.inner_html()
    slider.get_by_label("zoom in").check()
    slider.wait_for_function("document.querySelector('.course-plot').textContent.includes('0.96')")  # a tick
    assert slider.locator(".course-plot").first.inner_html() != narrow
    slider.wait_for_function("document.querySelector('[role=status]').textContent.includes('In 100 dimensions')")


@pytest.mark.slow
def test_dragging_is_smooth(slider):
    slider.get_by_role("slider", name="eps").press("Home")  # the slowest
    times = slider.locator("input[type=range]").first.evaluate("""async slider => {
        const times = []
        for (let k = 0; k < 40; k++) {
            slider.value = 3 * k
            slider.dispatchEvent(new Event("input"))
            const start = await new Promise((done) => requestAnimationFrame(() => done(performance.now())))
            await new Promise((done) => setTimeout(done))
            times.push(performance.now() - start)
        }
        return times.sort((a, b) => a - b)
    }""")
    assert times[20] < 50


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 700, 900])
def test_nothing_sticks_out(slider, width):
    slider.set_viewport_size({"width": width, "height": 900})
    slider.wait_for_timeout(200)
    assert slider.evaluate("document.documentElement.scrollWidth") <= width
    for svg in slider.locator("svg").all():
        box = svg.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
