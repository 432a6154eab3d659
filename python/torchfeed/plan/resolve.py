"""From a loader's arguments to what makes its batches, or to the reason why that is torch alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset, TensorDataset
from torch.utils.data import default_collate as torch_default_collate
from torch.utils.data import default_convert as torch_default_convert

from torchfeed import _native
from torchfeed.batch.collate import default_collate
from torchfeed.datasets import NativeDataset
from torchfeed.epoch.rows import Columns, read_columns
from torchfeed.internals import Internals
from torchfeed.recognize import Unrecognized, class_name, describe
from torchfeed.recognize.collate import registered_for
from torchfeed.recognize.dataset import read_samples
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.replaced import code_of_function, set_on
from torchfeed.recognize.tree import Tree, check, first_leaf, read_tree
from torchfeed.util.default_device import CPU, placed_on

from .compile import Compiled, compile_leaves

__all__ = [
    "Gathered",
    "Native",
    "Resolved",
    "Split",
    "compile_tree",
    "find_way",
    "is_own_collate",
    "read_datasets",
    "resolve",
]


@dataclass(frozen=True)
class Native:
    """Datasets whose batches native threads make from beginning to end."""

    tree: Tree[Leaf]
    compiled: Compiled


@dataclass(frozen=True)
class Split:
    """Datasets whose samples or batches are finished in Python."""

    tree: Tree[Leaf]
    why: str


@dataclass(frozen=True)
class Gathered:
    """Tensors whose rows are gathered."""

    tree: Tree[Columns]


Resolved = Native | Split | Gathered


def resolve(loader: Any, own: Internals) -> Resolved:
    """Finds out what makes the batches of a loader, of its dataset, transforms and collate_fn as they are now.

    Args:
        loader: the loader.
        own: its internals.

    Raises:
        Unrecognized: torch alone; the message says why.
        TypeError: that, or a part in Python, with ``native="require"``.
    """
    if own.settings.native != "require":
        return find_way(loader, own)
    try:
        resolved = find_way(loader, own)
    except Unrecognized as why:
        raise TypeError(f'native="require", but torch alone makes the batches: {why}') from None
    if isinstance(resolved, Split):
        raise TypeError(f'native="require", but a part runs in Python: {resolved.why}')
    return resolved


def find_way(loader: Any, own: Internals, *, delivered: bool = False) -> Resolved:
    """As `resolve`, whatever is required.

    Args:
        loader: the loader.
        own: its internals.
        delivered: whether batches go on to a device, if that is not known from the loader itself.

    Raises:
        Unrecognized: torch alone; the message says why.
    """
    # What is taken from host memory to a device need not follow the default one.
    delivered = delivered or own.delivery is not None or own.wish is not None
    with placed_on(CPU if delivered else None):
        return _find_way(loader, own)


def _find_way(loader: Any, own: Internals) -> Resolved:
    if own.settings.native == "off":
        raise Unrecognized('native="off"')
    batched: bool = loader._auto_collation  # noqa: SLF001  (torch's own name)
    native_collate = (torch_default_collate, default_collate) if batched else (torch_default_convert,)
    why = ""
    if all(loader.collate_fn is not known for known in native_collate) or not is_own_collate(loader.collate_fn):
        why = f"the collate_fn {describe(loader.collate_fn)} runs in Python: apply it to the batch, in your loop"
    if type(first_leaf(loader.dataset)) is TensorDataset:
        return _gathered(loader, why)
    tree = read_datasets(loader.dataset)
    why = next((leaf.why for leaf in tree.leaves if leaf.why), why)
    if not why and any(leaf.one_hot != tree.leaves[0].one_hot for leaf in tree.leaves):
        why = "the datasets that are concatenated have different target_transforms"
    if why := why or _why_not_collated(tree, batched=batched):
        return Split(tree, why)
    return compile_tree(tree, own)


def _gathered(loader: Any, why: str) -> Gathered:
    """Reads datasets of tensors, unless there is a reason against it.

    Raises:
        Unrecognized: torch alone; the message says why.
    """
    if loader.num_workers and loader.worker_init_fn is not None:
        why = why or "the worker_init_fn sets worker processes up: leave it out, and rows are gathered natively"
    if not why and not loader._auto_collation:  # noqa: SLF001  (torch's own name)
        why = "without batches, a TensorDataset is indexed by torch itself"
    if why := why or registered_for(Tensor):
        raise Unrecognized(why)
    columns = read_tree(loader.dataset, _read_columns, len)
    if len({len(leaf.tensors) for leaf in columns.leaves}) > 1:
        raise Unrecognized("the TensorDatasets that are concatenated have different numbers of tensors")
    return Gathered(columns)


def _why_not_collated(tree: Tree[Leaf], *, batched: bool) -> str:
    """Says why Python does what torch's collate_fn does; empty if it need not."""
    first = tree.leaves[0]
    # Targets that datasets bring are collated by Python anyway.
    brought = any(leaf.brings for leaf in tree.leaves)
    kinds = frozenset().union(*(leaf.labels.kinds for leaf in tree.leaves))
    if batched:
        targets = [Tensor] if first.one_hot is not None else [] if brought else [*kinds]
        return registered_for(first.plan.kind, *targets)
    if first.one_hot is None and not brought and not kinds <= {int}:
        return "numpy's numbers become tensors where there are no batches: make each target an int"
    return ""


