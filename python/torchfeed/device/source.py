"""What the device stage reads from: any loader, torchfeed's or another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torchfeed.internals import latest_cursor

__all__ = ["Source"]


class Source(Iterator[Any]):
    """One pass over a loader.

    Args:
        loader: whose batches they are; with a `state_dict` it has a place in its epoch.
        batches: its iterator.
    """

    def __init__(self, loader: Iterable[Any], batches: Iterator[Any]) -> None:
        self._cursor = latest_cursor(loader)
        self._state = getattr(loader, "state_dict", None)
        if self._cursor is not None:
            # The loader's own method may be about what was handed over.
            self._state = self._cursor.state
        self._ready = getattr(batches, "is_ready", None)
        self.batches = batches
        self._is_open = True
        self._count = 0

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # an iterator without a length raises

    def __next__(self) -> Any:
        if not self._is_open:
            raise StopIteration
        self._count += 1
        return next(self.batches)

    @property
    def number(self) -> int:
        """The number of the last batch in its epoch, from 0."""
        return (self._cursor.batches if self._cursor is not None else self._count) - 1

    def is_ready(self) -> bool:
        """Whether the next batch, or the end, is there without waiting; true where it cannot be known."""
        return self._ready is None or self._ready()

    def state(self) -> dict[str, Any] | None:
        """The state of the loader, if it has one."""
        return None if self._state is None else self._state()

    def close(self) -> None:
        """Ends the loader's iterator."""
        batches, self.batches, self._is_open = self.batches, iter(()), False
        close = getattr(batches, "close", None)
        if close is not None:
            close()
