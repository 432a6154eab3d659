"""Steps that leave an image as it is: `lambda image: image`, and conversions to RGB of images that are RGB already.

A user's function counts where its code can do no more than ask for the image's mode and convert it, and where it hands
a picture of the same mode back with the same pixels. What such code makes of an image depends on the mode alone.
"""

from __future__ import annotations

import dis
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from PIL import Image

from .known_classes import class_name
from .written_code import is_written

__all__ = ["leaves_as_is"]

_ATTRIBUTES = {"convert", "mode"}

# Instructions that reach beyond the argument and constants, by parts of their names.
_BEYOND = ("ATTR_", "BUILD_CLASS", "CLOSURE", "DELETE", "DEREF", "GLOBAL", "IMPORT", "MAKE_FUNCTION", "NAME", "YIELD")
_BEYOND_WHOLE = {"STORE_ATTR", "STORE_SUBSCR"}

_UNUSUAL = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR | CO_VARARGS | CO_VARKEYWORDS


def leaves_as_is(step: Any, channels: int) -> bool:
    """Whether a step hands on 8-bit images of so many channels, 1 or 3, as they are.

    Example:
        >>> leaves_as_is(lambda image: image.convert("RGB"), 3), leaves_as_is(lambda image: image.convert("RGB"), 1)
        (True, False)
    """
    name = type(step).__name__
    if name == "RGB" and channels == 3:
        return class_name(step) == name  # v2's conversion to RGB
    if name == "Lambda" and class_name(step) == name:
        # That of v2 may be for some types only.
        return getattr(step, "types", (object,)) == (object,) and _function_leaves_as_is(step.lambd, channels)
    return _function_leaves_as_is(step, channels)


def _function_leaves_as_is(function: Any, channels: int) -> bool:
    if not isinstance(function, FunctionType) or not _only_converts(function):
        return False
    mode = "RGB" if channels == 3 else "L"
    picture = _picture(mode)
    try:
        made = function(picture)
    except Exception:  # noqa: BLE001  (whatever it raises, it is raised again where it really runs)
        return False
    return isinstance(made, Image.Image) and made.mode == mode and made.tobytes() == _picture(mode).tobytes()


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


def _picture(mode: str) -> Image.Image:
    """Makes a picture with all values."""
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    return Image.fromarray(values if mode == "L" else np.stack([values, values.T, 255 - values], axis=2))
