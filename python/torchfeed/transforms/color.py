"""Transforms of colours, on PIL images."""

from __future__ import annotations

import math

from .base import NativeTransform

__all__ = [
    "RGB",
    "ColorJitter",
    "Grayscale",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomSolarize",
]

_Range = float | tuple[float, float]


def _range(value: _Range, name: str, centre: float, least: float, most: float) -> tuple[float, float] | None:
    """Reads a range, which one number stretches to both sides of the centre; `None` where it is no more than that."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"{name}={value}: a single number must not be negative; give a pair for other ranges")
        value = (max(centre - value, least) if centre else -float(value), centre + value)
    low, high = map(float, value)
    if not least <= low <= high <= most:
        raise ValueError(f"{name}={value}: a range must rise, from {least} to {most}")
    return None if low == high == centre else (low, high)


class ColorJitter(NativeTransform):
    """Changes brightness, contrast, saturation and hue, in a random order; `torchvision.transforms.ColorJitter`.

    Args:
        brightness: the range of the factor, or how far it goes to both sides of 1 (not below 0); 0 leaves it out.
        contrast: the same.
        saturation: the same.
        hue: the range in turns of the colour wheel, within -0.5 and 0.5, or how far it goes to both sides of 0.

    Raises:
        ValueError: a range that falls, or leads beyond its limits.

    Example:
        >>> ColorJitter(brightness=0.4, hue=0.1)
        ColorJitter(brightness=(0.6, 1.4), contrast=None, saturation=None, hue=(-0.1, 0.1))
    """

    def __init__(self, brightness: _Range = 0, contrast: _Range = 0, saturation: _Range = 0, hue: _Range = 0) -> None:
        self.brightness = _range(brightness, "brightness", 1, 0, math.inf)
        self.contrast = _range(contrast, "contrast", 1, 0, math.inf)
        self.saturation = _range(saturation, "saturation", 1, 0, math.inf)
        self.hue = _range(hue, "hue", 0, -0.5, 0.5)


class Grayscale(NativeTransform):
    """Makes an image gray; `torchvision.transforms.Grayscale`.

    Args:
        num_output_channels: 1 for an image of mode L, 3 for one of mode RGB.

    Raises:
        ValueError: another number.
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in {1, 3}:
            raise ValueError(f"num_output_channels must be 1 or 3: {num_output_channels}")
        self.num_output_channels = num_output_channels


class RGB(NativeTransform):
    """Makes a gray image RGB, and leaves others as they are; `torchvision.transforms.v2.RGB`."""


class RandomChannelPermutation(NativeTransform):
    """Brings the channels of an image into any order; `torchvision.transforms.v2.RandomChannelPermutation`."""


class RandomPhotometricDistort(NativeTransform):
    """Distorts colours as SSD does; `torchvision.transforms.v2.RandomPhotometricDistort`.

    Brightness, contrast, saturation, hue and the order of the channels change, each with probability `p`. The contrast
    changes before saturation and hue or after them, as likely.

    Args:
        brightness: the range of the factor, not below 0.
        contrast: the same.
        saturation: the same.
        hue: the range in turns of the colour wheel, within -0.5 and 0.5.
        p: the probability of each.

    Raises:
        ValueError: when applied: a range that falls, or leads beyond its limits.
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.p = p


class RandomGrayscale(NativeTransform):
    """Makes an image gray with probability `p`, with as many channels; `torchvision.transforms.RandomGrayscale`."""

    def __init__(self, p: float = 0.1) -> None:
        self.p = p


class RandomAutocontrast(NativeTransform):
    """Stretches each channel to all 256 values with probability `p`; `torchvision.transforms.RandomAutocontrast`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomEqualize(NativeTransform):
    """Equalizes each channel's histogram with probability `p`; `torchvision.transforms.RandomEqualize`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomInvert(NativeTransform):
    """Inverts the colours of an image with probability `p`; `torchvision.transforms.RandomInvert`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomPosterize(NativeTransform):
    """Keeps the highest bits of each value with probability `p`; `torchvision.transforms.RandomPosterize`.

    Args:
        bits: how many bits are kept, 1 to 8.
        p: the probability.

    Raises:
        ValueError: when applied: another number of bits.
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        self.bits = bits
        self.p = p


class RandomSolarize(NativeTransform):
    """Inverts the values that are not below a threshold, with probability `p`; `torchvision.transforms.RandomSolarize`.

    Args:
        threshold: any number; a value that is equal is inverted.
        p: the probability.
    """

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        self.threshold = threshold
        self.p = p
