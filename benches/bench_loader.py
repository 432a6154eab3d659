"""The whole loader: the same torchvision dataset, given to both loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision import transforms as T

import torchfeed
from torchfeed.bench.check import assert_same_bits
from torchfeed.bench.data import cifar
from torchfeed.bench.run import CIFAR_IMAGES
from torchfeed.bench.tasks import TASKS, pipeline

from .work import SIDES, Work

Measure = Callable[[Work, str], None]

PHOTOS = {TASKS[name].title: pipeline(name) for name in ("train", "val")}
OWN = torchfeed.transforms.Compose(
    [
        torchfeed.transforms.RandomResizedCrop(224),
        torchfeed.transforms.RandomHorizontalFlip(),
        torchfeed.transforms.ToTensor(),
        torchfeed.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
ELASTIC = T.Compose(
    [
        T.RandomResizedCrop(224),
        T.RandomHorizontalFlip(),
        T.ElasticTransform(),
        T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


def drain(loader: Iterable[Any]) -> None:
    for _ in loader:
        pass


def job(
    name: str,
    dataset: Any,
    batch_size: int,
    length: int,
    own: Any = None,
) -> Work:
    """Makes the job of one epoch in a fixed, shuffled order, in the caller's thread.

    `own` is the same dataset of our own classes, if that is to be timed beside torchvision's in torch's loader.
    """
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[:length].tolist()
    ours = torchfeed.DataLoader(own or dataset, batch_size, sampler=order)
    theirs = DataLoader(dataset, batch_size, sampler=order)

    def check() -> None:
        assert assert_same_bits(ours, order, dataset) == "same bits"

    return Work(name, lambda: drain(ours), lambda: drain(theirs), check, amount=len(order))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PHOTOS)
def bench_photos(measure: Measure, name: str, side: str, photos: Path, quick: bool) -> None:
    dataset = datasets.ImageFolder(photos, PHOTOS[name])
    measure(job(name, dataset, batch_size=64, length=8 if quick else 500), side)


@pytest.mark.parametrize("side", SIDES)
def bench_own_classes(measure: Measure, side: str, photos: Path, quick: bool) -> None:
    """The first row again, its script written with torchfeed's classes: an unchanged script is to be as fast."""
    name = "photos, train, by torchfeed's own classes"
    dataset, own = (
        datasets.ImageFolder(photos, next(iter(PHOTOS.values()))),
        torchfeed.datasets.ImageFolder(photos, OWN),
    )
    measure(job(name, dataset, batch_size=64, length=8 if quick else 500, own=own), side)


@pytest.mark.parametrize("side", SIDES)
def bench_split(measure: Measure, side: str, photos: Path, quick: bool) -> None:
    """A pipeline that is native in part."""
    dataset = datasets.ImageFolder(photos, ELASTIC)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[: 8 if quick else 500].tolist()
    ours, theirs = torchfeed.DataLoader(dataset, 64, sampler=order), DataLoader(dataset, 64, sampler=order)

    def check() -> None:
        assert assert_same_bits(ours, order) == "same bits, in part by Python"

    name = "photos, train, with ElasticTransform (in Python)"
    measure(Work(name, lambda: drain(ours), lambda: drain(theirs), check, amount=len(order)), side)


@pytest.mark.parametrize("side", SIDES)
def bench_cifar(measure: Measure, side: str, quick: bool) -> None:
    dataset = cifar(256 if quick else CIFAR_IMAGES)
    measure(job(TASKS["cifar"].title, dataset, batch_size=128, length=len(dataset.data)), side)
