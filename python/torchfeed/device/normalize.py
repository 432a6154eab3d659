"""The pointwise table on the device: pixels travel as uint8, and become what the transforms make of them there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from torchfeed.plan.resolve import Native, Resolved, compile_tree
from torchfeed.recognize import Unrecognized
from torchfeed.recognize.value import Table

if TYPE_CHECKING:
    from torchfeed.internals import Internals

__all__ = ["Lookup", "leave_table", "shared_table"]


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


def shared_table(resolved: Resolved | None) -> Table:
    """Finds the table that all samples of a loader go through at the end.

    Raises:
        Unrecognized: there is no such table, or it makes the pixels no larger.
    """
    if not isinstance(resolved, Native):
        raise Unrecognized("only batches that are native from beginning to end have a table at their end")
    tables = {leaf.plan.table for leaf in resolved.tree.leaves}
    if len(tables) > 1:
        raise Unrecognized("the datasets that are concatenated are normalized in different ways")
    (table,) = tables
    if table.dtype.itemsize == 1:
        raise Unrecognized(f"the pixels are {table.dtype} anyway")
    return table


def leave_table(resolved: Native, own: Internals) -> Native:
    """Gives the loader's batches with their pixels as they are, without the table."""
    channels = resolved.tree.leaves[0].plan.table.channels
    pixels = Table(bytes(range(256)) * channels, torch.uint8, channels)
    leaves: Any = tuple(replace(leaf, plan=replace(leaf.plan, table=pixels)) for leaf in resolved.tree.leaves)
    return compile_tree(replace(resolved.tree, leaves=leaves), own)
