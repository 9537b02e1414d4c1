"""One table for all exercises: how a wrong answer of a common kind relates to the right one.

`RESULTS` change what the reference returns, `ARGUMENTS` what it is given, the rest a part of its source. Each row makes
wrong answers out of any reference; an attempt that does the same as one of them is told the row's message.
"""

import ast
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.exercises.contracts import answer_to
from course_utils.exercises.edits import Mistake, compiled, source_of

BATCH = "over the whole batch: one for each is asked for, not one for all"
CUT_ANEW = "in other places: reshape and view cut the row of numbers anew; permute and transpose exchange dimensions"
PIXELS = "pixels, and changes of them, run from 0 to 1 here"


def _rows(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], *x.shape[1:])  # an IndexError where there is only one number


def _table(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], *x.shape[2:])  # an IndexError where there is only a row


RESULTS = (  # the kind of mistake, what to say, and what it makes of each tensor or number that is returned
    ("minus", "the sign is wrong: this is minus what is asked for", lambda x: -x),
    ("per cent", "this is 100 times too large: the number itself is asked for, not per cent", lambda x: 100 * x),
    ("per cent", "this is 100 times too small: no per cent here", lambda x: x / 100),
    ("levels", f"this is 255 times too large: {PIXELS}", lambda x: 255 * x),
    ("levels", f"this is 255 times too small: {PIXELS}", lambda x: x / 255),
    ("root", "this is the *square* of what is asked for: the root is missing", lambda x: x * x),
    ("root", "this is the *root* of what is asked for: a root too much, or a square is missing", torch.sqrt),
    ("factor", "this is twice what is asked for", lambda x: 2 * x),
    ("factor", "this is half of what is asked for", lambda x: x / 2),
    ("inverse", "this is one over what is asked for: the fraction stands upside down", lambda x: 1 / x),
    ("complement", "this is 1 - what is asked for: the other side is counted", lambda x: 1 - x),
    ("logarithm", "this is the logarithm of what is asked for", torch.log),
    ("logarithm", "this is exp of what is asked for: a logarithm is missing at the end", torch.exp),
    ("softmax", "one softmax too many, at the end", lambda x: x.softmax(-1), lambda x: x.log_softmax(-1)),
    ("mean", f"this is a mean {BATCH}", lambda x: _rows(x).mean(), lambda x: _rows(x).mean(0)),
    ("mean", "this is the mean over the last dimension, which is to stay", lambda x: _rows(x).mean(-1)),
    ("sum", f"this is a sum {BATCH}", lambda x: _rows(x).sum(), lambda x: _rows(x).sum(0)),
    ("largest", f"this is the largest {BATCH}", lambda x: _rows(x).amax(), lambda x: _rows(x).amax(0)),
    ("first", "this is the answer for the first one alone: all are asked for", lambda x: x[:1], lambda x: x[0]),
    ("first", "this is the answer for the last one alone: all are asked for", lambda x: x[-1:], lambda x: x[-1]),
    ("first", "all get the answer of the first one: each its own", lambda x: x[:1].expand_as(x)),
    ("off by one", "off by one: each stands one place too far", lambda x: _rows(x).roll(1, 0)),
    ("off by one", "off by one: each stands one place too early", lambda x: _rows(x).roll(-1, 0)),
    ("off by one", "off by one: this is 1 too much", lambda x: x + 1),
    ("off by one", "off by one: this is 1 too little", lambda x: x - 1),
    (
        "shape",
        "the values are right, but in a column, (N, 1): want (N,), without keepdim",
        lambda x: _rows(x)[..., None],
    ),
    ("shape", "the values are right, but there is one dimension too many, in front", lambda x: x[None]),
    ("transposed", "this is transposed: the last two dimensions are exchanged", lambda x: _table(x).mT),
    ("transposed", "the first two dimensions are exchanged", lambda x: _table(x).transpose(0, 1)),
    (
        "reshape",
        f"the numbers are right, and stand {CUT_ANEW}",
        lambda x: _table(x).mT.reshape(x.shape),
        lambda x: _table(x).transpose(0, 1).reshape(x.shape),
    ),
    ("order", "the numbers are right, but in reverse order", lambda x: _rows(x).flip(0)),
    ("order", "the numbers are right, but sorted: keep the order of what was given", lambda x: x.sort(0).values),
    ("abs", "the signs are lost: no abs() at the end", torch.abs),
    ("sign", "this is the sign alone: the size is asked for, too", torch.sign),
    ("rounded", "this is rounded: return the number as it comes", torch.round, lambda x: (100 * x).round() / 100),
    ("cut", "this is cut to [0, 1]: leave out clamp", lambda x: x.clamp(0, 1)),
    (
        "yes or no",
        "this says yes or no: how much is asked for",
        lambda x: (x > 0).to(x.dtype),
        lambda x: (x > 0.5) * 1.0,
    ),
    ("scaled", "this is scaled to sum 1: leave it as it is", lambda x: x / _rows(x).sum(-1, keepdim=True)),
    ("scaled", "this is scaled to length 1: leave it as it is", lambda x: nn.functional.normalize(_rows(x), dim=-1)),
    ("index", "this is an index: the value there is asked for", lambda x: x.argmax(-1), lambda x: x.argmin(-1)),
)

