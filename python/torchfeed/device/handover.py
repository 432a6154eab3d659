"""Copies a loader's batches to a device ahead of time: when each is copied, handed over and released."""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch.utils.data.dataloader import _BaseDataLoaderIter

from torchfeed.util.locks import Open, Turns

from .host_batches import HostBatches
from .nested import map_tensors, tensors
from .ring import Ring
from .streams import Streams

__all__ = ["Ahead", "Handed"]

_open: Open[Ahead] = Open()


@atexit.register
def _close_all() -> None:
    """Ends all copies while there is still a device to copy to."""
    for iterator in _open.all():
        with suppress(RuntimeError):  # a device that no longer works has failed in the loop already, or would have
            iterator.close()


class Handed:
    """The position of a loader after the last batch that was handed over, while the loader itself is ahead of it."""

    place: Callable[[], dict[str, Any]] | None = None
    """Writes the position, which is seldom asked for."""

    @property
    def state(self) -> dict[str, Any] | None:
        """The position; `None` where it is that of the loader."""
        return None if self.place is None else self.place()


class _Entry(NamedTuple):
    """A batch on its way to the device, or the error that stands in its place."""

    batch: Any
    mark: Any
    place: Callable[[], dict[str, Any]] | None
    number: int = -1
    """The batch's number among those that were put into the ring."""
    error: Exception | None = None


class Ahead(_BaseDataLoaderIter, Iterator[Any]):
    """Hands a loader's batches over in order, after their copies, of which some are begun ahead.

    It is one of torch's iterators for those who look at the class; the other names of these are those of the loader's
    own iterator.

    Each call hands over the oldest batch under way. Before that it begins as many copies as are allowed and as the
    loader has batches ready for; it waits for the loader only where no batch is under way. It never waits for a copy:
    the consumer's stream does.

    Args:
        source: the loader's batches.
        streams: the streams of the copies and of the consumer.
        finish: what is done to a batch on the device, in the stream of the copies; gets its number too.
        ahead: how many batches may be on the device besides the one that is handed over.
        ring: the buffers that batches are put into, if their addresses are to be constant.
        handed: where the position is noted.
    """

    _closed = True  # until all is set up

    def __init__(
        self,
        source: HostBatches,
        streams: Streams,
        finish: Callable[[Any, int], Any] | None,
        ahead: int,
        ring: Ring | None,
        handed: Handed,
    ) -> None:
        self._source, self._streams, self._finish = source, streams, finish
        self._ahead, self._ring, self._handed = ahead, ring, handed
        self._under_way: deque[_Entry] = deque()
        self._sending: deque[tuple[Any, Any]] = deque()
        self._taken: tuple[Any, Callable[[], dict[str, Any]] | None] | None = None
        self._begun, self._last = 0, -1
        self._turns = Turns()
        handed.place = source.place()
        self._process = os.getpid()
        self._ended = self._closed = False
        _open.add(self)

    def __getattr__(self, name: str) -> Any:
        if name == "_source":  # not there yet
            raise AttributeError(name)
        return getattr(self._source.batches, name)

    def _next_data(self) -> Any:
        return next(self)

    def _shutdown_workers(self) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._source)

    def __next__(self) -> Any:
        with self._turns:
            return self._next()

    def _next(self) -> Any:
        if self._closed:
            raise StopIteration
        self._streams.check()
        self._release()
        self._let_go()
        self._fill()
        if not self._under_way:
            self._handed.place = None
            self.close()
            raise StopIteration
        entry = self._under_way[0]
        if entry.error is None:
            self._streams.hand_over(entry.mark, tensors(entry.batch))
        self._under_way.popleft()  # only now, as Ctrl-C may come before
        self._handed.place = entry.place
        if entry.error is not None:
            raise entry.error
        self._last = entry.number
        return entry.batch

    def _fill(self) -> None:
        """Begins copies, until there are enough or there is nothing to copy yet."""
        while not self._ended and len(self._under_way) <= self._ahead:
            # After an error the loader is asked again when the consumer does.
            if self._under_way and (self._under_way[-1].error is not None or not self._source.is_ready()):
                return
            try:
                if self._taken is None:  # unless Ctrl-C came after it was taken
                    self._taken = next(self._source), self._source.place()
            except StopIteration:
                self._ended = True
                return
            except Exception as error:  # noqa: BLE001  (raised when its turn comes, after the batches before it)
                self._under_way.append(_Entry(None, None, self._source.place(), error=error))
                continue
            host, place = self._taken
            try:
                entry = _Entry(*self._begin(host, self._begun), place, self._begun)
                self._begun += 1
            except Exception as error:  # noqa: BLE001  (as above)
                entry = _Entry(None, None, place, error=error)
            self._taken = None
            self._under_way.append(entry)

    def _begin(self, host: Any, number: int) -> tuple[Any, Any]:
        """Begins to bring a batch to the device: the batch, and the mark of its being there."""
        self._streams.receive(tensors(host))
        with self._streams.copies(), _ordinary_tensors():
            batch = host
            if self._ring is None or self._finish is not None:
                batch = map_tensors(batch, lambda tensor: self._streams.copy(tensor, None))
            if self._finish is not None:
                batch = self._finish(batch, self._source.number)
            if self._ring is not None:
                batch = self._ring.place(batch, number)
            mark = self._streams.mark_copies()
        self._sending.append((mark, host))
        return batch, mark

    def _let_go(self) -> None:
        """Drops the batches in host memory whose copies are done; until then the copies read them."""
        while self._sending and self._streams.is_past(self._sending[0][0]):
            self._sending.popleft()

    def _release(self) -> None:
        """Lets the ring have the buffer of the batch that was handed over last."""
        if self._ring is not None and self._last >= 0:
            self._ring.release(self._last)

    def close(self) -> None:
        """Ends the epoch: waits for the copies under way and ends the loader's iterator."""
        if self._closed:
            return
        self._closed = self._ended = True
        _open.discard(self)
        try:
            if self._process == os.getpid():
                self._release()
            self._under_way.clear()
            self._taken = None
            while self._sending:
                mark, _ = self._sending.popleft()
                if self._process == os.getpid():  # a forked child has no streams to wait for
                    self._streams.wait(mark)
        finally:  # a device may have failed
            self._sending.clear()
            self._source.close()

    def __del__(self) -> None:
        self.close()


@contextmanager
def _ordinary_tensors() -> Generator[None]:
    """Makes no inference tensors: what is made ahead, or in a ring, may be used after inference mode has ended."""
    if torch.is_inference_mode_enabled():
        with torch.inference_mode(mode=False), torch.no_grad():
            yield
    else:
        yield
