"""Adversarial training: the plain loop, the budget and its growth, and networks that resist where others fall."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation, models, runtime, training
from course_utils.attacks import fgsm, pgd
from course_utils.data import Split
from course_utils.defenses.adversarial import ManySteps, OneStep, Trades

METHODS = {"one step": OneStep, "many steps": ManySteps, "TRADES": Trades}
everyone = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:500]


def small(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10)).to(dtype)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def fit(model, split, loss, **settings):
    settings = dict(epochs=1, generator=runtime.seed(0), progress=False) | settings
    return training.fit(model, split, loss=loss, **settings)


@everyone
def test_it_is_the_min_max_in_plain_steps(method, digits):
    """The plain twin, written out: in float64, so that no sign of a gradient hangs on rounding."""
    split, eps, steps = Split(digits.images[:256].double(), digits.labels[:256]), 0.2, 3
    model, twin = small(torch.float64), small(torch.float64)
    own = {"one step": {}, "many steps": dict(steps=steps), "TRADES": dict(steps=steps, beta=2.0)}[method]
    fit(model, split, METHODS[method](eps, warmup=0.5, **own), epochs=2, lr=1e-3, batch=100)

    generator, done = runtime.seed(0), 0
    optimiser = torch.optim.AdamW(twin.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=6)
    for _ in range(2):
        for rows in torch.randperm(256, generator=generator).split(100):
            x, y, done = split.images[rows], split.labels[rows], done + 1
            budget = eps * min(1, done / 3)
            share = torch.softmax(twin(x), 1)
            r = (2 * torch.rand(x.shape, generator=generator) - 1).double() * budget  # x + r may leave [0, 1] here
            for _ in range(1 if method == "one step" else steps):
                logits = twin(x + r.requires_grad_())
                if method == "TRADES":
                    rise = (share.detach() * -logits.log_softmax(1)).sum()  # the entropy of share is a constant
                else:
                    rise = F.cross_entropy(logits, y)
                (gradient,) = torch.autograd.grad(rise, r)
                length = 1.25 * budget if method == "one step" else 2.5 * budget / steps
                r = (r.detach() + length * gradient.sign()).clamp(-budget, budget)
                r = (x + r).clamp(0, 1) - x
            logits = twin(x + r)
            loss = F.cross_entropy(logits, y)
            if method == "TRADES":
                apart = (share * (share.log() - logits.log_softmax(1))).sum(1).mean()
                loss = F.cross_entropy(twin(x), y) + 2.0 * apart
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    assert torch.allclose(weights(model), weights(twin), atol=1e-9)


@everyone
def test_the_net_resists_where_an_ordinary_one_falls(method, digits):
    plain, hard = small(), small()
    training.fit(plain, digits, epochs=12, lr=0.01, generator=runtime.seed(0), progress=False)
    history = fit(hard, digits, METHODS[method](0.08), epochs=12, lr=0.01)
    assert history.finished and len(history.losses) == 48
    fresh = data.mnist("cpu").test[:500]
    kept = {}
    for name, model in {"plain": plain, "hard": hard}.items():
        x = pgd(model, fresh.images, fresh.labels, 0.08, steps=20, progress=False)
        kept[name] = evaluation.accuracy(model, Split(x, fresh.labels))
    assert kept["plain"] < 0.35 and kept["hard"] > kept["plain"] + 0.2
    assert evaluation.accuracy(hard, fresh) > 0.75


@everyone
def test_no_image_leaves_the_budget_and_the_budget_grows(method):
    """On images of plain grey, the largest change that the net meets in training is the budget of that step."""
    grey = Split(torch.full((40, 1, 28, 28), 0.5), torch.arange(40) % 10)
    model, met = small(), []

    def look(module, inputs):
        if module.training:
            met.append((inputs[0] - 0.5).abs().max().item())

    model.register_forward_pre_hook(look)
    fit(model, grey, METHODS[method](0.3, warmup=0.4), epochs=5, batch=20)
    changed = [size for size in met if size > 0]  # TRADES also meets the images as they are
    expected = [0.075, 0.15, 0.225] + 7 * [0.3]
    assert changed == pytest.approx(expected, abs=1e-4)
    assert all(size < budget + 1e-6 for size, budget in zip(changed, expected, strict=True))
    assert len(met) == (20 if method == "TRADES" else 10)


def test_without_warmup_the_first_step_has_the_whole_budget():
    grey = Split(torch.full((10, 1, 28, 28), 0.5), torch.arange(10))
    model, met = small(), []
    model.register_forward_pre_hook(lambda module, inputs: met.append((inputs[0] - 0.5).abs().max().item()))
    fit(model, grey, OneStep(0.3, warmup=0))
    assert max(met) == pytest.approx(0.3, abs=1e-6)


@everyone
def test_budget_zero_is_ordinary_training(method, digits):
    model, twin = small(), small()
    fit(model, digits, METHODS[method](0))
    training.fit(twin, digits, epochs=1, generator=runtime.seed(0), progress=False)
    assert torch.allclose(weights(model), weights(twin), atol=1e-6)


def test_the_net_learns_from_pixels_but_the_search_may_start_outside(digits):
    """Clipped, the start of a black pixel and one long step would always end in the same corner."""
    model, learnt, searched = small(), [], []

    def look(module, inputs):
        (learnt if module.training else searched).append(inputs[0].detach().aminmax())

    model.register_forward_pre_hook(look)
    fit(model, digits, OneStep(0.3, warmup=0))
    assert min(low for low, _ in learnt) == 0 and max(high for _, high in learnt) == 1
    assert min(low for low, _ in searched) < -0.29 and max(high for _, high in searched) > 1.29


@everyone
def test_each_layer_keeps_its_own_mode(method, digits):
    model = nn.Sequential(nn.Conv2d(1, 2, 5, stride=4), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 36, 10))
    model.train()
    model[1].eval()
    fit(model, digits, METHODS[method](0.1))
    assert model[0].training and not model[1].training


def test_each_round_is_reported_and_may_attack_the_net(digits):
    model, seen = small(), []

    def look(history):
        x = fgsm(model, digits.images[:20], digits.labels[:20], 0.1)
        seen.append((len(history.losses), evaluation.accuracy(model, Split(x, digits.labels[:20])), model.training))

    history = fit(model, digits, OneStep(0.1), epochs=3, batch=100, on_report=look, every=5)
    assert [number for number, *_ in seen] == [5, 10, 15] and len(history.losses) == 15
    assert all(trains for *_, trains in seen)


def test_an_interrupt_keeps_the_latest_weights(digits, capsys):
    """While the budget grows so does the loss: the weights with the lowest would be those of the first round."""
    model, kept = small(), []
    training.fit(model, digits, epochs=5, lr=0.01, generator=runtime.seed(0), progress=False)

    def look(history):
        kept.append(weights(model).clone())
        if len(kept) == 3:
            raise KeyboardInterrupt

    how = dict(epochs=4, batch=100, lr=1e-3, on_report=look, every=5)
    history = fit(model, digits, OneStep(0.5, warmup=1.0), **how)
    assert not history.finished and "latest weights" in capsys.readouterr().out
    means = torch.tensor(history.losses).view(3, 5).mean(1)
    assert means[2] > means.min()  # otherwise this test says nothing
    assert torch.equal(weights(model), kept[2])


def test_a_loss_that_is_no_number_is_reported(digits):
    model = small()
    with torch.no_grad():
        model[3].weight.mul_(1e37)
    with pytest.raises((FloatingPointError, ValueError), match=r"NaN|finite|inf"):
        fit(model, digits, OneStep(0.1))


class Rounded(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small()

    def forward(self, images):
        return self.net(images.detach())


@pytest.mark.parametrize(
    ("loss", "settings", "message"),
    [
        (OneStep, dict(eps=77), "grey levels"),
        (OneStep, dict(eps=-0.1), "not below 0"),
        (OneStep, dict(eps=float("nan")), "finite"),
        (OneStep, dict(eps=0.1, warmup=3), "warmup=3.*from 0 to 1"),
        (Trades, dict(eps=0.1, warmup=-0.1), "from 0 to 1"),
        (ManySteps, dict(eps=0.1, warmup=float("nan")), "from 0 to 1"),
        (ManySteps, dict(eps=0.1, steps=0), "steps=0"),
    ],
)
def test_bad_settings_are_refused(loss, settings, message):
    with pytest.raises(ValueError, match=message):
        loss(**settings)


@everyone
def test_a_model_without_gradients_is_refused(method, digits):
    with pytest.raises(ValueError, match="no gradient flows"):
        fit(Rounded(), digits, METHODS[method](0.1))


def test_any_number_of_channels():
    torch.manual_seed(0)
    split = Split(torch.rand(20, 3, 9, 7), torch.arange(20) % 4)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 35, 4))
    assert fit(model, split, Trades(0.1, steps=2), batch=10).finished


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@everyone
def test_on_a_gpu(method, digits):
    split = Split(digits.images.cuda(), digits.labels.cuda())
    model = models.Strided()
    fit(model, split, METHODS[method](0.1), epochs=2)
    assert next(model.parameters()).is_cuda
