"""Datasets, samplers and iterators that have states of their own are asked for them, and given them back."""

from __future__ import annotations

import json
import pickle
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint
from torch.utils.data import BatchSampler, Dataset, IterableDataset, Sampler, TensorDataset, get_worker_info

from pictures import in_memory, pixels
from stateful_parts import (
    Both,
    Counts,
    Held,
    ItsOwn,
    N,
    Neither,
    OnlyPlaces,
    Pairs,
    Places,
    Plain,
    Repeats,
    Strides,
    Walked,
    Whole,
    generator,
)
from torchfeed import DataLoader, explain, to_device
from torchfeed import transforms as T

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")

CROP: list[Any] = [T.RandomCrop(6, padding=2), T.RandomHorizontalFlip(), T.ToTensor()]
IMAGES = [pixels(8, 8, seed=i) for i in range(N)]


class Jitter:
    """A random step in Python."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return image + torch.rand(())


class Album(Dataset[Any]):
    """A recognised dataset with a state: it counts which images were asked for, which makes the targets."""

    def __init__(self, seed: int, *steps: Any) -> None:
        self.count, self.transform = 100 * seed, T.Compose([*CROP, *steps])

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        image, target = self.sample_source(index)
        return self.transform(image), target

    def sample_source(self, index: int) -> Any:
        self.count += 1
        return IMAGES[index], self.count

    state_dict, load_state_dict = Whole.state_dict, Whole.load_state_dict

    def __getstate__(self) -> Any:
        return dict(vars(self))


def native(_: int) -> Any:
    return in_memory(IMAGES, T.Compose(CROP))


def in_part(_: int) -> Any:
    return in_memory(IMAGES, T.Compose([*CROP, Jitter()]))


def rows(_: int) -> Any:
    return TensorDataset(torch.arange(N))


Make = Callable[[int], dict[str, Any]]
"""A loader's arguments. A resumed loader has another seed, which the state makes up for."""


def of(dataset: Callable[[int], Any], size: int | None = 2, **options: Any) -> Make:
    return lambda seed: {"dataset": dataset(seed), "batch_size": size, **options}


def ordered(sampler: Callable[[int], Any], dataset: Callable[[int], Any] = lambda _: Plain(), **options: Any) -> Make:
    return lambda seed: {**of(dataset, **options)(seed), "sampler": sampler(seed)}


def shuffled(dataset: Callable[[int], Any], **options: Any) -> Make:
    return lambda seed: {**of(dataset, **options)(seed), "shuffle": True, "generator": generator(seed)}


def in_batches(sampler: Callable[[int], Any], dataset: Callable[[int], Any] = lambda _: Plain()) -> Make:
    return lambda seed: {"dataset": dataset(seed), "batch_sampler": sampler(seed)}


CASES: dict[str, Make] = {
    **{cls.__name__: of(cls) for cls in (Whole, Held, ItsOwn, Walked, Both, Neither)},
    **{f"{cls.__name__}, no batches": of(cls, None) for cls in (Whole, Held, ItsOwn, Walked, Both)},
    "Whole, drop_last": of(Whole, drop_last=True),
    "Counts": shuffled(Counts),
    "Counts, no batches": shuffled(Counts, size=None),
    "Counts, on_error": shuffled(Counts, on_error="skip"),
    **{cls.__name__: ordered(cls) for cls in (Places, Repeats, OnlyPlaces, Strides)},
    **{f"{cls.__name__}, no batches": ordered(cls, size=None) for cls in (Places, Repeats, Strides)},
    "Places, on_error": ordered(Places, on_error="replace"),
    "Places, drop_last": ordered(Places, drop_last=True),
    "Places, dataset too": ordered(Places, Counts),
    "Pairs": in_batches(Pairs),
    "a batch sampler of torch's": in_batches(lambda seed: BatchSampler(Repeats(seed), 3, drop_last=False)),
}
NATIVE: dict[str, Make] = {
    "native, Repeats": ordered(Repeats, native),
    "native, Repeats, no batches": ordered(Repeats, native, size=None),
    "native, Repeats, on_error": ordered(Repeats, native, on_error="replace"),
    "native, Strides": ordered(Strides, native),
    "native, Pairs": in_batches(Pairs, native),
    "native, dataset": shuffled(Album),
    "native in part, Repeats": ordered(Repeats, in_part),
    "native in part, dataset": shuffled(lambda seed: Album(seed, Jitter())),
    "native, gathered, Places": ordered(Places, rows),
}


