"""Pinned memory for batches: each tensor is a block of torch's caching host allocator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data._utils.pin_memory import pin_memory

__all__ = ["Layout", "pin", "stack", "take"]


class Layout(NamedTuple):
    """What a tensor of a batch is like."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    memory_format: torch.memory_format = torch.contiguous_format

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Its strides, in elements."""
        if self.memory_format == torch.channels_last:
            _, channels, height, width = self.shape
            return channels * height * width, 1, width * channels, channels
        return tuple(math.prod(max(1, size) for size in self.shape[axis + 1 :]) for axis in range(len(self.shape)))


def block(nbytes: int) -> Tensor:
    """Takes a block of pinned bytes from torch's caching host allocator."""
    return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)


def pin(batch: Any) -> Any:
    """Copies what is not pinned, in a nested structure."""
    return pin_memory(batch)  # type: ignore[no-untyped-call]


def stack(tensors: Sequence[Tensor], dim: int) -> Tensor:
    """Stacks tensors as torch does, in pinned memory if theirs is."""
    if not all(tensor.is_pinned() for tensor in tensors):
        return torch.stack([*tensors], dim)
    shape = [*tensors[0].shape]
    shape.insert(dim, len(tensors))
    (out,) = take([Layout((*shape,), tensors[0].dtype)])
    return torch.stack([*tensors], dim, out=out)


def take(layouts: Sequence[Layout]) -> list[Tensor]:
    """Takes memory for the tensors of a batch. Its content is unspecified.

    Each tensor is alone in its storage: one that is kept keeps nothing else, and `torch.save` writes whole storages.
    And each storage is a block of its own: torch's allocator guards a block against being given out again while an
    asynchronous copy reads it, and knows it by the storage that it made. It does not know parts of a block. So blocks
    are not shared, although the allocator rounds each up to a power of two.

    Args:
        layouts: what the tensors are like.

    Returns:
        A pinned tensor for each.
    """
    return [
        torch.empty(0, dtype=layout.dtype, device="cpu").set_(
            block(layout.nbytes).untyped_storage(), 0, layout.shape, layout.strides
        )
        for layout in layouts
    ]
