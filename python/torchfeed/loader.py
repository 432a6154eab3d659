"""The loader: torch's own, with native epochs where dataset and collate_fn are understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from inspect import signature
from typing import Any, Literal, TypeVar

import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, IterableDataset, Sampler

from .bad_samples.policy import OnError
from .bad_samples.report import ErrorReport
from .device import Delivery
from .epoch.internals import Delivers, Internals, internals
from .epoch.iterators import can_restart, find_way, open_iterator
from .epoch.state import State
from .limits import Limits
from .loader_attributes import Option, show_options, shown
from .plan.compile import compile_leaves
from .plan.drawn import Drawn, drawn
from .plan.resolve import Gathered, Native, Torch
from .settings import OPTIONS, Options
from .util.cores import auto_workers

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)

_HAS_IN_ORDER = "in_order" in signature(TorchDataLoader.__init__).parameters  # torch has it since 2.6


class DataLoader(TorchDataLoader[T_co]):
    """A drop-in `torch.utils.data.DataLoader`: same arguments, attributes, length, order and batches.

    Where it understands the dataset, its transforms and the collate_fn, batches are made by native threads, without
    the GIL and without worker processes. Where it understands the dataset alone, samples are native up to the first
    step that it does not know, and Python goes on from there. Otherwise everything is torch's own. `torchfeed.explain`
    says which.

    Native batches take the memory of ``prefetched + 2`` batches, and of those that you keep. Prefetched are
    ``prefetch_factor * num_workers``, or none with 0 workers; two are in the loop's hands while it asks for the next.
    Memory is used again, also by the next epoch. When the loader is gone, all of it goes back but the batches that you
    keep.

    Args:
        dataset: as in torch. Native are `torchfeed.datasets`, most of torchvision's datasets of single images, datasets
            with a `sample_source`, tensors, and what `Subset` and `ConcatDataset` make of these. A dataset with a
            method ``sample_source(index) -> (image, target)``, where the image is a path, the bytes of a file, a
            PIL image, or uint8 pixels (H, W, 3) or (H, W), has its images decoded to RGB and its ``transform`` and
            ``target_transform`` applied as by ``__getitem__``.
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
        lazy_images: where Python code makes samples, the images that it opens with `PIL.Image.open` are lazy: they are
            Pillow's own in every respect, but decoded natively, once their pixels are needed, and only those that are.
            The pixels and errors are the same. It holds in the loader's worker processes, and without them on the
            thread that asks for a batch, meanwhile. `torchfeed.open_image` opens such images anywhere.
        trace: whether samples of a dataset class of the user's own are traced, where that is possible: `__getitem__`
            runs in this process then, on stand-ins for images, and native threads make what it asks for. Files and
            transforms are looked at for each sample; whatever is not understood is done in Python.
        snapshot_every_n_steps: taken for the sake of torchdata's `StatefulDataLoader`, and without effect: a state is
            exact at every step.

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

    _torchfeed: Any = None
    """What the loader keeps for itself: its `Internals`, once it is made."""

    memory_format, decode, nice, native, row_index_memory = Option(), Option(), Option(), Option(), Option()
    device, on_error, max_errors, limits, lazy_images = Option(), Option(), Option(), Option(), Option()
    trace, snapshot_every_n_steps = Option(), Option()
    errors: ErrorReport = shown("The samples that could not be made.", lambda own: own.errors)
    seed: int | None = shown(
        "The seed of the current epoch, as torch's loader draws it from `generator`; `None` before the first.",
        lambda own: None if own.cursor is None else own.cursor.seed,
    )

    def __new__(cls, *_: Any, **options: Any) -> DataLoader[T_co]:
        """Makes a loader, and notes which options its caller gives; a subclass may set others."""
        loader = super().__new__(cls)
        # Not by __setattr__, which a subclass may have for itself.
        loader.__dict__["_given_options"] = [name for name in OPTIONS if name in options]
        return loader

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
        lazy_images: bool = True,
        trace: bool = True,
        snapshot_every_n_steps: int | None = 1,
    ) -> None:
        options = Options(
            memory_format=memory_format,
            decode=decode,
            nice=nice,
            native=native,
            row_index_memory=row_index_memory,
            device=device if device is None else torch.device(device),
            on_error=on_error,
            max_errors=max_errors,
            limits=limits,
            lazy_images=lazy_images,
            trace=trace,
            snapshot_every_n_steps=snapshot_every_n_steps,
        )
        if options.tolerant and isinstance(dataset, IterableDataset):
            raise ValueError("an IterableDataset's samples have no index: handle bad ones in its __iter__")
        self._torchfeed = Internals(options, DataLoader)
        show_options(self, self.__dict__.pop("_given_options", ()))
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
            find_way(self, self._torchfeed.settings(self))

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a private class here
        own = internals(self)
        if own.options.device is None or own.is_delivered:
            return _iterate(self)
        return _delivery(self, own.options.device).batches(self, partial(_iterate, self), ("_get_iterator",))

    def _get_iterator(self) -> Any:
        own = internals(self)
        if own.options.device is None or own.is_delivered:
            return open_iterator(self)
        # A subclass asks for it.
        return _delivery(self, own.options.device).batches(self, partial(open_iterator, self), ())

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
        own = internals(self)
        seed = None if own.cursor is None else own.cursor.seed
        if seed is None:
            raise RuntimeError("nothing is drawn before the first iter(loader)")
        way = find_way(self, own.settings(self))
        if isinstance(way, Torch):
            raise TypeError(f"only native transforms are drawn beforehand: {way.why}")
        if isinstance(way, Gathered):
            return []
        compiled = way.compiled if isinstance(way, Native) else compile_leaves(way.tree.leaves, own.options)
        return drawn(compiled, way.tree.locate(index), seed, occurrence)

    def state_dict(self) -> State:
        """Says where the current epoch is: how many batches were handed out, its seed, and the state of generators.

        Where the dataset, the sampler or an iterator of theirs has `state_dict` and `load_state_dict`, it is asked too.

        Returns:
            A small dict of plain values, for `torch.save` or JSON: states of the same place are equal. What a dataset
            or a sampler says of itself is in it, and may be any value that can be pickled.
        """
        return internals(self).state(self)

    def load_state_dict(self, state_dict: State) -> None:
        """Makes the next `iter()` go on where `state_dict()` was called, with the same batches as without the break.

        On the native path nothing is decoded again. In torch's own path the batches up to there are made and dropped,
        unless the dataset or the sampler has a state of its own. Persistent workers end, and the next `iter()` makes
        others.

        Args:
            state_dict: what `state_dict()` returned, of a loader with the same dataset, sampler and batch size. An
                empty one is the beginning.

        Raises:
            TypeError: it is no dict.
            ValueError: it is the state of something else. When the loader is iterated: the state is of a loader with
                more batches, other generators, or another number of workers whose datasets have states.
        """
        own = internals(self)
        own.load(state_dict)
        self._iterator = None
        if own.delivery is not None:
            own.delivery.forget()


def _iterate(loader: DataLoader[Any]) -> Iterator[Any]:
    """Begins an epoch as torch's loader does, in the last iterator where workers are persistent."""
    with internals(loader).turns:
        if loader._iterator is not None and not can_restart(loader, loader._iterator):  # noqa: SLF001
            loader._iterator = None  # noqa: SLF001
        return super(DataLoader, loader).__iter__()


def _delivery(loader: DataLoader[Any], device: torch.device | str) -> Delivers:
    """What takes a loader's batches to its device."""
    own = internals(loader)
    with own.turns:
        if own.delivery is None:
            own.delivery = Delivery(torch.device(device))
        return own.delivery
