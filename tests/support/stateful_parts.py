"""Datasets, samplers and iterators with states of their own, as torchdata's users write them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, Sampler, get_worker_info

N = 11
SHARDS = [(0, 11)], [(0, 11)], [(0, 2), (2, 11)], [(0, 5), (5, 6), (6, 11)]
"""What the workers of 0, 1, 2 and 3 have: some are done long before the others."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shard() -> range:
    info = get_worker_info()
    return range(N) if info is None else range(*SHARDS[info.num_workers][info.id])


class Counts(Dataset[Any]):
    """Counts what it was asked for, draws from a generator of its own, and from the global ones."""

    def __init__(self, seed: int) -> None:
        self.count = 100 * seed
        self.own = random.Random(seed)

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        self.count += 1
        return index, self.count, self.own.random(), float(torch.rand(()))

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "own": self.own.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]
        self.own.setstate(state["own"])


class Plain(Dataset[Any]):
    """Has no state, but draws from the global generator."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        return index, float(torch.rand(()))


class Whole(IterableDataset[Any]):
    """Is where its iterator is, and at its beginning when that has ended."""

    def __init__(self, seed: int) -> None:
        self.at, self.epoch, self.seed = 0, 0, seed

    def __iter__(self) -> Iterator[Any]:
        own = shard()
        while self.at < len(own):
            self.at += 1
            yield own[self.at - 1], self.epoch, self.seed, float(torch.rand(()))
        self.at, self.epoch = 0, self.epoch + 1

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class Held(IterableDataset[Any]):
    """Holds the place for its next iterator, as torchdata's examples do; is at its end when that has ended."""

    def __init__(self, seed: int) -> None:
        self.at, self.seed = 0, seed
        self.resume: int | None = None

    def __iter__(self) -> Iterator[Any]:
        own = shard()
        begin, self.resume = self.resume or 0, None
        for self.at in range(begin + 1, len(own) + 1):
            yield own[self.at - 1], self.seed

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.resume, self.seed = state["at"], state["seed"]


class ItsOwn(IterableDataset[Any]):
    """Is its own iterator."""

    def __init__(self, seed: int) -> None:
        self.at, self.seed, self.epochs = 0, seed, 0

    def __iter__(self) -> Iterator[Any]:
        self.at = 0
        return self

    def __next__(self) -> Any:
        own = shard()
        if self.at == len(own):
            self.epochs += 1
            raise StopIteration
        self.at += 1
        return own[self.at - 1], self.seed, self.epochs

    state_dict, load_state_dict = Whole.state_dict, Whole.load_state_dict


class Walk(Iterator[Any]):
    """An iterator with a state, whose randomness is its own."""

    def __init__(self, seed: int) -> None:
        self.own, self.at, self.random = shard(), 0, random.Random(seed)

    def __next__(self) -> Any:
        if self.at == len(self.own):
            raise StopIteration
        self.at += 1
        return self.own[self.at - 1], self.random.random()

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at, "random": self.random.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]
        self.random.setstate(state["random"])


class Walked(IterableDataset[Any]):
    """Has iterators with a state."""

    def __init__(self, seed: int) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return Walk(torch.initial_seed() % 7)


class Both(IterableDataset[Any]):
    """Has a state, and so have its iterators."""

    def __init__(self, seed: int) -> None:
        self.seed, self.count = seed, 0

    def __iter__(self) -> Iterator[Any]:
        return Counted(self)

    state_dict, load_state_dict = Whole.state_dict, Whole.load_state_dict


class Counted(Walk):
    """Counts in its dataset."""

    def __init__(self, dataset: Both) -> None:
        super().__init__(dataset.seed)
        self.dataset = dataset

    def __next__(self) -> Any:
        sample = super().__next__()
        self.dataset.count += 1
        return (*sample, self.dataset.count)


class Neither(IterableDataset[Any]):
    """Has no state."""

    def __init__(self, seed: int) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        for index in shard():
            yield index, float(torch.rand(()))


class Places(Sampler[int]):
    """A sampler with a state, which draws its next order when the last has ended."""

    def __init__(self, seed: int) -> None:
        self.random, self.at = random.Random(seed), 0
        self.order = self.random.sample(range(N), N)

    def __len__(self) -> int:
        return N

    def __iter__(self) -> Iterator[int]:
        while self.at < N:
            self.at += 1
            yield self.order[self.at - 1]
        self.order, self.at = self.random.sample(range(N), N), 0

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at, "order": self.order, "random": self.random.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at, self.order = state["at"], state["order"]
        self.random.setstate(state["random"])


class Repeats(Places):
    """Draws as it goes, from a generator that the loader may know, and draws some indices again and again."""

    def __init__(self, seed: int) -> None:
        self.generator, self.at = generator(seed), 0

    def __iter__(self) -> Iterator[int]:
        while self.at < N:
            self.at += 1
            yield int(torch.randint(4, (), generator=self.generator))
        self.at = 0

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]
        self.generator.set_state(state["generator"])


class OnlyPlaces(Places):
    """Its state is where it is; its order follows from a generator that the loader knows."""

    def __init__(self, seed: int) -> None:
        self.generator, self.at = generator(seed), 0

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(N, generator=self.generator).tolist()
        while self.at < N:
            self.at += 1
            yield order[self.at - 1]
        self.at = 0

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]


class Strides(Sampler[int]):
    """Has no state, but its iterators have."""

    def __init__(self, seed: int) -> None:
        self.generator = generator(seed)

    def __len__(self) -> int:
        return N

    def __iter__(self) -> Iterator[int]:
        return Stride(self.generator)


class Stride(Iterator[int]):
    def __init__(self, drawn: torch.Generator) -> None:
        self.at, self.order = 0, torch.randperm(N, generator=drawn).tolist()

    def __next__(self) -> int:
        if self.at == N:
            raise StopIteration
        self.at += 1
        return int(self.order[self.at - 1])

    state_dict, load_state_dict = Whole.state_dict, Whole.load_state_dict


class Pairs(Places):
    """A batch sampler with a state."""

    def __len__(self) -> int:
        return (N + 1) // 2

    def __iter__(self) -> Iterator[Any]:
        while self.at < N:
            self.at += 2
            yield self.order[self.at - 2 : self.at]
        self.order, self.at = self.random.sample(range(N), N), 0
