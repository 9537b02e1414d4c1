"""MAP-Elites: breed an image for every class at once.

    fill the map with the best of a random population, one elite for each niche, which is a class; then, generation
    after generation, draw parents evenly from the map, vary them, and let each child challenge the elite of *every*
    niche.

A child takes the place of an elite if the network gives that class a strictly higher confidence. Mouret and Clune
2015, arXiv 1504.04909; as Nguyen, Yosinski and Clune 2014, arXiv 1412.1897, used it. A whole generation is one batch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count
from course_utils.core.tensors import portions
from course_utils.fooling._genomes import Genomes, take, typed
from course_utils.fooling.cppn import CPPN
from course_utils.fooling.direct import Direct

Encoding = Direct | CPPN


@dataclass(frozen=True, eq=False)
class Archive:
    """The map: what evolution has found, one elite for each of K classes."""

    images: Tensor  # (K, C, H, W) in [0, 1], with 256 grey levels
    confidence: Tensor  # the softmax output of each elite's class, (K,)
    genomes: Genomes = field(repr=False)  # K rows, to be rendered by the encoding
    born: Tensor  # the generation that found each elite, int64 (K,); 0 is the random population
    history: Tensor  # the elites' confidence after each generation, (generations, K)
    encoding: str  # as text
    random_state: Tensor = field(repr=False)
    random_device: str = "cpu"

    def copy(self, device: torch.device | None = None) -> "Archive":
        """The same in tensors of its own, which evolution does not change."""
        own = {name: getattr(self, name).to(device, copy=True) for name in ("images", "confidence", "born", "history")}
        return replace(self, genomes={name: genes.to(device, copy=True) for name, genes in self.genomes.items()}, **own)


def map_elites(
    model: nn.Module,
    encoding: Encoding,
    *,
    generations: int,
    population: int,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_generation: Callable[[Archive], None] | None = None,
    resume: Archive | None = None,
) -> Archive:
    """Breed one image for each class of ``model``, to the highest confidence that evolution finds.

    Args:
        generations: how many, after the random population; with ``resume``, how many more.
        population: children in a generation, and size of the random population.
        on_generation: called with a copy of the archive so far, for live plots. What it raises ends the run, and only
            an interrupt keeps the archive.
        resume: an archive to go on from, with its own random state. The result is the same as without the break.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    >>> map_elites(model, Direct((1, 4, 4)), generations=5, population=10).history.shape
    torch.Size([5, 3])
    """
    generations, population = check_count("generations", generations), check_count("population", population)
    if not isinstance(encoding, Encoding):
        raise TypeError(f"encoding={encoding!r}: want Direct(...) or CPPN(...), with the shape of the model's images")
    if resume is None:
        generator = runtime.ensure_generator(generator, evaluation.device_of(model))
        archive = _begin(model, encoding, population, generator)
    else:
        if generator is not None:
            raise ValueError("an archive to resume brings its own random state: leave generator out")
        archive, generator = _continue(model, encoding, resume)
    history = archive.history.new_empty(len(archive.history) + generations, len(archive.confidence))
    history[: len(archive.history)] = archive.history
    judged = None
    with runtime.progress_bar(generations, "map_elites", progress) as bar, evaluation.mode(model, False):
        try:
            for _ in range(generations):
                drawn = torch.randint(len(archive.born), (population,), generator=generator, device=generator.device)
                parents, age = drawn.to(archive.born.device), len(archive.history) + 1
                children = encoding.vary(archive.genomes, parents, generation=age, generator=generator)
                judged = _judge(model, encoding, children)
                archive, judged = _challenge(archive, *judged, history, generator), None
                bar.update()
                if on_generation is not None:
                    on_generation(archive.copy())
        except KeyboardInterrupt:
            if judged is not None:  # the interrupt may have come between two of the elites
                archive = _challenge(archive, *judged, history, generator)
            print(f"Interrupted after generation {len(archive.history)}: this is the archive so far.")
    return replace(archive, history=archive.history.clone())


def _begin(model: nn.Module, encoding: Encoding, population: int, generator: torch.Generator) -> Archive:
    """The archive of a random population: the best of it for each class, so that one image may stand for several."""
    genomes = encoding.random(population, generator=generator, device=evaluation.device_of(model))
    genomes = typed(genomes, evaluation.dtype_of(model))
    evaluation.logits(model, encoding.render(take(genomes, torch.arange(1))))  # says what is wrong with the model
    with evaluation.mode(model, False):
        genomes, images, confidences = _judge(model, encoding, genomes)
    confidence, best = confidences.max(0)
    return Archive(
        images=images[best],
        confidence=confidence,
        genomes=take(genomes, best),
        born=torch.zeros_like(best),
        history=confidence.new_empty(0, len(confidence)),
        encoding=repr(encoding),
        random_state=generator.get_state(),
        random_device=str(generator.device),
    )


def _continue(model: nn.Module, encoding: Encoding, archive: Archive) -> tuple[Archive, torch.Generator]:
    """A copy of an archive on the model's device, and the generator as it was."""
    if not isinstance(archive, Archive):
        raise TypeError(f"resume is a {type(archive).__name__}: want an archive, as map_elites returns it")
    if archive.encoding != repr(encoding):
        raise ValueError(f"the archive was bred with {archive.encoding}, not with {encoding!r}")
    confidences = evaluation.logits(model, archive.images).softmax(1)
    own, before = confidences.diagonal(), archive.confidence.to(confidences.device)
    if confidences.shape[1] != len(before) or not torch.allclose(own, before, atol=1e-3):
        raise ValueError("the archive is of another network: its images get other confidences, or others each time")
    generator = torch.Generator(archive.random_device)
    generator.set_state(archive.random_state)
    return archive.copy(own.device), generator


@torch.no_grad()
def _judge(model: nn.Module, encoding: Encoding, genomes: Genomes) -> tuple[Genomes, Tensor, Tensor]:
    """The genomes, their images in 256 grey levels, and the network's confidence in every class, ``(P, K)``."""
    first, images, logits = next(iter(genomes.values())), [], []
    every = torch.arange(len(first), device=first.device)
    for (rows,) in portions(every, cost=math.prod(encoding.shape) / 2):  # 13 colour images of 224 x 224 on a CPU
        images.append(encoding.render(take(genomes, rows)).mul(255).floor_().div_(255))
        logits.append(evaluation.ask(model, images[-1]))
    images, logits = torch.cat(images), torch.cat(logits)
    confidences = logits.softmax(1)
    if math.isnan(confidences.sum()):
        evaluation.check_logits(logits, len(images))  # says what may be wrong
    return genomes, images, confidences


def _challenge(
    archive: Archive, genomes: Genomes, images: Tensor, confidences: Tensor, history: Tensor, generator: torch.Generator
) -> Archive:
    """Let every child challenge every elite. Elites are replaced in place; done twice, the result is the same."""
    confidence, best = confidences.max(0)
    won = (confidence > archive.confidence).nonzero()[:, 0]
    generation = len(archive.history) + 1
    if len(won):
        archive.images[won] = images[best[won]]
        for name, genes in archive.genomes.items():
            genes[won] = genomes[name][best[won]]
        confidence = torch.maximum(confidence, archive.confidence)
        archive = replace(archive, confidence=confidence, born=archive.born.index_fill(0, won, generation))
    history[generation - 1] = archive.confidence
    return replace(archive, history=history[:generation], random_state=generator.get_state())
