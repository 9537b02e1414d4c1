"""B2: does the path along the exact motion field run where the geodesic runs, or no nearer to it than the blend?

The renderer knows its surfaces, so where a point of view a lies in view b is exact: its ray meets a solid, and the
other camera sees that point. Halfway along the flow, each point is halfway between its two places, with the mean of its
two greys. Edges are soft, and a pixel at an edge shows two things that move apart; so a pixel counts only where both
ends see the same point of one solid clearly: the renderer's sigmoids, of cover and of what lies in front, are all at 95
% or more. There its surfaces are those with hard edges, but for a hundredth of their depth. The background is one grey
and has no motion. Greys between pixels are read off a picture with four times as many a side.

The geodesic is the shortest path of camera poses within the reach, by the Euclidean distance between pictures of 56 x
56 pixels: eight pieces, whose inner ends L-BFGS moves from the straight line of poses until the sum of squared steps no
longer falls. Flow keeps things whole but moves them on straight lines at even speed, while a geodesic spends its time
where pictures change much: it may come out on either side.

B2-flow takes the distance itself from the flow: the mean squared motion of the points that both ends see. The shortest
path by it is one of camera poses, too. Is its midpoint nearer to that of the geodesic by pictures than the midpoint of
the straight line of poses is, which knows of no flow? Beside it stands how straight the two geodesics are: the distance
of their ends over their length, 1 where the distance is the same as on a flat sheet.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.images.scenes import DESK, REACH, directions, rotations
from course_utils.manifold.tangent import jacobians
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

SIZE, FINER, FREE = 56, 4, 7
PIECES, ROUNDS = 8, 100  # of a path; of L-BFGS
CLEAR, FEWEST = 3.0, 0.05  # in units of the softness, sigmoid(3) = 0.953; share of the pixels that have to count
LOOKS, NEAR = 60, 1e-3  # steps of the search for a pixel's ends; what is one place
GAPS = {"5 %": 0.05, "15 %": 0.15, "50 %": 0.5}  # of the range of each number, twice its reach
SEEN = partial(DESK.render, size=SIZE)


def pair(gap: float, generator: torch.Generator) -> Tensor:
    """Two poses ``(2, 7)`` within the reach, in a random direction, ``gap`` apart in the number that differs most."""
    a = 2 * torch.rand(FREE, generator=generator, dtype=torch.float64) - 1
    aim = torch.randn(FREE, generator=generator, dtype=torch.float64)
    aim *= 2 * gap / aim.abs().amax()
    return torch.stack([a, torch.where((a + aim).abs() > 1, a - aim, a + aim)]) * REACH[:FREE].double()


def surfaces(pose: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the rays through places of a picture meet of each of the M solids, with hard edges.

    Places are ``(P, 2)``, or ``(M, P, 2)`` for each solid its own: right and up from the middle, in half widths.

    Returns:
        The points of the scene ``(M, P, 3)``, where a ray misses those where it comes nearest; their depth along the
        ray ``(M, P)``; and how far inside the outline they are, in units of the softness, below 0 where a ray misses.
    """
    radii, turns, centres = (
        pose.new_tensor([getattr(solid, name) for solid in DESK.solids]) for name in ("radii", "turn", "centre")
    )
    axes = rotations(turns).mT / radii[:, :, None]
    (turn,), (camera,), _, (lens,) = DESK.camera(pose[None])
    rays = (F.pad(places, (0, 1), value=-1.0) * lens) @ turn
    start = torch.einsum("mij, mj -> mi", axes, camera @ turn - centres)[:, None]
    ray = rays @ axes.mT
    square = ray.square().sum(2)
    nearest = -(start * ray).sum(2) / square
    inside = 1 - (start + nearest[..., None] * ray).square().sum(2)
    depth = nearest - (inside.clamp_min(0) / square).sqrt()
    return camera @ turn + depth[..., None] * rays, depth, inside / DESK.softness


def clear(depth: Tensor, inside: Tensor) -> Tensor:
    """Where each solid is clearly seen, and nothing else is: bool ``(M, P)``."""
    behind = depth[:, None] - depth[None] > CLEAR * DESK.softness
    harmless = (inside < -CLEAR)[:, None] | behind  # of the first, where the second is looked at
    itself = torch.eye(len(depth), dtype=torch.bool)[:, :, None]
    return (inside > CLEAR) & (harmless | itself).all(0)


def project(poses: Tensor, points: Tensor) -> Tensor:
    """Where the cameras of N poses see points ``(..., 3)`` of the scene, in half widths: ``(N, ..., 2)``."""
    turn, camera, focal, _ = DESK.camera(poses)
    camera, focal = (each.view(-1, *[1] * (points.ndim - 1), size) for each, size in ((camera, 3), (focal, 1)))
    seen = torch.einsum("nij, ...j -> n...i", turn, points) - camera
    return focal * seen[..., :2] / -seen[..., 2:]


