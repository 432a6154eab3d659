"""Broken input: a clear exception, at the consumer, with path and index, for any worker count; and life goes on."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oracle import same
from pictures import chunk, encode, header, in_memory, picture, pixels
from torchfeed import DataLoader, DecodeError, InternalError, datasets
from torchfeed import transforms as T

N = 10
BAD = 7
TRANSFORM = T.Compose([T.RandomCrop(16), T.ToTensor()])
GOOD = encode(picture(24, 24), "JPEG")
JPEG = encode(picture(60, 60), "JPEG")
PNG = encode(picture(60, 60), "PNG")

WORKERS = pytest.mark.parametrize("workers", [0, 1, 2])


def folder(root: Path, bad: bytes | None) -> tuple[Any, Path]:
    """An ImageFolder of N images of which number BAD has the bytes `bad`, or is removed after the listing."""
    (root / "a").mkdir()
    for number in range(N):
        (root / "a" / f"{number}.jpg").write_bytes(bad if number == BAD and bad is not None else GOOD)
    dataset = datasets.ImageFolder(root, TRANSFORM)
    path = root / "a" / f"{BAD}.jpg"
    if bad is None:
        path.unlink()
    return dataset, path


def damaged_png() -> bytes:
    middle = len(PNG) // 2
    return PNG[:middle] + bytes([PNG[middle] ^ 0xFF]) + PNG[middle + 1 :]


BROKEN: dict[str, tuple[bytes | None, type[Exception], str]] = {
    "missing": (None, FileNotFoundError, "No such file"),
    "empty": (b"", DecodeError, "the file is empty"),
    "text": (b"no picture at all", DecodeError, "not an image.*no picture"),
    "zeros": (b"\0" * 1000, DecodeError, "not an image"),
    "only a start": (JPEG[:2], DecodeError, ""),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], DecodeError, "truncated"),
    "truncated JPEG header": (JPEG[:30], DecodeError, ""),
    "truncated PNG": (PNG[: len(PNG) // 2], DecodeError, "truncated"),
    "damaged PNG": (damaged_png(), DecodeError, ""),
    "huge PNG": (PNG[:8] + header(60_000, 60_000, 8, 2) + chunk(b"IDAT", b""), DecodeError, "60000 x 60000.*limit"),
}


@WORKERS
@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(name: str, workers: int, tmp_path: Path) -> None:
    bad, error, message = BROKEN[name]
    dataset, path = folder(tmp_path, bad)
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, prefetch_factor=3 if workers else None)
    iterator = iter(loader)
    before = [next(iterator) for _ in range(BAD // 2)]
    with pytest.raises(error, match=f"(?is){message}") as caught:
        next(iterator)
    assert str(path) in str(caught.value)
    assert f"sample {BAD}" in str(caught.value)
    if isinstance(caught.value, DecodeError):
        assert (caught.value.index, str(caught.value.path)) == (BAD, str(path))
    else:
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.strerror == f"{os.strerror(errno.ENOENT)} [sample {BAD}]"
        assert os.fspath(caught.value.filename) == str(path)
    # The iterator goes on behind the broken batch, as torch's does, and the loader can be used again.
    after = list(iterator)
    assert [targets.tolist() for _, targets in after] == [[0, 0]]
    dataset.seed = loader.seed
    for number, (images, _) in [*enumerate(before), (4, after[0])]:
        for i in range(2):
            same(images[i], dataset[2 * number + i][0])
    path.write_bytes(GOOD)
    assert len(list(loader)) == 5


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_by_index(name: str, tmp_path: Path) -> None:
    bad, error, message = BROKEN[name]
    dataset, path = folder(tmp_path, bad)
    accesses = [dataset.__getitem__, dataset.image, lambda i: dataset.__getitems__([0, i])]
    if name in {"missing", "empty", "text", "zeros", "huge PNG"}:  # the headers of the others are whole
        accesses.append(lambda i: dataset.draw(i, seed=0))
    for access in accesses:
        with pytest.raises(error, match=f"(?is){message}") as caught:
            access(BAD)
        assert str(path) in str(caught.value)
        assert f"sample {BAD}" in str(caught.value)
    assert dataset[0][0].shape == (3, 16, 16)


@WORKERS
def test_the_first_broken_sample_is_the_one_that_is_named(workers: int, tmp_path: Path) -> None:
    dataset, _ = folder(tmp_path, b"")
    for number in (4, 5, 8):
        (tmp_path / "a" / f"{number}.jpg").write_bytes(b"broken")
    for _ in range(10):
        with pytest.raises(DecodeError, match="sample 4"):
            list(DataLoader(dataset, N, num_workers=workers))
        with pytest.raises(DecodeError, match="sample 8"):
            list(DataLoader(dataset, N, sampler=range(N - 1, -1, -1), num_workers=workers))


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has named pipes and file permissions")
@WORKERS
def test_what_is_no_file(workers: int, tmp_path: Path) -> None:
    """Opening a pipe would wait for ever."""
    dataset, path = folder(tmp_path, None)
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file") as caught:
        list(DataLoader(dataset, 3, num_workers=workers))
    assert str(path) in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="sample 7"):
        list(DataLoader(dataset, 3, num_workers=workers))


@WORKERS
def test_unequal_sizes(workers: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(6):
        (tmp_path / "a" / f"{number}.png").write_bytes(encode(picture(20, 24 + number // 5), "PNG"))
    dataset = datasets.ImageFolder(tmp_path, T.ToTensor())
    message = r"\[3, 20, 24\] at entry 0 and \[3, 20, 25\] at entry 2.*sample 5, .*5\.png"
    loader = DataLoader(dataset, 3, num_workers=workers)
    iterator = iter(loader)
    assert next(iterator)[0].shape == (3, 3, 20, 24)
    with pytest.raises(RuntimeError, match=message):
        next(iterator)
    assert [images.shape[3] for images, _ in DataLoader(dataset, 1, num_workers=workers)] == [24] * 5 + [25]
    assert [image.shape[2] for image, _ in dataset.__getitems__(range(6))] == [24] * 5 + [25]
    dataset.transform = T.Compose([T.CenterCrop(8), T.ToTensor()])
    assert len(list(loader)) == 2


@WORKERS
def test_a_label_out_of_range(workers: int, tmp_path: Path) -> None:
    dataset, path = folder(tmp_path, GOOD)
    dataset.targets[BAD] = 3
    dataset.target_transform = T.OneHot(3)
    for run in (lambda: list(DataLoader(dataset, 4, num_workers=workers)), lambda: dataset[BAD]):
        with pytest.raises(ValueError, match=r"label 3 .*3 classes|3.*3") as caught:
            run()
        assert f"sample {BAD}" in str(caught.value)
        assert str(path) in str(caught.value)
    dataset.target_transform = T.OneHot(4)
    assert len(list(DataLoader(dataset, 4, num_workers=workers))) == 3


@WORKERS
def test_a_crop_larger_than_the_image(workers: int, tmp_path: Path) -> None:
    dataset, path = folder(tmp_path, encode(picture(15, 40), "PNG"))
    with pytest.raises(ValueError, match=r"\(16, 16\) is larger than input image size \(15, 40\)") as caught:
        list(DataLoader(dataset, 4, num_workers=workers))
    assert str(path) in str(caught.value)


@WORKERS
@pytest.mark.parametrize("transform", [T.Pad(-12), T.Pad((-30, 0)), T.Resize(1, max_size=2)], ids=str)
def test_an_image_cut_to_nothing(transform: Any, workers: int) -> None:
    dataset = in_memory(
        [pixels(24, 100 if isinstance(transform, T.Resize) else 24)], T.Compose([transform, T.ToTensor()])
    )
    with pytest.raises(ValueError, match=r"leaves|cuts off"):
        list(DataLoader(dataset, num_workers=workers))


@WORKERS
@pytest.mark.parametrize("size", [0, (0, 5), -3, (4, -1)], ids=str)
@pytest.mark.parametrize("make", [T.CenterCrop, T.RandomCrop, T.RandomResizedCrop, T.Resize])
def test_sizes_that_are_none(make: Callable[..., Any], size: Any, workers: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        list(DataLoader(in_memory([pixels(24, 24)], T.Compose([make(size), T.ToTensor()])), num_workers=workers))


@WORKERS
@pytest.mark.parametrize("bad", [N, -N - 1, 10**12, 2**63])
def test_an_index_out_of_range(bad: int, workers: int) -> None:
    """The batches before it are not lost, however far ahead the loader reads."""
    dataset = in_memory([pixels(24, 24)] * N, TRANSFORM)
    iterator = iter(DataLoader(dataset, batch_sampler=[[0], [1], [2, bad], [3]], num_workers=workers))
    assert [next(iterator)[1].item() for _ in range(2)] == [0, 1]
    with pytest.raises(IndexError, match=f"index {bad} is out of range for {N} samples"):
        next(iterator)
    assert next(iterator)[1].item() == 3


@WORKERS
def test_a_sampler_that_fails(workers: int) -> None:
    def batches() -> Any:
        yield [0]
        raise KeyError("mine")

    dataset = in_memory([pixels(24, 24)] * N, TRANSFORM)

    class Failing:
        def __iter__(self) -> Any:
            return batches()

    with pytest.raises(KeyError, match="mine"):
        list(DataLoader(dataset, batch_sampler=Failing(), num_workers=workers))


def test_targets_and_samples_must_be_as_many(tmp_path: Path) -> None:
    dataset, _ = folder(tmp_path, GOOD)
    dataset.targets.pop()
    with pytest.raises(ValueError, match="9 labels for 10 samples"):
        dataset[0]


def test_arrays_that_are_no_images() -> None:
    for shape in [(2, 5, 5, 2), (2, 5, 5, 4), (2, 5, 5)]:
        with pytest.raises((ValueError, TypeError)):
            in_memory(np.zeros(shape, np.uint8))
    with pytest.raises((ValueError, TypeError)):
        in_memory(np.zeros((2, 5, 5, 3), np.float32))
    assert len(in_memory(np.zeros((0, 5, 5, 3), np.uint8))) == 0


@pytest.mark.parametrize(("kind", "bases"), [(DecodeError, (ValueError, OSError)), (InternalError, (RuntimeError,))])
def test_our_errors_are_of_known_classes_and_can_be_pickled(
    kind: type[Any], bases: tuple[type[Exception], ...]
) -> None:
    error = kind("text")
    assert all(isinstance(error, base) for base in bases)
    error.index, error.path = 3, "a.jpg"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.index, again.path) == (kind, "text", 3, "a.jpg")


def test_arrays_need_no_decoder() -> None:
    assert torch.is_tensor(in_memory([pixels(24, 24)], TRANSFORM)[0][0])
