"""MNIST, all of it, as tensors on the device.

The four files of Y. LeCun, C. Cortes and C. Burges come with the checkout in ``data/MNIST/raw`` (origin, licence and
checksums: ``data/README.md``). They are verified once and unpacked; without the checkout they are downloaded into the
user's cache. On a CPU the pixels stay in the unpacked file, one byte each, mapped into memory: all kernels of a machine
share them, and floats are made of those images that somebody asks for.
"""

import gzip
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.core import downloads, storage
from course_utils.core.storage import DamagedFile

FOLDER = Path(__file__).resolve().parents[1] / "data"  # what comes with the checkout
CHECKOUT = FOLDER / "MNIST" / "raw"
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"

RAW_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PACKED_SHA256 = {
    "train-images-idx3-ubyte.gz": "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
    "train-labels-idx1-ubyte.gz": "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
    "t10k-images-idx3-ubyte.gz": "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    "t10k-labels-idx1-ubyte.gz": "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
}


class Split:
    """Images float32 ``(N, 1, 28, 28)`` in [0, 1] and labels int64 ``(N,)``, on one device.

    A slice or a mask of a split is a split: ``split[:1000]``, ``split[split.labels == 7]``. The images may be given as
    grey levels, uint8: then floats are made when ``images`` is first asked for, and take their place; a slice taken
    before costs only its own.

    >>> split = Split(torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1), torch.tensor([0, 1, 1]))
    >>> split[1:].images.flatten(), split
    (tensor([0.2000, 1.0000]), Split of 3 images (1, 1, 1) on cpu)
    """

    def __init__(self, images: Tensor, labels: Tensor):
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images and {len(labels)} labels: a split has one label an image")
        self._pixels, self.labels = images, labels

    @property
    def images(self) -> Tensor:
        if self._pixels.dtype == torch.uint8:
            with torch.inference_mode(False):  # they are kept, and somebody else may want gradients
                self._pixels = self._pixels.to(torch.float32).div_(255)
        return self._pixels

    __iter__ = None  # a split is not a pair and not a stream of images

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | Tensor) -> "Split":
        if isinstance(rows, int):
            raise TypeError(f"split[{rows}] is one image: write split[{rows} : {rows + 1}], or split.images[{rows}]")
        return Split(self._pixels[rows], self.labels[rows])

    def batches(self, size: int = 1000) -> Iterator["Split"]:
        """Splits of so many images each, one after the other: floats are made of one batch at a time."""
        return (self[start : start + size] for start in range(0, max(1, len(self)), size))

    def __repr__(self) -> str:
        return f"Split of {len(self):,} images {tuple(self._pixels.shape[1:])} on {self._pixels.device}"


class MNIST(NamedTuple):
    """The two splits: 60,000 digits to train on, 10,000 to test on."""

    train: Split
    test: Split


def mnist(device: torch.device | str | None = None) -> MNIST:
    """The full MNIST on ``device`` (None takes `runtime.device`).

    `storage.DamagedFile`: a checksum is wrong. `storage.Missing`: the files are neither here nor to be downloaded.

    >>> digits = mnist()
    >>> digits.train.images.shape, digits.test.labels[:3].tolist()
    (torch.Size([60000, 1, 28, 28]), [7, 2, 1])
    """
    device = runtime.device() if device is None else torch.device(device)
    folder = _unpacked()

    def split(name: str, number: int) -> Split:
        images = _bytes(folder / f"{name}-images-idx3-ubyte")[16:].view(number, 1, 28, 28)  # after four header numbers
        labels = _bytes(folder / f"{name}-labels-idx1-ubyte")[8:]  # after two
        return Split(images.to(device), labels.to(device, torch.int64))

    return MNIST(split("train", 60_000), split("t10k", 10_000))


def _bytes(file: Path) -> Tensor:
    """A file as uint8 tensor, mapped into memory; who writes into it writes into a copy."""
    return torch.from_file(str(file), shared=False, size=file.stat().st_size, dtype=torch.uint8)


def verify(folder: Path = CHECKOUT) -> dict[str, str]:
    """The state of each MNIST file in ``folder``: "ok", "missing", or "damaged: …" with both checksums.

    Unpacked files are listed only where they exist.

    >>> set(verify().values()) <= {"ok", "missing"}
    True
    """
    states = {}
    for name, expected in (PACKED_SHA256 | RAW_SHA256).items():
        if (folder / name).exists():
            wrong = storage.mismatch((folder / name).read_bytes(), expected)
            states[name] = f"damaged: {wrong}" if wrong else "ok"
        elif name in PACKED_SHA256:
            states[name] = "missing"
    return states


def _unpacked() -> Path:
    """The folder that holds the four raw files, verified. Each appears whole, however many kernels unpack at once."""
    if _raw_is_whole(CHECKOUT):
        return CHECKOUT
    cache = storage.home("MNIST", "raw")
    if _raw_is_whole(cache):
        return cache
    source, folder = CHECKOUT, cache
    with suppress(OSError), tempfile.TemporaryFile(dir=CHECKOUT):  # on shared drives permission bits say too little
        folder = CHECKOUT
    if not all((CHECKOUT / name).exists() for name in PACKED_SHA256):
        source = folder = cache
        _download(cache)
    for name, expected in RAW_SHA256.items():
        packed, target = source / f"{name}.gz", folder / name
        _require(packed, PACKED_SHA256[packed.name], restore=f"git checkout -- data/MNIST/raw/{packed.name}")
        if not target.exists() or storage.mismatch(target.read_bytes(), expected):
            storage.write_atomically(target, gzip.decompress(packed.read_bytes()))
    _stamp(folder)
    return folder


def _raw_is_whole(folder: Path) -> bool:
    """Whether the raw files are all there and match. Files not changed since the last look are not hashed again."""
    if not all((folder / name).exists() for name in RAW_SHA256):
        return False
    with suppress(OSError, ValueError):
        if json.loads((folder / "verified.json").read_text(encoding="utf-8")) == _fingerprint(folder):
            return True
    for name, expected in RAW_SHA256.items():
        _require(folder / name, expected, restore="delete it, and it is unpacked or downloaded again")
    _stamp(folder)
    return True


def _download(folder: Path) -> None:
    runtime.say(f"MNIST is not beside the course; downloading it (11 MB) into {folder}")
    try:
        for name, expected in PACKED_SHA256.items():
            downloads.from_url(f"{MIRROR}/{name}", folder / name, expected)
    except OSError as error:
        raise storage.Missing(
            f"MNIST could not be downloaded ({error}): connect to the internet and run the cell again, or clone the "
            "whole course, which holds the files in data/MNIST/raw"
        ) from error


def _require(path: Path, expected: str, *, restore: str) -> None:
    if wrong := storage.mismatch(path.read_bytes(), expected):
        raise DamagedFile(f"{path} is damaged: its {wrong}. Nothing was changed. To restore it: {restore}")


def _fingerprint(folder: Path) -> dict[str, list[int]]:
    """Size and time of change of each raw file."""
    stats = {name: (folder / name).stat() for name in RAW_SHA256}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def _stamp(folder: Path) -> None:
    """Remember that the raw files were found whole, where that can be written."""
    with suppress(OSError):
        storage.write_atomically(folder / "verified.json", json.dumps(_fingerprint(folder)).encode())
