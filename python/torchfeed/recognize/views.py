"""Several views of one image: where they lie, and the chain of steps of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .conversions import channels_after
from .known_classes import class_name, is_named
from .nest import nested
from .own_code import trace_of
from .steps import has_plain_steps
from .tracing import Chain

__all__ = ["nest_of"]

_OWN = {"MultiViewTransform", "Views"}
_FIXED = {"CenterCrop", "Grayscale", "Pad", "RGB", "Resize"}


def nest_of(steps: Sequence[Any], channels: int) -> Any:
    """The chains of the views that some steps make of an image, in lists, tuples and dicts; `None` if they make none.

    Args:
        steps: of which the last one makes the views, and those before it draw nothing.
        channels: of the image, 1 or 3.
    """
    if not steps or not all(_draws_nothing(step, channels) for step in steps[:-1]):
        return None
    *before, step = steps
    nest = _nest(step)
    return None if nest is None else nested(nest, lambda chain: Chain([*before, chain]))


def _draws_nothing(step: Any, channels: int) -> bool:
    return class_name(step) in _FIXED or channels_after(step, channels) is not None


def _nest(step: Any) -> Any:
    if type(step).__module__ == "torchfeed.transforms.structure" and class_name(step) in _OWN:
        is_plain = class_name(step) == "Views" or has_plain_steps(step)
        # Of ours a tuple is a list too.
        return _unless_empty(nested(step.transforms, lambda chain: chain, tuples=list)) if is_plain else None
    found = None if is_named(step) else trace_of(step)
    if found is None or found.is_one_image or len(found.ways) > 1:
        return None
    return _unless_empty(found.ways[0].nest)


def _unless_empty(nest: Any) -> Any:
    found: list[Any] = []
    nested(nest, found.append)
    return nest if found else None
