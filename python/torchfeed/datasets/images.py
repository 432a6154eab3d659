"""A list of images: paths, files in memory, or pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from torchfeed import _native
from torchfeed.plan.pixels import array_source

from .native import InMemoryDataset

__all__ = ["ImageList"]


class ImageList(InMemoryDataset):
    """Images that are listed rather than found: by path, as the bytes of image files, or as pixels.

    Args:
        images: paths; or the bytes of image files (JPEG, PNG, or whatever Pillow opens); or a uint8 array of pixels,
            shape (N, H, W, 3), or (N, H, W) or (N, H, W, 1) for gray, which is used and not copied.
        targets: the class index of each image; all 0 where left out.
        transform: what is done to each image.
        target_transform: what is done to each class index.

    Raises:
        TypeError: images of another type.
        ValueError: not one target for each image, or an array of another shape.

    Example:
        >>> dataset = ImageList(["a.jpg", "b.png"], [0, 1], transform=Compose([Resize((64, 64)), ToTensor()]))
        >>> len(dataset)
        2
    """

    memory: ClassVar[str] = "images"

    def __init__(
        self,
        images: Sequence[str | os.PathLike[str] | bytes] | np.ndarray[Any, Any],
        targets: Sequence[int] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.images = images
        targets = [0] * len(images) if targets is None else targets
        if len(targets) != len(images):
            raise ValueError(f"{len(targets)} targets for {len(images)} images")
        super().__init__(self.make_source(), targets, transform, target_transform)

    def make_source(self) -> _native.Source:
        """Lists `images`; pixels are used as they are, without a copy."""
        return _source(self.images)


def _source(images: Any) -> _native.Source:
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim not in {3, 4}:
            raise TypeError(f"pixels are uint8 of shape (N, H, W, C) or (N, H, W), not {images.dtype} {images.shape}")
        return array_source(images if images.ndim == 4 else images[..., None])
    if all(isinstance(image, bytes) for image in images):
        return _native.Source.blobs(images)
    if all(isinstance(image, (str, os.PathLike)) for image in images):
        return _native.Source.files(os.fsencode(path) for path in images)
    kinds = sorted({type(image).__name__ for image in images})
    raise TypeError(f"images are all paths, or all bytes, or one array of pixels, not {', '.join(kinds)}")
