"""Comparing what is drawn with what torchvision draws."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["distance", "kolmogorov_smirnov"]


def distance(left: Any, right: Any) -> float:
    """The largest distance of two empirical distribution functions."""
    left, right = np.sort(left), np.sort(right)
    at = np.concatenate([left, right])
    shares = (np.searchsorted(sample, at, side="right") / len(sample) for sample in (left, right))
    return float(np.abs(next(shares) - next(shares)).max())


def kolmogorov_smirnov(n: int) -> float:
    """The distance that two samples of `n` from one distribution exceed in one comparison of a thousand."""
    return float(1.95 * (2 / n) ** 0.5)
