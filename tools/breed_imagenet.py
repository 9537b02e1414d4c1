"""Breed an image for each of ImageNet's thousand classes, for as long as there is time.

    python tools/breed_imagenet.py FILE --minutes 35

MAP-Elites with networks that paint, on mobilenet_v2, from seed 0 or --seed, 400 children a generation as Nguyen et al.
had. Evolution asks the network in bfloat16, nearly twice as fast on processors that know it; that moves a
confidence by half a per cent on average, so what counts in the end is the score in float32.

    python tools/breed_imagenet.py FILE --store data/fooling/imagenet.safetensors

scores the elites in float32 and writes the small file of the course: genomes, these scores, and the history.

FILE keeps all that is needed to go on: the same command goes on from it, as one long run would but for the rounding of
a batch. It is written every two minutes and at the end; an interrupt ends the run early.
"""

import argparse
import signal
import time
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime, zoo
from course_utils.core import storage
from course_utils.fooling import CPPN, Archive, map_elites
from course_utils.fooling.packing import pack

ENCODING, POPULATION = CPPN((3, 224, 224)), 400
EVERY = 120  # seconds between two writings
POINTS = 100  # of the history that is stored
KEPT = ("confidence", "born", "history", "random_state")


class Quick(nn.Module):
    """mobilenet_v2 with its convolutions in bfloat16; mean and last layer stay in float32."""

    def __init__(self, model: nn.Sequential):
        super().__init__()
        self.normalise, self.net = model

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            features = self.net.features(self.normalise(images))
        return self.net.classifier(features.float().mean((2, 3)))


def write(archive: Archive, file: Path) -> None:
    """All of an archive but its images, which the genomes paint again."""
    tensors = {f"genomes.{name}": genes for name, genes in archive.genomes.items()}
    tensors |= {name: getattr(archive, name) for name in KEPT}
    storage.write_atomically(file, safetensors.torch.save({k: v.cpu().contiguous() for k, v in tensors.items()}))


def read(file: Path) -> Archive:
    """What `write` wrote, with its images."""
    tensors = safetensors.torch.load_file(file)
    genomes = {name[8:]: tensors.pop(name) for name in list(tensors) if name.startswith("genomes.")}
    rows = torch.arange(len(tensors["confidence"])).split(16)
    parts = [ENCODING.render({name: genes[part] for name, genes in genomes.items()}) for part in rows]
    images = torch.cat(parts).mul_(255).floor_().div_(255)
    return Archive(images=images, genomes=genomes, encoding=repr(ENCODING), **tensors)


def store(archive: Archive, file: Path, seed: int) -> None:
    """Pack the genomes, with scores in float32 and a thinned history of median, mean and fraction at 99 % or more."""
    own = evaluation.logits(zoo.load("mobilenet_v2"), archive.images).softmax(1).diagonal()
    every = torch.linspace(0, len(archive.history) - 1, min(POINTS, len(archive.history))).round().long()
    history = archive.history[every]
    passes = POPULATION * (2 + every)
    fraction = (history >= 0.99).float().mean(1)
    curve = torch.stack([passes.float(), history.median(1).values, history.mean(1), fraction], 1)
    notes = {
        "network": "mobilenet_v2, bfloat16 while breeding",
        "recipe": f"map_elites, {len(archive.history)} generations after the random one",
        "population": POPULATION,
        "seed": seed,
        "passes": POPULATION * (1 + len(archive.history)),
        "history": "forward passes, median, mean and fraction at 99 % or more of the 1000 confidences in bfloat16",
        "confidence": "of each class in float32, images in 256 levels",
    }
    file.parent.mkdir(exist_ok=True)
    pack(file, archive.genomes, ENCODING, notes, history=curve, confidence=own, born=archive.born.int())
    print(
        f"{file.stat().st_size:,} bytes; float32: median {own.median():.4f}, mean {own.mean():.4f}; bfloat16: "
        f"median {archive.confidence.median():.4f}, mean {archive.confidence.mean():.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    if given.store:
        return store(read(given.file), given.store, given.seed)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = written = time.monotonic()

    def watch(archive: Archive) -> None:
        nonlocal written
        now, number = time.monotonic(), POPULATION * (1 + len(archive.history))
        sure = archive.confidence
        print(
            f"{now - start:6.0f} s  {number:8,} forward passes: median {sure.median():.4f}, mean {sure.mean():.4f}, "
            f"{(sure >= 0.99).float().mean():.1%} at 99 % or more",
            flush=True,
        )
        if now - written > EVERY:
            write(archive, given.file)
            written = time.monotonic()
        if now - start > 60 * given.minutes:
            raise KeyboardInterrupt

    begin = {"resume": read(given.file)} if given.file.exists() else {"generator": runtime.seed(given.seed)}
    how = dict(generations=5000, population=POPULATION, progress=False, on_generation=watch)
    write(map_elites(Quick(zoo.load("mobilenet_v2")), ENCODING, **how, **begin), given.file)


if __name__ == "__main__":
    main()
