"""What the code of a dataset says against tracing its samples."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from torch.utils.data import Dataset

from torchfeed.recognize import Unrecognized

__all__ = ["check_code", "datasets_in"]

_SEEDS = {"seed", "setstate", "set_state", "set_rng_state", "manual_seed", "fork_rng", "default_rng", "Generator"}
_SEEDS |= {"RandomState", "Random", "SeedSequence"}


def check_code(dataset: Any, *, here: bool) -> None:
    """Refuses datasets whose code says that torch would not run them as they are traced.

    Args:
        dataset: the dataset; those that it holds are looked at, too.
        here: whether torch's loader would make its samples in this process, too.

    Raises:
        Unrecognized: it is such a dataset, for this reason; without one where it opens no images at all.
    """
    name = type(dataset).__name__
    codes: list[CodeType] = []
    is_known = False
    for each in datasets_in(dataset):
        functions = [*_held(each)]
        own = getattr(type(each), "__getitem__", None)
        if own is not None and own.__module__.partition(".")[0] in _LIBRARIES:
            is_known = True
        elif isinstance(own, FunctionType):
            functions.append(own)
        codes.extend(_reached(functions, type(each)))
    # Running it for nothing has effects, too, if it counts or draws.
    if not is_known and not any(_may_open(each) for code in codes for each in code.co_names):
        raise Unrecognized("")
    for code in codes:
        _check_code(code, name, here=here)


def datasets_in(dataset: Any) -> Iterator[Any]:
    """A dataset, and those that it holds: it may be one that transforms the samples of another."""
    to_do, seen = [dataset], {id(dataset)}
    while to_do:
        one = to_do.pop()
        yield one
        for value in getattr(one, "__dict__", {}).values():
            several = isinstance(value, (list, tuple)) and len(value) <= _MOST_DATASETS
            for each in value if several else [value]:
                if isinstance(each, Dataset) and id(each) not in seen:
                    seen.add(id(each))
                    to_do.append(each)


_MOST_DATASETS = 100
"""In a list; a longer one is one of samples."""


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
