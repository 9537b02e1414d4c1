"""Photographs of one thing with its background cut away, to be pasted wherever an experiment wants them.

The motorcycle is cut along its depth: scikit-image has it from two cameras, and the thing is what shifts most from one
to the other. Around each other thing a person clicked a rough outline. Within a few pixels of it the cut then
follows the strongest edge: a watershed on the gradient of the photograph, which floods it from a marker well inside and
one well outside (Beucher and Lantuejoul 1979).
"""

from functools import cache

import numpy as np
import scipy
import skimage
import torch
from torch import Tensor

from course_utils import runtime
from course_utils.images import photographs

BAND = 4  # pixels on either side of an outline, within which the watershed decides
TRACED = {  # corners of an outline as x y, in pixels of the photograph
    "coffee": (
        "174 68 188 62 218 32 283 17 348 30 390 56 402 68 420 65 423 80 414 95 449 127 471 163 479 216 461 "
        "294 420 347 360 379 277 386 206 377 146 347 105 305 81 252 75 205 85 160 99 127 134 92"
    ),
    "cat": (
        "38 0 398 0 390 22 372 52 352 72 345 90 360 112 366 128 350 160 340 190 325 220 315 255 290 277 255 "
        "280 190 268 170 299 40 299 10 270 8 180 4 120 30 85 42 45"
    ),
    "shuttle": (
        "395 0 430 0 437 40 444 38 453 62 455 205 455 233 440 240 425 240 420 275 395 280 384 275 366 270 386 "
        "230 354 222 378 180 378 115 385 95 381 80 381 58 388 40 394 60 396 20"
    ),
    "pagoda": (
        "197 30 190 50 180 70 150 95 115 108 95 128 120 140 118 155 85 178 108 195 108 225 72 250 82 270 80 "
        "330 92 345 150 360 230 380 310 390 340 345 365 330 340 310 350 270 352 250 320 232 322 195 325 175 "
        "298 160 300 140 315 125 250 85 222 65 215 45 212 30"
    ),
    "officer": (
        "160 97 165 86 180 66 215 36 256 22 281 25 327 51 353 81 371 92 370 142 373 188 368 224 353 264 357 "
        "278 337 307 368 340 470 376 500 396 511 437 511 599 12 599 24 467 38 406 53 381 104 371 190 340 205 "
        "315 190 295 168 264 154 203 160 173 170 147"
    ),
    "dahlia": (
        "442 222 431 275 402 320 357 350 304 360 251 350 206 320 177 275 166 222 177 169 206 124 251 94 304 "
        "84 357 94 402 124 431 169"
    ),
}
PHOTO = {"shuttle": "astronaut"}  # in whose photograph a thing is, where it has another name
NAMES = ("motorcycle", *TRACED)


def cutout(name: str) -> Tensor:
    """One thing, as large as in its photograph, on `runtime.device`: ``(1, 4, H, W)`` in [0, 1], the last one alpha.

    >>> cutout("motorcycle").shape
    torch.Size([1, 4, 419, 594])
    """
    if name not in NAMES:
        raise ValueError(f"no cut-out is called {name!r}: there are {', '.join(NAMES)}")
    return _cut(name).to(runtime.device(), copy=True)


def cut_along(pixels: np.ndarray, corners: str, band: int = BAND) -> Tensor:
    """What lies inside the strongest edge near an outline, on the CPU: ``(1, 4, H, W)`` in [0, 1], the last one alpha.

    Args:
        pixels: A photograph, uint8 ``(height, width, 3)``.
        corners: Corners of the outline as "x y x y ...", in pixels of the photograph.
        band: How far the outline may be off, in pixels: so far from it the watershed decides.
    """
    outline = np.array(corners.split(), float).reshape(-1, 2)
    inside = skimage.draw.polygon2mask(pixels.shape[:2], outline[:, ::-1])
    markers = scipy.ndimage.binary_erosion(inside, iterations=band, border_value=1) * 2
    markers[~scipy.ndimage.binary_dilation(inside, iterations=band)] = 1
    slopes = [scipy.ndimage.gaussian_gradient_magnitude(layer, 1.0) for layer in np.moveaxis(pixels / 255, 2, 0)]
    return _layers(pixels, skimage.segmentation.watershed(np.max(slopes, axis=0), markers) == 2)


@cache
def _cut(name: str) -> Tensor:
    if name == "motorcycle":
        return _layers(*_along_depth())
    return cut_along(photographs.raw_photo(PHOTO.get(name, name)), TRACED[name])


def _layers(pixels: np.ndarray, mask: np.ndarray) -> Tensor:
    """The largest piece of a mask, cropped to it: colours and alpha."""
    piece = max(skimage.measure.regionprops(skimage.measure.label(mask)), key=lambda piece: piece.area)
    soft = scipy.ndimage.gaussian_filter(np.pad(piece.image.astype(np.float32), 2), 0.7)  # as soft as a camera's edges
    layers = np.dstack([pixels[piece.slice] / np.float32(255), soft[2:-2, 2:-2].clip(0, 1)])
    return torch.from_numpy(layers).float().permute(2, 0, 1)[None].contiguous()


def _along_depth() -> tuple[np.ndarray, np.ndarray]:
    """The motorcycle's photograph, and what is nearer than the garage behind it and than the floor below it."""
    pixels, _, disparity = skimage.data.stereo_motorcycle()
    disparity = np.where(np.isfinite(disparity), disparity, 0)  # not known where one camera does not see it
    row, column = np.indices(disparity.shape)
    floor = (row > 400) & ((column < 100) | (column > 690))
    plane = np.linalg.lstsq(np.c_[row[floor], column[floor], np.ones(floor.sum())], disparity[floor], rcond=None)[0]
    near = (disparity > 35) & (disparity > plane[0] * row + plane[1] * column + plane[2] + 1)
    return pixels, scipy.ndimage.binary_closing(near, iterations=2)
