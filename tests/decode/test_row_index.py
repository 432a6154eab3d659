"""What a loader remembers of JPEG files: it changes no bit, whatever happens to the files."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torchvision import datasets as theirs

from oracle import functional, same
from pictures import encode, picture
from torchfeed import DataLoader, DecodeError, datasets, explain
from torchfeed import transforms as T
from torchfeed.epoch.internals import internals

pytestmark = pytest.mark.pixels

CROPS = T.Compose([T.RandomResizedCrop(16, scale=(0.1, 0.6)), T.RandomHorizontalFlip(), T.ToTensor()])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve JPEGs of all samplings, one of them progressive, and a PNG, in two classes."""
    for number in range(12):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        options: dict[str, Any] = {"subsampling": number % 3, "progressive": number == 5}
        image = picture(80 + 5 * number, 120 - 3 * number, seed=number)
        (folder / f"{number:02d}.jpg").write_bytes(encode(image, "JPEG", **options))
    (tmp_path / "a" / "12.png").write_bytes(encode(picture(80, 90), "PNG"))
    return tmp_path


def loader(dataset: Any, **options: Any) -> DataLoader[Any]:
    return DataLoader(dataset, 4, generator=torch.Generator().manual_seed(3), shuffle=True, native="require", **options)


def epoch(batches: Iterable[Any]) -> list[torch.Tensor]:
    return [tensor for batch in batches for tensor in batch]


def padded(file: bytes, length: int) -> bytes:
    """The same JPEG with a comment in its header that makes it so long: no length tells two such files apart."""
    comment = length - len(file)
    return file[:2] + b"\xff\xfe" + (comment - 2).to_bytes(2, "big") + bytes(comment - 4) + file[2:]


def decode_line(of: Any) -> str:
    return next(line for line in explain(of).splitlines() if line.startswith("decode "))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_epochs_have_the_same_bits(photos: Path, workers: int) -> None:
    for dataset in (datasets.ImageFolder(photos, CROPS), theirs.ImageFolder(photos, CROPS)):
        reference, ours = loader(dataset, row_index_memory=0), loader(dataset, num_workers=workers)
        for _ in range(4):
            for one, two in zip(epoch(reference), epoch(ours), strict=True):
                same(one, two)
        assert "; rows of 11 JPEGs indexed, in 0.0 MiB" in decode_line(ours)
        assert "index" not in decode_line(reference)


def test_later_epochs_are_torchvision_s(photos: Path) -> None:
    dataset = theirs.ImageFolder(photos, CROPS)
    ours = DataLoader(dataset, 1, native="require")
    for _ in range(3):
        for index, (images, _) in enumerate(ours):
            image = dataset.loader(dataset.samples[index][0])
            same(images[0], T.ToTensor()(functional(image, ours.drawn(index))))


def test_joined_and_cut_datasets(photos: Path) -> None:
    own = datasets.ImageFolder(photos, CROPS)
    pixels = datasets.ImageList([path for path, _ in own.samples[:3]], transform=CROPS)
    joined: Any = ConcatDataset([Subset(own, [3, 1, 7]), pixels, own])
    reference, ours = loader(joined, row_index_memory=0), loader(joined)
    for _ in range(3):
        for one, two in zip(epoch(reference), epoch(ours), strict=True):
            same(one, two)
    assert "indexed" in decode_line(ours)


def test_files_that_change_between_epochs(photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, CROPS)
    ours = loader(dataset)
    path = Path(dataset.samples[2][0])
    contents = path.read_bytes()
    others = [encode(picture(70, 90, seed=50 + number), "JPEG", quality=90) for number in range(2)]
    same_length = [padded(file, max(map(len, others)) + 10) for file in others]
    assert len({*map(len, same_length)}) == 1
    for changed in (*same_length, *same_length, contents, contents + b"and more"):
        path.write_bytes(changed)
        for _ in range(2):
            made = epoch(ours)
            image = theirs.folder.pil_loader(str(path))
            images = torch.cat(made[::2])
            expected = T.ToTensor()(functional(image, ours.drawn(2)))
            assert any(torch.equal(expected, candidate) for candidate in images)
    path.write_bytes(contents[: len(contents) * 2 // 3])
    with pytest.raises(DecodeError, match=r"truncated|[Tt]runcated") as error:
        epoch(ours)
    assert (error.value.index, error.value.path) == (2, str(path))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        epoch(ours)
    path.write_bytes(contents)
    assert len(epoch(ours)) == 8


def in_use(ours: DataLoader[Any]) -> tuple[int, int]:
    """The images whose rows a loader remembers, and the bytes that this takes."""
    row_indexes = internals(ours).memory.row_indexes
    assert row_indexes is not None
    return row_indexes.in_use()


def test_the_budget(photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, CROPS)
    assert loader(dataset).row_index_memory == 256 * 2**20
    small = loader(dataset, row_index_memory=700)
    reference = loader(dataset, row_index_memory=0)
    for _ in range(3):
        for one, two in zip(epoch(reference), epoch(small), strict=True):
            same(one, two)
    images, size = in_use(small)
    assert 0 < images < 11
    assert size <= 700
    with pytest.raises(ValueError, match="row_index_memory must be at least 0 bytes, got -1"):
        loader(dataset, row_index_memory=-1)


def test_it_is_not_pickled(photos: Path) -> None:
    ours = DataLoader(datasets.ImageFolder(photos, CROPS), 4, row_index_memory=12345)
    epoch(ours)
    assert in_use(ours)[0] > 0
    for again in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert again.row_index_memory == 12345
        assert in_use(again) == (0, 0)
        assert len(epoch(again)) == 8


def test_pixels_in_memory_have_none() -> None:
    ours = loader(datasets.ImageList(torch.zeros(8, 20, 20, 3, dtype=torch.uint8).numpy(), transform=CROPS))
    epoch(ours)
    assert in_use(ours) == (0, 0)
