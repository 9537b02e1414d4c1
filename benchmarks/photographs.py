"""What a pass through a photograph network costs, and what painting and attacking cost beside it.

usage: python benchmarks/photographs.py [--part layout]

mobilenet_v2 on a batch of 8 photographs. The sides run in turn, each after a warm-up, and the medians are compared.
"""

import argparse
import statistics

import torch
import torchvision
from dimensions import beside, in_turn

from course_utils import evaluation, figures, models, runtime, zoo
from course_utils.attacks import eot, hop_skip_jump
from course_utils.fooling import CPPN
from course_utils.images import photographs, physical
from course_utils.zoo import imagenet

BATCH, TURNS = 8, 5


def gradient(model, images):
    images = images.detach().requires_grad_()
    return evaluation.gradient(model(images).sum(), images)


def seconds(sides, first, images=BATCH):
    """A row for each side: milliseconds an image, and how many times as long as the first."""
    taken, _ = in_turn(sides, TURNS)
    rows = [
        [name, f"{1000 * statistics.median(times) / images:.1f}", beside(times, taken[first])]
        for name, times in taken.items()
    ]
    return figures.Table(["", "ms an image", f"beside {first}"], rows)


def layout(model, photos):
    """Forward pass and gradient, plain and as the course has it; bfloat16 and torch.compile beside them."""
    weights = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1
    net, preset = torchvision.models.mobilenet_v2(weights=weights), weights.transforms()
    plain = torch.nn.Sequential(models.Normalise(preset.mean, preset.std), net).eval().requires_grad_(False)
    folded = torch.nn.Sequential(plain[0], imagenet.fold(torchvision.models.mobilenet_v2(weights=weights).eval()))

    def half(images):
        with torch.autocast(images.device.type, torch.bfloat16):
            return model(images)

    sides = {"as in the course": model, "as torchvision has it": plain, "folded alone": folded, "bfloat16": half}
    with torch.no_grad():
        print("forward\n", seconds({k: lambda f=f: f(photos) for k, f in sides.items()}, "as in the course"))
    steps = {k: lambda f=f: gradient(f, photos) for k, f in sides.items()}
    print("forward and backward\n", seconds(steps, "as in the course"))


def compiled(model, photos):
    """torch.compile, which needs a C++ compiler."""
    sides = {"as in the course": model, "compiled": torch.compile(model)}
    with torch.no_grad():
        print(seconds({k: lambda f=f: f(photos) for k, f in sides.items()}, "as in the course"))


def painting(model, photos):
    """Painting genomes of ImageNet's size beside judging them."""
    encoding, draw = CPPN((3, photographs.SIDE, photographs.SIDE)), runtime.seed(0)
    genomes = encoding.random(BATCH, generator=draw)
    for _ in range(50):
        genomes = encoding.vary(genomes, torch.arange(BATCH), generation=1, generator=draw)
    with torch.no_grad():
        sides = {"forward pass": lambda: model(photos), "painting": lambda: encoding.render(genomes)}
        print(seconds(sides, "forward pass"))


def attacks(model, photos):
    """EOT and Hop Skip Jump beside the passes in them."""
    goal = torch.tensor([859])

    def plain(canvas, number, generator):
        return canvas.expand(number, -1, -1, -1)

    def world(canvas, number, generator):
        return physical.world(plain(canvas, number, generator), generator=generator)

    quiet = dict(steps=1, batch=BATCH, progress=False)
    sides = {
        "gradient of the batch": lambda: gradient(model, photos),
        "EOT, nothing happens": lambda: eot(model, plain, photos[:1], goal, **quiet),
        "EOT, all of WORLD": lambda: eot(model, world, photos[:1], goal, **quiet),
    }
    print(seconds(sides, "gradient of the batch"))
    labels = evaluation.predict(model, photos[:2]).labels
    asks = {
        "200 forward passes, 2 at once": lambda: [model(photos[:2]) for _ in range(100)],
        "Hop Skip Jump, 100 questions for 2": lambda: hop_skip_jump(
            model, photos[:2], labels, queries=100, detail=14, progress=False
        ),
    }
    with torch.no_grad():
        print(seconds(asks, "200 forward passes, 2 at once", 200))


PARTS = {part.__name__: part for part in (layout, compiled, painting, attacks)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, help="one part alone")
    part = parser.parse_args().part
    model = zoo.load("mobilenet_v2")
    photos = torch.cat([photographs.photo(name) for name in photographs.PHOTOS[:BATCH]])
    for name in [part] if part else PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}")
        PARTS[name](model, photos)


if __name__ == "__main__":
    main()
