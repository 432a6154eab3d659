"""Samples side by side: `default_collate`, with recycled memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torch.utils.data._utils import collate as torch_collate
from torch.utils.dlpack import from_dlpack

from torchfeed import _native
from torchfeed.util.dlpack import dtype_code, is_plain, lend_tensor

from .shared_memory import Segments, can_be_used

__all__ = ["Collate", "default_collate"]

NATIVE_BYTES = 1 << 20
"""Below this size of a batch, `torch.stack` is faster than the way to native code and back."""

_BLOCKS = 4
"""The free blocks that are kept, as many as those of the process."""


def default_collate(batch: Sequence[Any]) -> Any:
    """Puts a list of samples side by side, as `torch.utils.data.default_collate` does, several times faster.

    Large batches of CPU tensors are copied natively into recycled memory: a new batch reuses the block of one that
    nobody holds any more. Everything else is torch's own code.

    Args:
        batch: samples of one structure: tensors, NumPy arrays (negative strides too), numbers, strings, and mappings,
            named tuples and sequences of those, nested.

    Returns:
        The same structure with a new first dimension of ``len(batch)`` in every tensor.

    Raises:
        RuntimeError: tensors of unequal shapes; the message names the positions and the shapes.
        TypeError: a type that torch does not collate either.

    Example:
        >>> images, labels = default_collate([(torch.zeros(3, 8, 8), 0), (torch.ones(3, 8, 8), 1)])
        >>> images.shape, labels
        (torch.Size([2, 3, 8, 8]), tensor([0, 1]))
    """
    return torch_collate.collate(batch, collate_fn_map=_collate_fn_map(_stack))


def collate_with(batch: Sequence[Any], functions: Mapping[Any, Callable[..., Any]]) -> Any:
    """`default_collate`, with other functions for parts of samples of some types."""
    return torch_collate.collate(batch, collate_fn_map={**_collate_fn_map(_stack), **functions})


class Collate:
    """`default_collate` with memory of its own, which goes when this does. That of the function stays.

    Args:
        loader: where worker processes call it, a name of the iterator that they are of: their batches are sent in
            memory that is used again.
    """

    def __init__(self, loader: str = "") -> None:
        self.loader = loader
        self._stack = partial(_stack, memory=_native.BatchMemory(_BLOCKS))
        self._segments: Segments | None = None

    def __call__(self, batch: Sequence[Any]) -> Any:
        """Puts a list of samples side by side; a function that somebody has registered is given a plain one."""
        batch = list(batch) if isinstance(batch, list) else batch
        if not self.loader or get_worker_info() is None or not can_be_used() or _is_any_registered():
            return torch_collate.collate(batch, collate_fn_map=_collate_fn_map(self._stack))
        if self._segments is None:
            self._segments = Segments(self.loader)
        self._segments.begin()
        stack = partial(_stack, segments=self._segments)
        return self._segments.sent(torch_collate.collate(batch, collate_fn_map=_collate_fn_map(stack)))


def _collate_fn_map(stack: Callable[..., Any]) -> dict[Any, Callable[..., Any]]:
    """Torch's map, with what a user has registered there, and our functions in the place of torch's own."""
    merged = dict(torch_collate.default_collate_fn_map)
    if merged.get(torch.Tensor) is torch_collate.collate_tensor_fn:
        merged[torch.Tensor] = stack
    if merged.get(np.ndarray) is torch_collate.collate_numpy_array_fn:
        merged[np.ndarray] = _stack_arrays
    return merged


def _is_any_registered() -> bool:
    """Whether somebody has registered a function, which may keep or return anything."""
    functions = torch_collate.default_collate_fn_map.values()
    return any(getattr(function, "__module__", "") != torch_collate.__name__ for function in functions)


def _stack_arrays(batch: Sequence[Any], *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """Makes tensors of arrays; torch cannot where a stride is negative."""
    try:
        return torch_collate.collate_numpy_array_fn(batch, collate_fn_map=collate_fn_map)
    except ValueError:
        # Only the first of them need be an array.
        arrays = [a.copy() if isinstance(a, np.ndarray) and min(a.strides, default=0) < 0 else a for a in batch]
        return torch_collate.collate_numpy_array_fn(arrays, collate_fn_map=collate_fn_map)


def _stack(
    batch: Sequence[Tensor],
    *,
    collate_fn_map: dict[Any, Callable[..., Any]] | None = None,
    memory: _native.BatchMemory | None = None,
    segments: Segments | None = None,
) -> Tensor:
    # Held until they are copied, whatever another thread does to the list meanwhile.
    batch = list(batch)
    first = batch[0]
    is_large = not first.is_nested and first.numel() * first.itemsize * len(batch) >= NATIVE_BYTES
    try:
        if segments is not None and _are_plain(batch):
            out = segments.empty((len(batch), *first.shape), first.dtype)
            if out is not None:
                return torch.stack(batch, out=out)
        # In a worker process without segments, the batch must lie in new shared memory.
        elif is_large and get_worker_info() is None and not _may_be_channels_last(first) and _are_plain(batch):
            return from_dlpack(_native.stack([lend_tensor(tensor) for tensor in batch], memory))
        stacked: Tensor = torch_collate.collate_tensor_fn(batch, collate_fn_map=collate_fn_map)
    except RuntimeError:
        _check_shapes(batch)
        raise
    return stacked


def _are_plain(batch: Sequence[Any]) -> bool:
    """Whether all of them are tensors of one shape, and nothing but CPU memory of a dtype that native code knows."""
    first = batch[0]
    if dtype_code(first.dtype) is None or first.is_nested or not first.numel():
        return False
    return all(isinstance(each, Tensor) and is_plain(each, first.dtype) and each.shape == first.shape for each in batch)


def _check_shapes(batch: Sequence[Any]) -> None:
    """Names the positions of tensors of unequal shapes, which torch does not put side by side.

    Raises:
        RuntimeError: there are such.
    """
    if any(not isinstance(tensor, Tensor) or tensor.is_nested for tensor in batch):
        return
    first = batch[0]
    for position, tensor in enumerate(batch):
        if tensor.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 "
                f"and {list(tensor.shape)} at entry {position}"
            ) from None


def _may_be_channels_last(tensor: Tensor) -> bool:
    """Whether torch may take a tensor of 4 or 5 axes for images or volumes with the channels last, and stack it so."""
    if tensor.ndim not in {4, 5} or tensor.is_contiguous():
        return False
    strides = [tensor.stride(axis) for axis in (1, *range(tensor.ndim - 1, 1, -1), 0)]
    return strides == sorted(strides)
