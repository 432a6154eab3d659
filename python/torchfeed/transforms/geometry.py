"""Transforms of geometry, on PIL images: resize, crop, pad and flip."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

from PIL import Image

from .base import NativeTransform

__all__ = [
    "CenterCrop",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResize",
    "RandomResizedCrop",
    "RandomShortestSize",
    "RandomVerticalFlip",
    "RandomZoomOut",
    "Resize",
    "ScaleJitter",
]

Resampling = Image.Resampling
PaddingMode = Literal["constant", "edge", "reflect", "symmetric"]
_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Reads a size as torchvision does: an int is a square, a pair is (height, width)."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return size[0], size[1]


class Resize(NativeTransform):
    """Resizes an image, bit for bit as `torchvision.transforms.Resize` does on PIL images.

    Args:
        size: (height, width), or an int for the smaller edge, keeping the aspect ratio.
        interpolation: a filter of `PIL.Image.Resampling`, or torchvision's `InterpolationMode`.
        max_size: the most pixels of the larger edge; only where `size` is an int.
        antialias: for torchvision's sake; PIL images are always antialiased.

    Raises:
        TypeError: `size` is neither an int nor a sequence.
        ValueError: `size` has more than two values, or `max_size` is not larger than `size`.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: Any = Resampling.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in {1, 2}:
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        if max_size is not None:
            if isinstance(size, Sequence) and len(size) == 2:
                raise ValueError("max_size should only be passed if size specifies the length of the smaller edge")
            edge = size[0] if isinstance(size, Sequence) else size
            if max_size <= edge:
                raise ValueError(f"max_size = {max_size} must be strictly greater than the smaller edge, {edge}")
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias


class CenterCrop(NativeTransform):
    """Crops the centre of an image, padding it with black where it is smaller; `torchvision.transforms.CenterCrop`.

    Args:
        size: (height, width), or an int for a square.
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = _pair(size)


def _check_padding(padding: Any, fill: Any, padding_mode: str) -> None:
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(fill, (int, float, tuple, list)):
        raise TypeError("Got inappropriate fill arg")
    if padding_mode not in _PADDING_MODES:
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if isinstance(padding, (tuple, list)) and len(padding) not in {1, 2, 4}:
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")


class Pad(NativeTransform):
    """Pads an image; `torchvision.transforms.Pad`.

    Args:
        padding: pixels on every side; or (left and right, top and bottom); or (left, top, right, bottom). Negative
            ones are cut off.
        fill: the colour for ``"constant"``, 0 to 255, one number or one per channel.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a padding of other than 1, 2 or 4 values, or an unknown mode.
    """

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: PaddingMode = "constant") -> None:
        _check_padding(padding, fill, padding_mode)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode


class RandomCrop(NativeTransform):
    """Crops an image at a random place; `torchvision.transforms.RandomCrop`.

    Args:
        size: (height, width), or an int for a square.
        padding: padding before the crop, as in `Pad`.
        pad_if_needed: pad an image that is smaller than the crop.
        fill: the padding's colour, as in `Pad`.
        padding_mode: as in `Pad`.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a wrong size or padding. When applied: the image is smaller than the crop.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: PaddingMode = "constant",
    ) -> None:
        _check_padding(0 if padding is None else padding, fill, padding_mode)
        self.size = _pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode


class RandomResizedCrop(NativeTransform):
    """Crops a random area and aspect ratio and resizes it; `torchvision.transforms.RandomResizedCrop`.

    Args:
        size: the output's (height, width), or an int for a square.
        scale: bounds of the crop's share of the image's area.
        ratio: bounds of the crop's width / height.
        interpolation: a filter of `PIL.Image.Resampling`, or torchvision's `InterpolationMode`.
        antialias: for torchvision's sake; PIL images are always antialiased.

    Raises:
        TypeError: `scale` or `ratio` is not a sequence.
        ValueError: `size` has more than two values.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = Resampling.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.size = _pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias


class RandomHorizontalFlip(NativeTransform):
    """Mirrors an image left to right with probability `p`; `torchvision.transforms.RandomHorizontalFlip`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomVerticalFlip(NativeTransform):
    """Turns an image upside down with probability `p`; `torchvision.transforms.RandomVerticalFlip`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomResize(NativeTransform):
    """Resizes an image so that its smaller edge has a random length; `torchvision.transforms.v2.RandomResize`.

    Args:
        min_size: the least pixels of the smaller edge.
        max_size: one more than the most.
        interpolation: a filter of `PIL.Image.Resampling`, or torchvision's `InterpolationMode`.
        antialias: for torchvision's sake; PIL images are always antialiased.

    Raises:
        ValueError: sizes that are not positive, or do not rise.
    """

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = Resampling.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        if not 0 < min_size < max_size:
            raise ValueError(f"min_size and max_size must be positive and rise: {min_size}, {max_size}")
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias


class RandomShortestSize(NativeTransform):
    """Resizes an image so that its smaller edge has one of several lengths.

    It is `torchvision.transforms.v2.RandomShortestSize`.

    Args:
        min_size: the lengths, all equally likely, or one.
        max_size: the most pixels of the larger edge.
        interpolation: a filter of `PIL.Image.Resampling`, or torchvision's `InterpolationMode`.
        antialias: for torchvision's sake; PIL images are always antialiased.

    Raises:
        ValueError: when applied: nothing is left of an edge.
    """

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: Any = Resampling.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias


class ScaleJitter(NativeTransform):
    """Resizes an image to a random scale of another size; `torchvision.transforms.v2.ScaleJitter`.

    Args:
        target_size: the (width, height) that an image of scale 1 just fits into. (The order is torchvision's.)
        scale_range: the range of scales.
        interpolation: a filter of `PIL.Image.Resampling`, or torchvision's `InterpolationMode`.
        antialias: for torchvision's sake; PIL images are always antialiased.

    Raises:
        ValueError: when applied: nothing is left of an edge.
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = Resampling.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias


class RandomZoomOut(NativeTransform):
    """Puts an image somewhere on a larger canvas, with probability `p`; `torchvision.transforms.v2.RandomZoomOut`.

    Args:
        fill: the colour of the canvas, 0 to 255, one number or one per channel.
        side_range: the range of the canvas' edges, as parts of the image's, from 1 on.
        p: the probability.

    Raises:
        ValueError: a range that falls, or begins below 1.
    """

    def __init__(
        self,
        fill: int | Sequence[int] = 0,
        side_range: Sequence[float] = (1.0, 4.0),
        p: float = 0.5,
    ) -> None:
        if not 1.0 <= side_range[0] <= side_range[1]:
            raise ValueError(f"side_range must begin at 1 or above, and rise: {side_range}")
        self.fill = fill
        self.side_range = side_range
        self.p = p
