"""The device stage: batches to where the model is, one ahead of the training step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["DeviceLoader", "to_device"]


def to_device(loader: Iterable[Any], device: torch.device | str) -> DeviceLoader:
    """Wraps a loader so that its batches arrive on a device.

    On CUDA each batch is copied on a stream of its own while the step before it runs; with ``pin_memory=True`` on the
    loader the copy overlaps the step. On the CPU, and other devices, batches are just moved.

    Args:
        loader: yields tensors, or mappings, sequences and named tuples of them; other values are left alone.
        device: where they go.

    Returns:
        An iterable with the loader's length and attributes.

    Example:
        >>> for images, targets in to_device(loader, "cuda"):
        ...     ...
    """
    return DeviceLoader(loader, torch.device(device))


class DeviceLoader:
    """What `to_device` returns. Attributes are the loader's."""

    def __init__(self, loader: Iterable[Any], device: torch.device) -> None:
        self.loader = loader
        self.device = device
        self._position: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]  # a loader without a length raises, as it does itself

    def __getattr__(self, name: str) -> Any:
        if name in {"loader", "device", "_position"}:  # not there yet: while it is unpickled
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __iter__(self) -> Iterator[Any]:
        if self.device.type == "cpu":
            return iter(self.loader)
        if self.device.type == "cuda":
            return self._overlapped()
        return (move(batch, self.device) for batch in self.loader)

    def state_dict(self) -> dict[str, Any]:
        """The loader's position, as of the last batch that was handed over (the loader itself is one ahead)."""
        state: dict[str, Any] = self._position or self.loader.state_dict()  # type: ignore[attr-defined]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter()` go on where `state_dict()` was called."""
        self._position = None
        self.loader.load_state_dict(state)  # type: ignore[attr-defined]

    def _overlapped(self) -> Iterator[Any]:
        """Copies each batch while the one before it is in use."""
        copier = _Copier(self.device)
        save = getattr(self.loader, "state_dict", lambda: None)
        ahead: tuple[Any, Any, Any] | None = None
        try:
            for batch in self.loader:
                following = (*copier.copy(batch), save())
                if ahead is not None:
                    self._position = ahead[2]
                    yield copier.hand_over(*ahead[:2])
                ahead = following
            if ahead is not None:
                self._position = ahead[2]
                yield copier.hand_over(*ahead[:2])
        finally:
            self._position = None


class _Copier:
    """A stream of its own for copies to a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy(self, batch: Any) -> tuple[Any, torch.cuda.Event]:
        """Starts a copy: the batch on the device, and the event that marks the copy's end.

        The host memory belongs to the copy until then: torch's allocator knows that for pinned blocks, and from other
        memory the copy is not asynchronous.
        """
        with torch.cuda.stream(self.stream):
            return move(batch, self.device, non_blocking=True), self.stream.record_event()

    def hand_over(self, batch: Any, copied: torch.cuda.Event) -> Any:
        """Makes the consumer's stream wait for the copy, and tells the allocator that it uses the memory too."""
        current = torch.cuda.current_stream(self.device)
        current.wait_event(copied)
        for tensor in tensors(batch):
            tensor.record_stream(current)
        return batch


def move(batch: Any, device: torch.device, *, non_blocking: bool = False) -> Any:
    """Moves every tensor of a nested structure; a structure keeps its type."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=non_blocking)
    if isinstance(batch, Mapping):
        moved = {key: move(value, device, non_blocking=non_blocking) for key, value in batch.items()}
        return moved if type(batch) is dict else type(batch)(moved)  # type: ignore[call-arg]
    if isinstance(batch, (list, tuple)):
        items = [move(value, device, non_blocking=non_blocking) for value in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    return batch


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
