"""Batches that native threads make."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import default_convert
from torch.utils.data._utils.pin_memory import pin_memory

from . import _native
from .batch import default_collate, one_hot
from .compile import to_tensors
from .epoch import Epoch
from .given import give
from .resolve import Native

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


def _hold_at_exit() -> None:
    """Keeps from a daemon thread what went wrong because the interpreter ends."""
    if _exiting.is_set() and threading.current_thread().daemon:
        threading.Event().wait()  # for ever, as Python itself holds daemon threads up at exit


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
        self._nice = loader.nice
        super().__init__(loader, resolved.tree)

    def _open(self, seed: int) -> None:
        self._native = _native.Epoch(self._compiled.pipeline, seed, self._threads, nice=self._nice)
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
        try:
            position = self._native.wait(self._timeout, in_order=self._in_order)
        except Exception:
            _hold_at_exit()
            raise
        if position is None:
            self.close()
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        return position

    def _take(self, position: int, submitted: _Submitted) -> Any:
        try:
            images, targets = to_tensors(self._native.take(position))
        except Exception:
            _hold_at_exit()
            raise
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
