"""Tensors in nested structures."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["map_tensors", "tensors"]


def map_tensors(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Changes every tensor of a structure of mappings, lists, tuples and named tuples; other values are left alone.

    Of a `PackedSequence`, the batch sizes too, which belong on the CPU.

    Args:
        batch: the structure.
        change: called with each tensor, in the order of `tensors`.

    Returns:
        A structure of the same types; `batch` itself where `change` gave every tensor back.
    """
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        items = {key: map_tensors(value, change) for key, value in batch.items()}
        same = all(items[key] is value for key, value in batch.items())
        return batch if same else _mapping(batch, items)
    if isinstance(batch, (list, tuple)):
        host = batch.batch_sizes if isinstance(batch, PackedSequence) else None  # torch wants them on the CPU
        values: list[Any] = [value if value is host else map_tensors(value, change) for value in batch]
        if all(value is old for value, old in zip(values, batch, strict=True)):
            return batch
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
    return batch


def _mapping(like: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    if type(like) is dict:
        return items
    if not isinstance(like, MutableMapping):
        return type(like)(items)  # type: ignore[call-arg]
    changed = copy.copy(like)  # keeps what the class has besides its items
    changed.update(items)
    return changed


def tensors(batch: Any) -> Iterator[Tensor]:
    """Yields every tensor of a nested structure."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors(value)
    elif isinstance(batch, (list, tuple)):
        for value in batch:
            yield from tensors(value)
