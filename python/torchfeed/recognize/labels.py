"""The targets that a dataset lists: class indices, or what only Python can give."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchfeed import _native

from .memo import Memo

__all__ = ["Labels", "read_labels"]

_INDICES = frozenset({int, np.int64})
"""Types of which torch makes a batch of int64."""

_INTEGERS = frozenset({int, *(np.dtype(f"{sign}{size}").type for sign in "iu" for size in (1, 2, 4, 8))})


@dataclass(frozen=True)
class Labels:
    """A dataset's targets.

    Attributes:
        native: what native batches have; zeros where they have none.
        kinds: the types of the targets.
        fit: whether they are integers that fit 64 bits.
    """

    native: _native.Labels
    kinds: frozenset[type]
    fit: bool

    def why(self, name: str, *, one_hot: bool) -> str:
        """Says why Python gives the targets of the dataset `name`; empty if it need not."""
        if self.fit and (one_hot or self.kinds <= _INDICES):
            return ""
        if self.kinds <= _INTEGERS and not self.fit:
            return f"the targets of {name} do not fit 64 bits, and are given by Python"
        found = ", ".join(sorted(kind.__name__ for kind in self.kinds))
        return f"the targets of {name} are of type {found}, and are given by Python: make each an int"


def _read(targets: Sequence[Any]) -> Labels:
    kinds = frozenset(map(type, targets))
    if kinds <= _INTEGERS:
        with suppress(OverflowError):
            return Labels(_native.Labels(targets), kinds, fit=True)
    return Labels(_native.Labels([0] * len(targets)), kinds, fit=False)


read_labels = Memo(_read)
