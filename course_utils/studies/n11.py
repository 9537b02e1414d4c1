"""N11: are there images that a network surely calls a digit, farther from all images of it than other digits are?

Three runs of evolution with one gene a pixel for 200 generations, and three climbs from noise, look for one in each of
the ten classes of a LeNet-5. One is found if a search ends at 99.99 % and the nearest of the class's training images is
farther off than it is from the median test digit of another class, both pixel by pixel and by what is seen of the
images (`pictures.seen`): a digit in noise is far from all digits by its pixels alone. The value is the share of classes
in which any search finds one. A network that gave confidence only near its digits would leave all without. Beside it
stand the shares of the searches, and the same by pixels alone.
"""

import torch

from course_utils.fooling import Direct
from course_utils.manifold import nearest
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds
from course_utils.studies.pictures import CLASSES, climbed, evolved, seen, share, sure

RUNS, GENERATIONS, OTHERS = 3, 200, 500


def far_ones(seed: int, generator: torch.Generator) -> dict:
    """The share of classes with such an image, and that of the searches that find one."""
    model, every = network("lenet5", seed), torch.arange(CLASSES)
    bred = torch.cat([evolved(model, Direct(), GENERATIONS, generator).images for _ in range(RUNS)])
    uphill, labels = climbed(model, RUNS, generator)
    images, labels = torch.cat([bred, uphill]), torch.cat([every.repeat(RUNS), labels])
    arrived, half = sure(model, images, labels), len(bred)
    far, distances, limits = farther(images, labels)
    by_pixels, found = arrived & far, arrived & far & farther(images, labels, seen)[0]
    return {
        "value": share(found.view(-1, CLASSES).any(0)),
        "searches": share(found),
        "bred": share(found[:half]),
        "climbed": share(found[half:]),
        "arrived": [share(arrived[:half]), share(arrived[half:])],
        "far by pixels": [share(by_pixels[:half]), share(by_pixels[half:])],
        "median distance": [round(some.median().item(), 2) for some in (distances[:half], distances[half:], limits)],
    }


def farther(images: torch.Tensor, labels: torch.Tensor, look=lambda images: images):
    """Whether each image is farther off its class than others' digits are; its distance; the limit for each class."""
    train, test = digits().train, digits().test
    distances, limits = torch.zeros(len(images)), torch.zeros(CLASSES)
    for k in range(CLASSES):
        own, others = look(train.images[train.labels == k]), look(test.images[test.labels != k][:OTHERS])
        mine = labels == k
        near = nearest(torch.cat([look(images[mine]), others]), own, 1, progress=False).distances[:, 0]
        distances[mine], limits[k] = near[: mine.sum()], near[mine.sum() :].median()
    return distances > limits[labels], distances, limits


STUDIES = (Study(RULES["N11"], seeds(10), far_ones, again=seeds(5, 10)),)
