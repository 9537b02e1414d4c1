"""Lesson 01: the wrong answers of the first edition, and what it said to them."""

from torch import nn
from torch.nn import functional as F

from course_utils.models import MNIST_MEAN, MNIST_STD, Normalise
from frozen import Mistake


def lenet5():
    return nn.Sequential(Normalise([0.1307], [0.3081]), nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def _lenet(*, padding=2, act=nn.ReLU, pool=nn.MaxPool2d, dense_act=nn.ReLU, flat=400, first=None, last=()):
    """LeNet-5 with one part exchanged: the source of the classic mistakes."""
    first = [Normalise([MNIST_MEAN], [MNIST_STD])] if first is None else first
    convolutions = [nn.Conv2d(1, 6, 5, padding=padding), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2)]
    dense = [nn.Flatten(), nn.Linear(flat, 120), dense_act(), nn.Linear(120, 84), dense_act(), nn.Linear(84, 10)]
    return nn.Sequential(*first, *convolutions, *dense, *last)


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


NO_MOVE = "the weights do not move: `backward` or `step` is missing, or the gradients are cleared between the two. The order is zero_grad, backward, step"


def _normalising(prepare):
    return lambda model, mean, std: lambda images: model(prepare(images, mean, std))


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


TOO_CALIBRATED = "this is the temperature at which confidence and accuracy agree best, as the calibration error has it; the task asks for the lowest cross-entropy, which also minds how sure the wrong answers were"


