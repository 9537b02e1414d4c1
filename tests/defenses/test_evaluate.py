"""Robust accuracy: exact where the worst case is known, each attack by itself; alarmed by hidden gradients only."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation, models, runtime, training
from course_utils.attacks import fgsm, pgd, square
from course_utils.defenses import adversarial, evaluate, intervals, masking
from course_utils.figures import Table
from tests.stage import interrupted

QUICK = dict(nearest=1, queries=30, progress=False)
ATTACKS = ["clean", "noise", "fgsm", "pgd-10", "pgd-40", "pgd-100", "margin", "square"]


def attacked(*arguments, **settings):
    return evaluate.robust_accuracy(*arguments, **QUICK | settings)


def linear(number=200, shape=(1, 5, 5), seed=0):
    """Two classes parted by a plane, images so grey that the box does not matter, and the eps that each withstands."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(shape).numel(), 2))
    images = 0.35 + 0.3 * torch.rand(number, *shape)
    with torch.no_grad():
        model[1].bias -= model(images).mean(0)
    w = (model[1].weight[1] - model[1].weight[0]).detach()
    logits = evaluation.logits(model, images)
    return model, images, logits.argmax(1), (logits[:, 1] - logits[:, 0]).abs() / w.abs().sum()


@pytest.fixture(scope="module")
def digits(net):
    return data.mnist("cpu").test[:24]


@pytest.fixture(scope="module")
def robust():
    """Small nets: trained on fast adversarial images at eps 0.1, and with interval bounds at 0.05."""
    split, nets = data.mnist("cpu").train[:2000], {}
    for name, loss in (("fast", adversarial.OneStep(0.1)), ("intervals", intervals.IntervalLoss(0.05))):
        torch.manual_seed(0)
        nets[name] = models.Strided(), loss.eps
        training.fit(nets[name][0], split, loss=loss, epochs=6, generator=runtime.seed(0), progress=False)
    return nets


# The figures


@pytest.mark.parametrize("eps", [0.005, 0.02, 0.05])
def test_the_worst_case_of_a_linear_net_is_found_exactly(eps):
    """|margin| <= eps * |w|_1: on both sides of it, to the last image."""
    model, images, labels, withstands = linear()
    report = attacked(model, images, labels, eps)
    exact = withstands > eps
    assert 0 < exact.float().mean() < 1
    assert torch.equal(report.worst, exact)
    for name in ("fgsm", "pgd-40", "pgd-100", "margin"):
        assert torch.equal(report.per_attack[name], exact), name


def test_nothing_that_is_proved_falls(robust):
    model, eps = robust["intervals"]
    split = data.mnist("cpu").test[:60]
    report = attacked(model, split.images, split.labels, eps, queries=100)
    proved = intervals.verified(model, split.images, split.labels, eps)
    assert proved.float().mean() > 0.3
    assert report.worst[proved].all() and all(right[proved].all() for right in report.per_attack.values())


def test_each_attack_stands_for_itself_and_no_other(net):
    """The twin asks each attack by itself, with the same draws for those that come first."""
    digits, eps = data.mnist("cpu").test[:40], 0.15
    images, labels = digits.images, digits.labels
    report = attacked(net, images, labels, eps)
    clean = evaluation.predict(net, images).labels == labels
    assert torch.equal(report.per_attack["clean"], clean) and list(report.per_attack) == ATTACKS
    once = fgsm(net, images, labels, eps)
    assert torch.equal(report.per_attack["fgsm"], clean & (evaluation.predict(net, once).labels == labels))
    for name, attack in {
        "pgd-10": lambda x, y: pgd(net, x, y, eps, steps=10, progress=False),
        "pgd-40": lambda x, y: pgd(net, x, y, eps, steps=40, progress=False),
        "square": lambda x, y: square(net, x, y, eps, queries=30, progress=False),
    }.items():
        twin = (evaluation.predict(net, attack(images, labels)).labels == labels) & clean
        assert (report.per_attack[name] != twin).float().mean() < 0.15, name  # other draws
    share = report.accuracy()
    assert share["fgsm"] > share["pgd-40"] + 0.1 and share["square"] > share["pgd-40"] + 0.1  # nothing leaks
    assert torch.equal(report.worst, torch.stack([*report.per_attack.values()]).all(0))
    assert share["worst"] == report.worst.float().mean() <= min(share[name] for name in ATTACKS)


