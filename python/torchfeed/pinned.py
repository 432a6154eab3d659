"""Pinned memory for batches: blocks of torch's caching host allocator, which few other blocks can stand in for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data._utils.pin_memory import pin_memory

__all__ = ["Layout", "PinnedMemory", "batches_per_block", "pin"]

_ALIGNMENT = 256  # of every tensor in a block: as of device memory, and a multiple of a cache line


class Layout(NamedTuple):
    """What a tensor of a batch is like."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    memory_format: torch.memory_format = torch.contiguous_format

    @property
    def nbytes(self) -> int:
        """Its size in memory, up to where the next one may begin."""
        return -(-math.prod(self.shape) * self.dtype.itemsize // _ALIGNMENT) * _ALIGNMENT

    @property
    def strides(self) -> tuple[int, ...]:
        """Its strides, in elements."""
        if self.memory_format == torch.channels_last:
            _, channels, height, width = self.shape
            return channels * height * width, 1, width * channels, channels
        return tuple(math.prod(max(1, size) for size in self.shape[axis + 1 :]) for axis in range(len(self.shape)))


def batches_per_block(nbytes: int) -> int:
    """Says how many batches to make one block of, so that no more than a quarter of it is lost to rounding.

    torch's allocator rounds blocks up to a power of two. A batch that fills a share f of its own power of two, with
    1/2 < f <= 1, is left alone if f >= 3/4; up to 2/3, three of them fill 3/2 f of four times a half; between, five of
    them fill 5/4 f of four: at least 3/4 in every case.

    Args:
        nbytes: the size of one batch.

    Returns:
        1, 3 or 5.

    Example:
        >>> batches_per_block(128 * 3 * 224 * 224)  # 19.3 MB, for which torch would take 33.6 MB
        3
    """

    def share(count: int) -> float:
        return count * nbytes / (1 << (count * nbytes - 1).bit_length())

    return next(count for count in (1, 3, 5) if share(count) >= 0.75)


def block(nbytes: int) -> Tensor:
    """Takes a block of pinned bytes from torch's caching host allocator."""
    return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)


def pin(batch: Any) -> Any:
    """Copies what is not pinned, in a nested structure."""
    return pin_memory(batch)  # type: ignore[no-untyped-call]


class PinnedMemory:
    """Pinned memory for one batch after the other.

    torch's allocator guards its blocks, and no other memory, against reuse while an asynchronous copy reads them: from
    when the last tensor in a block is gone to when the block is given out again. So no part of a block is ever given
    out twice here: a new block is taken where the current one is used up.
    """

    def __init__(self) -> None:
        self._block: Tensor | None = None
        self._used = 0

    def take(self, layouts: Sequence[Layout]) -> list[Tensor]:
        """Takes memory for the tensors of a batch. Its content is unspecified.

        Args:
            layouts: what they are like.

        Returns:
            A pinned tensor for each.
        """
        wanted = max(_ALIGNMENT, sum(layout.nbytes for layout in layouts))  # there is no block of no bytes
        if self._block is None or self._used + wanted > self._block.nbytes:
            self._block, self._used = None, 0  # first let go of the old one
            self._block = block(wanted * batches_per_block(wanted))
        taken = []
        for layout in layouts:
            # Not a view: tensors of different batches have nothing in common for autograd.
            tensor = torch.empty(0, dtype=layout.dtype, device="cpu")
            offset = self._used // layout.dtype.itemsize
            taken.append(tensor.set_(self._block.untyped_storage(), offset, layout.shape, layout.strides))
            self._used += layout.nbytes
        return taken
