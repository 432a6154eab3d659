"""Whether a thread wants lazy images."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Wanted", "not_lazily", "wanted"]


class Wanted(threading.local):
    """What a thread wants; `None` where it is as in all of the process."""

    here: bool | None = None


wanted = Wanted()


@contextmanager
def not_lazily() -> Iterator[None]:
    """Leaves images alone that are opened on this thread meanwhile."""
    before, wanted.here = wanted.here, False
    try:
        yield
    finally:
        wanted.here = before
