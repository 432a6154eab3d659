"""Batches of worker processes, in shared memory that is used again.

torch gives each tensor of a batch new shared memory: the system clears its pages, both processes map them, and the file
descriptor goes through a socket. That takes longer than to decode a photo. Here a worker process writes a batch into a
segment that it has shared before, if nobody in the loader's process holds a tensor of it any more.

A table of flags, shared as well, says which segments are free. The worker takes one; the loader's process gives it back
once the last tensor in it is gone, when the next batch comes. Where that process was forked in between, the child may
have such a tensor, too: then the segment is not used again.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from sys import getrefcount
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import multiprocessing as torch_multiprocessing
from torch.utils.data import get_worker_info

from torchfeed.util.dlpack import is_plain
from torchfeed.util.locks import has_gil

__all__ = ["Segments", "can_be_used", "forget"]

_FREE, _USED, _RETIRED = range(3)

_MOST = 1024
"""Segments of a worker at most; tensors beyond them are sent as torch does it."""

_MOST_FREE = 8
"""Free segments that are kept, for batches of several sizes."""

_PAGE = 4096

_Array = np.ndarray[Any, np.dtype[np.uint8]]


def can_be_used() -> bool:
    """Whether torch shares memory by descriptors, as on Linux, and references are counted, as with a GIL.

    Memory that is shared by names stays when a worker ends.
    """
    sharing: Any = torch_multiprocessing
    return has_gil() and bool(sharing.get_sharing_strategy() == "file_descriptor")


def _shared(size: int) -> Tensor:
    made: Any = torch.empty(size, dtype=torch.uint8, device="cpu")
    shared: Tensor = made.share_memory_()
    return shared


class Segments:
    """The segments of one worker process.

    Args:
        loader: a name of the iterator that the worker is of, for `forget`.
    """

    def __init__(self, loader: str) -> None:
        info = get_worker_info()
        self._key = loader, 0 if info is None else info.id, os.getpid()
        self._table: Tensor | None = _shared(_MOST)
        self._flags: _Array = self._table.numpy()
        self._segments: list[Tensor | None] = []
        self._unsent: set[int] = set()
        """Those that the loader's process does not know yet."""
        self._dropped: list[int] = []
        """Those that it may forget."""
        self._taken: dict[int, int] = {}
        """Those of the batch that is being made, by their address."""

    def begin(self) -> None:
        """Begins a batch. Whatever became of the last one, its segments are no longer ours but where they were lent."""
        for number in self._taken.values():
            self._drop(number)
        self._taken = {}

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor | None:
        """A tensor in a segment, whose values are to be written; `None` where there is no segment left."""
        size = torch.Size(shape).numel() * dtype.itemsize
        number = self._take(size)
        if number is None:
            return None
        segment = self._segments[number]
        assert segment is not None
        self._taken[segment.data_ptr()] = number
        return segment[:size].view(dtype).view(torch.Size(shape))

    def sent(self, batch: Any) -> Any:
        """A batch as it is sent: in its tensors' places there is what becomes these in the loader's process."""
        made = self._mapped(batch)
        self.begin()  # tensors that are not seen here, as in a mapping of somebody's own, are sent by torch
        return made

    def _mapped(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._sent(value)
        kind = type(value)
        if kind is list or kind is tuple:
            return kind(map(self._mapped, value))
        if kind is dict or kind is OrderedDict:
            return kind((key, self._mapped(each)) for key, each in value.items())
        if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named one
            return kind(*map(self._mapped, value))
        return value

    def _sent(self, tensor: Tensor) -> Any:
        if not is_plain(tensor, tensor.dtype) or not tensor.numel():
            return tensor
        number = self._taken.pop(tensor.data_ptr(), None)  # once: a second tensor of the same memory is copied
        if number is not None and not tensor.is_contiguous():
            self._drop(number)
            number = None
        if number is None:
            place = self.empty(tensor.shape, tensor.dtype)
            if place is None:
                return tensor.clone()
            place.copy_(tensor)
            number = self._taken.pop(place.data_ptr())
        table, self._table = self._table, None
        segment = self._segments[number] if number in self._unsent else None
        self._unsent.discard(number)
        dropped, self._dropped = tuple(self._dropped), []
        return _Sent(self._key, table, dropped, number, segment, tensor.dtype, tuple(tensor.shape))

    def _take(self, size: int) -> int | None:
        flags = self._flags[: len(self._segments)]
        for retired in np.flatnonzero(flags == _RETIRED).tolist():
            self._drop(retired)
        free = np.flatnonzero(flags == _FREE).tolist()
        fitting = [
            (each, number) for number in free if size <= (each := self._capacity(number)) <= max(2 * size, _PAGE)
        ]
        number: int | None = min(fitting)[1] if fitting else self._new(size, free)
        if number is not None:
            self._flags[number] = _USED
        return number

    def _new(self, size: int, free: list[int]) -> int | None:
        """Makes a segment; of those that are free and do not fit, only the last ones are kept."""
        for number in [number for number in free if self._segments[number] is not None][:-_MOST_FREE]:
            self._drop(number)
        made = next((number for number, each in enumerate(self._segments) if each is None), len(self._segments))
        if made == _MOST:
            return None
        self._segments[made : made + 1] = [_shared(-(-size // _PAGE) * _PAGE)]
        self._unsent.add(made)
        return made

    def _capacity(self, number: int) -> int:
        segment = self._segments[number]
        return 0 if segment is None else segment.numel()

    def _drop(self, number: int) -> None:
        """Leaves a segment to those who have it."""
        self._segments[number] = None
        self._flags[number] = _FREE
        if number in self._unsent:
            self._unsent.discard(number)
        else:
            self._dropped.append(number)


class _Sent:
    """Stands for a tensor on its way; where it is unpickled, the tensor comes out."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _received, self._arguments


# In the loader's process

_Key = tuple[str, int, int]


class _Worker:
    """What the loader's process knows of the segments of a worker."""

    def __init__(self, flags: _Array) -> None:
        self.flags = flags
        self.segments: dict[int, _Array] = {}
        self.lent: dict[int, _Array] = {}
        """The memory of tensors, which hold it, too."""
        self.forks: dict[int, int] = {}
        """How often this process had been forked when they were made."""

    def take_back(self) -> None:
        """Gives segments back to the worker whose tensors are gone.

        That is looked for, as code that runs when a tensor goes could be where Ctrl-C ends up.
        """
        for number in [number for number in self.lent if _references(self.lent, number) == _ALONE]:
            del self.lent[number]
            self.flags[number] = _FREE if self.forks.pop(number) == _forks[0] else _RETIRED


def _references(lent: dict[int, _Array], number: int) -> int:
    return getrefcount(lent[number])


_ALONE = _references({0: np.empty(0, np.uint8)}, 0)
"""References to an array that nobody else holds."""


_workers: dict[_Key, _Worker] = {}


def forget(loader: str) -> None:
    """Forgets the segments of the workers of an iterator, which has ended; tensors that somebody holds stay."""
    for key in [key for key in [*_workers] if key[0] == loader]:
        _workers.pop(key, None)


def _received(
    key: _Key,
    table: Tensor | None,
    dropped: tuple[int, ...],
    number: int,
    segment: Tensor | None,
    dtype: torch.dtype,
    shape: tuple[int, ...],
) -> Tensor:
    """Makes a tensor of what a worker sent."""
    if table is not None:
        _workers[key] = _Worker(table.numpy())
    worker = _workers.get(key)
    if worker is None or (segment is None and number not in worker.segments):
        raise RuntimeError("a batch of a worker process was lost, and with it where the next ones are")
    worker.take_back()
    for each in dropped:
        worker.segments.pop(each, None)
    if segment is not None:
        worker.segments[number] = segment.numpy()
    size = torch.Size(shape).numel() * dtype.itemsize
    lent = worker.segments[number][:size]
    worker.lent[number], worker.forks[number] = lent, _forks[0]
    storage = torch.from_numpy(lent).untyped_storage()
    return torch.empty(0, dtype=dtype, device="cpu").set_(storage, 0, shape)  # type: ignore[no-any-return,call-overload]


_forks = [0]
"""How often this process was forked."""


def _count_fork() -> None:
    _forks[0] += 1


if hasattr(os, "register_at_fork"):  # Windows has no such thing
    os.register_at_fork(before=_count_fork)
