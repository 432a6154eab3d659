"""Datasets of tensors, whose batches are rows gathered from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from torchfeed.batch import pinned
from torchfeed.batch.collate import default_collate
from torchfeed.recognize import Unrecognized, describe
from torchfeed.recognize.tree import Tree, fetch

from .cursor import Cursor
from .in_process import Epoch

__all__ = ["Columns", "GatherEpoch", "gather", "read_columns"]


@dataclass(frozen=True)
class Columns:
    """A `TensorDataset`: tensors with one row for each sample."""

    tensors: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.tensors[0])


def read_columns(dataset: Any) -> Columns:
    """Reads a dataset of tensors.

    Raises:
        Unrecognized: it is none, or its tensors are not plain memory.
    """
    if type(dataset) is not TensorDataset:
        raise Unrecognized(f"{describe(dataset)} is concatenated with a TensorDataset")
    for tensor in dataset.tensors:
        if type(tensor) is not Tensor or tensor.layout != torch.strided or tensor.requires_grad or tensor.is_quantized:
            kind = f"{type(tensor).__name__}, {tensor.layout}"
            raise Unrecognized(f"a TensorDataset of {kind}, is indexed by torch itself")
    return Columns(dataset.tensors)


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

    def restart(self, tree: Tree[Columns], cursor: Cursor) -> None:
        """Begins the next epoch in this iterator."""
        self._restart(tree, cursor)

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
