"""Transforms that blur and sharpen, on PIL images."""

from __future__ import annotations

from collections.abc import Sequence

from .base import NativeTransform

__all__ = ["GaussianBlur", "RandomAdjustSharpness", "RandomGaussianBlur"]

LARGEST = 65536.0
"""The largest radius."""


def _range(value: float | Sequence[float], name: str, least: float) -> tuple[float, float]:
    """Reads a number, or two that rise."""
    low, high = (value, value) if isinstance(value, (int, float)) else value
    if not least <= low <= high <= LARGEST:
        raise ValueError(f"{name} must be a number, or two that rise, between {least:g} and {LARGEST:g}: {value}")
    return float(low), float(high)


class GaussianBlur(NativeTransform):
    """Blurs an image by a kernel of a random width; `torchvision.transforms.GaussianBlur`.

    Sums are made in the order of torch's convolution on x86 processors. Where torch adds in another order, at most one
    value in 10,000 differs, by one level of 255.

    Args:
        kernel_size: the pixels that are read around each pixel, an odd number; of two, the first is across. Half of it
            must be less than the edge of the image.
        sigma: the standard deviation in pixels; of two numbers, it lies between them, all equally likely.

    Raises:
        ValueError: another size than one or two odd numbers; standard deviations that do not rise, or are not between
            1e-6 and 65536; when applied: a kernel that is too large for the image.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        sizes = sizes * 2 if len(sizes) == 1 else sizes
        if len(sizes) != 2 or not all(isinstance(size, int) and size > 0 and size % 2 for size in sizes):
            raise ValueError(f"kernel_size must be one or two odd and positive numbers: {kernel_size}")
        self.kernel_size = sizes
        self.sigma = _range(sigma, "sigma", 1e-6)


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
        self.radius = _range(radius, "radius", 0)
        self.p = p
