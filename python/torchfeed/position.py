"""Where an epoch is, and how to get there again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["Position"]


class Position:
    """The batches handed out in the current epoch, and the random state at its beginning.

    An epoch is its random state and a number: the same state gives the same seed and the same order, and a sample
    depends on nothing else.
    """

    def __init__(self) -> None:
        self._batches = 0
        self._state: Tensor | None = None
        self._resume: dict[str, Any] | None = None

    def state_dict(self, loader: DataLoader[Any]) -> dict[str, Any]:
        """The position as plain values: between epochs, only the generator as it is."""
        if self._resume is not None:
            return self._resume
        if self._state is None:
            return {"batches": 0, "state": None if loader.generator is None else loader.generator.get_state()}
        return {"batches": self._batches, "state": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remembers where the next epoch begins."""
        self._resume = dict(state)

    def advance(self) -> None:
        """Counts a batch that was handed out."""
        self._batches += 1

    def finish(self) -> None:
        """Notes that the epoch is over."""
        self._state = None
        self._batches = 0

    @contextmanager
    def begin(self, loader: DataLoader[Any]) -> Generator[int]:
        """Begins an epoch, at a remembered place if there is one; gives the number of batches to pass over.

        A generator of the user's is set to where it was. The global one is only borrowed: its state afterwards is
        what the caller restored from a checkpoint, which must not be undone.
        """
        resume, self._resume = self._resume, None
        state = resume["state"] if resume else None
        self._batches = resume["batches"] if resume else 0
        borrowed = torch.get_rng_state() if state is not None and loader.generator is None else None
        if state is not None:
            torch.set_rng_state(state) if loader.generator is None else loader.generator.set_state(state)
        self._state = torch.get_rng_state() if loader.generator is None else loader.generator.get_state()
        try:
            yield self._batches
        finally:
            if borrowed is not None:
                torch.set_rng_state(borrowed)

    def follow(self, loader: DataLoader[Any], begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Wraps torch's own iterator, so that its position is known too; as itself if nothing is to be resumed."""
        with self.begin(loader) as skip:
            batches = begin()
            for _ in range(skip):
                next(batches)
        return _Followed(self, batches)


class _Followed(Iterator[Any]):
    """An iterator that tells a position how far it is; anything else is its own affair."""

    def __init__(self, position: Position, batches: Iterator[Any]) -> None:
        self._position = position
        self._batches = batches

    def __next__(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            self._position.finish()
            raise
        self._position.advance()
        return batch

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]  # torch's iterators have a length

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)
