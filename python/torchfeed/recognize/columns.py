"""Recognition of datasets of tensors, whose batches are rows gathered from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from .common import Unrecognized, describe
from .tree import check

__all__ = ["Columns", "read_columns"]


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
    check(dataset)
    return Columns(dataset.tensors)
