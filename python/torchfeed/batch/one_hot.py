"""One-hot rows of class indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from torchfeed import _native
from torchfeed.util.dlpack import dtype_code, lend_tensor

__all__ = ["one_hot", "one_hot_levels"]


def one_hot_levels(num_classes: int, smoothing: float, dtype: torch.dtype) -> tuple[int, bytes, bytes, tuple[int, int]]:
    """Computes the two values of a smoothed one-hot row, by torch itself: classes, on, off, and the dtype's code.

    The formula is that of `torch.nn.CrossEntropyLoss(label_smoothing=...)`: ``y * (1 - smoothing) + smoothing / K``.
    """
    code = dtype_code(dtype)
    if code is None or dtype.is_complex:
        raise TypeError(f"one_hot makes real numbers, not {dtype}")
    if num_classes < 1:
        raise ValueError(f"num_classes must be positive, got {num_classes}")
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"smoothing must be between 0 and 1, got {smoothing}")
    if smoothing and not dtype.is_floating_point:
        raise TypeError(f"smoothed rows need a floating point dtype, not {dtype}")
    levels = torch.tensor([0, 1], dtype=dtype, device="cpu")
    if smoothing:
        levels = levels * (1 - smoothing) + smoothing / num_classes
    off, on = levels.view(torch.uint8).view(2, -1)
    return num_classes, bytes(on.tolist()), bytes(off.tolist()), code


def one_hot(
    labels: Tensor | np.ndarray[Any, Any] | Sequence[int],
    num_classes: int = -1,
    *,
    dtype: torch.dtype = torch.int64,
    smoothing: float = 0.0,
) -> Tensor:
    """Makes one-hot rows of class indices, as `torch.nn.functional.one_hot(...).to(dtype)` does in one pass.

    Args:
        labels: class indices of any shape and any integer dtype, in ``[0, num_classes)``.
        num_classes: the length of a row; -1 takes one more than the largest label.
        dtype: the rows' dtype.
        smoothing: the share of the target that is spread over all classes, in ``[0, 1]``; needs a floating dtype.

    Returns:
        Rows, shape ``(*labels.shape, num_classes)``, on the device of the labels.

    Raises:
        TypeError: labels that are not integers.
        ValueError: a label out of range; the message names its position. On another device than the CPU labels are not
            looked at, and `num_classes` must be given.

    Example:
        >>> one_hot([1, 0], 3, dtype=torch.float32)
        tensor([[0., 1., 0.],
                [1., 0., 0.]])
    """
    if isinstance(labels, (np.ndarray, np.generic)):
        labels = np.asarray(labels)
        # torch has no arithmetic on the larger unsigned dtypes, no other byte order and no negative strides.
        labels = labels.astype(np.int64, order="C") if labels.dtype.kind in "iu" else labels
    given = labels if isinstance(labels, Tensor) else torch.as_tensor(labels, device="cpu")
    if given.numel() == 0 and not isinstance(labels, (Tensor, np.ndarray)):
        given = given.long()
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise TypeError(f"one_hot takes integer labels, got {given.dtype}")
    if given.device.type != "cpu":
        if num_classes == -1:
            raise ValueError(f"num_classes must be given for labels on {given.device.type}")
        return _one_hot_on_device(given, one_hot_levels(num_classes, smoothing, dtype), dtype)
    flat = given.to(torch.int64).contiguous()
    if num_classes == -1:
        if flat.numel() == 0:
            raise ValueError("num_classes must be given where there are no labels")
        num_classes = int(flat.max()) + 1
    levels = one_hot_levels(num_classes, smoothing, dtype)
    rows = from_dlpack(_native.one_hot(lend_tensor(flat), *levels))
    return rows.view(*given.shape, num_classes)


def _one_hot_on_device(labels: Tensor, levels: tuple[int, bytes, bytes, tuple[int, int]], dtype: torch.dtype) -> Tensor:
    """Makes the rows by torch, without asking anything of the device that the caller would have to wait for."""
    classes, on, off, _ = levels
    high, low = (torch.frombuffer(bytearray(value), dtype=dtype).item() for value in (on, off))
    rows = torch.full((*labels.shape, classes), low, dtype=dtype, device=labels.device)
    return rows.scatter_(-1, labels.long().unsqueeze(-1), high)
