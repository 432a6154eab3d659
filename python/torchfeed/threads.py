"""Batches that native threads make."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import default_convert

from . import _native, pinned
from ._dlpack import dtype_of
from .batch import default_collate, one_hot
from .compile import to_tensors
from .epoch import NOTHING, Epoch
from .given import give
from .limits import get_limits, slow_samples
from .mend import check_target, give_each, mend
from .on_error import Draw, Windows, settle
from .recognize.value import Table
from .report import Tally
from .resolve import Native
from .turns import Open

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["NativeEpoch"]

_exiting = threading.Event()
_open_epochs: Open[NativeEpoch] = Open()


@atexit.register
def _close_all() -> None:
    """Joins all threads while there is still an interpreter that they may call for a fallback decode."""
    _exiting.set()
    for epoch in _open_epochs.all():
        epoch.close()


def _hold_at_exit() -> None:
    """Keeps from a daemon thread what went wrong because the interpreter ends."""
    if _exiting.is_set() and threading.current_thread().daemon:
        threading.Event().wait()  # for ever, as Python itself holds daemon threads up at exit


class _Submitted(NamedTuple):
    """A batch that native threads make."""

    out: list[Tensor]
    """Its pinned memory, if it has some: for images, and for targets unless they came from Python."""
    targets: list[Any] | None
    """Its targets, if they came from Python."""
    errors: dict[int, Exception]
    """Why samples cannot be made, by position, if Python could not bring them."""
    draw: Draw | None
    """What the sampler drew, if samples may fail."""


class NativeEpoch(Epoch):
    """Batches that native threads make."""

    table: Table | None = None
    """What is left to be applied to the images, where they are handed out as pixels."""

    def __init__(self, loader: DataLoader[Any], resolved: Native, *, pin: bool) -> None:
        self._compiled = resolved.compiled
        self._brings = any(leaf.brings for leaf in resolved.tree.leaves)
        self._timeout = loader.timeout or None
        self._in_order = loader.in_order or loader.num_workers == 0
        self._memory_format = loader.memory_format
        self._nice = loader.nice
        self._soft_seconds = (loader.limits or get_limits()).soft_seconds
        self._on_error = loader.on_error
        self._windows: Windows | None = None
        self._tally: Tally | None = None
        if loader.on_error != "raise":
            self._windows = Windows(batched=loader.batch_sampler is not None, keeps=loader.on_error == "replace")
            self._tally = Tally(loader.errors, loader.max_errors)
        self._handed = bool(loader.position.skip)
        super().__init__(loader, resolved.tree, pin=pin)

    def _open(self, seed: int) -> None:
        self._native = _native.Epoch(self._compiled.pipeline, seed, self._threads, nice=self._nice)
        _open_epochs.add(self)

    def _ask(self) -> Any:
        return next(self._sampler) if self._windows is None else self._windows.draw(lambda: next(self._sampler))

    def _over(self) -> None:
        if self._tally is not None:
            self._tally.finish(handed=self._handed)

    def _skip(self, places: list[int]) -> None:
        self._native.skip(places)

    def _submit(self, places: list[int]) -> _Submitted:
        given = targets = None
        errors: dict[int, Exception] = {}
        if self._brings:
            leaves = [self._tree.leaf(place) for place in places]
            if self._windows is None:
                items, targets = give(leaves)
            else:
                items, targets, errors = give_each(leaves)
            given = _native.Source.given(items or [])
        out = self._pinned_output(len(places)) if self._pin else []
        memory = ((tensor.data_ptr(), tensor.nbytes, tensor) for tensor in out)
        self._native.submit(places, *memory, given=given, tolerant=self._windows is not None)
        return _Submitted(out, targets, errors, None if self._windows is None else self._windows.latest)

    def _pinned_output(self, length: int) -> list[Tensor]:
        """Takes pinned memory for a batch, if its shape is known."""
        size, leaf = self._compiled.pipeline.output_size(), self._compiled.leaves[0]
        if size is None:
            return []
        table = leaf.plan.table
        layouts = [pinned.Layout((length, table.channels, *size), table.dtype, self._memory_format)]
        if not self._brings and leaf.one_hot is not None:
            classes, _, _, code = leaf.one_hot
            layouts.append(pinned.Layout((length, classes), dtype_of(code)))
        elif not self._brings:
            layouts.append(pinned.Layout((length,), torch.int64))
        return pinned.take(layouts)

    def _is_done(self) -> bool:
        if not self._threads:
            return True
        try:
            return self._native.wait(0, in_order=self._in_order) is not None
        except Exception:
            _hold_at_exit()
            raise

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
        errors = submitted.errors
        try:
            if submitted.draw is None:
                images, targets = to_tensors(self._native.take(position))
            else:
                *made, failures = self._native.take_tolerant(position)
                images, targets = to_tensors((made[0], made[1]))
                errors = {**dict(failures), **errors}
        except Exception:
            _hold_at_exit()
            raise
        images, targets = (*submitted.out, *(images, targets)[len(submitted.out) :])
        brought = submitted.targets
        if submitted.draw is not None:
            mended = self._mend(images, targets if brought is None else brought, errors, submitted.draw)
            if mended is None:
                return NOTHING
            self._handed = True
            images, targets = mended
            brought = None if brought is None else targets
        collated: Any = targets if brought is None else self._collate_targets(brought)
        if self._pin and len(submitted.out) < 2:
            images, collated = pinned.pin((images, collated))  # what is pinned stays where it is
        if self._batched:
            return [images, collated]
        # As torch's default_convert: class indices stay numbers.
        if brought is not None:
            return [images[0], default_convert(brought[0])]  # type: ignore[no-untyped-call]
        return [images[0], targets.item() if targets.ndim == 1 else targets[0]]

    def _mend(
        self, images: Tensor, targets: Any, errors: dict[int, Exception], draw: Draw
    ) -> tuple[Tensor, Any] | None:
        """Does about the failed samples of a batch what the user wants, and notes it."""
        assert self._tally is not None, "what is tolerated is counted"
        if not errors:
            return images, targets
        seed = self._position.seed or 0
        found = []

        def settled(position: int) -> Any:
            leaf, at = self._tree.leaf(self._tree.locate(draw.indices[position]))
            path: Any = leaf.source.path(at)
            made, bad = settle(self._on_error, errors[position], (draw, position), seed, path, self._make)
            found.append(bad)
            return made

        mended = mend(images, targets, [*errors], settled, self._memory_format)
        try:
            self._tally.note(found, draw.end)
        except RuntimeError:
            self.close()
            raise
        return mended

    def _make(self, index: Any, occurrence: int) -> tuple[Tensor, Any]:
        """Makes one sample, in this thread."""
        place = self._tree.locate(index)
        leaf, at = self._tree.leaf(place)
        items, brought = give([(leaf, at)]) if self._brings else (None, [])
        given = None if items is None else _native.Source.given(items)
        images, targets = to_tensors(self._native.make(place, occurrence, given))
        if self._brings:
            check_target(leaf, brought[0])
        return images[0], brought[0] if self._brings else targets[0]

    def _collate_targets(self, targets: Sequence[Any]) -> Any:
        leaf: Any = self._compiled.leaves[0]
        if leaf.target_transform is not None:
            levels = leaf.target_transform
            return one_hot(targets, levels.num_classes, dtype=levels.dtype, smoothing=levels.smoothing)
        return default_collate(targets)

    def _report_slow_samples(self) -> None:
        count, slowest = self._native.slow()
        if count == 0:
            return
        warnings.warn(slow_samples(count, slowest, self._soft_seconds), stacklevel=4)

    def close(self) -> None:
        """Stops the epoch's threads, and reports samples that took long."""
        try:
            if not self._closed and not _exiting.is_set():
                self._report_slow_samples()
        finally:  # a warning may be an error
            self._closed = True
            _open_epochs.discard(self)
            self._native.close()
