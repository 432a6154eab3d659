"""The batch stage by itself: collate and one-hot, beside torch and beside what memory allows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import default_collate

import torchfeed
from torchfeed.replay import same

__all__ = ["OPERATORS", "Operator", "collate", "one_hot", "time_sides"]


@dataclass(frozen=True)
class Operator:
    """One call, by several sides; the first is torchfeed's.

    Attributes:
        name: of a row.
        sides: what each calls.
        check: asserts that torchfeed's answer is torch's.
        gigabytes: the size of the answer.
    """

    name: str
    sides: dict[str, Callable[[], Any]]
    check: Callable[[], None]
    gigabytes: float


def collate(count: int = 128, size: int = 224) -> Operator:
    """Collates images (3, size, size) float32; copying as many bytes into warm memory is the limit."""
    samples = list(torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)).unbind())
    source, target = torch.stack(samples), torch.zeros(count, 3, size, size)
    return Operator(
        f"collate {count} x (3, {size}, {size}) float32",
        {
            "torchfeed": lambda: torchfeed.default_collate(samples),
            "torch default_collate": lambda: default_collate(samples),
            "memcpy into warm memory": lambda: target.copy_(source),
        },
        lambda: same(torchfeed.default_collate(samples), default_collate(samples)),
        target.nbytes / 1e9,
    )


def one_hot(rows: int = 4096, classes: int = 1000) -> Operator:
    """Makes one-hot rows, float32."""
    labels = torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(0))
    reused, column = torch.zeros(rows, classes), labels[:, None]
    return Operator(
        f"one-hot {rows} x {classes} float32",
        {
            "torchfeed": lambda: torchfeed.one_hot(labels, classes, dtype=torch.float32),
            "torch F.one_hot(...).float()": lambda: F.one_hot(labels, classes).float(),
            "scatter_ into a reused tensor": lambda: reused.zero_().scatter_(1, column, 1.0),
        },
        lambda: same(
            torchfeed.one_hot(labels, classes, dtype=torch.float32), F.one_hot(labels, num_classes=classes).float()
        ),
        reused.nbytes / 1e9,
    )


OPERATORS = {"collate": collate, "one-hot": one_hot}


def time_sides(sides: dict[str, Callable[[], Any]], rounds: int, repeat: float = 0.05) -> dict[str, float]:
    """Times functions by turns, in this thread.

    Args:
        sides: the functions.
        rounds: how often each has its turn.
        repeat: the least seconds of one turn.

    Returns:
        The median seconds of one call of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(1 + rounds):
        for name, side in sides.items():
            side()  # what it needs is in the caches again
            calls, start = 0, time.perf_counter()
            while calls == 0 or time.perf_counter() < start + repeat:
                side()
                calls += 1
            if round_ > 0:
                seconds[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(times) for name, times in seconds.items()}
