"""A robustness trial: its numbers are those of a plain loop, an attack that fails costs nothing, no proof is passed."""

import base64
import re

import pytest
import torch
from torch import nn

from course_utils import attacks, data, evaluation, figures
from course_utils.core.stats import clopper_pearson
from course_utils.widgets import RobustnessClaim, robustness_trial
from course_utils.widgets.robustness import ATTACKERS, PORTION, SHOWN, STOPS, Trial, assault
from tests.stage import ask
from tests.stage import show as render

QUICK = {name: ATTACKERS[name] for name in ("noise", "FGSM", "PGD-20")}


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").test[:40]


@pytest.fixture(scope="module")
def pair():
    """Digits 0 and 1."""
    split = data.mnist("cpu").test
    return split[split.labels < 2][:60]


@pytest.fixture
def two():
    """A linear net that tells 0 from 1: there, one step of FGSM is the worst attack, and a sum proves the rest."""
    split = data.mnist("cpu").train[:2000]
    middles = torch.stack([split.images[split.labels == k].mean(0).flatten() for k in (0, 1)])
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
    net[1].weight.data, net[1].bias.data = middles / 20, -middles.square().sum(1) / 40  # no softmax rounds to 1
    return net


def margin(model, images, labels, eps):
    """The smallest margin of the label within eps and [0, 1] of a linear net with two outputs."""
    weight = (model[1].weight[labels] - model[1].weight[1 - labels]).detach()
    low, high = ((images + move).clamp(0, 1).flatten(1) for move in (-eps, eps))
    bias = model[1].bias.detach()
    return torch.where(weight > 0, weight * low, weight * high).sum(1) + bias[labels] - bias[1 - labels]


def proof(model, images, labels, eps):
    return margin(model, images, labels, eps) > 1e-5


def send(widget, net, attacker, eps, most=20):
    """Attack until all digits were; the last answer and its picture."""
    for _ in range(most):
        answer, buffers = ask(widget, "attack", net=net, attacker=attacker, eps=eps)
        if "error" in answer or answer["trouble"] or answer["done"] == answer["total"]:
            return answer, buffers
    raise AssertionError("there is no end to it")


def test_it_starts_with_clean_digits_and_no_attack(live, net, digits):
    called = []
    widget = robustness_trial({"LeNet": net, "the same": net}, digits, attackers={"spy": lambda *_: called.append(1)})
    answer, (shown,) = ask(widget, "show")
    assert (answer["nets"], list(answer["looks"]), answer["total"]) == (["LeNet", "the same"], ["spy"], 40)
    named = evaluation.predict(net, digits.images).labels
    assert answer["clean"]["right"] == int((named == digits.labels).sum())
    assert answer["digits"] == list(zip(digits.labels[:SHOWN].tolist(), named[:SHOWN].tolist(), strict=True))
    pixels = torch.frombuffer(bytearray(shown), dtype=torch.uint8).view(SHOWN, *answer["shape"])
    assert torch.equal(pixels, (255 * digits.images[:SHOWN]).round().byte())
    assert (answer["done"], answer["rows"], answer["together"], answer["says"]) == (0, {"spy": None}, None, "")
    assert (answer["claim"], answer["floor"], called) == (None, None, [])


@pytest.mark.parametrize("attacker", list(ATTACKERS))
def test_the_numbers_are_those_of_a_plain_loop(live, net, digits, attacker):
    widget = robustness_trial({"LeNet": net}, digits)
    answer, (shown,) = send(widget, "LeNet", attacker, 0.1)
    right, first = [], None
    for part in (digits[:25], digits[25:]):
        images = ATTACKERS[attacker](net, part.images, part.labels, 0.1)
        assert (images - part.images).abs().max() <= 0.1 + 1e-6
        first = images[:SHOWN] if first is None else first
        right += (net(images).argmax(1) == part.labels).tolist()
    low, high = clopper_pearson(sum(right), 40)
    row = answer["rows"][attacker]
    assert row == {"fraction": sum(right) / 40, "low": low, "high": high, "right": sum(right), "done": 40}
    assert answer["together"] == row
    assert answer["curves"][attacker][1] == [0.1, sum(right) / 40, low, high]
    pixels = torch.frombuffer(bytearray(shown), dtype=torch.uint8).view(SHOWN, 1, 28, 28)
    assert torch.equal(pixels, (255 * first).round().byte())
    assert answer["says"].startswith(f"{attacker} at eps = 0.1 leaves {sum(right)} of 40 digits right (95 % interval ")
    assert f"to {100 * high:.1f} %)" in answer["says"] or high == 1
    assert answer["says"].endswith(f"and {answer['clean']['right']} were before.")


