"""Which layers compute what their class promises, and nothing else: what a proof about a network's layers rests on.

``isinstance(layer, nn.Linear)`` does not say that ``layer(x)`` is ``W x + b``. A subclass may have a ``forward`` of its
own (a residual block is easily written as an ``nn.Sequential`` with one), somebody may have replaced the method of this
one layer, a hook may change what goes in or comes out, and a parametrization what is multiplied. Whoever takes a
network apart to say what it can do (bounds, null spaces, linear regions) asks here first.
"""

import inspect
from collections.abc import Collection, Iterator

from torch import Tensor, nn

from course_utils.models import Normalise

WEIGHTS = "weight", "bias"
STATISTICS = "running_mean", "running_var", "num_batches_tracked"
HELD = {  # under which names a layer holds its numbers; other layers hold none
    nn.Linear: WEIGHTS,
    nn.Conv2d: WEIGHTS,
    nn.BatchNorm1d: WEIGHTS + STATISTICS,
    nn.BatchNorm2d: WEIGHTS + STATISTICS,
    Normalise: ("mean", "std"),
}
HARMLESS = {  # what a subclass may define anew without computing anything else
    *("__init__", "__repr__", "extra_repr", "reset_parameters", "__doc__", "__module__", "__qualname__", "__dict__"),
    *("__weakref__", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__constants__"),
    *("__classdictcell__", "__firstlineno__", "__static_attributes__", "__orig_bases__", "__parameters__"),
}


def flattened(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of a network in their order. Each ``nn.Sequential`` that is no more than that is taken apart.

    >>> [type(layer).__name__ for layer in flattened(nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU())))]
    ['Flatten', 'ReLU']
    """
    if oddity(model, [nn.Sequential]):
        yield model
    else:
        for layer in model:
            yield from flattened(layer)


def oddity(module: nn.Module, kinds: Collection[type]) -> str:
    """Why ``module`` may not compute what exactly one of ``kinds`` computes in evaluation mode; "" where it does.

    Of an ``nn.Sequential`` the layers are not looked at.

    >>> oddity(nn.Tanh(), [nn.Linear, nn.ReLU])
    'it is none of Linear, ReLU'
    """
    kind = next((each for each in type(module).__mro__ if each in kinds), None)
    if kind is None:
        odd = oddity(module, [nn.Sequential]) if isinstance(module, nn.Sequential) else ""
        return odd or "it is none of " + ", ".join(each.__name__ for each in kinds)
    if isinstance(module, nn.modules.lazy.LazyModuleMixin):
        return "it does not know its size yet: let the model take an image once"
    everywhere = nn.modules.module
    if module._forward_pre_hooks or module._forward_hooks:
        return "a hook may change what it is given or returns: remove it (register_forward_hook, weight_norm, pruning)"
    if everywhere._global_forward_pre_hooks or everywhere._global_forward_hooks:
        return "a hook on all modules may change what it is given or returns: remove it"
    numbers = {**module._parameters, **module._buffers}
    names = {*numbers, *module._modules}
    if kind is not nn.Sequential and names != {*HELD.get(kind, ())}:
        return (
            f"it holds {', '.join(sorted(names)) or 'nothing'}, as no {kind.__name__} does: end a parametrization with "
            "remove_parametrizations, a pruning with prune.remove"
        )
    tensors = [each for each in numbers.values() if each is not None]
    if any(type(each) not in (Tensor, nn.Parameter) or each.is_complex() for each in tensors):
        return "its numbers are complex, or of a type that computes in its own way"
    if own := _redefined(module, kind):
        return f"it is a {kind.__name__} with a {' and a '.join(sorted(own))} of its own"
    return _setting(module, kind)


def _redefined(module: nn.Module, kind: type) -> set[str]:
    """What the class of ``module``, or the module itself, defines in place of what ``kind`` does."""
    classes = [each for each in type(module).__mro__ if each not in kind.__mro__]
    added = {name for each in classes for name in vars(each)} - HARMLESS
    set_up = {name for each in kind.__mro__ for name in inspect.get_annotations(each)}  # `training`, `p`, `stride` ...
    promised, state = {*dir(kind), *HELD.get(kind, ())}, {*vars(module)}
    return (added & (promised | set_up | state)) | (promised & state)


def _setting(module: nn.Module, kind: type) -> str:
    """Why a layer is not what its kind is with usual settings; "" where it is."""
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d) and (module.running_mean is None or module.running_var is None):
        return "without running statistics what it makes of an image depends on the others in the batch"
    if kind is nn.Flatten and module.start_dim < 1:
        return f"with start_dim={module.start_dim} it can put several images into one row: want 1 or more"
    if kind is nn.MaxPool2d and module.return_indices:
        return "with return_indices it returns two tensors"
    if kind is nn.AvgPool2d and module.divisor_override is not None and module.divisor_override < 0:
        return f"with divisor_override={module.divisor_override} it turns signs: want a number above 0"
    if kind is Normalise and not (module.std > 0).all():
        return "its std is not above 0 for each channel"
    return ""
