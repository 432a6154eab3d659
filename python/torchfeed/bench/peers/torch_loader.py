"""torch's own loader: torchvision on PIL images, torchvision v2 on tensors, OpenCV."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import v2 as their_v2

from torchfeed.bench.data import cifar
from torchfeed.bench.recipes import RECIPES
from torchfeed.bench.tasks import MEAN_STD, RECIPE, SIZE, Job, pipeline

from . import Epochs

v2: Any = their_v2  # its names are not exported as a type checker has it

__all__ = ["build", "dataset", "random_box"]


def build(name: str, job: Job) -> Epochs:
    """As `peers.build`."""
    loader = DataLoader(
        dataset(name, job),
        batch_size=job.batch_size,
        shuffle=job.shuffle,
        num_workers=job.workers,
        persistent_workers=job.workers > 0,
        multiprocessing_context=job.context or None,
    )
    return lambda: loader


def dataset(name: str, job: Job) -> Any:
    """The dataset of a job, by the peer's transforms."""
    transform = RECIPES[job.task].transform(name) if job.transform == RECIPE else None
    if not job.folder:
        return cifar(job.images, transform)
    if name == "v2":
        return datasets.ImageFolder(job.folder, on_tensors(job.transform), loader=read_tensor)
    if name == "opencv":
        return datasets.ImageFolder(job.folder, OpenCV(train=job.transform == "train"), loader=read_bytes)
    return datasets.ImageFolder(job.folder, transform or pipeline(job.transform))


def read_tensor(path: str) -> Any:
    """Decodes a file to uint8 (3, H, W)."""
    return decode_image(read_file(path), mode=ImageReadMode.RGB)  # before torchvision 0.20 it takes no path


def read_bytes(path: str) -> bytes:
    """Reads a file."""
    return Path(path).read_bytes()


def on_tensors(name: str) -> Any:
    """The pipeline of ``"train"`` or ``"val"`` that torchvision's documentation recommends for tensors."""
    geometry = {
        "train": [v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()],
        "val": [v2.Resize(256, antialias=True), v2.CenterCrop(SIZE)],
    }[name]
    return v2.Compose([*geometry, v2.ToDtype(torch.float32, scale=True), v2.Normalize(*MEAN_STD)])


def random_box(height: int, width: int) -> tuple[int, int, int, int]:
    """Draws the (top, left, height, width) of torchvision's `RandomResizedCrop`."""
    box: tuple[int, int, int, int] = RandomResizedCrop.get_params(
        torch.empty(3, height, width, device="meta"), [0.08, 1.0], [3 / 4, 4 / 3]
    )
    return box


class OpenCV:
    """Decode, crop, resize, flip and normalize by OpenCV and NumPy, as in many a training script."""

    def __init__(self, *, train: bool) -> None:
        self.train = train
        mean, std = (np.array(values, np.float32) for values in MEAN_STD)
        self.scale, self.shift = 1 / (255 * std), -mean / std

    def __call__(self, data: bytes) -> Any:
        import cv2

        cv2.setNumThreads(0)  # torch's workers are the threads
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        height, width = image.shape[:2]
        if self.train:
            y, x, h, w = random_box(height, width)
            image = cv2.resize(image[y : y + h, x : x + w], (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
            if random.random() < 0.5:  # noqa: S311
                image = cv2.flip(image, 1)
        else:
            size = width * 256 // min(height, width), height * 256 // min(height, width)
            image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            y, x = (round((edge - SIZE) / 2) for edge in image.shape[:2])
            image = image[y : y + SIZE, x : x + SIZE]
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        values = rgb.astype(np.float32) * self.scale + self.shift
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
