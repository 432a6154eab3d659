"""One pass over a loader's dataset, without worker processes."""

from __future__ import annotations

import atexit
import threading
import warnings
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import default_convert
from torch.utils.data._utils.pin_memory import pin_memory

from . import _native
from .batch import default_collate, one_hot
from .compile import to_tensors
from .given import give
from .resolve import Gathered, Native
from .tensors import gather

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["Epoch", "GatherEpoch", "NativeEpoch"]

_exiting = threading.Event()
_open_epochs: weakref.WeakSet[NativeEpoch] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Joins all threads while there is still an interpreter that they may call for a fallback decode."""
    _exiting.set()
    for epoch in list(_open_epochs):
        epoch.close()


class Epoch(Iterator[Any], ABC):
    """Iterates over a loader's batches.

    It asks the sampler for indices, and draws the epoch's seed from the generator, exactly when and as often as
    torch's own iterators do: so the order is torch's, and the generator ends up where torch would leave it.
    """

    def __init__(self, loader: DataLoader[Any], tree: Any) -> None:
        if loader.num_workers == 0 and loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if loader.num_workers > 0 and loader.prefetch_factor == 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._tree = tree
        self._position = loader.position
        self._batched = loader.batch_sampler is not None
        self._workers = loader.num_workers
        self._depth = max(1, (loader.prefetch_factor or 0) * loader.num_workers)
        self._pin = _pins(loader)
        # What is under way: submitted batches, and in their places those that cannot be made.
        self._pending: list[Any] = []
        self._index_sampler = loader._index_sampler  # noqa: SLF001  (torch's own name for either sampler)
        self._name = f"enumerate(DataLoader)#{type(self).__name__}.__next__"
        self._sampler = iter(self._index_sampler)
        goes_on = self._position.base is not None
        seed = self._position.draw_seed(lambda: draw_base_seed(loader))
        if self._workers and not goes_on:
            # torch asks twice when it makes its processes; some samplers draw their order when asked.
            self._sampler = iter(self._index_sampler)
        self._open(seed)
        for _ in range(self._position.skip):
            self._skip(self._places(next(self._sampler)))
            self._position.advance()
        # torch's worker processes ask the sampler at once; without them it is asked when a batch is. A resumed epoch
        # asks now, while the random state is the one that it began with.
        if self._workers or self._position.skip:
            self._fill()

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
        with torch.autograd.profiler.record_function(self._name):
            if not self._closed and not self._pending:
                self._fill()
            if self._closed or not self._pending:
                if not self._closed:
                    self._position.finish()
                    self.close()
                raise StopIteration
            batch = self._next()
            if self._workers:
                self._fill()
            return batch

    def _next(self) -> Any:
        if isinstance(self._pending[0], Exception):
            self._position.advance()
            raise self._pending.pop(0)
        # Not passed, nor counted, on Ctrl-C: the batch is still there for whoever asks again or saves the position.
        ready = self._ready()
        submitted = [number for number, entry in enumerate(self._pending) if not isinstance(entry, Exception)]
        entry = self._pending.pop(submitted[ready])
        self._position.advance()
        return self._take(ready, entry)

    def _places(self, drawn: Any) -> list[int]:
        """Finds what the sampler drew in the datasets that hold the samples."""
        places = self._tree.locate_all(drawn if self._batched else [drawn])
        if not places:
            raise IndexError("a batch of no samples")
        return places

    def _fill(self) -> None:
        """Submits batches until as many are in flight as torch would have, or the sampler ends."""
        while not self._closed and len(self._pending) < self._depth:
            try:
                drawn = next(self._sampler)
            except StopIteration:
                return
            try:
                self._pending.append(self._submit(self._places(drawn)))
            except Exception as error:  # noqa: BLE001  (raised when its turn comes, after the batches before it)
                self._pending.append(error)


class GatherEpoch(Epoch):
    """Batches of rows of tensors; the caller's thread gathers them, which is faster than to hand them over."""

    def __init__(self, loader: DataLoader[Any], resolved: Gathered) -> None:
        super().__init__(loader, resolved.tree)

    def _open(self, seed: int) -> None:
        pass

    def _skip(self, places: list[int]) -> None:
        pass

    def _submit(self, places: list[int]) -> Any:
        return places

    def _ready(self) -> int:
        return 0

    def _take(self, position: int, submitted: Any) -> Any:  # noqa: ARG002  (nothing waits)
        columns = gather(self._tree, submitted)
        return [column.pin_memory() for column in columns] if self._pin else columns

    def close(self) -> None:
        """Ends the epoch."""
        self._closed = True


