"""torch's own iterators, in this process or with worker processes, for what is not wholly native."""

from __future__ import annotations

import multiprocessing.queues
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset, get_worker_info
from torch.utils.data import dataloader as torch_dataloader
from torch.utils.data import default_collate as torch_default_collate

from .batch import default_collate
from .limits import Limits, get_limits
from .on_error import Windows
from .recognize.leaf import Leaf
from .recognize.tree import Tree
from .report import Tally
from .resolve import is_own_collate, read_datasets
from .samples import Key, SampleMaker, own_random_state, sample_seed, seed_everything
from .tolerant import Job, TolerantCollate, TolerantDataset
from .turns import Turns

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["MultiProcessIterator", "SingleProcessIterator", "View"]


class View:
    """A loader, as one of torch's iterators is to see it: some of its attributes are others.

    Args:
        loader: the loader.
        tree: its datasets, if their samples are made natively in part.
        pin: whether batches are to be copied to pinned memory.
    """

    def __init__(self, loader: DataLoader[Any], tree: Tree[Leaf] | None, *, pin: bool) -> None:
        self.loader = loader
        self.tree = tree
        self.pin_memory = pin
        if loader.nice and hasattr(os, "nice"):  # Windows has no such thing
            self.worker_init_fn: Any = NiceInit(loader.nice, loader.worker_init_fn)
        self.collate_fn: Any = loader.collate_fn
        self.dataset: Any = loader.dataset
        if loader.native != "off":
            self._take_part(loader)
        if loader.on_error != "raise":
            self.dataset = TolerantDataset(self.dataset, loader.on_error, split=tree is not None)
            self.collate_fn = TolerantCollate(self.collate_fn, batched=loader.batch_sampler is not None)

    def _take_part(self, loader: DataLoader[Any]) -> None:
        if loader.collate_fn is torch_default_collate and is_own_collate(loader.collate_fn):
            self.collate_fn = default_collate
        elif self.tree is not None and loader.batch_sampler is not None:
            self.collate_fn = SeededCollate(loader.collate_fn)
        if self.tree is not None:
            fast, limits = loader.decode == "fast", loader.limits or get_limits()
            self.dataset = SplitDataset(loader.dataset, fast=fast, limits=limits)
        if loader.position.base is not None:
            # The base seed is known: torch's iterator is not to draw one.
            self.generator = torch.Generator()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["loader"], name)


class NiceInit:
    """A worker_init_fn that lowers the worker's priority, and then calls the user's, if there is one."""

    def __init__(self, nice: int, worker_init_fn: Callable[[int], None] | None) -> None:
        self.nice = nice
        self.worker_init_fn = worker_init_fn

    def __call__(self, worker: int) -> None:
        """Sets the worker process up."""
        os.nice(self.nice)
        if self.worker_init_fn is not None:
            self.worker_init_fn(worker)


class SplitDataset(Dataset[Any]):
    """A dataset whose samples are made natively up to the first step that is not recognised.

    Indices are `Key`s. Other attributes are those of the dataset, for what a ``worker_init_fn`` may do.
    """

    def __init__(self, dataset: Any, *, fast: bool, limits: Limits) -> None:
        self.__dict__.update(dataset=dataset, decodes_fast=fast, limits_of_loader=limits, maker=None)

    def __getattr__(self, name: str) -> Any:
        if name in {"dataset", "decodes_fast", "limits_of_loader", "maker"}:  # not there yet: while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.dataset, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "maker": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Key) -> Any:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> Samples:
        """Makes the samples of a batch, from the dataset as it is in this process."""
        self._make_maker()
        # A worker process has no use for its random state; in the user's own it is none of our business.
        return Samples(self.maker.make(keys, keeps_random_state=get_worker_info() is None), keys)

    def _make_maker(self) -> None:
        if self.maker is None:
            tree = read_datasets(self.dataset)
            self.__dict__["maker"] = SampleMaker(tree, fast=self.decodes_fast, limits=self.limits_of_loader)

    def path_of(self, key: Key) -> Any:
        """The file of a sample, if it is listed.

        Raises:
            IndexError: there is no such sample.
        """
        self._make_maker()
        leaf, at = self.maker.tree.leaf(self.maker.tree.locate(key.sample))
        return leaf.source.path(at)

    def key(self, index: Any, seed: int, occurrence: int) -> Key:
        """What stands for a sample here."""
        return Key(index, seed, occurrence)

    def among(self, samples: Sequence[Any], keys: Sequence[Key]) -> Samples:
        """The samples of the batch of some keys, of which some may be left out."""
        return Samples(samples, keys)


