"""Steps of a user's own classes and functions, as far as their code can be followed."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

from torch import nn

from .arguments import Op
from .common import Unrecognized
from .known_classes import class_name, is_named
from .tracing import Chain, Refused, Trace, trace
from .written_code import names_in

__all__ = ["as_known", "chain_of", "check_one_image", "merged", "trace_of", "why_not_traced"]

# What a class may define without changing what its objects do.
_NO_CODE = {
    *("__init__", "__module__", "__qualname__", "__doc__", "__firstlineno__", "__static_attributes__"),
    *("__annotations__", "__dict__", "__weakref__", "__parameters__", "__annotate_func__", "__annotations_cache__"),
}


def as_known(step: Any) -> Any:
    """Takes an object whose class only has a constructor of its own for one of the class that it inherits from.

    DINOv2's `GaussianBlur` is such a class: a `RandomApply` that is made of other arguments.
    """
    cls = type(step)
    if is_named(step) or len(cls.__mro__) < 3 or not vars(cls).keys() <= _NO_CODE:
        return step
    base = cls.__mro__[1]
    if (
        cls.__bases__ != (base,)
        or not hasattr(step, "__dict__")
        or any("__new__" in vars(each) for each in base.__mro__[:-1])
    ):
        return step
    known: Any = object.__new__(base)
    known.__dict__ = step.__dict__  # the same attributes, not a copy
    return known if class_name(known) is not None else step


def trace_of(step: Any, crops: int = 0) -> Trace | None:
    """Follows the code of a step that is the user's own; `None` for others, and where it cannot be followed.

    Args:
        step: the step.
        crops: how many crops of an image it is called with; 0: with the image itself.
    """
    if is_named(step):
        return None
    try:
        return trace(step, crops)
    except Refused:
        return None


def chain_of(step: Any) -> tuple[Any, ...] | None:
    """The steps that a step calls one after the other, if it does nothing else."""
    if isinstance(step, Chain):
        return step
    if type(step).__name__ == "Lambda" and class_name(step) == "Lambda":
        # That of v2 may be for some types only.
        if getattr(step, "types", (object,)) != (object,):
            return None
        step = step.lambd
    found = trace_of(step)
    return None if found is None else found.chain


def merged(branches: list[tuple[float, list[Op]]]) -> Op:
    """Makes one op of the ops on each way through some code, with the odds of each way."""
    if len(branches) == 2 and not all(ops for _, ops in branches):
        (odds, ops), _ = sorted(branches, key=lambda branch: not branch[1])
        return {"RandomApply": {"p": odds, "ops": ops}}
    return {"RandomChoice": {"weights": [odds for odds, _ in branches], "branches": [ops for _, ops in branches]}}


def why_not_traced(step: object) -> str:
    """Says what of a user's own step cannot be followed, and what there is instead; empty for other steps."""
    if is_named(step):
        return ""
    try:
        found = trace(step)
    except Refused as reason:
        equivalents = sorted({_EQUIVALENTS[name] for name in _names(step) if name in _EQUIVALENTS})
        instead = f"; {' and '.join(equivalents)} of torchfeed.transforms can take its place" if equivalents else ""
        return f". Its code is not followed, because {reason}{instead}"
    if found.is_one_image:
        return ""
    if len(found.ways) > 1:
        return ". It returns several views, and which ones depends on what it draws"
    return ". It returns several views, which are native where no other step of PIL images stands beside it"


# What code uses that has an equivalent in torchfeed.transforms.
_EQUIVALENTS = {
    "GaussianBlur": "RandomGaussianBlur",
    "gaussian_blur": "RandomGaussianBlur",
    "solarize": "RandomSolarize",
    "equalize": "RandomEqualize",
    "invert": "RandomInvert",
    "autocontrast": "RandomAutocontrast",
    "posterize": "RandomPosterize",
}


def _names(step: Any) -> Iterator[str]:
    function = step.__func__ if isinstance(step, MethodType) else step
    if not isinstance(function, FunctionType):
        name = "forward" if isinstance(step, nn.Module) else "__call__"
        function = getattr(type(step), name, None)
    if isinstance(function, FunctionType):
        yield from names_in(function.__code__)


def check_one_image(step: Any) -> Trace:
    """Follows a user's own step that makes one image.

    Raises:
        Unrecognized: it does not, or cannot be followed.
    """
    found = trace_of(step)
    if found is None or not found.is_one_image:
        raise Unrecognized(why_not_traced(step))
    return found
