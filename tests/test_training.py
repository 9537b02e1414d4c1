"""fit, predict and accuracy: right, repeatable, interruptible, and clear about bad input."""

import _thread

import pytest
import torch
from torch import nn

from course_utils import data, evaluation, models, runtime, training


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:1280]


def small():
    torch.manual_seed(0)
    return models.LeNet5()


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_fit_learns(digits):
    model = small()
    history = training.fit(model, digits, epochs=8, generator=runtime.seed(0), progress=False)
    assert history.finished and len(history.losses) == 80
    assert evaluation.accuracy(model, digits) > 0.9


def test_the_same_seed_gives_the_same_network(digits):
    runs = []
    for _ in range(2):
        model = small()
        training.fit(model, digits, epochs=1, generator=runtime.seed(3), progress=False)
        runs.append(weights(model))
    assert torch.equal(*runs)


def test_fit_is_adamw_and_one_cycle_in_plain_steps(digits):
    """The plain twin, as lesson 1 writes it."""
    model, twin = small(), small()
    training.fit(model, digits[:256], epochs=2, lr=1e-3, batch=100, generator=runtime.seed(5), progress=False)

    generator = runtime.seed(5)
    optimiser = torch.optim.AdamW(twin.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=6)
    for _ in range(2):
        for rows in torch.randperm(256, generator=generator).split(100):
            loss = nn.functional.cross_entropy(twin(digits.images[rows]), digits.labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    assert torch.allclose(weights(model), weights(twin), atol=2e-5)


def test_fit_with_a_penalty_is_adam_without_decay_in_plain_steps(digits):
    model, twin = small(), small()
    how = dict(epochs=1, lr=1e-3, batch=128)
    training.fit(model, digits[:256], **how, penalty=squares, generator=runtime.seed(5), progress=False)

    generator = runtime.seed(5)
    optimiser = torch.optim.Adam(twin.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=2, cycle_momentum=True)
    for rows in torch.randperm(256, generator=generator).split(128):
        loss = nn.functional.cross_entropy(twin(digits.images[rows]), digits.labels[rows]) + squares(twin)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    assert torch.allclose(weights(model), weights(twin), atol=2e-5)


def squares(model):
    return 1e-2 * sum(p.square().sum() for p in model.parameters())


def test_weight_decay_is_the_sum_by_hand():
    model = models.FC(3, activation=nn.Sigmoid)
    table = 0.0
    for number, layer in ((0.5, model[1]), (2.0, model[3])):
        for weight in layer.weight.flatten().tolist():
            table += number / 2 * weight**2
        for bias in layer.bias.tolist():
            table += number / 2 * bias**2
    assert training.weight_decay(model, (0.5, 2.0)).item() == pytest.approx(table, rel=1e-5)
    assert training.weight_decay(model, (0, 0)) == 0


def test_weight_decay_passes_by_convolutions_and_bias_free_layers_cost_their_weights():
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(2, 2, bias=False))
    cost = model[1].weight.square().sum() / 2
    assert torch.equal(training.weight_decay(model, [1.0]), cost)


def test_weight_decay_is_that_of_the_weights_in_use():
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(5, 4))
    wanted = (layer.weight.square().sum() + layer.bias.square().sum()) / 2
    assert torch.equal(training.weight_decay(layer, [1.0]), wanted)


@pytest.mark.parametrize("lambdas", [(), (1.0,), (1.0, 1.0, 1.0)])
def test_weight_decay_wants_one_lambda_a_layer(lambdas):
    with pytest.raises(ValueError, match=f"{len(lambdas)} lambdas for 2 dense layers"):
        training.weight_decay(models.FC(5), lambdas)


def test_a_penalty_shrinks_the_weights(digits):
    norms = []
    for number in (0, 1):
        torch.manual_seed(0)
        model = models.FC()
        training.fit(
            model,
            digits,
            epochs=5,
            penalty=lambda m, number=number: training.weight_decay(m, [number]),
            generator=runtime.seed(0),
            progress=False,
        )
        norms.append(model[1].weight.norm().item())
    assert norms[1] < 0.8 * norms[0]


