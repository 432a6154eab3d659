"""Loaders of datasets, samplers and iterators that have states, to be left anywhere and resumed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, Dataset, TensorDataset

from pictures import in_memory, pixels
from resumable_runs import CROP, Jitter
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
from torchfeed import DataLoader
from torchfeed import transforms as T

IMAGES = [pixels(8, 8, seed=i) for i in range(N)]


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
