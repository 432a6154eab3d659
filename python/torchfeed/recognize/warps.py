"""The arguments of torchvision's rotations, affine maps and perspectives, read for the native ops."""

from __future__ import annotations

import math
from typing import Any

from .arguments import INTERPOLATIONS, Op, colour, fill_of, interpolation_of
from .common import Unrecognized

__all__ = ["random_affine", "random_perspective", "random_rotation"]

_INTERPOLATIONS = {INTERPOLATIONS[name] for name in ("nearest", "bilinear", "bicubic")}
_MOST = 1e30  # torch draws floats: what is not one is an error there


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and abs(value) <= _MOST


def _shared(step: Any) -> dict[str, Any]:
    """Reads the arguments that all have: an interpolation and a fill."""
    interpolation, fill = step.interpolation, fill_of(step)
    number = interpolation_of(interpolation)
    if number not in _INTERPOLATIONS:
        named = getattr(interpolation, "value", interpolation)
        raise Unrecognized(f"{type(step).__name__} with {named} is an error in Pillow")
    return {"interpolation": number, "fill": colour(0 if fill is None else fill)}


def _bounds(step: Any, name: str, values: Any) -> tuple[float, float]:
    """Reads the bounds of what is drawn evenly."""
    low, high = values
    if not (_is_number(low) and _is_number(high) and low <= high):
        raise Unrecognized(f"{type(step).__name__} with {name} from {low} to {high}: torch draws no such number")
    return float(low), float(high)


def _center(step: Any) -> list[float] | None:
    center = step.center
    if center is None:
        return None
    if not isinstance(center, (list, tuple)) or not all(map(_is_number, center)):
        raise Unrecognized(f"{type(step).__name__} with center={center!r} is not a list of two numbers")
    return [float(each) for each in center]


def random_rotation(step: Any) -> Op:
    """Reads a `RandomRotation`."""
    degrees = _bounds(step, "degrees", step.degrees)
    arguments = {"degrees": degrees, "expand": bool(step.expand), "center": _center(step)}
    return {"RandomRotation": arguments | _shared(step)}


def random_affine(step: Any) -> Op:
    """Reads a `RandomAffine`."""
    translate, scale, shear = step.translate, step.scale, step.shear
    if translate is not None:
        translate = _bounds(step, "translate", (0, translate[0]))[1], _bounds(step, "translate", (0, translate[1]))[1]
    if scale is not None:
        scale = _bounds(step, "scale", scale)
        if scale[0] <= 0:
            raise Unrecognized(f"RandomAffine with a scale from {scale[0]}: it should be positive")
    pairs = [] if shear is None else [_bounds(step, "shear", shear[at : at + 2]) for at in range(0, len(shear), 2)]
    shears = [*pairs, None, None][:2]
    arguments = {"degrees": _bounds(step, "degrees", step.degrees), "translate": translate, "scale": scale}
    return {"RandomAffine": arguments | {"shear": shears, "center": _center(step)} | _shared(step)}


def random_perspective(step: Any) -> Op:
    """Reads a `RandomPerspective`."""
    scale = step.distortion_scale
    if not _is_number(scale) or not 0 <= scale <= 1:
        raise Unrecognized(f"RandomPerspective with distortion_scale={scale!r} is not from 0 to 1")
    return {"RandomPerspective": {"distortion_scale": float(scale), "p": float(step.p)} | _shared(step)}
