"""The whole loader: the same torchvision dataset, given to both loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision import transforms as T

import torchfeed
from replay import functional, same, values

from .work import SIDES, Work

Measure = Callable[[Work, str], None]

IMAGENET = [T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
PHOTOS = {
    "photos, train: RandomResizedCrop(224), flip": T.Compose(
        [T.RandomResizedCrop(224), T.RandomHorizontalFlip(), *IMAGENET]
    ),
    "photos, val: Resize(256), CenterCrop(224)": T.Compose([T.Resize(256), T.CenterCrop(224), *IMAGENET]),
}
OWN = torchfeed.transforms.Compose(
    [
        torchfeed.transforms.RandomResizedCrop(224),
        torchfeed.transforms.RandomHorizontalFlip(),
        torchfeed.transforms.ToTensor(),
        torchfeed.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
JITTER = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4), *IMAGENET])
CIFAR = T.Compose(
    [
        T.RandomCrop(32, padding=4),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    ]
)


def drain(loader: Iterable[Any]) -> None:
    for _ in loader:
        pass


def job(
    name: str, dataset: Any, image: Callable[[int], Image.Image], batch_size: int, length: int, own: Any = None
) -> Work:
    """Makes the job of one epoch in a fixed, shuffled order, in the caller's thread.

    `own` is the same dataset of our own classes, if that is to be timed beside torchvision's in torch's loader.
    """
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[:length].tolist()
    ours = torchfeed.DataLoader(own or dataset, batch_size, sampler=order)
    theirs = DataLoader(dataset, batch_size, sampler=order)

    def check() -> None:
        assert torchfeed.explain(ours).startswith("native, ")
        indices = iter(order)
        for images, labels in ours:
            for made, label, index in zip(images, labels.tolist(), indices, strict=False):
                same(made, values(dataset.transform, functional(image(index), ours.drawn(index))), index)
                assert label == dataset.targets[index]
        assert next(indices, None) is None

    return Work(name, lambda: drain(ours), lambda: drain(theirs), check, amount=len(order))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PHOTOS)
def bench_photos(measure: Measure, name: str, side: str, photos: Path, quick: bool) -> None:
    dataset = datasets.ImageFolder(photos, PHOTOS[name])

    def image(index: int) -> Image.Image:
        decoded: Image.Image = dataset.loader(dataset.samples[index][0])
        return decoded

    measure(job(name, dataset, image, batch_size=64, length=8 if quick else 500), side)


@pytest.mark.parametrize("side", SIDES)
def bench_own_classes(measure: Measure, side: str, photos: Path, quick: bool) -> None:
    """The first row again, its script written with torchfeed's classes: an unchanged script is to be as fast."""
    name = "photos, train, by torchfeed's own classes"
    dataset, own = (
        datasets.ImageFolder(photos, next(iter(PHOTOS.values()))),
        torchfeed.datasets.ImageFolder(photos, OWN),
    )
    measure(job(name, dataset, own.image, batch_size=64, length=8 if quick else 500, own=own), side)


@pytest.mark.parametrize("side", SIDES)
def bench_split(measure: Measure, side: str, photos: Path, quick: bool) -> None:
    """A pipeline that is native in part."""
    dataset = datasets.ImageFolder(photos, JITTER)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[: 8 if quick else 500].tolist()
    ours, theirs = torchfeed.DataLoader(dataset, 64, sampler=order), DataLoader(dataset, 64, sampler=order)

    def check() -> None:
        images = torch.cat([images for images, _ in ours])
        for made, index in zip(images, order, strict=True):
            *calls, (_, python) = ours.drawn(index)
            image: Any = functional(dataset.loader(dataset.samples[index][0]), calls)
            torch.manual_seed(python["seed"])
            for step in JITTER.transforms[2:]:
                image = step(image)
            same(made, image)

    name = "photos, train, with ColorJitter (in Python)"
    measure(Work(name, lambda: drain(ours), lambda: drain(theirs), check, amount=len(order)), side)


@pytest.mark.parametrize("side", SIDES)
def bench_cifar(measure: Measure, side: str, quick: bool) -> None:
    # As torchvision's CIFAR10, but with made images: the real ones are a download.
    dataset = datasets.CIFAR10.__new__(datasets.CIFAR10)
    datasets.VisionDataset.__init__(dataset, "", transform=CIFAR)
    rng = np.random.default_rng(0)
    # Its memory is planar, as that of the files.
    planes = rng.integers(0, 256, (256 if quick else 10240, 3, 32, 32), dtype=np.uint8)
    dataset.data = planes.transpose(0, 2, 3, 1)
    dataset.targets = rng.integers(0, 10, len(dataset.data)).tolist()

    def image(index: int) -> Image.Image:
        return Image.fromarray(dataset.data[index])

    name = "CIFAR in memory: RandomCrop(32, padding=4), flip"
    measure(job(name, dataset, image, batch_size=128, length=len(dataset.data)), side)
