"""What all of recognition shares."""

from __future__ import annotations

from typing import Any

__all__ = ["Unrecognized", "describe"]


class Unrecognized(Exception):  # noqa: N818  (a finding, which ends up in `explain`, not an error)
    """Something that the native engine does not run; the message says what, and what would change it."""


def describe(value: Any) -> str:
    """Names a function or an object, for a message."""
    named = value if hasattr(value, "__qualname__") and hasattr(value, "__module__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
