"""From recognised datasets to the native pipeline that makes their samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import PIL
import torch

from torchfeed import _native
from torchfeed.decode import PillowDecoder
from torchfeed.decode.pillow_limits import limits_in_force, pillow_limits
from torchfeed.limits import Limits, get_limits
from torchfeed.recognize import Call, OneHotLevels, Plan
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.sample_source import give
from torchfeed.recognize.value import Table
from torchfeed.settings import Memory, Options
from torchfeed.util.dlpack import dtype_code

__all__ = ["Compiled", "Drawn", "compile_leaves", "compile_plan"]

# Pillow 13 does the vertical pass of a resize first where that saves work; the rounding between the passes shows.
CHEAPER_PASS_FIRST = int(PIL.__version__.split(".", maxsplit=1)[0]) >= 13

Drawn = list[Call]
"""What is done to a sample: transform names and parameters."""


@dataclass(frozen=True)
class PipelineSettings:
    """What a native pipeline is made with; `_native.Pipeline` reads these attributes."""

    channels: int
    dtype: tuple[int, int]
    """The DLPack code of the images' dtype."""
    one_hot: OneHotLevels | None
    """The values of a one-hot row; `None` for class indices."""
    channels_last: bool
    cheaper_first: bool
    """Whether a resize does the cheaper of its two passes first."""
    fast: bool
    """Whether JPEGs may be decoded at a fraction of their size, with other pixels."""
    limits: Limits
    """What a sample may cost."""
    fallback: PillowDecoder
    """What decodes other formats than the native ones."""
    fallback_limits: tuple[int, int, int]
    """Pillow's own limits: pixels, bytes of a text, bytes of all texts."""
    row_indexes: _native.RowIndexes | None
    memory: _native.BatchMemory | None


@dataclass(frozen=True)
class Compiled:
    """Recognised datasets, end to end, and the native pipeline that makes their samples."""

    leaves: tuple[Leaf, ...]
    pipeline: _native.Pipeline
    table: Table
    """What the pipeline does to a pixel at the end: of that the batches have their dtype and channels."""

    @property
    def is_random(self) -> bool:
        """Whether anything native is drawn at all."""
        return any(leaf.plan.is_random for leaf in self.leaves)

    def draw(self, place: int, seed: int, occurrence: int) -> tuple[Leaf, Drawn]:
        """Says which dataset a sample is of, and what is done to it natively: (transform name, parameters)."""
        starts = [0, *accumulate(len(leaf) for leaf in self.leaves)]
        number = bisect_right(starts, place) - 1
        leaf = self.leaves[number]
        items, _ = give([(leaf, place - starts[number])])
        given = None if items is None else _native.Source.given(items)
        _, calls = self.pipeline.draw(place, seed, occurrence, given)
        return leaf, leaf.plan.drawn_names(calls)


def compile_leaves(
    leaves: Sequence[Leaf],
    options: Options | None = None,
    memory: Memory | None = None,
    *,
    leave_table: bool = False,
) -> Compiled:
    """Makes the native pipeline of some datasets, whose plans end in the same kind of tensor.

    Args:
        leaves: the datasets.
        options: the loader's, of which `memory_format`, `decode` and `limits` count. Pillow's own limits are those
            of now.
        memory: what the pipeline uses again.
        leave_table: makes images of pixels, without the table at the end of the plans.
    """
    options, memory = options or Options(), memory or Memory()
    table = leaves[0].plan.table
    if leave_table:
        table = Table(bytes(range(256)) * table.channels, torch.uint8, table.channels)
    parts = [
        _part(leaf.source, leaf.labels.native, leaf.plan, table if leave_table else leaf.plan.table) for leaf in leaves
    ]
    pipeline = _native.Pipeline(parts, _settings(table, leaves[0].one_hot, options, memory))
    return Compiled(tuple(leaves), pipeline, table)


def compile_plan(
    source: _native.Source, labels: Sequence[int], plan: Plan, options: Options | None = None
) -> _native.Pipeline:
    """Makes the native pipeline of one plan."""
    part = _part(source, _native.Labels(labels), plan, plan.table)
    return _native.Pipeline([part], _settings(plan.table, None, options or Options(), Memory()))


def _part(source: _native.Source, labels: _native.Labels, plan: Plan, table: Table) -> _native.Part:
    return _native.Part(source, labels, plan.ops, table.values)


def _settings(table: Table, one_hot: OneHotLevels | None, options: Options, memory: Memory) -> PipelineSettings:
    code = dtype_code(table.dtype)
    assert code is not None, "no table has another dtype"
    limits, fallback_limits = limits_in_force(options.limits or get_limits(), pillow_limits())
    return PipelineSettings(
        channels=table.channels,
        dtype=code,
        one_hot=one_hot,
        channels_last=options.memory_format == torch.channels_last,
        cheaper_first=CHEAPER_PASS_FIRST,
        fast=options.decodes_fast,
        limits=limits,
        fallback=PillowDecoder(),
        fallback_limits=fallback_limits,
        row_indexes=memory.row_indexes,
        memory=memory.batches,
    )