def test_it_goes_on_where_it_stopped_and_measures_nothing_twice(live, net, digits):
    seen = []

    def attack(model, images, labels, eps):
        seen.append((eps, len(images), labels.tolist()))
        return images

    widget = robustness_trial({"LeNet": net}, digits, attackers={"spy": attack})
    how = dict(net="LeNet", attacker="spy")
    assert ask(widget, "attack", **how, eps=0.1)[0]["done"] == 25
    assert ask(widget, "attack", **how, eps=0.2)[0]["done"] == 25
    answer, _ = ask(widget, "attack", **how, eps=0.1)
    assert answer["done"] == 40 and answer["curves"]["spy"][1][0] == 0.1 and len(answer["curves"]["spy"]) == 2
    assert [(eps, number) for eps, number, _ in seen] == [(0.1, 25), (0.2, 25), (0.1, 15)]
    assert [k for eps, _, labels in seen if eps == 0.1 for k in labels] == digits.labels.tolist()
    for _ in range(3):
        assert ask(widget, "attack", **how, eps=0.1)[0]["rows"] == answer["rows"]
    assert ask(widget, "show")[0]["settings"] == how | {"eps": 0.1}
    assert len(seen) == 3


def test_nothing_changes_at_eps_0_and_the_attack_is_not_asked(live, net, digits):
    widget = robustness_trial({"LeNet": net}, digits, attackers={"none": lambda *_: 1 / 0})
    answer, _ = send(widget, "LeNet", "none", 0.0)
    assert answer["rows"]["none"] == answer["clean"] and answer["trouble"] == ""
    assert answer["says"] == f"Nothing may change at eps = 0: {answer['clean']['right']} of 40 clean digits are right."


def test_together_counts_the_digits_that_no_attack_got(live, net, digits):
    def only(k):
        return lambda model, images, labels, eps: torch.where(
            (labels == k).view(-1, 1, 1, 1), attacks.pgd(model, images, labels, eps, progress=False), images
        )

    widget = robustness_trial({"LeNet": net}, digits, attackers={"sevens": only(7), "ones": only(1)})
    before = int(widget.trial.clean["LeNet"].right.sum())
    lost = [before - send(widget, "LeNet", name, 0.3)[0]["rows"][name]["right"] for name in ("sevens", "ones")]
    assert min(lost) > 0
    together = ask(widget, "show")[0]["together"]
    assert together["right"] == before - sum(lost)


def test_an_attack_that_raises_says_so_and_nothing_is_lost(live, net, digits):
    broken = []

    def attack(model, images, labels, eps):
        if broken:
            raise broken[0]
        return images

    widget = robustness_trial({"LeNet": net}, digits, attackers={"FGSM": attacks.fgsm, "mine": attack})
    before, _ = send(widget, "LeNet", "FGSM", 0.1)
    ask(widget, "attack", net="LeNet", attacker="mine", eps=0.1)
    for error, text in (
        (ValueError("this wants a squeezed net"), "this wants a squeezed net"),
        (ZeroDivisionError("by 0"), "ZeroDivisionError: by 0"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
    ):
        broken[:] = [error]
        answer, buffers = ask(widget, "attack", net="LeNet", attacker="mine", eps=0.1)
        assert answer["trouble"] == f"mine failed against LeNet: {text}" and len(buffers) == 1
        assert answer["settings"]["attacker"] == "mine" and answer["done"] == 25
        assert answer["rows"]["FGSM"] == before["rows"]["FGSM"] and answer["curves"]["FGSM"] == before["curves"]["FGSM"]
    broken.clear()
    answer, _ = send(widget, "LeNet", "mine", 0.1)
    assert answer["trouble"] == "" and answer["rows"]["mine"] == answer["clean"]


def test_half_an_attack_is_no_result(live, net, digits):
    widget = robustness_trial({"LeNet": net}, digits, attackers=QUICK)
    passes = []

    def interrupt(module, inputs):
        passes.append(1)
        if len(passes) == 5:
            raise KeyboardInterrupt

    hook = net.register_forward_pre_hook(interrupt)
    answer, _ = ask(widget, "attack", net="LeNet", attacker="PGD-20", eps=0.1)
    hook.remove()
    assert "KeyboardInterrupt" in answer["trouble"] and answer["done"] == 0
    plain = send(robustness_trial({"LeNet": net}, digits, attackers=QUICK), "LeNet", "PGD-20", 0.1)[0]["rows"]
    assert send(widget, "LeNet", "PGD-20", 0.1)[0]["rows"] == plain


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (lambda m, x, y, eps: (x + 1.5 * eps).clamp(0, 1), r"changed a pixel by 0.15, and eps is 0.1"),
        (lambda m, x, y, eps: x + eps, "not 0 to 1"),
        (lambda m, x, y, eps: x / 0, "NaN"),
        (lambda m, x, y, eps: x[:-1], r"gave torch.float32 \(24, 1, 28, 28\): want images \(25, 1, 28, 28\)"),
        (lambda m, x, y, eps: None, "gave a NoneType"),
        (lambda m, x, y, eps: x.double().mul(255).byte(), "uint8"),
    ],
)
def test_an_attack_that_leaves_the_rules_is_refused(live, net, digits, attack, message):
    widget = robustness_trial({"LeNet": net}, digits, attackers={"mine": attack})
    answer, _ = ask(widget, "attack", net="LeNet", attacker="mine", eps=0.1)
    assert re.search(message, answer["trouble"]) and answer["done"] == 0


