"""The function stage: each colour, filter, map and erasure by itself, on images of 224 x 224 pixels.

Each is applied to every image, and its parameters are drawn where its class draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import v2 as their_v2

from torchfeed.bench.contrastive import PillowBlur
from torchfeed.bench.peers import installed
from torchfeed.transforms import RandomGaussianBlur

from .pipelines import job
from .work import SIDES, Work

Measure = Callable[[Work, str], None]

v2: Any = their_v2  # its names are not exported as a type checker has it

BILINEAR, BICUBIC = T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC
TO_TENSOR = [T.PILToTensor()]

COLOURS = {
    "ColorJitter, brightness": T.ColorJitter(brightness=0.4),
    "ColorJitter, contrast": T.ColorJitter(contrast=0.4),
    "ColorJitter, saturation": T.ColorJitter(saturation=0.4),
    "ColorJitter, hue": T.ColorJitter(hue=0.1),
    "ColorJitter, all four": T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "RandomGrayscale": T.RandomGrayscale(1),
    "RandomAutocontrast": T.RandomAutocontrast(1),
    "RandomEqualize": T.RandomEqualize(1),
    "RandomInvert": T.RandomInvert(1),
    "Grayscale": T.Grayscale(),
    "Grayscale(3)": T.Grayscale(3),
    "RandomChannelPermutation": v2.RandomChannelPermutation(),
    "RandomPhotometricDistort": v2.RandomPhotometricDistort(p=1),
    "RandomPosterize(3)": T.RandomPosterize(3, 1),
    "RandomSolarize(128)": T.RandomSolarize(128, 1),
}
FILTERS = {
    "RandomAdjustSharpness(2)": T.RandomAdjustSharpness(2, 1),
    "GaussianBlur(9)": T.GaussianBlur(9, (0.1, 2.0)),
    "GaussianBlur(23)": T.GaussianBlur(23, (0.1, 2.0)),
    "RandomGaussianBlur(0.5)": RandomGaussianBlur(0.5, 1),
    "RandomGaussianBlur(2)": RandomGaussianBlur(2, 1),
    "RandomGaussianBlur(10)": RandomGaussianBlur(10, 1),
}
WARPS = {
    "RandomRotation(30)": T.RandomRotation(30),
    "RandomRotation(30), bilinear": T.RandomRotation(30, BILINEAR),
    "RandomRotation(30), bicubic": T.RandomRotation(30, BICUBIC),
    "RandomRotation(30), expand": T.RandomRotation((30, 30), expand=True),  # images of one size make a batch
    "RandomAffine, moved": T.RandomAffine(0, translate=(0.3, 0.3)),
    "RandomAffine, all": T.RandomAffine(30, (0.1, 0.1), (0.8, 1.2), 10),
    "RandomAffine, all, bilinear": T.RandomAffine(30, (0.1, 0.1), (0.8, 1.2), 10, interpolation=BILINEAR),
    "RandomAffine, all, bicubic": T.RandomAffine(30, (0.1, 0.1), (0.8, 1.2), 10, interpolation=BICUBIC),
    "RandomPerspective": T.RandomPerspective(p=1),
    "RandomPerspective, nearest": T.RandomPerspective(p=1, interpolation=T.InterpolationMode.NEAREST),
    "RandomPerspective, bicubic": T.RandomPerspective(p=1, interpolation=BICUBIC),
}
SIZES: dict[str, list[Any]] = {  # then cropped, so that they make a batch
    "RandomResize": [v2.RandomResize(160, 320), T.CenterCrop(160)],
    "RandomShortestSize": [v2.RandomShortestSize([160, 320]), T.CenterCrop(160)],
    "ScaleJitter": [v2.ScaleJitter((224, 224), (0.8, 1.2)), T.CenterCrop(160)],
    "RandomZoomOut": [v2.RandomZoomOut(p=1), T.CenterCrop(160)],
}
MODES: dict[str, list[Any]] = {
    "RGB": [v2.RGB()],
    "RGB of gray images": [T.Grayscale(), v2.RGB()],
}
COMPOSITIONS = {
    "RandAugment": T.RandAugment(),
    "RandAugment, bilinear": T.RandAugment(interpolation=BILINEAR),
    "RandAugment of v2": v2.RandAugment(),
    "TrivialAugmentWide": T.TrivialAugmentWide(),
    "AutoAugment, ImageNet": T.AutoAugment(),
    "AutoAugment, CIFAR10": T.AutoAugment(T.AutoAugmentPolicy.CIFAR10),
    "AutoAugment, SVHN": T.AutoAugment(T.AutoAugmentPolicy.SVHN),
    "RandomApply of a ColorJitter": T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
    "RandomChoice of three": T.RandomChoice([T.RandomInvert(1), T.RandomEqualize(1), T.RandomRotation(30)]),
    "RandomOrder of three": T.RandomOrder([T.RandomInvert(1), T.RandomEqualize(1), T.RandomRotation(30)]),
}
ERASINGS = {
    "RandomErasing": T.RandomErasing(1),
    "RandomErasing, random": T.RandomErasing(1, value="random"),
}
FUNCTIONS: dict[str, list[Any]] = {
    **{name: [step, *TO_TENSOR] for name, step in {**COLOURS, **FILTERS, **WARPS, **COMPOSITIONS}.items()},
    **{name: [*steps, *TO_TENSOR] for name, steps in {**SIZES, **MODES}.items()},
    **{name: [T.ToTensor(), step] for name, step in ERASINGS.items()},
}
# Classes of our own, and what others write.
THEIRS = {f"RandomGaussianBlur({radius})": PillowBlur((radius, radius)) for radius in (0.5, 2, 10)}

if installed("timm"):
    from timm.data import create_transform

    # With magnitudes that Pillow takes: more of them would posterize to 0 bits now and then.
    TIMM_STRINGS = ("rand-m8-inc1", "original", "v0r", "3a")
    FUNCTIONS |= {
        f"timm, {string}": [create_transform(224, is_training=True, auto_augment=string).transforms[2], *TO_TENSOR]
        for string in TIMM_STRINGS
    }
    FUNCTIONS |= {
        f"timm, erasing, {mode}": [
            T.ToTensor(),
            create_transform(224, is_training=True, re_prob=1.0, re_mode=mode).transforms[-1],
        ]
        for mode in ("const", "rand", "pixel")
    }


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", FUNCTIONS)
def bench_function(measure: Measure, name: str, side: str, images: list[Image.Image]) -> None:
    small = [image.resize((224, 224)) for image in images]
    theirs = [THEIRS[name], *TO_TENSOR] if name in THEIRS else None
    measure(job(name, FUNCTIONS[name], small, theirs), side)
