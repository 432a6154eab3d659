"""Options, data and the two hooks that write the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from .report import describe, table
from .work import Work

COUNT = 16


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", type=Path, metavar="DIR", help="an ImageFolder of photos; a few are made when omitted")
    parser.addoption("--build-profile", default="unknown", help="how the native code was built, for the record")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    describe(machine_info, config.getoption("--build-profile"))


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    text = table(output_json)
    Path(config.getoption("benchmark_json")).with_name("table.md").write_text(text)
    print(f"\n\n{text}")


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> Iterator[None]:
    """Both sides get one core: no worker processes, no native threads, and one thread for torch's own operators."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether every benchmark only runs once, to see that it works."""
    return bool(request.config.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def photos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder of photos: the user's, or eight made ones."""
    given: Path | None = request.config.getoption("--data")
    if given is not None:
        return given
    root = tmp_path_factory.mktemp("photos")
    for number in range(8):
        folder = root / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        photo(number).save(folder / f"{number}.jpg", quality=90)
    return root


@pytest.fixture(scope="session")
def images(photos: Path) -> list[Image.Image]:
    """The first photos, decoded, all of 500 x 375 pixels."""
    folder = datasets.ImageFolder(photos)
    return [folder[i % len(folder)][0].resize((500, 375)) for i in range(COUNT)]


def photo(seed: int, width: int = 500, height: int = 375) -> Image.Image:
    """Makes an image as busy as a photo: octaves of noise, the finer the fainter."""
    rng = np.random.default_rng(seed)
    octaves = [2**k for k in range(2, 9)]
    pixels = np.zeros((height, width, 3))
    for cells in octaves:
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / cells**0.5
    return Image.fromarray((pixels / sum(cells**-0.5 for cells in octaves)).astype(np.uint8))


@pytest.fixture
def measure(benchmark: Any, request: pytest.FixtureRequest) -> Callable[[Work, str], None]:
    """Checks a job, and times one side of it."""

    def measure(work: Work, side: str) -> None:
        work.check()
        stage = Path(request.node.path).stem.removeprefix("bench_")
        benchmark.group = work.name
        benchmark.extra_info |= {
            "stage": stage,
            "work": work.name,
            "side": side,
            "amount": work.amount,
            "unit": work.unit,
        }
        benchmark(getattr(work, side))

    return measure
