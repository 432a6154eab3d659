"""Whether samples are traced on a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torchfeed.util.caller import frame_outside

__all__ = ["first_use", "is_open", "note_use", "window"]


class _Window(threading.local):
    is_open = False
    used = ""


_window = _Window()


def is_open() -> bool:
    """Whether samples are traced on this thread, at the moment."""
    return _window.is_open


@contextmanager
def window(*, is_open: bool = True) -> Iterator[None]:
    """Traces samples on this thread meanwhile, or makes them in Python in the middle of it."""
    before, _window.is_open = _window.is_open, is_open
    try:
        yield
    finally:
        _window.is_open = before


_LIBRARIES = {"PIL", "contextlib", "copy", "numpy", "torch", "torchfeed", "torchvision"}


def note_use() -> None:
    """Notes the line of the user's code that needs something of an image which is not opened, if it is the first."""
    if _window.is_open and not _window.used:
        frame, _ = frame_outside(_LIBRARIES)
        code = frame.f_code
        _window.used = f'File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}'


def first_use() -> str:
    """The line that was noted since this was asked; empty if none was."""
    used, _window.used = _window.used, ""
    return used
