"""One table for all exercises: how a wrong answer of a common kind relates to the right one.

`RESULTS` change what the reference returns, `NUMBERS`, `TENSORS` and `NETWORKS` one of its arguments, `PARTS` its
source. An entry is written like a mistake of the bank (`edits`), with its kind before the message; x is the result or
the argument, NAME that argument's name. Each makes wrong answers out of any reference; who gives one of them is told.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache, partial
from inspect import signature
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.exercises.contracts import answer_to
from course_utils.exercises.edits import Mistake, compiled, entries, source_of

RESULTS = """
`-x`: minus: the sign is wrong: this is minus what is asked for
`100 * x`: per cent: this is 100 times too large: the number itself is asked for, not per cent
`x / 100`: per cent: this is 100 times too small: no per cent here
`255 * x`: levels: this is 255 times too large: pixels, and changes of them, run from 0 to 1 here
`x / 255`: levels: this is 255 times too small: pixels, and changes of them, run from 0 to 1 already
`x * x`: root: this is the *square* of what is asked for: the root is missing
`x.sqrt()`: root: this is the *root* of what is asked for: a root too much, or a square is missing
`2 * x`: factor: this is twice what is asked for
`x / 2`: factor: this is half of what is asked for
`1 / x`: inverse: this is one over what is asked for: the fraction stands upside down
`1 - x`: complement: this is 1 - what is asked for: the other side is counted
`x.log()`: logarithm: this is the logarithm of what is asked for: take exp
`x.exp()`: logarithm: this is exp of what is asked for: a logarithm is missing at the end
`rows(x).softmax(-1)` | `rows(x).log_softmax(-1)`: softmax: one softmax too many, at the end
`rows(x).mean()` | `rows(x).mean(0)`: mean: this is a mean over the whole batch: one for each is asked for, not one for
    all
`rows(x).mean(-1)`: mean: this is the mean over the last dimension, which is to stay
`rows(x).sum()` | `rows(x).sum(0)`: sum: this is a sum over the whole batch: one for each is asked for, not one for all
`rows(x).amax()` | `rows(x).amax(0)`: largest: this is the largest of the whole batch: one for each is asked for
`x[:1]` | `x[0]`: first: this is the answer for the first one alone: all are asked for
`x[-1:]` | `x[-1]`: first: this is the answer for the last one alone: all are asked for
`x[:1].expand_as(x)`: first: all get the answer of the first one: each its own
`rows(x).roll(1, 0)`: off by one: off by one: each stands one place too far
`rows(x).roll(-1, 0)`: off by one: off by one: each stands one place too early
`x + 1`: off by one: off by one: this is 1 too much
`x - 1`: off by one: off by one: this is 1 too little
`rows(x)[..., None]`: shape: the values are right, but in a column, (N, 1): want (N,), without keepdim
`x[None]`: shape: the values are right, but there is one dimension too many, in front
`table(x).mT`: transposed: this is transposed: the last two dimensions are exchanged
`table(x).transpose(0, 1)`: transposed: the first two dimensions are exchanged
`table(x).mT.reshape(x.shape)` | `table(x).transpose(0, 1).reshape(x.shape)`: reshape: the numbers are right, and stand
    in other places: reshape and view cut the row of numbers anew; permute and transpose exchange dimensions
`rows(x).flip(0)`: order: the numbers are right, but in reverse order
`x.sort(0).values`: order: the numbers are right, but sorted: keep the order of what was given
`x.abs()`: abs: the signs are lost: no abs() at the end
`(x > 0) * 1.0` | `(x > 0.5) * 1.0`: yes or no: this says yes or no: how much is asked for
`x.sign()`: sign: this is the sign alone: the size is asked for, too
`x.round()` | `(100 * x).round() / 100`: rounded: this is rounded: return the number as it comes
`x.clamp(0, 1)`: cut: this is cut to [0, 1]: leave out clamp
`x / rows(x).sum(-1, keepdim=True)`: scaled: this is scaled to sum 1: leave it as it is
`F.normalize(rows(x), dim=-1)`: scaled: this is scaled to length 1: leave it as it is
`x.argmax(-1)` | `x.argmin(-1)`: index: this is an index: the value there is asked for
"""
NUMBERS = """
`x + 1 if type(x) is int else 1 / 0`: off by one: off by one: it is done for `NAME` + 1
`x - 1 if type(x) is int else 1 / 0`: off by one: off by one: it is done for `NAME` - 1
`-x if type(x) is float else 1 / 0`: minus: `NAME` enters with the wrong sign
`x / 100`: per cent: `NAME` is divided by 100: it is no per cent
`x / 255`: levels: `NAME` is divided by 255: pixels run from 0 to 1 here, and so does `NAME`
`2 * x`: factor: `NAME` enters with twice its size
`x / 2`: factor: `NAME` enters with half its size
`x * x`: root: `NAME` enters squared: take it as it is
`x**0.5`: root: the root of `NAME` is taken: take it as it is
`1 / x`: inverse: `NAME` is multiplied where it should divide, or the other way round
`1 - x`: complement: 1 - `NAME` stands where `NAME` belongs
"""
TENSORS = """
`table(x).mT`: transposed: rows and columns of `NAME` are exchanged
`table(x).transpose(0, 1)`: transposed: the first two dimensions of `NAME` are exchanged
`table(x).reshape(x.mT.shape).mT` | `table(x).mT.reshape(x.shape)`: reshape: the numbers of `NAME` come to stand in
    other places: reshape and view cut the row of numbers anew; permute and transpose exchange dimensions
