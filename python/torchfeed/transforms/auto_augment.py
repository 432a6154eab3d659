"""Automatic augmentation, of PIL images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from .base import NativeTransform
from .policies import POLICIES, Policy

__all__ = ["AutoAugment", "RandAugment", "TrivialAugmentWide"]

_Fill = float | Sequence[float] | None
_Space = dict[str, tuple[Tensor, bool]]


def _space(bins: int, image_size: tuple[int, int], functions: tuple[str, ...]) -> _Space:
    """The magnitudes of some functions, and whether they have a sign."""
    height, width = image_size
    most = {
        **dict.fromkeys(("ShearX", "ShearY"), 0.3),
        "TranslateX": 150.0 / 331.0 * width,
        "TranslateY": 150.0 / 331.0 * height,
        "Rotate": 30.0,
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 0.9),
    }
    return _magnitudes(bins, most, 4, functions)


def _magnitudes(bins: int, most: dict[str, float], bits: int, functions: tuple[str, ...]) -> _Space:
    signed = {name: (torch.linspace(0.0, value, bins), True) for name, value in most.items()}
    posterize = 8 - (torch.arange(bins) / ((bins - 1) / bits)).round().int()
    unsigned = {"Posterize": (posterize, False), "Solarize": (torch.linspace(255.0, 0.0, bins), False)}
    every = {**signed, **unsigned}
    return {name: every.get(name, (torch.tensor(0.0), False)) for name in functions}


_GEOMETRY = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
_COLOURS = ("Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize")


class RandAugment(NativeTransform):
    """Applies some functions of a set of 14, all with one magnitude; `torchvision.transforms.RandAugment`.

    Args:
        num_ops: how many functions are applied.
        magnitude: the number of the magnitude, from 0 on.
        num_magnitude_bins: how many magnitudes there are.
        interpolation: how images are mapped: nearest, bilinear or bicubic.
        fill: the colour outside: black, a number, or one for each channel.

    Raises:
        ValueError: when applied: a magnitude or an interpolation that there is not.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = Image.Resampling.NEAREST,
        fill: _Fill = None,
    ) -> None:
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        return _space(num_bins, image_size, ("Identity", *_GEOMETRY, *_COLOURS))


class TrivialAugmentWide(NativeTransform):
    """Applies one function of a set of 14, with any magnitude; `torchvision.transforms.TrivialAugmentWide`.

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation: how images are mapped: nearest, bilinear or bicubic.
        fill: the colour outside: black, a number, or one for each channel.

    Raises:
        ValueError: when applied: an interpolation that there is not.
    """

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = Image.Resampling.NEAREST, fill: _Fill = None
    ) -> None:
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins: int) -> _Space:
        most = dict.fromkeys(("ShearX", "ShearY", "Brightness", "Color", "Contrast", "Sharpness"), 0.99)
        most |= {"TranslateX": 32.0, "TranslateY": 32.0, "Rotate": 135.0}
        return _magnitudes(num_bins, most, 6, ("Identity", *_GEOMETRY, *_COLOURS))


class AutoAugment(NativeTransform):
    """Applies one of 25 pairs of functions, which were learned from data; `torchvision.transforms.AutoAugment`.

    Args:
        policy: "imagenet", "cifar10" or "svhn", or torchvision's `AutoAugmentPolicy`.
        interpolation: how images are mapped: nearest, bilinear or bicubic.
        fill: the colour outside: black, a number, or one for each channel.

    Raises:
        ValueError: another policy; when applied: an interpolation that there is not.
    """

    def __init__(
        self, policy: Any = "imagenet", interpolation: Any = Image.Resampling.NEAREST, fill: _Fill = None
    ) -> None:
        self.policy = str(getattr(policy, "value", policy))
        if self.policy not in POLICIES:
            raise ValueError(f"policy={policy!r}: there are {', '.join(POLICIES)}")
        self.interpolation = interpolation
        self.fill = fill

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The pairs: each function with its probability, and the number of its magnitude."""
        return POLICIES[self.policy]

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> _Space:
        return _space(num_bins, image_size, (*_GEOMETRY, *_COLOURS, "Invert"))
