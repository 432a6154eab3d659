"""The decode stage: image files to uint8 tensors, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision
from torchvision.transforms import PILToTensor

import torchfeed
from oracle import same

from .work import SIDES, Work

Measure = Callable[[Work, str], None]


@pytest.mark.parametrize("side", SIDES)
def bench_decode(measure: Measure, side: str, photos: Path, quick: bool) -> None:
    ours = torchfeed.datasets.ImageFolder(photos, torchfeed.transforms.PILToTensor())
    theirs = torchvision.datasets.ImageFolder(photos, PILToTensor())
    indices = range(0, len(ours), 1 + len(ours) // (8 if quick else 100))

    def check() -> None:
        for (image, label), index in zip(ours.__getitems__(indices), indices, strict=True):
            same(image, theirs[index][0], theirs.samples[index])
            assert label == theirs[index][1]

    work = Work(
        "photo file to uint8 tensor",
        torchfeed=lambda: ours.__getitems__(indices),
        torchvision=lambda: [theirs[index] for index in indices],
        check=check,
        amount=len(indices),
    )
    measure(work, side)
