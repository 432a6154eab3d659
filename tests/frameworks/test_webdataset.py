"""WebDataset's pipelines run as they are, on lazy images."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import webdataset as wds
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from oracle import theirs
from pictures import encode, picture
from torchfeed import DataLoader, explain
from user_dataset_runs import LEAVES_FILES_OPEN

pytestmark = LEAVES_FILES_OPEN


TRANSFORM = theirs.Compose(
    [
        theirs.RandomResizedCrop(20),
        theirs.RandomHorizontalFlip(),
        theirs.ToTensor(),
        theirs.Normalize([0.5] * 3, [0.2] * 3),
    ]
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two tars of eight photos and a PNG each."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(2):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number in range(9):
                image = picture(40 + 3 * number, 90 - 5 * number, seed=number + 9 * shard)
                _add(
                    tar,
                    f"{shard}{number}.{'png' if number == 8 else 'jpg'}",
                    encode(image, "PNG" if number == 8 else "JPEG"),
                )
                _add(tar, f"{shard}{number}.cls", str(number % 4).encode())
                _add(tar, f"{shard}{number}.json", b'{"width": %d}' % image.width)
    return [str(folder / f"{shard}.tar") for shard in range(2)]


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _opened(shards: list[str], **options: Any) -> Any:
    return wds.WebDataset(shards, shardshuffle=False, empty_check=False, **options)


PIPELINES: dict[str, Callable[[list[str]], Any]] = {
    "to_tuple": lambda shards: (
        _opened(shards)
        .shuffle(7, rng=random.Random(3))
        .decode("pil")
        .to_tuple("jpg;png", "cls")
        .map_tuple(TRANSFORM, int)
    ),
    "map": lambda shards: (
        _opened(shards)
        .decode("pil")
        .map(lambda sample: (TRANSFORM(sample["jpg" if "jpg" in sample else "png"].convert("RGB")), sample["__key__"]))
    ),
    "map_dict": lambda shards: (
        _opened(shards)
        .decode("pil")
        .rename(image="jpg;png", label="cls")
        .map_dict(image=TRANSFORM)
        .to_tuple("image", "label")
    ),
    "rgb": lambda shards: (
        _opened(shards)
        .decode("rgb8")
        .to_tuple("jpg;png", "json")
        .map_tuple(lambda array: torch.from_numpy(array[:30, :30].copy()))
    ),
    "torchrgb": lambda shards: (
        _opened(shards).decode("torchrgb").to_tuple("jpg;png", "cls").map_tuple(lambda made: made[:, :30, :30])
    ),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines(name: str, workers: int, shards: list[str]) -> None:
    batches = []
    for cls in (TorchDataLoader, DataLoader):
        torch.manual_seed(3)
        loader: Any = cls(PIPELINES[name](shards), batch_size=4, num_workers=workers)
        batches.append(list(loader))
    assert len(batches[0]) >= 5
    equal(batches[1], batches[0])
    assert "lazy" in explain(loader)


def test_batches_of_the_pipeline(shards: list[str]) -> None:
    pipeline = _opened(shards).decode("pil").to_tuple("jpg;png", "cls").map_tuple(TRANSFORM).batched(6)
    torch.manual_seed(3)
    expected = list(TorchDataLoader(pipeline, batch_size=None, num_workers=2))
    torch.manual_seed(3)
    equal(list(DataLoader(pipeline, batch_size=None, num_workers=2)), expected)


def test_a_damaged_image_is_passed_over_or_raised(shards: list[str], tmp_path: Path) -> None:
    """By WebDataset's own handlers."""
    data = encode(picture(60, 80), "JPEG")
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for number in range(4):
            _add(tar, f"{number}.jpg", data[: len(data) // 2] if number == 2 else data)
    steps = {"handler": wds.ignore_and_continue}
    pipeline = _opened([str(tmp_path / "bad.tar")]).decode("pil", **steps).to_tuple("jpg").map_tuple(TRANSFORM, **steps)
    for cls in (TorchDataLoader, DataLoader):
        assert sum(len(image) for (image,) in cls(pipeline, batch_size=2)) == 3
    strict = _opened([str(tmp_path / "bad.tar")]).decode("pil").to_tuple("jpg").map_tuple(TRANSFORM)
    with pytest.raises(wds.autodecode.DecodingError):
        list(DataLoader(strict, batch_size=2))
