"""Transforms of targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from torchfeed.batch.one_hot import one_hot, one_hot_levels

__all__ = ["OneHot"]


@dataclass(frozen=True)
class OneHot:
    """Makes a one-hot row of a class index; in a `torchfeed.DataLoader` the rows are filled natively.

    Args:
        num_classes: the length of a row.
        smoothing: the share of the target that is spread over all classes, in ``[0, 1]``.
        dtype: the row's dtype; floating point where there is smoothing.

    Raises:
        TypeError: an unsuitable dtype.
        ValueError: `num_classes` or `smoothing` out of range.

    Example:
        >>> OneHot(4, smoothing=0.2)(1)
        tensor([0.0500, 0.8500, 0.0500, 0.0500])
    """

    num_classes: int
    smoothing: float = 0.0
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        one_hot_levels(self.num_classes, self.smoothing, self.dtype)

    def __call__(self, target: int) -> Tensor:
        """Makes the row of a class index."""
        return one_hot([target], self.num_classes, dtype=self.dtype, smoothing=self.smoothing)[0]
