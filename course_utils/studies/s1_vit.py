"""S1-vit: is a misclassified image close to every photograph for a transformer, too?

The transformer has no classes. It searches among 41 photographs, names a crop by the nearest mean of six other crops,
and misclassified is a crop whose nearest is another photograph. A unit is one further crop of one photograph. As in
S1-photos the crop and the change are brought to 256 levels, and the least distortion counts; DeepFool and PGD search,
for a step of L-BFGS takes ten times as long here. MobileNetV2 without its last layer searches beside it, on the same
crop.
"""

import torch
from torch import Tensor

from course_utils import attacks, evaluation
from course_utils.images.physical import eight_bits
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.s1_photos import NEAR, nearest, on_levels, stepped
from course_utils.studies.searching import Search, crops, search

DRAWS = 20  # of a crop, until both networks find its photograph


def query(name: str, generator: torch.Generator, *searches: Search) -> tuple[Tensor, Tensor]:
    """A crop in 256 levels whose photograph all searches find, and that photograph's number."""
    label = torch.tensor([photos.EVERY.index(name)])
    for _ in range(DRAWS):
        image = eight_bits(crops(name, 1, generator))
        if all(evaluation.predict(each, image).labels == label for each in searches):
            return image, label
    raise ValueError(f"of {DRAWS} crops of {name} none is found again by all searches")


def least_distortion(model: Search, image: Tensor, label: Tensor) -> float:
    """Of the misclassified images that DeepFool and PGD find, in 256 levels; infinite if there is none."""
    found = attacks.deepfool(model, image, label, progress=False)
    return nearest(model, image, label, torch.cat([on_levels(image, found), stepped(model, image, label)]))


def close_one(name: str, generator: torch.Generator) -> dict:
    """Whether there is one within NEAR for the transformer; the least distortions of both searches."""
    both = {each: search(each) for each in ("transformer", "mobilenet_v2")}
    image, label = query(name, generator, *both.values())
    least = {each: least_distortion(model, image, label) for each, model in both.items()}
    kept = {each: round(size, 6) if size < float("inf") else None for each, size in least.items()}
    return {"value": least["transformer"] <= NEAR, "least distortion": kept}


STUDIES = (Study(RULES["S1-vit"], {name: name for name in photos.EVERY}, close_one),)
