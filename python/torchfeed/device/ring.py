"""Device memory with constant addresses, for CUDA graphs."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .nested import map_tensors
from .streams import Streams

__all__ = ["Ring"]


class Ring:
    """Buffers on the device that batches take turns in: batch ``i`` of an epoch lies in number ``i % size``.

    Args:
        size: the number of buffers.
        streams: the streams of the copies and of the consumer.
    """

    def __init__(self, size: int, streams: Streams) -> None:
        self.size = size
        self._streams = streams
        self._buffers: list[list[Tensor]] = [[] for _ in range(size)]
        self._released: list[Any] = [None] * size

    def place(self, batch: Any, number: int) -> Any:
        """Copies the tensors of a batch into its buffer, after all that the consumer does with what is in it.

        The first batch in a buffer gives it its shapes. A later one may have fewer samples.

        Raises:
            ValueError: it is of another structure, shape or dtype.
        """
        slot = number % self.size
        if self._released[slot] is not None:
            self._streams.copies_wait(self._released[slot])
            self._released[slot] = None
        buffers, position = self._buffers[slot], 0

        def copy(tensor: Tensor) -> Tensor:
            nonlocal position
            if position == len(buffers):
                buffers.append(self._streams.empty(tensor))
            buffer = buffers[position]
            position += 1
            return self._streams.copy(tensor, _part(buffer, tensor))

        return map_tensors(batch, copy)

    def release(self, number: int) -> None:
        """Notes that the consumer gives no more work on a batch to its stream."""
        self._released[number % self.size] = self._streams.mark_consumer()


def _part(buffer: Tensor, tensor: Tensor) -> Tensor:
    """The part of a buffer that a tensor fills."""
    same = buffer.dtype == tensor.dtype and buffer.shape[1:] == tensor.shape[1:] and buffer.ndim == tensor.ndim
    if not same or (tensor.ndim and len(tensor) > len(buffer)):
        raise ValueError(
            f"a batch with a tensor of shape {tuple(tensor.shape)}, {tensor.dtype} does not fit a ring of buffers that "
            f"began with {tuple(buffer.shape)}, {buffer.dtype}: make batches of one shape, or leave `ring` out"
        )
    return buffer if buffer.shape == tensor.shape else buffer[: len(tensor)]
