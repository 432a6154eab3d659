"""What all of recognition shares."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["PACKAGES", "Unrecognized", "class_name", "describe"]

PACKAGES = ("torchfeed", "torchvision")

# Other packages' classes, each of which does what one of torchvision's does, or is run as it is on every pixel value.
CLASSES = {"timm": {"MaybeToTensor", "MaybePILToTensor", "RandomResizedCropAndInterpolation"}}


class Unrecognized(Exception):  # noqa: N818  (a finding, which ends up in `explain`, not an error)
    """Something that the native engine does not run; the message says what, and what would change it."""


def class_name(value: object) -> str | None:
    """Names the class of `value` if it is one that is known, of torchfeed, torchvision or timm."""
    cls = type(value)
    package = cls.__module__.split(".")[0]
    if package not in PACKAGES and cls.__name__ not in CLASSES.get(package, ()):
        return None
    # A hook may do anything to what goes in or comes out.
    if isinstance(value, nn.Module) and (value._forward_hooks or value._forward_pre_hooks):  # noqa: SLF001
        return None
    return cls.__name__


def describe(value: Any) -> str:
    """Names a function or an object, for a message."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