NUMBERS = (  # the same for an argument; {0} is its name
    ("minus", "`{0}` enters with the wrong sign", lambda x: -x),
    ("per cent", "`{0}` is divided by 100: it is no per cent", lambda x: x / 100),
    ("levels", "`{0}` is divided by 255: pixels run from 0 to 1 here, and so does `{0}`", lambda x: x / 255),
    ("factor", "`{0}` enters with twice its size", lambda x: 2 * x),
    ("factor", "`{0}` enters with half its size", lambda x: x / 2),
    ("root", "`{0}` enters squared: take it as it is", lambda x: x * x),
    ("root", "the root of `{0}` is taken: take it as it is", lambda x: x**0.5),
    ("inverse", "1 / `{0}` stands where `{0}` belongs", lambda x: 1 / x),
    ("complement", "1 - `{0}` stands where `{0}` belongs", lambda x: 1 - x),
)
ARGUMENTS = {
    float: NUMBERS,
    int: (
        ("off by one", "off by one: it is done for `{0}` + 1", lambda x: x + 1),
        ("off by one", "off by one: it is done for `{0}` - 1", lambda x: x - 1),
        *NUMBERS,
    ),
    Tensor: (
        ("transposed", "rows and columns of `{0}` are exchanged", lambda x: _table(x).mT),
        ("transposed", "the first two dimensions of `{0}` are exchanged", lambda x: _table(x).transpose(0, 1)),
        ("reshape", f"the numbers of `{{0}}` come to stand {CUT_ANEW}", lambda x: _table(x).mT.reshape(x.shape)),
        ("minus", "`{0}` enters with the wrong sign", lambda x: -x),
        (
            "softmax",
            "one softmax too many: `{0}` goes through it first",
            lambda x: x.softmax(-1),
            lambda x: x.log_softmax(-1),
        ),
        ("abs", "the signs of `{0}` are lost in abs()", torch.abs),
        ("root", "`{0}` is squared: take it as it is", lambda x: x * x),
        ("first", "only the first of `{0}` is looked at", lambda x: x[:1], lambda x: x[:1].expand_as(x)),
        (
            "mean",
            "the mean of `{0}` over the batch stands for all: each its own",
            lambda x: x.mean(0, True).expand_as(x),
        ),
        ("centred", "the mean of `{0}` is subtracted first: take it as it is", lambda x: x - x.mean()),
        ("scaled", "`{0}` is scaled to length 1 first: take it as it is", lambda x: nn.functional.normalize(x, dim=-1)),
        ("cut", "`{0}` is cut to [0, 1] first: leave out that clamp", lambda x: x.clamp(0, 1)),
        ("levels", "`{0}` is divided by 255: pixels run from 0 to 1 here", lambda x: x / 255),
        ("order", "`{0}` is taken in reverse order", lambda x: x.flip(0)),
        ("order", "`{0}` is sorted first: keep its order", lambda x: x.sort(-1).values),
    ),
    nn.Module: (("softmax", "one softmax too many: `{0}` gives logits", lambda m: nn.Sequential(m, nn.Softmax(1))),),
}

