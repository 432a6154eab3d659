"""CIFAR-10 and CIFAR-100, in memory."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from torchfeed import _native
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import recognize_geometry
from torchfeed.util.dlpack import to_tensors

from .folder import ImageFolder
from .native import InMemoryDataset

__all__ = ["CIFAR10", "CIFAR100"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class CIFAR10(InMemoryDataset):
    """CIFAR-10 in memory; `torchvision.datasets.CIFAR10`.

    Args:
        root: the folder that holds the official pickles (``cifar-10-batches-py``), or, as images, ``train/CLASS`` and
            ``test/CLASS``.
        train: the training images, or the test images.
        transform: what is done to each image.
        target_transform: what is done to each class index.
        download: for torchvision's sake; nothing is downloaded.

    Attributes:
        data: the images, uint8 (N, 32, 32, 3).
        targets: the class index of each image.
        classes: the class names.
        class_to_idx: the class index of each name.

    Raises:
        RuntimeError: the folder holds neither form.
        ValueError: images of unequal sizes.

    Reference:
        A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """

    memory: ClassVar[str] = "data"
    base_folder: ClassVar[str] = "cifar-10-batches-py"
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}" for i in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch",)
    labels_key: ClassVar[str] = "labels"
    meta: ClassVar[tuple[str, str]] = ("batches.meta", "label_names")

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.train = train
        folder = self.root / ("train" if train else "test")
        if (self.root / self.base_folder).is_dir():
            self.data, targets, self.classes = self._read_pickles(self.root / self.base_folder)
        elif folder.is_dir():
            self.data, targets, self.classes = _read_images(folder)
        else:
            hint = f"; download it with torchvision.datasets.{type(self).__name__}" if download else ""
            raise RuntimeError(f"neither {self.base_folder} nor {folder.name}/CLASS in {self.root}{hint}")
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}
        super().__init__(self.make_source(), targets, transform, target_transform)

    def _read_pickles(self, folder: Path) -> tuple[Pixels, list[int], list[str]]:
        data, targets = [], []
        for name in self.train_files if self.train else self.test_files:
            part = _unpickle(folder / name)
            data.append(part["data"])
            targets.extend(part[self.labels_key])
        # Each row is a (3, 32, 32) image.
        pixels = np.concatenate(data).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        file, key = self.meta
        return np.ascontiguousarray(pixels), targets, list(_unpickle(folder / file)[key])

    def make_source(self) -> _native.Source:
        """Uses `data` as it is, without a copy."""
        return array_source(self.data)


class CIFAR100(CIFAR10):
    """CIFAR-100 in memory; `torchvision.datasets.CIFAR100`. Arguments and attributes are those of `CIFAR10`."""

    base_folder = "cifar-100-python"
    train_files = ("train",)
    test_files = ("test",)
    labels_key = "fine_labels"
    meta = ("meta", "fine_label_names")


def _unpickle(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RuntimeError(f"Dataset not found or corrupted: {path} is missing")
    with path.open("rb") as file:
        # The format of the dataset's author: only open files from a source that you trust.
        content: dict[str, Any] = pickle.load(file, encoding="latin1")  # noqa: S301
    return content


def _read_images(folder: Path) -> tuple[Pixels, list[int], list[str]]:
    """Decodes a folder of class folders into one array."""
    files = ImageFolder(folder)
    pipeline = compile_plan(files.source, files.targets, recognize_geometry([], 3))
    epoch = _native.Epoch(pipeline, 0, min(4, os.cpu_count() or 1))
    batches = [list(range(len(files)))[start : start + 1024] for start in range(0, len(files), 1024)]
    for batch in batches:
        epoch.submit(batch)
    parts = [to_tensors(epoch.next())[0].permute(0, 2, 3, 1).numpy() for _ in batches]
    if len({part.shape[1:] for part in parts}) > 1:
        raise ValueError(f"the images in {folder} are not of one size")
    return np.concatenate(parts), files.targets, files.classes