def test_a_failing_attack_keeps_its_own_figure(monkeypatch, net, digits):
    """After an attack under which everything fell, an attack that does nothing is still seen to do nothing."""
    monkeypatch.setattr(evaluate, "square", lambda model, x, y, eps, **settings: x)
    report = attacked(net, digits.images, digits.labels, 0.3)
    assert report.accuracy()["pgd-40"] < 0.1 and report.accuracy()["square"] == report.accuracy()["clean"] > 0.5


def test_an_image_that_is_wrong_already_is_wrong_under_every_attack(net, digits):
    labels = digits.labels.clone()
    labels[::3] = (labels[::3] + 1) % 10
    report = attacked(net, digits.images, labels, 0.01)
    assert not torch.stack([*report.per_attack.values()])[:, ::3].any()
    every = attacked(net, digits.images, (evaluation.predict(net, digits.images).labels + 1) % 10, 0.1)
    assert list(every.per_attack) == ATTACKS and every.accuracy()["square"] == 0


def test_another_net_lends_its_images(net, digits, robust):
    images, labels = digits.images, digits.labels
    own = attacked(net, images, labels, 0.2, source=robust["fast"][0])
    assert list(own.per_attack) == [*ATTACKS[:-1], "transfer", "square"]
    assert own.accuracy()["pgd-40"] < own.accuracy()["transfer"] < own.accuracy()["clean"]
    with pytest.raises(ValueError, match="source is the model itself"):
        attacked(net, images, labels, 0.2, source=net)


def test_a_smooth_stand_in_breaks_what_rounding_hid(net, digits):
    class Rounded(nn.Module):
        def forward(self, x):
            return net((3 * x).round() / 3)

    report = attacked(Rounded(), digits.images, digits.labels, 0.2, source=net)
    share = report.accuracy()
    assert share["pgd-100"] > share["transfer"] + 0.3 and share["worst"] <= share["transfer"]


def test_more_of_everything_leaves_no_more(net, digits):
    little, much = (
        attacked(net, digits.images, digits.labels, 0.1, nearest=n, queries=q).accuracy() for n, q in ((1, 5), (2, 90))
    )
    assert much["margin"] <= little["margin"]
    assert much["square"] < little["square"] and much["worst"] <= little["worst"]


def test_a_call_can_be_repeated_and_leaves_everything_as_it_was(net, digits):
    model, images, labels = net, digits.images[:10].clone(), digits.labels[:10].clone()
    model.train()
    random, before, slopes = torch.get_rng_state(), images.clone(), [p.grad for p in model.parameters()]
    first, second = (attacked(model, images, labels, 0.15) for _ in range(2))
    assert model.training and torch.equal(torch.get_rng_state(), random) and torch.equal(images, before)
    assert all(p.grad is slope for p, slope in zip(model.parameters(), slopes, strict=True))
    model.eval()
    third = attacked(model, images, labels, 0.15)
    for other in (second, third):
        assert all(torch.equal(first.per_attack[name], other.per_attack[name]) for name in ATTACKS)


def test_double_precision_and_three_channels():
    model, images, labels, withstands = linear(50, (3, 4, 4))
    report = attacked(model.double(), images.double(), labels, 0.01)
    assert torch.equal(report.worst, withstands > 0.01)


def test_the_table_has_a_row_for_each_attack(net, digits):
    report = attacked(net, digits.images[:20], digits.labels[:20], 0.1)
    table = report.table()
    assert isinstance(table, Table) and table.headers == ["attack", "accuracy"]
    assert [row[0] for row in table.rows] == [*ATTACKS, "worst"]
    assert table.rows[-1][1] == f"{report.accuracy()['worst']:.1%}"


# What cannot be attacked, and what must not be believed


