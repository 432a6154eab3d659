"""What samplers may yield: every kind of index means on every way what it means in torch's loader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Sampler, Subset, SubsetRandomSampler, TensorDataset
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets

import torchfeed
from oracle import theirs
from torchfeed import explain

N = 6
CROP = [theirs.CenterCrop(8), theirs.PILToTensor()]


class Index:
    """An integer by `__index__` alone."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Yielding(Sampler[Any]):
    """Yields what it is given."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


class Invert:
    """A step that is not native."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return 255 - image


INDICES: dict[str, Any] = {
    "int": 2,
    "negative": -2,
    "numpy int64": np.int64(3),
    "numpy uint8": np.uint8(3),
    "numpy negative": np.int8(-1),
    "0-d array": np.array(4),
    "0-d tensor": torch.tensor(1),
    "0-d tensor, negative": torch.tensor(-1),
    "0-d tensor, int32": torch.tensor(5, dtype=torch.int32),
    "1-d tensor of one": torch.tensor([1]),
    "__index__": Index(2),
    "True": True,
    "numpy bool": np.bool_(True),
    "0-d bool tensor": torch.tensor(True),
    "too large": N,
    "too negative": -N - 1,
    "2**63": 2**63,
    "float": 1.0,
    "numpy float": np.float64(2.0),
    "0-d float tensor": torch.tensor(2.0),
    "str": "1",
    "None": None,
    "slice": slice(0, 2),
    "list": [0, 1],
    "empty list": [],
    "tuple": (0, 1),
    "array of two": np.array([0, 1]),
    "complex": 1j,
}


def folder(root: Path, *, split: bool) -> Any:
    return datasets.ImageFolder(root, theirs.Compose([*CROP, *([Invert()] if split else [])]))


def ours(root: Path, *, split: bool) -> Any:
    return torchfeed.datasets.ImageFolder(root, theirs.Compose([*CROP, *([Invert()] if split else [])]))


def cifar(_: Path, *, split: bool) -> Any:
    made = datasets.CIFAR10.__new__(datasets.CIFAR10)
    made.data, made.targets = np.zeros((N, 8, 8, 3), np.uint8), list(range(N))
    made.transform, made.target_transform = theirs.Compose([*CROP, *([Invert()] if split else [])]), None
    return made


def mnist(_: Path, *, split: bool) -> Any:
    made = datasets.MNIST.__new__(datasets.MNIST)
    made.data, made.targets = torch.zeros(N, 8, 8, dtype=torch.uint8), torch.arange(N)
    made.transform, made.target_transform = theirs.Compose([*CROP, *([Invert()] if split else [])]), None
    return made


def subset(root: Path, *, split: bool) -> Any:
    return Subset(folder(root, split=split), [5, 4, 3, 2, 1, 0])


def named(root: Path, *, split: bool) -> Any:
    indices: Any = {"1": 3, 2: 1, 3: 3, 4: 4, 5: 5}
    return Subset(folder(root, split=split), indices)


def of_tensor(root: Path, *, split: bool) -> Any:
    return Subset(folder(root, split=split), torch.arange(N))  # type: ignore[arg-type]


def joined(root: Path, *, split: bool) -> Any:
    return ConcatDataset([Subset(folder(root, split=split), [0, 1]), Subset(folder(root, split=split), [2, 3, 4, 5])])


def tensors(_: Path, *, split: bool) -> Any:
    made = TensorDataset(torch.arange(N), torch.arange(2 * N).view(N, 2))
    return Subset(made, list(range(N))) if split else made


KINDS = [folder, ours, cifar, mnist, subset, named, of_tensor, joined, tensors]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("six")
    for number in range(N):
        (found / f"{number}").mkdir()
        Image.new("RGB", (9, 9), (number, 0, 0)).save(found / f"{number}" / "a.png")
    return found


