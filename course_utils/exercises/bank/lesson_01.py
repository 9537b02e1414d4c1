"""Lesson 01: build LeNet, train it, mend its normalisation, measure and mend its confidence."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.contracts import civil
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.exercises.probes import advised, as_number, on
from course_utils.models import Normalise


def lenet5():
    return nn.Sequential(
        Normalise([0.1307], [0.3081]),
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def _lenet(places, *others):  # with others in these places, or none
    return nn.Sequential(*(each for i, own in enumerate(lenet5()) for each in (others if i in places else [own])))


def _probe_lenet(build):
    """The shapes; then the attempt gets the weights of a reference network, and must agree with it on every image."""
    images, reference, model, another = torch.rand(4, 1, 28, 28), lenet5(), build(), build()
    layers = model if isinstance(model, nn.Sequential) else [model]
    begins = " and ".join(type(layer).__name__.removeprefix("Lazy") for layer in layers[:2])
    if begins != "Normalise and Conv2d":
        raise NotYet(f"this begins with {begins}: return one nn.Sequential that begins with Normalise and Conv2d")
    _ = model(images), another(images)  # lazy layers are built by their first images
    weights, shapes = list(model.parameters()), [str(tuple(each.shape)) for each in model.parameters()]
    pairs = list(zip(weights, another.parameters(), strict=False))
    if pairs and (any(mine is other for mine, other in pairs) or all(torch.equal(*pair) for pair in pairs)):
        raise NotYet(
            "every call returns the same layers, or the same first weights: what is made once, or copied, or seeded is "
            "trained by everyone who asks for a new network. Build all layers anew, inside the function"
        )
    if not all(each.requires_grad for each in weights):
        raise NotYet("some weights ask for no gradient, so no training can move them: leave out requires_grad_(False)")
    yield {"the shapes of weights and biases, first to last": shapes}
    if shapes == [str(tuple(each.shape)) for each in reference.parameters()]:
        for mine, theirs in zip(weights, reference.parameters(), strict=True):
            mine.data = 4.0 * theirs.data  # large enough that every ReLU, tanh and softmax shows
    yield {"the logits, once your network holds the weights of the reference": model(images).detach()}


EX_LENET = Exercise(
    "1.1",
    lenet5,
    _probe_lenet,
    mistakes=r"""
`, padding=2` -> `` | `, padding=2` -> `` & `400` -> `256`: the first convolution lacks its padding=2: it shrinks the
    image from 28 to 24 pixels, and only 16 x 4 x 4 = 256 numbers reach the first dense layer, not 400
`nn.Sequential(*lenet5(), nn.Softmax(1))` | `nn.Sequential(*lenet5(), nn.LogSoftmax(1))`: leave out the softmax, or its
    logarithm, at the end: cross_entropy applies it itself
