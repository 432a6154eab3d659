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


def job(name: str, dataset: Any, image: Callable[[int], Image.Image], batch_size: int, length: int) -> Work:
    """Makes the job of one epoch in a fixed, shuffled order, in the caller's thread."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[:length].tolist()
    ours = torchfeed.DataLoader(dataset, batch_size, sampler=order)
    theirs = DataLoader(dataset, batch_size, sampler=order)

    def check() -> None:
        assert torchfeed.explain(ours).startswith("native")
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
def bench_cifar(measure: Measure, side: str, quick: bool) -> None:
    # As torchvision's CIFAR10, but with made images: the real ones are a download.
    dataset = datasets.CIFAR10.__new__(datasets.CIFAR10)
    datasets.VisionDataset.__init__(dataset, "", transform=CIFAR)
    rng = np.random.default_rng(0)
    dataset.data = rng.integers(0, 256, (256 if quick else 10240, 32, 32, 3), dtype=np.uint8)
    dataset.targets = rng.integers(0, 10, len(dataset.data)).tolist()

    def image(index: int) -> Image.Image:
        return Image.fromarray(dataset.data[index])

    name = "CIFAR in memory: RandomCrop(32, padding=4), flip"
    measure(job(name, dataset, image, batch_size=128, length=len(dataset.data)), side)