`-x`: minus: `NAME` enters with the wrong sign
`x.softmax(-1)` | `x.log_softmax(-1)`: softmax: one softmax too many: `NAME` goes through it first
`x.abs()`: abs: the signs of `NAME` are lost in abs()
`x * x`: root: `NAME` is squared: take it as it is
`x[:1]` | `x[:1].expand_as(x)`: first: only the first of `NAME` is looked at
`x.mean(0, True).expand_as(x)`: mean: the mean of `NAME` over the batch stands for all: each its own
`x - x.mean()`: centred: the mean of `NAME` is subtracted first: take it as it is
`F.normalize(x, dim=-1)`: scaled: `NAME` is scaled to length 1 first: take it as it is
`x.clamp(0, 1)`: cut: `NAME` is cut to [0, 1] first: leave out that clamp
`x / 255`: levels: `NAME` is divided by 255: pixels run from 0 to 1 here
`x.flip(0)`: order: `NAME` is taken in reverse order
`x.sort(-1).values`: order: `NAME` is sorted first: keep its order
"""
NETWORKS = """
`nn.Sequential(x, nn.Softmax(1))`: softmax: one softmax too many: `NAME` gives logits
"""
PARTS = """
`.sqrt()` -> `` | ` ** 0.5` -> ``: root: a root is missing
`.square()` -> `` | ` ** 2` -> ``: root: a square is missing
`.square()` -> `.abs()` | ` ** 2` -> `.abs()`: root: a step takes absolute values, where squares are asked for
`.abs()` -> `.square()`: root: a step squares, where absolute values are asked for
`.abs()` -> ``: abs: the absolute value is missing
`.sign()` -> ``: sign: the sign is missing
`.clamp(…)` -> `` | `.clamp_min(…)` -> `` | `.clamp_max(…)` -> `` | `.relu()` -> ``: cut: a clamp is missing
`.log()` -> `` | `log(…)` -> `…`: logarithm: a logarithm is missing
`.exp()` -> `` | `exp(…)` -> `…`: logarithm: exp is missing
`log(` -> `log2(` | `log(` -> `log10(` | `log(` -> `log1p(`: logarithm: another logarithm is taken: the natural one, log
`.softmax(…)` -> `` | `.log_softmax(…)` -> ``: softmax: a softmax is missing
`.softmax(…)` -> `.sigmoid()` | `softmax(` -> `log_softmax(` | `log_softmax(` -> `softmax(`: softmax: this is another
    function than softmax, or another than its logarithm
`.detach()` -> ``: graph: a gradient flows where none is to: .detach() is missing
`.sort(…).values` -> `` | `.sort(…)` -> `` | `sorted(…)` -> `…`: order: the sort is missing
`descending=True` -> `descending=False` | `largest=True` -> `largest=False` | `.topk(…)` -> `.topk(…, largest=False)`:
    order: the smallest come first, where the largest are to
`.cumsum(…)` -> ``: sum: the running sum is missing, cumsum
`.permute(…)` -> `` | `.transpose(…)` -> `` | `.mT` -> `` | `.T` -> ``: transposed: dimensions stand in the wrong order:
    permute, transpose or .T is missing
`.round()` -> `` | `.floor()` -> `` | `.ceil()` -> `` | `round(…)` -> `…`: rounded: it has to be rounded
`floor` -> `ceil` | `ceil` -> `floor` | `round` -> `floor` | `round` -> `ceil` | `floor` -> `round` | `ceil` -> `round`
    | ` // ` -> ` / `: rounded: it is rounded in another way
` / ` -> ` // `: rounded: // cuts to whole numbers: divide with /
`.flatten(1)` -> ``: shape: flatten(1) is missing, which makes a row of numbers of each image
`.mean(` -> `.sum(`: sum: a step adds up, where the mean is asked for
`.sum(` -> `.mean(`: mean: a step takes the mean, where the sum is asked for
`.sum(` -> `.prod(` | ` * ` -> ` + `: sum: one step adds where it should multiply, or the other way round
`.prod(` -> `.sum(`: sum: a step adds up, where the product is asked for
`.mean(` -> `.median(`: mean: a step takes the median, where the mean is asked for
`.mean(` -> `.amax(` | `.sum(` -> `.amax(`: largest: a step takes the largest alone, where all count
`max(` -> `min(` | `min(` -> `max(` | `maximum` -> `minimum` | `minimum` -> `maximum` | `argmax` -> `argmin` | `argmin`
    -> `argmax`: min and max: the largest is taken where the smallest is asked for, or the other way round
