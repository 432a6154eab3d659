"""Conversions between arrays, PIL images and native sources of pixels in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from torchfeed import _native
from torchfeed.util.dlpack import lend_array

__all__ = ["array_source", "to_image", "to_pil"]


def array_source(array: np.ndarray[Any, Any]) -> _native.Source:
    """Wraps decoded images, uint8 of shape (N, H, W, C) with C 1 or 3.

    The array's memory is used, not copied, unless it has a negative stride.

    Raises:
        TypeError: another dtype.
        ValueError: another shape.
    """
    if array.dtype != np.uint8:
        raise TypeError(f"images in memory must be uint8, not {array.dtype}")
    if min(array.strides, default=0) < 0:
        array = array.copy()
    return _native.Source.array(lend_array(array))


def to_image(size: tuple[int, int, int], pixels: bytes) -> Image.Image:
    """Makes a PIL image of (height, width, channels) and its pixels."""
    height, width, channels = size
    return Image.frombytes("RGB" if channels == 3 else "L", (width, height), pixels)


def to_pil(image: Tensor) -> Image.Image:
    """Makes a PIL image, RGB or L, of uint8 pixels (C, H, W) that lie in memory as (H, W, C)."""
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array if array.shape[2] == 3 else array[..., 0])
