"""Transforms that blur and sharpen, on PIL images."""

from __future__ import annotations

from collections.abc import Sequence

from .base import NativeTransform

__all__ = ["RandomAdjustSharpness", "RandomGaussianBlur"]

LARGEST = 65536.0
"""The largest radius."""


class RandomAdjustSharpness(NativeTransform):
    """Changes the sharpness of an image with probability `p`; `torchvision.transforms.RandomAdjustSharpness`.

    Args:
        sharpness_factor: 0 smooths the image, 1 leaves it as it is, 2 sharpens it.
        p: the probability.
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        self.sharpness_factor = sharpness_factor
        self.p = p


class RandomGaussianBlur(NativeTransform):
    """Blurs an image with probability `p`, as `PIL.ImageFilter.GaussianBlur` with a random radius does.

    It is the blur that the code of MoCo, SimCLR and DINO defines. `torchvision.transforms.GaussianBlur` is another one:
    its kernel ends where its size says.

    Args:
        radius: the standard deviation in pixels; of two numbers, it lies between them, all equally likely.
        p: the probability.

    Raises:
        ValueError: radii that do not rise, or are not between 0 and 65536.
    """

    def __init__(self, radius: float | Sequence[float] = (0.1, 2.0), p: float = 0.5) -> None:
        low, high = (radius, radius) if isinstance(radius, (int, float)) else radius
        if not 0 <= low <= high <= LARGEST:
            raise ValueError(f"radius must be a number, or two that rise, between 0 and {LARGEST:g}: {radius}")
        self.radius = (float(low), float(high))
        self.p = p
