"""Methods of datasets, samplers and iterators with states: when they are called, and what becomes of their errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from torch.utils.data import IterableDataset, Sampler, get_worker_info

from stateful_loaders import make, native
from stateful_parts import (
    Counts,
    N,
    Places,
    Plain,
    Whole,
    generator,
)
from torchfeed import DataLoader, to_device

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")


def test_states_of_what_has_none() -> None:
    """Nothing is held of them."""
    for options in ({}, {"shuffle": True}, {"sampler": [3, 1, 2]}, {"batch_sampler": [[3], [1, 2]]}):
        loader: DataLoader[Any] = DataLoader(Plain(), **options)
        next(iter(loader))
        assert (loader.state_dict()["sampler"], loader.state_dict()["dataset"]) == ("", "")
    loader = make("Neither", 3)
    next(iter(loader))
    assert (loader.state_dict()["sampler"], loader.state_dict()["dataset"]) == ("", "")


class Asked(Counts):
    """Says what it was asked for."""

    def __init__(self) -> None:
        super().__init__(0)
        self.indices: list[int] = []

    def __getitem__(self, index: int) -> Any:
        self.indices.append(index)
        return index


class Drawn(Places):
    """Says how many indices were drawn."""

    drawn = 0

    def __iter__(self) -> Iterator[int]:
        for index in super().__iter__():
            self.drawn += 1
            yield index


def test_nothing_is_made_or_drawn_again() -> None:
    def loader() -> DataLoader[Any]:
        return DataLoader(Asked(), 2, sampler=Drawn(3))

    one, two = loader(), loader()
    batches = iter(one)
    next(batches), next(batches)
    two.load_state_dict(one.state_dict())
    next(iter(two))
    assert isinstance(two.dataset, Asked)
    assert isinstance(two.sampler, Drawn)
    assert two.dataset.indices == two.sampler.order[4:6]
    assert two.sampler.drawn == 2


class Order(IterableDataset[Any]):
    """Notes the order of what is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __iter__(self) -> Iterator[Any]:
        self.calls.append("iter")
        return OrderIterator(self.calls)

    def state_dict(self) -> Any:
        return {}

    def load_state_dict(self, state: Any) -> None:
        self.calls.append("dataset")


class OrderIterator(Iterator[Any]):
    def __init__(self, calls: list[str]) -> None:
        self.calls, self.at = calls, 0

    def __next__(self) -> Any:
        self.calls.append("next")
        self.at += 1
        return self.at

    def state_dict(self) -> Any:
        return {"at": self.at}

    def load_state_dict(self, state: Any) -> None:
        self.calls.append("iterator")
        self.at = state["at"]


@pytest.mark.parametrize("batches", [0, 1])
def test_the_order_of_calls(batches: int) -> None:
    """As torchdata does: the dataset, then a single iterator, then its state."""
    one, two = DataLoader(Order(), 1), DataLoader(Order(), 1)
    iterator = iter(one)
    for _ in range(batches):
        next(iterator)
    two.load_state_dict(one.state_dict())
    assert next(iter(two)).tolist() == [batches + 1]
    assert two.dataset.calls == ["dataset", "iter", "iterator", "next"]  # type: ignore[attr-defined]


def test_an_iterator_goes_when_its_epoch_is_left() -> None:
    """One without a state, with whatever it holds open: as in torch's loader."""

    class Open(IterableDataset[Any]):
        closed = False

        def __iter__(self) -> Iterator[int]:
            try:
                yield from range(N)
            finally:
                self.closed = True

    dataset = Open()
    loader: DataLoader[Any] = DataLoader(dataset, 2)
    for _ in loader:
        break
    assert dataset.closed


def sees_the_dataset(worker: int) -> None:
    info = get_worker_info()
    assert info is not None
    assert type(info.dataset) is Whole
    info.dataset.seed = 40 + worker


def test_a_worker_init_fn_sees_the_dataset() -> None:
    """And what it sets is there; a state is loaded after it, as in torchdata."""
    loader: DataLoader[Any] = DataLoader(Whole(3), 2, num_workers=1, worker_init_fn=sees_the_dataset, nice=1)
    batches = iter(loader)
    assert next(batches)[2].tolist() == [40, 40]
    state = loader.state_dict()
    other: DataLoader[Any] = DataLoader(Whole(9), 2, num_workers=1)
    other.load_state_dict(state)
    assert next(iter(other))[2].tolist() == [40, 40]


def test_the_length_that_a_dataset_says() -> None:
    """torch warns of more batches than that; a worker's end is none of them."""

    class Sized(Whole):
        def __len__(self) -> int:
            return N

    loader: DataLoader[Any] = DataLoader(Sized(3), 2, num_workers=1)
    assert len(loader) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(loader)) == 6


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 0), (0, 1)])
def test_another_number_of_workers(before: int, after: int) -> None:
    """Each worker's state is for one of the same place."""
    for case in ("Whole", "Counts"):
        loader = make(case, 3, before)
        next(iter(loader))
        other = make(case, 3, after)
        other.load_state_dict(loader.state_dict())
        with pytest.raises(ValueError, match=r"that of .* worker process.* and this loader has .* same num_workers"):
            iter(other)
        assert len(list(other)) in {6, 7}, "the loader can be used again"


def test_a_state_of_another_dataset() -> None:
    loader = make("Counts", 3)
    next(iter(loader))
    other: DataLoader[Any] = DataLoader(Plain(), 2, shuffle=True, generator=generator(3))
    other.load_state_dict(loader.state_dict())
    with pytest.raises(ValueError, match=r"the Plain in its place here has no load_state_dict"):
        iter(other)


class Refuses:
    """Has methods that fail."""

    def __init__(self, method: str) -> None:
        self.method = method

    def state_dict(self) -> Any:
        if self.method == "state_dict":
            raise LookupError("no state today")
        return {"at": 1}

    def load_state_dict(self, state: Any) -> None:
        raise LookupError("no state today")


class RefusesItems(Refuses, Plain):
    pass


class RefusesToWalk(Refuses, IterableDataset[Any]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(N))


class RefusesToSample(Refuses, Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(N))

    def __len__(self) -> int:
        return N


def refusing(kind: str, method: str, workers: int) -> DataLoader[Any]:
    if kind == "items":
        return DataLoader(RefusesItems(method), 2, num_workers=workers)
    if kind == "walk":
        return DataLoader(RefusesToWalk(method), 2, num_workers=workers)
    dataset = native(0) if kind == "native" else Plain()
    return DataLoader(dataset, 2, num_workers=workers, sampler=RefusesToSample(method))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["items", "walk", "sampler", "native"])
def test_errors_of_the_methods_are_raised(kind: str, workers: int) -> None:
    """With their own type, and with what raised them where Python can say so; and to those only who ask for a state."""
    loader = refusing(kind, "state_dict", workers)
    batches = iter(loader)
    next(batches)
    with pytest.raises(LookupError, match="no state today"):
        loader.state_dict()
    whole = -(-N // 2)
    assert len(list(batches)) == len(list(loader)) - 1 == whole - 1
    if kind == "native":
        assert len(list(to_device(loader, "cpu"))) == whole
    loader = refusing(kind, "load_state_dict", workers)
    next(iter(loader))
    other = refusing(kind, "load_state_dict", workers)
    other.load_state_dict(loader.state_dict())
    with pytest.raises(LookupError, match="no state today"):
        next(iter(other))