`amax(` -> `mean(` | `max(` -> `mean(`: mean: a step takes the mean, where the largest is asked for
`rand_like` -> `randn_like` | `rand(` -> `randn(`: chance: these random numbers are normal: evenly spread ones are asked
    for
`randn_like` -> `rand_like` | `randn(` -> `rand(`: chance: these random numbers lie in [0, 1]: normal ones are asked for
`.mean(…)` -> `.mean()` | `.sum(…)` -> `.sum()` | `.amax(…)` -> `.amax()` | `.norm(…)` -> `.norm()` | `.prod(…)` ->
    `.prod()`: axis: a step runs over all dimensions, the whole batch at once: each by itself, over its own values
`(1)` -> `(0)` | `(1)` -> `(-1)` | `(0)` -> `(1)` | `(0)` -> `(-1)` | `(-1)` -> `(0)` | `(-1)` -> `(1)` | `, 1)` -> `,
    0)` | `, 0)` -> `, 1)` | `dim=1` -> `dim=0` | `dim=0` -> `dim=1` | `dim=-1` -> `dim=0` | `(2)` -> `(1)` | `dim=2` ->
    `dim=1`: axis: a step runs over the wrong dimension: which one is the batch, and which one is to go?
` + ` -> ` - `: minus: a minus stands where plus belongs
` - ` -> ` + `: minus: a plus stands where minus belongs
`-` -> ``: minus: a minus is missing
` * ` -> ` / `: inverse: this divides where it should multiply
` / ` -> ` * `: inverse: this multiplies where it should divide
` + …` -> `` | ` - …` -> ``: term: a term is missing
` * …` -> `` | ` / …` -> ``: factor: a factor is missing
` < ` -> ` <= ` | ` > ` -> ` >= `: border: what is exactly at the border is counted, and should not be
` <= ` -> ` < ` | ` >= ` -> ` > `: border: what is exactly at the border is left out, and should be counted
` < ` -> ` > ` | ` > ` -> ` < ` | ` <= ` -> ` > ` | ` >= ` -> ` < ` | ` == ` -> ` != ` | ` != ` -> ` == ` | `if ` -> `if
    not `: complement: the comparison is turned round
