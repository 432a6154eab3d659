"""Where an epoch is, and how to get there again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import dataloader as torch_dataloader

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["MultiProcessIterator", "Position", "SingleProcessIterator", "begin", "state_dict"]


class Position:
    """How many batches of an epoch were handed out, and the random state at its beginning.

    An epoch is its random state and a number: the same state gives the same seed and the same order, and a sample
    depends on nothing else. Each iterator has a position of its own; the loader knows that of the latest.
    """

    def __init__(self, state: Tensor, base: tuple[int, int] | None) -> None:
        self.state = state
        self.base = base  # with persistent workers: the seed of the first epoch, and the number of this one
        self.batches = 0
        self.over = False

    @property
    def following(self) -> tuple[int, int] | None:
        """The base of the next epoch."""
        return (self.base[0], self.base[1] + 1) if self.base else None

    def advance(self) -> None:
        """Counts a batch that was handed out."""
        self.batches += 1

    def finish(self) -> None:
        """Notes that the epoch is over."""
        self.over = True


def state_dict(loader: DataLoader[Any], position: Position | None) -> dict[str, Any]:
    """Writes a position as plain values: between epochs, only the user's generator as it is."""
    if position is None:
        return {"batches": 0, "state": None if loader.generator is None else loader.generator.get_state(), "base": None}
    if position.over:
        state = None if loader.generator is None else loader.generator.get_state()
        return {"batches": 0, "state": state, "base": position.following}
    # The first epoch draws its base seed again, from the same state.
    base = position.base if position.base and position.base[1] else None
    return {"batches": position.batches, "state": position.state, "base": base}


@contextmanager
def begin(
    loader: DataLoader[Any], resume: dict[str, Any] | None, base: tuple[int, int] | None
) -> Generator[tuple[Position, int]]:
    """Begins an epoch, at a saved place if there is one; gives its position and the number of batches to pass over.

    A generator of the user's is set to where it was. The global one is only borrowed: its state afterwards is what
    the caller restored from a checkpoint, which must not be undone.
    """
    state = resume["state"] if resume else None
    borrowed = torch.get_rng_state() if state is not None and loader.generator is None else None
    if state is not None:
        torch.set_rng_state(state) if loader.generator is None else loader.generator.set_state(state)
    try:
        now = torch.get_rng_state() if loader.generator is None else loader.generator.get_state()
        base = resume.get("base") if resume else (base[0], base[1] + 1) if base else None
        yield Position(now, base and (base[0], base[1])), resume["batches"] if resume else 0
    finally:
        if borrowed is not None:
            torch.set_rng_state(borrowed)


class _Counted:
    """Makes torch's own iterators count the batches that they hand out."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._position = loader.position
        super().__init__(loader)  # type: ignore[call-arg]  # the iterator that this is mixed into

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        self._position = loader.position
        super()._reset(loader, first_iter)  # type: ignore[misc]

    def __next__(self) -> Any:
        try:
            batch = super().__next__()  # type: ignore[misc]
        except StopIteration:
            self._position.finish()
            raise
        self._position.advance()
        return batch


class SingleProcessIterator(_Counted, torch_dataloader._SingleProcessDataLoaderIter):  # noqa: SLF001
    """torch's iterator for ``num_workers=0``."""


class MultiProcessIterator(_Counted, torch_dataloader._MultiProcessingDataLoaderIter):  # noqa: SLF001
    """torch's iterator for worker processes."""
