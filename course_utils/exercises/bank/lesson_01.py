"""Lesson 01: build LeNet, train it, mend its normalisation, measure and mend its confidence."""

import torch
from torch import nn
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.contracts import civil
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import advised, as_number
from course_utils.models import MNIST_MEAN, MNIST_STD, Normalise

# 1.1


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


def _lenet(*, padding=2, act=nn.ReLU, pool=nn.MaxPool2d, dense_act=nn.ReLU, flat=400, first=None, last=()):
    """LeNet-5 with one part exchanged: the source of the classic mistakes."""
    first = [Normalise([MNIST_MEAN], [MNIST_STD])] if first is None else first
    convolutions = [nn.Conv2d(1, 6, 5, padding=padding), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2)]
    dense = [nn.Flatten(), nn.Linear(flat, 120), dense_act(), nn.Linear(120, 84), dense_act(), nn.Linear(84, 10)]
    return nn.Sequential(*first, *convolutions, *dense, *last)


SHARED = (
    "every call returns the same {}: what is made once, outside the function, is trained by everyone who asks for a "
    "new network. Build all layers inside the function"
)
SAME_START = (
    "every call returns the same first weights: is the network a copy of one that is made only once, or are its random "
    "numbers seeded? A new network draws new ones"
)


def _probe_lenet(build):
    """Give the attempt the weights of a reference network: then the two must agree on every image."""
    images, reference = torch.rand(4, 1, 28, 28), lenet5()
    model = build()
    if isinstance(model, type):
        raise NotYet("this returns a class: build the network, with brackets after its name")
    if not isinstance(model, nn.Module):
        missing = ": is the `return` missing?" if model is None else ": return nn.Sequential(...)"
        raise NotYet(f"this returned {type(model).__name__}, not a network{missing}")
    if not isinstance(model, nn.Sequential) or len(model) < 2:
        raise NotYet(
            "the lesson takes the network apart: return one nn.Sequential that begins with Normalise and Conv2d"
        )
    another = build()
    if another is model:
        raise NotYet(SHARED.format("network"))
    with torch.no_grad():
        outputs = model(images)
        another(images)  # lazy layers are built by their first images
    weights = [tuple(p.shape) for p in model.parameters()]
    pairs = list(zip(model.parameters(), another.parameters(), strict=False))
    if any(mine is other for mine, other in pairs):
        raise NotYet(SHARED.format("layers"))
    if pairs and all(torch.equal(mine, other) for mine, other in pairs):
        raise NotYet(SAME_START)
    if not all(p.requires_grad for p in model.parameters()):
        raise NotYet("some weights ask for no gradient, so no training can move them: leave out requires_grad_(False)")
    if weights == [tuple(p.shape) for p in reference.parameters()]:
        with torch.no_grad():
            for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
                mine.copy_(4.0 * theirs)  # large enough that every ReLU, tanh and softmax shows
            outputs = model(images)
    return {
        "the logits of 4 images": outputs.shape if isinstance(outputs, torch.Tensor) else outputs,
        "the number of tensors of weights and biases": len(weights),
        "the shapes of weights and biases, first to last": weights,
        "the logits, once your network holds the weights of the reference": outputs,
        "its first two layers": " and ".join(type(layer).__name__ for layer in model[:2]),
    }