def test_an_attack_cannot_change_the_digits_or_the_labels(digits):
    def attack(model, images, labels, eps):
        labels.fill_(3)
        return images.sub_(0.05).clamp_(0, 1)

    images, labels = digits.images.clone(), digits.labels.clone()
    attacked = assault(nn.Flatten(), attack, images, labels, 0.1)
    assert torch.equal(images, digits.images) and torch.equal(labels, digits.labels)
    assert not torch.equal(attacked, images)


def test_a_claim_falls_only_within_its_eps_and_beyond_chance(live, net, digits):
    claims = {"LeNet": RobustnessClaim(0.9, 0.2, "their own test")}
    widget = robustness_trial({"LeNet": net}, digits, attackers=QUICK, claims=claims)
    answer, _ = send(widget, "LeNet", "PGD-20", 0.3)
    assert answer["rows"]["PGD-20"]["high"] < 0.9
    assert answer["claim"]["text"] == "Claimed: 90 % stay right within eps = 0.2 (their own test)."
    answer, _ = send(widget, "LeNet", "noise", 0.02)
    assert not answer["claim"]["fallen"]
    answer, _ = send(widget, "LeNet", "PGD-20", 0.2)
    left = answer["rows"]["PGD-20"]["right"]
    assert answer["claim"]["fallen"] and (answer["claim"]["accuracy"], answer["claim"]["eps"]) == (0.9, 0.2)
    assert answer["claim"]["text"].endswith(f"(their own test). Fallen: PGD-20 left {left} of 40 at eps = 0.2.")
    modest = answer["rows"]["PGD-20"]["high"]
    widget = robustness_trial(
        {"LeNet": net}, digits, attackers=QUICK, claims={"LeNet": RobustnessClaim(modest, 0.2, "just within chance")}
    )
    assert not send(widget, "LeNet", "PGD-20", 0.2)[0]["claim"]["fallen"]


@pytest.mark.parametrize("stop", [0, 5, 12, 20, 40])
def test_no_attack_gets_below_the_floor_and_the_best_one_reaches_it(live, two, pair, stop):
    widget = robustness_trial({"linear": two}, pair, attackers=QUICK, proofs={"linear": proof})
    eps = stop / 100
    answer, _ = send(widget, "linear", "FGSM", eps)
    exact = (margin(two, pair.images, pair.labels, eps) > 0).float().mean().item()
    assert answer["floor"][stop] == pytest.approx(exact) == answer["rows"]["FGSM"]["fraction"]
    assert answer["floor"] == sorted(answer["floor"], reverse=True) and len(answer["floor"]) == STOPS + 1
    for name in ("noise", "PGD-20"):
        assert send(widget, "linear", name, eps)[0]["rows"][name]["fraction"] >= exact - 1e-6
    assert eps == 0 or f"Proved, whatever the attack: {round(60 * exact)}." in answer["says"]
    assert "does not hold" not in answer["says"]


