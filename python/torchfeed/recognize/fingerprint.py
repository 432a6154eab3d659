"""All that a compiled transform was made of, so that a change of it is noticed."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchfeed.util.default_device import default_device

from .known_classes import is_named
from .own_code import trace_of
from .replaced_code import Slots, Watch, code_of, code_of_function
from .tracing import Readings, read_again
from .written_code import home_of, is_followed

__all__ = ["Fingerprint"]

# Values that do not change.
_PLAIN = (bool, int, float, complex, str, bytes, type(None), enum.Enum, torch.dtype, np.generic, type)


class Fingerprint:
    """What transforms hold by value, and the code that they would run.

    Only objects are read whose classes are known. Others run in Python, where they are as they are.

    Args:
        transforms: the transforms.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        self._dtype, self._device = torch.get_default_dtype(), default_device()
        self._objects: list[Any] = []
        self._lists: list[list[Any]] = []
        self._dicts: list[dict[Any, Any]] = []
        self._functions: list[Any] = []
        self._empty: list[Any] = []
        self._copies: list[tuple[Any, Any]] = []
        self._readings: Readings = []
        self._is_lasting = True
        self._seen: set[int] = set()
        for transform in transforms:
            self._add(transform)
        self._held = self._hold()
        slots: Slots = {}
        codes = [code_of(kind) for kind in set(map(type, self._objects))]
        codes += map(code_of_function, self._functions)
        for code in codes:
            for owner, (held, names) in code.slots.items():
                slots.setdefault(owner, (held, set()))[1].update(names)
        self._watch = Watch.of(slots, {id(each): each for code in codes for each in code.hooks}.values())

    def is_current(self) -> bool:
        """Whether all is as it was."""
        if not self._is_lasting or self._dtype is not torch.get_default_dtype() or any(self._empty):
            return False
        if default_device() != self._device:  # some transforms make tensors there, and then in Python
            return False
        if not self.holds_the_same() or not self._watch.is_intact():
            return False
        return all(read_again(place, name) is value for place, name, value in self._readings)

    def holds_the_same(self) -> bool:
        """Whether the values are as they were, whatever the code."""
        try:
            if self._hold() != self._held:
                return False
        except (RuntimeError, ValueError):  # an array or a tensor, which is not the one that was there
            return False
        return all(_copy(value) == copy for value, copy in self._copies)

    def _hold(self) -> tuple[Any, ...]:
        """All that objects and collections hold. Tuples compare what is the same object without asking it."""
        names: Iterable[dict[Any, Any]] = map(vars, self._objects)
        dicts = map(dict.values, chain(names, self._dicts))
        return (*chain.from_iterable(dicts), *chain.from_iterable(self._lists))

    def _add(self, value: Any) -> None:
        if isinstance(value, _PLAIN) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        inner: Iterable[Any] = ()
        if isinstance(value, (list, dict, set)) and not value:
            self._empty.append(value)
        elif isinstance(value, (list, tuple)):
            inner = value
            if isinstance(value, list):
                self._lists.append(value)
        elif isinstance(value, dict):
            inner = value.values()
            self._dicts.append(value)
        elif isinstance(value, (Tensor, np.ndarray, set)):
            self._copies.append((value, _copy(value)))
        elif is_named(value):
            inner = vars(value).values()
            self._objects.append(value)
        elif callable(value):
            inner = self._inside(value)
        else:
            self._is_lasting = False  # nobody knows what is in there
        for each in inner:
            self._add(each)

    def _inside(self, function: Any) -> Iterable[Any]:
        """Notes a function that an object holds, and yields what is bound to it."""
        if isinstance(function, FunctionType) and is_followed(home_of(function)):
            self._functions.append(function)
            return ()
        # It may be given an image, or what FiveCrop or TenCrop makes of it.
        traces = [found for crops in (0, 5, 10) if (found := trace_of(function, crops)) is not None]
        if not traces:
            return (function.func, function.args, function.keywords) if isinstance(function, partial) else ()
        # A user's own code: all that it looked up, and what that holds.
        readings = [reading for found in traces for reading in found.readings]
        self._readings += readings
        return [value for *_, value in readings if _holds(value)]


def _holds(value: Any) -> bool:
    """Whether what code looked up may hold something that changes while it stays the same object."""
    if isinstance(value, (list, tuple, dict)) or is_named(value):
        return True
    return callable(value) and not isinstance(value, type)


def _copy(value: Any) -> Any:
    return set(value) if isinstance(value, set) else value.tolist()
