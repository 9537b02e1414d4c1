"""Lesson 09: the wrong answers of the first edition, and what it said to them."""

import math

import torch
from scipy import special, stats
from torch.nn import functional as F

from frozen import CUT, Mistake, pixel_slope


def training_loss(model, images, labels, eps):
    start = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(model(start), labels), start)
    attacked = start.detach() + 1.25 * eps * slope.sign()
    attacked = attacked.clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


PLAIN_LOSS = "this is a plain number, and training needs the tensor with its graph, so that backward reaches the weights: leave out .item() and float()"


def _training(
    first=lambda images, eps: images + eps * (2 * torch.rand_like(images) - 1),
    box=lambda start: start.clamp(0, 1),
    slope=lambda model, start, labels: pixel_slope(model, start, labels),
    base=lambda images, start: start,
    step=lambda slope, eps: 1.25 * eps * slope.sign(),
    back=lambda moved, images, start, eps: moved.clamp(images - eps, images + eps),
    end=lambda attacked: attacked.clamp(0, 1),
    loss=lambda model, attacked, labels: F.cross_entropy(model(attacked), labels),
):
    """The training loss with one part exchanged: the source of the classic mistakes."""

    def train(model, images, labels, eps):
        start = box(first(images, eps))
        moved = base(images, start) + step(slope(model, start, labels), eps)
        return loss(model, end(back(moved, images, start, eps)), labels)

    return train


def _as_it_came(tensor, *rest):
    return tensor


def _training_end(model, attacked, labels, **how):
    return F.cross_entropy(model(attacked), labels, **how)


