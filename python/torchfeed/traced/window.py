"""Whether samples are traced on a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["is_open", "window"]


class _Window(threading.local):
    is_open = False


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