def outcome(cls: Any, dataset: Any, **options: Any) -> Any:
    """The targets of all batches, or what was raised."""
    try:
        batches = list(cls(dataset, **options))
    except Exception as error:  # noqa: BLE001
        # A worker's error has its traceback in the message, whose last line is the error.
        return type(error).__name__, str(error).strip().splitlines()[-1].rpartition("Error: ")[2]
    return [(batch[1].tolist() if isinstance(batch[1], torch.Tensor) else batch[1]) for batch in batches]


def check(dataset: Any, **options: Any) -> None:
    expected = outcome(TorchDataLoader, dataset, **options)
    assert outcome(torchfeed.DataLoader, dataset, **options) == expected
    for on_error in ("skip", "replace"):
        tolerant = outcome(torchfeed.DataLoader, dataset, on_error=on_error, **options)
        if isinstance(expected, list):
            assert tolerant == expected, "good samples are not called bad"


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_index(kind: Any, split: bool, index: str, root: Path) -> None:
    dataset = kind(root, split=split)
    said = explain(torchfeed.DataLoader(dataset))
    assert said.startswith("native in part" if split and kind is not tensors else "native,")
    check(dataset, batch_size=1, sampler=Yielding(INDICES[index]))
    check(dataset, batch_size=None, sampler=Yielding(INDICES[index]))


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", [folder, mnist, tensors], ids=lambda kind: kind.__name__)
def test_samplers_of_tensors(kind: Any, split: bool, root: Path) -> None:
    dataset = kind(root, split=split)
    for options in (
        {"batch_size": 4, "sampler": torch.randperm(N)},
        {"batch_size": 4, "sampler": np.arange(N)},
        {"batch_sampler": torch.split(torch.arange(N), 4)},
        {"batch_sampler": [np.arange(3), (4, 5), range(2)]},
        {"batch_size": None, "sampler": torch.arange(3)},
    ):
        check(dataset, **options)
    five: Any = torch.arange(5)
    torch.manual_seed(1)
    expected = outcome(TorchDataLoader, dataset, batch_size=4, sampler=SubsetRandomSampler(five))
    torch.manual_seed(1)
    assert outcome(torchfeed.DataLoader, dataset, batch_size=4, sampler=SubsetRandomSampler(five)) == expected


@pytest.mark.parametrize("split", [False, True])
def test_in_workers(split: bool, root: Path) -> None:
    """Errors come in their turn, and with other workers than none as well."""
    dataset = folder(root, split=split)
    good = [torch.tensor(1), Index(2), -1, np.array(0)]
    check(dataset, batch_size=2, sampler=Yielding(*good), num_workers=1)
    for bad in ("1", 2**63, N, 1.5):
        iterator = iter(torchfeed.DataLoader(dataset, batch_size=2, sampler=Yielding(*good, bad, 0), num_workers=1))
        assert next(iterator)[1].tolist() == [1, 2]
        assert next(iterator)[1].tolist() == [5, 0]
        with pytest.raises(Exception, match=r"list ind|cannot fit"):
            next(iterator)


def test_an_index_that_comes_again_is_one_sample(root: Path) -> None:
    """However it is written, for how often it came up and for the report of bad samples."""
    dataset = torchfeed.datasets.ImageFolder(
        root, theirs.Compose([theirs.RandomCrop(4), theirs.PILToTensor(), Invert()])
    )
    plain = torchfeed.DataLoader(dataset, sampler=[1, 1, 1], generator=torch.Generator().manual_seed(1))
    kinds = torchfeed.DataLoader(
        dataset, sampler=Yielding(1, torch.tensor(1), np.int8(1)), generator=torch.Generator().manual_seed(1)
    )
    for one, two in zip(plain, kinds, strict=True):
        assert torch.equal(one[0], two[0])
    (root / "1" / "a.png").rename(root / "1" / "away.png")
    try:
        kinds = torchfeed.DataLoader(dataset, sampler=Yielding(1, torch.tensor(1), np.int8(1), 2), on_error="skip")
        with pytest.warns(UserWarning, match="sample 1 is bad"):
            assert len(list(kinds)) == 1
        assert [(bad.index, bad.count) for bad in kinds.errors] == [(1, 3)]
    finally:
        (root / "1" / "away.png").rename(root / "1" / "a.png")
