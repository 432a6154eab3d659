"""The classes that are known: torchfeed's, torchvision's and some of timm's, as long as their own code runs."""

from __future__ import annotations

from torch import nn

from .common import describe
from .replaced_code import replaced
from .rules import names_of

__all__ = ["CLASSES", "changed", "class_name", "is_named", "why_in_python"]

_PACKAGES = ("torchfeed", "torchvision")

_OF_TORCH = {nn.Identity, nn.ModuleList, nn.Sequential}

# Other packages' classes, each of which does what one of torchvision's does, or is run as it is on every pixel value.
# An `AugmentOp` is a part of such a class.
CLASSES = {"timm": names_of(lambda rule: "timm" in rule.of) | {"AugmentOp"}}


def class_name(value: object) -> str | None:
    """Names the class of `value` if it is one that is known, and if nothing replaces or surrounds its code."""
    return type(value).__name__ if is_named(value) and not replaced(value) else None


def why_in_python(step: object) -> str:
    """Says why a step runs in Python."""
    remedy = changed(step) or "put it last, or apply it to whole batches in your loop"
    return f"{describe(step)} runs in Python, and so does all that follows it: {remedy}"


def changed(value: object) -> str:
    """Says what replaces or surrounds the code of an object whose class is known; empty if nothing does."""
    return replaced(value) if is_named(value) else ""


def is_named(value: object) -> bool:
    """Whether an object is of a class that is known, whatever code it runs."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    return package in _PACKAGES or cls in _OF_TORCH or cls.__name__ in CLASSES.get(package, ())
