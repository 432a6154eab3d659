"""Whether the table at the end of the transforms is left to the device that the batches go to."""

from __future__ import annotations

from collections.abc import Sequence

from torchfeed.recognize.leaf import Leaf
from torchfeed.settings import Destination

__all__ = ["NO_TABLE", "is_left", "why_not_left"]

NO_TABLE = "only batches that are native from beginning to end have a table at their end"


def is_left(leaves: Sequence[Leaf], destination: Destination | None) -> bool:
    """Whether native batches are made of pixels, because the device looks them up in the table that all share."""
    return destination is not None and destination.table is not False and not why_not_left(leaves)


def why_not_left(leaves: Sequence[Leaf]) -> str:
    """Says why the table of native batches cannot be left to a device; empty if it can."""
    if any(leaf.plan.several for leaf in leaves):
        return "the views of an image are normalized one by one"
    if any(leaf.plan.erases for leaf in leaves):
        return "values are erased after the table"
    tables = {leaf.plan.table for leaf in leaves}
    if len(tables) > 1:
        return "the datasets that are concatenated are normalized in different ways"
    (table,) = tables
    return f"the pixels are {table.dtype} anyway" if table.dtype.itemsize == 1 else ""