def _slope_at_the_images(model, images, labels, eps):
    slope = pixel_slope(model, images, labels)
    start = images + eps * (2 * torch.rand_like(images) - 1)
    attacked = (start + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


def _slope_through_clamp(model, images, labels, eps):
    delta = eps * (2 * torch.rand_like(images) - 1)
    slope = pixel_slope(lambda change: model((images + change).clamp(0, 1)), delta, labels)
    delta = (delta + 1.25 * eps * slope.sign()).clamp(-eps, eps)
    return F.cross_entropy(model((images + delta).clamp(0, 1)), labels)


def _both_losses(model, images, labels, eps):
    return (training_loss(model, images, labels, eps) + F.cross_entropy(model(images), labels)) / 2


def _freezes_too_soon(model, images, labels, eps):
    model.requires_grad_(False)
    loss = training_loss(model, images, labels, eps)
    model.requires_grad_(True)
    return loss


NO_START = (
    "each attack begins at the image itself: a step of 1.25 eps then always ends in a corner of the ball, image + "
    "eps * sign. A network can learn those corners alone and still fall to attacks of several steps (catastrophic "
    "overfitting); without a random start that happens sooner. Begin at images + eps * (2 * torch.rand_like(images) - "
    "1)"
)


NO_BALL = "1.25 eps from a random start can lead out of the ball, up to 2.25 eps away from the image: bring it back, .clamp(images - eps, images + eps)"


BALL_ROUND_IMAGE = "the step is eps long from the start (or cut to that), and may end 2 eps away from the image: take 1.25 * eps, and cut the change from the *image*, not that from the start, .clamp(images - eps, images + eps)"


NO_BOX = "black becomes blacker than black: no image has pixels outside [0, 1], so end with .clamp(0, 1)"


CUT_OFF = "no gradient leads from this loss to the weights, so nothing can be trained by it: the *attack* needs no graph for the weights, the last loss does. Take that outside of torch.no_grad(), without .detach()"


STEP_LENGTH = "the step has another length: 1.25 * eps, a little more than the radius. A shorter one stops inside of the ball, where the attack is weak, and one of 2 eps or more ends in a corner wherever it began"


FROM_THE_START = "wherever the attack begins, it ends in a corner of the ball, image + eps * sign: so the random start is lost again. The step of 1.25 * eps is taken from the *start*, and the whole change is then cut to eps"


NOT_IN_BALL = "eps * (2 * torch.rand_like(images) - 1) is spread evenly over the ball, pixel by pixel"


MEAN_LOSS = "return the mean over the images, as F.cross_entropy does by itself"


GRADIENT_AS_IT_IS = "the pictures are right, but the gradient is 0, as that of rounding is almost everywhere: this is the defense itself, not the way around it. To go backwards as if nothing had been rounded, add to the images a change that has no gradient: images + (rounded - images).detach()"


WRONG_PART = "the gradient comes back with its sign turned round: the wrong part is detached. Forwards images + (rounded - images) is `rounded` wherever you cut it, but backwards only what is *not* detached counts. That has to be the plain images: images + (rounded - images).detach()"


NOT_ROUNDED = "forwards these are the images as they were: the result has to be what the model really sees, the rounded images. images + (rounded - images).detach() is that, and with images and rounded exchanged it is not"


ONE_LESS = "levels grey levels have levels - 1 steps between them, as 4 posts have 3 gaps: with 2 levels all is 0 or 1. So (images * (levels - 1)).round() / (levels - 1)"


NOT_NEAREST = "a pixel goes to the *nearest* level: round, where floor (or int) always goes down and ceil up"


IN_STEPS = "these are numbers of levels, 0 to levels - 1: divide by levels - 1, so that they are pixels again"


SCALED = "the pictures are right, but the gradient has another length: backwards each pixel passes on exactly what it was given, as in result = images. So the part that is not detached is the images themselves, not a multiple of them"


def _rounding(rounded=lambda images, levels: (images * (levels - 1)).round() / (levels - 1), joined=lambda images, rounded: images + (rounded - images).detach()):
    """The rounding with one part exchanged: the source of the classic mistakes."""
    return lambda images, levels: joined(images, rounded(images, levels))


def _scaled(images, levels):
    steps = images * (levels - 1)
    return steps + (steps.round() / (levels - 1) - steps).detach()


def _steps_alone(images, levels):
    steps = images * (levels - 1)
    return steps + (steps.round() - steps).detach()


def _softly(images, levels):
    steps = 2 * math.pi * (levels - 1)
    return images - torch.sin(steps * images) / steps


def distillation_loss(student, teacher, temperature):
    soft = (teacher.detach() / temperature).softmax(dim=1)
    return -(soft * F.log_softmax(student / temperature, dim=1)).sum(dim=1).mean()


TEACHER_MOVES = "the loss is right, but its gradient runs into the teacher, too, who would learn to be easy to imitate: teacher.detach()"


def _distilling(soft=lambda teacher, t: (teacher.detach() / t).softmax(1), logs=lambda student, t: F.log_softmax(student / t, 1), each=lambda soft, logs: -(soft * logs).sum(1), end=lambda losses, t: losses.mean()):
    """The loss with one part exchanged: the source of the classic mistakes."""
    return lambda student, teacher, temperature: end(each(soft(teacher, temperature), logs(student, temperature)), temperature)


def _naive_softmax(logits, t):
    return (logits.detach() / t).exp() / (logits.detach() / t).exp().sum(1, keepdim=True)


HARD_LABELS = "the teacher's answer is a single class here: what a student can learn from is how likely it finds the *others*, so give its whole softmax, (teacher / temperature).softmax(1)"


STUDENT_TOO = "the student answers at temperature 1: during the training both are softened alike, F.log_softmax(student / temperature, dim=1). Only afterwards it is used at temperature 1"


SQUARED = "a factor of T or T ** 2 makes up for gradients that shrink as T grows (Hinton's recipe, where a second loss with the true labels stands beside it). Here this loss stands alone, without the factor"


OVERFLOWS = "exp of large logits overflows, and the log of a probability that was rounded to 0 is -infinity: F.log_softmax and softmax subtract the largest first"


COLUMNS = "the softmax runs over the images (dim=0): the classes are columns, dim=1"


A_SUM = "this is the sum over the images: want their mean, so that the loss does not depend on how many there are"


def certified_radius(hits, samples, sigma, alpha):
    lower = stats.beta.ppf(alpha, hits, samples - hits + 1)
    return float(sigma * stats.norm.ppf(lower)) if lower > 0.5 else 0.0


def _lower(hits, samples, alpha):
    """The lower bound, by the function behind stats.beta.ppf, which takes a hundredth of its time."""
    return special.betaincinv(hits, samples - hits + 1, alpha) if hits else 0.0


def _certifying(lower=_lower, share=lambda alpha: alpha, radius=lambda p, sigma: sigma * special.ndtri(p), abstains=lambda p: p <= 0.5, end=lambda radius: float(radius)):
    """The radius with one part exchanged: the source of the classic mistakes."""

    def certify(hits, samples, sigma, alpha):
        p = lower(hits, samples, share(alpha))
        return 0.0 if abstains(p) else end(radius(p, sigma))

    return certify


def _upper(hits, samples, alpha):
    return special.betaincinv(hits + 1, samples - hits, 1 - alpha) if hits < samples else 1.0


def _normal_bound(hits, samples, alpha):
    p = hits / samples
    return p + special.ndtri(alpha) * (p * (1 - p) / samples) ** 0.5


def _wilson(hits, samples, alpha):
    p, z = hits / samples, special.ndtri(1 - alpha)
    middle, half = p + z**2 / (2 * samples), z * (p * (1 - p) / samples + (z / (2 * samples)) ** 2) ** 0.5
    return (middle - half) / (1 + z**2 / samples)


def _hoeffding(hits, samples, alpha):
    return hits / samples - math.sqrt(math.log(1 / alpha) / (2 * samples))


def _share_of_hits(hits, samples, alpha):
    return hits / samples


def _decides_by_hits(hits, samples, sigma, alpha):
    return float(sigma * special.ndtri(_lower(hits, samples, alpha))) if 2 * hits > samples else 0.0


TWO_SIDED = 'alpha is shared between two sides, alpha / 2 below: that is an interval. Only the lower end matters here, so all of alpha goes to it (with scipy: binomtest(hits, samples, alternative="greater"), for "two-sided" is its default)'


UPPER_BOUND = "this is the *upper* bound: with it the radius would be wrong far more often than alpha. The lower one is beta.ppf(alpha, hits, samples - hits + 1)"


APPROXIMATE = "this bound takes the count for normal, which fails exactly where it matters, near p = 1 (and for all hits it may prove everything). The bound of Clopper and Pearson holds for every p and every number of samples: beta.ppf(alpha, hits, samples - hits + 1)"


NOT_HOEFFDING = "Hoeffding's bound is true but loose, most of all near p = 1, where the radius is won: that of Clopper and Pearson is exact, beta.ppf(alpha, hits, samples - hits + 1)"


BETA_NUMBERS = "the numbers of the beta distribution are off by one: the lower bound is beta.ppf(alpha, hits, samples - hits + 1), the p at which `hits` or more would still happen with probability alpha"


BELOW = "where the bound is not above 1/2, no majority is proved, and Phi^-1 of it is negative: nothing is certified then, so abstain, 0.0"


NAN_AT_0 = "right until nobody hits: stats.beta.ppf(alpha, 0, ...) is NaN, and so is max(NaN, 0.0). With 0 hits nothing is proved, so return 0.0; `... if lower > 0.5 else 0.0` does, for no comparison with NaN is true"


def _bounding(centre=lambda low, high: (low + high) / 2, radius=lambda low, high: (high - low) / 2, middle=lambda centre, weight, bias: centre @ weight.T + bias, spread=lambda radius, weight, bias: radius @ weight.abs().T, end=lambda middle, spread: (middle - spread, middle + spread)):
    """The bounds with one part exchanged: the source of the classic mistakes."""

    def bound(weight, bias, low, high):
        return end(middle(centre(low, high), weight, bias), spread(radius(low, high), weight, bias))

    return bound


def _both_ends(weight, bias, low, high):
    return low @ weight.T + bias, high @ weight.T + bias


def _both_ends_sorted(weight, bias, low, high):
    ends = _both_ends(weight, bias, low, high)
    return torch.minimum(*ends), torch.maximum(*ends)


NEGATIVE_WEIGHTS = "both ends are sent through the layer, which is right only where all weights are positive: a *negative* weight makes its output smallest where its input is largest. Go by the middle of the box and its radius, and let the radius grow by |weight|"


SORTED_ENDS = (
    "only two corners of the box are looked at, all inputs low and all high (|radius @ weight.T| comes to the same). A "
    "unit with weights of both signs is smallest at another corner, some inputs low and some high, so that points of "
    "the box end outside of these bounds: no proof. Each weight widens the interval, radius @ weight.abs().T"
)


NO_BIAS = "the bias is missing: it moves the middle, and leaves the radius as it is"


BIAS_IN_RADIUS = "the bias is in the radius: it is a constant, and moves both bounds alike. Add it to the middle, and only there"


ABS_OF_WEIGHTS = "abs stands at the wrong factor: the middle goes through the layer as any input does, with the weights as they are; only the radius grows by weight.abs()"


EXCHANGED = "the bounds are exchanged: return the lower one first, middle - spread, middle + spread, with a radius that is not negative, (high - low) / 2"


HALF = "the radius is half of the width: (high - low) / 2"


WRONG = {
    "9.1": (
        Mistake(lambda model, images, labels, eps: F.cross_entropy(model(images), labels), "this is ordinary training, on the images as they are: attack them first, and take the loss there"),
        Mistake(lambda model, images, labels, eps: F.cross_entropy(model((images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1)), labels), "this trains on noise: the random point is only the start. Step from there along the sign of the gradient, uphill"),
        Mistake(_both_losses, "the clean images take half of the loss: that is a recipe, too, but here the loss is taken at the attacked images alone"),
        Mistake(_training(first=_as_it_came), NO_START),
        Mistake(_training(first=_as_it_came, back=_as_it_came), NO_START),
        Mistake(_training(step=lambda slope, eps: -1.25 * eps * slope.sign()), "the step leads *down*, to images on which the network is better than on the clean ones: the attack climbs the loss, + 1.25 * eps * slope.sign(); it is the optimiser that descends, in the weights"),
        Mistake(_training(back=_as_it_came), NO_BALL),
        Mistake(_training(back=_as_it_came, step=lambda slope, eps: eps * slope.sign()), BALL_ROUND_IMAGE),
        Mistake(_training(back=lambda moved, images, start, eps: moved.clamp(start - eps, start + eps)), BALL_ROUND_IMAGE),
        Mistake(_training(base=lambda images, start: images), FROM_THE_START),
        Mistake(_training(step=lambda slope, eps: 1.25 * slope.sign()), FROM_THE_START),
        Mistake(_training(base=lambda images, start: images, back=_as_it_came), FROM_THE_START),
        Mistake(_training(box=_as_it_came), "the start may lie outside of [0, 1], where no image is: cut it, .clamp(0, 1), before it asks for its gradient"),
        Mistake(lambda model, images, labels, eps: training_loss(model, images, labels, 0.1), "eps is 0.1, whatever is asked for: use `eps`, in the start, in the step and in the ball"),
        Mistake(_training(end=_as_it_came), NO_BOX),
        Mistake(_training(end=_as_it_came, box=_as_it_came), NO_BOX),
        Mistake(_slope_through_clamp, "the gradient runs through clamp, and that has slope 0 where the start lies outside [0, 1]: half of all black pixels never move. Clamp first, and let the clamped start ask for its gradient"),
        Mistake(_training(step=lambda slope, eps: eps / 10 * slope.sign()), STEP_LENGTH),
        Mistake(_training(step=lambda slope, eps: eps * slope.sign()), STEP_LENGTH),
        Mistake(_training(step=lambda slope, eps: 1.25 * eps * slope), "the step is as long as the gradient, which is far too short: for the ruler L-inf it is the *sign* that counts, 1.25 * eps * slope.sign()"),
        Mistake(_training(step=lambda slope, eps: 0 * slope), "the loss is taken at the start: step from there along the sign of the gradient"),
        Mistake(_slope_at_the_images, "the gradient is that at the image, the step is taken from the random start: take both at the start"),
        Mistake(_training(back=lambda moved, images, start, eps: images), "the loss is that of the clean images: take it at the attacked ones"),
        Mistake(_training(first=lambda images, eps: images + eps * torch.rand_like(images)), "torch.rand draws from [0, 1], so that every start is brighter than its image: 2 * torch.rand_like(images) - 1 runs from -1 to 1"),
        Mistake(_training(first=lambda images, eps: images + eps * torch.randn_like(images)), "normal noise leaves the ball with every third pixel: " + NOT_IN_BALL),
        Mistake(_training(first=lambda images, eps: images + (2 * torch.rand_like(images) - 1)), "the random start is not scaled by eps, and lies far outside the ball: " + NOT_IN_BALL),
        Mistake(_training(first=lambda images, eps: images + eps * torch.randn_like(images).sign()), "each start is a corner of the ball: " + NOT_IN_BALL),
        Mistake(_training(first=lambda images, eps: images + (eps * torch.randn_like(images)).clamp(-eps, eps)), "the starts lie in the ball, but not evenly: " + NOT_IN_BALL),
        Mistake(_training(first=lambda images, eps: images + eps * (2 * torch.rand_like(images[:1]) - 1)), "all images begin with the same noise: torch.rand_like(images) draws for each its own"),
        Mistake(_training(first=lambda images, eps: images + eps * (2 * torch.rand(len(images), 1, 1, 1) - 1)), "all pixels of an image begin with the same noise: torch.rand_like(images) draws for each its own"),
        Mistake(_training(loss=lambda *given: _training_end(*given).detach()), CUT_OFF),
        Mistake(_freezes_too_soon, CUT_OFF),
        Mistake(_training(loss=lambda *given: _training_end(*given).item()), PLAIN_LOSS),
        Mistake(_training(loss=lambda *given: -_training_end(*given)), "minus the loss: the optimiser makes it smaller"),
        Mistake(_training(loss=lambda *given: _training_end(*given, reduction="sum")), MEAN_LOSS),
        Mistake(_training(loss=lambda *given: _training_end(*given, reduction="none")), MEAN_LOSS),
        Mistake(_training(loss=lambda model, attacked, labels: F.cross_entropy(model(attacked).softmax(1), labels)), "softmax twice: F.cross_entropy takes logits, and applies the softmax itself"),
    ),
    "9.2": (
        Mistake(_rounding(joined=lambda images, rounded: rounded), GRADIENT_AS_IT_IS),
        Mistake(lambda images, levels: images.clone(), NOT_ROUNDED),
        Mistake(_rounding(joined=lambda images, rounded: images.detach() + (rounded - images)), WRONG_PART),
        Mistake(_rounding(joined=lambda images, rounded: rounded + (images.detach() - images)), WRONG_PART),
        Mistake(_rounding(joined=lambda images, rounded: rounded.detach()), CUT),
        Mistake(_rounding(joined=lambda images, rounded: (images + (rounded - images)).detach()), CUT),
        Mistake(_rounding(joined=lambda images, rounded: rounded + (images - rounded).detach()), NOT_ROUNDED),
        Mistake(_rounding(joined=lambda images, rounded: images + rounded.detach()), "forwards this is images + rounded: what is detached has to be the *change*, rounded - images"),
        Mistake(_rounding(joined=lambda images, rounded: (rounded - images).detach()), "this is only what rounding changes: add it to the images"),
        Mistake(_rounding(lambda images, levels: (images * levels).round() / levels), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * (levels - 2)).round() / max(levels - 2, 1)), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * levels).round() / (levels - 1)), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * levels).floor() / levels), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * 255).round() / 255), "this is a file's rounding, to 256 levels: use `levels`"),
        Mistake(_rounding(lambda images, levels: (images * levels).floor().clamp(max=levels - 1) / (levels - 1)), "[0, 1] is cut into equal parts here, one a level, so that a pixel does not always go to the *nearest* level: (images * (levels - 1)).round() / (levels - 1)"),
        Mistake(_rounding(lambda images, levels: (images * (levels - 1)).floor() / (levels - 1)), NOT_NEAREST),
        Mistake(_rounding(lambda images, levels: (images * (levels - 1)).ceil() / (levels - 1)), NOT_NEAREST),
        Mistake(_rounding(lambda images, levels: (images * (levels - 1)).round()), IN_STEPS),
        Mistake(_steps_alone, IN_STEPS),
        Mistake(_scaled, SCALED),
        Mistake(_rounding(joined=lambda images, rounded: images / 2 + (rounded - images / 2).detach()), SCALED),
        Mistake(_softly, "this rounds softly, and lets some grey through: forwards it has to be what the model really sees, and the backward pass may still go another way, images + (rounded - images).detach()"),
    ),
    "9.3": (
        Mistake(lambda student, teacher, t: F.cross_entropy(student / t, teacher.argmax(1)), HARD_LABELS),
        Mistake(lambda student, teacher, t: F.cross_entropy(student, teacher.argmax(1)), HARD_LABELS),
        Mistake(_distilling(logs=lambda student, t: F.log_softmax(student, 1)), STUDENT_TOO),
        Mistake(_distilling(soft=lambda teacher, t: teacher.detach().softmax(1)), "the teacher answers at temperature 1, nearly certain of one class: soften its logits as well, (teacher / temperature).softmax(1)"),
        Mistake(_distilling(soft=lambda teacher, t: teacher.detach().softmax(1), logs=lambda student, t: F.log_softmax(student, 1)), "the temperature is not used: divide the logits of both by it, before the softmax"),
        Mistake(_distilling(soft=lambda teacher, t: (teacher.detach() * t).softmax(1), logs=lambda student, t: F.log_softmax(student * t, 1)), "the logits are multiplied by the temperature, which makes answers harder: a high temperature softens, so divide"),
        Mistake(_distilling(soft=lambda teacher, t: teacher.detach().softmax(1) / t, logs=lambda student, t: F.log_softmax(student, 1) / t), "divided by the temperature after the softmax, which only scales: divide the *logits*, then softmax"),
        Mistake(_distilling(end=lambda losses, t: t**2 * losses.mean()), SQUARED),
        Mistake(_distilling(end=lambda losses, t: t * losses.mean()), SQUARED),
        Mistake(lambda student, teacher, t: F.cross_entropy((student / t).softmax(1), (teacher.detach() / t).softmax(1)), "softmax twice for the student: F.cross_entropy takes logits, student / temperature"),
        Mistake(_distilling(soft=lambda teacher, t: (teacher.detach() / t).softmax(1).softmax(1)), "softmax twice for the teacher: once makes its logits probabilities, the second time flattens them"),
        Mistake(_distilling(soft=lambda teacher, t: teacher.detach() / t), "the teacher's logits are taken for probabilities: (teacher / temperature).softmax(1)"),
        Mistake(_distilling(soft=lambda teacher, t: F.log_softmax(teacher.detach() / t, 1)), "the teacher's *log*-probabilities are the weights here: its probabilities, softmax, are wanted, and only the student's are in the log"),
        Mistake(_distilling(logs=lambda student, t: (student / t).softmax(1)), "the logarithm is missing: F.log_softmax of the student"),
        Mistake(_distilling(end=lambda losses, t: losses.sum()), A_SUM),
        Mistake(_distilling(each=lambda soft, logs: -(soft * logs)), "the mean runs over images and classes: sum over the classes (dim=1) first, then the mean over the images"),
        Mistake(_distilling(end=lambda losses, t: losses), "one loss an image: return their mean"),
        Mistake(_distilling(end=lambda losses, t: -losses.mean()), "the minus sign is missing: -sum(p * log q)"),
        Mistake(_distilling(each=lambda soft, logs: (soft * (soft.clamp(min=1e-30).log() - logs)).sum(1)), "this is the Kullback-Leibler divergence, the cross-entropy less the teacher's own entropy. Its gradient is the same, its value is not: return the cross-entropy, -sum(p * log q)"),
        Mistake(_distilling(each=lambda soft, logs: (logs.exp() * (logs - soft.clamp(min=1e-30).log())).sum(1)), "this is the Kullback-Leibler divergence from the student to the teacher, the wrong way round: the teacher says what is true, so its probabilities are the weights, -sum(p_teacher * log p_student)"),
        Mistake(lambda student, teacher, t: distillation_loss(teacher, student, t), "student and teacher are exchanged: the teacher's probabilities are the weights of the student's logs"),
        Mistake(lambda student, teacher, t: F.mse_loss((student / t).softmax(1), (teacher.detach() / t).softmax(1)), "this is the squared difference: the cross-entropy punishes a confident mistake far more, -sum(p * log q)"),
        Mistake(_distilling(soft=lambda teacher, t: (teacher.detach() / t).softmax(0), logs=lambda student, t: F.log_softmax(student / t, 0)), COLUMNS),
        Mistake(_distilling(logs=lambda student, t: F.log_softmax(student / t, 0)), COLUMNS),
        Mistake(_distilling(soft=lambda teacher, t: (teacher.detach() / t).softmax(0)), COLUMNS),
        Mistake(_distilling(soft=_naive_softmax), OVERFLOWS),
        Mistake(_distilling(logs=lambda student, t: (student / t).softmax(1).log()), OVERFLOWS),
        Mistake(_distilling(soft=lambda teacher, t: (teacher / t).softmax(1)), TEACHER_MOVES),
        Mistake(_distilling(end=lambda losses, t: losses.mean().detach()), CUT),
        Mistake(_distilling(logs=lambda student, t: F.log_softmax(student.detach() / t, 1)), CUT),
    ),
    "9.4": (
        Mistake(
            _certifying(lower=_share_of_hits),
            "the share of hits is taken for p itself: with all hits the radius is infinite (or whatever cuts it off), and half of the time the true p is smaller than the share. A proof needs a bound that lies above the true p with probability alpha at most, beta.ppf(alpha, hits, samples - hits + 1)",
        ),
        Mistake(_certifying(lower=lambda hits, samples, alpha: special.betaincinv(samples - hits, hits + 1, alpha)), "hits and misses are exchanged: beta.ppf(alpha, hits, samples - hits + 1)"),
        Mistake(_certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits, samples, alpha)), BETA_NUMBERS),
        Mistake(_certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits + 1, samples - hits, alpha)), BETA_NUMBERS),
        Mistake(lambda hits, samples, sigma, alpha: certified_radius(hits, samples, sigma, alpha) if hits else math.nan, NAN_AT_0),
        Mistake(_certifying(share=lambda alpha: alpha / 2), TWO_SIDED),
        Mistake(_certifying(share=lambda alpha: 2 * alpha), "the bound holds only with probability 1 - 2 * alpha: it has one side, and all of alpha belongs to it once"),
        Mistake(_certifying(lower=_upper), UPPER_BOUND),
        Mistake(_certifying(share=lambda alpha: 1 - alpha), UPPER_BOUND),
        Mistake(_certifying(lower=_normal_bound), APPROXIMATE),
        Mistake(_certifying(lower=_wilson), APPROXIMATE),
        Mistake(_certifying(lower=_hoeffding), NOT_HOEFFDING),
        Mistake(_certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits + 1, samples - hits + 1, alpha)), BETA_NUMBERS),
        Mistake(_certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits or 1e-9, samples - hits or 1e-9, alpha)), BETA_NUMBERS),
        Mistake(_certifying(radius=lambda p, sigma: special.ndtri(p)), "sigma is missing: the radius is sigma * Phi^-1(p), in the units of the pixels"),
        Mistake(_certifying(radius=lambda p, sigma: sigma**2 * special.ndtri(p)), "sigma is squared: it is the standard deviation, and the radius is sigma * Phi^-1(p)"),
        Mistake(_certifying(radius=lambda p, sigma: special.ndtri(p) / sigma), "divided by sigma: more noise proves a larger radius, sigma * Phi^-1(p)"),
        Mistake(_certifying(radius=lambda p, sigma: sigma * special.ndtr(p)), "this is Phi, from a place to a probability: the way back is Phi^-1, norm.ppf"),
        Mistake(_certifying(radius=lambda p, sigma: sigma * math.exp(-p * p / 2) / math.sqrt(2 * math.pi)), "this is the density of the normal distribution: Phi^-1 is norm.ppf"),
        Mistake(_certifying(radius=lambda p, sigma: sigma / 2 * special.ndtri(p)), "half of it: sigma / 2 stands before Phi^-1(p_A) - Phi^-1(p_B), with the runner-up's p_B = 1 - p_A that is sigma * Phi^-1(p_A)"),
        Mistake(_certifying(radius=lambda p, sigma: 2 * sigma * special.ndtri(p)), "twice as much as is proved: with p_B = 1 - p_A, sigma / 2 * (Phi^-1(p_A) - Phi^-1(p_B)) is sigma * Phi^-1(p_A)"),
        Mistake(_certifying(radius=lambda p, sigma: sigma * p), "Phi^-1 is missing: the radius is sigma * Phi^-1(p), norm.ppf(p)"),
        Mistake(_certifying(radius=lambda p, sigma: sigma * special.ndtri(1 - p)), "the sign is turned round: Phi^-1(1 - p) = -Phi^-1(p), and a radius is not negative"),
        Mistake(_certifying(abstains=lambda p: False), BELOW),
        Mistake(_certifying(abstains=lambda p: False, end=lambda radius: abs(float(radius))), "where the bound is below 1/2, abs makes a radius out of nothing: no majority is proved there, so abstain, 0.0"),
        Mistake(_decides_by_hits, "the *share of hits* decides whether to abstain, and then Phi^-1 of a bound below 1/2 is negative: what counts is whether the lower bound is above 1/2"),
        Mistake(lambda hits, samples, sigma, alpha: certified_radius(hits, samples, sigma, alpha) or -1.0, "-1 stands for a class that is abstained from; a radius that is not proved is 0.0"),
        Mistake(lambda hits, samples, sigma, alpha: certified_radius(hits, samples, sigma, alpha) or math.nan, "NaN where nothing is proved (scipy returns it for hits = 0, too): abstain with 0.0"),
        *(Mistake(_certifying(radius=lambda p, sigma: p, abstains=abstains), "this is the lower bound of p: the radius is sigma * Phi^-1 of it, norm.ppf") for abstains in (lambda p: False, lambda p: p <= 0.5)),
    ),
    "9.5": (
        Mistake(_both_ends, NEGATIVE_WEIGHTS),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.T), NEGATIVE_WEIGHTS),
        Mistake(_both_ends_sorted, SORTED_ENDS),
        Mistake(_bounding(spread=lambda radius, weight, bias: (radius @ weight.T).abs()), SORTED_ENDS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.T), NO_BIAS),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.abs().T + bias), BIAS_IN_RADIUS),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.abs().T + bias.abs()), BIAS_IN_RADIUS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.T, spread=lambda radius, weight, bias: radius @ weight.abs().T + bias), BIAS_IN_RADIUS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.T, spread=lambda radius, weight, bias: radius @ weight.abs().T + bias.abs()), BIAS_IN_RADIUS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.T + bias.abs()), "the bias has lost its sign: abs belongs to the weights of the radius alone"),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.abs().T + bias), ABS_OF_WEIGHTS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.abs().T + bias, spread=lambda radius, weight, bias: radius @ weight.T), ABS_OF_WEIGHTS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre.abs() @ weight.T + bias), "the middle of the box has lost its sign: abs belongs to the weights of the radius alone"),
        Mistake(_bounding(end=lambda middle, spread: (middle + spread, middle - spread)), EXCHANGED),
        Mistake(_bounding(radius=lambda low, high: high - low), HALF),
        Mistake(_bounding(centre=lambda low, high: low + high), "the middle is (low + high) / 2: with brackets, and divided by 2"),
        Mistake(_bounding(centre=lambda low, high: low + high / 2, radius=lambda low, high: high - low / 2), "a division comes before a sum: (low + high) / 2, (high - low) / 2"),
        Mistake(_bounding(centre=lambda low, high: low + high / 2), "a division comes before a sum: (low + high) / 2"),
        Mistake(_bounding(radius=lambda low, high: high - low / 2), "a division comes before a difference: (high - low) / 2"),
        Mistake(_bounding(radius=lambda low, high: (low - high) / 2), EXCHANGED),
        Mistake(_bounding(centre=lambda low, high: low), "the radius is laid around `low`: it belongs around the middle, (low + high) / 2"),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.clamp(min=0).T), "only the positive weights widen the interval here: the negative ones do as well, each by its |weight|"),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius.norm(dim=1, keepdim=True) * weight.norm(dim=1)), "these lengths bound what a *ball* (l2) can do, and are wider than need be: for a box each input counts by itself, radius @ weight.abs().T"),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius.amax(1, keepdim=True) * weight.abs().sum(1)), "the largest radius is taken for all inputs: bounds that hold, but wider than need be. Each input has its own radius, radius @ weight.abs().T"),
        Mistake(_bounding(end=lambda middle, spread: (middle, spread)), "these are middle and radius: return middle - radius, middle + radius"),
        Mistake(_bounding(end=lambda middle, spread: ((middle - spread).relu(), (middle + spread).relu())), "the ReLU is a layer of its own: here only x @ weight.T + bias"),
    ),
}
