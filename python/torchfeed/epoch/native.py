"""Epochs whose batches native threads make from beginning to end."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import default_convert

from torchfeed import _native
from torchfeed.bad_samples.policy import settle
from torchfeed.bad_samples.substitute_pool import SampledBatch
from torchfeed.bad_samples.substitutes import check_target, give_each, mend
from torchfeed.batch import pinned
from torchfeed.batch.collate import default_collate
from torchfeed.batch.one_hot import one_hot
from torchfeed.limits import get_limits, slow_samples
from torchfeed.plan.resolve import Native
from torchfeed.recognize import recognize
from torchfeed.recognize.sample_source import Given, give
from torchfeed.settings import Settings
from torchfeed.util.caller import warn_caller
from torchfeed.util.default_device import CPU, default_device, placed_on, workers_default_device
from torchfeed.util.dlpack import dtype_of, lend_tensor, to_tensors
from torchfeed.util.locks import Open

from .cursor import Cursor
from .in_process import NOTHING, Epoch
from .torch_iterator import Restart, View

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
    """Stops a daemon thread at exit, so that it does not see errors that only the end of the interpreter causes."""
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
    sampled: SampledBatch | None
    """What the sampler drew, if samples may fail."""


class NativeEpoch(Epoch):
    """Batches that native threads make.

    Args:
        loader: the loader.
        settings: what the epoch needs to know of it.
        way: its datasets, compiled.
        cursor: the place in the epoch.
        restart: begins the next epoch in this iterator.
    """

    def __init__(self, loader: Any, settings: Settings, way: Native, cursor: Cursor, restart: Restart) -> None:
        self._in_order = loader.in_order or loader.num_workers == 0
        # Where targets are put: where worker processes would, or, with None, where the loop's thread would.
        self._default_device = workers_default_device(loader) if loader.num_workers else None
        if settings.destination is not None:
            self._default_device = CPU
        self._take_way(settings, way)
        super().__init__(View(loader, pin_memory=settings.pin_memory), way.tree, cursor, restart)

    def _take_way(self, settings: Settings, way: Native) -> None:
        self._options = settings.options
        self._began_with = default_device()
        self._compiled = way.compiled
        self.table = way.left
        """What is left to be applied to the images, which are handed out as pixels."""
        self._brings = any(leaf.brings for leaf in way.tree.leaves)

    @property
    def memory_format(self) -> torch.memory_format:
        """How images lie in memory."""
        return self._options.memory_format

    def restart(self, settings: Settings, way: Native, cursor: Cursor) -> None:
        """Begins the next epoch in this iterator."""
        self.close()
        self._take_way(settings, way)
        self._restart(way.tree, cursor)

    def _open(self, seed: int) -> None:
        self._limits = self._options.limits or get_limits()
        self._native = _native.Epoch(self._compiled.pipeline, seed, self._num_workers, nice=self._options.nice)
        _open_epochs.add(self)

    def _skip(self, places: list[int]) -> None:
        assert self._cursor.occurrences is not None
        self._cursor.occurrences.count(places)

    def _submit(self, places: list[int]) -> _Submitted:
        given = targets = None
        errors: dict[int, Exception] = {}
        if self._brings:
            leaves = [self._tree.leaf(place) for place in places]
            items: list[Given] | None
            if not self._options.tolerant:
                items, targets = give(leaves)
            else:
                items, targets, errors = give_each(leaves)
            # In a batch, all of the samples may be of those datasets that list theirs.
            given = None if items is None else _native.Source.provided(items)
        out = self._pinned_output(len(places)) if self._pin_memory else []
        memory = [lend_tensor(tensor) for tensor in out] or None
        self._native.submit(
            places, memory, occurrences=self._cursor.occurrences, provided=given, tolerant=self._options.tolerant
        )
        return _Submitted(out, targets, errors, self._cursor.sampled)

    def _pinned_output(self, length: int) -> list[Tensor]:
        """Takes pinned memory for a batch, if the shapes of its images are known."""
        pipeline, leaf, layouts = self._compiled.pipeline, self._compiled.leaves[0], []
        for view, table in enumerate(self._compiled.tables):
            size = pipeline.output_size(view)
            if size is None:
                return []
            shape = length, table.channels, *size
            layouts.append(pinned.Layout(shape, table.dtype, self._options.memory_format))
        if not self._brings and leaf.one_hot is not None:
            classes, _, _, code = leaf.one_hot
            layouts.append(pinned.Layout((length, classes), dtype_of(code)))
        elif not self._brings:
            layouts.append(pinned.Layout((length,), torch.int64))
        return pinned.take(layouts)

    def _is_done(self) -> bool:
        if not self._num_workers:
            return True
        try:
            return self._native.wait(0, in_order=self._in_order) is not None
        except Exception:
            _hold_at_exit()
            raise

    def _ready(self) -> int:
        try:
            position = self._native.wait(self._timeout or None, in_order=self._in_order)
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
            if submitted.sampled is None:
                made = to_tensors(self._native.take(position))
            else:
                fields, failures = self._native.take_tolerant(position)
                made = to_tensors(fields)
                errors = {**dict(failures), **errors}
        except Exception:
            _hold_at_exit()
            raise
        made[: len(submitted.out)] = submitted.out
        targets: Any
        *views, targets = made
        brought = submitted.targets
        if submitted.sampled is not None:
            mended = self._mend(views, targets if brought is None else brought, errors, submitted.sampled)
            if mended is None:
                return NOTHING
            views, targets = mended
            brought = None if brought is None else targets
        collated = targets if brought is None else self._collate(brought)
        if self._pin_memory and len(submitted.out) < len(made):
            views, collated = pinned.pin((views, collated))  # what is pinned stays where it is
        device = self._default_device or default_device()
        if device is not CPU and device != CPU:
            views = [view.to(self._device_of_images(device)) for view in views]
            # Not rows, which are on the CPU, where they are made; nor what becomes a number again.
            if brought is None and self._auto_collation and self._compiled.leaves[0].one_hot is None:
                collated = collated.to(device)
        if self._auto_collation:
            return [self._image(views), collated]
        # The one sample of a batch, as torch's default_convert leaves it: only images side by side are plain tensors.
        plans = self._compiled.leaves[0].plan.views
        alone = [
            view[0] if plan.kind is Tensor or self.table is not None else view[0].as_subclass(plan.kind)
            for view, plan in zip(views, plans, strict=True)
        ]
        if brought is None:
            collated = collated.item() if self._compiled.leaves[0].one_hot is None else collated[0]
        return [self._image(alone), collated]

    def _image(self, views: list[Tensor]) -> Any:
        """What stands for the image in a sample, or for the images in a batch: the only view, or several."""
        stacked = partial(pinned.stack, dim=1 if self._auto_collation else 0)  # samples come first in a batch
        return self._compiled.leaves[0].plan.collated(views, stacked)

    def _device_of_images(self, device: torch.device) -> torch.device:
        """Finds where torchvision would put images, if a default device was set after the epoch began."""
        if device == self._began_with or self._default_device is not None:
            return CPU
        plans = [recognize(leaf.transform, leaf.source.channels) for leaf in self._compiled.leaves]
        return device if any(plan.why for plan in plans) else CPU

    def _mend(
        self, views: list[Tensor], targets: Any, errors: dict[int, Exception], sampled: SampledBatch
    ) -> tuple[list[Tensor], Any] | None:
        """Does about the failed samples of a batch what the user wants, and notes it."""
        if not errors:
            return views, targets
        seed = self._cursor.seed or 0
        found = []

        def settled(position: int) -> Any:
            leaf, at = self._tree.leaf(self._tree.locate(sampled.indices[position]))
            path: Any = leaf.source.path(at)
            made, bad = settle(self._options.on_error, errors[position], (sampled, position), seed, path, self._make)
            found.append(bad)
            return made

        mended = mend(views, targets, [*errors], settled, self._options.memory_format)
        try:
            self._cursor.note_bad(found, sampled.end)
        except RuntimeError:
            self.close()
            raise
        return mended

    def _make(self, index: Any, occurrence: int) -> tuple[list[Tensor], Any]:
        """Makes one sample, in this thread."""
        place = self._tree.locate(index)
        leaf, at = self._tree.leaf(place)
        items, brought = give([(leaf, at)]) if self._brings else (None, [])
        given = None if items is None else _native.Source.provided(items)
        *views, targets = to_tensors(self._native.make(place, occurrence, given))
        if self._brings:
            check_target(leaf, brought[0])
        return [view[0] for view in views], brought[0] if self._brings else targets[0]

    def _collate(self, targets: Sequence[Any]) -> Any:
        """Does to targets that datasets bring what torch's loader does."""
        transform: Any = self._compiled.leaves[0].target_transform
        with placed_on(self._default_device):
            if transform is None:
                # A tuple, as torch makes of each part of the samples: some types come out as they came in.
                return default_collate(tuple(targets)) if self._auto_collation else default_convert(targets[0])  # type: ignore[no-untyped-call]
            if not self._auto_collation:
                return transform(targets[0])
            if {*map(type, targets)} != {int}:
                return default_collate([transform(target) for target in targets])
            return one_hot(targets, transform.num_classes, dtype=transform.dtype, smoothing=transform.smoothing)

    def _report_slow_samples(self) -> None:
        count, slowest = self._native.slow()
        if count == 0:
            return
        warn_caller(slow_samples(count, slowest, self._limits.soft_seconds))

    def close(self) -> None:
        """Stops the epoch's threads, and reports samples that took long."""
        try:
            if not self._closed and not _exiting.is_set():
                self._report_slow_samples()
        finally:  # a warning may be an error
            self._closed = True
            _open_epochs.discard(self)
            self._native.close()
