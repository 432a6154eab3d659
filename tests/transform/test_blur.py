"""The kernels that blur and sharpen, against Pillow and torchvision: random images, random parameters, every byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from one_call import ours, picture
from oracle import F

# Images of each kernel.
N = 2000


def differing(image: Image.Image, expected: Image.Image, name: str, **parameters: Any) -> str | None:
    """What differs, if anything does."""
    wrong = int((ours(image, name, **parameters) != np.asarray(expected)).sum())
    return f"{wrong} bytes of {image.size} {image.mode} {parameters}" if wrong else None


def sigma(rng: np.random.Generator) -> float:
    """A radius as recipes draw it, an end of their range, a round one or a large one."""
    match rng.integers(4):
        case 0:
            return float(rng.uniform(0.1, 2.0))
        case 1:
            return float(rng.choice([0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0]))
        case 2:
            return float(rng.uniform(0, 12))
        case _:
            return float(rng.uniform(0, 150))


@pytest.mark.parametrize("seed", range(4))
def test_sharpness_is_pillows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ends = (0.0, 1.0, 2.0, 0.5, 0.1, 1.9, -1.0, 10.0, 300.0, 1e-7, 0.99999997, 1.0000001)
    wrong = []
    for _ in range(N // 4):
        image = picture(rng)
        factor = float(rng.choice(ends) if rng.integers(2) else rng.uniform(-1, 4))
        expected = F.adjust_sharpness(image, factor)
        wrong.append(differing(image, expected, "adjust_sharpness", sharpness_factor=factor))
    assert [what for what in wrong if what] == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kernel", "name"), [("GaussianBlur", "pil_gaussian_blur"), ("BoxBlur", "pil_box_blur")])
def test_pillows_blurs_are_pillows(kernel: str, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wrong = []
    for _ in range(N // 4):
        image = picture(rng)
        radius = (sigma(rng), sigma(rng)) if rng.integers(2) else (sigma(rng),) * 2
        expected = image.filter(getattr(ImageFilter, kernel)(radius))
        wrong.append(differing(image, expected, name, radius=radius))
    assert [what for what in wrong if what] == []
