"""How much of `training.fit` is work that cannot be avoided, and how it compares with the loop of a tutorial.

usage: python benchmarks/training.py

For each network, in turn and repeated: `fit` on 300 batches; the *floor*, forward, backward and step alone, on batches
that lie ready in memory; and the *tutorial*, a DataLoader over torchvision's MNIST with AdamW. The medians are printed.
"""

import itertools
import statistics
import time

import torch
import torchvision
from torch.nn import functional as F
from torchvision.transforms import ToTensor

from course_utils import data, figures, models, runtime, training

STEPS, BATCH, REPEATS = 300, 128, 5


def fit(model, digits):
    training.fit(model, digits.train[: STEPS * BATCH], epochs=1, batch=BATCH, progress=False)


def floor(model, digits):
    model.train().to(digits.train.images.device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    batches = zip(digits.train.images.split(BATCH), digits.train.labels.split(BATCH), strict=True)
    for images, labels in itertools.islice(batches, STEPS):
        loss = F.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def tutorial(model, digits):
    device = digits.train.images.device
    model.train().to(device)
    optimiser = torch.optim.AdamW(model.parameters())
    files = torchvision.datasets.MNIST(data._unpacked().parents[1], transform=ToTensor())
    loader = torch.utils.data.DataLoader(files, BATCH, shuffle=True)
    for step, (images, labels) in enumerate(loader):
        if step == STEPS:
            break
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def seconds(loop, build, digits) -> float:
    model = build()
    start = time.perf_counter()
    loop(model, digits)
    if digits.train.images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main():
    runtime.seed(0)
    digits = data.mnist()
    rows = []
    for build in (models.LeNet5, models.CaffeLeNet):
        times = {loop: [] for loop in (fit, floor, tutorial)}
        seconds(fit, build, digits)
        for _ in range(REPEATS):
            for loop, taken in times.items():
                taken.append(seconds(loop, build, digits))
        median = {loop: statistics.median(taken) for loop, taken in times.items()}
        share = figures.percent(median[floor] / median[fit])
        times = [f"{median[loop]:.2f}" for loop in (fit, floor, tutorial)]
        rows.append([build.__name__, *times, share, f"{median[tutorial] / median[fit]:.1f}x"])
    where = f"{digits.train.images.device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{STEPS} batches of {BATCH} on {where}; medians of {REPEATS}")
    print(figures.Table(["network", "fit, s", "floor, s", "tutorial, s", "floor / fit", "tutorial / fit"], rows))


if __name__ == "__main__":
    main()
