r"""A differentiable camera before a fixed scene of solids.

A solid is a ball, stretched and turned: those points x of the world with |A (x - c)| <= 1. A ray o + t d that passes
it comes nearest to its centre at

    t_0 = -o'.d' / |d'|^2,    m^2 = |o' + t_0 d'|^2,    with  o' = A (o - c),  d' = A d,

and hits it where h = 1 - m^2 is positive. Edges are soft: the solid covers a pixel by sigmoid(h / softness), and where
two solids overlap, the nearer one wins by a sigmoid of the difference in depth. So a picture is a smooth function of
the pose and has derivatives of every order (compare Liu et al. 2019, arXiv 1904.01786).
"""

import math
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core.checks import check_count
from course_utils.core.tensors import portion

POSE = ("yaw", "pitch", "roll", "right", "up", "forward", "zoom", "light azimuth", "light elevation")
REACH = torch.tensor((0.6, 0.6, 0.6, 0.3, 0.3, 0.6, 0.3, 0.8, 0.5), dtype=torch.float32)  # of `random_poses`
LIGHT = (-0.5, 0.6)  # azimuth and elevation of the light, in radians, where the pose says 0
AMBIENT = 0.3  # the fraction of the light that comes from everywhere
RELIEF = 0.8  # how far a pattern goes towards black or white, whichever is nearer
FAR = -60.0  # h / softness of a ray that misses: it covers nothing, and the root of it still has a derivative
HELD = 16  # numbers for each pixel that is rendered
Triple = tuple[float, float, float]
_dot = partial(torch.linalg.vecdot, dim=2)


@dataclass(frozen=True)
class Solid:
    """A ball, stretched to ``radii``, turned by three angles in radians, and moved to ``centre``.

    Its surface has a mean ``grey`` and a pattern: the product of two sines, wave vectors in radians over a radius.
    """

    centre: Triple
    radii: Triple
    turn: Triple = (0.0, 0.0, 0.0)
    grey: float = 0.5
    waves: tuple[Triple, Triple] = ((4.5, 1.0, 1.5), (-1.0, 4.5, 1.5))


