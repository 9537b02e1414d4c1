"""N6-tiles: do photographs keep their name when their tiles are shuffled?

Twenty shuffles of a photograph at one size of tile. Those photographs are asked that keep their name when every other
tile is mirrored in its place, which makes seams and leaves the order: what breaks at seams alone does not count. Beside
the share stands that of views which keep their name among the network's first five.
"""

import torch

from course_utils import evaluation
from course_utils.images.collage import mirror, shuffle
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.s1_photos import NAMED, named

SHUFFLES = 20
LOST = {  # numbers of tiles a side, and the photographs that lose their name when tiles are mirrored
    2: ("foolbox 00", "foolbox 09", "foolbox 14", "foolbox 18", "foolbox 19"),
    4: ("coffee", "foolbox 01", "foolbox 09", "foolbox 11", "foolbox 19"),
    8: ("camera", "coffee", *(f"foolbox {k:02}" for k in (1, 10, 11, 13, 16, 17, 18, 19))),
}


def keeps_name(unit: list, generator: torch.Generator) -> dict:
    """For [photograph, tiles a side]: (views that keep their name, views); the share that has it among five."""
    name, parts = unit
    model, image, label = named(name)
    if evaluation.predict(model, mirror(image, parts)).labels.item() != label.item():
        raise ValueError(f"{name} loses its name when {parts} x {parts} tiles are mirrored: it cannot be asked")
    views = shuffle(image.expand(SHUFFLES, -1, -1, -1), parts, generator=generator)
    best = evaluation.logits(model, views).topk(5).indices == label
    return {
        "value": [int(best[:, 0].sum()), SHUFFLES],
        "factor": f"{parts} x {parts}",
        "top": name,
        "among five": round(best.any(1).double().mean().item(), 2),
    }


UNITS = {f"{name}, {parts} x {parts}": [name, parts] for parts in LOST for name in NAMED if name not in LOST[parts]}
STUDIES = (Study(RULES["N6-tiles"], UNITS, keeps_name),)
