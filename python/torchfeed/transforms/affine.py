"""Transforms that map an image to another, on PIL images: rotations, affine maps, perspectives."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from PIL import Image

from .base import NativeTransform

__all__ = ["RandomAffine", "RandomPerspective", "RandomRotation"]

Resampling = Image.Resampling
Angles = float | Sequence[float]
Fill = float | Sequence[float] | None


def _angles(value: Angles, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """Reads bounds of an angle as torchvision does: one number is plus or minus that."""
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive.")
        value = [-value, value]  # type: ignore[operator, list-item]
    _check_sequence(value, name, sizes)
    return [float(each) for each in value]  # type: ignore[union-attr]


def _check_sequence(value: Any, name: str, sizes: tuple[int, ...] = (2,)) -> None:
    size = " or ".join(map(str, sizes))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {size}.")
    if len(value) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {size}.")


def _fill(fill: Fill) -> float | Sequence[float]:
    if fill is not None and not isinstance(fill, (Sequence, numbers.Number)):
        raise TypeError("Fill should be either a sequence or a number.")
    return 0 if fill is None else fill


class RandomRotation(NativeTransform):
    """Rotates an image by a random angle; `torchvision.transforms.RandomRotation`.

    Args:
        degrees: bounds of the angle, counter-clockwise; a number stands for plus or minus that.
        interpolation: nearest, bilinear or bicubic, of `PIL.Image.Resampling` or torchvision's `InterpolationMode`.
        expand: whether the output is so large that it holds the whole rotated image.
        center: the place that stays, (x, y); the middle, where none is given.
        fill: the colour outside of the image, one number or one for each channel.

    Raises:
        TypeError: `degrees`, `center` or `fill` are neither a number nor a sequence where they may be.
        ValueError: `degrees` or `center` are not two values, or `degrees` is a negative number.
    """

    def __init__(
        self,
        degrees: Angles,
        interpolation: Any = Resampling.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ) -> None:
        self.degrees = _angles(degrees, "degrees")
        if center is not None:
            _check_sequence(center, "center")
        self.center = center
        self.interpolation = interpolation
        self.expand = expand
        self.fill = _fill(fill)


class RandomAffine(NativeTransform):
    """Rotates, moves, scales and shears an image at random; `torchvision.transforms.RandomAffine`.

    Args:
        degrees: bounds of the angle, clockwise; a number stands for plus or minus that.
        translate: the most that the image is moved, as shares of its width and of its height.
        scale: bounds of the factor of lengths.
        shear: bounds of the shear along x in degrees, and perhaps along y; a number is plus or minus that along x.
        interpolation: nearest, bilinear or bicubic, of `PIL.Image.Resampling` or torchvision's `InterpolationMode`.
        fill: the colour outside of the image, one number or one for each channel.
        center: the place that stays, (x, y); the middle, where none is given.

    Raises:
        TypeError: an argument is neither a number nor a sequence where it may be.
        ValueError: an argument has another number of values, or a value that is out of range.
    """

    def __init__(
        self,
        degrees: Angles,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Angles | None = None,
        interpolation: Any = Resampling.NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = _angles(degrees, "degrees")
        if translate is not None:
            _check_sequence(translate, "translate")
            if not all(0.0 <= share <= 1.0 for share in translate):
                raise ValueError("translation values should be between 0 and 1")
        self.translate = translate
        if scale is not None:
            _check_sequence(scale, "scale")
            if any(factor <= 0 for factor in scale):
                raise ValueError("scale values should be positive")
        self.scale = scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        self.interpolation = interpolation
        self.fill = _fill(fill)
        if center is not None:
            _check_sequence(center, "center")
        self.center = center


class RandomPerspective(NativeTransform):
    """Moves the corners of an image inwards with probability `p`; `torchvision.transforms.RandomPerspective`.

    Args:
        distortion_scale: how far they move at most, as a share of half an edge: 0 to 1.
        p: the probability.
        interpolation: nearest, bilinear or bicubic, of `PIL.Image.Resampling` or torchvision's `InterpolationMode`.
        fill: the colour outside of the image, one number or one for each channel.

    Raises:
        TypeError: `fill` is neither a number nor a sequence.
        ValueError: when applied: the image has an edge of one pixel.
    """

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = Resampling.BILINEAR, fill: Fill = 0
    ) -> None:
        self.p = p
        self.interpolation = interpolation
        self.distortion_scale = distortion_scale
        self.fill = _fill(fill)
