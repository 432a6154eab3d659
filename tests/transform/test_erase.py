"""RandomErasing, torchvision's and timm's: the values, and the distribution of the rectangles."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from oracle import erased, functional, same, theirs, v2, values
from pictures import in_memory, pixels
from torchfeed import DataLoader, _native, explain
from torchfeed.plan.compile import compile_leaves

NORMALIZE = theirs.Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.25])


def of_timm(**arguments: Any) -> Any:
    module = pytest.importorskip("timm.data.random_erasing")
    return module.RandomErasing(1.0, device="cpu", **arguments)


ERASINGS: dict[str, Callable[[], Any]] = {
    "v1": lambda: theirs.RandomErasing(1),
    "v1, one number": lambda: theirs.RandomErasing(1, value=0.1),
    "v1, colour": lambda: theirs.RandomErasing(0.5, (0.3, 1.0), (0.1, 9.0), value=(1, -2.5, 1e-3)),
    "v1, random": lambda: theirs.RandomErasing(1, value="random", inplace=True),
    "v2": lambda: v2.RandomErasing(1),
    "v2, colour": lambda: v2.RandomErasing(1, value=[300, 2, 0.5]),
    "v2, random": lambda: v2.RandomErasing(0.7, value="random"),
    "timm": of_timm,
    "timm, pixel": lambda: of_timm(mode="pixel", min_count=1, max_count=4, max_area=0.9),
    "timm, rand": lambda: of_timm(mode="rand", min_aspect=0.1),
}
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint8)


@pytest.mark.parametrize("name", ERASINGS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_values_are_torchvision_s(name: str, dtype: torch.dtype, *, channels_last: bool) -> None:
    if dtype == torch.float32:
        steps = [theirs.RandomHorizontalFlip(), theirs.ToTensor(), NORMALIZE]
    elif dtype == torch.uint8:
        steps = [theirs.RandomHorizontalFlip(), theirs.PILToTensor()]
    else:
        steps = [theirs.PILToTensor(), theirs.ConvertImageDtype(dtype)]
    transform = theirs.Compose([*steps, ERASINGS[name](), theirs.RandomErasing(0.3, (0.01, 0.1))])
    images = [pixels(16, 20, seed=seed) for seed in range(40)]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    dataset = in_memory(images, transform)
    loader = DataLoader(dataset, 40, memory_format=layout)
    if re.search("random|pixel|rand", name) and dtype != torch.float32:
        assert f"random values of {dtype} runs in Python" in explain(loader)
        return
    assert explain(loader).startswith("native, ")
    ((batch, _),) = loader
    count = 0
    for number, (made, image) in enumerate(zip(batch, images, strict=True)):
        drawn = loader.drawn(number)
        count += sum(step == "RandomErasing" for step, _ in drawn)
        same(made, erased(values(transform, functional(Image.fromarray(image), drawn)), drawn), drawn)
    assert count > 15


def test_gray_images_are_erased() -> None:
    transform = theirs.Compose([theirs.ToTensor(), theirs.RandomErasing(1, value=[0.25])])
    images = [pixels(9, 30, 1, seed=seed) for seed in range(9)]
    loader = DataLoader(in_memory(images, transform), 9)
    ((batch, _),) = loader
    for number, (made, image) in enumerate(zip(batch, images, strict=True)):
        same(made, erased(theirs.ToTensor()(Image.fromarray(image[:, :, 0])), loader.drawn(number)))


PYTHON: dict[str, tuple[list[Any], str]] = {
    "of an image": ([theirs.RandomErasing(), theirs.ToTensor()], "RandomErasing of a PIL image runs in Python"),
    "a crop afterwards": (
        [theirs.ToTensor(), theirs.RandomErasing(), theirs.CenterCrop(5)],
        "comes after RandomErasing",
    ),
    "values afterwards": (
        [theirs.ToTensor(), theirs.RandomErasing(), NORMALIZE],
        "Normalize comes after RandomErasing",
    ),
    "colours": ([theirs.ToTensor(), theirs.RandomErasing(value=(1, 2))], "2 values for 3 channels"),
    "many": ([theirs.ToTensor(), of_timm(max_count=101)], "1 to 101 rectangles"),
    "a range": ([theirs.ToTensor(), theirs.RandomErasing(ratio=(0, 2))], "runs in Python"),
}


@pytest.mark.parametrize("name", PYTHON)
def test_runs_in_python_and_says_why(name: str) -> None:
    steps, why = PYTHON[name]
    text = explain(DataLoader(in_memory([pixels(9, 9)], theirs.Compose(steps))))
    assert text.startswith("native in part")
    assert why in text


def test_normal_numbers_are_those_of_a_seed() -> None:
    made = np.frombuffer(_native.normals(7, 100_000), np.float32)
    assert made[:10].tobytes() == _native.normals(7, 10)
    assert _native.normals(8, 10) != made[:10].tobytes()
    # Kolmogorov and Smirnov's distance from the normal distribution; 1.95 is passed by one of a thousand.
    ordered = np.sort(made.astype(float))
    expected = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in ordered])
    assert np.abs(expected - (np.arange(len(made)) + 0.5) / len(made)).max() * math.sqrt(len(made)) < 1.95


DRAWS = 100_000
SIZE = (40, 56)


def ours(transform: Any) -> Iterator[tuple[int, int, int, int]]:
    """Draws rectangles natively: (i, j, h, w)."""
    transform = theirs.Compose([theirs.PILToTensor(), transform])
    pipeline = compile_leaves([in_memory([pixels(*SIZE)], transform).leaf()]).pipeline
    for seed in range(DRAWS):
        _, drawn = pipeline.draw(0, seed, 0)
        for _, _, parameters in drawn:
            yield parameters["i"], parameters["j"], parameters["h"], parameters["w"]


def of_torchvision(transform: Any) -> Iterator[tuple[int, int, int, int]]:
    torch.manual_seed(3)
    image = torch.empty(1, *SIZE)
    for _ in range(DRAWS):
        i, j, h, w, _ = transform.get_params(image, transform.scale, transform.ratio, [0.0])
        if (h, w) != SIZE:
            yield i, j, h, w


def distance(a: list[Any], b: list[Any], of: Callable[[Any], float]) -> float:
    """Kolmogorov and Smirnov's distance between two samples, in units in which 1.95 is passed by one of a thousand."""
    a, b = sorted(map(of, a)), sorted(map(of, b))
    places = np.unique(np.concatenate([a, b]))
    gap = np.searchsorted(a, places, "right") / len(a) - np.searchsorted(b, places, "right") / len(b)
    return float(np.abs(gap).max() * math.sqrt(len(a) * len(b) / (len(a) + len(b))))


