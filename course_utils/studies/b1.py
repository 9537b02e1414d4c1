"""B1: in how many directions of its own does the picture of a fixed scene move with the camera, and who can tell?

The camera has seven numbers. B1 takes the exact derivative of the picture by the pose at random poses, each number in
units of its reach, and counts the directions in which one reach would change the picture by more than rounding to 256
levels does. More than seven cannot come out; fewer can, where two numbers move the picture alike (a step forward and
the zoom), or one does not move it (a turn about the axis of something round).

B1-bias asks what estimators make of 10,000 views, who do not know the camera: maximum likelihood at k = 5 and 20, and
TwoNN, by the mean of their distances from 7. A bent sheet looks thicker to them and a thin or sparse one thinner, so
that they may err on either side or not at all. Beside them stand the same three for as many points of a flat cube of
seven dimensions.

Of the three scenes two were there before: the desk, and the first of the five objects. The third is drawn: three solids
from a fixed seed, the first that was tried.
"""

import math

import torch
from torch import Tensor

from course_utils.images.scenes import DESK, OBJECTS, REACH, Scene, Solid, random_poses
from course_utils.manifold import mle, nearest, tangent, two_nn
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

FREE, POSES, VIEWS, DRAWS = 7, 100, 10_000, 10  # numbers of the camera; poses and draws of each scene
ROUNDING = 1 / 255 / math.sqrt(12)  # root mean square over the pixels, 0.0011
SPREADS = {"whole reach": 1.0, "half of it": 0.5, "a tenth of it": 0.1}


def drawn(generator: torch.Generator, number: int = 3) -> Scene:
    """Solids of any place, size, turn, grey and pattern, as evenly drawn as the camera's reach allows."""

    def even(low: float, high: float) -> tuple[float, float, float]:
        return tuple((low + (high - low) * torch.rand(3, generator=generator)).tolist())

    solids = [
        Solid(
            even(-0.8, 0.8), even(0.2, 0.8), even(0.0, math.pi), even(0.3, 0.7)[0], (even(-5.0, 5.0), even(-5.0, 5.0))
        )
        for _ in range(number)
    ]
    return Scene(tuple(solids), background=0.15)


SCENES = {"desk": DESK, "mushroom": OBJECTS["mushroom"], "drawn": drawn(torch.Generator().manual_seed(0))}


def stretches(scene: Scene, poses: Tensor) -> Tensor:
    """How far one reach along each direction moves the picture, root mean square over the pixels: ``(N, d)``.

    Poses are in units of the reach, from -1 to 1, and float64.
    """
    reach = REACH[: poses.shape[1]].to(poses)
    found = tangent(lambda poses: scene.render(poses * reach), poses)
    return found.stretch / math.sqrt(found.basis.shape[1])


def seven(name: str, generator: torch.Generator) -> dict:
    """Whether all seven directions count at one pose of a scene; how many do, and the first and the last of them."""
    pose = 2 * torch.rand(1, FREE, generator=generator, dtype=torch.float64) - 1
    (stretch,) = stretches(SCENES[name], pose)
    directions = int((stretch > ROUNDING).sum())
    first, *_, last = (round(each, 5) for each in stretch.tolist())
    beside = {"directions": directions, "first": first, "seventh": last}
    return {"value": directions == FREE, "factor": name} | beside


def estimates(points: Tensor) -> list[float]:
    """The dimension by maximum likelihood at k = 5 and at k = 20, and by TwoNN."""
    far = nearest(points, points, 20, own=torch.arange(len(points)), progress=False).distances
    return [round(each.item(), 3) for each in (mle(far[:, :5]), mle(far), two_nn(far))]


def bias(unit: list, generator: torch.Generator) -> dict:
    """The mean distance of three estimates from 7 for views of a scene; the estimates, and those of a flat cube."""
    name, spread = unit
    found = estimates(SCENES[name].render(random_poses(VIEWS, spread=SPREADS[spread], generator=generator)))
    cube = estimates(torch.rand(VIEWS, FREE, generator=generator))
    off, control = (round(sum(abs(each - FREE) for each in three) / 3, 4) for three in (found, cube))
    return {"value": off, "factor": spread, "estimates": found, "flat cube": cube, "its distance from 7": control}


def _poses(first: int, number: int) -> dict[str, str]:
    return {f"{name} {place}": name for name in SCENES for place in range(first, first + number)}


def _draws(first: int, number: int) -> dict[str, list]:
    return {
        f"{name}, {spread} {place}": [name, spread]
        for name in SCENES
        for spread in SPREADS
        for place in range(first, first + number)
    }


STUDIES = (
    Study(RULES["B1"], _poses(0, POSES), seven, again=_poses(POSES, 20)),
    Study(RULES["B1-bias"], _draws(0, DRAWS), bias, again=_draws(DRAWS, 3)),
)