def make(case: str, seed: int, workers: int = 0, **options: Any) -> DataLoader[Any]:
    torch.manual_seed(seed)
    return DataLoader(**{**CASES, **NATIVE}[case](seed), num_workers=workers, **options)


def plain(batch: Any) -> Any:
    """A batch as values that can be compared."""
    if isinstance(batch, (list, tuple)):
        return [plain(part) for part in batch]
    return batch.tolist() if isinstance(batch, torch.Tensor) else batch


class Left(NamedTuple):
    """A place where a run is left, and what comes after it."""

    epoch: int
    batches: int
    begun: bool
    state: bytes
    random: Any
    rest: list[Any]
    following: list[Any]

    @property
    def name(self) -> str:
        return f"{self.batches} batches into epoch {self.epoch}{'' if self.begun else ', before iter()'}"


def left(loader: DataLoader[Any], epochs: int = 3) -> list[Left]:
    """Runs so many epochs and one more, and says where one could leave them."""
    had: list[list[Any]] = []
    places: list[tuple[int, int, bool, bytes, Any]] = []

    def note(epoch: int, *, begun: bool) -> None:
        states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        places.append((epoch, len(had[epoch]), begun, pickle.dumps(loader.state_dict()), states))

    for epoch in range(epochs + 1):
        had.append([])
        note(epoch, begun=False)
        batches = iter(loader)
        note(epoch, begun=True)
        for batch in batches:
            had[epoch].append(plain(batch))
            note(epoch, begun=True)
    return [
        Left(epoch, count, begun, state, states, had[epoch][count:], had[epoch + 1])
        for epoch, count, begun, state, states in places
        if epoch < epochs
    ]


def resume(loader: DataLoader[Any], at: Left) -> None:
    loader.load_state_dict(pickle.loads(at.state))
    torch.set_rng_state(at.random[0])
    np.random.set_state(at.random[1])  # noqa: NPY002
    random.setstate(at.random[2])


@pytest.mark.parametrize("case", [*CASES, *NATIVE])
def test_a_resumed_run_goes_on(case: str) -> None:
    """Without worker processes, wherever it is left, in a new loader and in the same one."""
    loader = make(case, 3)
    assert explain(loader).startswith(case.split(",", maxsplit=1)[0] if case in NATIVE else "torch's own path")
    for at in left(loader, 2):
        for other in (make(case, 99), loader):
            resume(other, at)
            assert [plain(batch) for batch in other] == at.rest, at.name
            assert [plain(batch) for batch in other] == at.following, at.name


@pytest.mark.parametrize("case", [case for case in NATIVE if "part" not in case])
def test_native_threads(case: str) -> None:
    """They ask ahead: a state is about what was handed out. Any number of them goes on."""
    for number, at in enumerate(left(make(case, 3, 2), 2)):
        other = make(case, 99, (3, 0)[number % 2])
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, at.name
        if number % 2 == 0:  # without workers the order is drawn after other draws of the loop
            assert [plain(batch) for batch in other] == at.following, at.name


IN_WORKERS = [
    ("Whole", 3, True),
    ("Held", 3, True),
    ("ItsOwn", 3, False),
    ("Both, no batches", 3, False),
    ("Walked", 1, False),
    ("Counts", 3, True),
    ("Counts, on_error", 1, False),
    ("Repeats", 3, False),
    ("Strides", 1, True),
    ("Pairs", 1, False),
    ("native in part, Repeats", 1, False),
    ("native in part, dataset", 1, True),
]


@pytest.mark.parametrize(("case", "workers", "persistent"), IN_WORKERS)
def test_worker_processes(case: str, workers: int, persistent: bool) -> None:
    """Each has a dataset of its own; some of an IterableDataset's are done before others. They are slow to start."""
    breaks = left(make(case, 3, workers, persistent_workers=persistent), 2)
    first, second = ([at for at in breaks if at.epoch == epoch] for epoch in range(2))
    chosen = [first[3], first[-1], second[0], second[3]]
    if case == "Whole":
        chosen = breaks
    for at in chosen:
        other = make(case, 99, workers, persistent_workers=persistent)
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, at.name
        assert [plain(batch) for batch in other] == at.following, at.name


