"""Images of one row, of one column, of one pixel: every op and composition of the table of draws, and torchvision."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from PIL import Image

from golden_draws import Row, build, classes, label, libraries, rows
from oracle import erased, functional, same
from pictures import in_memory, pixels
from torchfeed import transforms as T

THIN = [(1, 1), (1, 2), (2, 1), (1, 57), (57, 1), (2, 31)]
SEEDS = range(3)
TRIES = 30

CASES = [
    pytest.param(row, library, id=f"{library} {number} {label(row)[:60]}")
    for number, row in enumerate(rows())
    for library in libraries(row)
]


def colours(value: Any) -> bool:
    """Whether a row, or a row in it, has a fill of three values, which no gray image takes."""
    if isinstance(value, dict):
        return any(
            (key in {"fill", "value"} and isinstance(each, list)) or colours(each) for key, each in value.items()
        )
    return isinstance(value, list) and any(map(colours, value))


@pytest.mark.parametrize(("row", "library"), CASES)
def test_pixels_are_torchvision_s(row: Row, library: str) -> None:
    erases = "RandomErasing" in classes(row)
    transform = build(row, library) if erases else T.Compose([build(row, library), T.PILToTensor()])
    for height, width in THIN:
        for channels in (1, 3):
            if channels == 1 and colours(row["arguments"]):
                continue
            array = pixels(height, width, channels, seed=height)
            image = Image.fromarray(array if channels == 3 else array[:, :, 0])
            dataset = in_memory([array], transform)
            for dataset.seed in SEEDS:
                try:
                    drawn = dataset.draw(0, seed=dataset.seed)
                except ValueError:
                    assert refuses(transform, image), f"torchvision takes {image.size}"
                    continue
                expected = erased(T.PILToTensor()(functional(image, drawn)), drawn)
                same(dataset[0][0], expected, (image.size, drawn))


def refuses(transform: Any, image: Image.Image) -> bool:
    """Whether torchvision raises an exception too, for some of its draws."""
    random.seed(1)
    torch.manual_seed(1)
    return any(raises(transform, image) for _ in range(TRIES))


def raises(transform: Any, image: Image.Image) -> bool:
    try:
        transform(image.copy())
    except (ValueError, RuntimeError, TypeError):
        return True
    return False
