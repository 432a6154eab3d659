"""The list of the classes in this package, and of what stands in it of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

__all__ = ["ENTRIES", "Entry", "listed"]

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A class of people's own, and how a loader of it is made.

    The numbers are those of a survey of public Dataset classes, which `user_datasets` tells.
    """

    name: str
    pattern: int
    traps: tuple[int, ...]
    make: Callable[[str], Any]
    """Makes the dataset for a folder of `user_files`."""
    collate_fn: Any
    draws: Literal["nothing", "pixels", "all"]
    """What random numbers decide about: how images look, or also which images, labels and shapes a sample has."""
    needs: tuple[str, ...]
    """Packages that the tests do without."""
    raises: type[Exception] | None
    """What an epoch ends with."""
    check: Callable[[Any], None] | None
    """Asserts what is true of each batch, whatever is drawn."""
    own_draws: bool
    """Whether `__getitem__` draws numbers itself, besides those that transforms draw."""
    options: dict[str, Any] = field(default_factory=dict)
    """More arguments of the loader."""


ENTRIES: dict[str, Entry] = {}


def listed(
    pattern: int,
    traps: tuple[int, ...] = (),
    *,
    make: Callable[[Any, str], Any],
    name: str = "",
    collate_fn: Any = None,
    draws: Literal["nothing", "pixels", "all"] = "nothing",
    needs: tuple[str, ...] = (),
    raises: type[Exception] | None = None,
    check: Callable[[Any], None] | None = None,
    own_draws: bool = False,
    **options: Any,
) -> Callable[[T], T]:
    """Puts a class on the list; `make` gets the class and the folder."""

    def put(cls: T) -> T:
        key = name or getattr(cls, "__name__", "")
        assert key not in ENTRIES, key
        ENTRIES[key] = Entry(
            key,
            pattern,
            traps,
            lambda root: make(cls, root),
            collate_fn,
            draws,
            needs,
            raises,
            check,
            own_draws,
            options,
        )
        return cls

    return put
