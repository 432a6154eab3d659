"""The loader: torch's own, with native epochs where dataset and collate_fn are understood."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from typing import Any, Literal, TypeVar

import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, IterableDataset, Sampler

from . import _native
from .compile import Drawn, compile_leaves
from .cores import auto_workers
from .default_device import CPU, placed_on
from .device import Delivery
from .device.normalize import leave_table, shared_table
from .limits import Limits
from .on_error import OnError, check_arguments
from .position import Position, begin, state_dict
from .recognize import Unrecognized
from .report import ErrorReport
from .resolve import Gathered, Native, Resolved, Split, resolve
from .samples import drawn
from .tensors import GatherEpoch
from .threads import NativeEpoch
from .turns import Turns
from .workers import MultiProcessIterator, SingleProcessIterator, View

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)

_HAS_IN_ORDER = "in_order" in signature(TorchDataLoader.__init__).parameters  # torch has it since 2.6


class DataLoader(TorchDataLoader[T_co]):
    """A drop-in `torch.utils.data.DataLoader`: same arguments, attributes, length, order and batches.

    Where it understands the dataset, its transforms and the collate_fn, batches are made by native threads, without
    the GIL and without worker processes; otherwise everything is torch's own. `torchfeed.explain` says which.

    Native batches take the memory of ``prefetched + 2`` batches, and of those that you keep. Prefetched are
    ``prefetch_factor * num_workers``, or none with 0 workers; two are in the loop's hands while it asks for the next.
    Memory is used again while the iterator lives, and goes back with it.

    Args:
        dataset: as in torch. Native are `torchfeed.datasets`, most of torchvision's datasets of single images, datasets
            with a `sample_source`, tensors, and what `Subset` and `ConcatDataset` make of these. A dataset with a
            method ``sample_source(index) -> (image, target)``, where the image is a path, the bytes of a file or
            uint8 pixels (H, W, 3), has its images decoded to RGB and its ``transform`` applied natively.
        batch_size: as in torch.
        shuffle: as in torch.
        sampler: as in torch.
        batch_sampler: as in torch.
        num_workers: native threads; with 0, samples are made in the caller's thread. Where a part runs in Python,
            worker processes, as in torch. ``"auto"`` is one for each core that the process may use, by its affinity
            and its control group's quota, but one, which is left to the training loop.
        collate_fn: as in torch; native are torch's default and `torchfeed.default_collate`.
        pin_memory: as in torch; native batches are made in pinned memory.
        drop_last: as in torch.
        timeout: as in torch.
        worker_init_fn: as in torch; not called on the native path, which has no worker processes.
        multiprocessing_context: as in torch; not used on the native path.
        generator: as in torch: it governs the order and, through the one seed that it draws for each epoch, every
            random parameter of every sample.
        prefetch_factor: as in torch: batches in flight are ``prefetch_factor * num_workers``.
        persistent_workers: as in torch; on the native path threads are cheap, and made for each epoch.
        pin_memory_device: as in torch.
        in_order: as in torch: with False, batches come as they are finished. Before torch 2.6 native ones alone do.
        memory_format: `torch.contiguous_format`, or `torch.channels_last` for native batches that lie in memory as
            convolutions on a GPU like them best.
        decode: ``"exact"``: the pixels of a JPEG are those of torchvision; ``"fast"``: where a crop is resized to half
            its edges or less, the JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which takes less time and gives
            slightly other pixels. Random parameters stay the same. It makes no difference to what torch alone makes.
        nice: how much lower a priority than the training loop's its threads and worker processes have: 0 to 19, as
            `os.nice` counts. Where cores are short, the loop comes first. Threads have a priority of their own on Linux
            only: elsewhere theirs is the loop's.
        native: ``"auto"``: as much as is recognised is made natively; ``"require"``: an error where that is not
            all of it; ``"off"``: torch's loader.
        row_index_memory: the most bytes that native threads may take for remembering where rows of pixels start in
            JPEG files, 0 for none. From the second epoch on, what is above a crop and to the right of it then need not
            be decoded. That helps with random crops of baseline JPEGs that come up in more than one epoch, and changes
            no bit. It takes about 10 bytes for each 8 or 16 rows of pixels of an image and 60 bytes besides; images for
            which there is no room are decoded as without it. Not pickled.
        device: where batches are to arrive; ``"cuda"`` is short for `torchfeed.to_device`, which says how, and has
            more options. ``None`` leaves them in host memory.
        on_error: what happens to a sample that cannot be made, because its file is missing or broken, or its part in
            Python raises. ``"raise"``: the exception is raised. ``"replace"``: another sample of the epoch takes its
            place, so that every batch is full and every epoch as long as it should be; which one follows from the
            epoch's seed and the sample's number in the epoch, whatever the number of workers. ``"skip"``: the batch has
            fewer samples, and one of which no sample is left is passed over. A function gets the exception, with the
            attributes `index` and `path`, and returns the index of the sample to take, or `None` to leave it out; where
            worker processes make the samples, it runs there. `errors` says what happened.
        max_errors: how many samples of one epoch may be bad, as an int, or as a float what share of the samples so far,
            of which there count at least 100. More end the epoch with a RuntimeError that says which.
        limits: what a sample may cost where it is made natively, in part or in whole; ``None`` is
            `torchfeed.get_limits()` at each ``iter()``.

    Raises:
        TypeError: with ``native="require"``, when the loader is made or iterated: a part is not native.
        ValueError: arguments that exclude each other, as in torch, or are out of range; another `on_error` than
            ``"raise"`` with an IterableDataset, whose samples have no index.

    Attributes:
        errors: the samples that could not be made, where `on_error` is not ``"raise"``: a sequence of records, which
            `print` shows as a table.

    Example:
        >>> loader = DataLoader(dataset, batch_size=64, shuffle=True, num_workers=2)
        >>> for images, targets in loader:
        ...     ...
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int | Literal["auto"] = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: torch.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        memory_format: torch.memory_format = torch.contiguous_format,
        decode: Literal["exact", "fast"] = "exact",
        nice: int = 0,
        native: Literal["auto", "require", "off"] = "auto",
        row_index_memory: int = 256 * 2**20,
        device: torch.device | str | None = None,
        on_error: OnError = "raise",
        max_errors: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        if memory_format not in {torch.contiguous_format, torch.channels_last}:
            raise ValueError(f"memory_format should be contiguous_format or channels_last, got {memory_format}")
        if decode not in {"exact", "fast"}:
            raise ValueError(f'decode should be "exact" or "fast", got {decode!r}')
        if native not in {"auto", "require", "off"}:
            raise ValueError(f'native should be "auto", "require" or "off", got {native!r}')
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be torchfeed.Limits, got {type(limits).__name__}")
        if row_index_memory < 0:
            raise ValueError(f"row_index_memory must be at least 0 bytes, got {row_index_memory}")
        if not 0 <= operator.index(nice) <= 19:
            raise ValueError(f"nice should be from 0 to 19, got {nice}")
        check_arguments(on_error, max_errors)
        if on_error != "raise" and isinstance(dataset, IterableDataset):
            raise ValueError("an IterableDataset's samples have no index: handle bad ones in its __iter__")
        self.on_error = on_error
        self.max_errors = max_errors
        self.errors = ErrorReport()
        self.memory_format = memory_format
        self.row_index_memory = row_index_memory
        self.row_indexes = _native.RowIndexes(row_index_memory) if row_index_memory else None
        self.batch_memory = _native.BatchMemory()
        self.decode = decode
        self.nice = nice
        self.native = native
        self.limits = limits
        self.device = None if device is None else torch.device(device)
        self.delivery = None if self.device is None else Delivery(self.device)
        self._position: Position | None = None
        self._resume: dict[str, Any] | None = None
        self._view: View
        self._turns = Turns()
        super().__init__(
            dataset,
            batch_size,
            shuffle,
            sampler,
            batch_sampler,
            auto_workers() if num_workers == "auto" else num_workers,
            collate_fn,
            pin_memory,
            drop_last,
            timeout,
            worker_init_fn,
            multiprocessing_context,
            generator,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
            pin_memory_device=pin_memory_device,
            **({"in_order": in_order} if _HAS_IN_ORDER else {}),
        )
        self.in_order = in_order
        if native == "require":
            self.resolve()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a private class here
        return self.host_batches() if self.delivery is None else self.delivery.batches(self)

    def host_batches(self, delivery: Delivery | None = None) -> Iterator[Any]:
        """Begins an epoch of batches in host memory, whatever `device` is.

        Args:
            delivery: what takes them to a device, which may have wishes.

        Returns:
            Their iterator. Its attribute `table`, where it has one, is to be applied to images on the device.
        """
        # The iterator takes what is its own from the loader: its position, its pass, what torch's iterator is to see.
        with self._turns:
            return self._begin(delivery)

    def _begin(self, delivery: Delivery | None) -> Iterator[Any]:
        resume, self._resume = self._resume, None
        self.errors.epoch += 1
        with begin(self, resume, self._position) as self._position:
            try:
                resolved = self.resolve(delivery)
            except Unrecognized:
                resolved = None
            pin = self.pin_memory or (delivery is not None and delivery.wants_pinned())
            leaves_table = delivery is not None and delivery.leaves_table(resolved)
            delivered = delivery is not None
            if isinstance(resolved, Native) and leaves_table:
                epoch = NativeEpoch(self, leave_table(resolved, self), pin=pin, delivered=delivered)
                epoch.table = shared_table(resolved)
                return epoch
            if isinstance(resolved, Native):
                return NativeEpoch(self, resolved, pin=pin, delivered=delivered)
            if isinstance(resolved, Gathered):
                return GatherEpoch(self, resolved.tree, pin=pin)
            # Tensors that torch's own iterators make in this process may be on a device, and then cannot be pinned.
            pin = self.pin_memory or (pin and self.num_workers > 0)
            self._view = View(self, resolved.tree if resolved else None, pin=pin)
            try:
                batches = super().__iter__()
            finally:
                del self._view  # which holds this loader, and would keep it from going when nobody needs it any more
            # A split dataset's samples are passed over by the sampler; others may depend on those before them.
            while not resolved and self._position.batches < self._position.skip:
                next(batches)
            return batches

    def _get_iterator(self) -> Any:
        if self.num_workers == 0:
            return SingleProcessIterator(self._view)
        self.check_worker_number_rationality()
        return MultiProcessIterator(self._view)

    @property
    def position(self) -> Position:
        """Where the latest iterator is."""
        assert self._position is not None, "iter() makes a position first"
        return self._position

    def resolve(self, delivery: Delivery | None = None) -> Resolved:
        """Finds out what makes the batches of the dataset, its transforms and the collate_fn, as they are now.

        Args:
            delivery: what takes them to a device, if that is not the loader's own.

        Raises:
            Unrecognized: torch alone; the message says why.
            TypeError: that, or a part in Python, with ``native="require"``.
        """
        # What is taken from host memory to a device need not follow the default one.
        delivered = delivery is not None or self.delivery is not None
        try:
            with placed_on(CPU if delivered else None):
                resolved = resolve(self)
        except Unrecognized as why:
            if self.native == "require":
                raise TypeError(f'native="require", but torch alone makes the batches: {why}') from None
            raise
        if self.native == "require" and isinstance(resolved, Split):
            raise TypeError(f'native="require", but a part runs in Python: {resolved.why}')
        return resolved

    def drawn(self, index: int, occurrence: int = 0) -> Drawn:
        """Says what this epoch does, did or will do to a sample.

        Args:
            index: the sample's index in `dataset`.
            occurrence: how often the index came up before in this epoch; 0 unless the sampler repeats itself.

        Returns:
            (transform name, parameters), as `torchfeed.datasets.NativeDataset.draw`. Where Python finishes a sample,
            the last is ``("Python", {"seed": seed})``: what Python's, numpy's and torch's generators are seeded with.

        Raises:
            RuntimeError: no epoch has begun.
            TypeError: the loader does not run natively.

        Example:
            >>> loader.drawn(17)
            [('RandomCrop', {'top': 3, 'left': 5, ...}), ('RandomHorizontalFlip', {})]
        """
        if self.seed is None:
            raise RuntimeError("nothing is drawn before the first iter(loader)")
        try:
            resolved = self.resolve()
        except Unrecognized as why:
            raise TypeError(f"only native transforms are drawn beforehand: {why}") from None
        if isinstance(resolved, Gathered):
            return []
        compiled = (
            resolved.compiled
            if isinstance(resolved, Native)
            else compile_leaves(resolved.tree.leaves, limits=self.limits)
        )
        return drawn(compiled, resolved.tree.locate(index), self.seed, occurrence)

    @property
    def seed(self) -> int | None:
        """The seed of the current epoch, as torch's loader draws it from `generator`; `None` before the first."""
        return self._position.seed if self._position else None

    def state_dict(self) -> dict[str, Any]:
        """Says where the current epoch is: how many batches were handed out, and the generator at its beginning.

        Returns:
            A small dict of plain values and tensors, for `torch.save`.
        """
        handed = self.delivery.handed.state if self.delivery is not None else None
        return self._resume or handed or state_dict(self, self._position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter()` go on where `state_dict()` was called, with the same batches as without the break.

        On the native path nothing is decoded again; in torch's own path the batches up to there are made and dropped.

        Args:
            state: what `state_dict()` returned, of a loader with the same dataset, sampler and batch size.
        """
        self._resume = dict(state)
        if self.delivery is not None:
            self.delivery.forget()
