"""An evolution to watch: MAP-Elites breeds an image for every class, generation by generation.

The page, `evolution.js`, asks for the next generation when it has drawn the last. So nothing queues up: a pause takes
effect at once, and other cells of the notebook can run in between.
"""

import torch
from torch import Tensor, nn

from course_utils import evaluation, figures
from course_utils.fooling import CPPN, Archive, Direct, map_elites
from course_utils.widgets.base import Widget, to_bytes

ENCODINGS = {"direct": Direct, "CPPN": CPPN}
SHOWN = 10  # elites side by side
SURE = 0.9999  # the confidence that Nguyen, Yosinski and Clune reported
CEILING = 7.2  # in nines: float32 has nothing between 1 - 10^-7.2 and 1
LATER = 50  # the generation in the static twin beside the first
POPULATION = 200  # children in a generation


def watch_evolution(model: nn.Module):
    """An evolution to start, pause and step through; without a front end, its elites after a few generations.

    ``model`` takes images ``(N, 1, 28, 28)``.

    >>> still = watch_evolution(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)))
    """
    return Evolution.show(model)


class Evolution(Widget):
    """One run, and the class that is looked at."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.chosen = network, 0  # class
        self.begin("direct", seed=0)

    @staticmethod
    def still(network: nn.Module) -> figures.Picture:
        """The first ten elites of both encodings, after the first generation and after fifty."""
        archives, settings = [], dict(population=POPULATION, progress=False)
        for name, make in ENCODINGS.items():
            first = map_elites(network, make(), generations=1, **settings)
            later = map_elites(network, make(), generations=LATER - 1, resume=first, **settings)
            archives += [(name, first), (name, later)]
        return _picture(archives)

    def picture(self) -> figures.Picture:
        """The first ten elites of now: fifty generations would take seconds."""
        return _picture([(self.encoding, self.archive)])

    def obey(self, do: str, **choice) -> tuple[dict, list[bytes]]:
        """ "show"; "step"; "reset" to another population; "encode" anew by another ``encoding``; "choose" a ``class``.

        The buffers: the images of the elites shown; and confidences in nines, float32 ``(2, generations)``, of the
        chosen class and of the median over all classes.
        """
        if do == "step":
            self.archive = self.evolve(self.encoding, resume=self.archive)
        elif do == "reset":
            self.begin(self.encoding, self.seed + 1)
        elif do == "encode":
            self.begin(choice["encoding"], self.seed)
        elif do == "choose":
            self.chosen = choice["class"]
        archive, classes = self.archive, len(self.archive.confidence)
        first = max(min(self.chosen // SHOWN * SHOWN, classes - SHOWN), 0)  # ten side by side, with the chosen one
        shown, history = slice(first, first + SHOWN), archive.history.cpu()
        texts = {
            "generation": len(history),
            "encoding": self.encoding,
            "classes": classes,
            "sure": int((archive.confidence >= SURE).sum()),
            "chosen": self.chosen,
            "born": int(archive.born[self.chosen]),
            "first": first,
            "texts": [figures.percent(confidence) for confidence in archive.confidence[shown]],
            "median": figures.percent(archive.confidence.quantile(0.5)),
            "shape": list(archive.images.shape[1:]),
        }
        lines = nines(torch.stack([history[:, self.chosen], history.quantile(0.5, dim=1)]))
        return texts, [to_bytes(archive.images[shown]), lines.numpy().tobytes()]

    def begin(self, encoding: str, seed: int) -> None:
        """A random population and the first generation after it."""
        generator = torch.Generator(evaluation.device_of(self.network)).manual_seed(seed)
        archive = self.evolve(encoding, generator=generator)
        self.archive, self.encoding, self.seed = archive, encoding, seed

    def evolve(self, encoding: str, resume: Archive | None = None, **start) -> Archive:
        """The archive after the next generation."""
        settings = dict(generations=1, population=POPULATION, progress=False)
        archive = map_elites(self.network, ENCODINGS[encoding](), resume=resume, **settings, **start)
        if len(archive.history) == (len(resume.history) if resume else 0):
            raise KeyboardInterrupt("this generation was interrupted, Start goes on")
        return archive


def nines(confidence: Tensor) -> Tensor:
    """Confidence on a scale that shows how it nears 1: 90 % is 1, 99 % is 2, 99.9 % is 3; from 7.2 on it is cut off."""
    return (1 - confidence.double()).log10().abs().clamp(max=CEILING).float()


def _picture(archives: list[tuple[str, Archive]]) -> figures.Picture:
    """The first ten elites of each archive in a row, each with its class and confidence."""
    rows = {}
    for name, archive in archives:
        elites = enumerate(archive.confidence[:SHOWN])
        rows[f"{name}, generation {len(archive.history)}"] = [f"{k}  {figures.percent(one)}" for k, one in elites]
    each = " ".join(f"{name}: {', '.join(row)}." for name, row in rows.items())
    return figures.images(
        torch.cat([archive.images[:SHOWN].cpu() for _, archive in archives]),
        [caption for row in rows.values() for caption in row],
        columns=min(SHOWN, len(archives[0][1].confidence)),
        title="From top to bottom: " + "; ".join(rows),
        alt=f"Bred images, each with its class and the confidence in it. {each}",
    )
