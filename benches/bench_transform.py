"""The transform stage: one transform at a time, on decoded photos in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import transforms as T

from .pipelines import job
from .work import SIDES, Work

Measure = Callable[[Work, str], None]

MEAN_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# On images of 500 x 375 pixels, each followed by PILToTensor.
GEOMETRY = {
    "Resize(256)": T.Resize(256),
    "Resize((224, 224)), nearest": T.Resize((224, 224), T.InterpolationMode.NEAREST),
    "Resize((224, 224)), bicubic": T.Resize((224, 224), T.InterpolationMode.BICUBIC),
    "Resize((224, 224)), lanczos": T.Resize((224, 224), T.InterpolationMode.LANCZOS),
    "CenterCrop(224)": T.CenterCrop(224),
    "RandomCrop(224, padding=8), reflected": T.RandomCrop(224, padding=8, padding_mode="reflect"),
    "RandomResizedCrop(224)": T.RandomResizedCrop(224),
    "RandomHorizontalFlip": T.RandomHorizontalFlip(),
    "RandomVerticalFlip": T.RandomVerticalFlip(),
    "Pad(16)": T.Pad(16),
}
# On images of 224 x 224 pixels.
VALUES: dict[str, list[Any]] = {
    "ToTensor": [T.ToTensor()],
    "ToTensor, Normalize": [T.ToTensor(), T.Normalize(*MEAN_STD)],
    "ToTensor, Normalize, to bfloat16": [T.ToTensor(), T.Normalize(*MEAN_STD), T.ConvertImageDtype(torch.bfloat16)],
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", GEOMETRY)
def bench_geometry(measure: Measure, name: str, side: str, images: list[Image.Image]) -> None:
    measure(job(name, [GEOMETRY[name], T.PILToTensor()], images), side)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", VALUES)
def bench_values(measure: Measure, name: str, side: str, images: list[Image.Image]) -> None:
    small = [image.resize((224, 224)) for image in images]
    measure(job(name, VALUES[name], small), side)