def test_a_proof_that_is_wrong_is_found_out(live, two, pair):
    def wishful(model, images, labels, eps):
        return margin(model, images, labels, eps / 2) > 0

    widget = robustness_trial({"linear": two}, pair, attackers=QUICK, proofs={"linear": wishful})
    answer, _ = send(widget, "linear", "FGSM", 0.2)
    wrong = ((margin(two, pair.images, pair.labels, 0.1) > 0) & (margin(two, pair.images, pair.labels, 0.2) < 0)).sum()
    assert wrong > 0 and f"But {wrong} of them are wrong now: the proof does not hold." in answer["says"]


def test_each_attacker_looks_different_and_noise_is_grey(net, digits):
    names = [*(f"attack {k}" for k in range(12)), "noise"]
    trial = Trial({"LeNet": net}, digits, dict.fromkeys(names, attacks.random_noise), {}, {})
    assert len(set(trial.looks.values())) == 13 and trial.looks["noise"][0] == figures.NOISE
    assert all(
        hue not in (figures.CLEAN, figures.DEFENDED, figures.NOISE) for hue, _ in list(trial.looks.values())[:-1]
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(nets={}), TypeError, "the nets are {}: want a dict"),
        (dict(nets=[nn.Flatten()]), TypeError, "the nets are .*: want a dict"),
        (dict(nets={"a": lambda x: x}), TypeError, "a function, not an nn.Module"),
        (dict(nets={"a": nn.Conv2d(3, 10, 3)}), ValueError, "the net 'a' does not fit: the model cannot take"),
        (dict(nets={"a": nn.Sequential(nn.Flatten(), nn.Linear(784, 3))}), ValueError, "classes are 0 to 2"),
        (dict(attackers={}), TypeError, "the attackers are {}"),
        (dict(attackers={"x": "pgd"}), TypeError, "'x' among the attackers is no function"),
        (dict(claims={"tiny": (0.9, 0.1, "x")}), TypeError, "the claim .* wants to be RobustnessClaim"),
        (
            dict(claims={"b": RobustnessClaim(0.9, 0.1, "")}),
            ValueError,
            "a claim or a proof for 'b', and the nets are tiny",
        ),
        (dict(proofs={"b": proof}), ValueError, "a claim or a proof for 'b'"),
        (dict(proofs={"tiny": lambda *_: 0.9}), ValueError, "the proof of 'tiny' gave a float"),
        (dict(proofs={"tiny": lambda m, x, y, e: y}), ValueError, r"gave torch.int64 \(40,\)"),
        (dict(number=0), ValueError, "number=0"),
    ],
)
@pytest.mark.parametrize("here", ["live", "static"])
def test_what_does_not_fit_is_refused_at_once(request, digits, here, change, error, message):
    request.getfixturevalue(here)
    settings = dict(nets={"tiny": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}, split=digits) | change
    with pytest.raises(error, match=message):
        robustness_trial(**settings)


@pytest.mark.parametrize(("accuracy", "eps"), [(90, 0.1), (0.9, 0.5), (-0.1, 0.1)])
def test_a_claim_is_a_fraction_and_an_eps(accuracy, eps):
    with pytest.raises(ValueError, match=r"RobustnessClaim\(accuracy=.*want a fraction from 0 to 1"):
        RobustnessClaim(accuracy, eps, "")


def test_it_leaves_the_net_and_the_generator_as_they_were(live, net, digits):
    state = torch.get_rng_state()
    net.train()
    threads = torch.get_num_threads()
    widget = robustness_trial({"LeNet": net}, digits)
    for name in ATTACKERS:
        ask(widget, "attack", net="LeNet", attacker=name, eps=0.1)
    assert net.training and all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    net.eval()