class Hidden(nn.Module):
    """A net behind something that hides its gradient."""

    def __init__(self, net, how):
        super().__init__()
        self.net, self.how = net, how

    def forward(self, x):
        if self.how == "rounded":
            return self.net(x.round())
        if self.how == "four levels":
            return self.net((3 * x).round() / 3)
        if self.how == "steep":
            return 1000 * self.net(x)
        if self.how == "argmax":
            return 9 * F.one_hot(self.net(x).argmax(1), 10).float()
        if self.how == "detached":
            return self.net(x).detach()
        if self.how == "detector":  # a class of its own for images with too many grey pixels, counted with a step
            grey = ((x > 0.05) & (x < 0.95)).float().mean((1, 2, 3))
            return torch.cat([self.net(x).detach().round(), 100 * (grey > 0.9).float()[:, None]], 1)
        if self.how == "random":
            return self.net(x + 0.2 * torch.randn_like(x))
        ripple = 0.05 * torch.sin(4000 * x).flatten(1)  # "shattered"
        return self.net(x) + ripple.cumsum(1)[:, 78::78]


MASKS = ["rounded", "four levels", "steep", "argmax", "detached", "detector", "shattered", "random"]


def failed(*arguments, **settings):
    return {
        finding.name
        for finding in masking.gradient_masking(*arguments, **dict(progress=False) | settings)
        if not finding.passed
    }


@pytest.mark.parametrize("how", MASKS)
def test_hidden_gradients_are_noticed(how, net, digits):
    images, labels = digits.images[:16], digits.labels[:16]
    model = Hidden(net, how).eval()
    report = attacked(model, images, labels, 0.15, queries=200)
    signs = failed(model, images, labels, 0.15, report=report)
    assert signs
    if how in ("rounded", "four levels", "steep", "argmax", "detached", "detector"):
        assert "a gradient everywhere" in signs
    if how == "random":
        assert "the same answer twice" in signs
        assert "other logits for 100%" in report.notes["clean"] and report.table().headers[-1] == "note"
    if how in ("argmax", "detached", "detector"):
        assert set(report.notes) == set(masking.WHITE_BOX)
        assert "no gradient flows" in report.notes["fgsm"]
        assert all(torch.equal(report.per_attack[name], report.per_attack["clean"]) for name in masking.WHITE_BOX)


def test_shattered_gradients_mislead_short_steps_and_not_squares(net, digits):
    model, images, labels = Hidden(net, "shattered").eval(), digits.images[:30], digits.labels[:30]
    report = attacked(model, images, labels, 0.2, queries=150)
    share = report.accuracy()
    assert share["square"] < share["pgd-40"] - 0.3
    signs = failed(model, images, labels, 0.2, report=report)
    assert {"many steps beat one", "gradients beat noise"} <= signs


@pytest.mark.parametrize("name", ["plain", "linear", "fast", "intervals"])
def test_an_honest_net_raises_no_alarm(name, net, digits, robust):
    images, labels, eps = digits.images[:24], digits.labels[:24], 0.1
    model = net
    if name == "linear":
        model, images, labels, _ = linear()
    elif name != "plain":
        model, eps = robust[name]
    report = attacked(model, images, labels, eps, queries=200)
    findings = masking.gradient_masking(model, images, labels, eps, report=report, progress=False)
    assert len(findings) >= 8 and all(finding.passed for finding in findings), findings
    assert all(finding.message == "as it should be" for finding in findings)


def test_without_a_report_one_is_made(net, digits):
    few = digits[:12]
    found = masking.gradient_masking(net, few.images, few.labels, 0.15, source=models.LeNet5(), progress=False)
    assert found[-1].name == "own gradients beat borrowed ones" and all(each.passed for each in found)


def test_each_check_can_fail():
    """From reports that contradict themselves, on a net that is in order."""
    model, images, labels, _ = linear()
    honest = attacked(model, images, labels, 0.02)
    kept, fallen = torch.ones(200, dtype=torch.bool), torch.zeros(200, dtype=torch.bool)
    pgds = {"pgd-10": kept, "pgd-40": kept, "pgd-100": kept}
    for told, sign in [
        (pgds | {"fgsm": fallen}, "many steps beat one"),
        ({"pgd-100": kept, "pgd-10": fallen}, "more steps, more fooled"),
        ({"pgd-40": kept}, "a larger ball, more fooled"),
        (pgds | {"noise": fallen}, "gradients beat noise"),
        ({"square": fallen}, "gradients beat squares"),
        ({"transfer": fallen}, "own gradients beat borrowed ones"),
    ]:
        lied = evaluate.RobustnessReport(0.02, honest.per_attack | told)
        assert sign in failed(model, images, labels, 0.02, report=lied)
    assert failed(model, images, labels, 0.02, report=honest) == set()