def test_without_decay_it_is_adam(digits):
    model, twin = small(), small()
    training.fit(model, digits[:256], epochs=1, decay=0.0, generator=runtime.seed(5), progress=False)
    training.fit(twin, digits[:256], epochs=1, penalty=lambda m: 0.0, generator=runtime.seed(5), progress=False)
    assert torch.equal(weights(model), weights(twin))


class Told(training.TimedLoss):
    """Keeps what it is told."""

    def __init__(self):
        self.moments = []

    def __call__(self, model, images, labels, moment):
        self.moments.append((moment.step, moment.steps, len(images), torch.rand(1, generator=moment.generator).item()))
        return nn.functional.cross_entropy(model(images), labels)


def test_a_loss_may_be_told_the_moment_and_draws_from_the_generator(digits):
    runs = []
    for _ in range(2):
        runs.append(Told())
        training.fit(small(), digits[:257], loss=runs[-1], epochs=2, generator=runtime.seed(5), progress=False)
    assert [told[:3] for told in runs[0].moments] == [(1, 4, 128), (2, 4, 129), (3, 4, 128), (4, 4, 129)]
    assert runs[0].moments == runs[1].moments and len({told[3] for told in runs[0].moments}) == 4


def test_any_loss_will_do(digits):
    model = small()
    before = (model(digits.images).argmax(1) == 3).float().mean()
    training.fit(model, digits, loss=lambda net, x, y: -net(x)[:, 3].mean().tanh(), epochs=1, progress=False)
    assert (model(digits.images).argmax(1) == 3).float().mean() > max(0.9, before)


def test_images_to_be_rebuilt_need_no_labels(digits):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Linear(16, 784))
    few = data.Split(digits.images, digits.images)
    history = training.fit(
        model, few, loss=lambda net, x, y: (net(x) - y.flatten(1)).square().mean(), epochs=8, progress=False
    )
    assert history.losses[-1] < history.losses[0] / 2


def test_grey_levels_stay_grey_levels(digits):
    levels = data.Split((digits.images * 255).round().byte(), digits.labels)
    models = [small(), small()]
    for model, split in zip(models, (levels, data.Split(levels[:].images, digits.labels)), strict=True):
        training.fit(model, split, epochs=1, generator=runtime.seed(0), progress=False)
    assert torch.equal(*map(weights, models))
    assert levels._pixels.dtype == torch.uint8  # floats of a whole split take 188 MB


def test_reports_come_every_so_many_steps_and_at_the_end(digits):
    seen = []
    how = dict(epochs=1, batch=64, progress=False, on_report=lambda history: seen.append(len(history.losses)))
    training.fit(small(), digits[:640], every=4, **how)
    assert seen == [4, 8, 10]


def test_fit_leaves_modes_and_precision_as_they_were(digits):
    model = nn.Sequential(nn.Dropout(), small()).eval()
    training.fit(model, digits[:128], epochs=1, progress=False)
    assert not model.training and not model[0].training


def test_fit_takes_the_tutorial_net_whose_forward_needs_the_ordinary_layout(digits):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.dense = nn.Conv2d(1, 4, 5), nn.Linear(576 * 4, 10)

        def forward(self, images):
            return self.dense(self.conv(images).view(-1, 576 * 4))

    model = Net()
    assert training.fit(model, digits, epochs=1, progress=False).finished
    assert all(p.grad is None for p in model.parameters())


def test_a_frozen_model_is_refused(digits):
    with pytest.raises(ValueError, match="no parameter to train"):
        training.fit(small().requires_grad_(False), digits, epochs=1, progress=False)


def test_a_net_that_diverges_at_once_keeps_its_first_weights(digits):
    model = small()
    before = weights(model).clone()
    with pytest.raises(FloatingPointError):
        training.fit(nn.Sequential(model, Explode()), digits, epochs=1, progress=False)
    assert torch.equal(weights(model), before)


class Explode(nn.Module):
    def forward(self, logits):
        return logits * float("inf") if self.training else logits


def test_an_interrupt_keeps_the_best_weights(digits, capsys):
    model, seen = small(), []

    def report(history):
        seen.append(weights(model).clone())
        if len(seen) == 2:
            _thread.interrupt_main()  # as the stop button of the notebook does

    how = dict(epochs=10, generator=runtime.seed(0), progress=False, on_report=report, every=20)
    history = training.fit(model, digits, **how)
    assert not history.finished and len(history.losses) < 100
    assert torch.equal(weights(model), seen[1])
    assert "best weights are kept" in capsys.readouterr().out


