"""DLPack: its names of torch's dtypes, tensors that native code made, and memory that it is lent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack, to_dlpack  # type: ignore[attr-defined]  # documented, but not in __all__

from torchfeed._native import Tensor as NativeTensor

__all__ = ["dtype_code", "dtype_of", "is_plain", "lend_array", "lend_tensor", "to_tensors"]

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


def to_tensors(fields: Sequence[NativeTensor] | None) -> list[Tensor]:
    """Takes over the memory of a finished batch: the views of its images, and its targets."""
    assert fields is not None, "without a timeout there is always a batch"
    # The capsules themselves: else torch first asks each for its device and its versions.
    return [from_dlpack(field.__dlpack__()) for field in fields]


def lend_tensor(tensor: Tensor) -> Any:
    """Exports a tensor in host memory for native code, without a copy, in a tenth of the time of `__dlpack__`."""
    return to_dlpack(tensor)


def lend_array(array: np.ndarray[Any, Any]) -> Any:
    """Exports an array for native code to read, without a copy.

    Args:
        array: without negative strides. It may be read-only, as a memory map is, which DLPack can say since 1.0.
    """
    if array.flags.writeable:
        return array.__dlpack__()
    try:
        return array.__dlpack__(max_version=(1, 0))
    except TypeError:  # NumPy below 2.1 does not know the argument
        return _as_writable(array).__dlpack__()


class _Writable:
    """Read-only memory as if it could be written to; whoever views it must not."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _as_writable(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(_Writable(array))


def is_plain(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether a tensor is nothing but strided CPU memory of `dtype`."""
    return (
        type(tensor) is Tensor
        and tensor.dtype == dtype
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.requires_grad
        and not tensor.is_conj()
        and not tensor.is_neg()
    )
