"""Reads a dataset, or nested ones, as recognised datasets that hold samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch.utils.data import IterableDataset

from torchfeed import _native

from .common import Unrecognized
from .dataset import read_samples
from .known_classes import class_name
from .leaf import Leaf
from .tree import Tree, read_tree

__all__ = ["SelfDescribing", "read_datasets", "read_leaf"]


class SelfDescribing:
    """A dataset that says itself how its samples are made natively."""

    def leaf_of_batches(self) -> Leaf:
        """Says how the samples of whole batches are made.

        Raises:
            Unrecognized: Python makes them.
        """
        raise NotImplementedError


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
    views = [(view.kind, view.table.dtype, view.table.channels) for view in leaf.plan.views]
    return repr(leaf.plan.nest), *views


def read_leaf(dataset: Any) -> Leaf:
    """Reads a dataset that holds samples.

    Raises:
        Unrecognized: it is none that the native engine reads.
    """
    if isinstance(dataset, IterableDataset):
        raise Unrecognized("an IterableDataset has no index: samples are made by its own __iter__")
    transforms = getattr(dataset, "transform", None), getattr(dataset, "target_transform", None)
    if callable(getattr(type(dataset), "sample_source", None)):
        source = _native.Source.per_batch(len(dataset))
        return Leaf.read(dataset, source, [0] * len(dataset), *transforms, brings=dataset.sample_source)
    if isinstance(dataset, SelfDescribing):
        return dataset.leaf_of_batches()
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
