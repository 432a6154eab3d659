"""The pointwise table on the device: pixels travel as uint8, and become what the transforms make of them there."""

from __future__ import annotations

import torch
from torch import Tensor

from torchfeed.recognize.value import Table

__all__ = ["Lookup"]


class Lookup:
    """Looks every pixel of a batch up in a table.

    The table is what torch itself made, on the CPU, of the 256 values of a byte; so the result has its bits, which
    arithmetic on a GPU would not always have: there, torch divides by a number by multiplying with its reciprocal.
    Two kernels run: one makes the indices, int32, the other gathers.

    Args:
        table: 256 values per channel.
        memory_format: how images lie in memory: `torch.contiguous_format` or `torch.channels_last`.
        device: where the batches are.
    """

    def __init__(self, table: Table, memory_format: torch.memory_format, device: torch.device) -> None:
        values = torch.frombuffer(bytearray(table.values), dtype=table.dtype)
        rows = torch.arange(table.channels, dtype=torch.int32, device="cpu") * 256
        self._channels_last = memory_format == torch.channels_last
        self._values = values.to(device)
        self._rows = (rows if self._channels_last else rows.view(-1, 1, 1)).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Makes images of the table's dtype, (N, C, H, W) or (C, H, W), of uint8 ones of the same shape."""
        pixels = images.movedim(-3, -1) if self._channels_last else images
        indices = torch.add(pixels, self._rows)  # int32, in the order of memory
        looked_up = self._values.index_select(0, indices.view(-1)).view(indices.shape)
        return looked_up.movedim(-1, -3) if self._channels_last else looked_up
