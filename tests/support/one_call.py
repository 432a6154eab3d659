"""One call of the native core on a picture of any size and kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from torchfeed import _native

__all__ = ["ours", "picture"]

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
