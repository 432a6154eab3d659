"""One pass over a loader's dataset, without worker processes."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.profiler import record_function

from .turns import Turns

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["NOTHING", "Epoch"]

NOTHING: Any = object()
"""What stands for a batch of which no sample is left: it is passed over."""

_profiler_enabled: Any = torch._C._autograd._profiler_enabled  # noqa: SLF001
_RecordFunctionFast: Any = getattr(torch._C._profiler, "_RecordFunctionFast", record_function)  # noqa: SLF001


class Epoch(Iterator[Any], ABC):
    """Iterates over a loader's batches.

    It asks the sampler for indices, and draws the epoch's seed from the generator, exactly when and as often as
    torch's own iterators do: so the order is torch's, and the generator ends up where torch would leave it.
    """

    def __init__(self, loader: DataLoader[Any], tree: Any, *, pin: bool) -> None:
        if loader.num_workers == 0 and loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if loader.num_workers > 0 and loader.prefetch_factor == 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._tree = tree
        self._position = loader.position
        self._batched = loader.batch_sampler is not None
        self._threads = loader.num_workers
        self._workers: list[Any] = []  # of torch's iterators, the processes
        self._depth = max(1, (loader.prefetch_factor or 0) * loader.num_workers)
        self._pin = pin and _can_pin()
        self._turns = Turns()
        # What is under way: submitted batches, and in their places those that cannot be made.
        self._pending: list[Any] = []
        self._index_sampler = loader._index_sampler  # noqa: SLF001  (torch's own name for either sampler)
        self._name = f"enumerate(DataLoader)#{type(self).__name__}.__next__"
        self._sampler = iter(self._index_sampler)
        goes_on = self._position.base is not None
        seed = self._position.draw_seed(lambda: _draw_base_seed(loader))
        if self._threads and not goes_on:
            # torch asks twice when it makes its processes; some samplers draw their order when asked.
            self._sampler = iter(self._index_sampler)
        self._open(seed)
        for _ in range(self._position.skip):
            self._skip(self._places(self._ask()))
            self._position.advance()
        # torch's worker processes ask the sampler at once; without them it is asked when a batch is. A resumed epoch
        # asks now, while the random state is the one that it began with.
        if self._threads or self._position.skip:
            self._fill()

    @abstractmethod
    def _open(self, seed: int) -> None:
        """Begins an epoch of this seed."""

    def _ask(self) -> Any:
        """Asks the sampler for a batch's indices, or for one."""
        return next(self._sampler)

    def _over(self) -> None:
        """Has the last word on an epoch that came to its end."""

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

    _closed = False

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        # Threads that share the iterator take turns: each gets whole batches, and nobody the same.
        with self._turns, _recorded(self._name):
            batch = NOTHING
            while batch is NOTHING:
                if not self._closed and not self._pending:
                    self._fill()
                if self._closed or not self._pending:
                    if not self._closed:
                        self._position.finish()
                        self.close()
                        self._over()
                    raise StopIteration
                batch = self._next()
                if self._threads:
                    self._fill()
            return batch

    def _next(self) -> Any:
        if isinstance(self._pending[0], Exception):
            self._position.advance()
            raise self._pending.pop(0)
        # Not passed, nor counted, on Ctrl-C: the batch is still there for whoever asks again or saves the position.
        ready = number = self._ready()
        if ready:
            number = [at for at, entry in enumerate(self._pending) if not isinstance(entry, Exception)][ready]
        entry = self._pending.pop(number)
        self._position.advance()
        return self._take(ready, entry)

    def _places(self, drawn: Any) -> list[int]:
        """Finds what the sampler drew in the datasets that hold the samples."""
        places: list[int] = self._tree.locate_all(drawn if self._batched else [drawn])
        if not places:
            raise IndexError("a batch of no samples")
        return places

    def _fill(self) -> None:
        """Submits batches until as many are in flight as torch would have, or the sampler ends."""
        while not self._closed and len(self._pending) < self._depth:
            try:
                drawn = self._ask()
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


def _draw_base_seed(loader: DataLoader[Any]) -> int:
    """Draws what torch's iterators draw from the loader's generator when they are made."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=loader.generator).item())


def _can_pin() -> bool:
    """Whether there is a device that copies from pinned memory; warns as torch does."""
    if torch.cuda.is_available():
        return True
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
        stacklevel=4,
    )
    return False