MEASURES: tuple[Callable[[Any], float], ...] = (
    lambda r: r[2],
    lambda r: r[3],
    lambda r: r[2] * r[3],
    lambda r: r[0] / (SIZE[0] - r[2]),
    lambda r: r[1] / (SIZE[1] - r[3]),
    lambda r: r[2] / max(r[3], 1),
)


def test_rectangles_are_drawn_as_torchvision_s() -> None:
    transform = theirs.RandomErasing(1, (0.02, 0.6), (0.3, 3.3))
    native, expected = list(ours(transform)), list(of_torchvision(transform))
    # As many find no place.
    spread = math.sqrt(DRAWS * (1 - len(expected) / DRAWS)) + 1
    assert abs(len(native) - len(expected)) < 5 * spread
    assert max(distance(native, expected, measure) for measure in MEASURES) < 1.95
    # The measure is sharp enough: a range that is a little wrong, or a rectangle one place too far, is seen.
    for wrong in (theirs.RandomErasing(1, (0.03, 0.6)), theirs.RandomErasing(1, (0.02, 0.6), (0.31, 3.3))):
        others = list(of_torchvision(wrong))
        assert max(distance(native, others, measure) for measure in MEASURES) > 1.95
    shifted = [(min(i + 1, SIZE[0] - h), j, h, w) for i, j, h, w in expected]
    assert max(distance(native, shifted, measure) for measure in MEASURES) > 1.95


def test_timm_s_rectangles_share_the_area() -> None:
    transform = of_timm(min_area=0.1, max_area=0.5, min_count=2, max_count=3)
    native = list(ours(transform))[:DRAWS]
    random.seed(5)
    found: list[tuple[int, int, int, int]] = []

    class Image:
        """Notes what is written where."""

        def __setitem__(self, place: tuple[slice, slice, slice], _: Any) -> None:
            _, rows, columns = place
            found.append((rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start))

    while len(found) < DRAWS:
        transform._erase(Image(), 3, *SIZE, torch.float32)
    assert max(distance(native, found, measure) for measure in MEASURES) < 1.95
