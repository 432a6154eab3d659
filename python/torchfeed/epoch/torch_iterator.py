"""Base classes and helpers for iterators that are, or look like, torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .cursor import Cursor

__all__ = ["MovesCursor", "Restart", "View"]

Restart: TypeAlias = Callable[[Any, Any], None]
"""Begins the next epoch of a loader in the iterator of the last one."""


class View:
    """Shows a loader to one of torch's iterators, with other values for some of its attributes."""

    def __init__(self, loader: Any, **others: Any) -> None:
        self.__dict__.update(others, loader=loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["loader"], name)


class MovesCursor:
    """Gives one of torch's iterators a cursor. torch's code sets `_base_seed`; the cursor may have another one."""

    _cursor: Cursor
    _restart_iterator: Restart

    @property
    def cursor(self) -> Cursor:
        """The place in the epoch."""
        return self._cursor

    @property
    def _base_seed(self) -> int:
        return self._cursor.take_base_seed(0)

    @_base_seed.setter
    def _base_seed(self, drawn: int) -> None:
        self._cursor.take_base_seed(drawn)

    def _begin_order(self) -> None:
        """Prepares for asking the sampler for the iterator that counts."""
        if self._cursor.index_sampler is not None:
            self._index_sampler = self._cursor.index_sampler
        self._cursor.begin_order()

    def _reset(self, loader: Any, first_iter: bool = False) -> None:  # noqa: ARG002  (torch's arguments)
        """Begins the next epoch in this iterator, as torch's loader asks of one with persistent workers."""
        self._restart_iterator(loader, self)
