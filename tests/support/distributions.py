"""Comparing what is drawn with what torchvision draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

__all__ = ["chi_square", "distance", "kolmogorov_smirnov"]


def distance(left: Any, right: Any) -> float:
    """The largest distance of two empirical distribution functions."""
    left, right = np.sort(left), np.sort(right)
    at = np.concatenate([left, right])
    shares = (np.searchsorted(sample, at, side="right") / len(sample) for sample in (left, right))
    return float(np.abs(next(shares) - next(shares)).max())


def kolmogorov_smirnov(n: int, other: int | None = None) -> float:
    """The distance that samples of `n` and `other` from one distribution exceed in one comparison of a thousand."""
    return float(1.95 * (1 / n + 1 / (other or n)) ** 0.5)


def chi_square(left: Iterable[Hashable], right: Iterable[Hashable]) -> float:
    """How unlike two samples of kinds are: below 3 in all but one comparison of a thousand of one distribution.

    The chi-square of two samples as a normal deviate, by the cube root of E. B. Wilson and M. M. Hilferty (1931). Kinds
    of which there are less than ten are one.
    """
    counts = Counter(left), Counter(right)
    totals = [count.total() for count in counts]
    kinds = {kind for count in counts for kind in count}
    rare = {kind for kind in kinds if sum(count[kind] for count in counts) < 10}
    rows = [[count[kind] for count in counts] for kind in kinds - rare]
    rows.append([sum(count[kind] for kind in rare) for count in counts])
    table = np.array([row for row in rows if any(row)], np.float64)
    expected = table.sum(1, keepdims=True) * np.array(totals) / sum(totals)
    freedom = max(len(table) - 1, 1)
    spread = 2 / (9 * freedom)
    statistic = ((table - expected) ** 2 / expected).sum()
    return float(((statistic / freedom) ** (1 / 3) - (1 - spread)) / spread**0.5)
