"""What the exercises of more than one lesson use: a small network to attack, and ways to look at an answer."""

from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises._core import NotYet, _point_at, describe_difference

CLASSES, SIDE = 4, 6
KEPT, CHANGED = "as it was", "changed: compute something new, or work on a copy"


def small_network():
    """A small curved network in evaluation mode; its dropout shows who switches it to training."""
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(SIDE * SIDE, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, CLASSES)
    )
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)
        network[1].weight[:, 0] = 0  # the first pixel has no say: its gradient is 0
    return network.eval()


def small_images(number):
    """Images with pixels inside (0, 1), and some that are exactly black or white."""
    return (1.4 * torch.rand(number, 1, SIDE, SIDE) - 0.2).clamp(0, 1)


SEED_INSIDE = (
    "a seed is set inside your function, so that from then on all random numbers of the lesson repeat themselves: "
    "leave torch.manual_seed to whoever calls it"
)
IN_PLACE = "this changes what it was given: `-=`, `/=`, `+=` and methods ending in `_` do; compute new tensors"
LIST_IN_PLACE = "this changes the list or dict that it was given: work on a copy, `sorted(...)` or `list(...)`"
ASKS = (
    "`requires_grad_()` or `backward()` leaves its mark on the caller's own tensors: work on a copy, "
    "`.clone().requires_grad_()`, and ask with `torch.autograd.grad`"
)
GRADIENTS = (
    "the weights hold other gradients than before, and the next training step would use them: `backward` fills the "
    ".grad of every weight. `torch.autograd.grad(loss, images)` touches the images alone"
)
WEIGHTS = (
    "this changes the network that it was given, its weights or its layers: it is used again, so leave it as it is"
)
FROZEN = "the weights ask for no gradient any more: leave their requires_grad alone"
MODE = (
    "the network is in another mode afterwards: `train()` switches dropout on, `eval()` off, and both stay. Leave the "
    "mode as it is"
)
KEPT_FOR_LATER = (
    "the result of an earlier call has other numbers now: the function keeps a tensor from call to call and hands the "
    "same one out again. Make a new one in each call"
)
SWITCH_LEFT = (
    "a switch of torch is thrown and stays so after your function: `with torch.no_grad():` (and no set_grad_enabled, "
    "no set_default_dtype) ends where its block ends"
)


def civil(attempt, trains=False):
    """The attempt, refused in words if a call leaves anything behind.

    It may draw random numbers, but not seed them; it may not change the tensors, lists and dicts that it is given, nor
    a network (but one that it ``trains``), nor the switches of torch, nor what an earlier call returned. What it draws
    changes nothing for who asks next.
    """
    earlier = []

    def call(*given):
        switches, seed = _switches(), int(torch.randint(2**62, ()))
        marks = [_marks(each, trains) for each in given]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            try:
                result = attempt(*given)
            finally:
                seeded, thrown = torch.initial_seed() != seed, _switches() != switches
                torch.set_grad_enabled(switches[0])
                torch.set_default_dtype(switches[1])
        if seeded:
            raise NotYet(SEED_INSIDE)
        if thrown:
            raise NotYet(SWITCH_LEFT)
        for each, before in zip(given, marks, strict=True):
            for message, mark in _marks(each, trains).items():
                if not _same(mark, before[message]):
                    raise NotYet(message)
        if not all(torch.equal(tensor, copy) for tensor, copy in earlier if not copy.isnan().any()):
            raise NotYet(KEPT_FOR_LATER)
        returned = result if isinstance(result, (tuple, list)) else [result]
        earlier.extend((each, each.detach().clone()) for each in returned if isinstance(each, Tensor))
        return result

    return call


def _switches():
    return torch.is_grad_enabled(), torch.get_default_dtype()


def _marks(thing, trains):
    """What a call must leave as it is, by what to say if it does not."""
    if isinstance(thing, Tensor):
        asks = thing.requires_grad, thing.is_leaf and thing.grad is not None
        return {IN_PLACE: thing.detach().clone(), ASKS: asks}
    if isinstance(thing, nn.Module) and not trains:
        weights = list(thing.parameters())
        return {
            WEIGHTS: [*map(str, thing.modules()), *(value.clone() for value in thing.state_dict().values())],
            GRADIENTS: [each.grad if each.grad is None else each.grad.clone() for each in weights],
            FROZEN: [each.requires_grad for each in weights],
            MODE: [module.training for module in thing.modules()],
        }
    if isinstance(thing, dict):
        thing = [*thing, *thing.values()]
    if isinstance(thing, (list, tuple)):
        return {LIST_IN_PLACE: [each.clone() if isinstance(each, Tensor) else each for each in thing]}
    return {}


def _same(a, b):
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a is b or (type(a) is type(b) and not isinstance(a, Tensor) and a == b)