EX_LENET = Exercise(
    id="1.1",
    reference=lenet5,
    probe=_probe_lenet,
    mistakes="",
    also=(
        Mistake(
            lambda: _lenet(padding=0),
            "without padding=2 the first convolution shrinks the image from 28 to 24 pixels, and only 16 x 4 x 4 = 256 "
            "numbers reach the first dense layer instead of 400",
        ),
        Mistake(
            lambda: _lenet(padding=0, flat=256),
            "the first convolution lacks its padding=2: it has to keep the 28 x 28 pixels, so that 400 numbers reach "
            "the first dense layer, not 256",
        ),
        Mistake(
            lambda: _lenet(last=[nn.Softmax(1)]),
            "leave out the softmax at the end: cross_entropy applies it itself, and twice makes the gradients tiny. A "
            "network of this course returns logits",
        ),
        Mistake(
            lambda: _lenet(last=[nn.ReLU()]),
            "no ReLU after the last layer: it would turn every negative logit into 0, and a class could never be "
            "ruled out",
        ),
        Mistake(
            lambda: _lenet(dense_act=nn.Identity),
            "there is no ReLU between the dense layers: three linear maps in a row are one linear map",
        ),
        Mistake(
            lambda: _lenet(act=nn.Identity),
            "the ReLUs after the convolutions are missing (Caffe's LeNet has none there, LeNet-5 does)",
        ),
        Mistake(
            lambda: _lenet(act=nn.Identity, dense_act=nn.Identity),
            "no ReLU anywhere: but for the pooling, the whole network is one linear map",
        ),
        Mistake(
            lambda: _lenet(pool=nn.AvgPool2d),
            "average pooling is what LeCun used in 1998 (with a trained scale); the table asks for max pooling",
        ),
        Mistake(
            lambda: _lenet(act=nn.Tanh, dense_act=nn.Tanh),
            "tanh is what LeCun used in 1998; the table asks for ReLU, which trains faster",
        ),
        Mistake(
            lambda: _lenet(act=nn.Sigmoid, dense_act=nn.Sigmoid),
            "sigmoids squash the signal at every layer and train slowly; the table asks for ReLU",
        ),
        Mistake(
            lambda: _lenet(first=[]),
            "the normalisation is missing: the first layer is Normalise([0.1307], [0.3081])",
        ),
        Mistake(
            lambda: nn.Sequential(*[layer for layer in lenet5() if not isinstance(layer, nn.Flatten)]),
            "a dense layer wants rows of 400 numbers, and gets blocks of 16 x 5 x 5: put nn.Flatten() before it",
        ),
    ),
    hints=(
        "Read the table from top to bottom: every line is one layer, and nn.Sequential takes them in that order.",
        "A convolution of width 5 without padding takes 4 pixels off each side length: 14 becomes 10. A pooling of 2 "
        "halves it: 10 becomes 5. So 16 x 5 x 5 = 400 numbers reach the first dense layer.",
        "The second half is: nn.Conv2d(6, 16, 5), ReLU, MaxPool2d(2), Flatten, Linear(400, 120), ReLU, "
        "Linear(120, 84), ReLU, Linear(84, 10).",
    ),
)

# 1.2


def train_step(model, images, labels, optimiser):
    loss = F.cross_entropy(model(images), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def _stepping(loss_of, order="zero backward step", sign=1.0):
    """A training step with its parts in another order, or with another loss: the source of the classic mistakes."""

    def step(model, images, labels, optimiser):
        loss = loss_of(model(images), labels)
        for act in order.split():
            if act == "zero":
                optimiser.zero_grad()
            elif act == "backward":
                (sign * loss).backward()
            else:
                optimiser.step()
        return loss.item()

    return step


def _late(model, images, labels, optimiser):
    train_step(model, images, labels, optimiser)
    return F.cross_entropy(model(images), labels).item()


def _attached(model, images, labels, optimiser):
    loss = F.cross_entropy(model(images), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


def _in_evaluation(model, images, labels, optimiser):
    model.eval()
    return train_step(model, images, labels, optimiser)


STEPS = 12


def _probe_step(step):
    """Some steps on one batch; then three batches and a network that tells training from evaluation."""
    model, other = nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, affine=False))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    images, labels = torch.rand(8, 4), torch.randint(0, 3, (8,))
    returned = [step(model, images, labels, optimiser) for _ in range(STEPS)]
    other[0].weight.data *= 0.2  # a steep slope, so that one that is clipped shows
    mover = torch.optim.SGD(other.parameters(), lr=0.2, momentum=0.9)
    for size in (5, 9, 3):
        returned.append(step(other, 4 * torch.rand(size, 4), torch.randint(0, 3, (size,)), mover))
    attached = any(isinstance(value, torch.Tensor) and value.requires_grad for value in returned)
    return {
        f"the weights after {STEPS} steps": model.weight.detach().clone(),
        "the loss it returns, step by step": [v.item() if isinstance(v, torch.Tensor) else v for v in returned[:STEPS]],
        "whether the loss it returns still drags its graph along": attached,
        "the weights of another network after 3 batches": other[0].weight.detach().clone(),
        "the losses of those batches": [v.item() if isinstance(v, torch.Tensor) else v for v in returned[STEPS:]],
        "the mode of that network afterwards": "training" if other.training else "evaluation",
    }


def _draw_step(seen, expected):
    losses = [observed["the loss it returns, step by step"] for observed in (expected, seen)]
    return figures.curves(
        {"reference": losses[0], "yours": losses[1]},
        xlabel="step",
        ylabel="loss (nats)",
        title="The loss on one small batch",
        alt=f"The reference brings the loss to {losses[0][-1]:.2f} in {STEPS} steps, yours to {losses[1][-1]:.2f}.",
    )


