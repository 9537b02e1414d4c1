"""fit, predict, accuracy and trained: right, repeatable, interruptible, and clear about bad input."""

import _thread

import pytest
import safetensors.torch
import torch
from torch import nn

from course_utils import data, evaluation, models, runtime, training, zoo
from course_utils.core import storage
from course_utils.zoo import mnist


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
    quoted = table = 0.0
    for number, layer, units in ((0.5, model[1], 3), (2.0, model[3], 10)):
        for weight in layer.weight.flatten().tolist():
            quoted += number * weight**2 / units
            table += number / 2 * weight**2
        for bias in layer.bias.tolist():
            table += number / 2 * bias**2
    assert training.weight_decay(model, (0.5, 2.0)).item() == pytest.approx(quoted, rel=1e-5)
    assert training.weight_decay(model, (0.5, 2.0), per_unit=False).item() == pytest.approx(table, rel=1e-5)
    assert training.weight_decay(model, (0, 0)) == 0


def test_weight_decay_passes_by_convolutions_and_bias_free_layers_cost_their_weights():
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(2, 2, bias=False))
    cost = model[1].weight.square().sum() / 2
    assert torch.equal(training.weight_decay(model, [1.0]), cost)
    assert torch.equal(training.weight_decay(model, [1.0], per_unit=False), cost)


def test_weight_decay_is_that_of_the_weights_in_use():
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(5, 4))
    wanted = (layer.weight.square().sum() + layer.bias.square().sum()) / 2
    assert torch.equal(training.weight_decay(layer, [1.0], per_unit=False), wanted)


@pytest.mark.parametrize("lambdas", [(), (1.0,), (1.0, 1.0, 1.0)])
def test_weight_decay_wants_one_lambda_a_layer(lambdas):
    with pytest.raises(ValueError, match=f"{len(lambdas)} lambdas for 2 dense layers"):
        training.weight_decay(models.FC(5), lambdas)


@pytest.mark.parametrize("per_unit", [True, False])
def test_a_penalty_shrinks_the_weights(per_unit, digits):
    norms = []
    for number in (0, 1):
        torch.manual_seed(0)
        model = models.FC()
        training.fit(
            model,
            digits,
            epochs=5,
            penalty=lambda m, number=number: training.weight_decay(m, [number], per_unit=per_unit),
            generator=runtime.seed(0),
            progress=False,
        )
        norms.append(model[1].weight.norm().item())
    assert norms[1] < 0.8 * norms[0]


