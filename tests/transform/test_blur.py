"""The kernels that blur and sharpen, against Pillow and torchvision: random images, random parameters, every byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from oracle import F
from torchfeed import _native

# Images of each kernel.
N = 2000
# The largest edge of an image, and of how many images in a hundred.
SIZES = ((4, 25), (40, 50), (120, 22), (600, 3))


def picture(rng: np.random.Generator) -> Image.Image:
    """Noise, a smooth image or one of few colours; RGB or gray."""
    largest = int(rng.choice([edge for edge, _ in SIZES], p=[share / 100 for _, share in SIZES]))
    height, width = (int(edge) for edge in rng.integers(1, largest + 1, size=2))
    shape = (height, width, 3) if rng.integers(2) else (height, width)
    kind = rng.integers(3)
    if kind == 0:
        array = rng.integers(0, 256, size=shape, dtype=np.uint8)
    elif kind == 1:
        array = rng.choice(np.array([0, 1, 127, 254, 255], dtype=np.uint8), size=shape)
    else:
        steps = rng.integers(-4, 5, size=shape).cumsum(axis=1) + rng.integers(0, 256)
        array = np.clip(steps, 0, 255).astype(np.uint8)
    return Image.fromarray(array)


def ours(image: Image.Image, name: str, **parameters: Any) -> np.ndarray[Any, Any]:
    """The pixels after one call of the native core."""
    array = np.asarray(image)
    size = (*array.shape, 1)[:3]
    made, pixels = _native.apply_calls(image.tobytes(), size, [{name: parameters}], True)
    assert made == size
    return np.frombuffer(pixels, dtype=np.uint8).reshape(array.shape)


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