`nn.Sequential(*lenet5(), nn.ReLU())`: no ReLU after the last layer: it would turn every negative logit into 0
`_lenet([9, 11])` | `_lenet([9])` | `_lenet([11])`: no ReLU between dense layers, so that they are one linear map
`_lenet([2, 5])` | `_lenet([2])` | `_lenet([5])`: no ReLU after a convolution: each has its own, before the pooling
`_lenet([2, 5, 9, 11])`: no ReLU anywhere: but for the pooling, the whole network is one linear map
`_lenet([3, 6], nn.AvgPool2d(2))`: the table asks for max pooling (LeCun took averages, in 1998)
`_lenet([2, 5, 9, 11], nn.Tanh())`: tanh is what LeCun used in 1998; the table asks for ReLU, which trains faster
`_lenet([2, 5, 9, 11], nn.Sigmoid())`: sigmoids squash the signal and train slowly; the table asks for ReLU
`[0.1307], [0.3081]` -> `[0.3081], [0.1307]`: mean and spread have changed places: Normalise([0.1307], [0.3081])
`0.3081` -> `0.3082`: 0.3082 is the spread of your 55,000 images; the table has that of all 60,000, 0.3081
`, 5),` -> `, 5, padding=2),`: only the first convolution has padding=2: the second makes 10 x 10 pixels of 14 x 14
`_lenet([3])` | `_lenet([6])`: a pooling is missing: each convolution and its ReLU are followed by one
`_lenet([7])`: a dense layer wants rows of 400 numbers, and gets blocks of 16 x 5 x 5: put nn.Flatten() before it
""",
    hints=(
        "Read the table from top to bottom: every line is one layer, and nn.Sequential takes them in that order.",
        "A convolution of width 5 takes 4 off each side, 14 becomes 10; a pooling halves it: 16 x 5 x 5 = 400 numbers.",
        "The second half: Conv2d(6, 16, 5), ReLU, MaxPool2d(2), Flatten, Linear(400, 120), ReLU, Linear(120, 84), ...",
    ),
    stars=2,
)


def train_step(model, images, labels, optimiser):
    loss = F.cross_entropy(model(images), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def _probe_step(step):
    one, other = nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, affine=False))
    other[0].weight.data *= 0.2  # a steep slope, so that one that is clipped shows
    batches = [(4 * torch.rand(size, 4), torch.randint(0, 3, (size,))) for size in (5, 9, 3)]
    for name, model, many, momentum in (
        ("12 steps on one batch", one, 12 * [(torch.rand(8, 4), torch.randint(0, 3, (8,)))], 0.0),
        ("3 batches and another network", other, batches, 0.9),
    ):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=momentum)
        losses = [step(model, *batch, optimiser) for batch in many]
        yield {
            f"the weights after {name}": next(model.parameters()).detach().clone(),
            f"the losses it returns for {name}": [*map(as_number, losses)],
            "whether a loss still carries its graph": any(getattr(loss, "requires_grad", False) for loss in losses),
        }


def _draw_step(seen, expected):
    right, own = (told["the losses it returns for 12 steps on one batch"] for told in (expected, seen))
    alt = f"The reference brings the loss to {right[-1]:.2f} in 12 steps, yours to {own[-1]:.2f}."
    curves, title = {"reference": right, "yours": own}, "The loss on one small batch"
    return figures.curves(curves, xlabel="step", ylabel="loss (nats)", title=title, alt=alt)


EX_STEP = Exercise(
    "1.2",
    train_step,
    _probe_step,
    trains=True,
    picture=_draw_step,
    mistakes=r"""
`optimiser.zero_grad()\n    ` -> ``: the old gradients stay, and `backward` adds to them: optimiser.zero_grad() first
`optimiser.step()\n    ` -> ``: the weights do not move: `backward` or `step` is missing, or the gradients are cleared
    between the two. The order is zero_grad, backward, step
`optimiser.zero_grad()` -> `optimiser.step()\n    optimiser.zero_grad()` & `optimiser.step()\n    return` -> `return`:
    step comes before backward: it uses the gradients of the batch before. The order is zero_grad, backward, step
`loss.backward()` -> `(-loss).backward()`: this climbs: the optimiser steps downhill already, pass the loss as it is
`model(images)` -> `model(images).softmax(1)`: softmax twice: cross_entropy takes logits and applies the softmax itself
`F.cross_entropy` -> `F.nll_loss`: nll_loss wants log-probabilities: cross_entropy takes the logits as they are
`, labels)` -> `, labels, reduction="sum")`: the losses are summed, so the step grows with the batch: take the mean
`F.cross_entropy(model(images), labels)` -> `F.mse_loss(model(images), F.one_hot(labels, 3).float())`: this is the
    squared error; the lesson trains with F.cross_entropy(logits, labels)
`loss = F` -> `model.eval()\n    loss = F`: model.eval() is for asking, not for training: leave the mode as it is
`loss.item()` -> `F.cross_entropy(model(images), labels).item()`: this is the loss after the step: return the one before
`loss.item()` -> `loss`: this loss still carries its graph, and a list of them eats memory: return loss.item()
""",
    hints=(
        "Five lines: the loss, clear the old gradients, compute the new ones, move the weights, return the loss.",
        "`.backward()` belongs to the loss, F.cross_entropy(...), `.zero_grad()` and `.step()` to the optimiser.",
        "The order is loss, optimiser.zero_grad(), loss.backward(), optimiser.step(), return loss.item().",
    ),
    stars=2,
)


def with_normalisation(model, mean, std):
    def repaired(images):
        return model((images - mean) / std)

    return repaired


TOO_EARLY = "return a function and do not ask the model yet: `def repaired(images): ...`, then `return repaired`"


def _refuse(network, images):
    raise NotYet(TOO_EARLY)


def _probe_normalisation(wrap):
    """Wrap two linear networks, and look at the outputs and gradients of both; the first one comes last."""
    wrap, made = advised(wrap, {"name 'images' is not defined": TOO_EARLY}), []
    for mean, std in ((0.13, 0.31), (0.5, 0.2)):
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.5)).eval()
        hook = network.register_forward_pre_hook(_refuse)
        repaired = wrap(network, mean, std)
        hook.remove()
        if not callable(repaired):
            raise NotYet("return a function (or a network) that maps images to logits, not the logits themselves")
        made.append((network, repaired))
    for name in ("with mean 0.5, std 0.2", "by the first function, mean 0.13, std 0.31, after a second one was made"):
        network, repaired = made.pop()
        ask = partial(civil(lambda network, images, repaired=repaired: repaired(images)), network)
        images = torch.rand(5, 1, 4, 4) ** 2
        yield {f"the logits of 5 images {name}": ask(images)}
        images.requires_grad_()
        slope = torch.autograd.grad(ask(images).sum() + 0 * images.sum(), images)
        yield {f"the gradient in the pixels of 5 images {name}": slope}


EX_NORMALISATION = Exercise(
    "1.3",
    with_normalisation,
    _probe_normalisation,
    mistakes="""
