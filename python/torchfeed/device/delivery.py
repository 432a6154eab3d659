"""`to_device`: brings the batches of any loader to a device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch

from torchfeed.epoch.internals import begin_for, latest_cursor
from torchfeed.plan.table import NO_TABLE
from torchfeed.settings import Destination
from torchfeed.util.locks import Turns

from .handover import Ahead, Handed
from .host_batches import HostBatches
from .last_steps import Finish
from .lookup import Lookup
from .ring import Ring
from .streams import Streams, open_streams

__all__ = ["Delivery", "DeviceLoader", "to_device"]

AHEAD = 2
"""Batches on a CUDA device besides the one in use: one that is being copied, one that is there."""


def to_device(
    loader: Iterable[Any],
    device: torch.device | str,
    *,
    ahead: int | None = None,
    device_normalize: bool | None = None,
    batch_transform: Callable[..., Any] | None = None,
    ring: int | None = None,
) -> DeviceLoader:
    """Wraps a loader so that its batches arrive on a device.

    On CUDA batches are copied in a stream of their own, some ahead of the step that needs them; the training loop's
    stream waits for a copy where it must, the loop itself never does. Native batches of a `torchfeed.DataLoader` are
    made in pinned memory for this, whatever its ``pin_memory`` says; for other loaders set ``pin_memory=True``, without
    which a copy is not asynchronous. On other devices batches are moved when they are asked for.

    Args:
        loader: yields tensors, or mappings, sequences and named tuples of them; other values are left alone.
        device: where they go; ``"cuda"`` is the device that is current when the first epoch begins.
        ahead: how many batches may be on the device besides the one in use; ``None`` is 2 on CUDA, 0 elsewhere.
        device_normalize: bring pixels as uint8, and apply the table that native transforms end in (`ToTensor`,
            `Normalize`, a cast) on the device: the same bits, and for float32 a quarter of the bytes to copy. ``None``
            is where it can be done and the device is CUDA.
        batch_transform: called with the parts of each batch on the device, as `torchfeed.transforms.MixUp` and
            `torchfeed.transforms.CutMix` are, or functions like torchvision's of these names; returns what is handed
            over. What it draws from torch's generator of the CPU, NumPy or `random` follows from the epoch's seed and
            the batch's number, and from nothing else.
        ring: put batches into this many buffers in turn, so that their addresses are constant: batch ``i`` of an epoch
            lies in buffer ``i % ring``. At least ``ahead + 1``, better ``ahead + 2``. A batch is then valid until the
            next one is asked for, in the stream that is current then. For CUDA graphs, together with `drop_last`.

    Returns:
        An iterable with the loader's length and attributes, ``state_dict()`` among them: the position is that of the
        batch in use.

    Raises:
        ValueError: `ahead` is negative, or `ring` too small.
        TypeError: `loader` is what this function returned. When it is iterated: ``device_normalize=True`` where there
            is no such table; the message says why.

    Example:
        >>> for images, targets in to_device(loader, "cuda"):
        ...     ...
    """
    if isinstance(loader, DeviceLoader):
        raise TypeError(f"this loader's batches go to {loader.device} already")
    return DeviceLoader(loader, Delivery(torch.device(device), ahead, device_normalize, batch_transform, ring))


class Delivery:
    """How batches get to a device; see `to_device`."""

    def __init__(
        self,
        device: torch.device,
        ahead: int | None = None,
        device_normalize: bool | None = None,
        batch_transform: Callable[..., Any] | None = None,
        ring: int | None = None,
    ) -> None:
        self.device = device
        self.ahead = (AHEAD if device.type == "cuda" else 0) if ahead is None else ahead
        self.device_normalize = device_normalize
        self.batch_transform = batch_transform
        self.ring = ring
        if self.ahead < 0:
            raise ValueError(f"ahead is a number of batches, got {self.ahead}")
        if ring is not None and ring <= self.ahead:
            raise ValueError(f"{self.ahead} batches ahead and the one in use do not fit a ring of {ring}")
        self.handed = Handed()
        self._turns = Turns()
        self._open: tuple[Streams, Ring | None] | None = None
        self._latest: weakref.ref[Ahead] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None, "_latest": None, "handed": Handed()}

    def __deepcopy__(self, memo: dict[int, Any]) -> Delivery:
        return Delivery(self.device, self.ahead, self.device_normalize, self.batch_transform, self.ring)

    def batches(
        self,
        loader: Any,
        begin: Callable[[], Iterator[Any]] | None = None,
        hands: Sequence[str] = ("__iter__", "_get_iterator"),
    ) -> Ahead:
        """Begins a pass over a loader.

        Args:
            loader: the loader.
            begin: makes the loader's iterator of batches in host memory; ``iter(loader)`` does.
            hands: the methods of the loader through which that iterator goes.
        """
        with self._turns:
            return self._begin(loader, begin or partial(iter, loader), hands)

    def _begin(self, loader: Any, begin: Callable[[], Iterator[Any]], hands: Sequence[str]) -> Ahead:
        latest = None if self._latest is None else self._latest()
        if latest is not None and self.ring is not None:
            latest.close()  # whose buffers these are
        if self._open is None:
            streams = open_streams(self.device)
            self._open = streams, None if self.ring is None else Ring(self.ring, streams)
        streams, ring = self._open
        streams.check()
        before = latest_cursor(loader)
        batches = begin_for(loader, self, begin, hands)
        source = HostBatches(loader, batches, before)
        self.forget()
        with streams.copies():
            finish = self._finish(source)
        iterator = Ahead(source, streams, finish, self.ahead, ring, self.handed)
        self._latest = weakref.ref(iterator)
        return iterator

    def forget(self) -> None:
        """Forgets the position of the latest pass."""
        self.handed = Handed()

    @property
    def destination(self) -> Destination:
        """What the device wants of batches."""
        is_cuda = self.device.type == "cuda"
        wants_table = self.device_normalize
        if wants_table is None:
            wants_table = None if is_cuda else False
        return Destination(pinned=is_cuda, table=wants_table)

    @property
    def position(self) -> dict[str, Any] | None:
        """The position after the last batch that was handed over; `None` where it is the loader's own."""
        return self.handed.state

    def _finish(self, source: HostBatches) -> Finish | None:
        table = getattr(source.batches, "table", None)
        if self.device_normalize and table is None:
            raise TypeError(f"device_normalize=True, but {NO_TABLE}")
        lookup = None if table is None else Lookup(table, source.batches.memory_format, self.device)  # type: ignore[attr-defined]
        if lookup is None and self.batch_transform is None:
            return None
        if self.batch_transform is not None and source.has_begun:
            source.draw_seed()
        return Finish(lookup, self.batch_transform, source.draw_seed)

    def __str__(self) -> str:
        said = [f"{self.device}"]
        if self.ahead:
            said.append(f"{self.ahead} {'batch' if self.ahead == 1 else 'batches'} ahead")
        if self.ring is not None:
            said.append(f"in a ring of {self.ring} buffers")
        return ", ".join(said)


class DeviceLoader:
    """What `to_device` returns. Attributes are the loader's."""

    def __init__(self, loader: Iterable[Any], delivery: Delivery) -> None:
        self.loader = loader
        self.delivery = delivery

    @property
    def device(self) -> torch.device:
        """Where the batches go."""
        return self.delivery.device

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]  # a loader without a length raises, as it does itself

    def __getattr__(self, name: str) -> Any:
        if name in {"loader", "delivery"}:  # not there yet: while it is unpickled
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __iter__(self) -> Iterator[Any]:
        return self.delivery.batches(self.loader)

    def state_dict(self) -> dict[str, Any]:
        """The loader's position, as of the last batch that was handed over (the loader itself may be ahead)."""
        state: dict[str, Any] = self.delivery.position or self.loader.state_dict()  # type: ignore[attr-defined]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter()` go on where `state_dict()` was called."""
        self.delivery.forget()
        self.loader.load_state_dict(state)  # type: ignore[attr-defined]
