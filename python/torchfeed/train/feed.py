"""Batches on their device, with a position that can be saved and resumed, whichever library made the loader."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from torchfeed.transforms.mix import Mix

from .checkpoint import rng_state, set_rng_state

__all__ = ["Feed"]

Batch = tuple[Tensor, Tensor]


class Feed:
    """Iterates over a loader's batches, moved to a device.

    `torchfeed.DataLoader` resumes at once. torch's own has no position: its batches up to there are made and dropped.

    On CUDA `torchfeed.DataLoader` is ahead of the loop: pixels are copied as bytes, in a stream of their own, and
    normalized there.

    Args:
        loader: yields images ``(N, C, H, W)`` and targets.
        device: where the batches go; images become channels_last there, which convolutions like.
        mix: applied to each batch on the device, if there is one.

    Example:
        >>> for images, targets in Feed(loader, torch.device("cuda")):
        ...     ...
    """

    def __init__(self, loader: DataLoader[Any], device: torch.device, mix: Mix | None = None) -> None:
        self.loader = loader
        self.device = device
        self.native = hasattr(loader, "load_state_dict")
        self.mix = None if self.native else mix
        self.batches: Any = loader
        if self.native:
            self.batches = import_module("torchfeed").to_device(loader, device, batch_transform=mix)
        self.position = 0
        self.latest: Tensor | None = None  # the last batch's images, to be shown
        self._resume: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        resume, self._resume = self._resume, None
        self.position = resume["position"] if resume else 0
        if resume and self.native:
            self.batches.load_state_dict(resume["loader"])
        batches = iter(self.batches)
        if resume:
            for _ in range(0 if self.native else self.position):
                next(batches)
            set_rng_state(resume["rng"])
        for images, targets in batches:
            self.position += 1
            self.latest = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            moved = targets.to(self.device, non_blocking=True)
            yield (self.latest, moved) if self.mix is None else self.mix(self.latest, moved)

    def state_dict(self) -> dict[str, Any]:
        """Gives the position after the last batch yielded, and the random state there."""
        state = {"position": self.position, "rng": rng_state()}
        return {**state, "loader": self.batches.state_dict()} if self.native else state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Lets the next iteration begin at a saved position.

        Args:
            state: what `state_dict` gave, from a loader of the same library and with the same seed.
        """
        self._resume = state
