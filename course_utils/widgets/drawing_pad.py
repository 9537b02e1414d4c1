"""A sketchpad: draw a digit with mouse or finger, and see what a network makes of it, stroke by stroke.

A network trained on MNIST has only ever seen digits that went through one procedure (LeCun et al. 1998, section
III.A): the black and white digit is *size-normalised* to fit into 20 x 20 pixels, its aspect ratio kept, with the grey
levels that antialiasing leaves; then it is shifted by whole pixels until its *centre of mass* lies in the middle of a
28 x 28 field. `mnist_like` does the same to a drawing. Without it, a good network fails on good drawings.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from PIL import Image, ImageDraw
from torch import Tensor, nn

from course_utils import evaluation, figures, runtime
from course_utils.widgets.base import Widget, to_bytes

SIDE = 280  # of the drawing, in pixels
PEN = 24  # its width; a digit that fills three quarters of the pad gets strokes as wide as those of MNIST

Stroke = Sequence[tuple[float, float]]  # the points (x, y) of a pen's path in pixels of the drawing, y downwards


def sketchpad(model: nn.Module):
    """A pad to draw on, with the confidences of ``model`` live beside it; without a front end, six drawings.

    ``model`` takes images ``(N, 1, 28, 28)``.

    >>> pad = sketchpad(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    """
    return DrawingPad.show(model)


class DrawingPad(Widget):
    """The live pad: each question of the page holds all strokes."""

    side = traitlets.Int(SIDE).tag(sync=True)
    pen = traitlets.Int(PEN).tag(sync=True)
    classes = traitlets.Int().tag(sync=True)

    def __init__(self, network: nn.Module):
        super().__init__(classes=len(confidences(network, torch.zeros(1, 1, 28, 28))))
        self.network = network

    @staticmethod
    def still(network: nn.Module, number: int = 6) -> figures.Picture:
        """The first drawings, and what the network says to each."""
        pictures = {}
        for name, strokes in list(DRAWINGS.items())[:number]:
            image = mnist_like(rasterise([rounded(stroke) for stroke in strokes]))
            pictures[name] = figures.confidence_bars(image, confidences(network, image))
        return figures.tile(pictures)

    def picture(self) -> figures.Picture:
        return self.still(self.network, 2)

    def obey(self, do: str, strokes: Sequence[Stroke]) -> tuple[dict, list[bytes]]:
        """The confidences, as numbers and as texts, and the image that the network sees."""
        with runtime.one_thread():
            image = mnist_like(rasterise(strokes))
            confidence = confidences(self.network, image)
        texts = [figures.percent(one) for one in confidence.tolist()]
        return {"shares": confidence.tolist(), "texts": texts, "best": int(confidence.argmax())}, [to_bytes(image)]


def mnist_like(drawing: Tensor) -> Tensor:
    """Scale and centre a drawing as the digits of MNIST were.

    Args:
        drawing: ink in [0, 1], bright on dark, shape ``(H, W)``.

    Returns:
        Image in [0, 1], shape ``(1, 1, 28, 28)``: the longer side of the ink measures 20 pixels, and its centre of mass
        lies in the pixel right below and right of the middle, unless the ink would stick out then.

    >>> drawing = torch.zeros(280, 280)
    >>> drawing[30:230, 20:40] = 1  # a bar, 200 high and 20 wide
    >>> mnist_like(drawing).sum()
    tensor(40.)
    """
    if drawing.ndim != 2:
        shape = tuple(drawing.shape)
        raise ValueError(f"the drawing has shape {shape}, not (H, W): give one drawing, without channels")
    if not (drawing.min() >= 0 and drawing.max() <= 1):
        low, high = drawing.min().item(), drawing.max().item()
        raise ValueError(f"the ink runs from {low:.3g} to {high:.3g}, not 0 to 1: divide grey levels by 255")
    rows, columns = (drawing > 0).nonzero(as_tuple=True)
    if len(rows) == 0:
        raise ValueError("the drawing is blank: there is nothing to centre")
    ink = drawing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].float().cpu()
    height, width = (max(1, round(20 * length / max(ink.shape))) for length in ink.shape)
    ink = F.interpolate(ink[None, None], (height, width), mode="area")[0, 0]
    top, left = (_corner(profile) for profile in (ink.sum(1), ink.sum(0)))
    return F.pad(ink, (left, 28 - left - width, top, 28 - top - height))[None, None]


def _corner(profile: Tensor) -> int:
    """Where ink with this profile along an axis starts, so that its centre of mass falls into pixel 14 of 28."""
    centre = (profile * (torch.arange(len(profile)) + 0.5)).sum() / profile.sum()
    return min(max(14 - int(centre), 0), 28 - len(profile))


def rasterise(strokes: Sequence[Stroke]) -> Tensor:
    """Draw pen strokes: ink in {0, 1}, shape ``(280, 280)``. A stroke of one point is a dot."""
    paper = Image.new("1", (SIDE, SIDE))
    draw = ImageDraw.Draw(paper)
    for stroke in strokes:
        points = [tuple(point) for point in stroke]
        draw.line(points, fill=1, width=PEN)
        for x, y in points:
            draw.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=1)
    return torch.tensor(np.array(paper)).float()


def confidences(model: nn.Module, image: Tensor) -> Tensor:
    """Softmax of the model's answer to one image ``(1, 1, 28, 28)``: float64 ``(K,)`` on the CPU."""
    return evaluation.logits(model, image.to(evaluation.dtype_of(model)))[0].cpu().double().softmax(0)


def rounded(stroke: Stroke) -> Stroke:
    """Cut the corners of a polyline three times (Chaikin 1974); a grid of 28 units becomes one of pixels."""
    points = torch.tensor(stroke) * SIDE / 28
    for _ in range(3):
        before, after = points[:-1], points[1:]
        cut = torch.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], dim=1).flatten(0, 1)
        points = torch.cat([points[:1], cut, points[-1:]])
    return points.tolist()


DRAWINGS: dict[str, list[Stroke]] = {  # on a grid of 28 x 28, corners still sharp
    "a two": [[(8, 9), (10, 4), (18, 4), (20, 10), (14, 17), (7, 23), (14, 22), (21, 23)]],
    "a seven": [[(8, 5), (14, 5), (20, 5)], [(20, 5), (16, 14), (13, 24)]],
    "the letter A": [[(7, 24), (14, 4)], [(14, 4), (21, 24)], [(10, 17), (18, 17)]],
    "a squiggle": [[(4, 18), (7, 6), (11, 24), (14, 5), (18, 24), (21, 6), (24, 18)]],
    "a dot": [[(14, 14), (14, 14)]],
    "a frame": [[(5, 5), (23, 5)], [(23, 5), (23, 23)], [(23, 23), (5, 23)], [(5, 23), (5, 5)]],
}