MISSING = {  # methods that get lost, by kind
    "root": "sqrt square",
    "abs": "abs",
    "cut": "clamp clamp_min clamp_max relu",
    "logarithm": "log exp",
    "sign": "sign",
    "softmax": "softmax log_softmax",
    "graph": "detach",
    "order": "sort flip",
    "sum": "cumsum cumprod",
    "transposed": "permute transpose mT T",
    "rounded": "round floor ceil",
    "shape": "flatten",
}
CONFUSED = {  # functions and methods that stand for one another, with a kind and what this one does
    "mean": ("mean", "takes the mean"),
    "sum": ("sum", "adds up"),
    "prod": ("sum", "multiplies"),
    "amax": ("min and max", "takes the largest"),
    "amin": ("min and max", "takes the smallest"),
    "max": ("min and max", "takes the largest"),
    "min": ("min and max", "takes the smallest"),
    "maximum": ("min and max", "takes the larger"),
    "minimum": ("min and max", "takes the smaller"),
    "argmax": ("min and max", "looks for the largest"),
    "argmin": ("min and max", "looks for the smallest"),
    "square": ("root", "squares"),
    "abs": ("root", "takes absolute values"),
    "log": ("logarithm", "takes the natural logarithm"),
    "log2": ("logarithm", "takes the logarithm to base 2"),
    "log10": ("logarithm", "takes the logarithm to base 10"),
    "softmax": ("softmax", "takes the softmax"),
    "log_softmax": ("softmax", "takes the logarithm of the softmax"),
    "sigmoid": ("softmax", "takes the sigmoid"),
    "floor": ("rounded", "rounds down"),
    "ceil": ("rounded", "rounds up"),
    "round": ("rounded", "rounds to the nearest"),
    "rand": ("chance", "draws evenly from [0, 1]"),
    "randn": ("chance", "draws normal numbers"),
    "rand_like": ("chance", "draws evenly from [0, 1]"),
    "randn_like": ("chance", "draws normal numbers"),
}
GROUPS = (
    "mean sum amax",
    "sum prod",
    "amax amin",
    "max min",
    "maximum minimum",
    "argmax argmin",
    "square abs",
    "log log2 log10",
    "softmax log_softmax sigmoid",
    "floor ceil round",
    "rand randn",
    "rand_like randn_like",
)
TURNED = "the comparison is turned round"
OPERATORS = {  # what each operator is taken for
    ast.Add: {ast.Sub: ("minus", "a minus stands where plus belongs")},
    ast.Sub: {ast.Add: ("minus", "a plus stands where minus belongs")},
    ast.Mult: {
        ast.Div: ("inverse", "this divides where it should multiply"),
        ast.Add: ("sum", "this adds, not multiplies"),
    },
    ast.Div: {
        ast.Mult: ("inverse", "this multiplies where it should divide"),
        ast.FloorDiv: ("rounded", "// cuts to whole numbers: /"),
    },
    ast.FloorDiv: {ast.Div: ("rounded", "/ gives fractions: //")},
    ast.Lt: {
        ast.LtE: ("border", "what is exactly at the border is counted: <, not <="),
        ast.Gt: ("complement", TURNED),
    },
    ast.LtE: {
        ast.Lt: ("border", "what is exactly at the border is left out: <=, not <"),
        ast.Gt: ("complement", TURNED),
    },
    ast.Gt: {
        ast.GtE: ("border", "what is exactly at the border is counted: >, not >="),
        ast.Lt: ("complement", TURNED),
    },
    ast.GtE: {
        ast.Gt: ("border", "what is exactly at the border is left out: >=, not >"),
        ast.Lt: ("complement", TURNED),
    },
    ast.Eq: {ast.NotEq: ("complement", TURNED)},
    ast.NotEq: {ast.Eq: ("complement", TURNED)},
}
AXIS = "a step runs over the wrong dimension: which one is the batch, and which one is to go?"
AT_ONCE = "a step runs over all dimensions, the whole batch at once: each by itself, over its own values"