def test_the_static_twin_is_a_picture_with_the_numbers_of_the_live_one(static, monkeypatch, net, two, pair):
    def picky(model, images, labels, eps):
        raise TypeError("wants a squeezed net")

    def show():
        attackers = {"FGSM": attacks.fgsm, "noise": attacks.random_noise, "BPDA": picky}
        claims = {"linear": RobustnessClaim(0.9, 0.1, "ours")}
        return robustness_trial(
            {"LeNet": net, "linear": two}, pair, attackers=attackers, claims=claims, proofs={"linear": proof}
        )

    first, second = show(), show()
    assert isinstance(first, figures.Picture) and first.png == second.png
    monkeypatch.setenv("COURSE_STATIC", "0")
    widget = show()
    for name in ("LeNet", "linear"):
        counts = [send(widget, name, attacker, 0.3)[0]["rows"][attacker]["right"] for attacker in ("FGSM", "noise")]
        for attacker, count in zip(("FGSM", "noise"), counts, strict=True):
            text = next(part for part in first.alt.split(". ") if part.startswith(f"{name}: "))
            assert f"{count} under {attacker}" in first.alt.split(f"{name}: ")[1]
        assert text.startswith(f"{name}: {int(widget.trial.clean[name].right.sum())} right on clean digits")
    sure = int(proof(two, pair.images, pair.labels, 0.3).sum())
    assert f"{sure} proved" in first.alt and "90 % claimed at 0.1." in first.alt
    assert first.alt.count("BPDA: TypeError: wants a squeezed net.") == 2


SLOW = """ms => {
    const real = window.kernel
    window.kernel = async (message) => {
        if (message.attacker === "slow") await new Promise((done) => setTimeout(done, ms))
        return real(message)
    }
}"""


@pytest.fixture
def stage(browser):
    """As in the tests of the other widgets, with the questions that were asked."""
    page = browser.new_page(viewport={"width": 900, "height": 900})
    errors, questions = [], []
    page.on("pageerror", lambda error: errors.append(error))

    def kernel(widget, message):
        questions.append(message)
        answer, buffers = widget.answer(message)
        return [answer, [base64.b64encode(one).decode() for one in buffers]]

    def show(widget, views=1, slow=0):
        page.expose_function("kernel", lambda message: kernel(widget, message))
        page.goto("about:blank")
        page.evaluate(SLOW, slow)
        render(page, widget, views)
        page.questions = questions
        return page

    yield show
    page.close()
    assert errors == []


def settle(page):
    """Wait until the page wants nothing more from the kernel."""
    page.wait_for_function(
        "document.querySelector('.course-status').textContent !== 'Waiting for the kernel.' && "
        "document.querySelector('.course-status').getAttribute('aria-busy') === 'false'"
    )
    return page.locator(".course-status").first.inner_text()


def number(page, name):
    return page.locator(f".robustness-rank:has(input[value='{name}']) .robustness-number").first.inner_text()


@pytest.mark.slow
def test_choose_and_slide_by_keyboard_in_a_browser(live, stage, net, digits):
    claims = {"LeNet": RobustnessClaim(0.9, 0.2, "their own test")}
    widget = robustness_trial({"LeNet": net, "again": net}, digits, attackers=QUICK, claims=claims)
    page = stage(widget, views=2)
    assert settle(page).startswith("noise at eps = 0.1 leaves")  # the first attacker is sent at once
    assert page.get_by_text("Claimed: 90 %").count() == 2
    page.get_by_role("radio", name="noise").first.focus()
    page.keyboard.press("ArrowDown")
    assert settle(page).startswith("FGSM at eps = 0.1 leaves")
    assert number(page, "FGSM") == f"{send(widget, 'LeNet', 'FGSM', 0.1)[0]['rows']['FGSM']['right']} of 40"
    assert page.get_by_role("radio", name="FGSM").last.is_checked()  # the other view
    assert number(page, "PGD-20") == "not yet"
    slider = page.get_by_role("slider").first
    for _ in range(10):
        slider.press("ArrowRight")
    assert settle(page).startswith("FGSM at eps = 0.2 leaves")
    assert page.locator("output").all_inner_texts() == ["0.20", "0.20"]
    page.get_by_role("radio", name="PGD-20").first.check()
    settle(page)
    assert page.locator(".robustness-fallen").count() == 2
    wrong = page.locator(".robustness").first.locator(".robustness-wrong")
    _, named = widget.answer({"page": 1, "do": "show"})[0]["digits"][0]
    first = page.locator(".robustness-digits figure").first
    assert wrong.count() > 4 and first.inner_text().startswith(("✓" if named == 7 else "✗") + f" {named}")
    assert page.evaluate("most") == 1
    label = page.locator(".course-plot").first.get_attribute("aria-label")
    assert re.search(r"PGD-20: [0-9.]+ % at 0,", label) and "at 0.2" in label
    page.get_by_label("defense").first.select_option("again")
    settle(page)
    assert page.locator(".robustness-claim").first.inner_text() == ""
    assert page.locator(".robustness-own .robustness-point").count() == 2  # of each view one: this net is new


