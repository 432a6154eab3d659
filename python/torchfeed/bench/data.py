"""The images of the tasks: a part of the user's folder, copies of it in other forms, and what is made in memory."""

from __future__ import annotations

import random
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision import datasets

from .tasks import LARGE, Task, pipeline

__all__ = ["cifar", "count", "part", "prepare"]


def part(folder: Path, images: int, into: Path) -> Path:
    """Picks images of an ImageFolder, always the same ones.

    Args:
        folder: the user's.
        images: how many at most; 0 for all.
        into: an empty folder for links to them.

    Returns:
        `folder` itself if it has no more, or `into`.
    """
    samples = datasets.ImageFolder(folder).samples
    if not images or len(samples) <= images:
        return folder
    for name, _ in random.Random(0).sample(samples, images):  # noqa: S311  (a choice of files)
        path = Path(name)
        target = into / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.symlink_to(path.resolve())
        except OSError:  # Windows lets administrators alone make links
            shutil.copyfile(path, target)
    return into


def prepare(task: Task, folder: Path, into: Path, *, images: int = LARGE) -> str:
    """Makes a task's files.

    Args:
        task: its `data` says which.
        folder: the ImageFolder that they are made of.
        into: where to.
        images: how many large ones.

    Returns:
        An ImageFolder; empty for images in memory.
    """
    if task.data == "given":
        return str(folder)
    if task.data == "cifar":
        return ""
    samples = datasets.ImageFolder(folder).samples
    if task.data == "large":
        samples = random.Random(0).sample(samples, min(images, len(samples)))  # noqa: S311  (a choice of files)
    for name, _ in samples:
        target = into / task.data / Path(name).parent.name / Path(name).stem
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(name) as image:
            pixels = image.convert("RGB")
        if task.data == "png":
            pixels.save(target.with_suffix(".png"))
        else:
            _enlarge(pixels).save(target.with_suffix(".jpg"), quality=90)
    return str(into / task.data)


def _enlarge(image: Image.Image) -> Image.Image:
    """A camera's 12 megapixels: the image, larger, with the faint noise of a sensor."""
    pixels = np.asarray(image.resize((4000, 3000), Image.Resampling.LANCZOS), dtype=np.int16)
    return Image.fromarray((pixels + _noise()).clip(0, 255).astype(np.uint8))


@cache
def _noise() -> Any:
    return np.random.default_rng(0).normal(0, 3, (3000, 4000, 3)).astype(np.int16)


def cifar(images: int, transform: Any = None) -> Any:
    """A torchvision `CIFAR10` of made images: the real ones are a download.

    Args:
        images: how many, of 32 x 32 pixels.
        transform: the task's own if omitted.
    """
    dataset = datasets.CIFAR10.__new__(datasets.CIFAR10)
    datasets.VisionDataset.__init__(dataset, "", transform=transform or pipeline("cifar"))
    rng = np.random.default_rng(0)
    # Its memory is planar, as that of the files.
    planes = rng.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    dataset.data = planes.transpose(0, 2, 3, 1)
    dataset.targets = rng.integers(0, 10, images).tolist()
    return dataset


def count(folder: str) -> int:
    """How many images an ImageFolder has."""
    return len(datasets.ImageFolder(folder))
