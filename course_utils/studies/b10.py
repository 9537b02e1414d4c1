"""B10: are the patches of a photograph of fewer dimensions than Gaussian patches with the same spectrum?

Of each photograph, grey and in its own size, up to 1,000 patches of 12 x 12 pixels at places 6 pixels apart, so that no
two share more than half. A patch with a deviation of less than 4 of 256 levels is left out: of sky and black margins
little is left without contrast but rounding. Each patch loses its mean and its contrast. The control are Gaussian
draws, as many and with the same covariance, which lose mean and contrast, too; five draws of them, for one is uncertain
by some per cent. TwoNN reads the dimension of both off the two nearest patches of each.

Estimates from so few points are low for a dense cloud as well: patches with their pixels shuffled fill 142 dimensions,
and what is found for them stands beside. So does the ratio by maximum likelihood at k = 20. And the photograph is hung
on a wall and seen by a camera from 1,000 poses of seven numbers: its views fill no more dimensions than that, and have
a Gaussian control of their own. Edges make a photograph's patches alike, noise of the sensor makes them fill the space:
either may win. A picture that is Gaussian itself has a ratio of about 1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.images import physical, scenes
from course_utils.manifold import mle, nearest, two_nn
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

SIDE, STEP, NUMBER, LEAST, DRAWS = 12, 6, 1000, 4 / 255, 5
SHEET, SEEN = 56, 28  # pixels along a side of the photograph on the wall, and of its views


def normal(points: Tensor) -> Tensor:
    """Each row without its mean, and with length 1."""
    return F.normalize(points - points.mean(1, keepdim=True), dim=1)


def patches(picture: Tensor, generator: torch.Generator) -> Tensor:
    """Up to 1,000 of the patches that have contrast, at random, as rows that are `normal`: ``(N, 144)``."""
    every = F.unfold(picture, SIDE, stride=STEP)[0].T
    every = every[every.std(1, correction=0) >= LEAST]
    rows = torch.randperm(len(every), generator=generator)[:NUMBER]
    return normal(every[rows]).unique(dim=0)


def views(picture: Tensor, generator: torch.Generator) -> Tensor:
    """The middle of a picture on a wall, from 1,000 poses of a camera: ``(1000, 784)``."""
    from torchvision.transforms.v2.functional import center_crop, resize

    sheet = resize(center_crop(picture.float(), [min(picture.shape[2:])] * 2), [SHEET, SHEET], antialias=True)
    poses = scenes.random_poses(NUMBER, spread=0.5, generator=generator)
    seen = torch.cat([physical.view(sheet.expand(len(part), -1, -1, -1), part) for part in poses.split(100)])
    return F.avg_pool2d(seen, SHEET // SEEN).flatten(1).double()


def gaussian(points: Tensor, generator: torch.Generator) -> Tensor:
    """As many Gaussian draws, with the mean and the covariance of the points."""
    mean, number = points.mean(0), len(points)
    mixed = torch.randn(number, number, generator=generator, dtype=points.dtype) @ (points - mean)
    return mean + mixed / number**0.5


def shuffled(points: Tensor, generator: torch.Generator) -> Tensor:
    """The pixels of each row in an order of its own."""
    return points.gather(1, torch.rand(points.shape, generator=generator).argsort(1))


def dimensions(points: Tensor) -> Tensor:
    """By TwoNN, and by maximum likelihood at k = 20: ``(2,)``."""
    far = nearest(points, points, 20, own=torch.arange(len(points)), progress=False).distances
    return torch.stack([two_nn(far), mle(far)])


def ratio(name: str, generator: torch.Generator) -> dict:
    """TwoNN of patches over that of the control; both, with shuffled pixels; by likelihood; the same for views."""
    picture = photos.grey(photos.raw(name))
    points, seen = patches(picture, generator), views(picture, generator)
    ours, chance = dimensions(points), dimensions(shuffled(points, generator))
    control = torch.stack([dimensions(normal(gaussian(points, generator))) for _ in range(DRAWS)]).mean(0)
    flat, cloud = dimensions(seen), dimensions(gaussian(seen, generator))
    return {
        "value": round((ours / control)[0].item(), 4),
        "patches": len(points),
        "dimensions": _rounded(ours, control, chance),
        "by likelihood": round((ours / control)[1].item(), 4),
        "views, TwoNN": _rounded(flat, cloud),
    }


def _rounded(*found: Tensor) -> list[float]:
    """The estimates by TwoNN."""
    return [round(each[0].item(), 2) for each in found]


STUDIES = (
    Study(
        RULES["B10"],
        {name: name for name in photos.EVERY},
        ratio,
        again={f"{name}, another draw": name for name in photos.FREE},
    ),
)