@dataclass(frozen=True)
class Scene:
    """Solids before a background of one grey.

    The x axis points right, y up and z to the camera, which stands at ``distance`` from the origin. ``focal`` is in
    units of half the picture's width, ``softness`` is the scale of h over which an edge fades, and ``pitch`` is how far
    the camera looks down from home, in radians.
    """

    solids: tuple[Solid, ...]
    background: float = 0.05
    distance: float = 4.0
    focal: float = 3.0
    softness: float = 0.1
    pitch: float = 0.0

    def __post_init__(self):
        if not self.solids or not 0 <= self.background <= 1 or not min(self.softness, self.focal) > 0:
            raise ValueError(f"{self}: want a solid at least, a background in [0, 1], softness and focal above 0")

    def render(self, poses: Tensor, size: int = 28) -> Tensor:
        """What the camera sees: poses ``(N, 7)`` or ``(N, 9)`` -> images ``(N, 1, size, size)`` in [0, 1].

        Poses are the numbers of `POSE`; zeros are home. Yaw, pitch and roll turn the scene about its origin, in
        radians; right, up and forward move the camera, in units of length, but never into the scene; zoom is the
        logarithm of what the focal length is multiplied by; the last two turn the light, in radians. Device and dtype
        (float32 or float64) are those of the poses, and gradients flow to them.

        >>> DESK.render(torch.zeros(2, 7)).shape
        torch.Size([2, 1, 28, 28])
        """
        self.check(poses)
        at_once = portion(poses[:, :1], cost=HELD * check_count("size", size) ** 2)
        return torch.cat([self._render(part, size) for part in poses.split(at_once)])

    def _render(self, poses: Tensor, size: int) -> Tensor:
        radii, turns, centres, waves, greys = (
            poses.new_tensor([getattr(solid, name) for solid in self.solids])
            for name in ("radii", "turn", "centre", "waves", "grey")
        )
        axes = rotations(turns).mT / radii[:, :, None]  # A of each of the M solids, (M, 3, 3)
        turn, camera, _, lens = self.camera(poses)
        into = torch.einsum("mij, nkj -> nmik", axes, turn)  # from the camera's axes to those of A
        origin = torch.einsum("nmik, nk -> nmi", into, camera) - torch.einsum("mij, mj -> mi", axes, centres)
        ray = (into * lens[:, None, None]) @ directions(size, poses)  # d', (N, M, 3, P)
        start = origin[..., None]
        square = _dot(ray, ray)
        nearest = -_dot(start, ray) / square
        miss = start + nearest[:, :, None] * ray
        inside = ((1 - _dot(miss, miss)) / self.softness).clamp_min(FAR)
        depth = nearest - (self.softness * F.softplus(inside) / square).sqrt()
        point = start + depth[:, :, None] * ray

        light = torch.einsum("mij, nj -> nmi", axes, light_from(poses))[..., None]
        across = point / radii[:, :, None]
        slope = _dot(light, point) * _dot(across, across).rsqrt()  # the cosine between light and normal
        pattern = (waves @ point).sin().prod(2)
        color = (greys + RELIEF * torch.minimum(greys, 1 - greys) * pattern.mT).mT * brightness(slope)
        seen, free = _visible(inside.sigmoid(), depth, self.softness)
        return ((seen * color).sum(1) + free * self.background).view(-1, 1, size, size)

    def camera(self, poses: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """How the scene is turned ``(N, 3, 3)``, where the camera is ``(N, 3)``, its focal length ``(N,)`` and lens."""
        turn = rotations(poses[:, :3] + poses.new_tensor([0, self.pitch, 0]))
        place = poses[:, 3:6] * poses.new_tensor([1, 1, -1]) + poses.new_tensor([0, 0, self.distance])
        focal = self.focal * poses[:, 6].exp()
        return turn, place, focal, torch.stack([1 / focal, 1 / focal, torch.ones_like(focal)], 1)

    def check(self, poses: Tensor) -> None:
        """Raise what `render` raises for poses that it cannot take."""
        if not isinstance(poses, Tensor) or poses.dtype not in (torch.float32, torch.float64):
            kind = getattr(poses, "dtype", type(poses).__name__)
            raise TypeError(f"poses are {kind}, not a float32 or float64 tensor: write torch.tensor(...).float()")
        if poses.ndim != 2 or poses.shape[1] not in (7, 9) or len(poses) == 0:
            hint = "for one pose write pose[None]" if poses.ndim == 1 else "7 numbers a pose, or 9 with the light"
            raise ValueError(f"poses have shape {tuple(poses.shape)}, not (N, 7) or (N, 9): {hint}")
        begins = self.distance - max(math.hypot(*solid.centre) + max(solid.radii) for solid in self.solids)
        if not (poses.isfinite().all() and (poses[:, 5] < begins).all()):
            found = f"forward goes to {poses[:, 5].max():.2g}, or a pose holds NaN"
            raise ValueError(f"{found}: keep forward below {begins:.2g}, where the scene begins")


def _visible(cover: Tensor, depth: Tensor, blur: float) -> tuple[Tensor, Tensor]:
    """From cover and depth ``(N, M, P)`` the fractions of a pixel in which each solid is seen, and in which none is."""
    seen = list(cover.unbind(1))
    for i, j in combinations(range(len(seen)), 2):
        behind = ((depth[:, i] - depth[:, j]) / blur).sigmoid()  # how surely i lies behind j
        seen[i], seen[j] = seen[i] * (1 - cover[:, j] * behind), seen[j] * (1 - cover[:, i] * (1 - behind))
    seen, free = torch.stack(seen, 1), (1 - cover).prod(1)
    total = seen.sum(1) + free  # 1 for two solids; three at one place may count a little twice
    return seen / total[:, None], free / total


def random_poses(number: int, free: int = 7, *, spread: float = 1, generator: torch.Generator | None = None) -> Tensor:
    """Poses ``(number, 9)``: the first ``free`` numbers of `POSE` are even within ``spread`` times `REACH`, the rest 0.

    >>> random_poses(5, free=2)[:, 2:].abs().max()
    tensor(0.)
    """
    generator = runtime.ensure_generator(generator)
    if check_count("free", free) > len(POSE):
        raise ValueError(f"free={free}: a pose has {len(POSE)} numbers, {', '.join(POSE)}")
    shape = check_count("number", number), len(POSE)
    draws = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)
    poses = spread * REACH.to(draws) * (2 * draws - 1)
    poses[:, free:] = 0
    return poses


