"""The three ways in which a loader makes its batches, over one small folder, to be lived through in one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from oracle import theirs
from torchfeed import DataLoader, datasets

Way = Literal["native", "in part", "torch's"]
PATHS: list[Way] = ["native", "in part", "torch's"]


class Brighten:
    """A step that is not native."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return image + 1


def loader(path: Way, folder: Path, workers: int, **options: Any) -> DataLoader[Any]:
    """Makes a shuffled loader. What it makes depends on its generator alone, in whatever process."""
    # torch's own path draws from the random state of whichever process makes a sample.
    first = theirs.CenterCrop(16) if path == "torch's" else theirs.RandomCrop(16, padding=2)
    last = [] if path == "native" else [Brighten()]
    dataset = datasets.ImageFolder(folder, theirs.Compose([first, theirs.ToTensor(), *last]))
    options = {"shuffle": True, "generator": torch.Generator().manual_seed(4), **options}
    return DataLoader(dataset, 4, num_workers=workers, native="off" if path == "torch's" else "auto", **options)
