"""What stands in the place of a function for a while, and counts as it: other threads recognise the code as ever."""

from __future__ import annotations

from types import MethodType
from typing import Any

__all__ = ["Understudy"]


class Understudy:
    """A function in the place of another one, as which it counts where code is looked at.

    Args:
        original: the function that it stands for.
    """

    def __init__(self, original: Any) -> None:
        self.original = original

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Does what it is there for."""
        return self.original(*arguments, **keywords)

    def __get__(self, owner: Any, _: type | None = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.original

    def __hash__(self) -> int:
        return hash(self.original)
