"""Nests: lists, tuples and dicts of one kind of thing, such as the views of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["nested"]


def nested(nest: Any, of: Callable[[Any], Any], tuples: type = tuple) -> Any:
    """Makes lists, tuples and dicts like those of a nest, of what `of` makes of what is in them.

    Args:
        nest: lists, tuples and dicts, of these very types.
        of: what makes something of anything else.
        tuples: what becomes of tuples.
    """
    if type(nest) in {list, tuple}:
        kind = list if type(nest) is list else tuples
        return kind(nested(inner, of, tuples) for inner in nest)
    if type(nest) is dict:
        return {key: nested(inner, of, tuples) for key, inner in nest.items()}
    return of(nest)
