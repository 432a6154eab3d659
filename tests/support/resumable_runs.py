"""Loaders on every way and with every kind of order, to be left anywhere and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import BatchSampler, Dataset, RandomSampler, Sampler, TensorDataset

from pictures import in_memory, pixels
from torchfeed import DataLoader
from torchfeed import transforms as T

N, BATCH = 7, 2
CROP: list[Any] = [T.RandomCrop(6, padding=2), T.RandomHorizontalFlip(), T.ToTensor()]


class Plain(Dataset[int]):
    """A dataset that only torch makes samples of."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> int:
        return index


class Jitter:
    """A random step in Python."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return image + torch.rand(())


class Eager(Sampler[int]):
    """Draws its order when it is asked for an iterator, from the global generator; torch's own wait."""

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(N).tolist())

    def __len__(self) -> int:
        return N


class Trickle(Eager):
    """Draws as it goes."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for _ in range(N):
            yield int(torch.randint(N, (), generator=self.generator))


IMAGES = [pixels(8, 8, seed=i) for i in range(N)]


WAYS = {
    "native": lambda: in_memory(IMAGES, T.Compose(CROP)),
    "native in part": lambda: in_memory(IMAGES, T.Compose([*CROP, Jitter()])),
    "native, gathered": lambda: TensorDataset(torch.arange(N)),
    "torch's own path": Plain,
}


WORKERS = {"no workers": (0, False), "workers": (1, False), "persistent workers": (1, True)}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def order(kind: str, seed: int) -> dict[str, Any]:
    """What a loader's order follows from. A resumed loader has another seed, which the state makes up for."""
    if kind == "generator":
        return {"shuffle": True, "generator": seeded(seed)}
    if kind == "global generator":
        return {"shuffle": True}
    if kind == "generator, and a sampler without one":
        return {"sampler": RandomSampler(range(N)), "generator": seeded(seed)}
    if kind == "generator of the sampler":
        return {"sampler": RandomSampler(range(N), replacement=True, num_samples=N, generator=seeded(seed))}
    if kind == "batch sampler":
        return {"batch_sampler": BatchSampler(RandomSampler(range(N), generator=seeded(seed)), BATCH, False)}
    if kind == "sampler that draws as it goes":
        return {"sampler": Trickle(seeded(seed))}
    if kind == "sampler that draws at once":
        return {"sampler": Eager()}
    assert kind == "in order"
    return {}


ORDERS = [
    "generator",
    "global generator",
    "sampler that draws as it goes",
    "sampler that draws at once",
    "generator, and a sampler without one",
    "generator of the sampler",
    "batch sampler",
    "in order",
]


def make(way: str, workers: str, kind: str, seed: int) -> DataLoader[Any]:
    torch.manual_seed(seed)
    count, persistent = WORKERS[workers]
    options = order(kind, seed)
    size: Any = {} if "batch_sampler" in options else {"batch_size": BATCH}
    return DataLoader(WAYS[way](), **size, num_workers=count, persistent_workers=persistent, **options)


def plain(batch: Any) -> Any:
    """A batch as JSON has it."""
    return batch.tolist() if isinstance(batch, torch.Tensor) else [plain(part) for part in batch]