def middle(poses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel x of a picture halfway the place p in view a with ``p + u(p) / 2 = x``, u being the motion to b.

    Each solid has a motion of its own, and so places of its own; of those that x may show the nearest one is taken.

    Returns:
        Which pixels both ends see, bool ``(P,)``; their places in a and b ``(2, K, 2)``; their points ``(K, 3)``.
    """
    a, b = poses
    x = directions(SIZE, poses)[:2].T.expand(len(DESK.solids), -1, -1)
    start = x
    for _ in range(LOOKS):
        points, depth, inside = surfaces(a, start)
        other = project(b[None], points)[0]
        start = x + (start - other) / 2
    _, far, within = surfaces(b, other)
    shown = ((start + other - 2 * x).abs().amax(2) < NEAR) & (inside > -CLEAR) & (within > -CLEAR)
    solid = (depth + far).where(shown, torch.inf).argmin(0)
    points, start, other, counts = (each[solid, torch.arange(len(solid))] for each in (points, start, other, shown))
    for pose, places in zip(poses, (start, other), strict=True):
        hit, depth, inside = surfaces(pose, places)
        at = solid, torch.arange(len(solid))
        counts = counts & clear(depth, inside)[at] & ((hit[at] - points).norm(dim=1) < NEAR)
        counts &= (places.abs() <= 1).all(1)
    return counts, torch.stack([start, other])[:, counts], points[counts]


def greys(pose: Tensor, places: Tensor) -> Tensor:
    """The picture at places ``(K, 2)`` between its pixels, ``(K,)``."""
    fine, grid = DESK.render(pose[None], FINER * SIZE), places * places.new_tensor([1.0, -1.0])
    return F.grid_sample(fine, grid[None, None], "bicubic", "border", align_corners=False).flatten()


def straight(ends: Tensor) -> Tensor:
    """The straight line between two poses, in eight pieces: ``(9, 7)``."""
    return torch.lerp(*ends, torch.linspace(0, 1, PIECES + 1, dtype=ends.dtype)[:, None])


def shortest(seen: Callable[[Tensor], Tensor], ends: Tensor) -> Tensor:
    """The shortest path between two poses, ``(9, 7)``, by the distance of what is ``seen`` from each, ``(N, C, H, W)``.

    The search moves numbers whose sine is the pose in units of the reach, which no pose leaves so. Its unit of length
    in each direction comes from the derivative halfway: some move the picture a hundred times more than others.
    """
    reach = REACH[:FREE].to(ends)
    line = (straight(ends) / reach).clamp(-1, 1).asin()
    (slopes,) = jacobians(lambda numbers: seen(reach * numbers.sin()), line[PIECES // 2][None])[1]
    unit = torch.linalg.inv(torch.linalg.cholesky(slopes.mT @ slopes))
    moves = torch.zeros(PIECES - 1, FREE, dtype=ends.dtype, requires_grad=True)
    how = dict(max_iter=ROUNDS, line_search_fn="strong_wolfe", tolerance_grad=1e-8, tolerance_change=1e-12)
    optimiser = torch.optim.LBFGS([moves], **how)

    def path() -> Tensor:
        return reach * (line + F.pad(moves @ unit, (0, 0, 1, 1))).sin()

    def energy() -> Tensor:
        optimiser.zero_grad()
        total = seen(path()).diff(dim=0).square().sum()
        total.backward()
        return total

    optimiser.step(energy)
    return path().detach()


def views(gap: str, generator: torch.Generator) -> tuple[Tensor, ...]:
    """A pair of poses of which both ends see a twentieth of the pixels at least, and what `middle` says of them."""
    while True:
        poses = pair(GAPS[gap], generator)
        counts, places, points = middle(poses)
        if counts.double().mean() >= FEWEST:
            return poses, counts, places, points


def apart(one: Tensor, other: Tensor) -> float:
    """Root mean square over the pixels."""
    return (one - other).square().mean().sqrt().item()


def ratio(gap: str, generator: torch.Generator) -> dict:
    """How far the flow's midpoint is from the geodesic's over how far the blend's is; both, and the poses' line's."""
    poses, counts, places, _ = views(gap, generator)
    ends, half, line = SEEN(poses), shortest(SEEN, poses)[PIECES // 2], poses.mean(0)
    geodesic, camera = (SEEN(pose[None]).flatten()[counts] for pose in (half, line))
    flow = torch.stack([greys(*each) for each in zip(poses, places, strict=True)]).mean(0)
    found = [apart(each, geodesic) for each in (flow, ends.mean(0).flatten()[counts], camera)]
    names = ("flow", "blend", "straight line of poses")
    return {
        "value": round(found[0] / found[1], 4),
        "factor": gap,
        "from the geodesic's midpoint": {name: round(each, 5) for name, each in zip(names, found, strict=True)},
        "pixels seen from both": round(counts.double().mean().item(), 3),
    }


def by_flow(gap: str, generator: torch.Generator) -> dict:
    """How far the midpoint by flow is from that by pictures, of that and the line's; how straight both paths are."""
    poses, counts, _, points = views(gap, generator)

    def motion(poses: Tensor) -> Tensor:
        return project(poses, points)[:, None] * (SIZE / 2 / len(points) ** 0.5)

    paths = {"pictures": (SEEN, shortest(SEEN, poses)), "flow": (motion, shortest(motion, poses))}
    middles = [path[PIECES // 2] for _, path in paths.values()]
    geodesic, flow, line = (SEEN(pose[None]).flatten()[counts] for pose in (*middles, poses.mean(0)))
    ours, others = apart(flow, geodesic), apart(line, geodesic)
    return {
        "value": round(ours / (ours + others), 4),
        "factor": gap,
        "from the geodesic's midpoint": {"flow": round(ours, 5), "straight line of poses": round(others, 5)},
        "straightness": {name: round(_straightness(seen(path)), 4) for name, (seen, path) in paths.items()},
    }


def _straightness(seen: Tensor) -> float:
    """The distance of the ends of a path over its length."""
    return ((seen[-1] - seen[0]).norm() / seen.diff(dim=0).flatten(1).norm(dim=1).sum()).item()


def _units(first: int, number: int) -> dict[str, str]:
    return {f"{gap} {place}": gap for gap in GAPS for place in range(first, first + number)}


STUDIES = (Study(RULES["B2"], _units(0, 50), ratio, again=_units(50, 10)),)
