"""Transforms that blur and sharpen, on PIL images."""

from __future__ import annotations

from .base import NativeTransform

__all__ = ["RandomAdjustSharpness", "RandomGaussianBlur"]


class RandomAdjustSharpness(NativeTransform):
    """Changes the sharpness with probability `p`; `torchvision.transforms.RandomAdjustSharpness`.

    Args:
        sharpness_factor: 0 smooths the image, 1 leaves it as it is, 2 sharpens it; any number from 0 on.
        p: the probability.
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        self.sharpness_factor = sharpness_factor
        self.p = p


class RandomGaussianBlur(NativeTransform):
    """Blurs with probability `p` by `PIL.ImageFilter.GaussianBlur`, its radius drawn evenly from a range.

    It is the blur that MoCo, SimCLR, BYOL and DINO write as a class of their own. It has another kernel than
    `torchvision.transforms.GaussianBlur`, and is faster.

    Args:
        radius: the least and the largest standard deviation, in pixels, 0 to 1000.
        p: the probability.

    Raises:
        ValueError: when applied: a range that falls, or leads beyond its limits.

    Example:
        >>> RandomGaussianBlur(p=0.5)
        RandomGaussianBlur(radius=(0.1, 2.0), p=0.5)
    """

    def __init__(self, radius: tuple[float, float] = (0.1, 2.0), p: float = 0.5) -> None:
        self.radius = radius
        self.p = p
