"""The default device: batches are where torch's loader puts them, part by part, however the device came to be it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils.data import ConcatDataset, TensorDataset
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from oracle import theirs, v2
from repository import environment
from target_datasets import Sourced, plus
from target_values import alike, outcome
from torchfeed import DataLoader, datasets, default_collate, explain, to_device
from torchfeed import transforms as T


class Injected(TorchFunctionMode):
    """Puts what is made anew on a device: all but a seed, which no loader could read there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _device_constructors() and func is not torch.empty:
            kwargs.setdefault("device", "meta")
        return func(*args, **kwargs)


@contextmanager
def default() -> Iterator[None]:
    """`torch.set_default_device`, for a while."""
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


Context = Callable[[], AbstractContextManager[Any]]

TRANSFORMS: dict[str, Any] = {
    "ToTensor": theirs.ToTensor(),
    "ToTensor, Normalize": theirs.Compose([theirs.ToTensor(), theirs.Normalize([0.5] * 3, [0.2] * 3)]),
    "PILToTensor": theirs.PILToTensor(),
    "PILToTensor, Normalize": theirs.Compose(
        [theirs.PILToTensor(), theirs.ConvertImageDtype(torch.float32), theirs.Normalize([0.5] * 3, [0.2] * 3)]
    ),
    "ToImage": v2.ToImage(),
    "ToImage, ToDtype": v2.Compose([v2.ToImage(), v2.ToDtype(torch.float16, scale=True)]),
    "ToImage, ToPureTensor": v2.Compose([v2.ToImage(), v2.ToPureTensor()]),
    "PILToTensor, a crop": theirs.Compose([theirs.PILToTensor(), theirs.CenterCrop(4)]),
    "ToTensor, a function": theirs.Compose([theirs.ToTensor(), plus]),
    "a function that makes a tensor": theirs.Compose([theirs.ToTensor(), lambda image: torch.ones(2)]),
}

TARGETS: dict[str, list[Any]] = {
    "int": [1, 2],
    "float": [0.5, 2.0],
    "str": ["a", "b"],
    "array": [np.arange(2), np.arange(2)],
    "numpy's number": [np.float32(1), np.float32(2)],
    "tensor": [torch.ones(2), torch.ones(2)],
    "nested": [{"a": 1, "b": [np.ones(1), "x"]}, {"a": 2, "b": [np.ones(1), "y"]}],
}


def folder(photos: Path, kind: Any, transform: Any, **options: Any) -> Any:
    return kind(photos, theirs.Compose([theirs.Resize((8, 8)), transform]), **options)


def first(cls: Any, dataset: Any, at_iter: Context, at_next: Context, **options: Any) -> Any:
    with at_iter():
        iterator = iter(cls(dataset, **options))
    with at_next():
        return outcome(next, iterator)


def same_first(dataset: Any, at_iter: Context = Injected, at_next: Context = Injected, **options: Any) -> Any:
    ours, expected = (first(cls, dataset, at_iter, at_next, **options) for cls in (DataLoader, TorchDataLoader))
    alike(ours, expected)
    return ours


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_images(name: str, batch_size: int | None, workers: int, photos: Path) -> None:
    for kind in (their_datasets.ImageFolder, datasets.ImageFolder):
        dataset = folder(photos, kind, TRANSFORMS[name])
        same_first(dataset, batch_size=batch_size, num_workers=workers)
        same_first(dataset, nullcontext, nullcontext, batch_size=batch_size, num_workers=workers)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("name", TARGETS)
def test_targets(name: str, batch_size: int | None, workers: int) -> None:
    for transform in (None, theirs.PILToTensor(), TRANSFORMS["ToTensor, a function"]):
        same_first(Sourced(TARGETS[name], transform), batch_size=batch_size, num_workers=workers)
    alike(*_collated(TARGETS[name]))


def _collated(batch: list[Any]) -> list[Any]:
    with Injected():
        return [function(batch) for function in (default_collate, torch.utils.data.default_collate)]


