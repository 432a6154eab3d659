"""Folders of small images, made once per session."""

from __future__ import annotations

import gc
import multiprocessing
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pictures import encode, files, picture
from user_files import make_user_files

# So that pytest shows what is unequal, as in the tests themselves.
pytest.register_assert_rewrite("device_batches", "equality", "user_dataset_runs")

# The tensors here are small: more threads would only wait for each other, for minutes on a busy machine.
torch.set_num_threads(1)

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# As before Python 3.14, whose fork server loads torch in every worker process again: seconds for each of hundreds.
if sys.platform == "linux":
    multiprocessing.set_start_method("fork", force=True)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder of 26 JPEGs and PNGs of many sizes, 24 to 90 pixels, in three classes."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(26):
        folder = root / ("ape", "bee", "cat")[number % 3]
        folder.mkdir(exist_ok=True)
        image = picture(24 + 7 * number % 61, 25 + 11 * number % 65, seed=number)
        if number % 5 == 4:
            data, suffix = encode(image, "PNG"), "png"
        else:
            data = encode(image, "JPEG", quality=60 + number, subsampling=number % 3, progressive=number % 7 == 0)
            suffix = "jpg"
        (folder / f"{number:03d}.{suffix}").write_bytes(data)
    return root


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder of one file of every kind, in one class; names tell nothing of the format."""
    root = tmp_path_factory.mktemp("mixed")
    (root / "all").mkdir()
    for number, data in enumerate(files().values()):
        (root / "all" / f"{number:03d}.jpg").write_bytes(data)
    return root


@pytest.fixture(scope="session")
def numbered(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 26 photos again, each alone in a class of its own: a sample's label is its index."""
    root = tmp_path_factory.mktemp("numbered")
    for number, photo in enumerate(sorted(photos.rglob("*.*"))):
        folder = root / f"{number:03d}"
        folder.mkdir()
        shutil.copy(photo, folder)
    return root


@pytest.fixture
def _hasty() -> Iterator[None]:
    """With the GIL, threads change after a few steps rather than after milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test begins with the same global random state, in whatever order they run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def user_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Files of the kinds that people's own datasets read."""
    return make_user_files(tmp_path_factory.mktemp("user"))


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test leaves to the garbage collector is collected before its end."""
    yield
    gc.collect()