NO_MOVE = (
    "the weights do not move: `backward` or `step` is missing, or the gradients are cleared between the two. The "
    "order is zero_grad, backward, step"
)

EX_STEP = Exercise(
    id="1.2",
    reference=train_step,
    probe=_probe_step,
    trains=True,
    picture=_draw_step,
    mistakes="",
    also=(
        Mistake(
            _stepping(F.cross_entropy, "backward step"),
            "the old gradients are still there: `backward` adds to them. Call optimiser.zero_grad() before backward",
        ),
        Mistake(
            _stepping(F.cross_entropy, "backward zero step"),
            NO_MOVE,
        ),
        Mistake(
            _stepping(F.cross_entropy, "step zero backward"),
            "step comes before backward: it uses the gradients of the batch before. The order is zero_grad, backward, "
            "step",
        ),
        Mistake(
            _stepping(F.cross_entropy, "zero step backward"),
            NO_MOVE,
        ),
        Mistake(
            _stepping(F.cross_entropy, "zero backward"),
            NO_MOVE,
        ),
        Mistake(
            _stepping(F.cross_entropy, ""),
            NO_MOVE,
        ),
        Mistake(
            _stepping(F.cross_entropy, sign=-1.0),
            "this climbs: the loss grows with each step. The optimiser already steps downhill, so pass the loss as it "
            "is",
        ),
        Mistake(
            _stepping(lambda outputs, labels: F.cross_entropy(outputs.softmax(1), labels)),
            "softmax twice: cross_entropy takes logits and applies the softmax itself. Fed with probabilities it still "
            "learns, slowly, and stops short",
        ),
        Mistake(
            _stepping(lambda outputs, labels: F.nll_loss(outputs, labels)),
            "nll_loss wants log-probabilities; for logits use cross_entropy, which is log_softmax and nll_loss in one",
        ),
        Mistake(
            _stepping(lambda outputs, labels: F.cross_entropy(outputs, labels, reduction="sum")),
            "the losses of the batch are summed, so the step grows with the batch. Take the mean, cross_entropy's "
            "default",
        ),
        Mistake(
            _stepping(lambda outputs, labels: F.mse_loss(outputs, F.one_hot(labels, 3).float())),
            "this is the squared error; the lesson trains with F.cross_entropy(logits, labels)",
        ),
        Mistake(
            _in_evaluation,
            "model.eval() switches dropout and batch normalisation to what they do after training: a training step "
            "needs the mode that it was given, training",
        ),
        Mistake(
            _late,
            "this is the loss after the step; return the one that you called `backward` on",
        ),
        Mistake(
            _attached,
            "the loss that you return still carries its graph, and a list of them eats memory: return loss.item()",
        ),
    ),
    hints=(
        "Five lines: the loss, clear the old gradients, compute the new ones, move the weights, return the loss.",
        "F.cross_entropy(model(images), labels) is the mean loss. `.backward()` belongs to the loss, `.zero_grad()` "
        "and `.step()` to the optimiser.",
        "The order is loss, optimiser.zero_grad(), loss.backward(), optimiser.step(), return loss.item().",
    ),
)

# 1.3


def with_normalisation(model, mean, std):
    def repaired(images):
        return model((images - mean) / std)

    return repaired


TOO_EARLY = (
    "return a function and do not ask the model yet: `def repaired(images): return model(...)`, then "
    "`return repaired`, without brackets"
)


def _probe_normalisation(wrap):
    """Wrap two linear networks and look at outputs, at gradients, and at the first one again after the second."""
    wrap = advised(wrap, {"name 'images' is not defined": TOO_EARLY})
    seen, made = {}, {}
    for case, (mean, std) in {"mean 0.13, std 0.31": (0.13, 0.31), "mean 0.5, std 0.2": (0.5, 0.2)}.items():
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.5)).eval()
        images = torch.rand(5, 1, 4, 4) ** 2
        hook = network.register_forward_pre_hook(_refuse)
        repaired = wrap(network, mean, std)
        hook.remove()
        if repaired is None:
            raise NotYet("your function returned None: is the `return` missing?")
        if not callable(repaired):
            raise NotYet("return a function (or a network) that maps images to logits, not the logits themselves")
        ask = made[case] = _asking(repaired, network)
        seen[f"the logits of 5 images with {case}"] = ask(images)
        seen[f"the logits of the first image on its own with {case}"] = ask(images[:1])
        leaf = images.clone().requires_grad_()
        outputs = ask(leaf)
        flows = isinstance(outputs, torch.Tensor) and outputs.requires_grad
        slope = torch.autograd.grad(outputs.sum(), leaf, allow_unused=True)[0] if flows else None
        seen[f"the gradient of the logits by the pixels with {case}"] = (
            torch.zeros_like(leaf) if slope is None else slope
        )
    case = next(iter(made))
    seen["the logits that the first function returns after a second one was made"] = made[case](torch.rand(2, 1, 4, 4))
    return seen


