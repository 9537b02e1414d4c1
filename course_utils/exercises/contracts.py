"""What every function of the course owes to whoever calls it; an attempt that breaks it is told so, in any exercise.

`civil` watches each call for what it leaves behind. `broken` looks, once a result is wrong, for a property that the
reference has and the attempt lacks.
"""

import copy
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import count, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.exercises.differences import NotYet, describe_difference
from course_utils.exercises.edits import Mistake
from course_utils.exercises.timeout import TooLong

LEFT_BEHIND = {
    "seed": "a seed is set inside your function, so that from then on all random numbers of the lesson repeat "
    "themselves: leave torch.manual_seed to whoever calls it",
    "switch": "a switch of torch is thrown and stays so after your function: `with torch.no_grad():` (and no "
    "set_grad_enabled, no set_default_dtype) ends where its block ends",
    "list in place": "this changes the list or dict that it was given (pop, sort, del and `[...] =` do): walk through "
    "it, or work on a copy, `sorted(...)` or `list(...)`",
    "weights": "this changes the network that it was given, its weights or its layers: it is used again, so leave it "
    "as it is",
    "gradients": "the weights hold other gradients than before, and the next training step would use them: `backward` "
    "fills the .grad of every weight. `torch.autograd.grad(loss, images)` touches the images alone, and a loss that "
    "you return is for the caller to call backward on",
    "frozen": "the weights ask for no gradient any more: leave their requires_grad alone",
    "mode": "the network is in another mode afterwards: `train()` switches dropout on, `eval()` off, and both stay. "
    "Leave the mode as it is",
    "in place": "this changes what it was given: `-=`, `/=`, `+=`, methods ending in `_` and `x[...] =` do; compute "
    "new tensors, or work on a copy, .clone()",
    "asks": "`requires_grad_()` or `backward()` leaves its mark on the caller's own tensors: work on a copy, "
    "`.clone().requires_grad_()`, and ask with `torch.autograd.grad`",
    "graph": "the result asks for a gradient, though nothing that was given does: end with .detach()",
    "kept": "the result of an earlier call has other numbers now: the function keeps a tensor from call to call and "
    "hands the same one out again. Make a new one in each call",
}


def civil(attempt: Callable, trains: bool = False, calls: list | None = None) -> Callable:
    """The attempt, refused in words if a call leaves anything behind; ``calls`` takes down what it is asked and says.

    It may draw random numbers, but not seed them; it may not change the tensors, lists and dicts that it is given, nor
    a network (but one that it ``trains``), nor the switches of torch, nor what an earlier call returned. What it draws
    changes nothing for who asks next.
    """
    seeds, earlier = count(1_000_003), []

    def call(*given, **named):
        everything = given, named
        if calls is not None:
            calls.append(copied(given))
        parts, switches, seed = list(parts_of(everything)), _switches(), next(seeds)
        before = _marks(parts, trains)
        state, over = torch.get_rng_state(), False
        torch.default_generator.manual_seed(seed)
        try:
            result = attempt(*given, **named)
        except TooLong:  # whoever waited for this has put all of it back, and may have gone on long ago
            over = True
            raise
        finally:
            seeded, thrown = torch.initial_seed() != seed, _switches() != switches
            if not over:
                torch.set_rng_state(state)
                torch.set_grad_enabled(switches[0])
                torch.set_default_dtype(switches[1])
        returned = [each for each in parts_of(result) if isinstance(each, Tensor)]
        free = any(isinstance(each, torch.nn.Module) or getattr(each, "requires_grad", False) for each in parts)
        left = {
            "seed": seeded,
            "switch": thrown,
            "list in place": [*map(id, parts)] != [*map(id, parts_of(everything))],
            **{name: not _same(mark, before[name]) for name, mark in _marks(parts, trains).items()},
            "graph": not free and any(each.requires_grad for each in returned),
            "kept": not all(_same(tensor.detach(), copy) for tensor, copy in earlier),
        }
        for name, is_left in left.items():
            if is_left:
                raise NotYet(LEFT_BEHIND[name], kind=name)
        earlier.extend((each, each.detach().clone()) for each in returned)
        return result

    return call


def parts_of(thing: Any) -> Iterator[Any]:
    """A thing, and all that the lists, tuples and dicts in it hold."""
    yield thing
    if isinstance(thing, dict):
        thing = [*thing, *thing.values()]
    if isinstance(thing, (list, tuple)):
        for each in thing:
            yield from parts_of(each)


