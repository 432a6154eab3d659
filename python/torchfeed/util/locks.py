"""Locks that survive a fork, and sets of objects to close at exit; both work with and without the GIL."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Generic, TypeVar
from weakref import WeakSet

__all__ = ["Open", "Turns", "has_gil"]

T = TypeVar("T")


def has_gil() -> bool:
    """Whether one thread at a time runs Python: not where a free-threaded interpreter has turned that off."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


class Turns:
    """A lock that a thread may take again while it has it; in a forked child, and in a copy, nobody has it.

    A forked child has one thread only: a lock that another thread of the parent held would never be released there.
    """

    def __init__(self) -> None:
        # One for each process: looking it up and adding it are single steps, for all threads of a child.
        self._locks: dict[int, threading.RLock] = {}

    def __enter__(self) -> None:
        process = os.getpid()
        (self._locks.get(process) or self._locks.setdefault(process, threading.RLock())).acquire()

    def __exit__(self, *_: object) -> None:
        self._locks[os.getpid()].release()

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return Turns, ()


class Open(Generic[T]):
    """Objects to close before the interpreter ends. It keeps none alive."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._open: WeakSet[T] = WeakSet()

    def add(self, value: T) -> None:
        """Takes it in."""
        with self._turns:
            self._open.add(value)

    def discard(self, value: T) -> None:
        """Lets it go, if it is there."""
        with self._turns:
            self._open.discard(value)

    def all(self) -> list[T]:
        """All that is open now; a set must not change while it is gone through."""
        with self._turns:
            return list(self._open)
