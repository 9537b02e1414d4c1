"""Breed pictures by eye: the learner takes the place of selection, and the network only gives its opinion.

Nine pictures are painted by CPPNs; who likes some asks for their children, as on Picbreeder (Secretan et al. 2011).
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
NOTES = {  # by the number of favourites, to those who want to breed
    0: "None is chosen: click a picture that you like first.",
    NUMBER: "All nine are chosen: leave out at least one, to make room for a child.",
}


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
    """The live nine, those that are marked, and all the nines before."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.generator = network, runtime.ensure_generator(device=evaluation.device_of(network))
        self.litter = first(network, self.generator)
        self.favourites: list[int] = []
        self.past: list[tuple[Litter, list[int]]] = []  # litters and their favourites

    @staticmethod
    def still(network: nn.Module) -> figures.Picture:
        generator = runtime.ensure_generator(device=evaluation.device_of(network))
        litters, captions = [first(network, generator)], []
        for _ in range(2):
            favourites = sorted(litters[-1].confidences.argsort(stable=True)[:3].tolist())
            captions += litters[-1].captions(favourites)
            litters.append(following(network, generator, litters[-1], favourites))
        captions += litters[-1].captions([])
        said = ", ".join(captions).replace("\n", " ")
        title = "Three generations, one a row; chosen are the three that the network is least sure of"
        alt = f"Painted images in three rows of nine, and what the network says: {said}."
        images = torch.cat([litter.images for litter in litters])
        return figures.images(images.cpu(), captions, columns=NUMBER, title=title, alt=alt)

    def picture(self) -> figures.Picture:
        captions = self.litter.captions(self.favourites)
        alt = f"Nine painted images, and what the network says: {', '.join(captions)}.".replace("\n", " ")
        return figures.images(self.litter.images.cpu(), captions, columns=NUMBER, alt=alt)

    def obey(self, do: str, place: int = 0) -> tuple[dict, list[bytes]]:
        """ "show"; "mark" or unmark a ``place``; "breed" from the favourites; "back" to the nine before; start "over".

        The buffers are the nine pictures in fine, and as the network sees them; none where they have not changed.
        """
        shown, note = self.litter, NOTES.get(len(self.favourites), "") if do == "breed" else ""
        if do == "mark":
            self.favourites = sorted({place} ^ set(self.favourites))
        elif do == "over" or (do == "breed" and not note):
            asked = self.network, self.generator
            litter = first(*asked) if do == "over" else following(*asked, self.litter, self.favourites)
            self.past.append((self.litter, self.favourites))
            self.litter, self.favourites = litter, []
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
def following(model: nn.Module, generator: torch.Generator, litter: Litter, favourites: list[int]) -> Litter:
    """The favourites at their places, and children of them at the others, neither blank nor copies of a picture."""
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
    others, where there are too few."""
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
