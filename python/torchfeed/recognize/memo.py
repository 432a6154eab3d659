"""What was made of a dataset's lists, kept from one epoch to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["Memo"]

T = TypeVar("T")


class Memo(Generic[T]):
    """Keeps what `make` made of a list that belongs to a dataset, for as long as the list holds the same objects.

    Comparing a list with its copy takes a few nanoseconds an item, since equal items are the same objects; so a list
    that was changed in place is noticed.
    """

    def __init__(self, make: Callable[[list[Any]], T]) -> None:
        self._make = make
        self._kept: WeakKeyDictionary[Any, tuple[list[Any], T]] = WeakKeyDictionary()

    def __call__(self, owner: Any, items: Sequence[Any]) -> T:
        """Makes it, unless the owner's list is still the one of the last time."""
        items = list(items)
        try:
            kept = self._kept.get(owner)
        except TypeError:  # an owner that cannot be hashed
            return self._make(items)
        if kept is not None and _same(kept[0], items):
            return kept[1]
        made = self._make(items)
        self._kept[owner] = (items, made)
        return made


def _same(kept: list[Any], items: list[Any]) -> bool:
    try:
        # Numbers of another type may be equal, and a list that has others has them from its first item on.
        return kept == items and [*map(type, kept[:1])] == [*map(type, items[:1])]
    except (RuntimeError, ValueError):  # arrays and tensors do not say whether they are equal
        return False
