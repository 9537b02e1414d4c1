"""S2-vit: do small changes made against a transformer mislead a convolutional network, and the other way round?

Both search among the same photographs, as in S1-vit. A unit is a photograph and a direction. Five crops of it that all
networks find are changed by an RMS distortion of 0.0065, as far beyond the border as PGD brings them within 20 steps,
and shown to the network at the other side, beside noise of the same size. The convolutional networks are MobileNetV2
and EfficientNet-Lite0; the value is the mean over both and over crops. How often one of these two misleads the other
stands beside the direction to the transformer.
"""

import torch
from torch import Tensor

from course_utils import attacks, evaluation
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.s1_photos import NEAR
from course_utils.studies.s1_vit import query
from course_utils.studies.s3 import noisy
from course_utils.studies.searching import Search, search

TRANSFORMER, CONVOLUTIONAL = "transformer", ("mobilenet_v2", "efficientnet_lite0")
CROPS, STEPS = 5, 20


def pushed(model: Search, image: Tensor, label: Tensor) -> Tensor:
    """The image changed by a distortion of NEAR, as far beyond the border as PGD brings it."""
    how = dict(norm="l2", steps=STEPS, loss="margin", start="clean", early_exit=False, progress=False)
    return attacks.pgd(model, image, label, NEAR * image[0].numel() ** 0.5, **how)


def misled(maker: str, image: Tensor, label: Tensor, generator: torch.Generator) -> dict[str, int]:
    """By reader, whether the maker's image misleads it, less whether noise does; of the maker, whether it is misled."""
    made = pushed(search(maker), image, label)
    noise = noisy(image, made, generator)

    def wrong(reader: str, shown: Tensor) -> int:
        return int(evaluation.predict(search(reader), shown).labels != label)

    readers = [each for each in (TRANSFORMER, *CONVOLUTIONAL) if each != maker]
    return {maker: wrong(maker, made)} | {each: wrong(each, made) - wrong(each, noise) for each in readers}


def carried(unit: list, generator: torch.Generator) -> dict:
    """For [photograph, direction]: the mean excess; whether makers are misled; from one convolutional to the other."""
    name, direction = unit
    makers, readers = ((TRANSFORMER,), CONVOLUTIONAL) if direction == "from it" else (CONVOLUTIONAL, (TRANSFORMER,))
    values, home, beside = [], [], []
    for _ in range(CROPS):
        image, label = query(name, generator, *map(search, (TRANSFORMER, *CONVOLUTIONAL)))
        for maker in makers:
            found = misled(maker, image, label, generator)
            home.append(found.pop(maker))
            values += [found.pop(reader) for reader in readers]
            beside += found.values()
    kept = {"value": sum(values) / len(values), "factor": direction, "top": name}
    kept["makers misled"] = sum(home) / len(home)
    return kept | ({"between the convolutional": sum(beside) / len(beside)} if beside else {})


UNITS = {f"{name}, {direction}": [name, direction] for name in photos.EVERY for direction in ("from it", "to it")}
STUDIES = (Study(RULES["S2-vit"], UNITS, carried),)
