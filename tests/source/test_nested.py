"""Nested datasets: subsets and concatenations, of images and of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, ConcatDataset, SequentialSampler, Subset, TensorDataset, random_split
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from equality import equal
from oracle import same, theirs
from pictures import in_memory, pixels
from torchfeed import DataLoader, _native, explain
from torchfeed import transforms as T

RESIZE = theirs.Compose([theirs.Resize((8, 9)), theirs.ToTensor()])
CROP = theirs.Compose([theirs.CenterCrop((8, 9)), theirs.ToTensor(), theirs.Normalize([0.5] * 3, [0.3] * 3)])


def images(count: int, transform: Any = RESIZE, seed: int = 0, channels: int = 3) -> Any:
    array = np.stack([pixels(10, 11, channels, seed=seed + i) for i in range(count)])
    return in_memory(array, transform, targets=range(seed, seed + count))


def nested(photos: Path) -> dict[str, Any]:
    folder = their_datasets.ImageFolder(photos, RESIZE)
    return {
        "subset": Subset(folder, [3, -1, 3]),
        "subset of a subset": Subset(Subset(folder, [5, 4, 3, 2]), [-1, 0]),
        "tensor indices": Subset(folder, torch.tensor([4, 2])),  # type: ignore[arg-type]
        "split": random_split(folder, [0.5, 0.5])[1],
        "concatenation": ConcatDataset([folder, images(3, CROP)]),
        "of one twice": ConcatDataset([folder, folder]),
        "deep": Subset(ConcatDataset([Subset(images(5), [4, 1]), ConcatDataset([folder, images(2)])]), [0, 27, 2, 29]),
        "with an empty one": ConcatDataset([images(2), Subset(folder, []), folder]),
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_same_batches_as_torch(workers: int, photos: Path) -> None:
    for name, dataset in nested(photos).items():
        loader = DataLoader(dataset, 4, num_workers=workers)
        assert explain(loader).startswith("native, "), name
        assert len(loader) == len(TorchDataLoader(dataset, 4))
        equal(list(loader), list(TorchDataLoader(dataset, 4)))


def test_indices_outside(photos: Path) -> None:
    folder = their_datasets.ImageFolder(photos, RESIZE)
    nested: list[Any] = [folder, Subset(folder, [1, 2]), ConcatDataset([folder, folder])]
    for dataset in nested:
        length = len(dataset)
        for index in (-length - 1, -length, -1, 0, length - 1, length):
            got, expected = (outcome(cls(dataset, sampler=[index])) for cls in (DataLoader, TorchDataLoader))
            if isinstance(expected, type):
                assert got is expected, index
            else:
                equal(got, expected)


def outcome(loader: Any) -> Any:
    try:
        return list(loader)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        return type(error)


def trees(depth: int) -> Any:
    """Strategies of datasets: tensors, and subsets and concatenations of them."""
    leaf = st.integers(1, 5).map(lambda n: TensorDataset(torch.arange(n), torch.rand(n, 2)))
    if not depth:
        return leaf
    inner = trees(depth - 1)
    subset = inner.flatmap(
        lambda data: st.lists(st.integers(-len(data), len(data) - 1), min_size=1, max_size=6).map(
            lambda indices: Subset(data, indices)
        )
    )
    return leaf | subset | st.lists(inner, min_size=1, max_size=3).map(ConcatDataset)


@settings(max_examples=150, deadline=None)
@given(trees(3), st.integers(1, 4), st.booleans())
def test_trees_of_tensors(dataset: Any, batch_size: int, shuffle: bool) -> None:
    batches = []
    for cls in (TorchDataLoader, DataLoader):
        generator = torch.Generator().manual_seed(1)
        loader = cls(dataset, batch_size, shuffle=shuffle, generator=generator)
        batches.append(list(loader))
    assert explain(loader).startswith("native, "), explain(loader)
    equal(batches[1], batches[0])


TENSORS: dict[str, tuple[Any, ...]] = {
    "numbers": (torch.arange(7),),
    "half": (torch.rand(7, 3, 4).half(), torch.arange(7, dtype=torch.int32)),
    "strided": (torch.rand(3, 7, 4).transpose(0, 1)[:, ::2], torch.rand(14)[::2]),
    "channels last": (torch.rand(7, 3, 4, 4).contiguous(memory_format=torch.channels_last),),
    "expanded": (torch.ones(1, 2).expand(7, 2),),
    "bool and complex": (torch.ones(7, 2, dtype=torch.bool), torch.rand(7, dtype=torch.complex64)),
    "rows of nothing": (torch.rand(7, 0),),
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", TENSORS)
def test_rows_of_tensors(name: str, workers: int) -> None:
    dataset = TensorDataset(*TENSORS[name])
    loader = DataLoader(dataset, 3, shuffle=True, generator=torch.Generator().manual_seed(4), num_workers=workers)
    assert explain(loader).startswith("native, the caller's thread")
    expected = list(TorchDataLoader(dataset, 3, shuffle=True, generator=torch.Generator().manual_seed(4)))
    made = list(loader)
    equal(made, expected)
    assert [t.is_contiguous() for batch in made for t in batch] == [
        t.is_contiguous() for batch in expected for t in batch
    ]
    assert loader.drawn(0) == []
    kept = made[0][0].clone()
    storage: Any = dataset.tensors[0].untyped_storage()
    storage.fill_(0)  # a batch is a copy
    if name != "expanded":
        same(made[0][0], kept)


INDICES: dict[str, Any] = {
    "numpy integers": [np.int64(3), np.int32(0)],
    "tensors": [torch.tensor(3), torch.tensor([2]), torch.tensor([2, 1])],
    "lists": BatchSampler(SequentialSampler(range(6)), 2, False),
    "slices": [slice(0, 2), slice(4, 6), slice(1, 3)],
    "truth": [True, False],
    "text": ["a"],
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", INDICES)
def test_indices_of_any_kind(name: str, workers: int) -> None:
    """Tensors take more than the numbers of rows."""
    dataset = TensorDataset(torch.arange(6), torch.rand(6, 2))
    options: dict[str, Any] = {"sampler": INDICES[name], "num_workers": workers}
    expected, got = (outcome(cls(dataset, **options)) for cls in (TorchDataLoader, DataLoader))
    if isinstance(expected, type):
        assert issubclass(got, expected)
    else:
        equal(got, expected)


@pytest.mark.parametrize("odd", [-1, 3, 2**70, True, 1.0, "a", np.int64(1), torch.tensor(1), None])
def test_only_plain_indices_are_taken_as_they_are(odd: Any) -> None:
    assert _native.are_indices([], 3)
    assert _native.are_indices([0, 2, 2], 3)
    assert not _native.are_indices([0, odd, 2], 3)


def test_tensors_that_torch_indexes_itself() -> None:
    plain = torch.arange(6.0)
    unusual: list[tuple[Any, dict[str, Any]]] = [
        (TensorDataset(plain.clone().requires_grad_()), {}),
        (TensorDataset(torch.eye(6).to_sparse()), {}),
        (TensorDataset(plain), {"batch_size": None, "sampler": BatchSampler(SequentialSampler(range(6)), 4, False)}),
        (TensorDataset(plain), {"collate_fn": len}),
        (TensorDataset(plain), {"num_workers": 1, "worker_init_fn": print}),
        (ConcatDataset([TensorDataset(plain), images(2)]), {}),
        (type("Mine", (TensorDataset,), {})(plain), {}),
    ]
    for dataset, arguments in unusual:
        settings: dict[str, Any] = {"batch_size": 4, "sampler": range(6), **arguments}
        loader: Any = DataLoader(dataset, **settings)
        assert explain(loader).startswith("torch's own path"), arguments
    assert [batch[0].tolist() for batch in DataLoader(*unusual[2][:1], **unusual[2][1])] == [[0, 1, 2, 3], [4, 5]]


def test_concatenations_that_do_not_go_together() -> None:
    """What is laid side by side must be alike; where it is not, Python does that, and says what torch says."""
    double = theirs.Compose([theirs.Resize((8, 9)), theirs.PILToTensor(), theirs.ConvertImageDtype(torch.float64)])
    mixed: Any = ConcatDataset([images(2), images(2, double, seed=2)])
    assert "because    the datasets that are concatenated make different tensors" in explain(DataLoader(mixed))
    equal(list(DataLoader(mixed)), list(TorchDataLoader(mixed)))
    gray: Any = ConcatDataset([images(2), images(2, RESIZE, channels=1)])
    assert "channels" in explain(DataLoader(gray))
    equal(list(DataLoader(gray)), list(TorchDataLoader(gray)))
    for loader in (TorchDataLoader, DataLoader):
        with pytest.raises(RuntimeError, match="equal size"):
            next(iter(loader(gray, 4)))


def test_different_target_transforms() -> None:
    one = images(2)
    other = images(2, seed=2)
    other.target_transform = T.OneHot(5)
    both: Any = ConcatDataset([one, other])
    assert "different target_transforms" in explain(DataLoader(both))
    equal(list(DataLoader(both)), list(TorchDataLoader(both)))


def test_random_draws_of_concatenated_datasets_differ() -> None:
    """The same image in two places is drawn for twice."""
    crop = theirs.Compose([theirs.RandomCrop(4), theirs.PILToTensor()])
    one = images(40, crop)
    loader: Any = DataLoader(ConcatDataset([one, one]), 80)
    ((made, _),) = loader
    assert sum(torch.equal(made[i], made[40 + i]) for i in range(40)) < 12
    for index in (0, 50):
        assert [name for name, _ in loader.drawn(index)] == ["RandomCrop"]


def test_a_list_that_changes_is_noticed(photos: Path) -> None:
    """Samples and labels are kept from one epoch to the next, unless they were changed in place."""
    folder = their_datasets.ImageFolder(photos, RESIZE)
    loader = DataLoader(folder, 26)
    list(loader)
    folder.samples[3] = (folder.samples[5][0], 77)
    equal(list(loader), list(TorchDataLoader(folder, 26)))
    del folder.samples[20:]
    assert len(loader) == 1
    memory = images(4)
    loader = DataLoader(memory, 4)
    list(loader)
    memory.targets[1] = 9
    assert next(iter(loader))[1].tolist() == [0, 9, 2, 3]