def _refuse(network, images):
    raise NotYet(TOO_EARLY)


def _asking(repaired, network):
    """The repaired function, which may change neither images nor network."""
    watched = civil(lambda network, images: repaired(images))
    return lambda images: watched(network, images)


def _normalising(prepare):
    return lambda model, mean, std: lambda images: model(prepare(images, mean, std))


EX_NORMALISATION = Exercise(
    id="1.3",
    reference=with_normalisation,
    probe=_probe_normalisation,
    mistakes="",
    also=(
        Mistake(
            _normalising(lambda x, mean, std: x),
            "the pixels still reach the network as they are: subtract the mean and divide by std first",
        ),
        Mistake(
            _normalising(lambda x, mean, std: x / std - mean),
            "the order is wrong: here the mean is subtracted after the division. It is (images - mean) / std, with "
            "brackets",
        ),
        Mistake(
            _normalising(lambda x, mean, std: x - mean / std),
            "a division binds tighter than a subtraction: put brackets round images - mean",
        ),
        Mistake(
            _normalising(lambda x, mean, std: x * std + mean),
            "this is the way back, from normalised images to pixels. The network wants (images - mean) / std",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (x - mean) * std),
            "multiplied by std instead of divided: the pixels get a smaller spread, not a spread of 1",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (x - mean) / std**2),
            "divided by the variance: std is already the square root of it",
        ),
        Mistake(
            _normalising(lambda x, mean, std: ((x - mean) / std - mean) / std),
            "normalised twice: once is what the network saw in training",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (x - x.mean()) / x.std()),
            "the mean and std of this batch are not those of training: an image would get other logits in other "
            "company. Use the two constants",
        ),
        Mistake(
            _normalising(
                lambda x, mean, std: (x - x.mean(dim=(1, 2, 3), keepdim=True)) / x.std(dim=(1, 2, 3), keepdim=True)
            ),
            "each image is normalised by its own mean and std: a dark image and a bright one become the same. Use the "
            "two constants",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (x - 0.1307) / 0.3081),
            "0.1307 and 0.3081 stand in your code: use the arguments `mean` and `std`, which may be others",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (x - std) / mean),
            "mean and std have changed places: subtract the mean, divide by std",
        ),
        Mistake(
            lambda model, mean, std: lambda images: (images - mean) / std,
            "this returns the normalised images: ask the network with them, `model(...)`",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (x.detach() - mean) / std),
            "the logits are right, but no gradient reaches the pixels: an attack on this network would see a flat "
            "world. Leave out detach and no_grad",
        ),
        Mistake(
            _normalising(lambda x, mean, std: (255 * x - mean) / std),
            "the mean and std are those of pixels in [0, 1], and the images lie there already: no factor 255",
        ),
    ),
    hints=(
        "The network was trained on images whose pixels have mean 0 and spread 1. Do the same to what it is shown now.",
        "Inside, define a function of `images` that calls `model` on the normalised images; return that function.",
        "`def repaired(images): return model((images - mean) / std)`, then `return repaired`.",
    ),
)

# 1.4


def expected_calibration_error(confidences, correct, bins=15):
    places = (confidences * bins).long().clamp(max=bins - 1)
    error = 0.0
    for place in range(bins):
        inside = places == place
        if inside.any():
            gap = confidences[inside].mean() - correct[inside].float().mean()
            error += inside.float().mean().item() * gap.abs().item()
    return error


def _calibration(weight="share", gap="absolute", scale=1.0, last=True, empty=True):
    """The calibration error with one part exchanged: the source of the classic mistakes."""

    def error(confidences, correct, bins=15):
        places = (confidences * bins).long().clamp(max=bins - 1 if last else bins)
        total, used = 0.0, 0
        for place in range(bins):
            inside = places == place
            if empty and not inside.any():
                continue
            used += 1
            difference = (confidences[inside].mean() - correct[inside].float().mean()).item()
            difference = {"absolute": abs(difference), "signed": difference, "squared": difference**2}[gap]
            total += difference * (inside.float().mean().item() if weight == "share" else 1.0)
        return scale * total / {"share": 1, "used": used, "bins": bins, "sum": 1}[weight]

    return error


