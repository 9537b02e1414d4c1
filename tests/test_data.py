"""MNIST: whole, verified, unpacked safely, and never overwritten."""

import concurrent.futures
import copy
import gzip
import hashlib
import io
import pickle
import shutil
import types

import pytest
import torch
import torchvision

from course_utils import data
from course_utils.core import storage

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the packed files, as in a fresh clone, and an empty cache."""
    raw = tmp_path / "checkout" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in data.PACKED_SHA256:
        shutil.copy(data.CHECKOUT / name, raw)
    monkeypatch.setattr(data, "CHECKOUT", raw)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    return raw


def test_mnist_is_all_there():
    digits = data.mnist("cpu")
    assert digits.train.images.shape == (60_000, 1, 28, 28) and digits.test.images.shape == (10_000, 1, 28, 28)
    assert digits.train.images.dtype == torch.float32 and digits.train.labels.dtype == torch.int64
    assert digits.train.images.min() == 0 and digits.train.images.max() == 1
    assert digits.train.labels.bincount().tolist()[:3] == [5923, 6742, 5958]
    assert digits.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.parametrize("name", MD5)
def test_packed_files_hold_the_published_ones(name):
    with gzip.open(data.CHECKOUT / f"{name}.gz") as file:
        content = file.read()
    assert hashlib.md5(content).hexdigest() == MD5[name]
    assert hashlib.sha256(content).hexdigest() == data.RAW_SHA256[name]


def test_files_are_hashed_once(checkout, monkeypatch):
    data.mnist("cpu")
    monkeypatch.setattr(storage, "mismatch", lambda content, expected: pytest.fail("a file was hashed again"))
    data.mnist("cpu")


def test_many_kernels_may_unpack_at_once(checkout):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: data._unpacked(), range(4)))
    assert set(folders) == {checkout}
    assert set(data.verify(checkout).values()) == {"ok"}
    assert not [p.name for p in checkout.iterdir() if p.name.startswith(".")]


def test_a_read_only_checkout_unpacks_into_the_cache(checkout, monkeypatch):
    def refused(dir):
        raise PermissionError(dir)

    monkeypatch.setattr(data.tempfile, "TemporaryFile", refused)
    assert data._unpacked() != checkout
    assert data.mnist("cpu").test.labels[0] == 7
    assert len(list(checkout.iterdir())) == 4


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"])
def test_a_damaged_packed_file_is_named_and_kept(checkout, name):
    (checkout / name).write_bytes(b"broken")
    with pytest.raises(storage.DamagedFile) as caught:
        data.mnist("cpu")
    found = hashlib.sha256(b"broken").hexdigest()
    for part in (name, found, data.PACKED_SHA256[name], "git checkout -- data/MNIST/raw/"):
        assert part in str(caught.value)
    assert (checkout / name).read_bytes() == b"broken"


def test_a_raw_file_damaged_later_is_noticed_and_kept(checkout):
    data.mnist("cpu")
    raw = checkout / "t10k-labels-idx1-ubyte"
    content = bytearray(raw.read_bytes())
    content[100] ^= 1
    raw.write_bytes(content)
    with pytest.raises(storage.DamagedFile, match=r"t10k-labels-idx1-ubyte is damaged.*delete it"):
        data.mnist("cpu")
    assert raw.read_bytes() == content
    raw.unlink()
    assert data.mnist("cpu").test.labels[0] == 7


def test_without_the_checkout_the_files_are_downloaded_into_the_cache(checkout, monkeypatch):
    packed, asked = {path.name: path.read_bytes() for path in checkout.iterdir()}, []
    shutil.rmtree(checkout)

    def answer(request):
        asked.append(request.full_url.rpartition("/")[2])
        response = io.BytesIO(packed[asked[-1]])
        response.info = lambda: types.SimpleNamespace(get_all=lambda name: None)
        return response

    monkeypatch.setattr(torch.hub, "urlopen", answer)
    assert data.mnist("cpu").test.labels[0] == 7
    cache = storage.home("MNIST", "raw")
    assert data._unpacked() == cache and set(data.verify(cache).values()) == {"ok"}
    assert set(asked) == set(packed) and len(asked) == 4


def test_a_failed_download_says_what_to_do(checkout, monkeypatch):
    shutil.rmtree(checkout)

    def fail(*args, **kwargs):
        raise RuntimeError("no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", fail)
    with pytest.raises(storage.Missing, match=r"no route to host.*connect to the internet"):
        data.mnist("cpu")
    assert list(storage.home("MNIST", "raw").iterdir()) == []


def test_a_file_that_became_damaged_is_told(checkout):
    assert set(data.verify(checkout).values()) == {"ok"}
    (checkout / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    assert data.verify(checkout)["t10k-labels-idx1-ubyte.gz"].startswith("damaged: SHA-256 is ")
    (checkout / "t10k-labels-idx1-ubyte.gz").unlink()
    assert data.verify(checkout)["t10k-labels-idx1-ubyte.gz"] == "missing"


def test_the_images_are_those_that_torchvision_reads():
    raw = torchvision.datasets.MNIST(data._unpacked().parents[1], train=False)
    split = data.mnist("cpu").test
    assert torch.equal(split.images, raw.data[:, None].float().div_(255)) and torch.equal(split.labels, raw.targets)


GREY = torch.arange(10 * 4, dtype=torch.uint8).view(10, 1, 2, 2) * 6


@pytest.fixture
def grey():
    return data.Split(GREY.clone(), torch.arange(10))


def test_floats_are_made_once_and_of_what_is_asked_for(grey, float64):
    few, some = grey[:3], grey[torch.tensor([7, 2])]
    assert few.images.dtype == torch.float32 and torch.equal(few.images, GREY[:3].float() / 255)
    assert torch.equal(some.images, grey.images[[7, 2]])
    batches = list(grey.batches(4))
    assert [len(part) for part in batches] == [4, 4, 2] and len(list(grey[:0].batches())) == 1
    assert torch.equal(torch.cat([part.images for part in batches]), GREY.float() / 255)
    assert grey.images is grey.images
    assert grey[2:5].images.data_ptr() == grey.images[2:].data_ptr()  # a view of the floats, now that there are some


def test_floats_made_in_inference_mode_serve_gradients(grey):
    with torch.inference_mode():
        assert grey[grey.labels > 3].images.sum() > 0 and grey.images.sum() > 0
    weight = torch.ones(1, requires_grad=True)
    (grey.images * weight).sum().backward()
    assert weight.grad > 0


def test_images_of_another_type_stay_as_they_are():
    images = torch.rand(4, 3, 2, 2, dtype=torch.float64)
    split = data.Split(images, torch.arange(4))
    assert split.images is images and split[1:3].images.dtype == torch.float64


def test_a_split_can_be_copied_and_kept(grey):
    for split in (grey, data.Split(grey.images, grey.labels)):
        for again in (copy.deepcopy(split), pickle.loads(pickle.dumps(split))):
            assert torch.equal(again.images, split.images) and torch.equal(again.labels, split.labels)
    assert repr(grey) == "Split of 10 images (1, 2, 2) on cpu"


def test_a_split_has_a_label_for_each_image():
    with pytest.raises(ValueError, match="10 images and 9 labels"):
        data.Split(GREY, torch.arange(9))


def test_who_writes_into_pixels_does_not_change_the_file():
    split = data.mnist("cpu").test
    split._pixels.fill_(255)
    split.labels.zero_()
    again = data.mnist("cpu").test
    assert again.images.mean() < 0.2 and again.labels[0] == 7


def test_splits_slice_like_splits():
    split = data.mnist("cpu").test
    assert len(split[:100]) == 100 and len(split[split.labels == 7]) == 1028
    with pytest.raises(TypeError, match=r"split\[5\] is one image"):
        split[5]
    with pytest.raises(TypeError):
        iter(split)
