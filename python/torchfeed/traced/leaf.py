"""Datasets whose samples can be traced."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from torch.utils.data import Dataset, IterableDataset

from torchfeed import _native
from torchfeed.recognize import Plan, Unrecognized
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.pillow_code import replaced_in_pillow
from torchfeed.recognize.tree import Tree, read_tree

from .chains import Chain
from .tracer import Sample, Tracer
from .unopened import Given

__all__ = ["TracedLeaf", "read_traced"]

_LOOKS = 8
"""How often a sample is run at most until its transforms are known: of several in a row, each run meets one more."""


@dataclass(frozen=True)
class TracedLeaf(Leaf):
    """A dataset whose samples are traced."""

    tracer: Tracer = field(default_factory=Tracer)
    chains: tuple[Chain, ...] = ()
    """The transforms whose results a sample has, in the order in which they are called."""

    def __str__(self) -> str:
        """Says how many samples were traced."""
        (traced, others), why = self.tracer.counts, self.tracer.why
        made = f"; Python made {others} of {traced} so far, the last because {why}" if others else ""
        return f"each __getitem__ runs in this process, on stand-ins for images{made}"

    def file(self, sample: Sample) -> Given | None:
        """The file of a sample that native threads make; `None` if they do not."""
        if len(sample.promises) != len(self.chains):
            return None
        same = all(made is chain for made, chain in zip(sample.chains, self.chains, strict=True))
        return sample.file if same else None


def read_traced(dataset: Any, *, here: bool) -> Tree[Leaf]:
    """Reads a dataset, or those that it is made of, whose samples can be traced.

    Args:
        dataset: the dataset.
        here: whether torch's loader would make its samples in this process, too.

    Raises:
        Unrecognized: they cannot.
    """
    return read_tree(dataset, lambda each: _leaf(each, here=here), len)


_known: WeakKeyDictionary[Any, tuple[tuple[Any, ...], bool, TracedLeaf | str]] = WeakKeyDictionary()


def _leaf(dataset: Any, *, here: bool) -> TracedLeaf:
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
            _known[dataset] = state, here, found
    if isinstance(found, str):
        raise Unrecognized(found)
    return found


def _state(dataset: Any) -> tuple[Any, ...]:
    """What a dataset holds, by address."""
    return type(dataset), *((name, id(value)) for name, value in getattr(dataset, "__dict__", {}).items())


def _still(found: TracedLeaf | str) -> bool:
    return isinstance(found, str) or all(chain.fingerprint.is_current() for chain in found.chains)


def _look(dataset: Any, *, here: bool) -> TracedLeaf:
    name = type(dataset).__name__
    _check(dataset, name, here=here)
    tracer, why = Tracer(), ""
    for index in sorted({0, len(dataset) // 3, 2 * len(dataset) // 3}):
        sample, reason = _first(tracer, dataset, index)
        if sample is not None:
            break
        why = why or reason
    else:
        raise Unrecognized(why)
    tracer.chains.settle()
    tracer.draws = False  # what was drawn so far was drawn by transforms that were not known
    tracer.samples([(dataset, index)], lambda _: 0)
    plan = _plan(sample.chains)
    given = Leaf.read(dataset, _native.Source.per_batch(len(dataset)), [0] * len(dataset), None, None, brings=None)
    fields = {**vars(given), "plan": plan, "why": "", "brings": _Brings(tracer, dataset)}
    return TracedLeaf(**fields, tracer=tracer, chains=sample.chains)


def _first(tracer: Tracer, dataset: Any, index: int) -> tuple[Sample | None, str]:
    """Runs a dataset for one sample, until its transforms are known; gives it, or why it is not made natively."""
    name = f"{type(dataset).__name__}[{index}]"
    sample = Sample(None)
    for _ in range(_LOOKS):
        tracer.chains.why = ""
        (sample,) = tracer.samples([(dataset, index)], lambda _: 0)
        if not tracer.chains.look():
            break
    if sample.again:
        return None, f"{name}: {sample.again}"
    if not sample.promises:
        return None, tracer.chains.why or f"{name} calls no transform with an image as it was opened"
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


# What keeps a dataset from being traced, by what its code says

_SEEDS = {"seed", "setstate", "set_state", "set_rng_state", "manual_seed", "fork_rng", "default_rng", "Generator"}
_SEEDS |= {"RandomState", "Random", "SeedSequence"}


def _check(dataset: Any, name: str, *, here: bool) -> None:
    """Refuses datasets that torch would not run as they are traced.

    Raises:
        Unrecognized: it is such a dataset.
    """
    if isinstance(dataset, IterableDataset):
        raise Unrecognized("an IterableDataset has no index: samples are made by its own __iter__")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise Unrecognized("without a GIL, samples are not traced")
    function = getattr(type(dataset), "__getitem__", None)
    if not isinstance(function, FunctionType):
        raise Unrecognized(f"{name}.__getitem__ is not written in Python")
    if why := replaced_in_pillow(methods=True):
        raise Unrecognized(why)
    if len(dataset) < 1:
        raise Unrecognized(f"{name} has no samples")
    if hasattr(dataset, "state_dict"):
        raise Unrecognized(f"{name} has a state, which is kept where torch would make its samples")
    codes, is_known = [], False
    for each in _datasets_in(dataset):
        own = getattr(type(each), "__getitem__", None)
        if own is not None and own.__module__.partition(".")[0] in _LIBRARIES:
            is_known, functions = True, [*_held(each)]
        else:
            functions = [own, *_held(each)] if isinstance(own, FunctionType) else [*_held(each)]
        codes.extend(_reached(functions, type(each)))
    # Running it for nothing has effects, too, if it counts or draws.
    if not is_known and not any(_may_open(each) for code in codes for each in code.co_names):
        raise Unrecognized("")
    for code in codes:
        _check_code(code, name, here=here)


def _datasets_in(dataset: Any) -> Iterator[Any]:
    """A dataset, and those that it holds: it may be one that transforms the samples of another."""
    to_do, seen = [dataset], {id(dataset)}
    while to_do:
        one = to_do.pop()
        yield one
        for value in getattr(one, "__dict__", {}).values():
            if isinstance(value, Dataset) and id(value) not in seen:
                seen.add(id(value))
                to_do.append(value)


def _check_code(code: CodeType, name: str, *, here: bool) -> None:
    """Refuses code that does what tracing would not do as torch's loader does it.

    Raises:
        Unrecognized: it does.
    """
    where = f'File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}'
    names = {*code.co_names}
    if found := names & _SEEDS:
        raise Unrecognized(f"{name} uses {min(found)}: {where}")
    if not here and "get_worker_info" in names:
        raise Unrecognized(f"{name} asks for its worker process: {where}")
    if not here and "STORE_ATTR" in {each.opname for each in dis.get_instructions(code)}:
        raise Unrecognized(f"{name} sets an attribute while it makes a sample, of which each worker has one: {where}")


def _may_open(name: str) -> bool:
    """Whether something of a name in the code may open an image."""
    return name.lower() in {"open", "image", "pil"} or "load" in name.lower() or "read" in name.lower()


_LIBRARIES = {"datasets"}
"""Whose datasets keep nothing of a sample, and draw nothing: Hugging Face's."""


