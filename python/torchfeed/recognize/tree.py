"""Recognition of nested datasets: `Subset` and `ConcatDataset`, down to the datasets that hold samples."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch.utils.data import ConcatDataset, Subset

from torchfeed import _native

from .common import Unrecognized
from .replaced import replaced

__all__ = ["Tree", "check", "first_leaf", "read_tree"]

T = TypeVar("T")


@dataclass(frozen=True)
class Tree(Generic[T]):
    """The datasets that hold samples, one after the other, and where the samples of the outermost dataset are."""

    leaves: tuple[T, ...]
    starts: tuple[int, ...]
    root: Node

    def locate(self, index: Any) -> int:
        """Finds a sample of the outermost dataset: its place in the leaves, laid end to end.

        Raises:
            IndexError: there is no such sample.
            TypeError: not an integer.
        """
        return self.root.locate(operator.index(index))

    def locate_all(self, indices: Iterable[Any]) -> list[int]:
        """Finds several samples, which takes a fraction of the time where the indices are plain.

        Raises:
            IndexError: there is no such sample.
            TypeError: not an integer.
        """
        indices, root = list(indices), self.root
        if type(root) is LeafNode and root.start == 0 and _native.are_indices(indices, root.length):
            return indices
        return [self.locate(index) for index in indices]

    def leaf(self, place: int) -> tuple[T, int]:
        """Says which leaf a place is in, and which of its samples it is."""
        number = bisect_right(self.starts, place) - 1
        return self.leaves[number], place - self.starts[number]


class Node(ABC):
    """A dataset in the tree."""

    length: int

    @abstractmethod
    def locate(self, index: int) -> int:
        """Finds a sample of this dataset in the leaves."""


@dataclass(frozen=True)
class LeafNode(Node):
    """A dataset that holds samples."""

    start: int
    length: int

    def locate(self, index: int) -> int:
        """Counts negative indices from the end, as the sequences do that such a dataset reads from."""
        if not -self.length <= index < self.length:
            raise IndexError(f"index {index} is out of range for {self.length} samples")
        return self.start + index % self.length


class SubsetNode(Node):
    """A `Subset`."""

    def __init__(self, inner: Node, indices: Sequence[int]) -> None:
        self.inner, self.indices, self.length = inner, indices, len(indices)

    def locate(self, index: int) -> int:
        """Looks the index up."""
        return self.inner.locate(operator.index(self.indices[index]))


class ConcatNode(Node):
    """A `ConcatDataset`."""

    def __init__(self, children: Sequence[Node], ends: Sequence[int]) -> None:
        self.children, self.ends = children, list(ends)
        self.length = self.ends[-1]

    def locate(self, index: int) -> int:
        """Finds the child, with torch's own rules and messages for what lies outside."""
        if index < 0:
            if -index > self.length:
                raise ValueError("absolute value of index should not exceed dataset length")
            index += self.length
        number = bisect_right(self.ends, index)
        if number == len(self.ends):
            raise IndexError(f"index {index} is out of range for {self.length} samples")
        return self.children[number].locate(index - (self.ends[number - 1] if number else 0))


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
    return Tree(tuple(leaves), tuple(starts[:-1]), root)


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
