"""Ordinary photographs, from packages that are installed anyway, as a classifier sees them."""

import numpy as np
import skimage
import torch
from torch import Tensor

from course_utils import runtime

SIDE = 224  # pixels
PHOTOS = ("astronaut", "camera", "cat", "coffee", "dahlia", "motorcycle", "officer", "pagoda", "rocket")


def photo(name: str) -> Tensor:
    """One of the photographs of `PHOTOS`, as `crop` gives it: ``(1, 3, 224, 224)`` in [0, 1].

    >>> photo("cat").shape
    torch.Size([1, 3, 224, 224])
    """
    return crop(raw_photo(name))


def raw_photo(name: str) -> np.ndarray:
    """A photograph of `PHOTOS` in its own size, as uint8 ``(height, width, 3)``, or ``(height, width)`` if it is grey.

    The officer is Grace Hopper, who wrote one of the first compilers.

    >>> raw_photo("coffee").shape
    (400, 600, 3)
    """
    if name not in PHOTOS:
        raise ValueError(f"no photo is called {name!r}: there are {', '.join(PHOTOS)}")
    if name in {"dahlia", "pagoda"}:
        from sklearn.datasets import load_sample_image

        return load_sample_image({"dahlia": "flower.jpg", "pagoda": "china.jpg"}[name])
    if name == "officer":
        from matplotlib.cbook import get_sample_data

        return skimage.io.imread(get_sample_data("grace_hopper.jpg", asfileobj=False))
    return skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(skimage.data, name)()


def crop(pixels: np.ndarray) -> Tensor:
    """What a classifier sees of a photograph: the shorter side becomes 256, the middle 224 x 224 pixels are cut out.

    From uint8 ``(height, width)`` or ``(height, width, 3)`` to ``(1, 3, 224, 224)`` in [0, 1], on `runtime.device`.

    >>> crop(np.zeros((300, 400), dtype=np.uint8)).shape
    torch.Size([1, 3, 224, 224])
    """
    from torchvision.transforms.v2.functional import center_crop, resize

    pixels = np.asarray(pixels)
    pixels = skimage.color.gray2rgb(pixels) if pixels.ndim == 2 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        hint = "want uint8 grey levels (height, width) or (height, width, 3); PIL's image.convert('RGB') gives them"
        raise ValueError(f"a photo of {pixels.dtype} and shape {pixels.shape}: {hint}")
    picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    return center_crop(resize(picture, [256], antialias=True), [SIDE, SIDE]).clamp(0, 1).to(runtime.device())
