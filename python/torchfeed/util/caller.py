"""Warnings that point at the user's line that iterates a loader, from however deep below."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn_caller"]

_PACKAGES = {"torch", "torchfeed"}


def warn_caller(warning: Warning) -> None:
    """Gives a warning in the name of the first caller outside of torch and torchfeed."""
    frame, level = sys._getframe(1), 2  # noqa: SLF001  (as the standard library finds a caller)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(warning, stacklevel=level)