@pytest.mark.parametrize("name", sorted({*TRANSFORMS} - {"PILToTensor, Normalize"}))  # which looks at what is on "meta"
@pytest.mark.parametrize("context", [Injected, default, lambda: torch.device("meta")], ids=["mode", "set", "with"])
def test_it_is_another_one_when_the_epoch_has_begun(name: str, context: Context, photos: Path) -> None:
    """Without workers torch makes a batch when it is asked for it, and with them as they were begun."""
    dataset = folder(photos, their_datasets.ImageFolder, TRANSFORMS[name])
    same_first(dataset, nullcontext, context, batch_size=2)
    same_first(dataset, Injected, nullcontext, batch_size=2)
    if name in {"ToTensor", "PILToTensor"}:
        same_first(dataset, nullcontext, context, batch_size=2, num_workers=1)
        same_first(dataset, Injected, nullcontext, batch_size=2, num_workers=1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_only_forked_workers_know_of_it(method: str, photos: Path) -> None:
    dataset = folder(photos, their_datasets.ImageFolder, theirs.ToTensor())
    batch = same_first(dataset, batch_size=2, num_workers=1, multiprocessing_context=method)
    assert batch[1].is_meta == (method == "fork")


def test_rows(photos: Path) -> None:
    """One-hot rows, and those of tensors, are on the CPU, where they are made."""
    one_hot = folder(photos, their_datasets.ImageFolder, theirs.ToTensor(), target_transform=T.OneHot(3))
    rows = TensorDataset(torch.arange(4), torch.rand(4, 2))
    with Injected():
        assert "default device" not in explain(DataLoader(one_hot))
        assert "default device" not in explain(DataLoader(rows))
    samples: list[Any] = [one_hot, rows, ConcatDataset([rows, rows]), Sourced([1, 0], None, T.OneHot(3))]
    for dataset in samples:
        for batch_size in (2, None):
            same_first(dataset, batch_size=batch_size)


def test_samples_by_index(photos: Path) -> None:
    for name, transform in TRANSFORMS.items():
        ours, expected = (
            folder(photos, kind, transform) for kind in (datasets.ImageFolder, their_datasets.ImageFolder)
        )
        for context in (nullcontext, default, nullcontext, Injected):
            with context():
                alike(outcome(ours.__getitem__, 3), outcome(expected.__getitem__, 3))
                assert isinstance(explain(DataLoader(ours)), str), name


def test_it_is_told(photos: Path) -> None:
    cases = [
        (theirs.ToTensor(), "native, ", "numbers, such as class indices, on meta, the default device"),
        (theirs.PILToTensor(), "native in part", "PILToTensor makes tensors on meta, the default device"),
    ]
    for transform, way, said in cases:
        loader = DataLoader(folder(photos, their_datasets.ImageFolder, transform), 2)
        for context in (default, Injected, lambda: torch.device("meta")):
            with context():
                text = explain(loader)
            assert text.startswith(way)
            assert said in text
        assert "default device" not in explain(loader)


def test_it_is_no_matter_of_batches_that_are_taken_elsewhere(photos: Path) -> None:
    for transform in (theirs.ToTensor(), theirs.PILToTensor()):
        dataset = folder(photos, their_datasets.ImageFolder, transform)
        expected = next(iter(DataLoader(dataset, 2)))
        with Injected():
            loader = DataLoader(dataset, 2, device="cpu", native="require")
            assert explain(loader).endswith("device     cpu")
            alike(next(iter(loader)), expected)
            alike(next(iter(to_device(DataLoader(dataset, 2), "cpu"))), expected)


CUDA = """
import torch, fake_cuda
fake_cuda.install()
from torch.utils.data import DataLoader as TorchDataLoader
from oracle import theirs, v2
from target_datasets import Sourced
from torchfeed import DataLoader, explain, to_device

class Default(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        made_anew = func in torch.utils._device._device_constructors()
        return func(*args, **{**({"device": "cuda"} if made_anew else {}), **(kwargs or {})})

def places(batch):
    return [part.device.type if isinstance(part, torch.Tensor) else part for part in batch]

normalize = [theirs.ConvertImageDtype(torch.float32), theirs.Normalize([0.5] * 3, [0.2] * 3)]
steps = theirs.ToTensor(), theirs.PILToTensor(), v2.ToImage(), theirs.Compose([theirs.PILToTensor(), *normalize])
kinds = [1, 2], [0.5, 1], ["a", "b"], [torch.ones(2), torch.zeros(2)]
with Default():
    for step in steps:
        for targets in kinds:
            dataset = Sourced(targets, step)
            for batch_size in (2, None):
                ours, expected = (next(iter(cls(dataset, batch_size))) for cls in (DataLoader, TorchDataLoader))
                assert places(ours) == places(expected), (step, targets, places(ours), places(expected))
                assert torch.equal(ours[0].cpu(), expected[0].cpu())
            assert "cuda:0, the default device" in explain(DataLoader(dataset, 2))
            delivered = next(iter(to_device(DataLoader(dataset, 2, num_workers=1), "cuda")))
            assert delivered[0].is_cuda and (isinstance(targets[0], str) or delivered[1].is_cuda)
"""


def test_on_a_device_that_holds_values() -> None:
    subprocess.run([sys.executable, "-c", CUDA], env=environment(), check=True, timeout=600)
