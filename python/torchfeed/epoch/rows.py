"""Epochs of a TensorDataset: batches are rows that are gathered from its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchfeed.batch import pinned
from torchfeed.batch.collate import default_collate
from torchfeed.plan.resolve import Gathered
from torchfeed.recognize.columns import Columns
from torchfeed.recognize.tree import Tree, fetch
from torchfeed.settings import Settings

from .cursor import Cursor
from .in_process import Epoch
from .torch_iterator import Restart, View

__all__ = ["GatherEpoch", "gather"]


def gather(tree: Tree[Columns], places: Sequence[int], out: Sequence[Tensor] | None = None) -> list[Tensor]:
    """Makes a batch: the rows of each tensor at some places, as `default_collate` would stack them.

    Args:
        tree: the datasets.
        places: where the rows are in them.
        out: memory for each tensor, where there is one dataset on the CPU.

    Raises:
        RuntimeError: the tensors of datasets that are concatenated have rows of unequal shapes or dtypes.
    """
    if len(tree.leaves) == 1:
        rows = torch.tensor(places, device="cpu")
        if out is not None:
            columns = zip(tree.leaves[0].tensors, out, strict=True)
            return [torch.index_select(tensor, 0, rows, out=memory) for tensor, memory in columns]
        return [tensor.index_select(0, rows.to(tensor.device)) for tensor in tree.leaves[0].tensors]
    samples = [tree.leaf(place) for place in places]
    return [
        torch.stack([leaf.tensors[column][row] for leaf, row in samples])
        for column in range(len(tree.leaves[0].tensors))
    ]


class _Indices(list[Any]):
    """What a sampler drew that are not the numbers of rows: tensors take slices, lists of rows and more."""


class GatherEpoch(Epoch):
    """Batches of rows of tensors; the caller's thread gathers them, which is faster than to hand them over."""

    counts_samples = False

    def __init__(self, loader: Any, settings: Settings, way: Gathered, cursor: Cursor, restart: Restart) -> None:
        super().__init__(View(loader, pin_memory=settings.pin_memory), way.tree, cursor, restart)

    def restart(self, settings: Settings, way: Gathered, cursor: Cursor) -> None:  # noqa: ARG002  (as other iterators)
        """Begins the next epoch in this iterator."""
        self._restart(way.tree, cursor)

    def _places(self, drawn: Any) -> list[int]:
        indices = _Indices(drawn)
        numbers = all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in set(map(type, indices)))
        return super()._places(indices) if numbers else indices

    def _open(self, seed: int) -> None:
        pass

    def _skip(self, places: list[int]) -> None:
        pass

    def _submit(self, places: list[int]) -> Any:
        return places

    def _ready(self) -> int:
        return 0

    def _take(self, position: int, submitted: Any) -> Any:  # noqa: ARG002  (nothing waits)
        if isinstance(submitted, _Indices):
            columns: list[Tensor] = default_collate(fetch(self._tree.dataset, submitted))
        else:
            out = self._pinned_output(len(submitted)) if self._pin_memory else None
            columns = gather(self._tree, submitted, out)
        if not self._pin_memory:
            return columns
        return [pinned.pin(column) if column.device.type == "cpu" else column for column in columns]

    def _pinned_output(self, length: int) -> list[Tensor] | None:
        """Takes pinned memory for a batch of one dataset on the CPU."""
        first, *others = self._tree.leaves
        if others or any(tensor.device.type != "cpu" for tensor in first.tensors):
            return None
        return pinned.take([pinned.Layout((length, *tensor.shape[1:]), tensor.dtype) for tensor in first.tensors])

    def close(self) -> None:
        """Ends the epoch."""
        self._closed = True