`(images - mean) / std` -> `images`: the pixels reach the network as they are: subtract the mean, divide by std first
`(images - mean) / std` -> `images / std - mean`: the mean is subtracted after the division: (images - mean) / std
`(images - mean)` -> `images - mean`: a division binds tighter than a subtraction: put brackets round images - mean
` / std` -> `` | ` - mean` -> ``: one of two steps is missing: subtract the mean, *and* divide by std
` / std` -> ` * std`: multiplied by std: divide by it, so that the spread becomes 1
`(images - mean) / std` -> `images * std + mean`: this is the way back: the network wants (images - mean) / std
`images - mean` -> `(images - mean) / std - mean`: normalised twice: once is what the network saw in training
`- mean) / std` -> `- images.mean()) / images.std()` | `- mean) / std` -> `- images.mean((1, 2, 3), True)) /
    images.std((1, 2, 3), keepdim=True)`: these are the mean and std of these images, not of training: use `mean`, `std`
`(images - mean) / std` -> `(images - 0.1307) / 0.3081`: 0.1307 and 0.3081 are written out: use `mean` and `std`
`model((images - mean) / std)` -> `(images - mean) / std`: these are the normalised images: ask the network with them
`model((images - mean) / std)` -> `(model(images) - mean) / std`: this normalises the logits: normalise the images
`images - mean` -> `images.detach() - mean`: right, but no gradient reaches the pixels: leave out detach and no_grad
`images - mean` -> `255 * images - mean`: mean and std are those of pixels in [0, 1], as yours are: no factor 255
""",
    hints=(
        "The network was trained on images whose pixels have mean 0 and spread 1. Do the same to what it is shown now.",
        "Inside, define a function of `images` that calls `model` on the normalised images; return that function.",
        "`def repaired(images): return model((images - mean) / std)`, then `return repaired`.",
    ),
    stars=2,
)


def expected_calibration_error(confidences, correct, bins=15):
    places = (confidences * bins).long().clamp(max=bins - 1)
    error = 0.0
    for place in range(bins):
        inside = places == place
        if inside.any():
            gap = confidences[inside].mean() - correct[inside].float().mean()
            error += inside.float().mean().item() * gap.abs().item()
    return error


def _answers():
    honest, coins, sure = torch.rand(1800), torch.rand(3, 1800), 0.5 + 0.5 * torch.rand(300)
    return {
        "300 answers that are too sure": (sure, coins[0, :300] < sure - 0.2),
        "1,800 answers that are too modest": (0.7 * honest, coins[1] < honest),
        "too sure in some places, too modest in others": (honest, coins[2] < 0.5),
        "600 answers in 30 drawers": (honest[:600], (30 * honest[:600]).long() % 2 == 0, 30),
        "8 answers with confidence exactly 1, all wrong, in 4 drawers": (torch.ones(8), torch.ones(8) < 1, 4),
    }


EX_CALIBRATION = Exercise(
    "1.4",
    expected_calibration_error,
    probe=on(_answers, what="the error", plain=as_number),
    mistakes=r"""
`inside.float().mean().item()` -> `1 / len(places.unique())` | `inside.float().mean().item()` -> `1 / bins` |
    `inside.float().mean().item()` -> `1`: every drawer counts the same, one with 3 images as much as one with 9,000:
    weigh each gap by the share of images in its drawer
