"""MNIST: whole, verified, unpacked safely, and never overwritten."""

import concurrent.futures
import gzip
import hashlib
import shutil
import subprocess
import sys

import pytest
import torch

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
    monkeypatch.setattr(data, "_sha256", lambda path: pytest.fail(f"{path.name} was hashed again"))
    data.mnist("cpu")


def test_many_kernels_may_unpack_at_once(checkout):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: data._unpacked(), range(4)))
    assert set(folders) == {checkout}
    assert set(data.verify(checkout).values()) == {"ok"}
    assert not [p.name for p in checkout.iterdir() if p.name.startswith(".")]


def test_a_read_only_checkout_unpacks_into_the_cache(checkout, monkeypatch):
    monkeypatch.setattr(data, "_writable", lambda folder: folder != checkout)
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


def test_without_the_checkout_torchvision_downloads_into_the_cache(checkout, monkeypatch):
    packed = {path.name: path.read_bytes() for path in checkout.iterdir()}
    shutil.rmtree(checkout)

    class Downloader:
        def __init__(self, root, train=True, download=False):
            assert download
            for name, content in packed.items():
                (root / "MNIST" / "raw" / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))

    real = data.torchvision.datasets.MNIST
    monkeypatch.setattr(data.torchvision.datasets, "MNIST", Downloader)
    folder = data._unpacked()
    monkeypatch.setattr(data.torchvision.datasets, "MNIST", real)
    assert folder == data.runtime.home("MNIST", "raw")
    assert data.mnist("cpu").test.labels[0] == 7


def test_a_failed_download_says_what_to_do(checkout, monkeypatch):
    shutil.rmtree(checkout)

    def fail(*args, **kwargs):
        raise RuntimeError("no route to host")

    monkeypatch.setattr(data.torchvision.datasets, "MNIST", fail)
    with pytest.raises(OSError, match=r"no route to host.*connect to the internet"):
        data.mnist("cpu")


def test_verify_on_the_command_line(checkout, tmp_path):
    asked = [sys.executable, "-m", "course_utils.data"]
    done = subprocess.run([*asked, "verify"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(" ok") >= 4
    assert subprocess.run(asked, capture_output=True).returncode == 2
    (checkout / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    assert data.verify(checkout)["t10k-labels-idx1-ubyte.gz"].startswith("damaged")


def test_splits_slice_like_splits():
    split = data.mnist("cpu").test
    assert len(split[:100]) == 100 and len(split[split.labels == 7]) == 1028
    with pytest.raises(TypeError, match=r"split\[5\] is one image"):
        split[5]
    with pytest.raises(TypeError):
        iter(split)