class Samples(list[Any]):
    """The samples of a batch, and the seed of what is random in collating them."""

    def __init__(self, samples: Sequence[Any], keys: Sequence[Key]) -> None:
        super().__init__(samples)
        # One number more than a sample's seed is made of, so that it is none of theirs.
        self.seed = sample_seed((*keys[0], len(keys))) if keys else 0


class SeededCollate:
    """A collate_fn of the user's, whose own randomness is that of the batch, whichever worker makes it."""

    def __init__(self, collate_fn: Callable[[list[Any]], Any]) -> None:
        self.collate_fn = collate_fn

    def __call__(self, samples: Samples) -> Any:
        """Collates a batch."""
        with nullcontext() if get_worker_info() else own_random_state():
            seed_everything(samples.seed)
            return self.collate_fn(list(samples))


class _Counted:
    """Makes torch's iterators count the batches that they hand out, and tells a split dataset what to draw from."""

    def __init__(self, view: View) -> None:
        self.tree = view.tree
        self._batched = view.loader.batch_sampler is not None
        self._turns = Turns()
        self._begin(view.loader)
        super().__init__(view)  # type: ignore[call-arg]  # the iterator that this is mixed into
        if self.tree is not None:
            self._position.draw_seed(self._own_base_seed)

    def _own_base_seed(self) -> int:
        return int(self._base_seed)  # type: ignore[attr-defined]  # torch's iterators have it

    def _begin(self, loader: Any) -> None:
        self._position = loader.position
        self._to_skip = self._position.skip
        self._seen: Counter[int] = Counter()
        self._windows: Windows | None = None
        self._tally: Tally | None = None
        self._handed = bool(self._to_skip)
        if loader.on_error != "raise":
            self._windows = Windows(batched=loader.batch_sampler is not None, keeps=loader.on_error == "replace")
            self._tally = Tally(loader.errors, loader.max_errors)

    def _drawn(self) -> Any:
        ask = super()._next_index  # type: ignore[misc]
        return ask() if self._windows is None else self._windows.draw(ask)

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        self._begin(loader)
        super()._reset(loader, first_iter)  # type: ignore[misc]

    def _next_index(self) -> Any:
        drawn = self._drawn()
        while self.tree is not None and self._to_skip:
            self._keys(drawn)
            self._to_skip -= 1
            drawn = self._drawn()
        keys = drawn if self.tree is None else self._keys(drawn)
        if self._windows is None:
            return keys
        seed = self._position.draw_seed(self._own_base_seed)
        return Job(self._windows.latest, keys if self._batched else [keys], seed)

    def _keys(self, drawn: Any) -> Any:
        seed = self._position.draw_seed(self._own_base_seed)
        keys = [Key(index, seed, self._occurrence(index)) for index in (drawn if self._batched else [drawn])]
        return keys if self._batched else keys[0]

    def _occurrence(self, index: Any) -> int:
        assert self.tree is not None, "only a split dataset's samples are counted"
        try:
            place = self.tree.locate(index)
        except (IndexError, TypeError, ValueError):
            return 0  # raised again where the sample is made, after the batches before it
        self._seen[place] += 1
        return self._seen[place] - 1

    def __next__(self) -> Any:
        with self._turns:
            return self._next()

    def _next(self) -> Any:
        while True:
            try:
                batch = super().__next__()  # type: ignore[misc]
            except StopIteration:
                self._position.finish()
                if self._tally is not None:
                    self._tally.finish(handed=self._handed)
                raise
            self._position.advance()
            if self._tally is None:
                return batch
            self._tally.note(batch.found.samples, batch.found.end)
            if not batch.found.empty:
                self._handed = True
                return batch.batch


class SingleProcessIterator(_Counted, torch_dataloader._SingleProcessDataLoaderIter):  # noqa: SLF001
    """torch's iterator for ``num_workers=0``."""


class MultiProcessIterator(_Counted, torch_dataloader._MultiProcessingDataLoaderIter):  # noqa: SLF001
    """torch's iterator for worker processes."""

    def _shutdown_workers(self) -> None:
        """Ends the workers, without waiting for those that cannot be told to.

        Where the iterator is part of a reference cycle, Python closes its queues before this is called, and torch waits
        five seconds for each worker before it terminates it.
        """
        for queue, worker in zip(getattr(self, "_index_queues", ()), getattr(self, "_workers", ()), strict=False):
            if _is_closed(queue) and worker.is_alive():
                worker.terminate()
        super()._shutdown_workers()


def _is_closed(queue: Any) -> bool:
    """Whether the thread that sends what is put into a `multiprocessing.Queue` ends, or has ended."""
    thread, buffer = getattr(queue, "_thread", None), getattr(queue, "_buffer", ())
    end = getattr(multiprocessing.queues, "_sentinel", None)
    return thread is not None and (not thread.is_alive() or any(entry is end for entry in list(buffer)))
