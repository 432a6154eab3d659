"""Whether batches are collated by torch's own code: the collate_fn, and torch's map of functions by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data._utils import collate as torch_collate

from torchfeed.batch import default_collate

from .replaced_code import code_of_function

__all__ = ["is_own_collate", "registered_for"]

_Function = Callable[..., Any]

_OWN = {Tensor: "collate_tensor_fn", int: "collate_int_fn", np.number: "collate_numpy_scalar_fn"}


def is_own_collate(collate_fn: Any) -> bool:
    """Whether a function of torch's or torchfeed's collates a batch by its own code."""
    return collate_fn is default_collate or not code_of_function(collate_fn).why


def registered_for(*parts: type) -> str:
    """Looks for functions of the user's that collate samples, which are tuples, or parts of them.

    Args:
        parts: the types of a sample's parts: integers, tensors, lists, tuples, or dicts.

    Returns:
        What is collated in Python, by another function than torch's own; empty if nothing is.
    """
    if not _is_torch_s(torch_collate.collate, "collate"):
        return f"{torch_collate.__name__}.collate is another function than torch's own, and runs in Python"
    if _finds(tuple) is not None:
        return "default_collate_fn_map has a function for tuples, which runs in Python"
    for container in {list, dict}.intersection(parts):
        if _finds(container) is not None:
            return f"default_collate_fn_map has a function for {container.__name__}s, which runs in Python"
    for part in parts:
        if part in {list, tuple, dict}:
            continue
        name = next(name for kind, name in _OWN.items() if issubclass(part, kind))
        if not _is_torch_s(_finds(part), name):
            return f"default_collate_fn_map has another function for {part.__name__} than {name}, which runs in Python"
    return ""


def _finds(kind: type) -> _Function | None:
    """Finds the function that torch takes for samples of a type: of that very type's entry, or of the first base's."""
    functions: dict[Any, _Function] = torch_collate.default_collate_fn_map
    if kind in functions:
        return functions[kind]
    for key, function in functions.items():
        try:
            found = issubclass(kind, key)
        except TypeError:  # a key that is no type, over which torch stumbles too
            found = True
        if found:
            return function
    return None


def _is_torch_s(function: Any, name: str) -> bool:
    # Its globals cannot be feigned: `functools.wraps` copies the names of a module and of a function.
    globals_ = getattr(function, "__globals__", None)
    return globals_ is vars(torch_collate) and function.__code__.co_name == name
