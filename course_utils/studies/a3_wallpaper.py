"""A3-wallpaper, A3-print, A3-vit: does a wallpaper made for a visual search make it miss the thing in front?

Twenty things are cut out of their photographs. The search knows each from six views in front of a plain grey wall; a
view in front of something else is looked up, and its first hit is right or not. A wallpaper is made with the weights
known, so that one half of the things, in front of it, are taken for a decoy among them (`attacks.eot`), and judged on
the other half, from other views. A unit is a thing: 20 views before noise, and the same before the wallpaper.

In A3-print wallpaper and noise are printed, hang on a wall and are photographed, by one program for making and for
judging, with other draws; things stand before the photograph. In A3-vit the search is the transformer's. Beside each
stand the shares of right hits before noise, wallpaper and bricks, and how often the decoy is hit.
"""

import functools

import skimage
import torch
from torch import Tensor

from course_utils import evaluation
from course_utils.attacks import eot
from course_utils.images import photographs, physical, scenes
from course_utils.images.photographs import SIDE
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.searching import GALLERY, Search, embedder
from course_utils.studies.things import NAMES, thing

VIEWS, STEPS, BATCH, STEP_SIZE = 20, 100, 4, 0.1
AREA, TURN, NEARER = (0.1, 0.5), (-10.0, 10.0), 0.4  # NEARER: as much zoom as lets the wall fill the picture


def before(walls: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
    """Views of things, by number, in front of walls: ``(N, 3, 224, 224)``."""
    front = torch.cat([physical.framed(thing(NAMES[row])) for row in rows.tolist()])
    return physical.stick(front, walls, AREA, TURN, generator=generator)


@functools.lru_cache(2)
def gallery(name: str) -> Search:
    """The search that knows each thing from some views in front of grey."""
    generator, rows = torch.Generator().manual_seed(0), torch.arange(len(NAMES)).repeat_interleave(GALLERY)
    views = before(torch.full((len(rows), 3, SIDE, SIDE), 0.5), rows, generator)
    return Search(embedder(name), views, rows).eval()


def hung(wall: Tensor, number: int, printed: bool, generator: torch.Generator) -> Tensor:
    """What stands behind the things: the wall in a file, or photographs of its print."""
    walls = wall.expand(number, -1, -1, -1)
    if not printed:
        return walls
    poses = scenes.random_poses(number, 9, spread=0.5, generator=generator)
    poses[:, 6] += NEARER
    return physical.photograph(walls, poses, generator=generator)


@functools.lru_cache(8)
def wallpaper(name: str, half: int, printed: bool) -> Tensor:
    """The wallpaper that is made behind one half of the things, ``(1, 3, 224, 224)``."""
    own = torch.arange(half, len(NAMES), 2)

    def room(wall: Tensor, number: int, generator: torch.Generator) -> Tensor:
        rows = own[torch.randint(len(own), (number,), generator=generator)]
        return before(hung(wall, number, printed, generator), rows, generator)

    blank, generator = torch.full((1, 3, SIDE, SIDE), 0.5), torch.Generator().manual_seed(half)
    how = dict(steps=STEPS, batch=BATCH, step_size=STEP_SIZE, generator=generator, progress=False)
    return eot(gallery(name), room, blank, own[:1], **how)


def hits(name: str, wall: Tensor, row: int, printed: bool, generator: torch.Generator) -> Tensor:
    """The first hits of VIEWS views of a thing, ``(VIEWS,)``."""
    rows = torch.full((VIEWS,), row)
    return evaluation.predict(gallery(name), before(hung(wall, VIEWS, printed, generator), rows, generator)).labels


def lost(unit: list, generator: torch.Generator) -> dict:
    """For [search, thing, printed]: the share of right hits that the wallpaper costs more than noise does."""
    name, row, printed = unit
    other, seed = 1 - row % 2, int(torch.randint(2**31, (1,), generator=generator))
    walls = {
        "noise": torch.rand(1, 3, SIDE, SIDE, generator=generator),
        "wallpaper": wallpaper(name, other, printed),
        "bricks": photographs.crop(skimage.data.brick()).cpu(),
    }
    found = {kind: hits(name, wall, row, printed, torch.Generator().manual_seed(seed)) for kind, wall in walls.items()}
    right = {kind: round((labels == row).double().mean().item(), 2) for kind, labels in found.items()}
    return {
        "value": round(right["noise"] - right["wallpaper"], 2),
        "right": right,
        "decoy": round((found["wallpaper"] == other).double().mean().item(), 2),
    }


def _units(name: str, printed: bool) -> dict[str, list]:
    return {thing: [name, row, printed] for row, thing in enumerate(NAMES)}


STUDIES = (
    Study(RULES["A3-wallpaper"], _units("mobilenet_v2", False), lost),
    Study(RULES["A3-print"], _units("mobilenet_v2", True), lost),
    Study(RULES["A3-vit"], _units("transformer", False), lost),
)