def _switches():
    return torch.is_grad_enabled(), torch.get_default_dtype()


def _marks(parts, trains):
    """What a call must leave as it is, by the name of what it would leave behind."""
    tensors = [each for each in parts if isinstance(each, Tensor)]
    networks = [each for each in parts if isinstance(each, torch.nn.Module) and not trains]
    layers = [layer for network in networks for layer in network.modules()]
    weights = [each for network in networks for each in network.parameters()]
    numbers = [each for network in networks for each in network.state_dict().values()]
    return {
        "weights": [*map(str, layers), *(each.clone() for each in numbers)],
        "gradients": [each.grad.clone() if each.grad is not None and each.grad.any() else None for each in weights],
        "frozen": [each.requires_grad for each in weights],
        "mode": [layer.training for layer in layers],
        "in place": [each.detach().clone() for each in tensors],
        "asks": [(each.requires_grad, each.is_leaf and each.grad is not None) for each in tensors],
    }


def _same(a, b):
    """Whether two nests of lists hold equal tensors and things; NaN equals NaN."""
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        alike = a.shape == b.shape and a.dtype == b.dtype
        return alike and (torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all()))
    return type(a) is type(b) and a == b


BROKEN = {
    "state": "the same question gets another answer the second time: your function keeps something from call to call "
    "(a global, a list or a tensor made outside of it, a default that is changed). Make all of it anew inside",
    "size": "what has the same size gets the same answer: your function keeps its answers (a cache, a buffer)",
    "zero": "every number that your function returns is 0",
    "constant": "your function gives the same answer whatever it is given: is the first one kept, or nothing used?",
    "ignored": "`{0}` has no say in the answer: another `{0}` gives the same. Is a number written out in its place, or "
    "another name used?",
    "per image": "the first one gets another answer alone than together with the others: each has to be treated by "
    "itself. Which dimension does each step (a mean, a norm, a maximum, a softmax) run over?",
    "factor": "every number is {0:.4g} times the right one: a factor too much, or one missing",
}


def unsteady(attempt: Callable, reference: Callable, calls: list[tuple]) -> Mistake | None:
    """Whether an attempt has no answer of its own to these calls: it changes from time to time, or is always 0."""
    for first, second in pairwise(_plain(calls)):
        judged = is_numbers(answer_to(attempt, first)) and not differs(reference, first, first)
        if judged and differs(attempt, first, first, between=second):
            return Mistake(attempt, BROKEN["state"], "state")
    found, right = ([answer_to(one, call) for call in _plain(calls)] for one in (attempt, reference))
    dull = [isinstance(x, Tensor) and not x.any() for x in found]
    return Mistake(attempt, BROKEN["zero"], "constant") if found and all(dull) and right[0].any() else None


def remembered(attempt: Callable, reference: Callable, calls: list[tuple]) -> Mistake | None:
    """Whether a right attempt answers from memory: a result changes later, or what has the same size has the same."""
    alike = []
    for call in _plain(calls):
        for place, own in enumerate(call):
            other = next(_with_another(call, place, []), None) if isinstance(own, Tensor) else None
            if other and differs(reference, call, other):
                first = answer_to(attempt, call)
                before = copied(first)
                alike.append(not describe_difference(answer_to(attempt, other), before))
                if is_numbers(first) and describe_difference(first, before):
                    return Mistake(attempt, LEFT_BEHIND["kept"], "kept")
    return Mistake(attempt, BROKEN["size"], "state") if alike and all(alike) else None


def broken(attempt: Callable, reference: Callable, calls: list[tuple]) -> Mistake | None:
    """The first property that the reference shows on these calls, and the attempt does not."""
    found = next(_broken(attempt, reference, _plain(calls)), None)
    return found and Mistake(attempt, BROKEN[found[0]].format(*found[1:]), found[0])


def _broken(attempt, reference, calls):
    if not calls or not is_numbers(answer_to(attempt, calls[0])):
        return
    varies = [call for call in calls if differs(reference, call, calls[0])]
    if varies and not any(differs(attempt, call, calls[0]) for call in varies):
        yield ("constant",)
    for place, name in enumerate(signature(reference).parameters):
        asked = [(call, other) for call in calls for other in _with_another(call, place, calls)]
        asked = [pair for pair in asked if not any(isinstance(answer_to(reference, call), str) for call in pair)]
        telling = [pair for pair in asked if differs(reference, *pair)]
        if telling and not any(differs(attempt, *pair) for pair in telling):
            yield "ignored", name
    certain = [call for call in calls if not describe_difference(*(answer_to(reference, call, k) for k in (2, 1)))]
    pairs = [(call, alone) for call in certain if (alone := _first_alone(call))]
    if all(_is_row(reference, *pair) for pair in pairs) and any(_is_row(attempt, *pair) is False for pair in pairs):
        yield ("per image",)
    if ratio := _ratio(*([answer_to(one, call) for call in calls] for one in (attempt, reference))):
        yield "factor", ratio