WRONG = {
    "1.1": (
        Mistake(lambda: _lenet(padding=0), "without padding=2 the first convolution shrinks the image from 28 to 24 pixels, and only 16 x 4 x 4 = 256 numbers reach the first dense layer instead of 400"),
        Mistake(lambda: _lenet(padding=0, flat=256), "the first convolution lacks its padding=2: it has to keep the 28 x 28 pixels, so that 400 numbers reach the first dense layer, not 256"),
        Mistake(lambda: _lenet(last=[nn.Softmax(1)]), "leave out the softmax at the end: cross_entropy applies it itself, and twice makes the gradients tiny. A network of this course returns logits"),
        Mistake(lambda: _lenet(last=[nn.ReLU()]), "no ReLU after the last layer: it would turn every negative logit into 0, and a class could never be ruled out"),
        Mistake(lambda: _lenet(dense_act=nn.Identity), "there is no ReLU between the dense layers: three linear maps in a row are one linear map"),
        Mistake(lambda: _lenet(act=nn.Identity), "the ReLUs after the convolutions are missing (Caffe's LeNet has none there, LeNet-5 does)"),
        Mistake(lambda: _lenet(act=nn.Identity, dense_act=nn.Identity), "no ReLU anywhere: but for the pooling, the whole network is one linear map"),
        Mistake(lambda: _lenet(pool=nn.AvgPool2d), "average pooling is what LeCun used in 1998 (with a trained scale); the table asks for max pooling"),
        Mistake(lambda: _lenet(act=nn.Tanh, dense_act=nn.Tanh), "tanh is what LeCun used in 1998; the table asks for ReLU, which trains faster"),
        Mistake(lambda: _lenet(act=nn.Sigmoid, dense_act=nn.Sigmoid), "sigmoids squash the signal at every layer and train slowly; the table asks for ReLU"),
        Mistake(lambda: _lenet(first=[]), "the normalisation is missing: the first layer is Normalise([0.1307], [0.3081])"),
        Mistake(lambda: nn.Sequential(*[layer for layer in lenet5() if not isinstance(layer, nn.Flatten)]), "a dense layer wants rows of 400 numbers, and gets blocks of 16 x 5 x 5: put nn.Flatten() before it"),
    ),
    "1.2": (
        Mistake(_stepping(F.cross_entropy, "backward step"), "the old gradients are still there: `backward` adds to them. Call optimiser.zero_grad() before backward"),
        Mistake(_stepping(F.cross_entropy, "backward zero step"), NO_MOVE),
        Mistake(_stepping(F.cross_entropy, "step zero backward"), "step comes before backward: it uses the gradients of the batch before. The order is zero_grad, backward, step"),
        Mistake(_stepping(F.cross_entropy, "zero step backward"), NO_MOVE),
        Mistake(_stepping(F.cross_entropy, "zero backward"), NO_MOVE),
        Mistake(_stepping(F.cross_entropy, ""), NO_MOVE),
        Mistake(_stepping(F.cross_entropy, sign=-1.0), "this climbs: the loss grows with each step. The optimiser already steps downhill, so pass the loss as it is"),
        Mistake(_stepping(lambda outputs, labels: F.cross_entropy(outputs.softmax(1), labels)), "softmax twice: cross_entropy takes logits and applies the softmax itself. Fed with probabilities it still learns, slowly, and stops short"),
        Mistake(_stepping(lambda outputs, labels: F.nll_loss(outputs, labels)), "nll_loss wants log-probabilities; for logits use cross_entropy, which is log_softmax and nll_loss in one"),
        Mistake(_stepping(lambda outputs, labels: F.cross_entropy(outputs, labels, reduction="sum")), "the losses of the batch are summed, so the step grows with the batch. Take the mean, cross_entropy's default"),
        Mistake(_stepping(lambda outputs, labels: F.mse_loss(outputs, F.one_hot(labels, 3).float())), "this is the squared error; the lesson trains with F.cross_entropy(logits, labels)"),
        Mistake(_in_evaluation, "model.eval() switches dropout and batch normalisation to what they do after training: a training step needs the mode that it was given, training"),
        Mistake(_late, "this is the loss after the step; return the one that you called `backward` on"),
        Mistake(_attached, "the loss that you return still carries its graph, and a list of them eats memory: return loss.item()"),
    ),
    "1.3": (
        Mistake(_normalising(lambda x, mean, std: x), "the pixels still reach the network as they are: subtract the mean and divide by std first"),
        Mistake(_normalising(lambda x, mean, std: x / std - mean), "the order is wrong: here the mean is subtracted after the division. It is (images - mean) / std, with brackets"),
        Mistake(_normalising(lambda x, mean, std: x - mean / std), "a division binds tighter than a subtraction: put brackets round images - mean"),
        Mistake(_normalising(lambda x, mean, std: x * std + mean), "this is the way back, from normalised images to pixels. The network wants (images - mean) / std"),
        Mistake(_normalising(lambda x, mean, std: (x - mean) * std), "multiplied by std instead of divided: the pixels get a smaller spread, not a spread of 1"),
        Mistake(_normalising(lambda x, mean, std: (x - mean) / std**2), "divided by the variance: std is already the square root of it"),
        Mistake(_normalising(lambda x, mean, std: ((x - mean) / std - mean) / std), "normalised twice: once is what the network saw in training"),
        Mistake(_normalising(lambda x, mean, std: (x - x.mean()) / x.std()), "the mean and std of this batch are not those of training: an image would get other logits in other company. Use the two constants"),
        Mistake(_normalising(lambda x, mean, std: (x - x.mean(dim=(1, 2, 3), keepdim=True)) / x.std(dim=(1, 2, 3), keepdim=True)), "each image is normalised by its own mean and std: a dark image and a bright one become the same. Use the two constants"),
        Mistake(_normalising(lambda x, mean, std: (x - 0.1307) / 0.3081), "0.1307 and 0.3081 stand in your code: use the arguments `mean` and `std`, which may be others"),
        Mistake(_normalising(lambda x, mean, std: (x - std) / mean), "mean and std have changed places: subtract the mean, divide by std"),
        Mistake(lambda model, mean, std: lambda images: (images - mean) / std, "this returns the normalised images: ask the network with them, `model(...)`"),
        Mistake(_normalising(lambda x, mean, std: (x.detach() - mean) / std), "the logits are right, but no gradient reaches the pixels: an attack on this network would see a flat world. Leave out detach and no_grad"),
        Mistake(_normalising(lambda x, mean, std: (255 * x - mean) / std), "the mean and std are those of pixels in [0, 1], and the images lie there already: no factor 255"),
    ),
    "1.4": (
        Mistake(_calibration(weight="used"), "every bin counts the same, so a bin with 3 images weighs as much as one with 9,000. Weigh each gap by the share of images in its bin"),
        Mistake(_calibration(weight="bins"), "every bin counts the same, empty ones too. Weigh each gap by the share of images in its bin"),
        Mistake(_calibration(weight="sum"), "the gaps are only added up: weigh each by the share of images in its bin"),
        Mistake(_calibration(gap="signed"), "bins that are too sure and bins that are too modest cancel: take the absolute value of each gap"),
        Mistake(_calibration(gap="squared"), "these are squared gaps; the expected calibration error takes absolute ones"),
        Mistake(_overall, "this compares the overall mean confidence with the overall accuracy, so errors cancel between bins. Take the gap in each bin first"),
        Mistake(_calibration(last=False), "a confidence of exactly 1 falls out of the last bin, and nothing is left to count: clamp the bin number to bins - 1"),
        Mistake(_calibration(empty=False), "an empty bin gives the mean of nothing, which is NaN: skip bins without images"),
        Mistake(lambda confidences, correct, bins=15: expected_calibration_error(confidences, correct), "your function ignores its argument `bins`"),
        Mistake(_calibration(scale=100.0), "these are per cent; return a number between 0 and 1"),
        Mistake(lambda confidences, correct, bins=15: (confidences - correct.float()).abs().mean().item(), "this is the mean distance of each confidence from 0 or 1, large for an honest 0.5 too. Average confidence and correctness over a bin first, then compare"),
        Mistake(lambda confidences, correct, bins=15: 1 - correct.float().mean().item(), "this is the error rate; calibration compares it with what the network claimed"),
    ),
    "1.5": (
        Mistake(_choosing(lambda z, y, t: F.cross_entropy(z * t, y).item()), "the logits are multiplied by the temperature; they are divided by it, so that T > 1 makes a network humbler"),
        Mistake(_choosing(_accurate, max), "a temperature never changes which logit is largest, so the accuracy is the same for all of them and the first one wins (or you always return the same one). Compare the cross-entropy"),
        Mistake(_choosing(lambda z, y, t: F.cross_entropy(z / t, y).item(), max), "this takes the temperature with the largest loss: take the smallest"),
        Mistake(_choosing(lambda z, y, t: F.cross_entropy((z / t).softmax(1), y).item()), "softmax twice: cross_entropy takes logits and applies the softmax itself"),
        Mistake(_choosing(lambda z, y, t: F.cross_entropy(z.softmax(1) / t, y).item()), "the temperature divides the logits, before the softmax; here it divides the probabilities"),
        Mistake(_choosing(_calibrated), TOO_CALIBRATED),
        Mistake(_choosing(_humble), TOO_CALIBRATED),
        Mistake(_place, "this is the place of the best candidate in the list: return the candidate itself"),
        Mistake(_lowest, "this is the lowest loss: return the temperature that reaches it"),
        Mistake(_choosing(lambda z, y, t: -(z / t).softmax(1).max(1).values.mean().item()), "this makes the network as sure as possible, right or wrong: compare the cross-entropy with the labels"),
    ),
}
