"""Targets of any type: batches have what torch's loader makes of them, on every way, and raise what it raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import default_collate as torch_collate
from torch.utils.data._utils.pin_memory import pin_memory

import torchfeed
from oracle import theirs
from pictures import in_memory, pixels
from pinning import pretend_to_pin
from target_datasets import Plain, Sourced, batches, plus
from target_values import VALUES, alike, message, of, outcome
from torchfeed import DataLoader, explain
from torchfeed import transforms as T
from torchfeed.batch import pinned

N = 5
WAYS = {"native": "native, ", "in part": "native in part", "torch": "torch's own path"}


def dataset(way: str, targets: list[Any]) -> Plain:
    cls = Plain if way == "torch" else Sourced
    return cls(targets, theirs.Compose([theirs.ToTensor(), plus]) if way == "in part" else None)


@pytest.mark.filterwarnings("ignore")  # torch's, of what it copies or has in beta state
@pytest.mark.parametrize("name", VALUES)
def test_default_collate(name: str) -> None:
    samples: list[Any] = [VALUES[name], of(name, 1), tuple(of(name, 4)), [(1, each) for each in of(name, 3)]]
    for batch in samples:
        alike(outcome(torchfeed.default_collate, batch), outcome(torch_collate, batch))
        assert message(torchfeed.default_collate, batch) == message(torch_collate, batch)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", VALUES)
def test_batches(name: str, way: str, batch_size: int | None) -> None:
    samples = dataset(way, of(name, N))
    loader = DataLoader(samples, batch_size)
    assert explain(loader).startswith(WAYS[way])
    for ours, expected in zip(batches(loader), batches(TorchDataLoader(samples, batch_size)), strict=True):
        alike(ours, expected)


# What torch makes of these depends on whether a process made it: it cannot be sent, or is written to memory of the
# first one's dtype.
OTHERWISE_IN_WORKERS = {
    *("iterator", "generator", "memoryview", "mapping proxy", "conjugate", "parameter", "tensor that requires grad"),
    *("tensor, then array", "tensor, then list", "tensor, then number"),
    *("tensors of two dtypes", "arrays of two dtypes", "0-d array, then numpy's"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("way", ["native", "in part"])
def test_with_workers(way: str, batch_size: int | None) -> None:
    """One loader for all of the table: a batch of each."""
    names = sorted({*VALUES} - OTHERWISE_IN_WORKERS)
    samples = dataset(way, [target for name in names for target in of(name, 2)])
    options: dict[str, Any] = {"batch_size": batch_size, "num_workers": 2}
    for ours, expected in zip(
        batches(DataLoader(samples, **options)), batches(TorchDataLoader(samples, **options)), strict=True
    ):
        alike(ours, expected)


# What torch makes of class indices is what native threads make of them, with and without batches.
INDICES = {"int", "int64's least"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("name", VALUES)
def test_listed_targets(name: str, batch_size: int | None) -> None:
    """Our own datasets list class indices; where they list anything else, that is what they give."""
    samples = in_memory([pixels(4, 5, seed=index) for index in range(N)], theirs.ToTensor(), of(name, N))
    loader = DataLoader(samples, batch_size)
    native = name in INDICES or (batch_size and name in {"numpy's int", "int, then numpy's int"})
    assert explain(loader).startswith("native, " if native else "native in part"), explain(loader)
    for ours, expected in zip(batches(loader), batches(TorchDataLoader(samples, batch_size)), strict=True):
        alike(ours, expected)
    assert samples.image(1).size == (5, 4)


def test_listed_targets_that_become_others() -> None:
    samples = in_memory([pixels(4, 5, seed=index) for index in range(2)], theirs.ToTensor(), [0, 1])
    loader = DataLoader(samples, 2)
    for targets in ([False, True], [0, 1], [0.0, 1.0], [np.ones(2), np.ones(2)], [np.ones(2), np.ones(2)], [1, 0]):
        samples.targets = targets
        alike(batches(loader), batches(TorchDataLoader(Plain(targets), 2)))


def test_one_hot_rows_of_listed_targets() -> None:
    samples = in_memory([pixels(4, 5, seed=index) for index in range(2)], theirs.ToTensor(), [0, 1])
    samples.target_transform = T.OneHot(3)
    loader = DataLoader(samples, 2)
    kinds: list[Any] = [
        [0, 1],
        np.arange(2, dtype=np.uint8),
        np.arange(2, dtype=np.int16),
        [False, True],
        [0.0, 1.0],
        [2**70, 1],
    ]
    for number, targets in enumerate(kinds):
        samples.targets = list(targets)
        assert explain(loader).startswith("native, " if number < 3 else "native in part")
        alike(batches(loader), batches(TorchDataLoader(Plain(samples.targets, None, T.OneHot(3)), 2)))


@pytest.mark.parametrize("on_error", ["raise", "skip", "replace"])
def test_beside_datasets_that_list_theirs(on_error: Any) -> None:
    """A batch may have samples of either kind alone."""
    listed = in_memory([pixels(4, 5, seed=index) for index in range(N)], theirs.ToTensor())
    samples: Any = ConcatDataset([listed, Sourced([7, 8], theirs.ToTensor()), listed])
    for batch_size in (2, None):
        loader = DataLoader(samples, batch_size, on_error=on_error)
        assert explain(loader).startswith("native, ")
        alike(batches(loader), batches(TorchDataLoader(samples, batch_size)))


class Broken(Sourced):
    """Of which the second sample is no image."""

    def sample_source(self, index: int) -> Any:
        return (b"no image" if index == 1 else self.image(index)), self.targets[index]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["native", "in part"])
@pytest.mark.parametrize("name", VALUES)
def test_with_bad_samples(name: str, way: str) -> None:
    """What is left of a batch, or stands in the place of a bad sample, is collated as if it were all there was."""
    targets = of(name, N)
    samples = Broken(targets, theirs.Compose([theirs.ToTensor(), plus]) if way == "in part" else None)
    ways: dict[Any, list[int]] = {"skip": [0, 2, 3], lambda error: 3: [0, 3, 2, 3]}
    for on_error, left in ways.items():
        loader = DataLoader(samples, 4, on_error=on_error)
        assert explain(loader).startswith(WAYS[way])
        expected = outcome(torch_collate, [(0, targets[index]) for index in left])
        made = batches(loader)[0]
        alike(made[1] if isinstance(made, list) else made, expected if isinstance(expected, type) else expected[1])


ONE_HOT: dict[str, list[Any]] = {
    "int": [1, 0],
    "numpy's int": [np.int64(1), np.int16(0)],
    "0-d tensors": [torch.tensor(1), torch.tensor(0)],
    "0-d arrays": [np.array(1), np.array(0)],
    "lists": [[1, 0], [2, 2]],
    "lists of two lengths": [[1, 0], [2]],
    "bool": [True, False],
    "int, then bool": [1, True],
    "int, then float": [1, 1.0],
    "out of range": [1, 7],
    "none": [1, None],
    "str": ["a", "b"],
}


@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("name", ONE_HOT)
def test_one_hot_rows(name: str, batch_size: int | None) -> None:
    samples = Sourced(ONE_HOT[name], None, T.OneHot(3, smoothing=0.1))
    loader = DataLoader(samples, batch_size)
    assert explain(loader).startswith("native, ")
    for ours, expected in zip(batches(loader), batches(TorchDataLoader(samples, batch_size)), strict=True):
        alike(ours, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("name", VALUES)
def test_pinned(name: str, batch_size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor of a batch is pinned, wherever it is in it, and nothing else is changed."""
    memory = []

    def pin(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
        made = tensor.clone() if tensor.layout == torch.strided else tensor
        memory.append(made)
        return made

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    pretend_to_pin(monkeypatch)
    monkeypatch.setattr(pinned, "block", lambda nbytes: pin(torch.empty(nbytes, dtype=torch.uint8)))
    samples = dataset("native", of(name, N))
    plain = batches(TorchDataLoader(samples, batch_size))
    for ours, expected in zip(batches(DataLoader(samples, batch_size, pin_memory=True)), plain, strict=True):
        alike(ours, outcome(pin_memory, expected))
        if name == "Counter":
            continue  # whose update() adds, and makes new tensors of the pinned ones
        places = {tensor.untyped_storage().data_ptr() for tensor in memory if tensor.layout == torch.strided}
        assert {tensor.untyped_storage().data_ptr() for tensor in tensors(ours)} <= places


def tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield from [value] if value.layout == torch.strided else []
    elif isinstance(value, Mapping):
        yield from tensors([*value.values()])
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for each in value:
            yield from tensors(each)
