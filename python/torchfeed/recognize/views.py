"""Several views of one image: where they lie, and the chain of steps of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .arguments import size_of
from .conversions import channels_after
from .known_classes import class_name, is_named
from .nest import Stack, nested
from .own_code import trace_of
from .steps import has_plain_steps
from .tracing import Chain, Made

__all__ = ["crops_in", "nest_of"]

_OWN = {"MultiViewTransform", "Views"}
_FIXED = {"CenterCrop", "Grayscale", "Pad", "RGB", "Resize"}


_CROPS = {"FiveCrop", "TenCrop"}
_PARTS = ("top_left", "top_right", "bottom_left", "bottom_right", "center")
_OF_EACH = {"ConvertImageDtype", "Normalize"}  # do to a stack of tensors what they do to each


def crops_in(steps: Sequence[Any]) -> int | None:
    """Finds the step that makes five or ten crops of an image."""
    return next((place for place, step in enumerate(steps) if class_name(step) in _CROPS), None)


def nest_of(steps: Sequence[Any], channels: int) -> Any:
    """The chains of the views that some steps make of an image, in lists, tuples and dicts; `None` if they make none.

    Args:
        steps: of which the last one makes the views, or one that crops and those after it, and those before it draw
            nothing.
        channels: of the image, 1 or 3.
    """
    place = crops_in(steps)
    place = len(steps) - 1 if place is None else place
    before = steps[:place]
    if not steps or not all(_draws_nothing(step, channels) for step in before):
        return None
    nest = _nest_of_crops(steps[place], steps[place + 1 :]) if class_name(steps[place]) in _CROPS else _nest(steps[-1])
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


def _nest_of_crops(step: Any, rest: Sequence[Any]) -> Any:
    """The chains of five or ten crops, and of what a user's own code makes of all of them."""
    nest: Any = tuple(_crops(step))
    for after in rest:
        chains = list(nest) if type(nest) in {list, tuple, Stack} else []
        if not chains or not all(type(chain) is Chain for chain in chains):
            return None
        if type(nest) is Stack and class_name(after) in _OF_EACH:
            nest = Stack(tuple(Chain([*chain, after]) for chain in chains))
            continue
        # That of v2 does something to each crop.
        is_lambda = type(after).__module__ == "torchvision.transforms.transforms" and class_name(after) == "Lambda"
        found = trace_of(after.lambd if is_lambda else after, crops=len(chains))
        if found is None or len(found.ways) > 1:
            return None
        nest = nested(found.ways[0].nest, partial(_joined, chains))
    return _unless_empty(nest)


def _joined(chains: Sequence[Chain], chain: Chain) -> Chain:
    """The steps that make a crop, and those after it; the chain begins with the crop's number."""
    number, *after = chain
    return Chain([*chains[number], *after])


def _crops(step: Any) -> list[Chain]:
    five = [Made({"FiveCrop": {"size": size_of(step.size), "part": part}}) for part in _PARTS]
    chains = [Chain([crop]) for crop in five]
    if class_name(step) == "FiveCrop":
        return chains
    flip = Made({"RandomVerticalFlip" if step.vertical_flip else "RandomHorizontalFlip": {"p": 1.0}})
    return [*chains, *(Chain([flip, crop]) for crop in five)]


def _unless_empty(nest: Any) -> Any:
    found: list[Any] = []
    nested(nest, found.append)
    return nest if found else None
