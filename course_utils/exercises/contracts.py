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


# Properties.


def plain(calls: list[tuple]) -> list[tuple]:
    """The first calls that can be repeated: none of their arguments is a function, which may count how it is asked."""
    return [call for call in calls if not any(map(_answers, parts_of(call)))][:12]


def unsteady(attempt: Callable, reference: Callable, calls: list[tuple]) -> Mistake | None:
    """Whether an attempt has no answer of its own to these plain calls: it changes with time, or is always 0."""
    for first, second in pairwise(calls):
        judged = not differs(reference, first, reference, first) and is_numbers(answer_to(attempt, first))
        if judged and differs(attempt, first, attempt, first, again=second):
            return Mistake(
                attempt,
                "the same question gets another answer the second time: your function keeps something from call to "
                "call (a global, a list or a tensor made outside of it, a default that is changed). Make all of it "
                "anew inside",
                "state",
            )
    found, right = ([answer_to(one, call) for call in calls] for one in (attempt, reference))
    if all(isinstance(x, Tensor) and not x.any() for x in found) and any(
        isinstance(x, Tensor) and x.any() for x in right
    ):
        return Mistake(attempt, "every number that your function returns is 0", "constant")
    return None


def broken(attempt: Callable, reference: Callable, calls: list[tuple]) -> Mistake | None:
    """The first property that the reference shows on these plain calls, and the attempt does not."""
    names = list(signature(reference).parameters)
    if not calls or not is_numbers(answer_to(attempt, calls[0])):
        return None
    varies = [call for call in calls if differs(reference, call, reference, calls[0])]
    if varies and not any(differs(attempt, call, attempt, calls[0]) for call in varies):
        same = (
            "your function gives the same answer whatever it is given: is the first one kept, or an argument not used?"
        )
        return Mistake(attempt, same, "constant")
    for place, name in enumerate(names):
        asked = [(call, other) for call in calls for other in _with_another(call, place, calls)]
        asked = [pair for pair in asked if not any(isinstance(answer_to(reference, call), str) for call in pair)]
        telling = [(call, other) for call, other in asked if differs(reference, call, reference, other)]
        if telling and not any(differs(attempt, call, attempt, other) for call, other in telling):
            return Mistake(
                attempt,
                f"`{name}` has no say in the answer: another `{name}` gives the same. Is a number written out in its "
                "place, or another name used?",
                "ignored",
            )
    for call in calls:
        alone = _first_alone(call)
        if alone and _is_row(reference, call, alone) and _is_row(attempt, call, alone) is False:
            return Mistake(
                attempt,
                "the first one gets another answer alone than together with the others: each has to be treated by "
                "itself. Which dimension does each step (a mean, a norm, a maximum, a softmax) run over?",
                "per image",
            )
    ratio = _ratio(*([answer_to(one, call) for call in calls] for one in (attempt, reference)))
    if ratio:
        return Mistake(
            attempt, f"every number is {ratio:.4g} times the right one: a factor too much, or one missing", "factor"
        )
    return None


def _ratio(found, right):
    """By what all numbers of the answers differ from the right ones, if that is always the same."""
    pairs = [(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(found, right, strict=True)]
    if not pairs or any(a.shape != b.shape for a, b in pairs):
        return 0.0
    found, right = (torch.cat([pair[i].detach().double().flatten() for pair in pairs]) for i in (0, 1))
    ratio = ((found * right).sum() / right.square().sum()).item()
    return ratio if right.numel() > 2 and torch.allclose(found, ratio * right, rtol=1e-4, atol=1e-7) else 0.0


def _answers(thing):
    """Whether it can be asked, so that asking again may count."""
    return callable(thing) and not isinstance(thing, (torch.nn.Module, type))


def answer_to(function: Callable, call: tuple) -> Any:
    """What a function makes of a call, with the same random numbers each time; an error is an answer too."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(1)
        np.random.seed(1)
        try:
            return function(*copied(call))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            np.random.set_state(state)


def differs(one: Callable, call: tuple, another: Callable, other: tuple, again: tuple = ()) -> bool:
    """Whether two answers differ; with ``again``, after that was asked in between."""
    first = answer_to(one, call)
    if again:
        answer_to(one, again)
    return bool(describe_difference(answer_to(another, other), first))


def _with_another(call, place, calls):
    """A call with the argument in one place taken from the other calls, or changed a little."""
    if place >= len(call):
        return
    own = call[place]
    others = [other[place] for other in calls if place < len(other)]
    if isinstance(own, Tensor) and own.is_floating_point() and own.numel() > 1:
        others.append(own.flatten().flip(0).view_as(own))
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
    if not isinstance(whole, Tensor) or not isinstance(row, Tensor) or not whole.ndim or not row.ndim:
        return None
    return not describe_difference(row, whole[:1])


def is_numbers(answer: Any) -> bool:
    """Whether an answer is real numbers, which can be compared; True and False are none."""
    parts = [each for each in parts_of(answer) if not isinstance(each, (tuple, list))]
    return bool(parts) and all(
        isinstance(x, (int, float)) or (isinstance(x, Tensor) and not x.is_complex()) for x in parts
    )


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
