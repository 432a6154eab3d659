"""Whether a name holds what the source of its module gives it.

The loader of a module gives its code once more, as it was compiled from the file. A function is original if its code
stands there under its own name. So a function that was replaced shows even if that happened before torchfeed saw it,
and so does a wrapper that goes by the name of the function that it wraps.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import _lru_cache_wrapper as _Cache
from functools import cache
from inspect import CO_OPTIMIZED
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["function_of", "home_of", "is_followed", "is_trusted", "is_watched", "is_written", "names_in"]

# Functions of these modules are held against their source, and so are the functions that those call.
_FOLLOWED = (
    *("torchvision", "timm", "PIL", "torch.nn.modules.container", "torch.nn.modules.linear", "torch.nn.modules.module"),
    *("torch.utils.data", "torchfeed.transforms", "torchfeed.datasets"),
)

# Packages that may stand behind a name. Some modules of Python's own are there to replace and to wrap things.
_TRUSTED = {"PIL", "numpy", "timm", "torch", "torchfeed", "torchvision"} | (
    set(sys.stdlib_module_names) - {"__main__", "functools", "types", "unittest"}
)

# Descriptors that Python gives to each class.
_OF_TYPES = (types.GetSetDescriptorType, types.MemberDescriptorType)

_IN_C = (
    *(types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType),
    *(types.ClassMethodDescriptorType, *_OF_TYPES),
)


def is_followed(module: str) -> bool:
    """Whether functions of a module are held against its source."""
    return any(module == name or module.startswith(f"{name}.") for name in _FOLLOWED)


def is_watched(module: str) -> bool:
    """Whether the functions of a module matter, be it by what they draw or by what they compute."""
    return module in {"math", "numpy", "random", "torch"} or is_followed(module)


def function_of(value: Any) -> Any:
    """Takes the function out of a method, a `staticmethod`, a `classmethod`, a property or a cache."""
    if isinstance(value, property):
        return value.fget
    if isinstance(value, _Cache):
        return value.__wrapped__
    return value.__func__ if isinstance(value, (MethodType, staticmethod, classmethod)) else value


def home_of(function: FunctionType) -> str:
    """Names the module that a function was written in, whatever a wrapper says of itself."""
    return str(function.__globals__.get("__name__"))


def names_in(code: CodeType) -> Iterator[str]:
    """Yields the names of the globals and attributes that a code uses, with those of the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def is_written(module: str, scope: str, name: str, value: Any) -> bool:
    """Whether `value` is what the source of a followed module gives to a name.

    Args:
        module: the name of the module.
        scope: the qualified name of a class in the module; empty for the module itself.
        name: the name in that scope.
        value: what the name holds now.
    """
    if isinstance(value, _OF_TYPES):
        return True
    codes = _codes(module)
    if codes is None:  # without a source there is only what the value says of itself
        return is_trusted(value)
    function = function_of(value)
    found = codes.get(f"{scope}.{name}" if scope else name)
    if found is None:
        # A name that is imported or assigned. One that the source does not have was put there later, unless it is a
        # number or the like, which Pillow gives to its modules in a loop.
        assigned = any(name in code.co_names for code in codes.get(scope, ())) or not (scope or callable(value))
        return assigned and _goes_by(name, value)
    if isinstance(function, type):
        return function.__module__ == module and function.__name__ == name
    if not isinstance(function, FunctionType):
        return False
    if function.__code__ in found:
        return function.__globals__ is vars(sys.modules[module])
    return bool(function.__closure__) and is_trusted(function)  # a decorator's wrapper


def is_trusted(value: Any) -> bool:
    """Whether a value comes from a package that is known, as far as the value itself shows."""
    value = function_of(value)
    if isinstance(value, FunctionType):
        home = home_of(value)
        if home not in sys.modules or vars(sys.modules[home]) is not value.__globals__ or not _knows(home):
            return False
        codes = _codes(home) if is_followed(home) else None
        if codes is not None and not any(value.__code__ in found for found in codes.values()):
            return False
        inner = [cell.cell_contents for cell in value.__closure__ or ()]
        return all(is_trusted(content) for content in inner if callable(content))
    if isinstance(value, _IN_C):
        return True
    if isinstance(value, ModuleType):
        return sys.modules.get(value.__name__) is value and _knows(value.__name__)
    return _knows((value if isinstance(value, type) else type(value)).__module__)


def _knows(module: str) -> bool:
    return module.partition(".")[0] in _TRUSTED


def _goes_by(name: str, value: Any) -> bool:
    """Whether a value that was imported or assigned is not another function than the one of that name."""
    if not is_trusted(value):
        return False
    function = function_of(value)
    if not isinstance(function, FunctionType) or not is_followed(home_of(function)):
        return True
    found = (_codes(home_of(function)) or {}).get(name)
    return found is None or function.__code__ in found


@cache
def _codes(module: str) -> dict[str, tuple[CodeType, ...]] | None:
    """Compiles a module again: its functions and the bodies of its classes by qualified name, and itself under ""."""
    try:
        code = sys.modules[module].__spec__.loader.get_code(module)  # type: ignore[union-attr]
    except (AttributeError, ImportError, KeyError, OSError, SyntaxError):
        return None
    found: dict[str, tuple[CodeType, ...]] = {}
    if code is not None:
        _collect(code, "", "", found)
    return found or None


def _collect(code: CodeType, name: str, prefix: str, found: dict[str, tuple[CodeType, ...]]) -> None:
    found[name] = (*found.get(name, ()), code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = prefix + constant.co_name
            # Only functions have fast local variables; the body of a class has none.
            _collect(constant, inner, f"{inner}.<locals>." if constant.co_flags & CO_OPTIMIZED else f"{inner}.", found)
