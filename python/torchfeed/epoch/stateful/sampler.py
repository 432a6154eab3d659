"""The state of a sampler that keeps one, at each batch that is handed out."""

from __future__ import annotations

import base64
import copy
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from inspect import isgeneratorfunction
from typing import Any, TypeAlias

import numpy as np
from torch.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from torchfeed.bad_samples.substitute_pool import SubstitutePool
from torchfeed.util.random_state import own_random_state

from .protocol import freeze, is_stateful, restore, state_of, thaw

__all__ = ["SamplerPart", "find_sampler", "load_sampler", "sampler_between_epochs"]

_WITHOUT_STATE = {
    SequentialSampler,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    DistributedSampler,
    list,
    range,
    tuple,
}

_END: Any = object()

Again: TypeAlias = Callable[[Callable[[], None], Callable[[], Iterator[Any]]], Iterator[Any]]
"""Gives a sampler its state, makes an iterator of it, and sets the generators as they were then."""


def find_sampler(loader: Any) -> Any:
    """Finds the sampler of a loader that may have a state, or iterators that have; `None` is none.

    torch's `BatchSampler` has no state: the sampler in it counts, as torchdata has it.
    """
    sampler = _inner(loader._index_sampler)  # noqa: SLF001  (torch's own name)
    if type(sampler) in _WITHOUT_STATE or type(sampler).__name__ == "_InfiniteConstantSampler":
        return None
    if isgeneratorfunction(getattr(type(sampler), "__iter__", None)) and not is_stateful(sampler):
        return None
    return sampler


def _inner(index_sampler: Any) -> Any:
    is_plain = getattr(type(index_sampler), "__iter__", None) is BatchSampler.__iter__ and not is_stateful(
        index_sampler
    )
    return index_sampler.sampler if is_plain else index_sampler


def sampler_between_epochs(sampler: Any, *, follows_end: bool) -> Any:
    """The state of a sampler of which no epoch is under way."""
    state = state_of(sampler)
    return None if state is None else _part(state, None, at_end=follows_end)


def _part(
    sampler: Any, iterator: Any, seen: str = "", window: Any = None, *, ended: bool = False, at_end: bool
) -> dict[str, Any]:
    both = {"sampler": sampler, "iterator": iterator}
    return {**both, "ended": ended, "at_end": at_end, "seen": seen, "window": window}


def load_sampler(sampler: Any, state: Any) -> None:
    """Gives a sampler the state that it had where an epoch was to begin.

    Where an epoch had ended before, the state may lead to its end: a sampler that holds its place for the next
    iterator would then have an empty epoch. Such an iterator is used up here, as it was before the state was taken.
    """
    restore(sampler, state["sampler"])
    if not state["at_end"] or state["sampler"] is None:
        return
    _use_up(iter(sampler), lambda: restore(sampler, state["sampler"]))


def _use_up(iterator: Iterator[Any], load: Callable[[], None]) -> None:
    """Asks an iterator that a state has led to its end; if it has led to what follows, `load` does so again."""
    with own_random_state():
        is_at_end = next(iterator, _END) is _END
    if not is_at_end:
        load()