def related(reference: Callable, calls: list[tuple]) -> Iterator[Mistake]:
    """The wrong answers of the table, of a reference that is asked these calls."""
    results = [answer_to(reference, call) for call in calls[:1]]
    places = [len(result) for result in results if isinstance(result, tuple)]
    for kind, message, *changes in RESULTS:
        for change in changes:
            yield Mistake(_result(reference, change), message, kind)
            for place in range(*places) if places else ():
                where = f"in number {place + 1} of what you return: {message}"
                yield Mistake(_result(reference, change, place), where, kind)
    yield from _of_arguments(reference, calls)
    yield from _of_calls(reference)
    yield from _of_source(reference)


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
    return change(torch.tensor(float(result), dtype=torch.float64)).item()


def _of_arguments(reference, calls):
    names = list(signature(reference).parameters)
    for place, name in enumerate(names):
        values = [call[place] for call in calls if place < len(call)]
        for kind, rows in ARGUMENTS.items():
            if any(isinstance(value, kind) and not isinstance(value, bool) for value in values):
                for family, message, *changes in rows:
                    for change in changes:
                        yield Mistake(_given(reference, place, change), message.format(name), family)
        default = signature(reference).parameters[name].default
        for value in {each for each in (*values, default, 10, 28, 784) if type(each) in {int, float, bool}}:
            message = f"{value:.6g} is written out: use `{name}`, which may be another"
            yield Mistake(_fixed(reference, place, name, value), message, "constant")
    for one, other in combinations(range(len(names)), 2):
        yield Mistake(
            _exchanged(reference, one, other), f"`{names[one]}` and `{names[other]}` are exchanged", "exchanged"
        )


def _given(reference, place, change):
    def wrong(*given):
        return reference(*given[:place], *map(change, given[place : place + 1]), *given[place + 1 :])

    return wrong


def _fixed(reference, place, name, value):
    def wrong(*given):
        return (
            reference(*given[:place], value, *given[place + 1 :])
            if place < len(given)
            else reference(*given, **{name: value})
        )

    return wrong


def _exchanged(reference, one, other):
    def wrong(*given):
        given = list(given)
        given[one], given[other] = given[other], given[one]
        return reference(*given)

    return wrong


def _of_calls(reference):
    """What goes wrong from call to call, and with the number of images."""
    kept = []

    def adding(*given):
        kept.append(reference(*given))
        return sum(kept)

    first = []

    def repeating(*given):
        if not first:
            first.append(reference(*given))
        return first[0]

    def count(power, size):
        return lambda *given: (
            reference(*given) * size(next(x for x in given if isinstance(x, Tensor) and x.ndim)) ** power
        )

    yield Mistake(
        adding,
        "each call adds to what the calls before it found (gradients in .grad do): begin at 0 in each call",
        "adds up",
    )
    yield Mistake(repeating, "every call gets the answer of the first one: it is kept from call to call", "state")
    yield Mistake(count(1, len), "this is a sum over the batch where its mean is asked for: N times too large", "sum")
    yield Mistake(count(-1, len), "this is divided by the number of images, and should not be", "mean")
    yield Mistake(
        count(1, lambda x: x[0].numel()), "this is a sum over the values where their mean is asked for", "sum"
    )
    yield Mistake(
        count(-1, lambda x: x[0].numel()), "this is divided by the number of values, and should not be", "mean"
    )


def _of_source(reference):
    """The reference with a part of its source lost or taken for another."""
    tree = ast.parse(source_of(reference))
    body = ast.Module(tree.body[0].body, [])
    for parent in list(ast.walk(body)):
        for field, value in list(ast.iter_fields(parent)):
            for holder, key in (
                [(value, i) for i in range(len(value))] if isinstance(value, list) else [(vars(parent), field)]
            ):
                part = holder[key]
                for kind, message, other in list(_confusions(part)) if isinstance(part, ast.AST) else ():
                    holder[key] = other
                    try:
                        wrong = compiled(reference, tree)
                    except (SyntaxError, ValueError, TypeError):
                        continue
                    finally:
                        holder[key] = part
                    yield Mistake(wrong, message, kind)


