"""The `sample_source` protocol: a user's own dataset, made native by one method."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from equality import equal
from oracle import same, theirs
from pictures import pixels
from torchfeed import DataLoader, DecodeError, explain
from torchfeed import transforms as T

RESIZE = theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()])


class Tutorial(Dataset[Any]):
    """The dataset of every tutorial."""

    def __init__(self, paths: Sequence[str], transform: Any = None, target_transform: Any = None) -> None:
        self.paths = paths
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.paths)

    def target(self, index: int) -> Any:
        return index % 3

    def __getitem__(self, index: int) -> Any:
        with Image.open(self.paths[index]) as file:
            image: Any = file.convert("RGB")
        target = self.target(index)
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            target = self.target_transform(target)
        return image, target


class Native(Tutorial):
    """The same with the one method."""

    def sample_source(self, index: int) -> tuple[Any, Any]:
        return self.paths[index], self.target(index)


class Bytes(Native):
    def sample_source(self, index: int) -> tuple[Any, Any]:
        return Path(self.paths[index]).read_bytes(), self.target(index)


class PathLike(Native):
    def sample_source(self, index: int) -> tuple[Any, Any]:
        return Path(self.paths[index]), self.target(index)


class Pixels(Native):
    """Decoded by other means, into arrays of any strides."""

    def sample_source(self, index: int) -> tuple[Any, Any]:
        with Image.open(self.paths[index]) as image:
            array = np.asarray(image.convert("RGB"))
        return np.asfortranarray(array)[::-1][::-1], self.target(index)


class Images(Native):
    def sample_source(self, index: int) -> tuple[Any, Any]:
        with Image.open(self.paths[index]) as image:
            return image.copy(), self.target(index)


class Mixed(Native):
    def sample_source(self, index: int) -> tuple[Any, Any]:
        kind = (Native, Bytes, Pixels)[index % 3]
        return kind.sample_source(self, index)


class Records(Native):
    """Targets that are more than a class index."""

    def target(self, index: int) -> Any:
        return {"box": torch.tensor([index, 2.0]), "name": str(index), "score": index / 2}


@pytest.fixture
def paths(photos: Path) -> list[str]:
    return sorted(os.fspath(path) for path in photos.glob("*/*"))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cls", [Native, Bytes, PathLike, Pixels, Images, Mixed, Records])
def test_same_batches_as_torch(cls: type[Native], workers: int, paths: list[str]) -> None:
    dataset = cls(paths, RESIZE)
    loader = DataLoader(dataset, 4, shuffle=True, generator=torch.Generator().manual_seed(1), num_workers=workers)
    assert explain(loader).startswith("native, ")
    expected = TorchDataLoader(dataset, 4, shuffle=True, generator=torch.Generator().manual_seed(1))
    equal(list(loader), list(expected))


def test_without_it_nothing_changes(paths: list[str]) -> None:
    dataset = Tutorial(paths, RESIZE)
    loader = DataLoader(dataset, 4, trace=False)
    text = explain(loader)
    assert text.startswith("torch's own path")
    assert "sample_source" in text  # the one change that helps
    equal(list(loader), list(TorchDataLoader(dataset, 4)))


def test_samples_without_batches(paths: list[str]) -> None:
    for cls in (Native, Records):
        dataset = cls(paths, RESIZE)
        equal(list(DataLoader(dataset, None)), list(TorchDataLoader(dataset, None)))


def test_target_transforms(paths: list[str]) -> None:
    dataset = Native(paths, RESIZE, T.OneHot(3))
    loader = DataLoader(dataset, 5)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(dataset, 5)))
    dataset.target_transform = float
    assert explain(loader).startswith("native in part")
    equal(list(loader), list(TorchDataLoader(dataset, 5)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_part_in_python(workers: int, paths: list[str]) -> None:
    for cls in (Native, Pixels, Bytes):
        dataset = cls(paths, theirs.Compose([theirs.Resize((9, 8)), negative, theirs.ToTensor()]))
        loader = DataLoader(dataset, 4, num_workers=workers)
        assert explain(loader).startswith("native in part")
        equal(list(loader), list(TorchDataLoader(dataset, 4)))


def negative(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 255 - value)


def test_random_draws_do_not_depend_on_how_it_is_made(paths: list[str], photos: Path) -> None:
    """A folder, and a dataset that gives the same files, are cropped alike."""
    crop = theirs.Compose([theirs.RandomResizedCrop(12), theirs.ToTensor()])
    made = []
    for dataset in (their_datasets.ImageFolder(photos, crop), Native(paths, crop), Mixed(paths, crop)):
        torch.manual_seed(4)
        loader = DataLoader(dataset, 4, num_workers=2)
        made.append(torch.cat([images for images, _ in loader]))
        same(made[-1], made[0])
    assert [name for name, _ in loader.drawn(0)] == ["RandomResizedCrop"]


def test_concatenated_with_others(paths: list[str], photos: Path) -> None:
    dataset: Any = ConcatDataset([Native(paths, RESIZE), their_datasets.ImageFolder(photos, RESIZE)])
    loader = DataLoader(Subset(dataset, [0, 30, 2, 40, 51]), 5, num_workers=1)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(loader.dataset, 5)))


class Wrong(Native):
    answer: Any = None

    def sample_source(self, index: int) -> tuple[Any, Any]:
        if index < 4:
            return super().sample_source(index)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer, 0


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "no image": (None, TypeError, r"Wrong\.sample_source\(4\) returned NoneType: an image is a path"),
    "floats": (np.zeros((4, 4, 3)), TypeError, r"returned float64 \(4, 4, 3\)"),
    "four channels": (pixels(4, 4, 4), TypeError, r"returned uint8 \(4, 4, 4\)"),
    "no pixels": (np.zeros((0, 4, 3), np.uint8), TypeError, r"\(0, 4, 3\)"),
    "no file": ("nowhere.jpg", FileNotFoundError, r"nowhere\.jpg"),
    "broken": (b"not an image", DecodeError, "not an image"),
    "raises": (KeyError("what"), KeyError, "what"),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_are_raised_in_their_turn(name: str, workers: int, paths: list[str]) -> None:
    dataset = Wrong(paths[:8], RESIZE)
    dataset.answer, error, message = WRONG[name]
    batches = iter(DataLoader(dataset, 4, num_workers=workers))
    assert next(batches)[0].shape == (4, 3, 9, 8)
    with pytest.raises(error, match=message) as caught:
        next(batches)
    if error is DecodeError:
        assert caught.value.index == 4  # type: ignore[attr-defined]
    assert list(batches) == []


def test_arrays_are_used_while_they_are_needed_and_no_longer(paths: list[str]) -> None:
    import gc  # noqa: PLC0415
    import weakref  # noqa: PLC0415

    alive: list[Any] = []

    class Counting(Native):
        def sample_source(self, index: int) -> tuple[Any, Any]:
            array = pixels(20, 20, seed=index)
            alive.append(weakref.ref(array))
            return array, index

    batches = list(DataLoader(Counting(paths, theirs.PILToTensor()), 2, num_workers=2))
    for images, targets in batches:
        for image, target in zip(images, targets.tolist(), strict=True):
            same(image, torch.from_numpy(pixels(20, 20, seed=target)).permute(2, 0, 1))
    gc.collect()
    assert not any(reference() is not None for reference in alive)
