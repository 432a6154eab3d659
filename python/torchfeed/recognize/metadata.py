"""Whether the part of a transform that runs in Python may find out about the metadata of a PIL image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .known_classes import class_name
from .rules import RULES, names_of
from .steps import flatten, has_plain_steps, own_name, padding_of

__all__ = ["hands_metadata_on", "may_see_metadata"]

_TO_TENSOR = names_of(lambda rule: rule.makes_tensor)

# Those with a rule, and others of torchvision's, which look at pixels and at nothing else.
_PIXELS_ONLY = {
    *names_of(lambda rule: rule.read or rule.kind == "values"),
    "AugMix",
    *("Grayscale", "RGB", "RandomChannelPermutation", "RandomPhotometricDistort"),
    *("ElasticTransform", "RandomErasing"),
    *("RandomResize", "RandomShortestSize", "RandomZoomOut", "ScaleJitter"),
}


def may_see_metadata(steps: Sequence[Any]) -> bool:
    """Whether one of some steps, which begin with a PIL image, may look at its metadata or hand the image on.

    torchvision's own steps hand the metadata on without a look, until one makes a tensor. Any other step is a user's.
    """
    for step in steps:
        if class_name(step) in _TO_TENSOR:
            return False
        if not _sees_pixels_only(step):
            return True
    return True


def _sees_pixels_only(step: Any) -> bool:
    name = class_name(step)
    if name in RULES and RULES[name].compose is not None:
        return has_plain_steps(step) and all(
            _sees_pixels_only(inner) for branch in step.transforms for inner in flatten(branch)
        )
    return name in _PIXELS_ONLY


def hands_metadata_on(step: Any, size: tuple[int, int]) -> bool:
    """Whether a transform of torchfeed's hands an image's metadata on, as torchvision's does: unless it pads or blends.

    Args:
        step: the transform.
        size: the image's (width, height).
    """
    name = own_name(step)
    if RULES[name].loses_metadata(step):
        return False
    pads = padding_of(step, name)
    if pads is None or pads.is_certain:
        return pads is None
    return bool(size[0] >= step.size[1] and size[1] >= step.size[0])
