"""Photos of which some are damaged, loaders of them on each path, and what these say."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from oracle import F, same, theirs
from pictures import chunk, encode, header, picture
from torchfeed import DataLoader, datasets

N = 64
JPEG, PNG = encode(picture(60, 60), "JPEG"), encode(picture(60, 60), "PNG")
MIDDLE = len(PNG) // 2
DAMAGES: list[bytes | None] = [
    None,  # the file is missing
    b"",
    b"no picture at all",
    b"\0" * 1000,
    JPEG[: len(JPEG) // 2],
    JPEG[:30],
    PNG[:MIDDLE] + bytes([PNG[MIDDLE] ^ 0xFF]) + PNG[MIDDLE + 1 :],
    PNG[:8] + header(60_000, 60_000, 8, 2) + chunk(b"IDAT", b""),
]
BAD = dict(zip([0, 3, 17, 18, 30, 41, 55, 63], DAMAGES, strict=True))
WORKERS = pytest.mark.parametrize("workers", [0, 2])


def write(root: Path, size: Callable[[int], tuple[int, int]] = lambda number: (24 + number % 7, 30)) -> Path:
    """An ImageFolder of 64 photos of one class, eight of them damaged, each in its own way."""
    (root / "a").mkdir()
    for number in range(N):
        data = BAD.get(number, encode(picture(*size(number), seed=number), "JPEG"))
        (root / "a" / f"{number:02d}.jpg").write_bytes(b"" if data is None else data)
    return root


def listed(root: Path, transform: Any, target_transform: Any = None) -> Any:
    """The folder as a dataset, after which the missing file is removed."""
    dataset = datasets.ImageFolder(root, transform, target_transform)
    (root / "a" / "00.jpg").unlink(missing_ok=True)
    # Labels tell the samples apart.
    dataset.targets[:] = range(N)
    return dataset


class Copied:
    """A step of the user's own that needs the pixels, of an image or a tensor, so that it stays in Python."""

    def __call__(self, image: Any) -> Any:
        return pickle.loads(pickle.dumps(image))


class Own(Dataset[Any]):
    """What only torch makes."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with Image.open(self.paths[index]) as image:
            return F.to_tensor(F.center_crop(image.convert("RGB"), [16, 16])), index


GEOMETRY = (theirs.RandomCrop(16), theirs.RandomHorizontalFlip())


def make(kind: str, root: Path) -> Any:
    if kind == "torch":
        listed(write(root), None)
        return Own([str(root / "a" / f"{number:02d}.jpg") for number in range(N)])
    rest = (Copied(),) if kind == "in part" else ()
    return listed(write(root), theirs.Compose([*GEOMETRY, theirs.ToTensor(), *rest]))


KINDS = pytest.mark.parametrize("kind", ["native", "in part", "torch"])


def loader_of(dataset: Any, batch_size: int | None = 4, seed: int = 5, **options: Any) -> Any:
    return DataLoader(dataset, batch_size, generator=torch.Generator().manual_seed(seed), **options)


def run(loader: Any, least: int = 1) -> list[Any]:
    """An epoch, with no more than one warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batches = list(loader)
    said = [str(warning.message) for warning in caught if "loader.errors" in str(warning.message)]
    assert least <= len(said) <= 1, said
    return batches


def equal(some: list[Any], others: list[Any]) -> None:
    assert len(some) == len(others)
    for batch, other in zip(some, others, strict=True):
        same(batch[0], other[0])
        same(batch[1], other[1])


def choices(loader: Any) -> list[tuple[Any, Any]]:
    return [(sample.index, sample.substitute) for sample in loader.errors]
