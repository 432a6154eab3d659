"""The base class of epochs that this process runs: no worker processes take part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.autograd.profiler import record_function
from torch.utils.data.dataloader import _BaseDataLoaderIter, _DatasetKind

from torchfeed.util.locks import Turns

from .cursor import Cursor
from .torch_iterator import MovesCursor, Restart, View

__all__ = ["NOTHING", "Epoch"]

_torchs_next = _BaseDataLoaderIter.__next__

NOTHING: Any = object()
"""Stands for a batch of which no sample is left. It is passed over."""

_profiler_enabled: Any = torch._C._autograd._profiler_enabled  # noqa: SLF001
_RecordFunctionFast: Any = getattr(torch._C._profiler, "_RecordFunctionFast", record_function)  # noqa: SLF001


class Epoch(MovesCursor, _BaseDataLoaderIter, Iterator[Any], ABC):  # type: ignore[misc]  # the seed is a property here
    """Iterates over a loader's batches, as torch's own iterators do.

    It is one of torch's iterators for those who look at the class or at the names that torch's have. torch's code asks
    the sampler for indices and draws the epoch's seed from the generator; so the order is torch's, and the generator
    ends up where torch would leave it.

    Args:
        loader: the loader; its `pin_memory` says whether batches are to be in pinned memory.
        tree: its datasets.
        cursor: the place in the epoch.
        restart: begins the next epoch in this iterator.
    """

    counts_samples = True
    """Whether what is random in a sample depends on how often it came before."""

    def __init__(self, loader: Any, tree: Any, cursor: Cursor, restart: Restart) -> None:
        self._cursor, self._restart_iterator = cursor, restart
        if cursor.index_sampler is not None:
            loader = View(loader, _index_sampler=cursor.index_sampler)
        super().__init__(loader)
        if self._num_workers == 0 and self._timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if self._num_workers > 0 and loader.prefetch_factor == 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._prefetch_factor = loader.prefetch_factor or 0
        self._depth = max(1, self._prefetch_factor * self._num_workers)
        self._workers: list[Any] = []  # of torch's iterators, the processes
        self._turns = Turns()
        self._start(tree, again=self._num_workers > 0)

    def _start(self, tree: Any, *, again: bool) -> None:
        """Begins the epoch.

        Args:
            tree: the datasets, as they are now.
            again: whether the sampler is to be asked for another iterator, as torch does when it has made its
                processes; some samplers draw their order when they are asked.
        """
        self._tree = tree
        # Submitted batches in order; an exception stands in the place of one that cannot be made.
        self._pending: list[Any] = []
        self._cursor.run_here()
        if self.counts_samples:
            self._cursor.count_samples(tree.size)
        if again:
            self._begin_order()
            self._sampler_iter = iter(self._index_sampler)
        self._open(self._cursor.seed or 0)
        self._closed = False
        self._cursor.pass_over(self._next_index, self._skip_drawn if self.counts_samples else None)
        # torch's worker processes ask the sampler at once; without them it is asked when a batch is. A resumed epoch
        # asks now, while the random state is the one that it began with.
        if self._num_workers or self._cursor.asks_at_once:
            self._fill()

    def _skip_drawn(self, drawn: Any) -> None:
        self._skip(self._places(drawn))

    def _restart(self, tree: Any, cursor: Cursor) -> None:
        """Begins the next epoch in this iterator."""
        self.close()
        self._cursor = cursor
        self._was_shut_down = False
        self._num_yielded = 0
        self._start(tree, again=True)

    @abstractmethod
    def _open(self, seed: int) -> None:
        """Begins an epoch of this seed."""

    @abstractmethod
    def _skip(self, places: list[int]) -> None:
        """Passes over a batch."""

    @abstractmethod
    def _submit(self, places: list[int]) -> Any:
        """Begins a batch; what it returns stands for the batch from now on."""

    @abstractmethod
    def _ready(self) -> int:
        """Waits for a batch; returns its position among those under way."""

    def is_ready(self) -> bool:
        """Whether the next batch, an error in its place, or the end, can be had without waiting for threads."""
        return self._closed or not self._pending or isinstance(self._pending[0], Exception) or self._is_done()

    def _is_done(self) -> bool:
        """Whether one of the batches under way that may come next is made."""
        return True  # where the caller's thread makes it

    @abstractmethod
    def _take(self, position: int, submitted: Any) -> Any:
        """Hands out a batch that is ready."""

    @abstractmethod
    def close(self) -> None:
        """Ends the epoch."""

    # Names of torch's iterators that programs use.

    _was_shut_down = False
    _closed = True  # until it is open

    def _shutdown_workers(self) -> None:
        self._was_shut_down = True
        self.close()

    @property
    def _shutdown(self) -> bool:
        return self._was_shut_down or (self._closed and not self._persistent_workers)

    @property
    def _dataset_fetcher(self) -> Any:
        return _DatasetKind.create_fetcher(  # type: ignore[no-untyped-call]
            self._dataset_kind, self._dataset, self._auto_collation, self._collate_fn, self._drop_last
        )

    def __next__(self) -> Any:
        if _BaseDataLoaderIter.__next__ is not _torchs_next:  # somebody put a function of theirs there
            with self._turns:
                return super().__next__()
        # Threads that share the iterator take turns: each batch goes to one of them, whole.
        with self._turns, _recorded(self._profile_name):
            batch = self._next_data()
            self._num_yielded += 1
            return batch

    def _next_data(self) -> Any:
        batch = NOTHING
        while batch is NOTHING:
            if not self._closed and not self._pending:
                self._fill()
            if self._closed or not self._pending:
                self._end()
                raise StopIteration
            batch = self._next_batch()
            if self._num_workers:
                self._fill()
        self._cursor.handed = True
        return batch

    def _end(self) -> None:
        if not self._closed:
            self._cursor.over = True
            self.close()
            self._cursor.finish()

    def _next_batch(self) -> Any:
        if isinstance(self._pending[0], Exception):
            self._cursor.advance()
            raise self._pending.pop(0)
        # Not passed, nor counted, on Ctrl-C: the batch is still there for whoever asks again or saves the position.
        ready = number = self._ready()
        if ready:
            number = [at for at, entry in enumerate(self._pending) if not isinstance(entry, Exception)][ready]
        entry = self._pending.pop(number)
        self._cursor.advance()
        return self._take(ready, entry)

    def _places(self, drawn: Any) -> list[int]:
        """Finds what the sampler drew in the datasets that hold the samples."""
        places: list[int] = self._tree.locate_all(
            drawn if self._auto_collation else [drawn], batched=self._auto_collation
        )
        if not places:
            raise IndexError("a batch of no samples")
        return places

    def _fill(self) -> None:
        """Submits batches until as many are in flight as torch would have, or the sampler ends."""
        while not self._closed and len(self._pending) < self._depth:
            try:
                drawn = self._cursor.ask(self._next_index)
            except StopIteration:
                return
            try:
                self._pending.append(self._submit(self._places(drawn)))
            except Exception as error:  # noqa: BLE001  (raised when its turn comes, after the batches before it)
                self._pending.append(error)


def _recorded(name: str) -> AbstractContextManager[Any]:
    """Shows the making of a batch to a profiler under the name, as torch's iterators do.

    Where no profiler of this thread runs, that is by a class of torch's for which it takes a thirtieth of the time.
    """
    return record_function(name) if _profiler_enabled() else _RecordFunctionFast(name)
