"""What may happen while an epoch runs: said where the loader is iterated, and the loader can be used again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from oracle import same
from pictures import encode, picture
from repository import ROOT
from torchfeed import DataLoader, DecodeError, InternalError, _native, datasets
from torchfeed import transforms as T
from torchfeed.decode.pillow import PillowDecoder

WORKERS = pytest.mark.parametrize("workers", [0, 2])
TRANSFORM = T.Compose([T.RandomCrop(16), T.ToTensor()])
GOOD = encode(picture(24, 24), "JPEG")
N = 12
BAD = 9  # in the fourth batch, which is not under way when the first is handed out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of N images in one class."""
    (tmp_path / "a").mkdir()
    for number in range(N):
        (tmp_path / "a" / f"{number:02d}.jpg").write_bytes(GOOD)
    return tmp_path


def unreadable(path: Path) -> None:
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser reads everything: links that lead in a circle are not read by anybody
        path.unlink()
        path.symlink_to(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


FAULTS: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "removed": (Path.unlink, FileNotFoundError, "No such file"),
    "replaced by text": (lambda path: path.write_text("no image"), DecodeError, "not an image"),
    "truncated": (lambda path: path.write_bytes(GOOD[: len(GOOD) // 2]), DecodeError, "(?i)truncated"),
    "emptied": (lambda path: path.write_bytes(b""), DecodeError, "the file is empty"),
    "unreadable": (unreadable, OSError, "Permission denied|symbolic links"),
    "a directory": (directory, OSError, "not a regular file"),
    "a FIFO": (fifo, OSError, "not a regular file"),
    "a device": (device, OSError, "not a regular file"),
}


@pytest.mark.skipif(os.name != "posix", reason="named pipes, permissions and devices are POSIX's")
@WORKERS
@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_changes_in_mid_epoch(name: str, workers: int, folder: Path) -> None:
    """The second epoch too, when the loader knows where rows of pixels start in the files."""
    change, error, message = FAULTS[name]
    dataset = datasets.ImageFolder(folder, TRANSFORM)
    path = folder / "a" / f"{BAD:02d}.jpg"
    loader = DataLoader(dataset, 3, num_workers=workers, prefetch_factor=1 if workers else None)
    list(loader)
    batches = iter(loader)
    good = [next(batches)]
    change(path)
    good += [next(batches), next(batches)]
    with pytest.raises(error, match=message) as caught:
        next(batches)
    assert f"sample {BAD}" in str(caught.value)
    assert str(path) in str(caught.value)
    assert list(batches) == []
    dataset.seed = loader.seed
    for number, (images, _) in enumerate(good):
        same(images[0], dataset[3 * number][0])


@WORKERS
def test_a_file_that_is_replaced_by_another_image(workers: int, folder: Path) -> None:
    """Whoever replaces it gets the new one, although the loader knows where rows of pixels started in the old one."""
    dataset = datasets.ImageFolder(folder, TRANSFORM)
    loader = DataLoader(dataset, 3, num_workers=workers, prefetch_factor=1 if workers else None)
    list(loader)
    batches = iter(loader)
    first = [next(batches)]
    new = folder / "new"
    new.write_bytes(encode(picture(40, 30, seed=5), "JPEG"))
    new.replace(folder / "a" / f"{BAD:02d}.jpg")
    made = [images for images, _ in [*first, *batches]]
    dataset.seed = loader.seed
    for index, image in enumerate(torch.cat(made)):
        same(image, dataset[index][0])


class SlowDisk(torch.utils.data.Dataset[Any]):
    """Images from somewhere that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.transform = TRANSFORM

    def __len__(self) -> int:
        return N

    def sample_source(self, index: int) -> tuple[bytes, int]:
        """Waits for the file."""
        time.sleep(self.seconds)
        return GOOD, index

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("the native path asks sample_source")


@WORKERS
def test_a_slow_disk_delays_and_changes_nothing(workers: int) -> None:
    torch.manual_seed(3)
    fast = list(DataLoader(SlowDisk(0), 3, num_workers=workers))
    torch.manual_seed(3)
    slow = list(DataLoader(SlowDisk(0.02), 3, num_workers=workers))
    for (images, targets), (expected, labels) in zip(slow, fast, strict=True):
        same(images, expected)
        assert torch.equal(targets, labels)


class Raises(SlowDisk):
    """A callback of the user's that fails for one sample."""

    def sample_source(self, index: int) -> tuple[bytes, int]:
        if index == BAD:
            raise LookupError(f"no such record: {index}")
        return super().sample_source(index)


class RaisesInTransform(torch.utils.data.Dataset[Any]):
    """A dataset of torch's kind that fails for one sample."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> int:
        if index == BAD:
            raise LookupError(f"no such record: {index}")
        return index


@WORKERS
@pytest.mark.parametrize("make", [lambda: Raises(0), RaisesInTransform], ids=["native", "torch's"])
def test_a_callback_that_raises(make: Callable[[], Any], workers: int) -> None:
    loader = DataLoader(make(), 3, num_workers=workers)
    for _ in range(2):
        batches = iter(loader)
        for _ in range(3):
            next(batches)
        with pytest.raises(LookupError, match="no such record: 9"):
            next(batches)
        assert list(batches) == []


@WORKERS
def test_pillow_that_raises(workers: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: an error of the sample, but for a lack of memory, which is nobody's fault."""
    (folder / "a" / f"{BAD:02d}.jpg").write_bytes(encode(picture(24, 24), "BMP"))
    loader = DataLoader(datasets.ImageFolder(folder, TRANSFORM), 3, num_workers=workers)
    for error, expected in ((RuntimeError("what"), DecodeError), (MemoryError(), MemoryError)):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(PillowDecoder, "decode", fail)
            with pytest.raises(expected, match=f"sample {BAD}"):
                list(loader)
    assert len(list(loader)) == 4


@WORKERS
def test_a_panic_is_raised_with_its_message(workers: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours: provoked by one in the caller's own code that looks to Rust like a panic of its own."""
    (folder / "a" / f"{BAD:02d}.jpg").write_bytes(encode(picture(24, 24), "BMP"))
    loader = DataLoader(datasets.ImageFolder(folder, TRANSFORM), 3, num_workers=workers)
    panic = panic_exception()

    def fail(*_: object) -> None:
        raise panic("deliberate")

    with monkeypatch.context() as patch:
        patch.setattr(PillowDecoder, "decode", fail)
        with pytest.raises(InternalError, match=rf"internal error, please report it: deliberate \[sample {BAD}, .*\]"):
            list(loader)
        # No sample takes its place: the bug is ours.
        for on_error in ("replace", "skip"):
            with pytest.raises(InternalError) as caught:
                list(DataLoader(loader.dataset, 3, num_workers=workers, on_error=on_error))
            assert (caught.value.index, Path(str(caught.value.path)).name) == (BAD, f"{BAD:02d}.jpg")
    assert len(list(loader)) == 4


def panic_exception() -> Any:
    """PyO3's class of panics, which it resumes where one comes back to Rust. It is made with the first error."""
    with pytest.raises(TypeError):
        _native.Labels(5)  # type: ignore[arg-type]
    return next(cls for cls in BaseException.__subclasses__() if cls.__name__ == "PanicException")


@WORKERS
def test_a_generator_that_raises_in_the_sampler(workers: int, folder: Path) -> None:
    """The batches before it come first, and the next epoch begins anew."""
    fails = [True, False]

    class Sampler:
        def __iter__(self) -> Iterator[int]:
            yield from range(4)
            if fails.pop(0):
                raise LookupError("mine")

    loader = DataLoader(datasets.ImageFolder(folder, TRANSFORM), 2, sampler=Sampler(), num_workers=workers)
    with pytest.raises(LookupError, match="mine"):
        list(loader)
    assert len(list(loader)) == 2


PILLOW_WAITS = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="Pillow 13.0 for free-threaded CPython waits for its own lock where it gets no memory for an image",
)

OUT_OF_MEMORY = """
import resource, sys
from torchfeed import DataLoader, Limits, datasets, transforms as T
path, workers, edge = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
steps = [T.Resize((edge, edge))] if edge else []
samples = [path, path.replace("large", "small")]
indices = [0] if edge else [0, 1]  # batches under way have no memory either, if their size is known
small = T.Compose([T.CenterCrop(8), T.ToTensor()])
first = DataLoader(datasets.ImageList(samples[1:], [0], small), num_workers=workers)
list(first)  # threads, plugins and libraries take what they need
dataset = datasets.ImageList(samples, [0, 1], T.Compose([*steps, T.ToTensor()]))
loader = DataLoader(dataset, sampler=indices, num_workers=workers)
size = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + (200 << 20), resource.RLIM_INFINITY))
batches = iter(loader)
try:
    next(batches)
except MemoryError as error:
    assert edge or f"sample 0, {path}" in str(error), error
    print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(list(batches)) == len(indices) - 1, len(list(first)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of a process")
@WORKERS
@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", pytest.param("BMP", marks=PILLOW_WAITS), "transform"])
def test_memory_that_cannot_be_had_is_an_error(kind: str, workers: int, tmp_path: Path) -> None:
    """And the process goes on, with samples for which there is some."""
    (tmp_path / "small").write_bytes(encode(picture(9, 9), "BMP"))
    large = picture(1, 1, "L").resize((9 if kind == "transform" else 12_000, 10_000 if kind != "transform" else 9))
    options = {"progressive": True} if kind == "progressive" else {}
    file_format = {"progressive": "JPEG", "transform": "PNG"}.get(kind, kind)
    (tmp_path / "large").write_bytes(encode(large, file_format, **options))
    arguments = [str(tmp_path / "large"), str(workers), "10000" if kind == "transform" else "0"]
    ended = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "MemoryError\nTrue 1\n"), ended.stderr


def test_every_row_of_the_page_is_tested() -> None:
    """Each row of the tables of faults, of lives and of limits names the tests that show it."""
    text = (ROOT / "docs" / "reliability.md").read_text()
    titles = ["While an epoch runs", "The life of loaders and iterators", "Limits"]
    tables = [text.split(f"## {title}\n")[1].split("\n## ")[0] for title in titles]
    known = {
        f"{path.name}::{name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    row = re.compile(r"^\| (?!---|fault|what you do|limit)(.*) \|$", re.MULTILINE)
    rows = [found for table in tables for found in row.findall(table)]
    assert len(rows) > 30
    for said in rows:
        named = re.findall(r"`(test_\w+\.py::test_\w+)`", said.split(" | ")[-1])
        assert named, f"no test: {said}"
        assert set(named) <= known, said