def _overall(confidences, correct, bins=15):
    return abs(confidences.mean().item() - correct.float().mean().item())


def _probe_calibration(error):
    honest, coins = torch.rand(2000), torch.rand(3, 2000)
    sure = 0.5 + 0.5 * torch.rand(300)
    certain = torch.ones(40)
    wavy = torch.rand(500) < 0.5 + 0.4 * (25 * honest[:500]).sin()
    return {
        "300 answers that are too sure": error(sure, coins[0, :300] < sure - 0.2),
        "2,000 answers that are too modest": error(0.7 * honest, coins[1] < honest),
        "too sure in some places, too modest in others": error(honest, coins[2] < 0.5),
        "40 answers with confidence exactly 1, half of them wrong": error(certain, torch.arange(40) < 20),
        "500 answers in 5 bins": error(honest[:500], wavy, 5),
        "500 answers in 30 bins": error(honest[:500], wavy, 30),
        "8 answers with confidence exactly 1, in 4 bins": error(certain[:8], torch.arange(8) < 2, 4),
        "3 answers, each alone in its bin": error(torch.tensor([0.52, 0.75, 0.98]), torch.tensor([True, False, True])),
    }


EX_CALIBRATION = Exercise(
    id="1.4",
    reference=expected_calibration_error,
    probe=_probe_calibration,
    mistakes="",
    also=(
        Mistake(
            _calibration(weight="used"),
            "every bin counts the same, so a bin with 3 images weighs as much as one with 9,000. Weigh each gap by the "
            "share of images in its bin",
        ),
        Mistake(
            _calibration(weight="bins"),
            "every bin counts the same, empty ones too. Weigh each gap by the share of images in its bin",
        ),
        Mistake(
            _calibration(weight="sum"),
            "the gaps are only added up: weigh each by the share of images in its bin",
        ),
        Mistake(
            _calibration(gap="signed"),
            "bins that are too sure and bins that are too modest cancel: take the absolute value of each gap",
        ),
        Mistake(
            _calibration(gap="squared"),
            "these are squared gaps; the expected calibration error takes absolute ones",
        ),
        Mistake(
            _overall,
            "this compares the overall mean confidence with the overall accuracy, so errors cancel between bins. Take "
            "the gap in each bin first",
        ),
        Mistake(
            _calibration(last=False),
            "a confidence of exactly 1 falls out of the last bin, and nothing is left to count: clamp the bin number "
            "to bins - 1",
        ),
        Mistake(
            _calibration(empty=False),
            "an empty bin gives the mean of nothing, which is NaN: skip bins without images",
        ),
        Mistake(
            lambda confidences, correct, bins=15: expected_calibration_error(confidences, correct),
            "your function ignores its argument `bins`",
        ),
        Mistake(
            _calibration(scale=100.0),
            "these are per cent; return a number between 0 and 1",
        ),
        Mistake(
            lambda confidences, correct, bins=15: (confidences - correct.float()).abs().mean().item(),
            "this is the mean distance of each confidence from 0 or 1, large for an honest 0.5 too. Average confidence "
            "and correctness over a bin first, then compare",
        ),
        Mistake(
            lambda confidences, correct, bins=15: 1 - correct.float().mean().item(),
            "this is the error rate; calibration compares it with what the network claimed",
        ),
    ),
    hints=(
        "Put each answer into one of `bins` equal drawers by its confidence. In a drawer, compare the mean confidence "
        "with the share that was right.",
        "(confidences * bins).long() is the number of the drawer; clamp it to bins - 1, because a confidence of 1 "
        "would open one too many. Skip empty drawers.",
        "Sum over drawers: (images in it / all images) * |mean confidence in it - share right in it|.",
    ),
)

# 1.5


def best_temperature(logits, labels, candidates):
    losses = [F.cross_entropy(logits / t, labels).item() for t in candidates]
    return candidates[losses.index(min(losses))]


def _choosing(score, best=min):
    def choose(logits, labels, candidates):
        scores = [score(logits, labels, t) for t in candidates]
        return candidates[scores.index(best(scores))]

    return choose


def _place(logits, labels, candidates):
    losses = [F.cross_entropy(logits / t, labels).item() for t in candidates]
    return losses.index(min(losses))


