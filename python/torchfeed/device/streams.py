"""Streams and events: all that the device stage knows of the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["CudaStreams", "PlainStreams", "Streams", "memory_of", "open_streams"]


class Streams(Protocol):
    """The stream of the copies, beside the one that the consumer works in.

    A mark stands for all that was given to a stream before it; work that is begun after a wait for it comes later.
    """

    def check(self) -> None:
        """Makes sure that the consumer's stream takes work, and does not record it.

        Raises:
            RuntimeError: a CUDA graph is being captured.
        """

    def receive(self, tensors: Iterable[Tensor]) -> None:
        """Makes the stream of the copies wait for the consumer's, where that may be making the tensors."""

    def copies(self) -> AbstractContextManager[Any]:
        """What is done inside is given to the stream of the copies."""

    def copy(self, tensor: Tensor, out: Tensor | None) -> Tensor:
        """Begins a copy to the device, to `out` or to new memory; inside `copies`."""

    def empty(self, like: Tensor) -> Tensor:
        """Takes memory on the device, laid out as a tensor is; inside `copies`."""

    def mark_copies(self) -> Any:
        """Marks the stream of the copies."""

    def mark_consumer(self) -> Any:
        """Marks the consumer's stream."""

    def copies_wait(self, mark: Any) -> None:
        """Makes the stream of the copies wait for a mark of the consumer's."""

    def hand_over(self, mark: Any, tensors: Iterable[Tensor]) -> None:
        """Makes the consumer's stream wait for a mark of the copies, and keeps the memory from reuse until it is done.

        The tensors' memory belongs to the stream of the copies; once they are gone, that stream may have it again, but
        not before the consumer's stream has done what it was given up to then.
        """

    def is_past(self, mark: Any) -> bool:
        """Whether all that a mark stands for is done."""

    def wait(self, mark: Any) -> None:
        """Waits, in the caller's thread, until it is."""


class CudaStreams:
    """A CUDA stream of its own for copies.

    Args:
        device: a CUDA device, with or without an index.
    """

    def __init__(self, device: torch.device) -> None:
        index = torch.cuda.current_device() if device.index is None else device.index
        self.device = torch.device("cuda", index)
        self.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def check(self) -> None:
        """Refuses to go on while a graph is captured: neither waits nor memory of the loader's can be a part of it."""
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                "a CUDA graph is being captured: ask for the batch before, and capture only what is done with it"
            )

    def receive(self, tensors: Iterable[Tensor]) -> None:
        """Makes the stream of the copies wait for the current one, if tensors are on a device already."""
        there = [tensor for tensor in tensors if tensor.device.type == "cuda"]
        if there:
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
        for tensor in there:
            for memory in memory_of(tensor):
                memory.record_stream(self.stream)

    def copies(self) -> AbstractContextManager[Any]:
        """What is done inside is given to the stream of the copies."""
        return torch.cuda.stream(self.stream)

    def copy(self, tensor: Tensor, out: Tensor | None) -> Tensor:
        """Begins a copy to the device. From memory that is not pinned it is not asynchronous."""
        if out is None:
            return tensor.to(self.device, non_blocking=True)
        return out.copy_(tensor, non_blocking=True)

    def empty(self, like: Tensor) -> Tensor:
        """Takes memory on the device, laid out as a tensor is."""
        return torch.empty_like(like, device=self.device)

    def mark_copies(self) -> torch.cuda.Event:
        """Records an event in the stream of the copies."""
        event: torch.cuda.Event = self.stream.record_event()
        return event

    def mark_consumer(self) -> torch.cuda.Event:
        """Records an event in the current stream."""
        event: torch.cuda.Event = torch.cuda.current_stream(self.device).record_event()
        return event

    def copies_wait(self, mark: torch.cuda.Event) -> None:
        """Makes the stream of the copies wait for an event."""
        self.stream.wait_event(mark)

    def hand_over(self, mark: torch.cuda.Event, tensors: Iterable[Tensor]) -> None:
        """Makes the current stream wait for the copies, and tells the allocator that it uses the memory too."""
        current = torch.cuda.current_stream(self.device)
        current.wait_event(mark)
        for tensor in tensors:
            if tensor.device.type == "cuda":
                for memory in memory_of(tensor):
                    memory.record_stream(current)

    def is_past(self, mark: torch.cuda.Event) -> bool:
        """Whether the event has come."""
        past: bool = mark.query()  # type: ignore[no-untyped-call]
        return past

    def wait(self, mark: torch.cuda.Event) -> None:
        """Waits for the event."""
        mark.synchronize()


class PlainStreams:
    """Every other device: a copy is done when it is asked for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def check(self) -> None:
        """Nothing is recorded."""

    def receive(self, tensors: Iterable[Tensor]) -> None:
        """Nothing to wait for."""

    def copies(self) -> AbstractContextManager[Any]:
        """Nothing to enter."""
        return nullcontext()

    def copy(self, tensor: Tensor, out: Tensor | None) -> Tensor:
        """Moves a tensor; one that is there already is not copied."""
        return tensor.to(self.device) if out is None else out.copy_(tensor)

    def empty(self, like: Tensor) -> Tensor:
        """Takes memory, laid out as a tensor is."""
        return torch.empty_like(like, device=self.device)

    def mark_copies(self) -> None:
        """Nothing to mark."""

    def mark_consumer(self) -> None:
        """Nothing to mark."""

    def copies_wait(self, mark: Any) -> None:
        """Nothing to wait for."""

    def hand_over(self, mark: Any, tensors: Iterable[Tensor]) -> None:
        """Nothing to wait for."""

    def is_past(self, mark: Any) -> bool:  # noqa: ARG002
        """Everything is done."""
        return True

    def wait(self, mark: Any) -> None:
        """Nothing to wait for."""


def memory_of(tensor: Tensor) -> Iterator[Tensor]:
    """Yields the tensors that a tensor's memory belongs to: a sparse one has none of its own."""
    if tensor.layout == torch.sparse_coo:
        yield from (tensor._indices(), tensor._values())  # noqa: SLF001  (the others want it coalesced)
    elif tensor.layout in {torch.sparse_csr, torch.sparse_bsr}:
        yield from (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    elif tensor.layout in {torch.sparse_csc, torch.sparse_bsc}:
        yield from (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
    else:
        yield tensor


def open_streams(device: torch.device) -> Streams:
    """Makes the streams for copies to a device."""
    return CudaStreams(device) if device.type == "cuda" else PlainStreams(device)
