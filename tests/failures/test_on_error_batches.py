"""Batches of which some samples could not be made: their sizes, targets, parts in Python, and where they go."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from bad_samples import (
    BAD,
    WORKERS,
    N,
    choices,
    equal,
    listed,
    loader_of,
    make,
    run,
    write,
)
from oracle import F, same, theirs
from pictures import encode, picture, rgb
from torchfeed import datasets, to_device
from torchfeed import transforms as T

# Five processes may be more than there are cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@WORKERS
@pytest.mark.parametrize("batch_size", [1, 4])
def test_sizes_that_are_not_known_before(workers: int, batch_size: int, tmp_path: Path) -> None:
    dataset = listed(write(tmp_path, lambda number: (20, 24)), T.ToTensor())
    order = [0, 3, 17, 18, 1, 2, 30, 4]  # a batch of bad ones
    loader = loader_of(dataset, batch_size, sampler=order, num_workers=workers, on_error="replace")
    images = torch.cat([images for images, _ in run(loader)])
    for image, index in zip(images, order, strict=True):
        made = dict(choices(loader)).get(index, index)
        same(image, F.to_tensor(rgb((tmp_path / "a" / f"{made:02d}.jpg").read_bytes())))
    left = loader_of(dataset, batch_size, sampler=order, num_workers=workers, on_error="skip")
    assert sum(len(images) for images, _ in run(left)) == 3


def test_substitutes_of_another_size(tmp_path: Path) -> None:
    dataset = listed(write(tmp_path, lambda number: (20 + number, 24)), T.ToTensor())
    with pytest.raises(RuntimeError, match=r"stack expects.*\[3, 21, 24\].*entry 1, \[3, 22, 24\]"):
        run(loader_of(dataset, 2, sampler=[1, 3, 2], on_error=lambda error: 2))
    with pytest.raises(RuntimeError, match=r"stack expects.*entry 1 and.*entry 2"):
        run(loader_of(dataset, 3, sampler=[3, 1, 2], on_error="skip"))


@WORKERS
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_rows_of_targets_and_channels_last(on_error: Any, workers: int, tmp_path: Path) -> None:
    dataset = listed(write(tmp_path), T.Compose([T.CenterCrop(16), T.ToTensor()]), T.OneHot(N + 1))
    dataset.targets[9] = N + 5  # out of range
    loader = loader_of(dataset, num_workers=workers, on_error=on_error, memory_format=torch.channels_last)
    batches = run(loader)
    assert 9 in dict(choices(loader))
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images, _ in batches)
    kept = [dict(choices(loader)).get(index, index) for index in range(N)]
    kept = [index for index in kept if index is not None]
    assert torch.cat([targets for _, targets in batches]).argmax(1).tolist() == kept
    images = torch.cat([images for images, _ in batches])
    for image, index in zip(images, kept, strict=True):
        data = (tmp_path / "a" / f"{index:02d}.jpg").read_bytes()
        same(image, F.to_tensor(F.center_crop(rgb(data), [16, 16])))


class Picky:
    """Raises for dark images."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __call__(self, image: Any) -> Any:
        if image.max() == 0:
            raise self.error("too dark")
        return image


def dark(error: type[BaseException]) -> Any:
    images = [torch.full((16, 16, 3), value, dtype=torch.uint8).numpy() for value in (9, 0, 7, 8)]
    return datasets.ImageList(
        torch.stack([torch.from_numpy(image) for image in images]).numpy(),
        range(4),
        theirs.Compose([theirs.ToTensor(), Picky(error)]),
    )


@WORKERS
def test_a_part_in_python_that_raises(workers: int) -> None:
    loader = loader_of(dark(ZeroDivisionError), 2, num_workers=workers, on_error="replace")
    targets = torch.cat([targets for _, targets in run(loader)])
    assert choices(loader) == [(1, int(targets[1]))]
    assert loader.errors[0].reason == "ZeroDivisionError: too dark"
    with pytest.raises(ZeroDivisionError, match="too dark"):
        list(loader_of(dark(ZeroDivisionError), 2, num_workers=workers))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_matter_of_a_sample(error: type[BaseException]) -> None:
    with pytest.raises(error):
        list(loader_of(dark(error), 2, on_error="replace"))


@pytest.mark.parametrize("kind", ["native", "in part"])
@WORKERS
def test_an_index_out_of_range(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    for on_error in ("replace", "skip"):
        loader = loader_of(dataset, 1, sampler=[1, N], num_workers=workers, on_error=on_error)
        with pytest.raises(IndexError, match=f"index {N} is out of range"):
            run(loader, 0)


class Brought:
    """Samples that are brought one by one."""

    transform = theirs.Compose([theirs.CenterCrop(16), theirs.ToTensor()])
    target_transform = T.OneHot(8)

    def __init__(self, files: list[bytes]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def sample_source(self, index: int) -> tuple[Any, int]:
        if index == 1:
            raise FileNotFoundError("no such sample")
        return 3.0 if index == 2 else self.files[index], 9 if index == 4 else index

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError


@WORKERS
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_samples_that_are_brought(on_error: Any, workers: int) -> None:
    files = [encode(picture(20, 20, seed=number), "PNG") for number in range(8)]
    files[6] = b"no image"
    loader = loader_of(Brought(files), num_workers=workers, on_error=on_error, native="require")
    batches = run(loader)
    found = dict(choices(loader))
    assert found.keys() == {1, 2, 4, 6}
    kept = [index for index in (found.get(index, index) for index in range(8)) if index is not None]
    assert torch.cat([targets for _, targets in batches]).argmax(1).tolist() == kept
    for image, index in zip(torch.cat([images for images, _ in batches]), kept, strict=True):
        same(image, F.to_tensor(F.center_crop(rgb(files[index]), [16, 16])))
    assert [sample.reason.split(":")[0] for sample in loader.errors] == [
        "FileNotFoundError",
        "TypeError",
        "ValueError",
        "DecodeError",
    ]


@pytest.mark.parametrize("normalize", [None, True])
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_bad_samples_on_their_way_to_a_device(on_error: Any, normalize: bool | None, tmp_path: Path) -> None:
    """What is mended travels as the rest does, as uint8 too."""
    dataset = make("native", tmp_path)
    options = {"sampler": random.Random(0).sample(range(N), N), "num_workers": 2, "on_error": on_error}
    expected = run(loader_of(dataset, **options))
    wrapped = to_device(loader_of(dataset, **options), "cpu", device_normalize=normalize)
    equal(run(wrapped), expected)
    assert {index for index, _ in choices(wrapped)} == BAD.keys()
