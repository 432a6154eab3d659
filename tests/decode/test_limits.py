"""What a sample may cost: refused before it is paid, for every format, whoever decodes it, in whatever thread."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bad_samples import Copied
from pictures import chunk, encode, header, in_memory, picture, pixels, png
from torchfeed import (
    DataLoader,
    DecodeError,
    Limits,
    SlowSampleWarning,
    datasets,
    get_limits,
    get_max_pixels,
    set_limits,
    set_max_pixels,
)
from torchfeed import transforms as T
from torchfeed.decode.pillow import PillowDecoder

HEIGHT, WIDTH = 40, 56
IMAGE = picture(HEIGHT, WIDTH)
PIXELS = HEIGHT * WIDTH
PROGRESSIVE = encode(IMAGE, "JPEG", progressive=True, subsampling=0)
TABLE = PROGRESSIVE.rindex(b"\xff\xc4")
FILES = {
    "JPEG": encode(IMAGE, "JPEG"),
    "progressive": PROGRESSIVE,
    "JPEG by Pillow": PROGRESSIVE[:TABLE] + b"odd" + PROGRESSIVE[TABLE:],  # which libjpeg warns of, and passes over
    "PNG": encode(IMAGE, "PNG"),
    "interlaced": png(HEIGHT, WIDTH, 8, 2, interlaced=True),
    "BMP": encode(IMAGE, "BMP"),
    "GIF": encode(IMAGE.convert("P"), "GIF"),
    "WEBP": encode(IMAGE, "WEBP"),
    "TIFF": encode(IMAGE, "TIFF"),
}
TRANSFORM = T.Compose([T.CenterCrop(8), T.ToTensor()])
SCANS = PROGRESSIVE.count(b"\xff\xda")

WORKERS = pytest.mark.parametrize("workers", [0, 2])


@pytest.fixture(autouse=True)
def _default_limits() -> Iterator[None]:
    yield
    set_limits(Limits())


def dataset(folder: Path, data: bytes) -> Any:
    """An ImageFolder of three good images and one of `data`, which is number 2."""
    (folder / "a").mkdir(exist_ok=True)
    for number in range(4):
        (folder / "a" / f"{number}.jpg").write_bytes(data if number == 2 else encode(picture(8, 8), "JPEG"))
    return datasets.ImageFolder(folder, TRANSFORM)


def just_enough(name: str) -> dict[str, int]:
    """The least limits with which a file is decoded; of bytes, about."""
    beside = {"JPEG": 0, "progressive": 129 * 105, "JPEG by Pillow": 129 * 105, "PNG": 0, "interlaced": 3 * PIXELS}.get(
        name, 4 * PIXELS
    )
    return {"max_pixels": PIXELS, "max_file_bytes": len(FILES[name]), "max_decoded_bytes": 3 * PIXELS + beside}


JPEGS = {"JPEG", "progressive", "JPEG by Pillow"}
CASES = [(name, limit) for name in FILES for limit in just_enough(name)]
CASES += [("progressive", "max_scans"), ("JPEG by Pillow", "max_scans")]


@WORKERS
@pytest.mark.parametrize(("name", "limit"), CASES)
def test_files_beyond_a_limit_are_refused(name: str, limit: str, workers: int, tmp_path: Path) -> None:
    most = SCANS if limit == "max_scans" else just_enough(name)[limit]
    # What a decoder needs for itself, and for a copy of a JPEG.
    spare = 20_000 if limit == "max_decoded_bytes" and name in JPEGS else 0
    folder = dataset(tmp_path, FILES[name])
    enough: Any = {limit: most + spare}
    assert len(list(DataLoader(folder, 2, num_workers=workers, limits=Limits(**enough)))) == 2
    too_little: Any = {limit: most - 1}
    loader = DataLoader(folder, 2, num_workers=workers, limits=Limits(**too_little))
    batches = iter(loader)
    next(batches)
    with pytest.raises(DecodeError, match=rf"limit.*raise Limits\.{limit}") as caught:
        next(batches)
    assert (caught.value.index, caught.value.path) == (2, os.fspath(tmp_path / "a" / "2.jpg"))
    assert f"sample 2, {caught.value.path}" in str(caught.value)
    # Of the process, for samples that no loader makes.
    set_limits(Limits(**too_little))
    accesses: list[Any] = [lambda: folder[2], lambda: folder.__getitems__([2]), lambda: folder.image(2)]
    for access in accesses:
        with pytest.raises(DecodeError, match=f"Limits.{limit}"):
            access()
    set_limits(Limits(**enough))
    assert folder[2][0].shape == (3, 8, 8)


@pytest.mark.parametrize("limit", ["max_file_bytes", "max_decoded_bytes", "max_pixels"])
def test_limits_hold_for_files_in_memory_too(limit: str) -> None:
    for name, data in FILES.items():
        made = datasets.ImageList([data], [0], TRANSFORM)
        with pytest.raises(DecodeError, match=f"Limits.{limit}"):
            list(DataLoader(made, limits=Limits(**{limit: just_enough(name)[limit] - 1})))


@WORKERS
def test_limits_of_what_transforms_make(workers: int) -> None:
    made = in_memory([pixels(9, 9)], T.Compose([T.Resize((20, 30)), T.ToTensor()]))
    assert len(list(DataLoader(made, num_workers=workers, limits=Limits(max_transformed_pixels=600)))) == 1
    with pytest.raises(DecodeError, match=r"30 x 20 pixels.*599.*Limits\.max_transformed_pixels"):
        list(DataLoader(made, num_workers=workers, limits=Limits(max_transformed_pixels=599)))


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_worker_processes_have_the_limits_of_their_loader(context: str, photos: Path) -> None:
    made = datasets.ImageFolder(photos, TRANSFORM)
    options: dict[str, Any] = {"num_workers": 1, "collate_fn": list, "multiprocessing_context": context}
    set_limits(Limits(max_file_bytes=100))
    with pytest.raises(DecodeError, match=r"limit of 100 bytes"):
        next(iter(DataLoader(made, **options)))
    assert next(iter(DataLoader(made, limits=Limits(), **options)))


def test_one_setting_for_the_process() -> None:
    assert get_limits() == Limits()
    set_max_pixels(10**9)
    assert get_limits() == Limits(10**9, 10**9, 12 * 10**9, 12 * 10**9)
    set_limits(dataclasses.replace(get_limits(), max_scans=7))
    set_max_pixels(100)
    assert get_limits() == Limits(max_pixels=100, max_scans=7)
    assert get_max_pixels() == 100
    with pytest.raises(TypeError, match="Limits, got int"):
        set_limits(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Limits, got int"):
        DataLoader(in_memory([pixels(9, 9)], TRANSFORM), limits=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 2**64])
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Limits)])
def test_what_is_no_limit(field: str, value: int) -> None:
    if (field, value) == ("soft_seconds", 0):
        return  # every sample is slow
    with pytest.raises(ValueError, match=field):
        Limits(**{field: value})
    if field == "soft_seconds":
        with pytest.raises(ValueError, match=field):
            Limits(soft_seconds=float("nan"))


def test_many_frames_are_one() -> None:
    frames = [picture(HEIGHT, WIDTH, seed=seed).convert("P") for seed in range(30)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    made = datasets.ImageList([data], [0], TRANSFORM)
    assert len(list(DataLoader(made, limits=Limits(max_decoded_bytes=7 * PIXELS)))) == 1


def bomb(kind: bytes, before: bytes) -> bytes:
    """A PNG with a chunk of a few kilobytes that decompresses to 64 MiB."""
    data = encode(IMAGE, "PNG")
    return data[:33] + chunk(kind, before + zlib.compress(bytes(64 << 20), 9)) + data[33:]


def peaks_of(codes: list[str], *arguments: str) -> list[int]:
    """The most bytes in memory that each line of code added to those before it, each in a fork of one script."""
    script = (
        "import os, resource, sys, torch\n"
        "from torchfeed import DataLoader, DecodeError, Limits, datasets, transforms as T\n"
        "def made(path):\n"
        "    return datasets.ImageList([path], [0], T.Compose([T.CenterCrop(8), T.ToTensor()]))\n"
        "def run(path, **limits):\n"
        "    try:\n"
        "        list(DataLoader(made(path), limits=Limits(**limits)))\n"
        "    except DecodeError:\n"
        "        return 'refused'\n"
        "    return 'decoded'\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "run(sys.argv[1])\n"
        f"for code in {codes!r}:\n"
        "    child = os.fork()\n"
        "    if child:\n"
        "        assert os.waitpid(child, 0)[1] == 0, code\n"
        "        continue\n"
        "    run(sys.argv[1])\n"  # which maps the libraries' pages again
        "    before = peak()\n"
        "    exec(code)\n"
        "    print(peak() - before, flush=True)\n"
        "    break\n"
    )
    said = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True).stdout
    return [int(peak) for peak in said.splitlines()]


linux = pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
LARGE = (5000, 6000)  # 90 MB of RGB


@linux
@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", "interlaced", "BMP", "WEBP"])
def test_memory_is_not_taken_for_what_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(encode(picture(9, 9), "WEBP"))  # which loads Pillow's plugins
    height, width = LARGE
    large = picture(1, 1, "L").resize((width, height))
    if kind == "interlaced":
        rows = zlib.compress(bytes(30_000_000), 1)
        data = b"\x89PNG\r\n\x1a\n" + header(width, height, 8, 0, 1) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    elif kind == "progressive":
        data = encode(large, "JPEG", progressive=True)
    else:
        data = encode(large, kind, **({"method": 0, "quality": 1} if kind == "WEBP" else {}))
    (tmp_path / "large").write_bytes(data)
    small, file = str(tmp_path / "small"), str(tmp_path / "large")
    # The file itself is read: its header says how large the image is.
    most = 3 * len(data) + (16 << 20)
    limits = ["max_pixels=29_999_999", "max_decoded_bytes=89_999_999", f"max_file_bytes={len(data) - 1}"]
    peaks = peaks_of([f"assert run(sys.argv[2], {limit}) == 'refused'" for limit in limits], small, file)
    assert len(peaks) == 3
    assert max(peaks[:2]) < most, peaks
    assert peaks[2] < 16 << 20


@linux
@pytest.mark.parametrize(("kind", "before"), [(b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0")])
def test_memory_is_not_taken_for_compressed_metadata(kind: bytes, before: bytes, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(encode(picture(9, 9), "WEBP"))
    (tmp_path / "bomb").write_bytes(bomb(kind, before))
    (peak,) = peaks_of(["run(sys.argv[2])"], str(tmp_path / "small"), str(tmp_path / "bomb"))
    assert peak < 24 << 20


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Makes Pillow take its time over images that are a pixel wide."""
    decode = PillowDecoder.decode

    def slowly(decoder: PillowDecoder, data: bytes) -> tuple[int, int, bytes]:
        if decoder.size(data)[1] == 1:
            time.sleep(seconds)
        return decode(decoder, data)

    monkeypatch.setattr(PillowDecoder, "decode", slowly)


