"""The state of a dataset that keeps one: in this process, or in each worker process."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from torch.utils.data import IterableDataset, IterDataPipe

from .iterable import PlacedDataset, as_is
from .protocol import freeze, is_stateful, state_of, thaw
from .worker_batches import CarryingCollate, Place, RestoringInit

__all__ = ["DatasetPart", "check_processes", "dataset_between_epochs", "may_have_state"]


def may_have_state(dataset: Any) -> bool:
    """Whether a dataset has a state, or iterators that may have one. DataPipes have none, as in torchdata."""
    return is_stateful(dataset) or (isinstance(dataset, IterableDataset) and not isinstance(dataset, IterDataPipe))


def dataset_between_epochs(dataset: Any, workers: int) -> Any:
    """The state of a dataset of which no epoch has begun; `None` where there is none."""
    here = _state_here(dataset, workers)
    return None if here is None else _part(here)


def check_processes(state: Any, processes: int, *, begun: bool) -> None:
    """Checks that a state can be given back where so many worker processes make the samples.

    Raises:
        ValueError: it is that of another number, each of which had a place of its own.
    """
    if state["processes"] != processes and (state["places"] or begun):
        raise ValueError(
            f"the state is that of {_workers(state['processes'])}, each with a dataset of its own, and this loader "
            f"has {_workers(processes)}: load it into a loader with the same num_workers"
        )


def _part(
    here: Any, places: list[Any] | None = None, processes: int = 0, turn: int = 0, *, at_end: bool = False
) -> Any:
    return {"here": here, "places": places or [], "processes": processes, "turn": turn, "at_end": at_end}


def _state_here(dataset: Any, workers: int) -> Any:
    """The state of the dataset of this process, which that of each new worker process begins as.

    torchdata asks in the workers only. So one that cannot say here begins as its owner made it.
    """
    if not workers:
        return state_of(dataset)
    with suppress(Exception):
        return state_of(dataset)
    return None


class DatasetPart:
    """A dataset that may have a state, in one epoch.

    Args:
        loader: the loader.
        state: what to go on from, if the epoch is resumed.
        previous: the part of the epoch before, whose workers persist.
        follows_end: whether an epoch ended before this one.
        wants_generators: whether the generators of workers count, because samples may not be made that came before.
    """

    def __init__(
        self, loader: Any, state: Any, previous: DatasetPart | None, *, follows_end: bool, wants_generators: bool
    ) -> None:
        self._dataset = loader.dataset
        self._is_iterable = isinstance(self._dataset, IterableDataset)
        self.has_state = is_stateful(self._dataset)
        self._wants_generators = wants_generators
        self._follows_end = follows_end
        self._resume = state
        self._processes = 0
        self._turn = 0
        self._persists = loader.persistent_workers
        self._here: bytes | None = None
        self._places: list[Any] = []  # a state, one that is frozen, or none, of each worker
        self._placed: PlacedDataset | None = None
        self._ahead = False  # whether an epoch asks this process's dataset ahead of what is handed out
        self._before: deque[bytes] = deque()
        if previous is not None:
            self._processes, self._here, self._places = previous.as_left()

    # Where samples are made

    def run_here(self) -> None:
        """Notes that this process makes the samples, and asks the dataset ahead of what is handed out."""
        self._ahead = self.has_state

    def run_in(self, processes: int, loader: Any, seen: dict[str, Any], *, seeded: bool) -> None:
        """Makes torch's iterators keep to the state.

        Args:
            processes: how many worker processes there are.
            loader: the loader.
            seen: what the iterators are to see in place of the loader's attributes.
            seeded: whether samples seed the generators, so that theirs do not count.
        """
        self._processes = processes
        states = self._resume["places"] if self._resume is not None else []
        if processes:
            self._here = freeze(partial(_state_here, self._dataset, processes))
            self._places = list(states) or [None] * processes
            self._turn = self._resume["turn"] if self._resume is not None else 0
        init = seen.get("worker_init_fn", loader.worker_init_fn)
        if self._is_iterable:
            self._placed = PlacedDataset(seen["dataset"], loader, seen["collate_fn"], states)
            seen.update(dataset=self._placed, collate_fn=as_is, _auto_collation=False)
            if processes:
                seen["worker_init_fn"] = RestoringInit(init, None, (), self._placed)
        elif processes and (self.has_state or self._wants_generators):
            collate = CarryingCollate(seen["collate_fn"], self._dataset, seeded=seeded)
            seen["collate_fn"] = collate
            seen["worker_init_fn"] = RestoringInit(init, self._dataset, states, collate)

    @property
    def turn(self) -> int | None:
        """The worker whose turn it is where a resumed epoch goes on; `None` if there is no state of it."""
        return None if self._resume is None else int(self._resume["turn"])

    # Hand-out

    def before_asking(self) -> None:
        """Keeps the state before the next batch is asked for."""
        if self._ahead:
            self._before.append(freeze(partial(state_of, self._dataset)))

    def advance(self) -> None:
        """Counts a batch that is handed out."""
        if self._before:
            self._before.popleft()

    def note(self, place: Place) -> None:
        """Notes where a worker is behind the batch that is handed out."""
        self._turn = (place.worker + 1) % self._processes
        if place.state is not None or self._places[place.worker] is not None:
            self._places[place.worker] = place.state

    def state(self, batches: int, *, over: bool, with_generators: bool) -> Any:
        """The state where so many batches were handed out; `None` where there is none.

        Args:
            batches: their number.
            over: whether the epoch has ended.
            with_generators: whether the generators of workers count, though the dataset has no state.
        """
        if self._processes:
            return self._state_in_workers(over=over, with_generators=with_generators)
        if self._placed is not None:
            return self._state_of_iterable(batches, over=over)
        here = thaw(self._before[0]) if self._before and not over else state_of(self._dataset)
        return None if here is None else _part(here, at_end=over)

    def _state_of_iterable(self, batches: int, *, over: bool) -> Any:
        assert self._placed is not None, "it was made when the epoch began"
        if self._placed.batches is None:
            return None
        place = self._placed.batches.state()
        if over:
            place["at"] = "next"
        elif not batches and self._follows_end and place["at"] == "on":
            place["at"] = "begin"
        return _part(None, [place], at_end=over or (self._follows_end and not batches))

    def _state_in_workers(self, *, over: bool, with_generators: bool) -> Any:
        if over and not self._persists:
            # Others begin as this process's dataset is.
            return dataset_between_epochs(self._dataset, self._processes)
        places = self._next_places() if over else [_read(place) for place in self._places]
        here = None if self._here is None else thaw(self._here)
        says = any(place is not None for place in places) and (self.has_state or self._is_iterable or with_generators)
        if here is None and not says:
            return None
        return _part(here, places if says else [], self._processes, 0 if over else self._turn, at_end=over)

    def as_left(self) -> tuple[int, bytes | None, list[Any]]:
        """What the next epoch of workers that persist begins with: their number, their origin and their places."""
        return self._processes, self._here, [place and freeze(partial(_next_place, place)) for place in self._places]

    def _next_places(self) -> list[Any]:
        """The places of workers that go on with another epoch."""
        return [_next_place(place) for place in self._places]


def _next_place(place: Any) -> Any:
    read = _read(place)
    return {**read, "at": "next"} if read is not None and "at" in read else read


def _read(place: Any) -> Any:
    return thaw(place) if isinstance(place, bytes) else place


def _workers(count: int) -> str:
    return {0: "no worker processes", 1: "1 worker process"}.get(count, f"{count} worker processes")
