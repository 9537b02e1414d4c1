"""The photographs of the studies: what packages bring, and foolbox's twenty from the user's own installation.

There are few of them. Nine stand in the lessons, twelve more come with scikit-image and are mostly textures and what
microscopes and telescopes see, and foolbox (the extra "photos") has twenty of ImageNet, each with its label in the
file's name. Rights to those are ImageNet's: they are read where pip has put them, and nothing but numbers is kept.

A name for one of our own was agreed on by looking, before any network was asked.
"""

import functools
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor

from course_utils import zoo
from course_utils.images import photographs

MORE = ("brick", "cell", "clock", "coins", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "moon")
MORE += ("page", "retina", "text")
FREE = (*photographs.PHOTOS, *MORE)
OURS = {  # ImageNet classes that are right for a photograph of ours
    "camera": (872,),  # tripod
    "cat": (281, 282, 285),  # tabby, tiger cat, Egyptian cat
    "coffee": (967,),  # espresso
    "motorcycle": (665, 670),  # moped, motor scooter: the nearest that there are
    "officer": (652,),  # military uniform
    "pagoda": (663, 698),  # monastery, palace
    "rocket": (657, 744),  # missile, projectile
}


def foolbox_files() -> dict[str, Path]:
    """Foolbox's photographs by name, such as "foolbox 07".

    Raises:
        ImportError: foolbox is not installed; says how to get it.
    """
    found = find_spec("foolbox")
    if found is None:
        raise ImportError("twenty of the photographs are in foolbox: pip install 'deep-flaw[photos]'")
    files = sorted((Path(found.origin).parent / "data").glob("imagenet_*.jpg"))
    return {f"foolbox {file.stem.split('_')[1]}": file for file in files}


FOOLBOX = tuple(f"foolbox {number:02}" for number in range(20))
LABELLED = (*OURS, *FOOLBOX)
EVERY = (*FREE, *FOOLBOX)


def raw(name: str) -> np.ndarray:
    """A photograph in its own size, uint8 ``(height, width)`` or ``(height, width, 3)``."""
    if name in FOOLBOX:
        return np.asarray(Image.open(foolbox_files()[name]).convert("RGB"))
    return getattr(skimage.data, name)() if name in MORE else photographs.raw_photo(name)


def grey(pixels: np.ndarray) -> Tensor:
    """A photograph as grey levels ``(1, 1, height, width)`` in [0, 1], float64."""
    pixels = skimage.color.rgb2gray(pixels) if pixels.ndim == 3 else pixels / 255
    return torch.from_numpy(pixels)[None, None]


def cropped(name: str) -> Tensor:
    """A photograph as a classifier sees it, on the CPU: ``(1, 3, 224, 224)`` in [0, 1]."""
    return photographs.crop(raw(name)).cpu()


def labels(name: str) -> tuple[int, ...]:
    """The ImageNet classes that are right for a photograph of `LABELLED`."""
    return OURS[name] if name in OURS else (int(foolbox_files()[name].stem.split("_")[2]),)


@functools.lru_cache(4)
def namer(name: str = "mobilenet_v2") -> torch.nn.Module:
    """A classifier of the zoo on the CPU."""
    return zoo.load(name, device="cpu")
