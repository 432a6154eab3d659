"""The ways in which a loader makes its batches, over one small folder, to be lived through in one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch.utils.data import Dataset

from oracle import theirs
from torchfeed import DataLoader, datasets

Way = Literal["native", "in part", "torch's", "traced", "lazy"]
PATHS: list[Way] = ["native", "in part", "torch's", "traced", "lazy"]


class Brighten:
    """A step that is not native."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return image + 1


class Own(Dataset[Any]):
    """A class of the user's own."""

    def __init__(self, folder: Path, transform: Any) -> None:
        self.paths = sorted(folder.glob("*/*"))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform(image), index


def loader(path: Way, folder: Path, workers: int, **options: Any) -> DataLoader[Any]:
    """Makes a shuffled loader. What it makes depends on its generator alone, in whatever process."""
    # torch's own path draws from the random state of whichever process makes a sample.
    first = theirs.CenterCrop(16) if path in {"torch's", "lazy"} else theirs.RandomCrop(16, padding=2)
    last = [] if path in {"native", "traced"} else [Brighten()]
    transform = theirs.Compose([first, theirs.ToTensor(), *last])
    dataset: Any = (Own if path in {"traced", "lazy"} else datasets.ImageFolder)(folder, transform)
    options = {"shuffle": True, "generator": torch.Generator().manual_seed(4), **options}
    options |= {"native": "off"} if path == "torch's" else {"trace": False} if path == "lazy" else {}
    return DataLoader(dataset, 4, num_workers=workers, **options)
