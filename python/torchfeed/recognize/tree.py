"""Recognition of nested datasets: `Subset` and `ConcatDataset`, down to the datasets that hold samples."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch.utils.data import ConcatDataset, Subset

from torchfeed import _native

from .common import Unrecognized
from .replaced_code import replaced

__all__ = ["Tree", "check", "fetch", "first_leaf", "plain_index", "read_tree"]

T = TypeVar("T")


@dataclass(frozen=True)
class Tree(Generic[T]):
    """The datasets that hold samples, one after the other, and where the samples of the outermost dataset are."""

    leaves: tuple[T, ...]
    starts: tuple[int, ...]
    root: Node
    dataset: Any
    """The outermost dataset."""
    size: int
    """How many samples the leaves have: places are below it."""

    def find(self, index: Any) -> int:
        """Finds a sample of the outermost dataset: its place in the leaves, laid end to end.

        Raises:
            Exception: there is no such sample.
        """
        return self.root.locate(index)

    def locate(self, index: Any, *, batched: bool = True) -> int:
        """As `find`, but what the dataset makes of an index that is no plain integer in its range, it says itself.

        A dataset of files takes `True` for 1, and one of arrays does not; errors differ in type and message.

        Args:
            index: the index.
            batched: whether torch's loader would ask the dataset for a batch of samples.

        Raises:
            Exception: what the dataset raises.
        """
        with suppress(Exception):  # whatever it is, the dataset's own is raised
            if not _is_mask(index):
                return self.find(index)
        fetch(self.dataset, [index], batched=batched)
        return self.find(index)

    def locate_all(self, indices: Iterable[Any], *, batched: bool = True) -> list[int]:
        """Finds several samples, which takes a fraction of the time where the indices are plain.

        Args:
            indices: the indices.
            batched: as for `locate`.

        Raises:
            Exception: what the dataset raises of an index.
        """
        indices, root = list(indices), self.root
        if type(root) is LeafNode and root.start == 0 and _native.are_indices(indices, root.length):
            return indices
        return [self.locate(index, batched=batched) for index in indices]

    def leaf(self, place: int) -> tuple[T, int]:
        """Says which leaf a place is in, and which of its samples it is."""
        number = bisect_right(self.starts, place) - 1
        return self.leaves[number], place - self.starts[number]


class Node(ABC):
    """A dataset in the tree."""

    length: int

    @abstractmethod
    def locate(self, index: Any) -> int:
        """Finds a sample of this dataset in the leaves."""


@dataclass(frozen=True)
class LeafNode(Node):
    """A dataset that holds samples."""

    start: int
    length: int

    def locate(self, index: Any) -> int:
        """Counts negative indices from the end, as the sequences do that such a dataset reads from."""
        number = operator.index(index)
        if not -self.length <= number < self.length:
            raise IndexError(f"index {number} is out of range for {self.length} samples")
        return self.start + number % self.length


class SubsetNode(Node):
    """A `Subset`."""

    def __init__(self, inner: Node, indices: Sequence[int]) -> None:
        self.inner, self.indices, self.length = inner, indices, len(indices)

    def locate(self, index: Any) -> int:
        """Looks the index up, whatever it is: `indices` may be a dict."""
        return self.inner.locate(self.indices[index])


class ConcatNode(Node):
    """A `ConcatDataset`."""

    def __init__(self, children: Sequence[Node], ends: Sequence[int]) -> None:
        self.children, self.ends = children, list(ends)
        self.length = self.ends[-1]

    def locate(self, index: Any) -> int:
        """Finds the child, with torch's own rules and messages for what lies outside."""
        if index < 0:
            if -index > self.length:
                raise ValueError("absolute value of index should not exceed dataset length")
            index += self.length
        number = bisect_right(self.ends, index)
        if number == len(self.ends):
            raise IndexError(f"index {index} is out of range for {self.length} samples")
        return self.children[number].locate(index - self.ends[number - 1] if number else index)


def read_tree(dataset: Any, read: Callable[[Any], T], length: Callable[[T], int]) -> Tree[T]:
    """Reads a dataset: `read` is called once for each that is neither a `Subset` nor a `ConcatDataset`.

    Raises:
        Unrecognized: `read` does.
    """
    leaves: list[T] = []
    starts = [0]

    def node(dataset: Any) -> Node:
        # These very classes: a subclass may do anything.
        if type(dataset) in {Subset, ConcatDataset}:
            check(dataset)
        if type(dataset) is Subset:
            return SubsetNode(node(dataset.dataset), dataset.indices)
        if type(dataset) is ConcatDataset:
            children: list[Any] = dataset.datasets
            return ConcatNode([node(child) for child in children], dataset.cumulative_sizes)
        leaves.append(read(dataset))
        starts.append(starts[-1] + length(leaves[-1]))
        return LeafNode(starts[-2], length(leaves[-1]))

    root = node(dataset)
    return Tree(tuple(leaves), tuple(starts[:-1]), root, dataset, starts[-1])


def fetch(dataset: Any, indices: Any, *, batched: bool = True) -> list[Any]:
    """Makes samples as torch's own loader does."""
    together = getattr(dataset, "__getitems__", None) if batched else None
    return list(together(indices)) if together else [dataset[index] for index in indices]


def _is_mask(index: Any) -> bool:
    """Whether an index counts as an integer, but chooses several samples, or none, from an array."""
    if type(index) is int:
        return False
    dtype = getattr(index, "dtype", None)
    return isinstance(index, bool) or (dtype is not None and (str(dtype).endswith("bool") or index.ndim > 0))


def plain_index(index: Any) -> Any:
    """Makes an int of whatever counts as one, such as a tensor of one number; leaves other indices as they are."""
    if type(index) in {int, bool}:
        return index
    try:
        return operator.index(index)
    except TypeError:
        return index


def check(dataset: Any) -> None:
    """Checks that a dataset of torch's runs torch's own code.

    Raises:
        Unrecognized: it does not.
    """
    why = "__getitems__ was set on the object" if "__getitems__" in vars(dataset) else replaced(dataset)
    if why:
        raise Unrecognized(f"{type(dataset).__name__} makes its samples in Python: {why}")


def first_leaf(dataset: Any) -> Any:
    """Finds the first dataset that is neither a `Subset` nor a `ConcatDataset`."""
    if type(dataset) is Subset:
        return first_leaf(dataset.dataset)
    return first_leaf(dataset.datasets[0]) if type(dataset) is ConcatDataset else dataset
