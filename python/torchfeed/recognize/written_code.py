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

from torchfeed.util.understudy import Understudy

__all__ = ["function_of", "home_of", "is_defined", "is_followed", "is_trusted", "is_watched", "is_written", "names_in"]

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
    if isinstance(value, Understudy):
        return value.original
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


def is_defined(module: str, scope: str, name: str) -> bool:
    """Whether the source of a module gives a name to a scope, be it by a definition or by an assignment."""
    codes = _codes(module)
    if codes is None:
        return True
    return f"{scope}.{name}" in codes or any(name in code.co_names for code in codes.get(scope, ()))


def is_written(module: str, scope: str, name: str, value: Any) -> bool:
    """Whether `value` is what the source of a followed module gives to a name.

    Args:
        module: the name of the module.
        scope: the qualified name of a class in the module; empty for the module itself.
        name: the name in that scope.
        value: what the name holds now.
    """
    codes = _codes(module)
    if codes is None or isinstance(value, _OF_TYPES):  # without a source there is only what the value says of itself
        return is_trusted(value)
    private = f"_{scope.rpartition('.')[2].lstrip('_')}__"
    if scope and name.startswith(private):  # as Python calls a private name of a class
        name = f"__{name.removeprefix(private)}"
    function = function_of(value)
    found = codes.get(f"{scope}.{name}" if scope else name)
    if found is not None:
        return _is_defined(module, name, function, found)
    # Imported or assigned. A name that the source does not have was put there later, unless it holds a number or the
    # like: Pillow gives these to its modules in a loop.
    names = {each for code in codes.get(scope, ()) for each in code.co_names}
    assigned = name in names or not (scope or callable(function))
    return assigned and is_trusted(value) and _may_stand(module, scope, name, function, names)


def _is_defined(module: str, name: str, function: Any, codes: tuple[CodeType, ...]) -> bool:
    """Whether a function or a class is one that a module defines under a name, by one of these codes."""
    if isinstance(function, type):
        return function.__module__ == module and function.__name__ == name
    if not isinstance(function, FunctionType):
        return False
    if function.__code__ in codes:
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


def _may_stand(module: str, scope: str, name: str, function: Any, names: set[str]) -> bool:
    """Whether a function may be what the source assigns to a name; `names` are all that stand there."""
    if isinstance(function, _IN_C):
        return function.__name__ in names
    if not isinstance(function, FunctionType) or not is_followed(home_of(function)):
        return True
    if scope:
        return home_of(function) == module and function.__code__.co_name in names
    found = (_codes(home_of(function)) or {}).get(name)
    if found is not None:  # the function of that name, and not its neighbour
        return function.__code__ in found or bool(function.__closure__)
    return bool(function.__closure__) or function.__code__.co_name in names


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