def test_a_resumed_run_is_left_again() -> None:
    for case in ("Whole", "Counts", "Places", "native, Repeats", "Places, on_error"):
        at = left(make(case, 3), 1)
        state = pickle.loads(at[0].state)
        for number, expected in enumerate(at[0].rest):
            loader = make(case, 50 + number)
            loader.load_state_dict(state)
            torch.set_rng_state(at[number + 1].random[0])
            random.setstate(at[number + 1].random[2])
            assert plain(next(iter(loader))) == expected, case
            state = loader.state_dict()
            assert state["batches"] == number + 1


@pytest.mark.parametrize("workers", [0, 1])
def test_the_state(workers: int) -> None:
    """It is JSON where the parts' own states are, has the same keys everywhere, and does not change afterwards."""
    keys = set(DataLoader(rows(0)).state_dict())
    for case in ("Whole", "ItsOwn", "Places, dataset too") if not workers else ("Whole",):
        for at in left(make(case, 3, workers), 1):
            state = pickle.loads(at.state)
            assert set(state) == keys
            assert all(isinstance(state[key], (str, tuple)) for key in ("sampler", "dataset"))
            if case == "Whole":
                assert json.loads(json.dumps(state)) == state
            other = make(case, 99, workers)
            other.load_state_dict(state)
            assert pickle.dumps(other.state_dict()) == pickle.dumps(state)
    one, two = (make("Held", 3, workers) for _ in range(2))
    for _ in zip(one, two, strict=True):
        state = one.state_dict()
        kept = pickle.dumps(state)
        assert state["dataset"] == two.state_dict()["dataset"]
    list(one)
    assert pickle.dumps(state) == kept


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


def test_spawned_workers() -> None:
    """What carries states is pickled together with what they are states of."""
    for case in ("Whole", "Counts"):
        at = left(make(case, 3, 1), 1)[3]
        other = make(case, 99, 1, multiprocessing_context="spawn")
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, case


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


def test_a_checkpoint_is_loaded_in_place(tmp_path: Path) -> None:
    """A new loader says something else of its parts than one in mid-epoch, under the same keys."""
    dcp: Any = torch.distributed.checkpoint
    for case, workers in (("Whole", 0), ("Whole", 1), ("Repeats", 0), ("Both", 0)):
        loader = make(case, 3, workers)
        batches = iter(loader)
        next(batches)
        place = tmp_path / f"{case} {workers}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one process is what is meant
            dcp.save({"loader": loader}, checkpoint_id=place, no_dist=True)
            states = torch.get_rng_state()
            expected = [plain(batch) for batch in batches]
            other = make(case, 99, workers)
            dcp.load({"loader": other}, checkpoint_id=place, no_dist=True)
        torch.set_rng_state(states)
        assert [plain(batch) for batch in other] == expected, case


def test_states_on_the_way_to_a_device() -> None:
    """The position is that of the batch in use, whatever is under way."""
    breaks = left(make("Whole", 3, device="cpu"), 1)
    for at in breaks:
        other = make("Whole", 99, device="cpu")
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, at.name


class DrawsGlobally(IterableDataset[int]):
    """Draws from torch's global generator, which it keeps in its state."""

    def __iter__(self) -> Any:
        return DrawingIterator()


class DrawingIterator:
    def __init__(self) -> None:
        self.left = 6

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return int(torch.randint(1000, ()))

    def state_dict(self) -> dict[str, Any]:
        return {"left": self.left, "generator": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.left = state["left"]
        torch.set_rng_state(state["generator"])


@pytest.mark.parametrize("had", [0, 1, 4])
def test_a_state_that_holds_the_global_generator(had: int) -> None:
    loader = DataLoader(DrawsGlobally())
    batches = iter(loader)
    for _ in range(had):
        next(batches)
    state = loader.state_dict()
    expected = [int(batch) for batch in batches]
    torch.manual_seed(99)
    resumed = DataLoader(DrawsGlobally())
    resumed.load_state_dict(state)
    assert [int(batch) for batch in resumed] == expected
