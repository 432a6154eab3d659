"""One native pass over a loader's dataset."""

from __future__ import annotations

import atexit
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import _native
from .compile import to_tensors
from .resolve import Resolved

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["NativeEpoch"]

_exiting = threading.Event()
_open_epochs: weakref.WeakSet[NativeEpoch] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Joins all threads while there is still an interpreter that they may call for a fallback decode."""
    _exiting.set()
    for epoch in list(_open_epochs):
        epoch.close()


class NativeEpoch(Iterator[Any]):
    """Iterates over a loader's batches; what `iter(loader)` returns on the native path.

    It asks the sampler for indices, and draws the epoch's seed from the generator, exactly when and as often as
    torch's own iterators do: so the order is torch's, and the generator ends up where torch would leave it.
    """

    def __init__(self, loader: DataLoader[Any], resolved: Resolved, skip: int) -> None:
        if loader.num_workers == 0 and loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if loader.num_workers > 0 and loader.prefetch_factor == 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        self._resolved = resolved
        self._position = loader.position
        self._batched = loader.batch_sampler is not None
        self._workers = loader.num_workers
        self._depth = max(1, (loader.prefetch_factor or 0) * loader.num_workers)
        self._timeout = loader.timeout or None
        self._pin = _pins(loader)
        self._memory_format = loader.memory_format
        self._outputs: deque[Tensor | Exception | None] = deque()
        self._index_sampler = loader._index_sampler  # noqa: SLF001  (torch's own name for either sampler)
        self._name = f"enumerate(DataLoader)#{type(self).__name__}.__next__"
        self._sampler = iter(self._index_sampler)
        pipeline, seed = resolved.compiled.pipeline, loader.draw_seed()
        self._native: _native.Epoch | None = _native.Epoch(pipeline, seed, self._workers)
        _open_epochs.add(self)
        for _ in range(skip):
            self._native.skip(self._indices(next(self._sampler)))
            self._position.advance()
        # torch's worker processes ask the sampler at once; without them it is asked when a batch is. A resumed epoch
        # asks now, while the random state is the one that it began with.
        if self._workers or skip:
            self._fill()

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        with torch.autograd.profiler.record_function(self._name):
            if self._native is None:
                raise StopIteration
            if not self._outputs:
                self._fill()
            if not self._outputs:
                self.close()
                self._position.finish()
                raise StopIteration
            batch = self._take(self._native)
            if self._workers:
                self._fill()
            return batch

    def _indices(self, drawn: Any) -> list[int]:
        """Finds what the sampler drew in the compiled dataset."""
        indices = [self._resolved.index(index) for index in (drawn if self._batched else [drawn])]
        if not indices:
            raise IndexError("a batch of no samples")
        return indices

    def _fill(self) -> None:
        """Submits batches until as many are in flight as torch would have, or the sampler ends."""
        while self._native is not None and len(self._outputs) < self._depth:
            try:
                drawn = next(self._sampler)
            except StopIteration:
                return
            self._outputs.append(self._submit(self._native, drawn))

    def _submit(self, native: _native.Epoch, drawn: Any) -> Tensor | Exception | None:
        """Queues a batch; returns its pinned memory if it has some, or why there is no such batch."""
        try:
            indices = self._indices(drawn)
            out = self._pinned_output(len(indices)) if self._pin else None
            native.submit(indices, None if out is None else (out.data_ptr(), out.nbytes, out))
        except (IndexError, TypeError, ValueError) as error:
            # The batches before it come first.
            return error
        return out

    def _pinned_output(self, length: int) -> Tensor | None:
        """Makes pinned memory for a batch, if its shape is known.

        torch's caching host allocator guards its own blocks against reuse while an asynchronous copy reads them, and
        no others; so every batch is a block of its.
        """
        size, table = self._resolved.compiled.pipeline.output_size(), self._resolved.compiled.plan.table
        if size is None:
            return None
        shape = (length, table.channels, *size)
        return torch.empty(shape, dtype=table.dtype, pin_memory=True, memory_format=self._memory_format)

    def _take(self, native: _native.Epoch) -> Any:
        out = self._outputs[0]
        if isinstance(out, Exception):
            self._passed()
            raise out
        try:
            done = native.next(self._timeout)
        except Exception:
            if _exiting.is_set() and threading.current_thread().daemon:
                threading.Event().wait()  # for ever, as Python itself holds daemon threads up at exit
            self._passed()
            raise
        # Not reached, nor counted, on Ctrl-C: the batch is still there for whoever asks again or saves the position.
        self._passed()
        if done is None:
            self.close()
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        images, targets = to_tensors(done)
        if self._pin:
            images, targets = images.pin_memory() if out is None else out, targets.pin_memory()
        if self._batched:
            return [images, targets]
        # As torch's default_convert: class indices stay numbers.
        return [images[0], targets.item() if targets.ndim == 1 else targets[0]]

    def _passed(self) -> None:
        self._outputs.popleft()
        self._position.advance()

    def close(self) -> None:
        """Stops the epoch's threads."""
        _open_epochs.discard(self)
        native, self._native = self._native, None
        if native is not None:
            native.close()


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