@WORKERS
def test_slow_samples_are_made_and_reported(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_down(monkeypatch, 0.3)
    made = dataset(tmp_path, encode(picture(8, 1), "BMP"))
    made.transform = T.Compose([T.Resize((8, 8)), T.ToTensor()])
    loader = DataLoader(made, 2, num_workers=workers, limits=Limits(soft_seconds=0.25))
    path = os.fspath(tmp_path / "a" / "2.jpg")
    message = rf"^1 sample took longer than 0\.25 seconds.*\[sample 2, {path}\]$"
    with pytest.warns(SlowSampleWarning, match=message) as caught:
        assert len(list(loader)) == 2
    warning: Any = next(entry for entry in caught if entry.category is SlowSampleWarning)
    assert warning.filename == __file__
    assert warning.message.count == 1
    ((index, where, seconds),) = warning.message.slowest
    assert (index, where) == (2, path)
    assert seconds >= 0.3
    for quiet in (Limits(), Limits(soft_seconds=None)):
        loader.limits = quiet
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(list(loader)) == 2


@WORKERS
def test_a_warning_that_is_an_error_ends_the_epoch(workers: int, tmp_path: Path) -> None:
    loader = DataLoader(dataset(tmp_path, FILES["BMP"]), 2, num_workers=workers, limits=Limits(soft_seconds=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowSampleWarning)
        batches = iter(loader)
        assert [next(batches)[0].shape for _ in range(2)] == [torch.Size([2, 3, 8, 8])] * 2
        with pytest.raises(SlowSampleWarning, match="4 samples"):
            next(batches)
        assert list(batches) == []


def refuse_slow_samples(_: int = 0) -> None:
    warnings.simplefilter("error", SlowSampleWarning)


@WORKERS
def test_slow_samples_that_python_finishes_are_reported_where_they_are_made(workers: int, tmp_path: Path) -> None:
    made = dataset(tmp_path, FILES["BMP"])
    made.transform = T.Compose([TRANSFORM, Copied()])
    options: Any = {"num_workers": workers, "limits": Limits(soft_seconds=0)}
    path = re.escape(os.fspath(tmp_path / "a" / "0.jpg"))
    if workers:
        with pytest.raises(SlowSampleWarning, match=rf"1 sample took longer than 0 seconds.*\[sample 0, {path}\]"):
            list(DataLoader(made, 1, worker_init_fn=refuse_slow_samples, **options))
        return
    loader = DataLoader(made, 2, **options)
    for _ in range(2):
        with pytest.warns(SlowSampleWarning, match="took longer than 0 seconds") as caught:
            assert len(list(loader)) == 2
        assert len(caught) == 1


def test_slow_samples_by_index_are_reported_once(tmp_path: Path) -> None:
    made = dataset(tmp_path, FILES["BMP"])
    set_limits(Limits(soft_seconds=0))
    with pytest.warns(SlowSampleWarning, match=r"\[sample 1, .*1\.jpg\]") as caught:
        assert [made[index][0].shape[0] for index in (1, 2, 3)] == [3] * 3
    assert len(caught) == 1


def test_an_image_by_index_is_under_the_limits_of_now(tmp_path: Path) -> None:
    made = dataset(tmp_path, FILES["PNG"])
    assert made.image(2).size == (WIDTH, HEIGHT)
    set_limits(Limits(max_pixels=PIXELS - 1))
    with pytest.raises(DecodeError, match="max_pixels"):
        made.image(2)
    set_limits(Limits())
    assert made.image(2).size == (WIDTH, HEIGHT)