def watch(name, network, images, attack):
    """The images that an attack returns, and what it did to its inputs on the way."""
    before, weights = images.clone(), [p.detach().clone() for p in network.parameters()]
    given = images.clone()
    result = attack(given)
    if isinstance(result, nn.Module) or callable(result):
        raise NotYet("this returns a function: return the changed images themselves")
    want_type(result, images, f"the result for {name}")
    moved = any(not torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))
    traces = {
        "the result still carries its graph (end with .detach())": isinstance(result, Tensor) and result.requires_grad,
        "the caller's images are changed (compute a new tensor)": not torch.equal(given.detach(), before),
        "the caller's images ask for a gradient now (work on images.clone())": given.requires_grad,
        "the weights hold gradients (torch.autograd.grad(loss, images) touches the images alone)": any(
            p.grad is not None for p in network.parameters()
        ),
        "the weights are changed": moved,
        "the weights ask for no gradient any more (leave their requires_grad alone)": not all(
            p.requires_grad for p in network.parameters()
        ),
        "the network is in training mode (leave its mode alone)": network.training,
    }
    network.zero_grad()
    network.requires_grad_().eval()
    return {
        f"the result for {name}": result.detach().clone() if isinstance(result, Tensor) else result,
        f"the clean images for {name}": before,
        f"traces that are left behind ({name})": "; ".join(text for text, left in traces.items() if left) or "none",
    }


def draw_change(name):
    """Draws the changes that the reference and the attempt made to the first image."""

    def draw(seen, expected):
        clean = expected[f"the clean images for {name}"][0, 0]
        canvas, axes = figures.figure(6.0, 2.4, ncols=3)
        figures.show(axes[0], clean[None], title="the image")
        for axis, observed, title in zip(axes[1:], (expected, seen), ("the reference's change", "yours"), strict=True):
            change = observed[f"the result for {name}"][0, 0] - clean
            scale = max(change.abs().max().item(), 1e-6)
            axis.imshow((change / scale).numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[], title=title, xlabel=f"largest: {scale:.3g}")
        return figures.picture(canvas, "A small image, the change that the reference makes to it, and yours.")

    return draw


def pixel_slope(model, images, classes, loss=F.cross_entropy):
    """The gradient of the loss in the pixels."""
    images = images.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(model(images), classes), images)
    return gradient


def want_like(found, right, where):
    """Refuse what is no tensor of the right shape and type; its values are judged elsewhere."""
    if not isinstance(found, Tensor) or found.shape != right.shape:
        raise NotYet(describe_difference(found, right, where))
    want_type(found, right, where)


def want_type(found, right, where):
    """Refuse a tensor of the right shape but of another type: no network would take it."""
    if isinstance(found, Tensor) and found.shape == right.shape and found.dtype != right.dtype:
        raise NotYet(f"{where}: got {found.dtype}, expected {right.dtype}, the type of what it was given")


def want_new(found, what, *given):
    """Refuse a result that shares its numbers with what was given: a change of one would change the other."""
    if any(found.untyped_storage().data_ptr() == each.untyped_storage().data_ptr() for each in given):
        raise NotYet(f"this hands back {what}, or a view of the same numbers: return a new tensor, .clone() makes one")


def want_two(result, what):
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise NotYet(f"return two things: {what}")


def up_to_the_first_difference(pairs):
    """What was seen, from the coarse to the fine, and no further than where it is wrong: one fault hides no other."""
    seen = {}
    for found, right in pairs:
        seen |= found
        if describe_difference(found, right):
            break
    return seen


def advised(attempt, advice):
    """The attempt, with advice beside the errors whose text contains one of the keys."""

    def asked(*given):
        try:
            return attempt(*given)
        except Exception as error:
            for text, word in advice.items():
                if text in str(error):
                    raise NotYet(f"{_point_at(error)}\n\n{word}") from None
            raise

    return asked


def afterwards(name, given, inputs):
    """What became of the inputs, whose copies are ``given``: found and right."""
    what = f"what it was given, afterwards ({name})"
    return {what: KEPT if all(map(torch.equal, given, inputs)) else CHANGED}, {what: KEPT}


def looks(attempt, what, cases, plain=lambda result: result):
    """What an attempt makes of the inputs of each case, and what became of these; a case is tensors and the rest."""
    seen = {}
    for name, (inputs, *rest) in cases.items():
        given = [each.clone() for each in inputs]
        seen[f"{what} ({name})"] = plain(attempt(*given, *rest))
        seen |= afterwards(name, given, inputs)[0]
    return seen


def as_number(result):
    """A tensor or an array that is one real number, as a Python number; anything else as it is."""
    if isinstance(result, str):
        raise NotYet("this returns a text: return the number itself, without str() and without an f-string")
    if getattr(result, "ndim", None) != 0:
        return result
    value = result.item()
    return float(value) if isinstance(value, (int, float)) else result


CUT = (
    "the numbers are right, but no gradient leads from them to what they were computed from, so nothing can be trained "
    "(or attacked) through them: leave out .item(), .detach(), no_grad, numpy and new tensors made of numbers"
)


