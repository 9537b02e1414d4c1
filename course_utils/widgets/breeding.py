"""Breed pictures by eye: the learner takes the place of selection, and the network only gives its opinion.

Nine pictures, each painted by a CPPN. Whoever likes some of them asks for their children, again and again, as on the
website Picbreeder (Secretan et al. 2011). What has been bred lives here, and the page, `breeding.js`, shows it: a
second view, or a page that was loaded again, shows the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, figures, runtime
from course_utils.fooling import CPPN
from course_utils.fooling._genomes import typed
from course_utils.widgets.base import Widget, to_bytes

ENCODING = CPPN()
NUMBER = 9
WARM_UP = 20  # random mutations before the first nine: a perceptron paints little more than stripes
CANDIDATES = 64  # among which those worth looking at are found
BLANK, COPY = 0.2, 0.1  # a standard deviation of the pixels, and a distance in root mean square, that are too small
FINE = 112  # pixels a side of the large pictures


def breed(model: nn.Module):
    """Nine pictures to breed from, with the network's opinion of each; without a front end, three generations.

    The first nine are perceptrons that were mutated 20 times at random. ``model`` takes images ``(N, 1, 28, 28)``.

    >>> still = breed(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)))
    """
    return Breeder.show(model)


class Litter(NamedTuple):
    """Nine pictures, what paints them, and what the network says."""

    genomes: dict[str, Tensor]  # nine rows each
    images: Tensor  # as the network sees them, ``(9, C, H, W)`` in 256 grey levels
    says: Tensor  # the class of each, int64 ``(9,)``
    confidences: Tensor  # in that class, ``(9,)``
    fine: bytes  # the nine in fine, as the page paints them
    parents: tuple[int, ...] = ()  # places of those that were kept from the generation before

    def captions(self, favourites: Sequence[int]) -> list[str]:
        opinions = zip(self.says.tolist(), self.confidences, strict=True)
        captions = [f"{k}  {figures.percent(confidence)}" for k, confidence in opinions]
        return [f"{text}\n(chosen)" if i in favourites else text for i, text in enumerate(captions)]


class Breeder(Widget):
    """The live nine, those that the learner has marked, and all the nines before."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.generator = network, runtime.ensure_generator(device=evaluation.device_of(network))
        self.litter = first(network, self.generator)
        self.favourites: list[int] = []
        self.past: list[tuple[Litter, list[int]]] = []  # litters and their favourites

    @staticmethod
    def still(network: nn.Module) -> figures.Picture:
        """Three generations; favourites are, each time, the three that the network is least sure of."""
        generator = runtime.ensure_generator(device=evaluation.device_of(network))
        images, captions = [], []
        litter = first(network, generator)
        for _ in range(2):
            favourites = sorted(litter.confidences.argsort(stable=True)[:3].tolist())  # the least sure
            images.append(litter.images)
            captions += litter.captions(favourites)
            litter = following(network, litter, favourites, generator)
        images, captions = torch.cat([*images, litter.images]), captions + litter.captions([])
        said = ", ".join(captions).replace("\n", " ")
        title = "Three generations, one a row; chosen are the three that the network is least sure of"
        alt = f"Painted images in three rows of nine, and what the network says: {said}."
        return figures.images(images.cpu(), captions, columns=NUMBER, title=title, alt=alt)

    def picture(self) -> figures.Picture:
        """The nine of now."""
        captions = self.litter.captions(self.favourites)
        alt = f"Nine painted images, and what the network says: {', '.join(captions)}.".replace("\n", " ")
        return figures.images(self.litter.images.cpu(), captions, columns=NUMBER, alt=alt)

    def obey(self, do: str, place: int = 0) -> tuple[dict, list[bytes]]:
        """Do "show"; "mark" or unmark the picture at ``place``; "breed" from the favourites; go "back" to the nine
        before; or start "over".

        Returns:
            What to write, and two buffers: the nine pictures in fine, and as the network sees them, both as bytes
            ``(9, H, W, C)``. There are no buffers where the pictures have not changed.
        """
        shown, note = self.litter, ""
        if do == "mark" and place in range(NUMBER):
            self.favourites = sorted({place} ^ set(self.favourites))
        elif do == "breed" and not self.favourites:
            note = "None is chosen: click a picture that you like first."
        elif do == "breed" and len(self.favourites) == NUMBER:
            note = "All nine are chosen: leave out at least one, to make room for a child."
        elif do == "breed":
            self.replace(following(self.network, self.litter, self.favourites, self.generator))
        elif do == "over":
            self.replace(first(self.network, self.generator))
        elif do == "back" and self.past:
            self.litter, self.favourites = self.past.pop()
        texts = {
            "note": note,
            "says": self.litter.says.tolist(),
            "texts": [figures.percent(confidence) for confidence in self.litter.confidences],
            "favourites": self.favourites,
            "parents": self.litter.parents,
            "back": bool(self.past),
            "shape": ENCODING.shape,
        }
        fresh = do == "show" or self.litter is not shown
        return texts, [self.litter.fine, to_bytes(self.litter.images)] if fresh else []

    def replace(self, litter: Litter) -> None:
        self.past.append((self.litter, self.favourites))
        self.litter, self.favourites = litter, []


