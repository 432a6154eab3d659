"""Steps that may convert an image to RGB or to gray, or leave it as it is.

A user's function counts where its code can do no more than ask for the image's mode and convert it, and where it makes
the same pixels of a picture, or those of a gray picture three times. What such code makes of an image depends on the
mode alone.
"""

from __future__ import annotations

import dis
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from PIL import Image

from .arguments import Op
from .known_classes import class_name
from .written_code import is_written

__all__ = ["channels_after", "converted"]

_ATTRIBUTES = {"convert", "mode"}

# Instructions that reach beyond the argument and constants, by parts of their names.
_BEYOND = ("ATTR_", "BUILD_CLASS", "CLOSURE", "DELETE", "DEREF", "GLOBAL", "IMPORT", "MAKE_FUNCTION", "NAME", "YIELD")
_BEYOND_WHOLE = {"STORE_ATTR", "STORE_SUBSCR"}

_UNUSUAL = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR | CO_VARARGS | CO_VARKEYWORDS


def converted(op: Op, channels: int) -> tuple[list[Op], int]:
    """Reads an op of images of so many channels, 1 or 3: what is left to do, and the channels afterwards.

    Example:
        >>> converted({"Grayscale": {"num_output_channels": 3}}, 1)
        ([{'RGB': {}}], 3)
    """
    ((name, arguments),) = op.items()
    if name not in {"Grayscale", "RGB"}:
        return [op], channels
    after = 3 if name == "RGB" else arguments["num_output_channels"]
    if channels == 1:
        return [{"RGB": {}}] if after == 3 else [], after
    return [op] if name == "Grayscale" else [], after


def channels_after(step: Any, channels: int) -> int | None:
    """The channels that 8-bit images of 1 or 3 have after a user's function which does no more than make them RGB.

    Returns:
        The same number where the function hands images on as they are; `None` where it may do anything else.

    Example:
        >>> channels_after(lambda image: image.convert("RGB"), 1), channels_after(lambda image: image.rotate(9), 1)
        (3, None)
    """
    if type(step).__name__ == "Lambda" and class_name(step) == "Lambda":
        # That of v2 may be for some types only.
        return _made_by(step.lambd, channels) if getattr(step, "types", (object,)) == (object,) else None
    return _made_by(step, channels)


def _made_by(function: Any, channels: int) -> int | None:
    if not isinstance(function, FunctionType) or not _only_converts(function):
        return None
    picture = _picture(channels)
    try:
        made = function(picture)
    except Exception:  # noqa: BLE001  (whatever it raises, it is raised again where it really runs)
        return None
    if not isinstance(made, Image.Image) or made.mode not in {"L", "RGB"}:
        return None
    pixels = _picture(channels)
    # All of its bytes are looked at: none of a gray pixel depends on another pixel.
    expected = pixels.convert("RGB") if made.mode == "RGB" and channels == 1 else pixels
    return len(made.getbands()) if (made.mode, made.tobytes()) == (expected.mode, expected.tobytes()) else None


def _only_converts(function: FunctionType) -> bool:
    """Whether the code of a function of one argument can do no more than look at its mode and convert it."""
    code = function.__code__
    if (
        code.co_argcount != 1
        or code.co_kwonlyargcount
        or code.co_flags & _UNUSUAL
        or function.__defaults__
        or not _ATTRIBUTES.issuperset(code.co_names)
        or any(isinstance(constant, CodeType) for constant in code.co_consts)
    ):
        return False
    operations = {instruction.opname for instruction in dis.get_instructions(code)}
    if operations & _BEYOND_WHOLE or any(part in operation for operation in operations for part in _BEYOND):
        return False
    return "convert" not in code.co_names or is_written("PIL.Image", "Image", "convert", Image.Image.convert)


def _picture(channels: int) -> Image.Image:
    """Makes a picture with all values."""
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    return Image.fromarray(values if channels == 1 else np.stack([values, values.T, 255 - values], axis=2))
