"""Datasets whose samples can be traced."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from torch.utils.data import IterableDataset

from torchfeed import _native
from torchfeed.recognize import Plan, Unrecognized
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.pillow_code import replaced_in_pillow
from torchfeed.recognize.tree import Tree, read_tree
from torchfeed.util.cores import usable_cores
from torchfeed.util.locks import has_gil
from torchfeed.util.random_state import random_state_turns
from torchfeed.util.reach import reaches

from .chains import Chain
from .dataset_code import check_code, datasets_in
from .tracer import Sample, Tracer, in_python
from .unopened import Given
from .window import first_use

__all__ = ["TracedLeaf", "read_traced"]

_LOOKS = 8
"""How often a sample is run at most until its transforms are known: of several in a row, each run meets one more."""

_CHEAP = 3e-4
"""Seconds of tracing a sample that are always worth it: so time decides about nothing that ordinary classes do."""


@dataclass(frozen=True)
class TracedLeaf(Leaf):
    """A dataset whose samples are traced."""

    look: _Look | None = None

    @property
    def tracer(self) -> Tracer:
        """What runs it."""
        assert self.look is not None
        return self.look.tracer

    def __str__(self) -> str:
        """Says how many samples were traced."""
        (traced, others), why = self.tracer.counts, self.tracer.why
        made = f"; Python made {others} of {traced} so far, the last because {why}" if others else ""
        return f"each __getitem__ runs in this process, on stand-ins for images{made}"

    def file(self, sample: Sample) -> Given | None:
        """The file of a sample that native threads make; `None` if they do not."""
        assert self.look is not None
        chains = self.look.chains
        if len(sample.promises) != len(chains):
            return None
        same = all(made is chain for made, chain in zip(sample.chains, chains, strict=True))
        return sample.file if same else None


def read_traced(dataset: Any, workers: int) -> Tree[Leaf]:
    """Reads a dataset, or those that it is made of, whose samples can be traced.

    Args:
        dataset: the dataset.
        workers: how many worker processes torch's loader would make its samples in; 0 is this process.

    Raises:
        Unrecognized: they cannot.
    """

    def read(each: Any) -> TracedLeaf:
        look = _looked_at(each, here=workers == 0)
        look.check_cost(workers)
        return look.leaf(each)

    return read_tree(dataset, read, len)


@dataclass(frozen=True)
class _Look:
    """What a look at a dataset tells. It holds nothing of the dataset, which it must not keep alive."""

    tracer: Tracer
    chains: tuple[Chain, ...]
    """The transforms whose results a sample has, in the order in which they are called."""
    plan: Plan
    cost: float = 0.0
    """Seconds that tracing a sample takes, in one thread of the process."""
    whole: float = 0.0
    """Seconds that making it in Python takes, in one of the worker processes; 0 if that is not known."""

    def check_cost(self, workers: int) -> None:
        """Refuses samples whose Python takes so long that worker processes make all of them faster.

        Raises:
            Unrecognized: theirs does.
        """
        processes = min(workers, usable_cores())
        if self.cost > _CHEAP and self.whole and self.cost * processes > self.whole:
            took = f"{1e3 * self.cost:.1f} ms of the {1e3 * self.whole:.1f} ms of a sample"
            raise Unrecognized(f"{took} are its own Python: {processes} worker processes are faster")

    def leaf(self, dataset: Any) -> TracedLeaf:
        """The dataset, to be traced."""
        given = Leaf.read(dataset, _native.Source.per_batch(len(dataset)), [0] * len(dataset), None, None, brings=None)
        fields = {**vars(given), "plan": self.plan, "why": "", "brings": _Brings(self.tracer, dataset)}
        return TracedLeaf(**fields, look=self)


_known: WeakKeyDictionary[Any, tuple[tuple[Any, ...], bool, _Look | str]] = WeakKeyDictionary()


def _looked_at(dataset: Any, *, here: bool) -> _Look:
    with random_state_turns:  # no other thread intercepts transforms now, which would look as if they were others
        state = _state(dataset)
        try:
            known = _known.get(dataset)
        except TypeError:  # it cannot be hashed, or not be referred to weakly
            known = None
        if known is not None and known[:2] == (state, here) and _still(known[2]):
            found = known[2]
        else:
            try:
                found = _look(dataset, here=here)
            except Unrecognized as why:
                found = str(why)
            with suppress(TypeError):
                if isinstance(found, str) or not reaches(found.chains, dataset):
                    _known[dataset] = state, here, found
    if isinstance(found, str):
        raise Unrecognized(found)
    return found


def _state(dataset: Any) -> tuple[Any, ...]:
    """What a dataset holds, by address, and those that it holds."""
    return tuple(
        (type(each), *((name, id(value)) for name, value in getattr(each, "__dict__", {}).items()))
        for each in datasets_in(dataset)
    )


def _still(found: _Look | str) -> bool:
    return isinstance(found, str) or all(chain.fingerprint.is_current() for chain in found.chains)


def _look(dataset: Any, *, here: bool) -> _Look:
    _check(dataset, type(dataset).__name__, here=here)
    tracer = Tracer()
    indices = sorted({0, len(dataset) // 3, 2 * len(dataset) // 3})
    looks = [_first(tracer, dataset, index) for index in indices]
    found = next((sample for sample, _ in looks if sample is not None), None)
    if found is None:
        raise Unrecognized(looks[0][1])
    tracer.chains.settle()
    tracer.draws = False  # what was drawn so far was drawn by transforms that were not known
    look = _Look(tracer, found.chains, _plan(found.chains))
    leaf = look.leaf(dataset)
    times = [_times(leaf, index) for index in indices]
    cost, whole = (sum(seconds) / len(times) for seconds in zip(*times, strict=True))
    return replace(look, cost=cost, whole=whole)


def _times(leaf: TracedLeaf, index: int) -> tuple[float, float]:
    """How long Python takes for a sample that is traced, and how long for all of it."""
    calls = [(leaf.dataset, index)]
    cost = _seconds(lambda: leaf.tracer.samples(calls, lambda _: 0))
    if cost < _SHORT:  # most of that is what is done once for a batch
        cost = _seconds(lambda: leaf.tracer.samples(calls * _BATCH, lambda _: 0)) / _BATCH
    try:
        whole = _seconds(lambda: in_python(leaf.dataset, index, 0))
    except Exception:  # noqa: BLE001  (it is raised again when the sample's turn comes)
        return cost, 0.0
    (sample,) = leaf.tracer.samples(calls, lambda _: 0)
    return cost + (whole if leaf.file(sample) is None else 0.0), whole


_SHORT, _BATCH = 2e-3, 32


def _seconds(run: Callable[[], Any]) -> float:
    """The time of a run; the shorter one of two that are short."""
    start = perf_counter()
    run()
    middle = perf_counter()
    if middle - start > 10 * _SHORT:
        return middle - start
    run()
    return min(middle - start, perf_counter() - middle)


def _first(tracer: Tracer, dataset: Any, index: int) -> tuple[Sample | None, str]:
    """Runs a dataset for one sample, until its transforms are known; gives it, or why it is not made natively."""
    name = f"{type(dataset).__name__}[{index}]"
    sample = Sample(None)
    for _ in range(_LOOKS):
        tracer.chains.why = ""
        first_use()
        (sample,) = tracer.samples([(dataset, index)], lambda _: 0)
        if not tracer.chains.look():
            break
    if sample.again:
        return None, f"{name}: {sample.again}"
    if not sample.promises:
        used = first_use()
        why = f"needs its image before it calls a transform: {used}" if used else "calls no transform with an image"
        return None, tracer.chains.why or f"{name} {why}"
    return (
        (sample, "") if sample.file is not None else (None, f"{name} opens several images, or takes the pixels of one")
    )


@dataclass(frozen=True)
class _Brings:
    """Gives the file of a sample."""

    tracer: Tracer
    dataset: Any

    def __call__(self, index: int) -> tuple[Any, Any]:
        (sample,) = self.tracer.samples([(self.dataset, index)], lambda _: 0)
        if sample.file is None:
            raise TypeError(f"{type(self.dataset).__name__}[{index}] is made in Python")
        kind, file = sample.file
        return (file if kind == "bytes" else _decoded(file)), 0


def _decoded(path: bytes) -> str:
    return path.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _plan(chains: tuple[Chain, ...]) -> Plan:
    """The plan of a sample's views, one for each transform that is called with its image."""
    views = tuple(chain.plan for chain in chains)
    if len(views) == 1:
        return views[0]
    if len({view.table.channels for view in views}) > 1:
        raise Unrecognized("its transforms make images of different numbers of channels")
    return replace(
        views[0],
        ops=tuple(op for view in views for op in view.ops),
        names=tuple(name for view in views for name in view.names),
        notes=tuple(dict.fromkeys(note for view in views for note in view.notes)),
        several=views,
        nest=list(range(len(views))),
    )


def _check(dataset: Any, name: str, *, here: bool) -> None:
    """Refuses datasets that torch would not run as they are traced.

    Raises:
        Unrecognized: it is such a dataset.
    """
    if isinstance(dataset, IterableDataset):
        raise Unrecognized("an IterableDataset has no index: samples are made by its own __iter__")
    if not has_gil():
        raise Unrecognized("without a GIL, samples are not traced")
    if not isinstance(getattr(type(dataset), "__getitem__", None), FunctionType):
        raise Unrecognized(f"{name}.__getitem__ is not written in Python")
    if why := replaced_in_pillow(methods=True):
        raise Unrecognized(why)
    if len(dataset) < 1:
        raise Unrecognized(f"{name} has no samples")
    if any(hasattr(each, "state_dict") for each in datasets_in(dataset)):
        raise Unrecognized(f"{name} has a state, which is kept where torch would make its samples")
    check_code(dataset, here=here)
