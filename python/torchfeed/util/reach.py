"""Whether one object holds another, however deep: what is kept for an object must not keep that alive."""

from __future__ import annotations

import gc
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["reaches"]

_MOST = 20_000
"""Objects that are looked at; whatever holds more may hold anything."""


def reaches(value: Any, target: Any) -> bool:
    """Whether `target` can be reached from `value`, by attributes, items and closures; `True` if that is uncertain.

    What modules and classes hold does not count.
    """
    to_do, seen = [value], {id(value)}
    while to_do:
        one = to_do.pop()
        if one is target:
            return True
        if len(seen) > _MOST:
            return True
        held = gc.get_referents(one)
        if isinstance(one, FunctionType):
            held = [one.__closure__, one.__defaults__, one.__kwdefaults__, one.__dict__]
        for each in held:
            if id(each) not in seen and not isinstance(each, (type, ModuleType, str, int, float)):
                seen.add(id(each))
                to_do.append(each)
    return False