`return error` -> `return error / bins`: the shares sum to 1 already: do not divide by `bins` as well
`gap.abs()` -> `gap`: drawers that are too sure and too modest cancel: take the absolute value of each gap
`error += inside.float().mean().item() * gap.abs().item()` -> `error = max(error, gap.abs().item())`: this is the
    largest gap: the mean gap is asked for, each drawer weighted by its share of the images
`confidences[inside].mean()` -> `(place + 0.5) / bins`: the middle of the drawer: take the mean of the confidences in it
`(confidences * bins).long()` -> `(confidences.argsort().argsort() * bins // len(confidences))`: these drawers hold
    equally many answers: cut [0, 1] into drawers of equal *width*
`abs(float(confidences.mean() - correct.float().mean()))`: over all answers errors cancel: take the gap in each drawer
`error +=` -> `error =` | `\n    return` -> `\n            return`: this is the share of one drawer, the first or the
    last: add all up with +=, and return after the loop
`.long()` -> `.round().long()` | `.long()` -> `.ceil().long()`: these drawers are rounded: .long() alone cuts off
`.clamp(max=bins - 1)` -> ``: a confidence of exactly 1 falls out of the last drawer: clamp its number to bins - 1
`if inside.any()` -> `if True`: an empty drawer gives the mean of nothing, which is NaN: skip drawers without images
`(confidences - correct.float()).abs().mean().item()`: compare *means* over a drawer, not each confidence with 0 or 1
`1 - correct.float().mean().item()`: this is the error rate; calibration compares it with what the network claimed
""",
    hints=(
        "Put the answers into `bins` drawers; in each, compare the mean confidence with the share that was right.",
        "(confidences * bins).long() is the number of the drawer, clamped to bins - 1. Skip empty drawers.",
        "Sum over drawers: (images in it / all images) * |mean confidence in it - share right in it|.",
    ),
    stars=2,
)


def best_temperature(logits, labels, candidates):
    losses = [F.cross_entropy(logits / t, labels).item() for t in candidates]
    return candidates[losses.index(min(losses))]


def _logits():
    honest, candidates = 2 * torch.randn(1000, 5), [1.0, 0.25, 0.5, 2.0, 4.0, 8.0]
    labels = torch.multinomial(honest.softmax(1), 1)[:, 0]
    slips = torch.cat([40 * F.one_hot((labels[:10] + 1) % 5, 5), honest[10:]])
    return {
        "logits 4 times too large": (4 * honest, labels, candidates),
        "logits half as large as they should be": (honest / 2, labels, candidates),
        "10 of 1,000 answers very sure and wrong": (slips, labels, candidates),
        "3 candidates alone": (4 * torch.eye(3), torch.arange(3), [7.0, 9.0, 8.0]),
    }


EX_TEMPERATURE = Exercise(
    "1.5",
    best_temperature,
    probe=on(_logits, what="the temperature", plain=as_number),
    mistakes="""
`logits / t` -> `logits * t`: the logits are multiplied by the temperature: divide by it, so that T > 1 means less sure
`candidates[0]`: every temperature has the same accuracy (or is this always the first?): compare the cross-entropy
`min(losses)` -> `max(losses)`: this takes the temperature with the largest loss: take the smallest
`logits / t` -> `(logits / t).softmax(1)`: softmax twice: cross_entropy takes logits and applies the softmax itself
`logits / t` -> `logits.softmax(1) / t`: this divides the probabilities: divide the logits, before the softmax
`F.cross_entropy(logits / t, labels).item()` -> `expected_calibration_error((p := (logits / t).softmax(1)).amax(1),
    p.argmax(1) == labels)`: this is the temperature at which confidence and accuracy agree best; the task asks for the
    lowest cross-entropy, which also minds how sure the wrong answers were
`candidates[losses.index(min(losses))]` -> `losses.index(min(losses))`: this is its place: return the candidate itself
`candidates[losses.index(min(losses))]` -> `min(losses)`: this is the lowest loss: return its temperature
`min(candidates)` | `max(candidates)`: this is as sure, or unsure, as can be, right or wrong: compare the cross-entropy
""",
    hints=(
        "Try every candidate and keep the one that fits the labels best. The cross-entropy measures the fit.",
        "F.cross_entropy(logits / t, labels) for each t in candidates.",
        "Put the losses into a list; candidates[losses.index(min(losses))] is the answer.",
    ),
    stars=2,
)

EXERCISES = (EX_LENET, EX_STEP, EX_NORMALISATION, EX_CALIBRATION, EX_TEMPERATURE)