@contextmanager
def _held_at_exit() -> Generator[None]:
    """Keeps from a daemon thread what goes wrong because the interpreter ends."""
    try:
        yield
    except Exception:
        if _exiting.is_set() and threading.current_thread().daemon:
            threading.Event().wait()  # for ever, as Python itself holds daemon threads up at exit
        raise


class _Submitted(NamedTuple):
    """A batch that native threads make."""

    out: Tensor | None
    """Its pinned memory, if it has some."""
    targets: list[Any] | None
    """Its targets, if they came from Python."""


class NativeEpoch(Epoch):
    """Batches that native threads make."""

    def __init__(self, loader: DataLoader[Any], resolved: Native) -> None:
        self._compiled = resolved.compiled
        self._brings = any(leaf.brings for leaf in resolved.tree.leaves)
        self._timeout = loader.timeout or None
        self._in_order = loader.in_order or loader.num_workers == 0
        self._memory_format = loader.memory_format
        super().__init__(loader, resolved.tree)

    def _open(self, seed: int) -> None:
        self._native = _native.Epoch(self._compiled.pipeline, seed, self._workers)
        _open_epochs.add(self)

    def _skip(self, places: list[int]) -> None:
        self._native.skip(places)

    def _submit(self, places: list[int]) -> _Submitted:
        given = targets = None
        if self._brings:
            items, targets = give([self._tree.leaf(place) for place in places])
            given = _native.Source.given(items or [])
        out = self._pinned_output(len(places)) if self._pin else None
        self._native.submit(places, None if out is None else (out.data_ptr(), out.nbytes, out), given=given)
        return _Submitted(out, targets)

    def _pinned_output(self, length: int) -> Tensor | None:
        """Makes pinned memory for a batch, if its shape is known.

        torch's caching host allocator guards its own blocks against reuse while an asynchronous copy reads them, and
        no others; so every batch is a block of its.
        """
        size, table = self._compiled.pipeline.output_size(), self._compiled.leaves[0].plan.table
        if size is None:
            return None
        shape = (length, table.channels, *size)
        return torch.empty(shape, dtype=table.dtype, pin_memory=True, memory_format=self._memory_format)

    def _ready(self) -> int:
        with _held_at_exit():
            position = self._native.wait(self._timeout, in_order=self._in_order)
        if position is None:
            self.close()
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        return position

    def _take(self, position: int, submitted: _Submitted) -> Any:
        with _held_at_exit():
            images, targets = to_tensors(self._native.take(position))
        collated: Any = targets
        if submitted.targets is not None:
            collated = self._collate_targets(submitted.targets)
        if self._pin:
            images = images.pin_memory() if submitted.out is None else submitted.out
            collated = pin_memory(collated)  # type: ignore[no-untyped-call]
        if self._batched:
            return [images, collated]
        # As torch's default_convert: class indices stay numbers.
        if submitted.targets is not None:
            return [images[0], default_convert(submitted.targets[0])]  # type: ignore[no-untyped-call]
        return [images[0], targets.item() if targets.ndim == 1 else targets[0]]

    def _collate_targets(self, targets: Sequence[Any]) -> Any:
        leaf: Any = self._compiled.leaves[0]
        if leaf.target_transform is not None:
            levels = leaf.target_transform
            return one_hot(targets, levels.num_classes, dtype=levels.dtype, smoothing=levels.smoothing)
        return default_collate(targets)

    def close(self) -> None:
        """Stops the epoch's threads."""
        self._closed = True
        _open_epochs.discard(self)
        self._native.close()


def draw_base_seed(loader: DataLoader[Any]) -> int:
    """Draws what torch's iterators draw from the loader's generator when they are made."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=loader.generator).item())


def _pins(loader: DataLoader[Any]) -> bool:
    """Whether batches lie in pinned memory: if asked for and if there is a device that copies from it."""
    if not loader.pin_memory:
        return False
    if torch.cuda.is_available():
        return True
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
        stacklevel=4,
    )
    return False
