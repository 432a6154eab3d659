"""Pillow's own limits, which are set in its modules: as they are now, and what they make of ours."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

from PIL import Image

from torchfeed.limits import DEFAULT_BYTES, MAX_IMAGE_PIXELS, Limits, Unset

__all__ = ["PillowLimits", "limits_in_force", "pillow_limits"]

PillowLimits = tuple[Any, Any, Any]
"""`PIL.Image.MAX_IMAGE_PIXELS`, and of `PIL.PngImagePlugin` `MAX_TEXT_CHUNK` and `MAX_TEXT_MEMORY`: anything at all."""

_NO_LIMIT = 2**64 - 1
_TEXT_LIMITS = 2**20, 2**26
_DEFAULTS: PillowLimits = (MAX_IMAGE_PIXELS // 2, *_TEXT_LIMITS)


def pillow_limits() -> PillowLimits:
    """Looks up the limits that Pillow would keep to now, in this process."""
    png = sys.modules.get("PIL.PngImagePlugin")  # nobody set anything in a module that is not there
    texts = _TEXT_LIMITS if png is None else (png.MAX_TEXT_CHUNK, png.MAX_TEXT_MEMORY)
    return Image.MAX_IMAGE_PIXELS, *texts


def limits_in_force(limits: Limits, pillow: PillowLimits) -> tuple[Limits, tuple[int, int, int]]:
    """Says what samples may cost natively, and beyond what Pillow is asked whether it would open a file.

    `PIL.Image.MAX_IMAGE_PIXELS` takes the place of limits that nobody set. Above it Pillow warns, and above twice as
    many pixels it raises an error. The other limits let an image pass that it lets pass.

    Args:
        limits: those of a loader, or of the process.
        pillow: Pillow's own.

    Returns:
        The limits, and (pixels of an image, bytes of a compressed text, bytes of all texts).
    """
    if pillow == _DEFAULTS:  # as nearly always: every epoch comes by here
        return limits, (_DEFAULTS[0] if isinstance(limits.max_pixels, Unset) else _NO_LIMIT, *_TEXT_LIMITS)
    most, chunk, memory = pillow
    unset = {name: value for name, value in vars(limits).items() if isinstance(value, Unset)}
    asked = _NO_LIMIT if "max_pixels" not in unset else _whole(most, 1)
    twice = _whole(most, 2)
    if unset:
        pixels = max(twice, MAX_IMAGE_PIXELS)
        of_bytes = min(max(12 * twice, DEFAULT_BYTES), _NO_LIMIT)
        lifted = {
            "max_pixels": max(twice, 1),
            "max_transformed_pixels": pixels,
            "max_decoded_bytes": of_bytes,
            "max_file_bytes": of_bytes,
        }
        limits = replace(limits, **{name: Unset(lifted[name]) for name in unset})
    return limits, (asked, _whole(chunk, 1), _whole(memory, 1))


def _whole(limit: Any, times: int) -> int:
    """A limit of Pillow as a number of 64 bits that just as many are above. What is none forbids everything."""
    try:
        if limit is None or math.isnan(limit):
            return _NO_LIMIT
        whole: int = math.floor(min(times * limit, _NO_LIMIT))
        return max(0, whole)
    except (TypeError, ValueError, OverflowError):
        return 0
