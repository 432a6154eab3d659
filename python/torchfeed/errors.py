"""The package's own exceptions."""

from __future__ import annotations

__all__ = ["DecodeError", "InternalError"]


class DecodeError(ValueError, OSError):
    """An image cannot be decoded: its bytes are broken, no image at all, or beyond a limit.

    It is an `OSError` too, as what Pillow raises for such files is.

    Attributes:
        index: the sample's index in its dataset.
        path: the sample's file, where it has one.
    """

    index: int | None = None
    path: str | None = None


class InternalError(RuntimeError):
    """torchfeed itself failed: a native thread panicked, which is a bug. Please report it with its message.

    It says nothing about the sample, so `on_error` never replaces a sample for it.

    Attributes:
        index: the index of the sample that the thread was making.
        path: the sample's file, where it has one.
    """

    index: int | None = None
    path: str | None = None
