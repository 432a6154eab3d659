"""What ops do to tensors, where that is what they do to the pixels that the tensors were made of.

Such an op moves in front of the steps that made the tensor.
"""

from __future__ import annotations

from typing import Any

from .arguments import INTERPOLATIONS
from .common import Unrecognized
from .value import Ramp

__all__ = ["check_padding", "moves_pixels", "resizes", "runs_in_python"]

RESIZED_TENSOR = "resizes as on a PIL image, which differs from a tensor's resize by at most one level of 255"


def _early(step: Any) -> str:
    return f"move {type(step).__name__} before the step that makes a tensor"


def runs_in_python(step: Any, _: Ramp) -> list[str]:
    """Refuses an op on tensors.

    Raises:
        Unrecognized: always.
    """
    raise Unrecognized(f"{type(step).__name__} of a tensor runs in Python: {_early(step)}")


def moves_pixels(_step: Any, _ramp: Ramp) -> list[str]:
    """Takes an op that only chooses pixels; what it may pad with is checked besides."""
    return []


def resizes(step: Any, ramp: Ramp) -> list[str]:
    """Takes a resize of 8-bit tensors, which is not quite that of PIL images.

    Raises:
        Unrecognized: a resize of other tensors, or with a filter that is another one there.
    """
    name = type(step).__name__
    filters = {INTERPOLATIONS["bilinear"], INTERPOLATIONS["bicubic"]}
    mode = getattr(step.interpolation, "value", step.interpolation)
    if INTERPOLATIONS.get(str(mode), mode) not in filters or step.antialias is not True:
        raise Unrecognized(f"{name} of a tensor with {mode}, antialias={step.antialias} runs in Python: {_early(step)}")
    if not ramp.is_identity:
        raise Unrecognized(f"{name} of a floating point tensor runs in Python: {_early(step)}")
    return [f"{name} {RESIZED_TENSOR}"]


def check_padding(step: Any, fill: Any, mode: str, ramp: Ramp) -> None:
    """Checks that a padding of a tensor is one of the pixels before.

    Raises:
        Unrecognized: it mirrors, or no pixel becomes the fill.
    """
    name = type(step).__name__
    if mode != "constant" or not isinstance(fill, (int, float)):
        raise Unrecognized(f"{name} of a tensor with padding_mode={mode!r}, fill={fill} runs in Python: {_early(step)}")
    if ramp.pixel(fill) != [int(fill)] * ramp.channels:
        raise Unrecognized(f"{name} fills with {fill}, which no pixel becomes there: {_early(step)}")