@runtime.one_thread()
def first(model: nn.Module, generator: torch.Generator) -> Litter:
    """Nine at random: perceptrons, mutated 20 times, neither blank nor alike."""
    genomes = ENCODING.random(CANDIDATES, generator=generator, device=evaluation.device_of(model))
    genomes = typed(genomes, evaluation.dtype_of(model))
    for _ in range(WARM_UP):
        genomes = ENCODING.vary(genomes, torch.arange(CANDIDATES), generation=1, generator=generator)
    rows = worth_showing(ENCODING.render(genomes), NUMBER)
    return _judge(model, {name: genes[rows] for name, genes in genomes.items()})


@runtime.one_thread()
def following(model: nn.Module, litter: Litter, favourites: Sequence[int], generator: torch.Generator) -> Litter:
    """The favourites at their places, and children of them at the others, neither blank nor copies of a picture."""
    favourites = list(favourites)
    free = [place for place in range(NUMBER) if place not in favourites]
    parents = torch.tensor([favourites[i % len(favourites)] for i in range(CANDIDATES)])
    children = ENCODING.vary(litter.genomes, parents, generation=1, generator=generator)
    rows = worth_showing(ENCODING.render(children), len(free), beside=litter.images[favourites])
    genomes = {name: genes.clone() for name, genes in litter.genomes.items()}
    for name, genes in genomes.items():
        genes[free] = children[name][rows]
    return _judge(model, genomes, tuple(favourites))


def worth_showing(images: Tensor, number: int, beside: Sequence[Tensor] = ()) -> list[int]:
    """Which images to show: the first that are neither blank nor like an earlier one or one of those ``beside``; then
    others, where there are too few.

    >>> stripes = torch.tensor([0.0, 1.0]).repeat(1, 8, 4)
    >>> worth_showing(torch.stack([stripes, stripes, torch.zeros(1, 8, 8), 1 - stripes]), 2)
    [0, 3]
    """
    seen, rows = list(beside), []
    for row, image in enumerate(images):
        unlike = all((image - other).square().mean().sqrt() > COPY for other in seen)
        if len(rows) < number and unlike and image.std(correction=0) > BLANK:
            seen.append(image)
            rows.append(row)
    rest = [row for row in range(len(images)) if row not in rows]
    return rows + rest[: number - len(rows)]


def _judge(model: nn.Module, genomes: dict[str, Tensor], parents: tuple[int, ...] = ()) -> Litter:
    images = (255 * ENCODING.render(genomes)).floor() / 255
    fine = to_bytes(ENCODING.render(genomes, size=(FINE, FINE)))
    return Litter(genomes, images, *evaluation.predict(model, images), fine, parents)