@pytest.mark.slow
def test_a_slow_attack_queues_nothing_up_in_a_browser(live, stage, net, digits):
    attackers = {"noise": attacks.random_noise, "slow": attacks.fgsm}
    page = stage(robustness_trial({"LeNet": net}, digits, attackers=attackers), slow=400)
    settle(page)
    page.questions.clear()
    page.get_by_role("radio", name="slow").check()
    page.evaluate("""async () => {
        const slider = document.querySelector("input[type=range]")
        for (let k = 11; k <= 40; k++) {
            slider.value = k / 100
            slider.dispatchEvent(new Event("input"))
            await new Promise((done) => setTimeout(done, 20))
        }
    }""")
    page.wait_for_function("/slow is at work against LeNet: \\d+ of 40/.test(document.body.innerText)")
    assert settle(page).startswith("slow at eps = 0.4 leaves")
    tried = [question["eps"] for question in page.questions]
    assert tried[0] == 0.1 and tried[-2:] == [0.4] * 2 and len(tried) < 12  # of 31
    assert page.evaluate("most") == 1


@pytest.mark.slow
def test_an_attack_without_end_is_said_and_still_asked_only_once_in_a_browser(live, stage, net, digits):
    attackers = dict.fromkeys(["slow", "noise"], attacks.random_noise)
    page = stage(robustness_trial({"LeNet": net}, digits[:PORTION], attackers=attackers), slow=5600)
    page.wait_for_function("document.body.innerText.includes('No answer yet')")
    page.get_by_role("radio", name="noise").check()
    assert settle(page).startswith("noise at eps = 0.1")
    assert number(page, "slow").endswith(" of 25")  # its answer was heard all the same
    assert page.evaluate("most") == 1


@pytest.mark.slow
def test_an_error_is_shown_and_tried_again_in_a_browser(live, stage, net, digits):
    broken = [1]

    def attack(model, images, labels, eps):
        if broken:
            raise ValueError("out of arrows")
        return images

    page = stage(robustness_trial({"LeNet": net}, digits, attackers={"noise": attacks.random_noise, "mine": attack}))
    settle(page)
    before = number(page, "noise")
    page.get_by_role("radio", name="mine").check()
    assert settle(page) == "mine failed against LeNet: out of arrows"
    assert (number(page, "noise"), number(page, "mine")) == (before, "failed")
    asked = len(page.questions)
    page.wait_for_timeout(300)
    assert len(page.questions) == asked  # not again and again
    broken.clear()
    page.get_by_role("button", name="Try again").press("Enter")
    assert settle(page).startswith("mine at eps = 0.1 leaves")
    assert page.get_by_role("button", name="Try again").count() == 0


BOXES = """texts => [...document.querySelectorAll(texts)].filter((one) => one.textContent).map((one) => {
    const { left, top, right, bottom } = one.getBoundingClientRect()
    return [left, top, right, bottom]
})"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [340, 600, 900])
def test_nothing_sticks_out_or_overlaps_in_a_browser(live, stage, two, pair, width):
    attackers = QUICK | {"one with a rather long name, which knows": attacks.random_noise}
    claims = {
        "linear": RobustnessClaim(0.97, 0.3, "a test of their own, of which the text goes on for more than a line")
    }
    page = stage(robustness_trial({"linear": two}, pair, attackers=attackers, claims=claims, proofs={"linear": proof}))
    page.set_viewport_size({"width": width, "height": 900})
    settle(page)
    page.get_by_role("radio", name="FGSM").check()
    for eps in ("0", "0.02", "0.3", "0.4", "0.1"):
        page.get_by_role("slider").fill(eps)
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for texts in (
            ".course-plot text",
            ".robustness-name, .robustness-number, .robustness-mark",
            ".robustness-digits figcaption",
        ):
            boxes = page.evaluate(BOXES, texts)
            assert all(x >= 0 and right <= width for x, _, right, _ in boxes)
            for i, one in enumerate(boxes):
                for other in boxes[:i]:
                    apart = [min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
                    assert min(apart) <= 3, (texts, one, other)
