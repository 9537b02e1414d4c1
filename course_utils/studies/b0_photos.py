"""B0-photos: do photographs lose their name under everyday changes of a size at which an attack takes it?

As B0 for digits: noise, blur, low contrast, JPEG and rotation, each in the strength at which the RMS distortion is
0.0065, within which S1-photos looks for misclassified images. Those photographs are asked that the network names
rightly; of the five changed ones those count that lose the name. An attack is made for the network and these are not,
but nothing keeps them from the boundary: a photograph may stand close to it. JPEG has a least distortion, at a quality
of 100, which may be more.

Beside the count stand the distortion of each kind, whether the name is kept in five strengths that one meets, from a
slight to a gross one, and what DeepFool needs for the same photograph. Turned photographs show grey corners.
"""

import torch

from course_utils import attacks, evaluation
from course_utils.attacks.distances import distortion
from course_utils.studies.b0 import KINDS, as_far, changed, turned
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.s1_photos import NAMED, NEAR, named

LARGE = {
    **KINDS,
    "noise": KINDS["noise"]._replace(five=(0.02, 0.05, 0.1, 0.2, 0.4)),
    "blur": KINDS["blur"]._replace(most=10.0, five=(1.0, 2.0, 3.0, 5.0, 8.0)),
    "rotation": KINDS["rotation"]._replace(change=turned),
}


def lost_names(name: str, generator: torch.Generator) -> dict:
    """(kinds that take the name, kinds); which do, at what distortion; the strengths that do; what DeepFool needs."""
    model, image, label = named(name)
    draws = int(torch.randint(2**31, (), generator=generator))
    small = torch.cat([as_far(kind, image, NEAR, draws) for kind in LARGE.values()])
    lost = (evaluation.predict(model, small).labels != label).tolist()
    sizes = distortion(image.expand_as(small), small).tolist()
    taken = {}
    for title, kind in LARGE.items():
        views = torch.cat([changed(kind, image, torch.tensor([float(each)]), draws) for each in kind.five])
        wrong = evaluation.predict(model, views).labels != label
        taken[title] = [each for each, gone in zip(kind.five, wrong.tolist(), strict=True) if gone]
    found = attacks.deepfool(model, image, label, generator=generator, progress=False)
    turned_by = evaluation.predict(model, found).labels.item() != label.item()
    return {
        "value": [sum(lost), len(lost)],
        "lost": [title for title, gone in zip(LARGE, lost, strict=True) if gone],
        "distortion": {title: round(size, 5) for title, size in zip(LARGE, sizes, strict=True)},
        "strengths that take the name": taken,
        "DeepFool's distortion": round(distortion(image, found).item(), 6) if turned_by else None,
    }


STUDIES = (Study(RULES["B0-photos"], {name: name for name in NAMED}, lost_names),)
