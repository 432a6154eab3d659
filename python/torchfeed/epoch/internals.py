"""The state of a loader between epochs. It is one attribute, so that subclasses may use all other names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import get_ident
from typing import Any, NamedTuple, Protocol

import torch

from torchfeed import _native
from torchfeed.bad_samples.report import ErrorReport
from torchfeed.settings import Destination, Memory, Options, Settings
from torchfeed.util.locks import Turns

from .cursor import Cursor
from .state import State, check_state, state_between_epochs

__all__ = ["ATTRIBUTE", "Delivers", "Internals", "begin_for", "internals", "is_own", "latest_cursor"]

ATTRIBUTE = "_torchfeed"
"""The one attribute of a loader that a subclass must leave alone. The class that has it is torchfeed's own."""


class Delivers(Protocol):
    """What takes a loader's batches to a device."""

    device: torch.device

    @property
    def destination(self) -> Destination:
        """What the device wants of batches."""

    @property
    def position(self) -> State | None:
        """The position after the last batch that was handed over; `None` where it is the loader's own."""

    def batches(self, loader: Any, begin: Callable[[], Iterator[Any]], hands: Sequence[str]) -> Iterator[Any]:
        """Begins a pass over a loader."""

    def forget(self) -> None:
        """Forgets the position of the latest pass."""


class _Wish(NamedTuple):
    """What a device wants of the epoch that begins."""

    destination: Destination
    thread: int
    """The thread that begins the epoch: another one may begin an epoch of the same loader meanwhile."""


class Internals:
    """The options of a loader, its memory between epochs, and its latest epoch."""

    def __init__(self, options: Options, base: type) -> None:
        self.base = base
        """torchfeed's loader class, of which a loader's may be a subclass."""
        self.options = options
        self.errors = ErrorReport()
        self.memory = Memory(_row_indexes(options), _native.BatchMemory())
        self.delivery: Delivers | None = None
        """What takes batches to `options.device`, from the first epoch on."""
        self.cursor: Cursor | None = None
        self.resume: State | None = None
        self._wish: _Wish | None = None
        self.turns = Turns()

    def __getstate__(self) -> dict[str, Any]:
        # A copy begins anew: the cursor holds random generators, some of which cannot be sent to another process.
        return {**self.__dict__, "cursor": None, "_wish": None}

    @property
    def is_delivered(self) -> bool:
        """Whether this thread begins an epoch for a device."""
        wish = self._wish
        return wish is not None and wish.thread == get_ident()

    @contextmanager
    def granting(self, destination: Destination) -> Generator[None]:
        """Makes the epochs that this thread begins inside as a device wants them."""
        with self.turns:
            before, self._wish = self._wish, _Wish(destination, get_ident())
            try:
                yield
            finally:
                self._wish = before

    def settings(self, loader: Any, destination: Destination | None = None) -> Settings:
        """Makes the settings of an epoch that would begin now.

        Args:
            loader: the loader.
            destination: what a device wants of the batches, if no epoch is begun for it now.
        """
        wish = self._wish
        if wish is not None and wish.thread == get_ident():
            destination = wish.destination
        elif destination is None and self.options.device is not None:
            destination = Destination()
        return Settings(
            options=self.options,
            memory=self.memory,
            batched=loader._auto_collation,  # noqa: SLF001  (torch's own name)
            collate_fn=loader.collate_fn,
            num_workers=loader.num_workers,
            worker_init_fn=loader.worker_init_fn,
            pin_memory=loader.pin_memory or (destination is not None and destination.pinned),
            destination=destination,
        )

    def begin(self, loader: Any, previous: Cursor | None = None) -> Cursor:
        """Begins an epoch, at the state that was loaded if there is one.

        Args:
            loader: the loader.
            previous: the epoch that persistent workers go on from.
        """
        resume, self.resume = self.resume, None
        self.errors.epoch += 1
        before = self.cursor
        follows_end = before is not None and (before.over or before.follows_end)
        self.cursor = Cursor(loader, self.options, self.errors, previous, resume, follows_end=follows_end)
        return self.cursor

    def state(self, loader: Any) -> State:
        """The position of the loader: as loaded, or as of the last batch that was handed over."""
        state = self.resume or (self.delivery.position if self.delivery is not None else None)
        if state is None:
            state = state_between_epochs(loader) if self.cursor is None else self.cursor.state()
        return state

    def load(self, state: Any) -> None:
        """Makes the next epoch go on from a state; an empty one is the beginning.

        Raises:
            TypeError: it is no dict.
            ValueError: it is the state of something else.
        """
        self.resume = check_state(state) if state != {} else None
        if self.resume is None:
            self.cursor = None

    def set_option(self, name: str, value: Any) -> None:
        """Changes an option.

        Raises:
            TypeError: a value of another type.
            ValueError: a value out of range.
        """
        self.options = replace(self.options, **{name: value})
        if name == "row_index_memory":
            self.memory = replace(self.memory, row_indexes=_row_indexes(self.options))
        if name == "device":
            self.delivery = None


def _row_indexes(options: Options) -> _native.RowIndexes | None:
    return _native.RowIndexes(options.row_index_memory) if options.row_index_memory else None


def internals(loader: Any) -> Internals:
    """The internals of a loader of torchfeed's; made now where its `__init__` did not run."""
    found = loader.__dict__.get(ATTRIBUTE)
    if isinstance(found, Internals):
        return found
    base = next(cls for cls in type(loader).__mro__ if ATTRIBUTE in vars(cls))
    made: Internals = loader.__dict__.setdefault(ATTRIBUTE, Internals(Options(), base))
    return made


def is_own(loader: Any) -> bool:
    """Whether a loader is one of torchfeed's."""
    return isinstance(getattr(loader, "__dict__", {}).get(ATTRIBUTE), Internals)


def latest_cursor(loader: Any) -> Cursor | None:
    """The place in the latest epoch of a loader, if it is one of torchfeed's."""
    found = getattr(loader, "__dict__", {}).get(ATTRIBUTE)
    return found.cursor if isinstance(found, Internals) else None


def begin_for(
    loader: Any, delivery: Delivers, begin: Callable[[], Iterator[Any]], hands: Sequence[str]
) -> Iterator[Any]:
    """Begins an epoch of a loader for a delivery.

    Args:
        loader: any loader; torchfeed's are told what the device wants.
        delivery: what takes the batches to a device.
        begin: makes the iterator.
        hands: the methods through which the iterator goes. Where a subclass has one of its own, the delivery may get
            something else than the loader's iterator, of which it would not know the table.
    """
    own = getattr(loader, "__dict__", {}).get(ATTRIBUTE)
    if not isinstance(own, Internals):
        return begin()
    cls, destination = type(loader), delivery.destination
    is_direct = all(getattr(cls, name) is getattr(own.base, name) and name not in loader.__dict__ for name in hands)
    with own.granting(destination if is_direct else replace(destination, table=False)):
        return begin()
