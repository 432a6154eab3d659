"""Whether a thread wants lazy images."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Wanted", "failed_late", "late_errors", "not_lazily", "wanted"]


class Wanted(threading.local):
    """What a thread wants; `None` where it is as in all of the process."""

    here: bool | None = None
    late: bool = False
    """Whether damaged files may be found out when pixels are needed, which is later than Pillow would say so."""
    failed: bool = False
    """Whether one was found out so."""


wanted = Wanted()


@contextmanager
def late_errors() -> Iterator[None]:
    """Puts off decoding all images that are opened on this thread meanwhile, whatever may be wrong with them."""
    before, wanted.late = wanted.late, True
    try:
        yield
    finally:
        wanted.late = before


def failed_late() -> bool:
    """Whether a damaged file was found out too late on this thread, since this was asked."""
    failed, wanted.failed = wanted.failed, False
    return failed


@contextmanager
def not_lazily() -> Iterator[None]:
    """Leaves images alone that are opened on this thread meanwhile."""
    before, wanted.here = wanted.here, False
    try:
        yield
    finally:
        wanted.here = before
