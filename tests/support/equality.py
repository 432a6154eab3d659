"""Equality of batches: structures, types and bits."""

from __future__ import annotations

from collections import UserDict
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch

from oracle import same


def equal(left: Any, right: Any) -> None:
    """Asserts equal structures: types, keys, tensors by their bits."""
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert left.requires_grad == right.requires_grad
        same(left.resolve_conj().resolve_neg(), right.resolve_conj().resolve_neg())
        for size, *strides in zip(left.shape, left.stride(), right.stride(), strict=True):
            assert size == 1 or strides[0] == strides[1]
    elif isinstance(left, np.ndarray):
        assert (left.dtype, left.shape, left.flags.writeable) == (right.dtype, right.shape, right.flags.writeable)
        assert left.tobytes() == right.tobytes()
    elif is_dataclass(left):
        equal(vars(left), vars(right))
    elif isinstance(left, (dict, UserDict)):
        assert list(left) == list(right)
        for key in left:
            equal(left[key], right[key])
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            equal(one, other)
    else:
        assert left == right