class SamplerPart:
    """A sampler that may have a state, in one epoch.

    torch's iterators ask for batches ahead of those that are handed out. So the state is kept before each is asked for,
    until that batch is handed out.

    Args:
        loader: the loader.
        sampler: what `find_sampler` found in it.
        state: the state to go on from.
        again: how a resumed order begins that torch has asked for an iterator too early.
        mid: whether that is in mid-epoch.
        follows_end: whether an epoch ended before this one.
    """

    def __init__(self, loader: Any, sampler: Any, state: Any, again: Again, *, mid: bool, follows_end: bool) -> None:
        self.sampler = sampler
        self._is_mid_epoch = mid
        self.again = again
        self.restores = state is not None and (state["sampler"] is not None or state["iterator"] is not None)
        """Whether a resumed epoch goes on where the state is, without passing over what came before."""
        self.index_sampler: Any = _Watched(self)
        """What torch's iterators are to take for the loader's sampler."""
        index_sampler = loader._index_sampler  # noqa: SLF001  (torch's own name)
        self._is_inner = sampler is not index_sampler
        if self._is_inner:
            watched, self.index_sampler = self.index_sampler, copy.copy(index_sampler)
            self.index_sampler.sampler = watched
        self._follows_end = follows_end
        self._resume = state if self.restores else None
        self._iterator: Any = None
        self._has_state = self._sampler_has_state = is_stateful(sampler)
        self._ended = False
        self._is_done = state is not None and bool(state["ended"])
        self._before: deque[bytes] = deque()
        # What was asked for and is not handed out yet, and what was: for those who count samples.
        self._asked: deque[tuple[Any, Any]] = deque()
        self._had: list[Any] = [] if state is None else [_read_indices(state["seen"])]
        self._window: Any = None if state is None else state["window"]
        self.counts = False
        """Whether indices are to be remembered, because what is random in a sample depends on how often it came."""

    def iterate(self, again: Again | None = None) -> Iterator[Any]:
        """Begins the sampler's epoch, at the state if there is one.

        Args:
            again: does the first two of three steps, and sets generators between them.
        """
        resume = self._resume

        def load() -> None:
            if resume is not None:
                restore(self.sampler, resume["sampler"])

        iterator: Iterator[Any]
        if again is None:
            load()
            iterator = iter(self.sampler)
        else:
            iterator = again(load, lambda: iter(self.sampler))
        if resume is not None:
            restore(iterator, resume["iterator"])
        self._iterator = iterator
        self._has_state = self._sampler_has_state or is_stateful(iterator)
        if not (self._is_inner and self._has_state):
            return iterator
        if resume is not None and resume["ended"]:
            _use_up(iterator, load)
            return iter(())
        return self._until_end(iterator)

    def _until_end(self, iterator: Iterator[Any]) -> Iterator[Any]:
        """Goes through an iterator, and notes that it has ended: torch's batch sampler finds out before its last batch.

        A sampler may then be back at its beginning.
        """
        yield from iterator
        self._is_done = True

    @property
    def has_state(self) -> bool:
        """Whether there is a state to be asked for, as far as it is known: iterators are known when they are made."""
        return self._has_state

    @property
    def begins_later(self) -> bool:
        """Whether the sampler is left alone until it is asked, in mid-epoch: torch asks for more than one iterator."""
        return self._resume is not None and not self._is_inner and self._is_mid_epoch

    def noting(self, draw: Callable[[], Any]) -> Callable[[], Any]:
        """Makes asking the sampler note its state before."""
        if self._ended or (self._iterator is not None and not self._has_state):
            return draw

        def noted() -> Any:
            self._before.append(freeze(self._now))
            try:
                return draw()
            except StopIteration:
                self._ended = True
                raise

        return noted

    def note_asked(self, drawn: Any, pool: SubstitutePool | None) -> None:
        """Notes what an epoch gets next."""
        if self._has_state:
            self._asked.append((drawn if self.counts else None, None if pool is None else pool.place()))

    def advance(self) -> None:
        """Counts a batch that is handed out."""
        if self._before:
            self._before.popleft()
        if self._asked:
            drawn, self._window = self._asked.popleft()
            if drawn is not None:
                self._had.append(drawn)

    def go_on(self, pool: SubstitutePool | None) -> Any:
        """Returns the indices that a resumed epoch has had, where they were counted."""
        if pool is not None and self._window is not None:
            pool.go_on(self._window)
        return self._had[0]

    def _now(self) -> tuple[Any, Any, bool]:
        if self._iterator is None and self._resume is not None:
            loaded = self._resume["sampler"]
            return state_of(self.sampler) if loaded is None else loaded, self._resume["iterator"], self._resume["ended"]
        return state_of(self.sampler), state_of(self._iterator), self._is_done

    def state(self, batches: int) -> Any:
        """The state where so many batches were handed out; `None` where there is none."""
        sampler, iterator, ended = thaw(self._before[0]) if self._before else self._now()
        at_end = self._follows_end and not batches
        if at_end:  # a new iterator: what it says may be about the last one
            iterator = None
        if sampler is None and iterator is None:
            return None
        return _part(sampler, iterator, _write_indices(self._had), self._window, ended=ended, at_end=at_end)


class _Watched:
    """A sampler whose iterators are known to its part."""

    def __init__(self, part: SamplerPart) -> None:
        self._part = part

    def __iter__(self) -> Iterator[Any]:
        return _Later(self._part) if self._part.begins_later else self._part.iterate()

    def __len__(self) -> int:
        return len(self._part.sampler)

    def __getattr__(self, name: str) -> Any:
        if name == "_part":  # not there yet: while it is copied
            raise AttributeError(name)
        return getattr(self._part.sampler, name)


class _Later(Iterator[Any]):
    """An iterator that begins when it is asked."""

    def __init__(self, part: SamplerPart) -> None:
        self._part = part
        self._iterator: Iterator[Any] | None = None

    def __next__(self) -> Any:
        if self._iterator is None:
            self._iterator = self._part.iterate(self._part.again)
        return next(self._iterator)


def _write_indices(batches: Sequence[Any]) -> str:
    """Writes how often indices came: they, in order, as steps, and their numbers, compressed."""
    if not batches:
        return ""
    indices = np.concatenate([np.asarray(batch, np.int64).reshape(-1) for batch in batches])
    if not len(indices):
        return ""
    values, counts = np.unique(indices, return_counts=True)
    both = np.stack([np.diff(values, prepend=0), counts]).astype("<i8")
    return base64.b85encode(zlib.compress(both.tobytes(), 1)).decode()


def _read_indices(text: str) -> list[int]:
    if not text:
        return []
    steps, counts = np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i8").reshape(2, -1)
    indices: list[int] = np.repeat(np.cumsum(steps), counts).tolist()
    return indices