def _plain(calls):
    """The first calls that can be repeated: none of their arguments is a function, which may count how it is asked."""
    asks = [any(callable(x) and not isinstance(x, torch.nn.Module) for x in parts_of(call)) for call in calls]
    return [call for call, counts in zip(calls, asks, strict=True) if not counts][:12]


def _ratio(found, right):
    """By what all numbers of the answers differ from the right ones, if that is always the same."""
    pairs = [(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(found, right, strict=True)]
    if not pairs or any(a.shape != b.shape for a, b in pairs):
        return 0.0
    found, right = (torch.cat([pair[i].detach().double().flatten() for pair in pairs]) for i in (0, 1))
    ratio = ((found * right).sum() / right.square().sum()).item()
    told = abs(ratio - 1) > 1e-3 and right.numel() > 2
    return ratio if told and torch.allclose(found, ratio * right, rtol=1e-4, atol=1e-7) else 0.0


def answer_to(function: Callable, call: tuple, seed: int = 1) -> Any:
    """What a function makes of a call, with the same random numbers each time; an error is an answer too."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)
        try:
            return function(*copied(call))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            np.random.set_state(state)


def differs(function: Callable, call: tuple, other: tuple, between: tuple = ()) -> bool:
    """Whether a function's answers to two calls differ; with another call in between."""
    first = answer_to(function, call)
    if between:
        answer_to(function, between)
    return bool(describe_difference(answer_to(function, other), first))


def _with_another(call, place, calls):
    """A call with the argument in one place taken from the other calls, or changed a little."""
    if place >= len(call):
        return
    own = call[place]
    others = [other[place] for other in calls if place < len(other)]
    if isinstance(own, Tensor) and own.numel() > 1:
        order = torch.randperm(own.numel(), generator=torch.Generator().manual_seed(0))
        others.append(own.flatten()[order].view_as(own))
    if type(own) in {int, float} and own > 1e-9:
        others.append((own + 1) // 2 if isinstance(own, int) else own / 2)
    for other in others:
        alike = type(other) is type(own) and getattr(other, "shape", None) == getattr(own, "shape", None)
        if alike and describe_difference(other, own):
            yield (*call[:place], other, *call[place + 1 :])


def _first_alone(call):
    """The call with the first row alone of all that have as many rows as the first tensor; empty if that is one."""
    rows = next((len(each) for each in call if isinstance(each, Tensor) and each.ndim > 1), 0)
    cut = [each[:1] if isinstance(each, Tensor) and each.ndim and len(each) == rows else each for each in call]
    return tuple(cut) if rows > 1 else ()


def _is_row(function, call, alone):
    """Whether what is said to the first alone is the first row of what is said to all; None where that has no rows."""
    whole, row = answer_to(function, call), answer_to(function, alone)
    if not isinstance(whole, Tensor) or not isinstance(row, Tensor) or not whole.ndim or whole[:1].shape != row.shape:
        return None
    return not describe_difference(row, whole[:1])


def is_numbers(answer: Any) -> bool:
    """Whether an answer is real numbers, which can be compared."""
    parts = [each for each in parts_of(answer) if not isinstance(each, (tuple, list))]
    real = [type(x) in {int, float, bool} or (isinstance(x, Tensor) and not x.is_complex()) for x in parts]
    return bool(parts) and all(real)


def copied(thing: Any) -> Any:
    """Copies of tensors, networks and generators, in new tuples, lists and dicts; anything else as it is."""
    if isinstance(thing, Tensor):
        return thing.detach().clone().requires_grad_(thing.requires_grad)
    if isinstance(thing, torch.Generator):
        return thing.clone_state()
    if isinstance(thing, torch.nn.Module):
        return copy.deepcopy(thing)
    if isinstance(thing, dict):
        return {key: copied(value) for key, value in thing.items()}
    return type(thing)(map(copied, thing)) if type(thing) in (list, tuple) else thing
