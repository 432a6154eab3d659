"""Several views of one image: where they lie, and the chain of steps of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .known_classes import class_name, is_named
from .nest import nested
from .own_code import trace_of
from .steps import has_plain_steps

__all__ = ["nest_of"]

_OWN = {"MultiViewTransform", "Views"}


def nest_of(steps: Sequence[Any]) -> Any:
    """The chains of the views that some steps make of an image, as they are returned; `None` if they make none."""
    if len(steps) != 1:
        return None
    (step,) = steps
    if type(step).__module__ == "torchfeed.transforms.structure" and class_name(step) in _OWN:
        # Of ours a tuple is a list too.
        is_plain = class_name(step) == "Views" or has_plain_steps(step)
        return _unless_empty(nested(step.transforms, lambda chain: chain, tuples=list)) if is_plain else None
    found = None if is_named(step) else trace_of(step)
    if found is None or found.is_one_image or len(found.ways) > 1:
        return None
    return _unless_empty(found.ways[0].nest)


def _unless_empty(nest: Any) -> Any:
    found: list[Any] = []
    nested(nest, found.append)
    return nest if found else None
