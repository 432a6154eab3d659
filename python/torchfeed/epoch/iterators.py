"""Opens the iterator of a loader's epoch, of one kind for each way, or restarts the last one."""

from __future__ import annotations

from typing import Any

from torchfeed.plan.resolve import Gathered, Native, Traced, Way, check_way, resolve
from torchfeed.settings import Settings

from .cursor import Cursor
from .in_process import Epoch
from .internals import Internals, internals
from .native import NativeEpoch
from .processes import MultiProcessIterator, SingleProcessIterator, tree_of, worker_view
from .rows import GatherEpoch
from .stateful import load_parts
from .traced import TracedEpoch

__all__ = ["can_restart", "find_way", "open_iterator", "restart_iterator"]


def find_way(loader: Any, settings: Settings) -> Way:
    """Finds the way of a loader's batches.

    Raises:
        TypeError: another way is required.
    """
    way = resolve(loader.dataset, settings)
    check_way(way, settings)
    return way


def open_iterator(loader: Any) -> Any:
    """Begins an epoch of a loader's batches in host memory; returns its iterator."""
    own = internals(loader)
    with own.turns:
        settings = own.settings(loader)
        way = find_way(loader, settings)
        if own.resume is not None and _load_parts(loader, own, way):
            way = find_way(loader, settings)
        cursor = own.begin(loader)
        with cursor.borrowed_generators():
            return _open(loader, settings, way, cursor)


def restart_iterator(loader: Any, iterator: Any) -> None:
    """Begins the next epoch in the iterator of the last one, whose workers are persistent.

    Raises:
        RuntimeError: the dataset or its transforms changed so much that another kind of iterator is needed.
    """
    own = internals(loader)
    with own.turns:
        settings = own.settings(loader)
        way = find_way(loader, settings)
        if own.resume is not None and (own.resume["sampler"] or own.resume["dataset"]):
            raise RuntimeError("workers that are there cannot be given a state: begin new ones with iter(loader)")
        if not _fits(iterator, loader, way):
            raise RuntimeError(
                "the dataset or its transforms changed since this iterator began, so that its batches are made in "
                "another way: begin a new one with iter(loader)"
            )
        cursor = own.begin(loader, iterator.cursor)
        with cursor.borrowed_generators():
            if isinstance(way, (Native, Gathered)):
                iterator.restart(settings, way, cursor)
            else:
                iterator.restart(loader, way, cursor)


def can_restart(loader: Any, iterator: Any) -> bool:
    """Whether the loader's next epoch can begin in the iterator of the last one; a subclass's own can always."""
    if not isinstance(iterator, (Epoch, MultiProcessIterator)):
        return True
    return _fits(iterator, loader, find_way(loader, internals(loader).settings(loader)))


def _fits(iterator: Any, loader: Any, way: Way) -> bool:
    """Whether an iterator makes batches in this way."""
    if type(iterator) is not _kind(loader, way):
        return False
    return isinstance(iterator, Epoch) or (iterator.tree is not None) == (tree_of(way) is not None)


def _load_parts(loader: Any, own: Internals, way: Way) -> bool:
    """Gives the dataset and the sampler the states that they had; returns whether the dataset may be another now."""
    is_here = isinstance(way, (Native, Gathered))
    try:
        return load_parts(loader, own.resume, 0 if is_here else loader.num_workers)
    except BaseException:
        own.resume = None  # another epoch may begin
        raise


def _open(loader: Any, settings: Settings, way: Way, cursor: Cursor) -> Any:
    kind = _kind(loader, way)
    if isinstance(way, (Native, Gathered)):
        return kind(loader, settings, way, cursor, restart_iterator)
    if loader.num_workers:
        loader.check_worker_number_rationality()
    iterator = kind(worker_view(loader, settings, way, cursor), restart_iterator)
    if cursor.resumes:
        iterator.go_on()
    return iterator


def _kind(loader: Any, way: Way) -> type[Any]:
    if isinstance(way, Traced):
        return TracedEpoch
    if isinstance(way, Native):
        return NativeEpoch
    if isinstance(way, Gathered):
        return GatherEpoch
    return MultiProcessIterator if loader.num_workers else SingleProcessIterator