def is_own_collate(collate_fn: Any) -> bool:
    """Whether a function of torch's or torchfeed's collates a batch by its own code."""
    return collate_fn is default_collate or not code_of_function(collate_fn).why


def _read_columns(dataset: Any) -> Columns:
    columns = read_columns(dataset)
    check(dataset)
    return columns


def compile_tree(tree: Tree[Leaf], own: Internals) -> Native:
    """Makes the pipeline of datasets that are native from beginning to end, as the loader wants it."""
    settings, kept = own.settings, (own.row_indexes, own.batch_memory)
    fast, limits = settings.decodes_fast, settings.limits
    return Native(tree, compile_leaves(tree.leaves, settings.memory_format, *kept, fast=fast, limits=limits))


def read_datasets(dataset: Any) -> Tree[Leaf]:
    """Reads a dataset, or those that it is made of.

    Raises:
        Unrecognized: one of them is none that the native engine reads.
    """
    tree = read_tree(dataset, read_leaf, len)
    leaves = tree.leaves
    if len({_made(leaf) for leaf in leaves}) > 1:
        # They have to be laid side by side by Python, once they are tensors.
        why = "the datasets that are concatenated make different tensors of their images: give them one transform"
        leaves = tuple(leaf.as_images(why) for leaf in leaves)
        if len({_made(leaf) for leaf in leaves}) > 1:
            raise Unrecognized("the datasets that are concatenated have images of different channels")
    return replace(tree, leaves=leaves)


def _made(leaf: Leaf) -> tuple[Any, ...]:
    return leaf.plan.kind, leaf.plan.table.dtype, leaf.plan.table.channels


def read_leaf(dataset: Any) -> Leaf:
    """Reads a dataset that holds samples.

    Raises:
        Unrecognized: it is none that the native engine reads.
    """
    if isinstance(dataset, IterableDataset):
        raise Unrecognized("an IterableDataset has no index: samples are made by its own __iter__")
    transforms = getattr(dataset, "transform", None), getattr(dataset, "target_transform", None)
    if callable(getattr(type(dataset), "sample_source", None)):
        return Leaf.read(
            dataset,
            _native.Source.per_batch(len(dataset)),
            [0] * len(dataset),
            *transforms,
            brings=dataset.sample_source,
        )
    if isinstance(dataset, NativeDataset):
        cls = type(dataset)
        if cls.__getitem__ is not NativeDataset.__getitem__ or cls.__getitems__ is not NativeDataset.__getitems__:
            raise Unrecognized(f"{cls.__name__} has a __getitem__ of its own: give it a sample_source instead")
        for name in ("__getitem__", "__getitems__"):
            code = code_of_function(getattr(cls, name), cls)
            why = code.why or set_on(dataset, code)
            if why:
                raise Unrecognized(f"{cls.__name__} makes its samples in Python: {why}")
        return dataset.leaf()
    samples = read_samples(dataset)
    names: Sequence[str] = type(dataset).__getitem__.__code__.co_names
    if "transforms" not in names:
        return Leaf.read(dataset, samples.source, samples.labels, *transforms)
    # `transforms` is what runs here, whatever the other two are by now.
    joint = dataset.transforms
    if joint is None:
        return Leaf.read(dataset, samples.source, samples.labels, None, None)
    if type(joint).__name__ == "StandardTransform" and class_name(joint):
        return Leaf.read(dataset, samples.source, samples.labels, joint.transform, joint.target_transform)
    return Leaf.read(dataset, samples.source, samples.labels, None, None, joint=joint)