def test_autoencode_makes_sparse_codes_that_hold_the_image(digits):
    torch.manual_seed(0)
    encoder = nn.Linear(784, 50)
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    history = training.autoencode(encoder, digits.images, epochs=5, generator=generator, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert history.finished and history.losses[-1] < history.losses[0] / 2
    codes = encoder(digits.images.flatten(1)).sigmoid()
    assert 0.02 < codes.mean() < 0.15 and codes.std(0).mean() > 0.05


@pytest.mark.parametrize(
    ("pixels", "settings", "message"),
    [
        (100, {}, "images of 784 pixels, an encoder of 100"),
        (784, dict(rho=1), "0 < rho < 1"),
        (784, dict(epochs=0), "want at least 1"),
    ],
)
def test_autoencode_refuses_what_it_cannot_train_on(pixels, settings, message, digits):
    with pytest.raises(ValueError, match=message):
        training.autoencode(nn.Linear(pixels, 5), digits.images, **dict(epochs=1, progress=False) | settings)


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


def test_tf32_is_switched_on_for_cuda_only_and_back_again():
    before = torch.get_float32_matmul_precision()
    with training._fast_matmul(torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
    with training._fast_matmul(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == before


def test_an_interrupt_keeps_the_best_weights(digits, capsys):
    model, seen = small(), []

    def report(history):
        seen.append(weights(model).clone())
        if len(seen) == 2:
            _thread.interrupt_main()  # as the stop button of the notebook does

    history = training.fit(model, digits, epochs=40, generator=runtime.seed(0), progress=False, on_report=report)
    assert not history.finished and len(history.losses) < 400
    assert torch.equal(weights(model), seen[1])
    assert "best weights are kept" in capsys.readouterr().out


def test_a_diverging_loss_is_reported_and_the_best_weights_kept(digits):
    model, seen = small(), []

    def report(history):
        seen.append(weights(model).clone())
        with torch.no_grad():
            next(model.parameters()).fill_(torch.nan)

    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        training.fit(model, digits, epochs=20, progress=False, on_report=report)
    assert torch.equal(weights(model), seen[0])


BAD = {
    "convert with images.float() / 255": lambda s: data.Split((s.images * 255).byte(), s.labels),
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


def test_logits_in_batches_are_the_models_own(digits):
    model = small()
    with torch.no_grad():
        whole = model(digits.images)
    assert torch.allclose(evaluation.logits(model, digits.images, batch=77), whole, atol=1e-5)
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


@pytest.fixture
def quick(monkeypatch, tmp_path, digits):
    """`trained` with a recipe of one second, an empty cache, and a count of the trainings."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setitem(mnist.RECIPES, "lenet5", mnist.Recipe("LeNet5", epochs=1, lr=1e-3))
    monkeypatch.setattr(data, "mnist", lambda device: data.MNIST(digits, digits))
    runs, real = [], training.fit

    def counting(*args, **kwargs):
        runs.append(kwargs)
        return real(*args, **kwargs)

    monkeypatch.setattr(training, "fit", counting)
    return tmp_path / "models", runs


def test_trained_trains_once_and_remembers(quick):
    folder, runs = quick
    state = torch.get_rng_state()
    first = zoo.load("lenet5", progress=False)
    second = zoo.load("lenet5", progress=False)
    other = zoo.load("lenet5", seed=1, progress=False)
    assert len(runs) == 2 and len(list(folder.iterdir())) == 2
    assert torch.equal(weights(first), weights(second)) and not torch.equal(weights(first), weights(other))
    assert not first.training and torch.equal(torch.get_rng_state(), state)
    images = torch.rand(50, 1, 28, 28)
    assert torch.equal(evaluation.logits(first, images), evaluation.logits(second, images))


def damage(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 255
    file.write_bytes(content)


def foreign(file):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, file)


def other_recipe(file):
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, metadata={"recipe": "{}", "sha256": storage.checksum(tensors)})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage, "its checksum is wrong"),
        (foreign, "another recipe"),
        (other_recipe, "another recipe"),
        (lambda file: file.write_bytes(b"x" * 100), "cannot be used"),
        (lambda file: file.write_bytes(b""), "cannot be used"),
    ],
)
def test_a_damaged_or_foreign_file_is_reported_and_replaced(quick, harm, message):
    folder, runs = quick
    good = zoo.load("lenet5", progress=False)
    (file,) = folder.iterdir()
    harm(file)
    with pytest.warns(UserWarning, match=message):
        again = zoo.load("lenet5", progress=False)
    assert torch.equal(weights(again), weights(good)) and len(runs) == 2
    assert zoo.load("lenet5", progress=False) is not None and len(runs) == 2


def test_a_full_disk_does_not_cost_the_network(quick, monkeypatch):
    def full(file, content):
        raise OSError("No space left on device")

    monkeypatch.setattr(storage, "write_atomically", full)
    with pytest.warns(UserWarning, match="could not be kept"):
        assert zoo.load("lenet5", progress=False) is not None


def test_an_interrupted_training_is_not_kept(quick, monkeypatch):
    folder, _ = quick
    monkeypatch.setattr(training, "fit", lambda *args, **kwargs: training.History([2.3], finished=False))
    zoo.load("lenet5", progress=False)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", mnist.RECIPES)
def test_each_recipe_builds_a_network_and_has_a_lambda_for_each_layer_that_it_decays(name):
    recipe = mnist.RECIPES[name]
    model = recipe.build()
    assert model(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    if recipe.decay:
        fitted = model[2:] if recipe.unsupervised else model
        assert training.weight_decay(fitted, recipe.decay) > 0


def test_the_halves_are_disjoint_and_make_up_the_training_images(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    numbered = data.Split(torch.arange(60_000.0)[:, None, None, None], torch.zeros(60_000, dtype=torch.int64))
    monkeypatch.setattr(data, "mnist", lambda device: data.MNIST(numbered, numbered[:1]))
    seen = {}

    def watching(name):
        def fit(model, split, **settings):
            seen[name] = split.images.flatten().tolist()
            return training.History()

        return fit

    for name in ("fc100", "fc100-p1", "fc123-p1", "fc100-p2"):
        monkeypatch.setattr(training, "fit", watching(name))
        zoo.load(name, progress=False)
    assert seen["fc100-p1"] == seen["fc123-p1"] and len(seen["fc100-p1"]) == 30_000
    assert seen["fc100-p1"] + seen["fc100-p2"] == seen["fc100"] == list(range(60_000))


def test_trained_passes_the_penalty_of_table_1_to_fit(quick, monkeypatch):
    _, runs = quick
    monkeypatch.setitem(mnist.RECIPES, "fc", mnist.Recipe("FC", epochs=1, lr=1e-3, decay=(0.5,)))
    zoo.load("fc", progress=False)
    model = models.FC()
    assert runs[0]["penalty"](model) == training.weight_decay(model, (0.5,), per_unit=False)
    zoo.load("lenet5", progress=False)
    assert runs[1]["penalty"] is None


def test_the_first_layer_of_ae400_comes_from_the_autoencoder_and_stays(quick, monkeypatch):
    folder, runs = quick
    recipe = mnist.Recipe("AE400", epochs=1, lr=0.1, decay=(1e-6,), unsupervised=1)
    monkeypatch.setitem(mnist.RECIPES, "ae400", recipe)
    kept, real = [], training.autoencode

    def watching(encoder, images, **settings):
        first = encoder.weight.detach().clone()
        history = real(encoder, images, **settings)
        kept.append(encoder.weight.detach().clone())
        assert not torch.equal(first, kept[0])
        return history

    monkeypatch.setattr(training, "autoencode", watching)
    state = torch.get_rng_state()
    model = zoo.load("ae400", progress=False)
    again = zoo.load("ae400", progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(model[1].weight, kept[0]) and len(runs) == len(kept) == len(list(folder.iterdir())) == 1
    assert torch.equal(weights(model), weights(again))
    torch.manual_seed(0)
    assert not torch.equal(model[3].weight, models.AE400()[3].weight)


def test_an_interrupted_autoencoder_ends_the_training_and_is_not_kept(quick, monkeypatch):
    folder, runs = quick
    monkeypatch.setattr(training, "autoencode", lambda *args, **kwargs: training.History([0.7], finished=False))
    zoo.load("ae400", progress=False)
    assert runs == [] and list(folder.iterdir()) == []


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"lenet5, caffe_lenet, fc10-1e-4, .*, fc500-150"):
        zoo.load("resnet")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_fit_uses_the_gpu_where_the_split_lives():
    digits = data.mnist("cuda")
    model = models.LeNet5()
    training.fit(model, digits.train, epochs=3, generator=runtime.seed(0), progress=False)
    assert next(model.parameters()).is_cuda and evaluation.accuracy(model, digits.test) > 0.985


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("lenet5", 0.990),
        ("caffe_lenet", 0.991),
        ("fc10-1e-4", 0.922),
        ("fc10-1e-2", 0.905),
        ("fc10-1", 0.79),
        ("fc100", 0.977),
        ("fc200", 0.980),
        ("ae400", 0.976),
        ("fc100-p1", 0.968),
        ("fc123-p1", 0.968),
        ("fc100-p2", 0.968),
        ("fc500-150", 0.978),
    ],
)
def test_the_recipes_reach_their_targets(name, target):
    model = zoo.load(name, device="cpu", progress=False)
    assert evaluation.accuracy(model, data.mnist("cpu").test) >= target
