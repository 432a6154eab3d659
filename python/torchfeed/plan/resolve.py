"""Decides which of four ways makes a loader's batches: native, native in part, rows of tensors, or torch alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor
from torch.utils.data import TensorDataset
from torch.utils.data import default_collate as torch_default_collate
from torch.utils.data import default_convert as torch_default_convert

from torchfeed.batch import default_collate
from torchfeed.recognize import Unrecognized, describe
from torchfeed.recognize.collate import is_own_collate, registered_for
from torchfeed.recognize.columns import Columns, read_columns
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.leaves import read_datasets
from torchfeed.recognize.tree import Tree, first_leaf, read_tree
from torchfeed.recognize.value import Table
from torchfeed.settings import Settings
from torchfeed.traced.leaf import read_traced
from torchfeed.util.default_device import CPU, default_device, placed_on

from .compile import Compiled, compile_leaves
from .table import NO_TABLE, is_left, why_not_left

__all__ = ["Gathered", "Native", "Split", "Torch", "Traced", "Way", "check_way", "resolve", "why_no_table"]


@dataclass(frozen=True)
class Native:
    """Native threads make batches from beginning to end."""

    tree: Tree[Leaf]
    compiled: Compiled
    left: Table | None
    """The table that is left to the device; the native batches are then pixels."""


@dataclass(frozen=True)
class Traced(Native):
    """Python says what each sample is made of, and native threads make it."""


@dataclass(frozen=True)
class Split:
    """The first steps of each sample are native; Python finishes samples or batches."""

    tree: Tree[Leaf]
    why: str


@dataclass(frozen=True)
class Gathered:
    """Rows of tensors are gathered."""

    tree: Tree[Columns]


@dataclass(frozen=True)
class Torch:
    """torch's own path."""

    why: str


Way: TypeAlias = Native | Split | Gathered | Torch


def resolve(dataset: Any, settings: Settings) -> Way:
    """Finds the way of a loader's batches, from its dataset, transforms and settings as they are now.

    Nothing is changed, and nothing is required: `check_way` does that.
    """
    # Batches that go from host memory to a device need not follow the default device.
    with placed_on(CPU if settings.destination is not None else None):
        try:
            return _resolve(dataset, settings)
        except Unrecognized as why:
            reason = str(why)
        try:
            return _traced(dataset, settings)
        except Unrecognized as why:
            return Torch(f"{reason}; and it is not traced: {why}" if str(why) else reason)


def check_way(way: Way, settings: Settings) -> None:
    """Checks that batches are made as the user requires.

    Raises:
        TypeError: with ``native="require"``, a part is not native; with ``device_normalize=True``, the device cannot
            apply the table.
    """
    if settings.options.native == "require" and isinstance(way, Torch):
        raise TypeError(f'native="require", but torch alone makes the batches: {way.why}')
    if settings.options.native == "require" and isinstance(way, Split):
        raise TypeError(f'native="require", but a part runs in Python: {way.why}')
    if settings.destination is not None and settings.destination.table:
        why = why_no_table(way)
        if why:
            raise TypeError(f"device_normalize=True, but {why}")


def why_no_table(way: Way) -> str:
    """Says why a device cannot apply the table at the end of the transforms; empty if it can."""
    return why_not_left(way.tree.leaves) if isinstance(way, Native) else NO_TABLE


def _resolve(dataset: Any, settings: Settings) -> Way:
    """Finds the way.

    Raises:
        Unrecognized: torch alone; the message says why.
    """
    if settings.options.native == "off":
        return Torch('native="off"')
    native_collate = (torch_default_collate, default_collate) if settings.batched else (torch_default_convert,)
    collate_fn, why = settings.collate_fn, ""
    if all(collate_fn is not known for known in native_collate) or not is_own_collate(collate_fn):
        why = f"the collate_fn {describe(collate_fn)} runs in Python: apply it to the batch, in your loop"
    if type(first_leaf(dataset)) is TensorDataset:
        return _gathered(dataset, settings, why)
    tree = read_datasets(dataset)
    leaves = tree.leaves
    why = next((leaf.why for leaf in leaves if leaf.why), why)
    if not why and any(leaf.one_hot != leaves[0].one_hot for leaf in leaves):
        why = "the datasets that are concatenated have different target_transforms"
    if why := why or _why_not_collated(tree, batched=settings.batched):
        return Split(tree, why)
    left = is_left(leaves, settings.destination)
    compiled = compile_leaves(leaves, settings.options, settings.memory, leave_table=left)
    return Native(tree, compiled, leaves[0].plan.table if left else None)


def _traced(dataset: Any, settings: Settings) -> Traced:
    """Finds out whether a dataset's samples can be traced.

    Raises:
        Unrecognized: they cannot, and why; empty where there is nothing to say about it.
    """
    if settings.options.native == "off" or not settings.options.trace or first_leaf(dataset) is None:
        raise Unrecognized("")
    if not settings.batched or settings.worker_init_fn is not None or default_device() != CPU:
        raise Unrecognized("")
    if all(settings.collate_fn is not known for known in (torch_default_collate, default_collate)):
        raise Unrecognized("")
    if not is_own_collate(settings.collate_fn) or registered_for(Tensor):
        raise Unrecognized("")
    tree = read_traced(dataset, settings.num_workers)
    kinds = {tuple((view.table.dtype, view.table.channels) for view in leaf.plan.views) for leaf in tree.leaves}
    if len(kinds) > 1:
        raise Unrecognized("the datasets that are concatenated make different tensors of their images")
    return Traced(tree, compile_leaves(tree.leaves, settings.options, settings.memory), None)


def _gathered(dataset: Any, settings: Settings, why: str) -> Gathered | Torch:
    """Reads datasets of tensors, unless there is a reason against it.

    Raises:
        Unrecognized: torch alone; the message says why.
    """
    if settings.num_workers and settings.worker_init_fn is not None:
        why = why or "the worker_init_fn sets worker processes up: leave it out, and rows are gathered natively"
    if not why and not settings.batched:
        why = "without batches, a TensorDataset is indexed by torch itself"
    if why := why or registered_for(Tensor):
        return Torch(why)
    columns = read_tree(dataset, read_columns, len)
    if len({len(leaf.tensors) for leaf in columns.leaves}) > 1:
        return Torch("the TensorDatasets that are concatenated have different numbers of tensors")
    return Gathered(columns)


def _kinds(nest: Any) -> set[type]:
    """The kinds of the containers in a nest of views."""
    inside = nest if isinstance(nest, (list, tuple)) else [*nest.values()] if isinstance(nest, dict) else None
    return set() if inside is None else {type(nest)}.union(*map(_kinds, inside))


def _why_not_collated(tree: Tree[Leaf], *, batched: bool) -> str:
    """Says why Python does what torch's collate_fn does; empty if it need not."""
    first = tree.leaves[0]
    # Targets that datasets bring are collated by Python anyway.
    brought = any(leaf.brings for leaf in tree.leaves)
    kinds = frozenset().union(*(leaf.labels.kinds for leaf in tree.leaves))
    if batched:
        targets = [Tensor] if first.one_hot is not None else [] if brought else [*kinds]
        images: list[type] = [view.kind for view in first.plan.views]
        return registered_for(*_kinds(first.plan.nest), *images, *targets)
    if first.one_hot is None and not brought and not kinds <= {int}:
        return "numpy's numbers become tensors where there are no batches: make each target an int"
    return ""