`range(…)` -> `range(… - 1)`: off by one: off by one: one round too few
`range(…)` -> `range(… + 1)`: off by one: off by one: one round too many
`[0]` -> `[-1]` | `[-1]` -> `[0]`: first: the first is taken where the last is asked for, or the other way round
"""


def related(reference: Callable, calls: list[tuple]) -> Iterator[Mistake]:
    """The wrong answers of the table, of a reference that is asked these calls."""
    first = [answer_to(reference, call) for call in calls[:1]]
    places = [None, *(place for result in first if isinstance(result, tuple) for place in range(len(result)))]
    for change, kind, message in _changes(RESULTS):
        for place in places:
            where = "" if place is None else f"in number {place + 1} of what you return: "
            yield Mistake(_result(reference, change, place), where + message, kind)
    if places[1:]:
        turned = "what you return stands in reverse order"
        yield Mistake(lambda *given: reference(*given)[::-1], turned, "order")
    yield from _of_arguments(reference, calls)
    yield from _of_calls(reference)
    source = source_of(reference)
    for (old, new), kind, message in _rows_of(PARTS):
        for changed in _replaced(source, old, new):
            try:
                yield Mistake(compiled(reference, ast.parse(changed)), message, kind)
            except SyntaxError:
                continue


def _rows_of(table):
    """The rows of a table: ``(old, new)``, kind, and message."""
    for answers, message in entries(table):
        kind, _, message = message.partition(": ")
        yield from (((old, new), kind, message) for [[old, new]] in answers)


@cache
def _changes(table):
    """The rows of a table of expressions in x: the change as a function, its kind, and the message."""
    names = dict(torch=torch, nn=nn, F=F, rows=_rows, table=_table)
    return [(eval(f"lambda x: {x}", names), kind, message) for (x, _), kind, message in _rows_of(table)]


def _rows(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], *x.shape[1:])  # an IndexError where there is only one number


def _table(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], *x.shape[2:])  # an IndexError where there is only a row


def _result(reference, change, place=None):
    return lambda *given, **named: _mapped(change, reference(*given, **named), place)


def _mapped(change, result, place=None):
    """A change of each tensor or number of a result; of the one in that place alone, if one is given."""
    if isinstance(result, Tensor):
        return change(result)
    if isinstance(result, (tuple, list)):
        parts = [each if place not in (None, i) else _mapped(change, each) for i, each in enumerate(result)]
        return type(result)(parts)
    if callable(result):
        return lambda *given: _mapped(change, result(*given))
    value = change(torch.tensor(float(result), dtype=torch.float64)).item()
    return int(value) if type(result) is int and value.is_integer() else value


def _of_arguments(reference, calls):
    parameters = list(signature(reference).parameters.values())
    for place, parameter in enumerate(parameters):
        values = [call[place] for call in calls if place < len(call)]
        numbers = [each for each in values if type(each) in {int, float, bool}]
        tables = {NUMBERS: numbers, TENSORS: [x for x in values if isinstance(x, Tensor)]}
        tables[NETWORKS] = [x for x in values if isinstance(x, nn.Module)]
        defaults = [parameter.default] if type(parameter.default) in {int, float, bool} else []
        usual = [each for each in (10, 28, 784) if numbers and each <= 4 * max(numbers)]  # a huge one takes huge memory
        for value in {*numbers, *defaults, *usual}:
            message = f"{value:.6g} is written out: use `{parameter.name}`, which may be another"
            if value in {0, 1}:
                message = f"`{parameter.name}` is left out, or taken for {value:g}"
            yield Mistake(_given(reference, place, partial(_instead, value), parameter.name), message, "constant")
        for table in [table for table, found in tables.items() if found]:
            for change, kind, message in _changes(table):
                yield Mistake(_given(reference, place, change), message.replace("NAME", parameter.name), kind)
    for one, other in combinations(range(len(parameters)), 2):
        message = f"`{parameters[one].name}` and `{parameters[other].name}` are exchanged"
        yield Mistake(_exchanged(reference, one, other), message, "exchanged")


def _given(reference, place, change, name=""):
    """The reference with a change of the argument in one place; of its default, if a name is given."""

    def wrong(*given):
        if place >= len(given):
            return reference(*given, **({name: change(None)} if name else {}))
        return reference(*given[:place], change(given[place]), *given[place + 1 :])

    return wrong


def _instead(value, given):
    """The value in place of a number."""
    if isinstance(given, (Tensor, nn.Module)):
        raise TypeError("no number")
    return value


def _exchanged(reference, one, other):
    def wrong(*given):
        given = list(given)
        given[one], given[other] = given[other], given[one]
        return reference(*given)

    return wrong


def _of_calls(reference):
    """What goes wrong from call to call, and with the number of images."""
    found = []

    def adding(*given):
        found.append(reference(*given))
        return sum(found)

    def times(size, power):
        def wrong(*given):
            return reference(*given) * size(next(x for x in given if isinstance(x, Tensor) and x.ndim)) ** power

        return wrong

    backward = "each call adds to what the calls before it found (gradients in .grad do): begin at 0 in each call"
    yield Mistake(adding, backward, "adds up")
    for size, what in ((len, "batch"), (lambda x: x[0].numel(), "values")):
        yield Mistake(times(size, 1), f"this is a sum over the {what} where their mean is asked for", "sum")
        yield Mistake(times(size, -1), f"this is divided by the number of the {what}, and should not be", "mean")


def _replaced(source: str, old: str, new: str) -> Iterator[str]:
    """The source with one of the places that read ``old`` replaced; … is what stands between brackets, or one operand.

    >>> list(_replaced("a.sum(f(1)) + b.sum(2)", ".sum(…)", ".mean(…)"))
    ['a.mean(f(1)) + b.sum(2)', 'a.sum(f(1)) + b.mean(2)']
    >>> list(_replaced("a + b.sum(1, 2) - c", " + …", ""))
    ['a - c']
    """
    head, hole, tail = old.partition("…")
    begin = source.index("\n") if "\n" in source else 0  # the line of def stays
    while (begin := source.find(head, begin)) >= 0:
        end = inner = begin + len(head)
        if hole:
            end = _closing(source, inner) if tail else _operand(source, inner)
        if source.startswith(tail, end):
            yield source[:begin] + new.replace("…", source[inner:end]) + source[end + len(tail) :]
        begin = inner


def _closing(source, place):
    """Where the bracket that is open at a place of the source is closed."""
    depth = 0
    while place < len(source) and (depth or source[place] not in ")]}"):
        depth += (source[place] in "([{") - (source[place] in ")]}")
        place += 1
    return place


def _operand(source, place):
    """Where an operand ends: a name or a number with all its attributes, calls and indices."""
    while place < len(source) and (source[place].isalnum() or source[place] in "_.([{"):
        place = _closing(source, place + 1) + 1 if source[place] in "([{" else place + 1
    return place
