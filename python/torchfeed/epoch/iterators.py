"""From a loader to the iterator of its next epoch: native, gathered, or one of torch's own."""

from __future__ import annotations

from typing import Any, NamedTuple

from torchfeed.device.normalize import leave_table, shared_table
from torchfeed.internals import Internals, internals
from torchfeed.plan.resolve import Gathered, Native, Resolved, resolve
from torchfeed.recognize import Unrecognized
from torchfeed.recognize.value import Table

from .cursor import Cursor
from .in_process import Epoch, View
from .native import NativeEpoch
from .processes import MultiProcessIterator, SingleProcessIterator, worker_view
from .rows import GatherEpoch
from .stateful import load_parts

__all__ = ["can_restart", "open_iterator", "restart_iterator"]


class _Way(NamedTuple):
    """How the batches of an epoch are made."""

    resolved: Resolved | None
    """What makes them natively; `None` if torch alone does."""
    table: Table | None
    """What is left to be applied to the images, on a device."""


def open_iterator(loader: Any) -> Any:
    """Begins an epoch of a loader's batches in host memory; returns its iterator."""
    own = internals(loader)
    with own.turns:
        way = _way(loader, own)
        if own.resume is not None and _load_parts(loader, own, way):
            way = _way(loader, own)
        cursor = own.begin(loader)
        with cursor.borrowed_generators():
            return _open(loader, own, way, cursor)


def restart_iterator(loader: Any, iterator: Any) -> None:
    """Begins the next epoch in the iterator of the last one, whose workers are persistent.

    Raises:
        RuntimeError: the dataset or its transforms changed so much that another kind of iterator is needed.
    """
    own = internals(loader)
    with own.turns:
        way = _way(loader, own)
        if own.resume is not None and (own.resume["sampler"] or own.resume["dataset"]):
            raise RuntimeError("workers that are there cannot be given a state: begin new ones with iter(loader)")
        if type(iterator) is not _kind(loader, way.resolved) or _is_split(iterator) != _splits(way.resolved):
            raise RuntimeError(
                "the dataset or its transforms changed since this iterator began, so that its batches are made in "
                "another way: begin a new one with iter(loader)"
            )
        cursor = own.begin(loader, iterator.cursor)
        with cursor.borrowed_generators():
            if isinstance(iterator, NativeEpoch) and isinstance(way.resolved, Native):
                iterator.restart(own.settings, way.resolved, cursor, way.table)
            elif isinstance(iterator, GatherEpoch) and isinstance(way.resolved, Gathered):
                iterator.restart(way.resolved.tree, cursor)
            else:
                iterator.restart(loader, _tree(way.resolved), cursor)
                if cursor.resumes:
                    iterator.go_on()


def can_restart(loader: Any, iterator: Any) -> bool:
    """Whether the loader's next epoch can begin in the iterator of the last one; a subclass's own can always."""
    if not isinstance(iterator, (Epoch, MultiProcessIterator)):
        return True
    resolved = _way(loader, internals(loader)).resolved
    return type(iterator) is _kind(loader, resolved) and _is_split(iterator) == _splits(resolved)


def _load_parts(loader: Any, own: Internals, way: _Way) -> bool:
    """Gives the dataset and the sampler the states that they had; returns whether the dataset may be another now."""
    is_here = isinstance(way.resolved, (Native, Gathered))
    try:
        return load_parts(loader, own.resume, 0 if is_here else loader.num_workers)
    except BaseException:
        own.resume = None  # another epoch may begin
        raise


def _way(loader: Any, own: Internals) -> _Way:
    try:
        resolved: Resolved | None = resolve(loader, own)
    except Unrecognized:
        resolved = None
    if own.wish is not None and own.wish.leaves_table(resolved):
        assert isinstance(resolved, Native), "others have no table"
        return _Way(leave_table(resolved, own), shared_table(resolved))
    return _Way(resolved, None)


def _open(loader: Any, own: Internals, way: _Way, cursor: Cursor) -> Any:
    resolved = way.resolved
    pin = loader.pin_memory or (own.wish is not None and own.wish.delivery.wants_pinned())
    if isinstance(resolved, (Native, Gathered)):
        view = View(loader, pin_memory=pin)
        if isinstance(resolved, Native):
            delivered = own.wish is not None
            return NativeEpoch(view, own.settings, resolved, cursor, way.table, delivered=delivered)
        return GatherEpoch(view, resolved.tree, cursor)
    # Tensors that torch's own iterators make in this process may be on a device, and then cannot be pinned.
    pin = loader.pin_memory or (pin and loader.num_workers > 0)
    if loader.num_workers:
        loader.check_worker_number_rationality()
    view = worker_view(loader, own.settings, _tree(resolved), cursor, pin=pin)
    iterator = _kind(loader, resolved)(view)
    if cursor.resumes:
        iterator.go_on()
    return iterator


def _kind(loader: Any, resolved: Resolved | None) -> type[Any]:
    if isinstance(resolved, Native):
        return NativeEpoch
    if isinstance(resolved, Gathered):
        return GatherEpoch
    return MultiProcessIterator if loader.num_workers else SingleProcessIterator


def _splits(resolved: Resolved | None) -> bool:
    return _tree(resolved) is not None


def _is_split(iterator: Any) -> bool:
    return isinstance(iterator, (MultiProcessIterator, SingleProcessIterator)) and iterator.tree is not None


def _tree(resolved: Resolved | None) -> Any:
    return None if resolved is None or isinstance(resolved, (Native, Gathered)) else resolved.tree