def test_a_diverging_loss_is_reported_and_the_best_weights_kept(digits):
    model, seen = small(), []

    def report(history):
        seen.append(weights(model).clone())
        with torch.no_grad():
            next(model.parameters()).fill_(torch.nan)

    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        training.fit(model, digits, epochs=2, progress=False, on_report=report, every=10)
    assert torch.equal(weights(model), seen[0])


BAD = {
    "convert with images.float()": lambda s: data.Split((s.images * 255).int(), s.labels),
    "convert with labels.long()": lambda s: data.Split(s.images, s.labels.float()),
    "the batch is empty": lambda s: s[:0],
    "hold NaN": lambda s: data.Split(s.images * torch.nan, s.labels),
    "divide by 255": lambda s: data.Split(s.images * 255, s.labels),
    "cannot take torch.float32 images of shape (1, 1, 32, 32)": lambda s: data.Split(
        torch.rand(9, 1, 32, 32), s.labels[:9]
    ),
    "9 images and 5 labels": lambda s: data.Split(s.images[:9], s.labels[:5]),
    "fit wants a network and a split": lambda s: (s.images, s.labels),
    "the classes are 0 to 9": lambda s: data.Split(s.images[:9], s.labels[:9] + 9),
}


@pytest.mark.parametrize("message", BAD)
def test_fit_names_what_is_wrong_with_a_split(message, digits):
    model = small()
    before = weights(model)
    with pytest.raises((TypeError, ValueError)) as caught:
        training.fit(model, BAD[message](digits), epochs=1, progress=False)
    assert message in str(caught.value)
    assert torch.equal(weights(model), before)


@pytest.mark.parametrize("settings", [dict(epochs=0), dict(epochs=1, batch=0), dict(epochs=1, lr=0)])
def test_fit_refuses_impossible_settings(settings, digits):
    with pytest.raises(ValueError, match="want at least 1"):
        training.fit(small(), digits, progress=False, **settings)


def test_logits_in_portions_are_the_models_own(digits):
    model = small()
    with torch.no_grad():
        whole = model(digits.images)
    assert torch.allclose(evaluation.logits(model, digits.images), whole, atol=1e-5)
    confidence, named = whole.softmax(1).max(1)
    prediction = evaluation.predict(model, digits.images)
    assert torch.equal(prediction.labels, named) and torch.allclose(prediction.confidences, confidence, atol=1e-5)
    assert evaluation.accuracy(model, digits) == pytest.approx((named == digits.labels).float().mean().item())


def test_logits_touch_neither_mode_nor_gradients(digits):
    model = nn.Sequential(nn.Dropout(), small())
    model[1].eval()
    first, second = (evaluation.logits(model, digits.images[:5]) for _ in range(2))
    assert torch.equal(first, second) and not first.requires_grad
    assert model.training and not model[1].training


class Pair(nn.Module):
    def forward(self, images):
        return images, images


MODELS = {
    "leave out the softmax": lambda: nn.Sequential(small(), nn.Softmax(1)),
    "NaN or infinity": lambda: nn.Sequential(small(), nn.Threshold(float("inf"), float("nan"))),
    "returns a tuple, not a tensor": lambda: Pair(),
    "not (4, K) logits": lambda: nn.Flatten(0),
}


@pytest.mark.parametrize("message", MODELS)
def test_a_model_without_logits_is_explained(message):
    with pytest.raises(ValueError) as caught:
        evaluation.logits(MODELS[message](), torch.rand(4, 1, 28, 28))
    assert message in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_fit_uses_the_gpu_where_the_split_lives():
    digits = data.mnist("cuda")
    model, seen, before = models.LeNet5(), [], torch.get_float32_matmul_precision()
    how = dict(epochs=3, generator=runtime.seed(0), progress=False)
    training.fit(model, digits.train, on_report=lambda _: seen.append(torch.get_float32_matmul_precision()), **how)
    assert {*seen} == {"high"} and torch.get_float32_matmul_precision() == before  # TF32, and back again
    assert next(model.parameters()).is_cuda and evaluation.accuracy(model, digits.test) > 0.985
