"""The last steps of a batch, on the device: the table, then the transform of the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from torchfeed import _native
from torchfeed.transforms.mix import Mix
from torchfeed.util.random_state import own_random_state, seed_everything

from .lookup import Lookup

__all__ = ["Finish"]


class Finish:
    """The table, then the transform of the whole batch.

    Args:
        lookup: applied to the images, the first part of a batch.
        transform: called with the parts of a batch, or with the batch where that is no list nor tuple.
        draw_seed: gives the seed of the epoch, which may begin with its first batch.
    """

    def __init__(
        self, lookup: Lookup | None, transform: Callable[..., Any] | None, draw_seed: Callable[[], int]
    ) -> None:
        self.lookup = lookup
        self.transform = transform
        self.draw_seed = draw_seed

    def __call__(self, batch: Any, number: int) -> Any:
        """Finishes batch `number` of the epoch."""
        if self.lookup is not None:
            batch = [self.lookup(batch[0]), *batch[1:]]
        if self.transform is None:
            return batch
        seed = _native.batch_seed(self.draw_seed(), number)
        if isinstance(self.transform, Mix):
            return list(self.transform(*batch, generator=torch.Generator().manual_seed(seed)))
        with own_random_state():
            seed_everything(seed)
            if not isinstance(batch, (list, tuple)):
                return self.transform(batch)
            made = self.transform(*batch)
        return list(made) if isinstance(made, tuple) and isinstance(batch, list) else made
