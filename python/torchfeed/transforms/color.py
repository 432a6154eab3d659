"""Transforms of colours, on PIL images."""

from __future__ import annotations

from .base import NativeTransform

__all__ = ["RandomInvert", "RandomPosterize", "RandomSolarize"]


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
