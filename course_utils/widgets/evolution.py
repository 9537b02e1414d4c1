"""An evolution to watch: MAP-Elites breeds an image for every class, generation by generation.

The page, `evolution.js`, asks for the next generation when it has drawn the last. So nothing queues up: a pause takes
effect at once, and other cells of the notebook can run in between. What evolution has reached lives here, in an
archive, and every answer holds all that there is to draw: a second view, or a page that was loaded again, shows the
same.
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


def watch_evolution(model: nn.Module, *, population: int = 200):
    """An evolution to start, pause and step through; without a front end, its elites after a few generations.

    Args:
        model: takes images ``(N, 1, 28, 28)``.
        population: children in a generation.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    >>> still = watch_evolution(model, population=10)
    """
    return Evolution.show(model, population)


class Evolution(Widget):
    """One run of evolution, and the class that is looked at."""

    def __init__(self, network: nn.Module, population: int):
        super().__init__()
        self.network, self.population = network, population
        self.chosen = 0  # class
        self.begin("direct", seed=0)

    @staticmethod
    def still(network: nn.Module, population: int) -> figures.Picture:
        """The first ten elites of both encodings, after the first generation and after fifty."""
        archives, settings = [], dict(population=population, progress=False)
        for name, make in ENCODINGS.items():
            first = map_elites(network, make(), generations=1, **settings)
            later = map_elites(network, make(), generations=LATER - 1, resume=first, **settings)
            archives += [(name, first), (name, later)]
        return _picture(archives)

    def picture(self) -> figures.Picture:
        """The first ten elites of now: fifty generations would take seconds."""
        return _picture([(self.encoding, self.archive)])

    def obey(self, do: str, **choice) -> tuple[dict, list[bytes]]:
        """Do "show"; "step" to the next generation; "reset" to another random population; "encode" from the start with
        another ``encoding``; or "choose" a ``class``.

        Returns:
            What to write, and two buffers: the images of the elites shown, bytes ``(N, H, W, C)``; and confidences
            in nines, float32 ``(2, generations)``, of the chosen class and of the median over all classes.
        """
        if do == "step":
            self.archive = self.evolve(self.encoding, len(self.archive.history) + 1, resume=self.archive)
        elif do == "reset":
            self.begin(self.encoding, self.seed + 1)
        elif do == "encode":
            self.begin(choice["encoding"], self.seed)
        elif do == "choose":
            self.chosen = min(max(int(choice["class"]), 0), len(self.archive.confidence) - 1)
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
            "texts": [figures.percent(confidence) for confidence in archive.confidence[shown].tolist()],
            "median": figures.percent(archive.confidence.quantile(0.5).item()),
            "shape": list(archive.images.shape[1:]),
        }
        lines = nines(torch.stack([history[:, self.chosen], history.quantile(0.5, dim=1)]))
        return texts, [to_bytes(archive.images[shown]), lines.numpy().tobytes()]

    def begin(self, encoding: str, seed: int) -> None:
        """A random population and the first generation after it."""
        generator = torch.Generator(evaluation.device_of(self.network)).manual_seed(seed)
        archive = self.evolve(encoding, 1, generator=generator)
        self.archive, self.encoding, self.seed = archive, encoding, seed

    def evolve(self, encoding: str, generation: int, **start) -> Archive:
        """The archive after this generation, the next one or the first."""
        settings = dict(generations=1, population=self.population, progress=False)
        archive = map_elites(self.network, ENCODINGS[encoding](), **settings, **start)
        if len(archive.history) < generation:
            raise KeyboardInterrupt("this generation was interrupted, Start goes on")
        return archive


def nines(confidence: Tensor) -> Tensor:
    """Confidence on a scale that shows how it nears 1: 90 % is 1, 99 % is 2, 99.9 % is 3; from 7.2 on it is cut off.

    >>> nines(torch.tensor([0.0, 0.9, 0.999, 1.0])).round(decimals=3)
    tensor([0.0000, 1.0000, 3.0000, 7.2000])
    """
    return (1 - confidence.double()).log10().abs().clamp(max=CEILING).float()


def _picture(archives: list[tuple[str, Archive]]) -> figures.Picture:
    """The first ten elites of each archive in a row, each with its class and confidence."""
    names, captions = [], []
    for name, archive in archives:
        names.append(f"{name}, generation {len(archive.history)}")
        elites = enumerate(archive.confidence[:SHOWN].tolist())
        captions.append([f"{k}  {figures.percent(confidence)}" for k, confidence in elites])
    each = " ".join(f"{name}: {', '.join(row)}." for name, row in zip(names, captions, strict=True))
    return figures.images(
        torch.cat([archive.images[:SHOWN].cpu() for _, archive in archives]),
        [caption for row in captions for caption in row],
        columns=len(captions[0]),
        title="From top to bottom: " + "; ".join(names),
        alt=f"Bred images, each with its class and the confidence in it. {each}",
    )