def directions(size: int, like: Tensor) -> Tensor:
    """The direction through the middle of each pixel, row by row, for a focal length of 1: ``(3, size * size)``."""
    middles = (torch.arange(size, device=like.device, dtype=like.dtype) * 2 + 1) / size - 1
    up, right = torch.meshgrid(-middles, middles, indexing="ij")
    return torch.stack([right.flatten(), up.flatten(), torch.full_like(right, -1).flatten()])


def rotations(angles: Tensor) -> Tensor:
    """About y by the first angle, about x by the second, about z by the third, ``(N, 3)`` -> ``(N, 3, 3)``."""
    (a, b, c), (i, j, k) = angles.cos().unbind(1), angles.sin().unbind(1)
    rows = [
        [c * a - k * j * i, -k * b, c * i + k * j * a],
        [k * a + c * j * i, c * b, k * i - c * j * a],
        [-b * i, j, b * a],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def brightness(slope: Tensor) -> Tensor:
    """Of a surface, as a fraction of its grey, by the cosine of the angle between its normal and the light."""
    return AMBIENT + (1 - AMBIENT) * (1 + slope) / 2


def light_from(poses: Tensor) -> Tensor:
    """The direction to the light, of length 1, ``(N, 3)``."""
    angles = poses.new_tensor(LIGHT) + (poses[:, 7:9] if poses.shape[1] == 9 else 0)
    azimuth, elevation = angles.expand(len(poses), 2).unbind(1)
    return torch.stack([azimuth.sin() * elevation.cos(), elevation.sin(), azimuth.cos() * elevation.cos()], 1)


DESK = Scene(
    (
        Solid((0.0, -0.75, 0.0), (1.9, 0.2, 1.5), grey=0.4, waves=((5.0, 0.0, 2.0), (-2.0, 0.0, 5.0))),
        Solid((-0.6, -0.15, 0.3), (0.45, 0.45, 0.45), grey=0.6),
        Solid((0.55, -0.2, 0.6), (0.2, 0.5, 0.2), (0.0, 0.0, 0.2), grey=0.6, waves=((0.0, 4.0, 1.0), (2.0, 0.5, 2.0))),
        Solid((0.3, 0.15, -0.5), (0.75, 0.5, 0.25), (0.5, 0.2, 0.3), waves=((4.0, 2.0, 1.0), (-1.0, 3.0, 1.0))),
    ),
    background=0.15,
    pitch=0.6,
)


def _built(ball: Triple, disc: Triple, turn: Triple = (0.0, 0.0, 0.0)) -> Scene:
    """A rod with a ball and a disc at these places."""
    rod = Solid((0.0, 0.0, 0.0), (0.16, 0.95, 0.16), waves=((0.0, 4.0, 0.0), (0.0, 0.0, 1.0)))
    ball = Solid(ball, (0.36, 0.36, 0.36))
    disc = Solid(disc, (0.65, 0.15, 0.65), turn, waves=((4.5, 0.0, 0.5), (0.5, 0.0, 4.5)))
    return Scene((rod, ball, disc), focal=2.5, pitch=0.4)


UPRIGHT = (0.0, math.pi / 2, 0.0)
OBJECTS = {
    "mushroom": _built(ball=(0.0, -0.75, 0.0), disc=(0.0, 0.75, 0.0)),
    "top": _built(ball=(0.0, 0.75, 0.0), disc=(0.0, 0.0, 0.0)),
    "gyroscope": _built(ball=(0.0, 0.0, 0.0), disc=(0.0, 0.0, 0.0)),
    "paddle": _built(ball=(0.0, -0.75, 0.0), disc=(0.0, 0.6, 0.0), turn=UPRIGHT),
    "pan": _built(ball=(0.0, 0.6, 0.2), disc=(0.0, 0.6, 0.0), turn=UPRIGHT),
}