def _lowest(logits, labels, candidates):
    return min(F.cross_entropy(logits / t, labels).item() for t in candidates)


def _accurate(logits, labels, t):
    return ((logits / t).argmax(1) == labels).float().mean().item()


def _humble(logits, labels, t):
    confidence, named = (logits / t).softmax(1).max(1)
    return abs(confidence.mean() - (named == labels).float().mean()).item()


def _calibrated(logits, labels, t):
    confidence, named = (logits / t).softmax(1).max(1)
    return expected_calibration_error(confidence, named == labels)


TOO_CALIBRATED = (
    "this is the temperature at which confidence and accuracy agree best, as the calibration error has it; the task "
    "asks for the lowest cross-entropy, which also minds how sure the wrong answers were"
)


def _probe_temperature(choose):
    """Logits that are too large, too small, with a fifth of the labels wrong, and with a few answers sure and wrong."""
    seen, calibrated = {}, []
    for case, (factor, wrong, slips) in {
        "logits 3 times too large": (3.0, 0.0, 0),
        "logits half as large as they should be": (0.5, 0.0, 0),
        "labels of which a fifth are wrong": (4.0, 0.2, 0),
        "10 of 1,000 answers very sure and wrong": (1.0, 0.0, 10),
    }.items():
        honest = 2 * torch.randn(1000, 5)
        labels = torch.multinomial(honest.softmax(1), 1)[:, 0]
        labels = torch.where(torch.rand(1000) < wrong, torch.randint(0, 5, (1000,)), labels)
        honest[:slips] = 40 * F.one_hot((labels[:slips] + 1) % 5, 5)
        given = factor * honest, labels, [1.0, 0.25, 0.5, 0.75, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        chosen, right = as_number(choose(*given)), best_temperature(*given)
        seen[case] = float(chosen) if isinstance(chosen, int) else chosen
        at = [_calibrated(*given[:2], t) if t in given[2] else 1.0 for t in (seen[case], right)]
        calibrated.append(at[0] < at[1] - 0.05 if slips else at[0] < at[1] + 0.01)
    if all(calibrated):
        raise NotYet(TOO_CALIBRATED)
    seen["3 candidates alone"] = choose(4 * torch.eye(3), torch.arange(3), [7.0, 9.0, 8.0])
    return seen


EX_TEMPERATURE = Exercise(
    id="1.5",
    reference=best_temperature,
    probe=_probe_temperature,
    mistakes="",
    also=(
        Mistake(
            _choosing(lambda z, y, t: F.cross_entropy(z * t, y).item()),
            "the logits are multiplied by the temperature; they are divided by it, so that T > 1 makes a network "
            "humbler",
        ),
        Mistake(
            _choosing(_accurate, max),
            "a temperature never changes which logit is largest, so the accuracy is the same for all of them and the "
            "first one wins (or you always return the same one). Compare the cross-entropy",
        ),
        Mistake(
            _choosing(lambda z, y, t: F.cross_entropy(z / t, y).item(), max),
            "this takes the temperature with the largest loss: take the smallest",
        ),
        Mistake(
            _choosing(lambda z, y, t: F.cross_entropy((z / t).softmax(1), y).item()),
            "softmax twice: cross_entropy takes logits and applies the softmax itself",
        ),
        Mistake(
            _choosing(lambda z, y, t: F.cross_entropy(z.softmax(1) / t, y).item()),
            "the temperature divides the logits, before the softmax; here it divides the probabilities",
        ),
        Mistake(
            _choosing(_calibrated),
            TOO_CALIBRATED,
        ),
        Mistake(
            _choosing(_humble),
            TOO_CALIBRATED,
        ),
        Mistake(_place, "this is the place of the best candidate in the list: return the candidate itself"),
        Mistake(_lowest, "this is the lowest loss: return the temperature that reaches it"),
        Mistake(
            _choosing(lambda z, y, t: -(z / t).softmax(1).max(1).values.mean().item()),
            "this makes the network as sure as possible, right or wrong: compare the cross-entropy with the labels",
        ),
    ),
    hints=(
        "Try every candidate and keep the one whose confidences fit the labels best. The cross-entropy measures the "
        "fit.",
        "F.cross_entropy(logits / t, labels) for each t in candidates.",
        "Put the losses into a list; candidates[losses.index(min(losses))] is the answer.",
    ),
)

EXERCISES = [EX_LENET, EX_STEP, EX_NORMALISATION, EX_CALIBRATION, EX_TEMPERATURE]
