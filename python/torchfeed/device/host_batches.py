"""One pass over any loader, torchfeed's or another, as the device stage reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchfeed.epoch.cursor import Cursor
from torchfeed.epoch.internals import is_own, latest_cursor
from torchfeed.util.random_state import fresh_seed

__all__ = ["HostBatches"]


class HostBatches(Iterator[Any]):
    """One pass over a loader.

    Args:
        loader: whose batches they are; with a `state_dict` it has a place in its epoch.
        batches: its iterator.
        before: the place of the loader before that was made. An iterator that a subclass makes may begin its epoch
            with the first batch, or be in an older one.
    """

    def __init__(self, loader: Iterable[Any], batches: Iterator[Any], before: Cursor | None = None) -> None:
        self._loader, self._before = loader, before
        self._cursor: Cursor | None = None
        self._seed: int | None = None
        self._find_cursor()
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
        batch = next(self.batches)
        if self._cursor is None and self._count == 1:
            self._find_cursor()
        return batch

    def _find_cursor(self) -> None:
        cursor = latest_cursor(self._loader)
        if cursor is not None and cursor is not self._before:
            self._cursor = cursor

    def draw_seed(self) -> int:
        """The seed of the pass: the loader's, if it has begun an epoch; else one that is drawn the first time."""
        if self._seed is None:
            # torchfeed's loaders have a seed; torch's iterators draw one, from the same generator.
            drawn = getattr(self.batches, "_base_seed", None) if self._cursor is None else self._cursor.seed
            self._seed = (fresh_seed() if drawn is None else int(drawn)) % 2**64
        return self._seed

    @property
    def has_begun(self) -> bool:
        """Whether the loader's epoch has begun, as far as it can be known."""
        return self._cursor is not None or not is_own(self._loader)

    @property
    def number(self) -> int:
        """The number of the last batch in its epoch, from 0."""
        return (self._cursor.batches if self._cursor is not None else self._count) - 1

    def is_ready(self) -> bool:
        """Whether the next batch, or the end, is there without waiting; true where it cannot be known."""
        return self._ready is None or self._ready()

    def place(self) -> Callable[[], dict[str, Any]] | None:
        """Keeps where the loader is; what is returned says it. `None` if the loader has no state."""
        if self._cursor is not None:  # whose loader's own method may be about what was handed over
            return self._cursor.keep()
        state_dict = getattr(self._loader, "state_dict", None)
        if state_dict is None:
            return None
        state: dict[str, Any] = state_dict()
        return lambda: state

    def close(self) -> None:
        """Ends the loader's iterator."""
        batches, self.batches, self._is_open = self.batches, iter(()), False
        close = getattr(batches, "close", None)
        if close is not None:
            close()
