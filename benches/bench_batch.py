"""The batch stage: samples side by side, and one-hot rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import default_collate

import torchfeed
from replay import same

from .work import SIDES, Work

Measure = Callable[[Work, str], None]


@pytest.mark.parametrize("side", SIDES)
def bench_collate(measure: Measure, side: str) -> None:
    samples = list(torch.rand(128, 3, 224, 224, generator=torch.Generator().manual_seed(0)).unbind())

    def check() -> None:
        same(torchfeed.default_collate(samples), default_collate(samples))

    work = Work(
        "collate 128 x (3, 224, 224) float32",
        torchfeed=lambda: torchfeed.default_collate(samples),
        torchvision=lambda: default_collate(samples),
        check=check,
        amount=len(samples) * samples[0].nbytes / 1e9,
        unit="GB",
    )
    measure(work, side)


@pytest.mark.parametrize("side", SIDES)
def bench_one_hot(measure: Measure, side: str) -> None:
    labels = torch.randint(1000, (4096,), generator=torch.Generator().manual_seed(0))

    def check() -> None:
        same(torchfeed.one_hot(labels, 1000, dtype=torch.float32), F.one_hot(labels, 1000).float())

    work = Work(
        "one-hot 4096 x 1000 float32",
        torchfeed=lambda: torchfeed.one_hot(labels, 1000, dtype=torch.float32),
        torchvision=lambda: F.one_hot(labels, 1000).float(),
        check=check,
        amount=4096 * 1000 * 4 / 1e9,
        unit="GB",
    )
    measure(work, side)
