"""The user's line that everything began with, from however deep below."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Container
from types import FrameType

__all__ = ["frame_outside", "warn_caller"]

_PACKAGES = {"torch", "torchfeed"}


def warn_caller(warning: Warning) -> None:
    """Gives a warning in the name of the first caller outside of torch and torchfeed."""
    _, level = frame_outside(_PACKAGES)
    warnings.warn(warning, stacklevel=level)


def frame_outside(packages: Container[str]) -> tuple[FrameType, int]:
    """The innermost frame that runs code of none of some packages, and its stack level for the function that asks."""
    frame, level = sys._getframe(1), 1  # noqa: SLF001  (as the standard library finds a caller)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in packages:
        frame, level = frame.f_back, level + 1
    return frame, level