def _confusions(part: ast.AST) -> Iterator[tuple[str, str, Any]]:
    """What a part of a source is taken for: kind, message, the other part."""
    if isinstance(part, ast.Call):
        yield from _calls(part)
    elif isinstance(part, ast.Attribute):
        for kind, names in MISSING.items():
            if part.attr in names.split() and part.attr in {"mT", "T"}:
                yield kind, f"`.{part.attr}` is missing: rows and columns are exchanged", part.value
    elif isinstance(part, ast.BinOp):
        if isinstance(part.op, ast.Pow):
            yield "root", f"a power is missing: ** {ast.unparse(part.right)}", part.left
        if isinstance(part.op, ast.Add | ast.Sub):
            yield "term", f"a term is missing: {_shown(part.right)}", part.left
            if isinstance(part.op, ast.Add):
                yield "term", f"a term is missing: {_shown(part.left)}", part.right
        if isinstance(part.op, ast.Mult | ast.Div):
            yield "factor", f"a factor is missing: {_shown(part.right)}", part.left
    elif isinstance(part, ast.UnaryOp):
        yield (
            ("minus", "a minus is missing", part.operand)
            if isinstance(part.op, ast.USub)
            else ("complement", "a not is missing", part.operand)
        )
    elif isinstance(part, ast.operator | ast.cmpop):
        for other, (kind, message) in OPERATORS.get(type(part), {}).items():
            yield kind, message, other()
    elif (
        isinstance(part, ast.keyword) and isinstance(part.value, ast.Constant) and type(part.value.value) in {bool, int}
    ):
        value = part.value.value
        if isinstance(value, bool):
            kind = "order" if part.arg in {"descending", "largest"} else "shape"
            yield kind, f"`{part.arg}` has to be {value}", ast.keyword(part.arg, ast.Constant(not value))
        elif part.arg == "dim":
            for other in {0, 1, -1} - {value}:
                yield "axis", AXIS, ast.keyword("dim", ast.Constant(other))


def _calls(part):
    name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
    owner = getattr(part.func, "value", None)
    method = owner is not None and not (
        isinstance(owner, ast.Name) and owner.id in {"torch", "F", "math", "np", "nn", "linalg"}
    )
    inner = owner if method else part.args[0] if part.args else None
    for kind, names in MISSING.items():
        if name in names.split() and inner is not None:
            yield kind, f"a step is missing: {name}", inner
            if name == "sort":
                yield kind, "the sort is missing", ast.Tuple([inner, inner], ast.Load())
    for other in {each for group in GROUPS if name in group.split() for each in group.split()} - {name}:
        if isinstance(part.func, ast.Attribute):
            kind, does = CONFUSED[other]
            message = f"a step {does}, where another is asked for: one that {CONFUSED[name][1]}"
            yield kind, message, ast.Call(ast.Attribute(owner, other, ast.Load()), part.args, part.keywords)
    if (
        method
        and name in {"mean", "sum", "amax", "amin", "norm", "prod", "std", "var", "max", "min"}
        and (part.args or part.keywords)
    ):
        yield "axis", AT_ONCE, ast.Call(part.func, [], [])
    if name == "range":
        for change, kind in ((ast.Sub(), "few"), (ast.Add(), "many")):
            rounds = ast.BinOp(part.args[-1], change, ast.Constant(1))
            yield "off by one", f"off by one: one round too {kind}", ast.Call(part.func, [*part.args[:-1], rounds], [])
    for place, argument in enumerate(part.args):
        if (
            method
            and isinstance(argument, ast.Constant)
            and type(argument.value) is int
            and argument.value in {0, 1, -1}
        ):
            for other in {0, 1, -1} - {argument.value}:
                changed = [*part.args[:place], ast.Constant(other), *part.args[place + 1 :]]
                yield "axis", AXIS, ast.Call(part.func, changed, part.keywords)


def _shown(part):
    """A part as it may be told: numbers and calls without the reference's own variables are not secret."""
    return f"`{ast.unparse(part)}`" if isinstance(part, ast.Constant) else "one of two"
