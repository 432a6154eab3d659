"""Nests: lists, tuples, stacks and dicts of one kind of thing, such as the views of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Stack", "nested"]


@dataclass(frozen=True)
class Stack:
    """What is laid side by side by `torch.stack`, in a new first dimension of the sample."""

    views: tuple[Any, ...]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.views)


def nested(
    nest: Any, of: Callable[[Any], Any], tuples: type = tuple, stacked: Callable[[tuple[Any, ...]], Any] = Stack
) -> Any:
    """Makes lists, tuples and dicts like those of a nest, of what `of` makes of what is in them.

    Args:
        nest: lists, tuples, stacks and dicts, of these very types.
        of: what makes something of anything else.
        tuples: what becomes of tuples.
        stacked: what becomes of stacks, given what is in them.
    """
    if type(nest) in {list, tuple}:
        kind = list if type(nest) is list else tuples
        return kind(nested(inner, of, tuples, stacked) for inner in nest)
    if type(nest) is Stack:
        return stacked(tuple(nested(inner, of, tuples, stacked) for inner in nest))
    if type(nest) is dict:
        return {key: nested(inner, of, tuples, stacked) for key, inner in nest.items()}
    return of(nest)
