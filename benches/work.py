"""One job and the two sides that do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["SIDES", "Work"]

SIDES = ("torchfeed", "torchvision")


@dataclass(frozen=True)
class Work:
    """A job for both sides; each does all of it when it is called, on one core.

    Attributes:
        name: a row of the table.
        torchfeed: our side.
        torchvision: the same by torchvision and torch.
        check: asserts that the two sides give the same answer.
        amount: how much of `unit` one call does.
        unit: ``"images"`` or ``"GB"``.
    """

    name: str
    torchfeed: Callable[[], Any]
    torchvision: Callable[[], Any]
    check: Callable[[], None]
    amount: float
    unit: str = "images"
