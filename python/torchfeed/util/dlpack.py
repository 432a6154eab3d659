"""Between torch and DLPack: dtypes, and tensors that native code made."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from torchfeed import _native

__all__ = ["dtype_code", "dtype_of", "to_tensors"]

_KINDS = {
    torch.bool: 6,
    torch.uint8: 1,
    torch.int8: 0,
    torch.int16: 0,
    torch.int32: 0,
    torch.int64: 0,
    torch.float16: 2,
    torch.bfloat16: 4,
    torch.float32: 2,
    torch.float64: 2,
    torch.complex64: 5,
    torch.complex128: 5,
}


def dtype_code(dtype: torch.dtype) -> tuple[int, int] | None:
    """Names a dtype as DLPack does: its kind and its bits. `None` for those that are never exported."""
    kind = _KINDS.get(dtype)
    return None if kind is None else (kind, dtype.itemsize * 8)


def dtype_of(code: tuple[int, int]) -> torch.dtype:
    """Finds the dtype that `dtype_code` gave this code."""
    return next(dtype for dtype in _KINDS if dtype_code(dtype) == code)


def to_tensors(batch: tuple[_native.Tensor, _native.Tensor] | None) -> tuple[Tensor, Tensor]:
    """Takes over the memory of a finished batch."""
    assert batch is not None, "without a timeout there is always a batch"
    images, targets = batch
    # The capsules themselves: else torch first asks each for its device and its versions.
    return from_dlpack(images.__dlpack__()), from_dlpack(targets.__dlpack__())
