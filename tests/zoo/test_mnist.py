"""Networks trained on MNIST: trained once, kept, repeatable, and true to their recipes."""

from functools import partial

import pytest
import safetensors.torch
import torch
from torch import nn

from course_utils import data, evaluation, models, training, zoo
from course_utils.core import storage
from course_utils.zoo import mnist
from course_utils.zoo.recipe import Recipe
from course_utils.zoo.sparse_code import learn_codes


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:1280]


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture
def quick(monkeypatch, tmp_path, digits):
    """`trained` with a recipe of one second, an empty cache, and a count of the trainings."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr(data, "mnist", lambda device: data.MNIST(digits, digits))
    runs = []

    def counting(model, split, **settings):
        runs.append(settings)
        return training.fit(model, split, **settings)

    monkeypatch.setattr(mnist, "fit", counting)
    monkeypatch.setitem(mnist.RECIPES, "lenet5", Recipe(models.LeNet5, partial(counting, epochs=1, lr=1e-3)))
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


def stopped(model, split, **settings):
    return training.History([2.3], finished=False)


def test_an_interrupted_training_is_not_kept(quick, monkeypatch):
    folder, _ = quick
    monkeypatch.setitem(mnist.RECIPES, "lenet5", Recipe(models.LeNet5, partial(stopped)))
    zoo.load("lenet5", progress=False)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", mnist.RECIPES)
def test_each_recipe_builds_a_network_and_says_how_it_is_trained(name):
    recipe = mnist.RECIPES[name]
    assert recipe.fresh(0)(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert all(setting in recipe.stamp(7) for setting in ("fit", "epochs=", "lr=", "seed 7"))
    assert "0x" not in recipe.stamp() and "course_utils" not in recipe.stamp()


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
        monkeypatch.setattr(mnist, "fit", watching(name))
        zoo.load(name, progress=False)
    assert seen["fc100-p1"] == seen["fc123-p1"] and len(seen["fc100-p1"]) == 30_000
    assert seen["fc100-p1"] + seen["fc100-p2"] == seen["fc100"] == list(range(60_000))


def test_the_penalty_of_table_1_goes_to_fit(quick):
    _, runs = quick
    model, digits = models.FC(), data.mnist("cpu").train
    mnist.fit_decayed(model, digits, lambdas=(0.5,), epochs=1, progress=False)
    assert runs[0]["penalty"](model) == training.weight_decay(model, (0.5,))


def test_the_first_layer_of_ae400_comes_from_the_autoencoder_and_stays(quick, monkeypatch):
    folder, runs = quick
    train = partial(mnist.fit_on_codes, unsupervised=1, epochs=1, lr=0.1, lambdas=(1e-6,))
    monkeypatch.setitem(mnist.RECIPES, "ae400", Recipe(models.AE400, train))
    kept = []

    def watching(encoder, images, **settings):
        first = encoder.weight.detach().clone()
        history = learn_codes(encoder, images, **settings)
        kept.append(encoder.weight.detach().clone())
        assert not torch.equal(first, kept[0])
        return history

    monkeypatch.setattr(mnist, "learn_codes", watching)
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
    monkeypatch.setattr(mnist, "learn_codes", stopped)
    zoo.load("ae400", progress=False)
    assert runs == [] and list(folder.iterdir()) == []


def test_codes_are_sparse_and_hold_the_image(digits):
    torch.manual_seed(0)
    encoder = nn.Linear(784, 50)
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    history = learn_codes(encoder, digits, epochs=5, generator=generator, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert history.finished and history.losses[-1] < history.losses[0] / 2
    codes = encoder(digits.images.flatten(1)).sigmoid()
    assert 0.02 < codes.mean() < 0.15 and codes.std(0).mean() > 0.05


@pytest.mark.parametrize(
    ("pixels", "settings", "message"),
    [
        (100, {}, "images of 784 pixels, an encoder of 100"),
        (784, dict(epochs=0), "want at least 1"),
    ],
)
def test_codes_are_not_learnt_from_what_does_not_fit(pixels, settings, message, digits):
    with pytest.raises(ValueError, match=message):
        learn_codes(nn.Linear(pixels, 5), digits, **dict(epochs=1, progress=False) | settings)


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"lenet5, caffe_lenet, fc10-1e-4, .*, fc500-150"):
        zoo.load("?")
    with pytest.raises(ValueError, match=r"did you mean 'lenet5'"):
        zoo.load("lenet-5")


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
