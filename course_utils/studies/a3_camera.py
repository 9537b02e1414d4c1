"""A3-camera: does breeding design coloured squares that a security camera takes for a face?

The genes are 16 x 16 coloured squares in the middle of plain noise, 160 pixels a side. In each generation the best of
twenty copies with mistakes and their parent survives; best is who has the highest mean log p(face) of the detector's
three networks, in windows at random about the squares. After ten generations the designer looks whether the whole
detector sees a face: in the file, after JPEG, and at a random place in a larger noise. Breeding ends when it does in
all three, or when another ten generations would be more than 5,000 pictures. What counts is one more look, in another
larger noise, and that a detector of another kind, which the designer did not ask, sees no face, be the picture as it is
or blurred: squares that are the mosaic of a face are no noise. A face counts if it is at least half as long as the
squares together: smaller ones the other detector often sees in random squares as well.

The networks' windows in the fitness are guesses, and the detector has thresholds, shifts and windows of its own, so
that breeding may end nowhere; and what it ends with may be a face. Beside it stand random squares as the control, for
both detectors.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import faces
from course_utils.faces.detector import Cascade
from course_utils.images.physical import blur, jpeg
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import seeds

GENES, CELL, EDGE = 16, 8, 16  # squares a side, and their pixels; the noise around them
SIDE = GENES * CELL
FAMILY, MISTAKES, FLOOR = 20, 0.02, -8  # copies; share of the genes that a copy has anew; least log p
GROW, MOVE = 0.15, 0.06  # how the windows' size and place differ from the squares', as fractions of their side
TURN, BUDGET, CONTROLS = 10, 5000, 20  # generations to a look; pictures judged; random squares
WIDE, BLURS = (240, 320), (0.0, 2.0, 4.0, 6.0)  # size of the larger noise; blurs for the other detector, in pixels
WAYS = ("file", "JPEG", "larger noise")


def noise(*shape: int, generator: torch.Generator) -> Tensor:
    """Plain noise on the 256 levels of a file."""
    return torch.randint(256, shape, generator=generator) / 255


def shown(genes: Tensor, around: Tensor) -> Tensor:
    """Genes ``(N, 3, 16, 16)`` as pictures: each a square of 8 pixels, in the middle of the noise around."""
    pictures = around.repeat(len(genes), 1, 1, 1)
    pictures[..., EDGE:-EDGE, EDGE:-EDGE] = F.interpolate(genes, scale_factor=CELL)
    return pictures


@torch.no_grad()
def fitness(cascade: Cascade, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The mean of log p(face) in two random windows for each net, the same for all pictures: ``(N,)``."""
    scores = []
    for net in (*cascade, *cascade):
        more, right, down = (2 * torch.rand(3, generator=generator) - 1).tolist()
        size = round(SIDE * (1 + GROW * more))
        left, top = (max(0, round(EDGE + (SIDE - size) / 2 + MOVE * SIDE * way)) for way in (right, down))
        window = F.interpolate(pictures[..., top : top + size, left : left + size], (net.side,) * 2, mode="area")
        scores.append(net(window).flatten(1).log_softmax(1)[:, 1].clamp_min(FLOOR))
    return torch.stack(scores).mean(0)


def sees(boxes: Tensor) -> bool:
    """Whether one of a picture's boxes ``(F, 4)`` is at least half as long as the squares together."""
    return bool(((boxes[:, 2:] - boxes[:, :2]) >= SIDE / 2).any())


def sightings(cascade: Cascade, picture: Tensor, generator: torch.Generator) -> dict[str, bool]:
    """Whether the whole detector sees a face in the file, after JPEG, and at a random place in a larger noise."""
    wide, side = noise(1, 3, *WIDE, generator=generator), len(picture[0, 0])
    top, left = (int(torch.randint(room - side + 1, (), generator=generator)) for room in WIDE)
    wide[..., top : top + side, left : left + side] = picture
    pictures = picture, jpeg(picture), wide
    return {way: sees(faces.detect(each, cascade)[0].boxes) for way, each in zip(WAYS, pictures, strict=True)}


def bred(cascade: Cascade, generator: torch.Generator) -> tuple[Tensor, int]:
    """The picture that a breeding ends with, and how many were judged, those of the looks among them."""
    around = noise(1, 3, SIDE + 2 * EDGE, SIDE + 2 * EDGE, generator=generator)
    best, judged, turn = noise(1, 3, GENES, GENES, generator=generator), 0, TURN * (FAMILY + 1) + len(WAYS)
    while judged + turn <= BUDGET:
        for _ in range(TURN):
            mistakes = torch.rand(FAMILY, 3, GENES, GENES, generator=generator) < MISTAKES
            copies = torch.where(mistakes, noise(FAMILY, 3, GENES, GENES, generator=generator), best)
            rivals = torch.cat([best, copies])
            best = rivals[fitness(cascade, shown(rivals, around), generator).argmax()][None]
        judged += turn
        if all(sightings(cascade, shown(best, around), generator).values()):
            break
    return shown(best, around), judged


def other_sees(pictures: Tensor) -> Tensor:
    """Whether the detector of another kind sees a face in each picture, at each of `BLURS`: bool ``(N, 4)``."""
    looks = [faces.second_opinion(blur(pictures, sigma)) for sigma in BLURS]
    return torch.tensor([[sees(boxes) for boxes in look] for look in looks]).T


def fooled(seed: int, generator: torch.Generator) -> dict:
    """Whether a breeding fools the camera; what both detectors see in it, and in 20 random squares."""
    cascade = faces.nets("cpu")
    picture, judged = bred(cascade, generator)
    seen, other = sightings(cascade, picture, generator), other_sees(picture)[0]
    around = noise(1, 3, SIDE + 2 * EDGE, SIDE + 2 * EDGE, generator=generator)
    control = shown(noise(CONTROLS, 3, GENES, GENES, generator=generator), around)
    return {
        "value": all(seen.values()) and not other.any().item(),
        "seen": seen,
        "by the other detector": dict(zip(map(str, BLURS), other.tolist(), strict=True)),
        "probability": round(max(faces.detect(picture, cascade)[0].probabilities.tolist(), default=0.0), 4),
        "pictures judged": judged,
        "random squares seen": sum(sees(each.boxes) for each in faces.detect(control, cascade)),
        "by the other": int(other_sees(control).any(1).sum()),
    }


STUDIES = (Study(RULES["A3-camera"], seeds(20), fooled, again=seeds(5, 20)),)
