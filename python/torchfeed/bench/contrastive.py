"""Recipes of contrastive learning: several views of one image, blurred by Pillow.

torch's loader gets the classes that the code of these methods defines for itself: a blur, and what calls a transform
for each view. torchfeed's gets `torchfeed.transforms.Views` and `RandomGaussianBlur`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageFilter
from torchvision import transforms as T

from torchfeed.transforms import RandomGaussianBlur, Views

from .tasks import MEAN_STD, SIZE

__all__ = ["PillowBlur", "dino", "dino_of_torch", "moco", "moco_of_torch", "simclr", "simclr_of_torch"]

LOCAL = 96
RADIUS = (0.1, 2.0)
BICUBIC = T.InterpolationMode.BICUBIC

Blur = Callable[[float], Any]
"""Makes a blur of a probability."""


class PillowBlur:
    """Blurs an image as the code of MoCo, SimCLR and DINO does, with a radius that Python's `random` draws."""

    def __init__(self, radius: Sequence[float]) -> None:
        self.radius = radius

    def __call__(self, image: Image.Image) -> Image.Image:
        """Blurs an image."""
        return image.filter(ImageFilter.GaussianBlur(random.uniform(*self.radius)))  # noqa: S311


class TwoCropsTransform:
    """Calls one transform twice: the query and the key."""

    def __init__(self, base: Callable[[Any], Any]) -> None:
        self.base = base

    def __call__(self, image: Any) -> list[Any]:
        """Makes the views."""
        return [self.base(image), self.base(image)]


class MultiCrop:
    """Calls a transform for each view of DINO: two global ones, and eight local ones."""

    def __init__(self, first: Any, second: Any, local: Any) -> None:
        self.first, self.second, self.local = first, second, local

    def __call__(self, image: Any) -> list[Any]:
        """Makes the views."""
        return [self.first(image), self.second(image), *(self.local(image) for _ in range(8))]


def _by_pillow(p: float) -> Any:
    return T.RandomApply([PillowBlur(RADIUS)], p=p)


def _by_torchfeed(p: float) -> Any:
    return RandomGaussianBlur(RADIUS, p=p)


def _values() -> list[Any]:
    return [T.ToTensor(), T.Normalize(*MEAN_STD)]


def _jitter(strength: float, hue: float, saturation: float | None = None) -> Any:
    jitter = T.ColorJitter(strength, strength, strength if saturation is None else saturation, hue)
    return T.RandomApply([jitter], p=0.8)


def _simclr(blur: Blur) -> Any:
    steps = [T.RandomResizedCrop(SIZE), T.RandomHorizontalFlip(), _jitter(0.8, 0.2), T.RandomGrayscale(p=0.2)]
    return T.Compose([*steps, blur(0.5), *_values()])


def _moco(blur: Blur) -> Any:
    steps = [T.RandomResizedCrop(SIZE, scale=(0.2, 1.0)), _jitter(0.4, 0.1), T.RandomGrayscale(p=0.2), blur(0.5)]
    return T.Compose([*steps, T.RandomHorizontalFlip(), *_values()])


def _dino(blur: Blur) -> tuple[Any, Any, Any]:
    def view(size: int, scale: tuple[float, float], *last: Any) -> Any:
        crop = T.RandomResizedCrop(size, scale=scale, interpolation=BICUBIC)
        color = [_jitter(0.4, 0.1, saturation=0.2), T.RandomGrayscale(p=0.2)]
        return T.Compose([crop, T.RandomHorizontalFlip(), *color, *last, *_values()])

    first, second = view(SIZE, (0.4, 1.0), blur(1.0)), view(SIZE, (0.4, 1.0), blur(0.1), T.RandomSolarize(128, p=0.2))
    return first, second, view(LOCAL, (0.05, 0.4), blur(0.5))


def simclr() -> Any:
    """SimCLR's two views, for torchfeed."""
    return Views([_simclr(_by_torchfeed)] * 2)


def simclr_of_torch() -> Any:
    """SimCLR's two views, for torch."""
    return TwoCropsTransform(_simclr(_by_pillow))


def moco() -> Any:
    """MoCo's two views (version 2), for torchfeed."""
    return Views([_moco(_by_torchfeed)] * 2)


def moco_of_torch() -> Any:
    """MoCo's two views (version 2), for torch."""
    return TwoCropsTransform(_moco(_by_pillow))


def dino() -> Any:
    """DINO's ten views, for torchfeed."""
    first, second, local = _dino(_by_torchfeed)
    return Views([first, second, *[local] * 8])


def dino_of_torch() -> Any:
    """DINO's ten views, for torch."""
    return MultiCrop(*_dino(_by_pillow))
