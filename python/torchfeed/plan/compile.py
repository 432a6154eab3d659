"""From recognised datasets to the native pipeline that makes their samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

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
from torchfeed.util.pillow import CHEAPER_PASS_FIRST

__all__ = ["Compiled", "Drawn", "compile_leaves", "compile_plan"]

Drawn = list[Call]
"""What is done to a sample: transform names and parameters."""


@dataclass(frozen=True)
class PipelineSettings:
    """What a native pipeline is made with; `_native.Pipeline` reads these attributes."""

    channels: int
    dtypes: Sequence[tuple[int, int]]
    """The DLPack codes of the dtypes of the views."""
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
    tables: tuple[Table, ...]
    """What the pipeline does to a pixel at the end, for each view: it gives batches their dtypes and channels."""

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
        given = None if items is None else _native.Source.provided(items)
        _, calls = self.pipeline.draw(place, seed, occurrence, given)
        if not leaf.plan.several:
            return leaf, leaf.plan.drawn_names(calls)
        drawn: Drawn = []
        start = 0
        for view, plan in enumerate(leaf.plan.views):
            end = start + len(plan.names)
            own = [(at - start, function, parameters) for at, function, parameters in calls if start <= at < end]
            drawn += [Call("View", {"number": view}), *plan.drawn_names(own)]
            start = end
        return leaf, drawn


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
    plans = [leaf.plan.views for leaf in leaves]
    if leave_table:
        channels = leaves[0].plan.table.channels
        pixels = Table(bytes(range(256)) * channels, torch.uint8, channels)
        plans = [tuple(replace(view, table=pixels) for view in views) for views in plans]
    datasets = [_dataset(leaf.source, leaf.labels.native, views) for leaf, views in zip(leaves, plans, strict=True)]
    tables = tuple(view.table for view in plans[0])
    pipeline = _native.Pipeline(datasets, _settings(tables, leaves[0].one_hot, options, memory))
    return Compiled(tuple(leaves), pipeline, tables)


def compile_plan(
    source: _native.Source, labels: Sequence[int], plan: Plan, options: Options | None = None
) -> _native.Pipeline:
    """Makes the native pipeline of one plan."""
    dataset = _dataset(source, _native.Labels(labels), plan.views)
    tables = [view.table for view in plan.views]
    return _native.Pipeline([dataset], _settings(tables, None, options or Options(), Memory()))


def _dataset(source: _native.Source, labels: _native.Labels, views: Sequence[Plan]) -> _native.Dataset:
    return _native.Dataset(source, labels, [(view.ops, view.table.values) for view in views])


def _code(dtype: torch.dtype) -> tuple[int, int]:
    code = dtype_code(dtype)
    assert code is not None, "no table has another dtype"
    return code


def _settings(
    tables: Sequence[Table], one_hot: OneHotLevels | None, options: Options, memory: Memory
) -> PipelineSettings:
    limits, fallback_limits = limits_in_force(options.limits or get_limits(), pillow_limits())
    return PipelineSettings(
        channels=tables[0].channels,
        dtypes=[_code(table.dtype) for table in tables],
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