# Bad input


def test_an_interrupt_leaves_whole_attacks_only(net, digits, capsys):
    images, labels = digits.images[:20], digits.labels[:20]
    whole = attacked(net, images, labels, 0.1)
    stopped = attacked(interrupted(net, 40), images, labels, 0.1)
    assert capsys.readouterr().out.count("Interrupted") == 1
    assert list(stopped.per_attack) == ATTACKS[: len(stopped.per_attack)] and 3 <= len(stopped.per_attack) < len(
        ATTACKS
    )
    assert all(torch.equal(stopped.per_attack[name], whole.per_attack[name]) for name in stopped.per_attack)
    with pytest.raises(ValueError, match="interrupted before its last attack"):
        masking.gradient_masking(net, images, labels, 0.1, report=stopped)
    with pytest.raises(KeyboardInterrupt):  # half a check is none
        masking.gradient_masking(interrupted(net, 20), images, labels, 0.1, report=whole)
    fooled = pgd(interrupted(net, 20), images, labels, 0.1, progress=False)  # elsewhere an attack still ends quietly
    assert fooled.shape == images.shape and "Interrupted" in capsys.readouterr().out


@pytest.mark.parametrize(("what", "message"), [("far", "left its bounds"), ("out", "left its bounds")])
def test_an_attack_that_leaves_its_bounds_is_an_error(what, message, monkeypatch):
    model, images, labels, _ = linear()
    leave = {"far": lambda x: (x + 0.06).clamp(0, 1), "out": lambda x: x - 0.7}[what]
    monkeypatch.setattr(evaluate, "fgsm", lambda model, x, y, eps, **settings: leave(x))
    with pytest.raises(RuntimeError, match=message):
        attacked(model, images, labels, 0.05 if what == "far" else 0.7)


MISTAKES = {
    "for 25 grey levels write 25/255": (dict(eps=25), None),
    "not below 0": (dict(eps=-0.1), None),
    "queries=1.5": (dict(queries=1.5), None),
    "nearest=0": (dict(nearest=0), None),
    "divide by 255": ({}, lambda m, x, y: (m, 255 * x, y)),
    "before normalisation": ({}, lambda m, x, y: (m, x - 1, y)),
    "the classes are 0 to 1": ({}, lambda m, x, y: (m, x, y + 1)),
    "labels.long()": ({}, lambda m, x, y: (m, x, y.float())),
    "not (200,)": ({}, lambda m, x, y: (m, x, y[:5])),
    "leave out the softmax": ({}, lambda m, x, y: (nn.Sequential(m, nn.Softmax(1)), x, y)),
    "not an nn.Module": ({}, lambda m, x, y: (m.forward, x, y)),
    "at least 2 classes": ({}, lambda m, x, y: (nn.Sequential(m, nn.Linear(2, 1)), x, y * 0)),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_named(message):
    settings, change = MISTAKES[message]
    model, images, labels, _ = linear()
    arguments = (model, images, labels) if change is None else change(model, images, labels)
    with pytest.raises((TypeError, ValueError)) as caught:
        attacked(*arguments, **dict(eps=0.1) | settings)
    assert message in str(caught.value)


def test_masked_names_mistakes_too(net, digits):
    images, labels = digits.images[:20], digits.labels[:20]
    report = attacked(net, images, labels, 0.1)
    for other in (dict(images=digits.images[:10], labels=digits.labels[:10]), dict(eps=0.2)):
        arguments = dict(images=images, labels=labels, eps=0.1) | other
        with pytest.raises(ValueError, match="other images or another eps"):
            masking.gradient_masking(net, **arguments, report=report)
    wrong = (evaluation.predict(net, images).labels + 1) % 10
    with pytest.raises(ValueError, match="check labels"):
        masking.gradient_masking(net, images, wrong, 0.1, progress=False)
