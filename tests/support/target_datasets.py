"""Datasets of images in memory with targets of any type, one for each way of making batches."""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch.utils.data import Dataset

from oracle import theirs
from pictures import pixels
from target_values import outcome


def plus(image: Any) -> Any:
    """A step that nobody recognises."""
    return image + 1


class Plain(Dataset[Any]):
    """Images in memory, and targets of any type."""

    def __init__(self, targets: list[Any], transform: Any = None, target_transform: Any = None) -> None:
        self.targets = targets
        self.transform = theirs.ToTensor() if transform is None else transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.targets)

    def image(self, index: int) -> Any:
        return pixels(4, 5, seed=index)

    def __getitem__(self, index: int) -> Any:
        target = self.targets[index]
        if self.target_transform is not None:
            target = self.target_transform(target)
        return self.transform(Image.fromarray(self.image(index))), target


class Sourced(Plain):
    """The same, by the one method."""

    def sample_source(self, index: int) -> Any:
        return self.image(index), self.targets[index]


def batches(loader: Any) -> list[Any]:
    """The outcomes of an epoch, batch by batch, to its end."""
    iterator, made = iter(loader), []
    while True:
        made.append(outcome(next, iterator))
        if made[-1] is StopIteration:
            return made
