"""torch's own iterators, for batches that Python makes or finishes: in this process or in worker processes."""

from __future__ import annotations

import itertools
import multiprocessing.queues
import os
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from torch.utils.data import _utils as torch_utils
from torch.utils.data import dataloader as torch_dataloader
from torch.utils.data import default_collate as torch_default_collate

from torchfeed.bad_samples.tolerant_samples import Job, PlainSamples, TolerantCollate, TolerantSamples
from torchfeed.batch.collate import Collate, default_collate
from torchfeed.batch.shared_memory import forget
from torchfeed.images import lazily, lazy_in_this_process
from torchfeed.limits import get_limits
from torchfeed.plan.drawn import Key
from torchfeed.plan.resolve import Split, Torch, Way
from torchfeed.recognize.collate import is_own_collate
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.tree import Tree
from torchfeed.settings import Options, Settings
from torchfeed.util.locks import Turns

from .cursor import Cursor
from .forwarding_dataset import ForwardingDataset
from .split_samples import SeededCollate, SplitSamples
from .stateful.worker_batches import Carried
from .torch_iterator import MovesCursor, Restart, View

__all__ = ["MultiProcessIterator", "SingleProcessIterator", "tree_of", "worker_view"]


def worker_view(loader: Any, settings: Settings, way: Split | Torch, cursor: Cursor) -> View:
    """Makes what one of torch's iterators is to see of a loader.

    Args:
        loader: the loader.
        settings: what the epoch needs to know of it.
        way: how its batches are made.
        cursor: the place in the epoch.
    """
    options, batched, tree = settings.options, settings.batched, tree_of(way)
    # Tensors that are made in this process may be on a device, and then cannot be pinned.
    pin = loader.pin_memory or (settings.pin_memory and settings.num_workers > 0)
    samples: Any = None
    name = ""
    seen: dict[str, Any] = {"dataset": loader.dataset, "collate_fn": settings.collate_fn, "pin_memory": pin}
    if options.nice or options.opens_lazily:
        seen["worker_init_fn"] = WorkerInit(options, settings.worker_init_fn)
    if options.native != "off":
        known = any(settings.collate_fn is each for each in (torch_default_collate, default_collate))
        if known and is_own_collate(settings.collate_fn):
            name = f"{os.getpid()}-{next(_numbers)}" if settings.num_workers else ""
            seen["collate_fn"] = Collate(name)
        elif tree is not None and batched:
            seen["collate_fn"] = SeededCollate(settings.collate_fn)
        if tree is not None:
            making = Options(decode=options.decode, limits=options.limits or get_limits())
            samples = SplitSamples(making, batched=batched)
    if options.tolerant:
        samples = TolerantSamples(samples or PlainSamples(batched=batched), options.on_error, batched=batched)
        seen["collate_fn"] = TolerantCollate(seen["collate_fn"], batched=batched)
    if samples is not None:
        seen["dataset"] = ForwardingDataset(loader.dataset, samples)
    cursor.run_in_workers(loader, seen, seeded=tree is not None)
    return View(loader, **seen, tree=tree, cursor=cursor, opens_lazily=options.opens_lazily, name=name)


_numbers = itertools.count()


def tree_of(way: Way) -> Tree[Leaf] | None:
    """The datasets whose samples are made natively in part; `None` where torch alone makes batches."""
    return way.tree if isinstance(way, Split) else None


class WorkerInit:
    """A worker_init_fn that sets a worker process up as the options say, and then calls the user's, if there is one."""

    def __init__(self, options: Options, worker_init_fn: Callable[[int], None] | None) -> None:
        self.nice, self.opens_lazily = options.nice, options.opens_lazily
        self.worker_init_fn = worker_init_fn

    def __call__(self, worker: int) -> None:
        """Sets the worker process up."""
        if self.nice and hasattr(os, "nice"):  # Windows has no such thing
            os.nice(self.nice)
        if self.opens_lazily:
            lazy_in_this_process()
        if self.worker_init_fn is not None:
            self.worker_init_fn(worker)


