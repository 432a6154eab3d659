"""From a folder to two loaders, with torchfeed or, for comparison, with torchvision: only the imports differ."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from .options import Options

__all__ = ["CIFAR10_CLASSES", "Data", "OneHot", "build", "detect"]

PICKLES = "cifar-10-batches-py"
CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN_STD = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "imagefolder": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet's
}


@dataclass(frozen=True)
class Data:
    """The loaders of one run; both yield images ``(N, 3, 32, 32)`` float32 and targets.

    `val` yields class indices ``(N,)`` int64; so does `train`, unless one-hot rows ``(N, C)`` float32 were asked for.
    """

    train: DataLoader[Any]
    val: DataLoader[Any]
    classes: list[str]


@dataclass(frozen=True)
class OneHot:
    """The slow, obvious version of `torchfeed.transforms.OneHot`, for torch's loader."""

    num_classes: int
    smoothing: float = 0.0

    def __call__(self, target: int) -> Tensor:
        """Makes the row of one class index."""
        row = torch.full((self.num_classes,), self.smoothing / self.num_classes)
        row[target] += 1 - self.smoothing
        return row


def detect(root: Path) -> str:
    """Says what a folder holds.

    Args:
        root: the folder.

    Returns:
        ``"cifar10"`` for the official pickles, or JPEGs in ``train/`` and ``test/`` under CIFAR-10's class names;
        ``"imagefolder"`` for anything else with class folders.

    Raises:
        FileNotFoundError: there is no such folder, or it has no sub-folders.
    """
    if (root / PICKLES).is_dir():
        return "cifar10"
    if (root / "train").is_dir() and (root / "test").is_dir() and _folders(root / "train") == CIFAR10_CLASSES:
        return "cifar10"
    if not _folders(root):
        raise FileNotFoundError(f"{root}: neither {PICKLES} nor one folder per class")
    return "imagefolder"


def build(options: Options, device: torch.device) -> Data:
    """Opens the folder and makes the loaders.

    ``train/`` and ``val/`` (or ``test/``) are used if they exist; else a tenth is held out, always the same.

    Args:
        options: the run's settings.
        device: where the batches will go; for CUDA they are made in pinned memory.

    Returns:
        The loaders and the classes.

    Raises:
        FileNotFoundError: no images there.
        ValueError: the two parts do not have the same classes.
    """
    kind = options.dataset or detect(options.data)
    loader, datasets, transforms = _library(options.loader)
    train_transform, val_transform = _transforms(kind, transforms)
    train_part, val_part = _parts(kind, options.data)
    open_part = functools.partial(_open, kind, options, datasets)

    val = open_part(val_part, transform=val_transform)
    classes: list[str] = list(val.classes)
    one_hot = OneHot if options.loader == "torch" else transforms.OneHot
    target_transform = one_hot(len(classes), options.label_smoothing) if options.one_hot else None
    train = open_part(train_part, transform=train_transform, target_transform=target_transform)
    if train.classes != val.classes:
        raise ValueError(f"{options.data}: {len(train.classes)} classes to train, others ({len(classes)}) to validate")
    if train_part == val_part:
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
        held_out = max(1, len(order) // 10)
        train, val = Subset(train, order[held_out:]), Subset(val, order[:held_out])

    settings: dict[str, Any] = {
        "batch_size": options.batch_size,
        "num_workers": options.workers,
        "persistent_workers": options.persistent_workers and options.workers > 0,
        "pin_memory": device.type == "cuda",
    }
    if options.loader == "torchfeed":
        settings["memory_format"] = torch.channels_last  # as the model is
    return Data(loader(train, shuffle=True, **settings), loader(val, **settings), classes)


def _library(name: str) -> tuple[Any, Any, Any]:
    """The loader class, the datasets and the transforms of torchfeed, or of torch and torchvision."""
    if name == "torchfeed":
        torchfeed = import_module("torchfeed")
        return torchfeed.DataLoader, import_module("torchfeed.datasets"), import_module("torchfeed.transforms")
    try:
        return DataLoader, import_module("torchvision.datasets"), import_module("torchvision.transforms")
    except ModuleNotFoundError as error:
        raise SystemExit("--loader torch needs torchvision: pip install torchvision") from error


def _transforms(kind: str, t: Any) -> tuple[Any, Any]:
    """The transforms for training and for validation."""
    tail = [t.ToTensor(), t.Normalize(*MEAN_STD[kind])]
    if kind == "cifar10":
        return t.Compose([t.RandomCrop(32, padding=4), t.RandomHorizontalFlip(), *tail]), t.Compose(tail)
    crop = t.RandomResizedCrop(32, scale=(0.35, 1.0))
    return t.Compose([crop, t.RandomHorizontalFlip(), *tail]), t.Compose([t.Resize(36), t.CenterCrop(32), *tail])


def _open(kind: str, options: Options, datasets: Any, part: Path, **transforms: Any) -> Any:
    """Opens one part of the data, in memory if it is CIFAR-10."""
    if kind == "imagefolder":
        return datasets.ImageFolder(part, **transforms)
    if options.loader == "torchfeed" or (options.data / PICKLES).is_dir():
        return datasets.CIFAR10(options.data, train=part.name == "train", **transforms)
    dataset = datasets.ImageFolder(part, loader=_remembered, **transforms)
    for path, _ in dataset.samples:
        _remembered(path)  # before the workers fork, so that they share it
    return dataset


@functools.cache
def _remembered(path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _parts(kind: str, root: Path) -> tuple[Path, Path]:
    """The folders to train from and to validate with; twice the same if there is no split."""
    if kind == "cifar10":
        return root / "train", root / "test"  # with the pickles, only names
    if (root / "train").is_dir():
        for name in ("val", "test"):
            if (root / name).is_dir():
                return root / "train", root / name
    return root, root


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder")
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir())
