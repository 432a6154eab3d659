"""Iterable datasets that make whole batches, so that their state after each batch is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info
from torch.utils.data._utils.fetch import _IterableDatasetFetcher

from torchfeed.util.random_state import own_random_state

from .protocol import freeze, is_stateful, restore_dataset, state_of
from .worker_batches import Carried, Place, WorkerGenerators, this_worker

__all__ = ["PlacedDataset", "as_is"]

_END: Any = object()


def as_is(batch: Any) -> Any:
    """A collate_fn for what is collated."""
    return batch


class PlacedDataset(IterableDataset[Any]):
    """An IterableDataset that makes whole batches, so that its state after each batch is known.

    Args:
        dataset: the dataset.
        loader: the loader.
        collate_fn: what collates its batches.
        states: of each worker, or of the one in this process: where to go on.
    """

    def __init__(self, dataset: Any, loader: Any, collate_fn: Any, states: Sequence[Any]) -> None:
        self.dataset = dataset
        self.making = loader._auto_collation, collate_fn, loader.drop_last, loader.batch_size  # noqa: SLF001
        self.states = states
        self.batches: _Batches | None = None
        """Those under way, where there is a state to be asked for; other iterators go when their epoch is left."""
        self.carries = loader.num_workers > 0
        """Whether batches are to carry the place of the worker that makes them."""
        self.generators: WorkerGenerators | None = None

    def begin(self) -> None:
        """Sets a worker process up, where nothing has run yet: a ``worker_init_fn`` is to see the dataset itself."""
        object.__setattr__(get_worker_info(), "dataset", self.dataset)  # which is frozen for others
        self.generators = WorkerGenerators()

    def __iter__(self) -> Iterator[Any]:
        states, self.states = self.states, ()
        state = states[this_worker() if self.carries else 0] if states else None
        batches = _Batches(self, state)
        self.batches = batches if batches.has_state else None
        return batches

    def __repr__(self) -> str:
        return repr(self.dataset)


class _Batches(Iterator[Any]):
    """The batches of an iterable dataset in one process, from a state on.

    As torchdata does: first the dataset gets its state, then it is asked for an iterator, and that gets its own.
    """

    def __init__(self, placed: PlacedDataset, state: Any) -> None:
        self._placed = placed
        self._over = False
        auto_collation, collate_fn, drop_last, batch_size = placed.making
        self._indices = range(batch_size or 1)
        state = state or dict.fromkeys(("at", "dataset", "iterator", "random"))
        at, dataset = state["at"], placed.dataset
        if at in {"end", "next"}:
            self._settle(state["dataset"], state["iterator"])
        elif at == "begin":
            self._settle(state["dataset"], None)
        else:
            restore_dataset(dataset, state["dataset"])
        if at == "next":
            WorkerGenerators.restore(state["random"])
        self._ended = at == "end"
        self._fetcher: Any = None
        if not self._ended:
            self._fetcher = _IterableDatasetFetcher(dataset, auto_collation, collate_fn, drop_last)
            if at != "next":
                restore_dataset(self._fetcher.dataset_iter, state["iterator"])
        if at != "next":
            WorkerGenerators.restore(state["random"])
        self.has_state = self._ended or is_stateful(dataset) or is_stateful(self._fetcher.dataset_iter)
        self._last = state["iterator"]

    def _settle(self, state: Any, iterator_state: Any) -> None:
        """Leads the dataset to where an iterator of it has ended.

        Its state may lead to that end: an iterator is then used up here, as one was before the state was taken, or the
        next would be empty. Or its state leads to what follows.
        """
        if state is None and iterator_state is None:
            return
        dataset = self._placed.dataset
        restore_dataset(dataset, state)
        with own_random_state():
            iterator = iter(dataset)
        restore_dataset(iterator, iterator_state)
        if iterator is dataset:  # whose own state it was
            return
        with own_random_state():
            is_at_end = next(iterator, _END) is _END
        if not is_at_end:
            restore_dataset(dataset, state)

    def __next__(self) -> Any:
        if self._over:
            raise StopIteration
        batch = _END if self._ended else self._fetch()
        self._over = batch is _END
        if not (self._placed.carries and self.has_state):
            if self._over:
                raise StopIteration
            return batch
        # A worker says where its dataset is when it has ended, too: it may go on with another epoch.
        place = Place(this_worker(), freeze(self.state), is_end=self._over)
        return Carried(None if self._over else batch, place)

    def _fetch(self) -> Any:
        try:
            return self._fetcher.fetch(self._indices)
        except StopIteration:
            return _END

    def state(self) -> Any:
        """Where the dataset and its iterator are."""
        dataset = self._placed.dataset
        iterator = None if self._fetcher is None else self._fetcher.dataset_iter
        generators = self._placed.generators
        return {
            "at": "end" if self._over or self._ended or self._fetcher.ended else "on",
            "dataset": None if iterator is dataset else state_of(dataset),
            "iterator": state_of(iterator) if iterator is not None else self._last,
            "random": None if generators is None else generators.moved(),
        }
