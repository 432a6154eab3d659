"""The `sample_source` protocol: a dataset gives image and target of one sample at a time, when they are needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from torchfeed.util.dlpack import lend_array

from .leaf import Leaf

__all__ = ["Given", "give", "give_with_metadata"]

Given = tuple[Any, ...] | None
"""An item of `_native.Source.provided`: a path, the bytes of a file, or pixels; `None` where the sample is listed."""

Metadata = dict[Any, Any]
"""The `info` of a PIL image."""


def give(samples: Sequence[tuple[Leaf, int]]) -> tuple[list[Given] | None, list[Any]]:
    """Asks for the images and targets of a batch.

    Args:
        samples: datasets, and an index in each.

    Returns:
        The images, or `None` where all datasets list theirs; and the targets, before any target_transform.

    Raises:
        TypeError: what `sample_source` returned is no image.
    """
    items, targets, _ = give_with_metadata(samples)
    return items, targets


def give_with_metadata(samples: Sequence[tuple[Leaf, int]]) -> tuple[list[Given] | None, list[Any], list[Metadata]]:
    """Asks for the images and targets of a batch as `give` does, and for the metadata of images that are decoded.

    Raises:
        TypeError: what `sample_source` returned is no image.
    """
    given = [None if leaf.brings is None else leaf.brings(index) for leaf, index in samples]
    targets = [
        leaf.targets[index] if pair is None else pair[1] for (leaf, index), pair in zip(samples, given, strict=True)
    ]
    if not any(leaf.brings for leaf, _ in samples):
        return None, targets, [{} for _ in samples]
    images = [None if pair is None else _as_rgb(pair[0]) for pair in given]
    items = [
        None if leaf.brings is None else _item(image, leaf, index)
        for (leaf, index), image in zip(samples, images, strict=True)
    ]
    return items, targets, [image.info if isinstance(image, Image.Image) else {} for image in images]


def _as_rgb(image: Any) -> Any:
    return image.convert("RGB") if isinstance(image, Image.Image) else image


def _item(image: Any, leaf: Leaf, index: int) -> Given:
    if isinstance(image, (str, os.PathLike)):
        return "path", os.fsencode(image)
    if isinstance(image, bytes):
        return "bytes", image
    array = np.asarray(image) if isinstance(image, Image.Image) else image
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or not _is_image(array.shape):
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(image).__name__
        raise TypeError(
            f"{type(leaf.dataset).__name__}.sample_source({index}) returned {what}: an image is a path, the bytes of "
            "a file, a PIL image, or a uint8 array of shape (H, W, 3) or (H, W)"
        )
    array = array[..., None] if array.ndim == 2 else array
    # Gray becomes RGB, as from a file.
    array = np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))
    return "array", lend_array(array)


def _is_image(shape: tuple[int, ...]) -> bool:
    return min(shape) > 0 and (len(shape) == 2 or (len(shape) == 3 and shape[2] in {1, 3}))
