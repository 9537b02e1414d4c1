"""A face camera: a detector looks at a camera's pictures, and something hangs on the wall that they show.

The article's question was what noise would do to a security camera. Here the learner plays both sides: in front of a
camera, or with a photo, they hang up nothing, plain noise, or the noise that was perturbed until it is a face, move it,
make it larger, and see where the detector of `faces` finds a face. It is pasted into the picture, so it meets no paper,
no lens and no light. No picture of the camera's is kept.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import faces, figures, runtime
from course_utils.core.checks import check_images, levels
from course_utils.images import photographs, uploads
from course_utils.widgets.base import Widget, to_bytes

LONG = 320  # pixels along the longer side of what the detector sees
PHOTOS = ("coffee", "astronaut", "camera")  # no face, and one in each of the others
START = {"hangs": "nothing", "size": 0.6, "across": 0.5, "down": 0.5}
STILLS = (("astronaut", "nothing"), ("coffee", "nothing"), ("coffee", "plain noise"), ("coffee", "attacked noise"))

Place = tuple[int, int, int, int]  # left, top, right, bottom in pixels
Things = Mapping[str, Tensor | None]  # what can hang in a picture: name -> image (1, C, h, w)

cascade = functools.cache(faces.nets)  # read with the first picture


def face_camera(canvas: Tensor):
    """Look for faces in the camera's picture or a photo, while noise hangs in it; without a front end, in stills.

    ``canvas`` is noise that the detector takes for a face, ``(1, 1, h, w)`` or ``(1, 3, h, w)``.

    Raises:
        OSError: the detector's weights cannot be had. The live widget says so in the page instead.
    """
    if len(check_images(canvas)) != 1 or canvas.shape[1] not in (1, 3):
        raise ValueError(f"the canvas has shape {tuple(canvas.shape)}: want one image, (1, 3, h, w) or (1, 1, h, w)")
    noise = torch.rand(canvas.shape, generator=runtime.ensure_generator(), dtype=torch.float32)
    return FaceCamera.show({"nothing": None, "plain noise": noise, "attacked noise": canvas.detach().float().cpu()})


class Sight(NamedTuple):
    """What was seen: the picture ``(1, 3, H, W)`` in 256 levels, where in it the thing hangs, and the faces in it."""

    picture: Tensor
    place: Place | None
    marks: list[dict]  # of faces: the box in pixels, the probability as text, is its middle on what hangs there?


class FaceCamera(Widget):
    """The photos, the one that is looked at without a camera, and what hangs in it."""

    scripts = ("uploads",)
    plain = (ValueError,)

    def __init__(self, things: Things):
        super().__init__()
        self.things, self.settings = things, START
        self.photos = {name: small(photographs.raw_photo(name)) for name in PHOTOS}
        self.photo = PHOTOS[0]

    @staticmethod
    def still(things: Things) -> figures.Picture:
        """A face, and a photo without one in which nothing, plain noise and attacked noise hang."""
        sights = {}
        for photo, hangs in STILLS:
            sights[photo, hangs] = see(things, small(photographs.raw_photo(photo)), **START | {"hangs": hangs})
        return _picture(sights)

    def picture(self) -> figures.Picture:
        sight = see(self.things, self.photos[self.photo], **self.settings)
        return _picture({(self.photo, self.settings["hangs"]): sight})

    def obey(
        self, do: str, name: str = "", data: str = "", frame: str = "", settings: dict | None = None
    ) -> tuple[dict, list[bytes]]:
        """ "show"; "photo", with its ``name``; "upload" a file with ``name`` and ``data``; "look" with ``settings``.

        ``frame`` is the camera's picture, forgotten with the answer. The buffer: what the detector saw.
        """
        photos, photo, settings = self.photos, self.photo, settings or self.settings
        if do == "upload":
            photo = f"{name} (yours)"
            photos = photos | {photo: small(uploads.read_upload(data, name))}
        elif do == "photo":
            photo = name
        scene = small(uploads.read_upload(frame, "the camera's picture")) if frame else photos[photo]
        sight = see(self.things, scene, **settings)
        self.photos, self.photo, self.settings = photos, photo, settings
        said = {"photos": list(photos), "photo": photo, "things": list(self.things), "settings": settings}
        seen = {"shape": list(sight.picture.shape[1:]), "marks": sight.marks, "place": sight.place}
        return said | seen | {"camera": bool(frame)}, [to_bytes(sight.picture)]


def see(things: Things, scene: Tensor, hangs: str, size: float, across: float, down: float) -> Sight:
    """Hang one of the things into a scene ``(1, 3, H, W)``, and look for faces."""
    thing, place, marks = things[hangs], None, []
    if thing is not None:
        scene, place = hang(thing, scene, size, across, down)
    scene = levels(scene) / 255
    with runtime.one_thread():
        found = faces.detect(scene, cascade())[0]
    left, top, right, bottom = place or (0, 0, -1, -1)
    for box, probability in zip(found.boxes.tolist(), found.probabilities, strict=True):
        on = left <= (box[0] + box[2]) / 2 <= right and top <= (box[1] + box[3]) / 2 <= bottom
        marks.append({"box": box, "text": figures.percent(probability), "on": on})
    return Sight(scene, place, marks)


def small(colours: np.ndarray) -> Tensor:
    """A photo, uint8 ``(H, W)`` or ``(H, W, 3)``, at most 320 pixels long: ``(1, 3, h, w)`` in [0, 1]."""
    picture = torch.from_numpy(np.atleast_3d(colours).copy()).permute(2, 0, 1)[None].expand(1, 3, -1, -1).float() / 255
    scale = min(1, LONG / max(picture.shape[2:]))
    sides = [max(1, round(scale * side)) for side in picture.shape[2:]]
    return F.interpolate(picture, sides, mode="area")


def hang(thing: Tensor, scene: Tensor, size: float, across: float, down: float) -> tuple[Tensor, Place]:
    """Paste a thing into a scene; returns it, and the place of the thing.

    ``size`` is a fraction of the largest that fits; across and down are 0 at the left or top edge, 1 at the other.
    """
    (height, width), sides = scene.shape[2:], thing.shape[2:]
    scale = size * min(height / sides[0], width / sides[1])
    high, wide = (max(1, round(scale * side)) for side in sides)
    top, left = round(down * (height - high)), round(across * (width - wide))
    scene = scene.clone()
    pasted = F.interpolate(thing.to(scene), (high, wide), mode="bilinear", antialias=True).clamp(0, 1)
    scene[..., top : top + high, left : left + wide] = pasted
    return scene, (left, top, left + wide, top + high)


def _picture(sights: Mapping[tuple[str, str], Sight]) -> figures.Picture:
    """Sights side by side, each by its photo and what hangs in it, with what was found."""
    from matplotlib.patches import Rectangle

    canvas, axes = figures.figure(1.8 * len(sights), 2.0, ncols=len(sights), squeeze=False)
    texts = []
    for axis, ((photo, hangs), sight) in zip(axes[0], sights.items(), strict=True):
        found = ", ".join(mark["text"] for mark in sight.marks) or "no face"
        figures.show(axis, sight.picture[0], found, title=f"{photo}, {hangs}")
        for mark in sight.marks:
            left, top, right, bottom = mark["box"]
            color = figures.FOOLING if mark["on"] else figures.CLEAN
            with figures.look():
                axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, lw=2, ec=color))
        texts.append(f"{photo} with {hangs} in it: {found}")
    what = "Pictures, and the faces that the detector found with their probability."
    return figures.picture(canvas, f"{what} {'; '.join(texts)}.")