def slopes(attempt, what, cases):
    """The gradients of an attempt's result, whose values are right, in what it was given."""
    seen = {}
    for name, (inputs, *rest) in cases.items():
        given = [each.clone().requires_grad_(each.is_floating_point()) for each in inputs]
        wanted = [each for each in given if each.requires_grad]
        result = attempt(*given, *rest)
        if not isinstance(result, Tensor) or not result.requires_grad:
            raise NotYet(CUT)
        weights = torch.linspace(1, 2, result.numel()).view(result.shape)
        found = torch.autograd.grad((result * weights).sum(), wanted, allow_unused=True)
        if None in found:
            raise NotYet(CUT)
        seen[f"the gradient of {what} ({name})"] = list(found)
    return seen


def in_stages(attempt, reference, what, *stages, plain=lambda result: result):
    """For `up_to_the_first_difference`: the cases of each stage, found and right. Corners make a stage of their own."""
    for cases in stages:
        yield looks(attempt, what, cases, plain), looks(reference, what, cases, plain)


def types(attempt, cases):
    """The types of what an attempt, whose values are right, returns; a network takes no other type than its own."""
    return {
        f"the type of the result ({name})": ", ".join(f"{each.dtype}" for each in _tensors([attempt(*inputs, *rest)]))
        for name, (inputs, *rest) in cases.items()
    }


def in_the_same_memory(result, inputs):
    """Whether a tensor shares its numbers with one of the inputs, so that a change of one changes the other."""
    ours = {each.untyped_storage().data_ptr() for each in inputs if each.numel()}
    return isinstance(result, Tensor) and result.untyped_storage().data_ptr() in ours


EVENLY = "evenly to all sides"


def spread(units):
    """How unit vectors are spread, in words: their first, second and fourth moments.

    A right answer is 6 standard errors away from every limit.
    """
    number, d = units.shape
    if (units @ units[0]).abs().min() > 0.999:
        return "along one line"
    if units.mean(0).abs().max() * (number * d) ** 0.5 > 6:
        return "more to one side"
    if (d * units.T @ units / number - torch.eye(d)).abs().max() > 9 / number**0.5:
        return "more along some lines than along others"
    mean = 3 / (d + 2)
    variance = (105 + 9 * (d - 1)) / ((d + 2) * (d + 4) * (d + 6)) - mean**2
    error = (units.pow(4).sum(1).mean() - mean) * (number / variance) ** 0.5
    return "more to the corners of the cube" if error < -6 else "more to the axes" if error > 6 else EVENLY


NOTHING_LEFT = "nothing"
SEEDED = "a seed, after which everybody draws the same numbers: leave out torch.manual_seed"
SWITCHED = (
    "gradients switched off, or another default type, for all that follows: `with torch.no_grad():` ends by itself"
)
ASKING = "inputs that ask for a gradient now, or hold one: let a tensor of your own do that, x.detach().clone()"
UNASKED = "a result that asks for a gradient, though nothing that was given does: .detach()"
REUSED = (
    "other numbers in the result of an *earlier* call: make a new tensor in each call, none that is kept for the next"
)


def undisturbed(probe):
    """The probe, where each call draws random numbers of its own; and, last, what the attempt leaves behind for others.

    So an attempt may draw as it likes without changing what the probe draws.
    """

    def observe(attempt):
        seeds, earlier, left = count(1_000_003), [], {}

        def call(*given, **named):
            inputs, seed = list(_tensors(given)), next(seeds)
            before, settings = [_asking(each) for each in inputs], (torch.is_grad_enabled(), torch.get_default_dtype())
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                try:
                    result = attempt(*given, **named)
                    found = {
                        SEEDED: torch.initial_seed() != seed,
                        SWITCHED: (torch.is_grad_enabled(), torch.get_default_dtype()) != settings,
                        ASKING: [_asking(each) for each in inputs] != before,
                        UNASKED: _unasked(result, given, inputs),
                        REUSED: not all(_equal(tensor, copy) for tensor, copy in earlier),
                    }
                finally:
                    torch.set_grad_enabled(settings[0])
                    torch.set_default_dtype(settings[1])
            left.update((text, True) for text, is_left in found.items() if is_left)
            earlier.extend((each, each.detach().clone()) for each in _tensors([result]))
            return result

        return probe(call) | {"what is left behind for others": "; ".join(left) or NOTHING_LEFT}

    return observe


def _tensors(nest):
    """All tensors of a nest of lists and tuples."""
    for each in nest:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, (list, tuple)):
            yield from _tensors(each)


def _asking(tensor):
    return tensor.requires_grad, tensor.is_leaf and tensor.grad is not None


def _unasked(result, given, inputs):
    from_a_network = any(isinstance(each, nn.Module) for each in given)
    return (
        not from_a_network
        and not any(x.requires_grad for x in inputs)
        and any(x.requires_grad for x in _tensors([result]))
    )


def _equal(tensor, copy):
    return tensor.shape == copy.shape and bool(((tensor == copy) | ((tensor != tensor) & (copy != copy))).all())