class _Counted(MovesCursor):
    """Makes torch's iterators move a cursor, and ask for samples by key where their first steps are native."""

    def __init__(self, view: View, restart: Restart) -> None:
        self.tree: Tree[Leaf] | None = view.tree
        self._opens_lazily: bool = view.opens_lazily
        self._cursor, self._restart_iterator = view.cursor, restart
        self._count_samples()
        self._process = os.getpid()
        self._turns = Turns()
        self._has_turn = False
        super().__init__(view)  # type: ignore[call-arg]  # the iterator that this is mixed into
        # By now the workers have what is for them; programs that look here want the loader's own.
        self._dataset, self._collate_fn = view.loader.dataset, view.loader.collate_fn

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        if first_iter:
            self._begin(loader, first_iter=True)
        else:
            super()._reset(loader)

    def restart(self, loader: Any, way: Split | Torch, cursor: Cursor) -> None:
        """Begins the next epoch with the same workers."""
        self.tree, self._cursor = tree_of(way), cursor
        self._count_samples()
        self._begin(loader, first_iter=False)
        if cursor.resumes:
            self.go_on()

    def _begin(self, loader: Any, *, first_iter: bool) -> None:
        self._has_turn = False
        self._begin_order()
        super(MovesCursor, self)._reset(loader, first_iter)  # type: ignore[misc]  # torch's

    def _count_samples(self) -> None:
        if self.tree is not None:
            self._cursor.count_samples(self.tree.size)

    def go_on(self) -> None:
        """Passes over the batches that a resumed epoch has had, and asks the sampler for those that come next.

        The samples of a split dataset depend on nothing but their keys. Others may depend on those before them, so
        these are made and dropped.

        Raises:
            ValueError: there are fewer batches than the state says.
        """
        draw = super()._next_index  # type: ignore[misc]
        self._pass_over(draw)
        self._cursor.ask_ahead(draw)
        with suppress(StopIteration):
            while self._cursor.batches < self._cursor.skip:
                next(self)
        if self._cursor.batches < self._cursor.skip:
            raise self._cursor.too_few()

    def _pass_over(self, draw: Callable[[], Any]) -> None:
        if self.tree is not None or self._cursor.jumps:
            self._cursor.pass_over(draw, None if self.tree is None else self._keys)
        if self._cursor.jumps:
            self._take_turn()

    def _take_turn(self) -> None:
        """Gives the first batch of a resumed epoch to the worker that would have made it."""
        cycle = getattr(self, "_worker_queue_idx_cycle", None)
        if cycle is not None and not self._has_turn:
            self._has_turn = True
            for _ in range(self._cursor.turn % self._num_workers):  # type: ignore[attr-defined]
                next(cycle)

    def _next_data(self) -> Any:
        while True:
            data = super()._next_data()  # type: ignore[misc]
            if type(data) is not Carried:
                return data
            place = data.place
            self._cursor.note_worker(place)
            if not place.is_end:
                return data.batch

    def _next_index(self) -> Any:
        draw = super()._next_index  # type: ignore[misc]
        self._pass_over(draw)
        drawn = self._cursor.ask(draw)
        keys = drawn if self.tree is None else self._keys(drawn)
        sampled = self._cursor.sampled
        return keys if sampled is None else Job(sampled, keys if self._batched else [keys], self._seed)

    @property
    def _batched(self) -> bool:
        return bool(self._auto_collation)  # type: ignore[attr-defined]  # torch's iterators have it

    @property
    def _seed(self) -> int:
        seed = self._cursor.seed
        assert seed is not None, "torch's iterators draw a seed before they ask the sampler"
        return seed

    def _keys(self, drawn: Any) -> Any:
        keys = [Key(index, self._seed, self._occurrence(index)) for index in self._indices(drawn)]
        return keys if self._batched else keys[0]

    def _indices(self, drawn: Any) -> Any:
        return drawn if self._batched else [drawn]

    def _occurrence(self, index: Any) -> int:
        assert self.tree is not None, "only a split dataset's samples are counted"
        try:
            return self._cursor.occurrence(self.tree.find(index))
        except Exception:  # noqa: BLE001  (raised where the sample is made, after the batches before it)
            return 0

    def __next__(self) -> Any:
        with self._turns:
            return self._next()

    def _next(self) -> Any:
        while True:
            try:
                batch = super().__next__()  # type: ignore[misc]
            except StopIteration:
                self._cursor.finish()
                raise
            self._cursor.advance()
            if not self._cursor.is_tolerant:
                self._cursor.handed = True
                return batch
            self._cursor.note_bad(batch.found.samples, batch.found.end)
            if not batch.found.empty:
                self._cursor.handed = True
                return batch.batch


class SingleProcessIterator(_Counted, torch_dataloader._SingleProcessDataLoaderIter):  # type: ignore[misc]  # noqa: SLF001
    """torch's iterator for ``num_workers=0``."""

    def _next_data(self) -> Any:
        with lazily() if self._opens_lazily else nullcontext():
            return super()._next_data()


class MultiProcessIterator(_Counted, torch_dataloader._MultiProcessingDataLoaderIter):  # type: ignore[misc]  # noqa: SLF001
    """torch's iterator for worker processes."""

    def __init__(self, view: View, restart: Restart) -> None:
        self._name: str = view.name
        super().__init__(view, restart)

    def _shutdown_workers(self) -> None:
        """Ends the workers, without waiting for those that cannot be told to.

        Where the iterator is part of a reference cycle, Python closes its queues before this is called, and torch waits
        five seconds for each worker before it terminates it.
        """
        if globals()["os"] is None:
            return  # the interpreter ends, and has taken this module apart
        if os.getpid() != self._process:
            return  # a forked child has no workers of its own here
        if getattr(torch_utils, "python_exit_status", True) in {True, None}:
            return  # the interpreter ends, and with it the workers: torch leaves them alone then
        for queue, worker in zip(getattr(self, "_index_queues", ()), getattr(self, "_workers", ()), strict=False):
            if _is_closed(queue) and worker.is_alive():
                worker.terminate()
        super()._shutdown_workers()
        forget(self._name)


def _is_closed(queue: Any) -> bool:
    """Whether the thread that sends what is put into a `multiprocessing.Queue` ends, or has ended."""
    thread, buffer = getattr(queue, "_thread", None), getattr(queue, "_buffer", ())
    end = getattr(multiprocessing.queues, "_sentinel", None)
    return thread is not None and (not thread.is_alive() or any(entry is end for entry in list(buffer)))