def _held(dataset: Any) -> Iterator[FunctionType]:
    """The functions that a dataset holds."""
    for value in vars(dataset).values() if hasattr(dataset, "__dict__") else ():
        for each in value.values() if isinstance(value, dict) else [value]:
            if isinstance(each, FunctionType):
                yield each


def _reached(functions: Sequence[FunctionType], cls: type) -> Iterator[CodeType]:
    """The code of functions, and of the user's functions and methods that these may call by their names."""
    homes = {function.__module__.partition(".")[0] for function in functions}
    to_do, seen = [*functions], {*functions}
    while to_do:
        one = to_do.pop()
        names: set[str] = set()
        for code in _codes(one.__code__):
            yield code
            names.update(code.co_names)
        for name in names:
            own = one.__globals__.get(name)
            found = [own] if isinstance(own, FunctionType) and _is_of(own, homes) else []
            found += [vars(base)[name] for base in cls.__mro__[:-1] if name in vars(base)]
            for value in map(_function, found):
                if value is not None and value not in seen:
                    seen.add(value)
                    to_do.append(value)


def _function(value: Any) -> FunctionType | None:
    value = getattr(value, "__func__", getattr(value, "fget", value))  # of a static method, or of a property
    return value if isinstance(value, FunctionType) else None


def _is_of(function: FunctionType, homes: set[str]) -> bool:
    return (function.__module__ or "").partition(".")[0] in homes


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
