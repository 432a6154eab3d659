"""Running a function with stand-ins in the place of all that it can reach."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CellType, CodeType, FunctionType
from typing import Any

from torchfeed.recognize.written_code import names_in

from .paths import Refused

__all__ = ["HARMLESS", "MISSING", "Readings", "read_again", "rewired"]

_UNUSUAL = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR

# What changes names outside of a function, or brings in others.
_BEYOND = {
    *("STORE_GLOBAL", "DELETE_GLOBAL", "IMPORT_NAME", "IMPORT_FROM", "IMPORT_STAR", "STORE_ATTR", "DELETE_ATTR"),
    *("LOAD_BUILD_CLASS", "SETUP_WITH", "BEFORE_WITH", "LOAD_SPECIAL"),
    # What catches exceptions would catch a refusal.
    *("SETUP_FINALLY", "PUSH_EXC_INFO"),
}

# Functions of Python's own that look at their arguments only. Those that need stand-ins of their own are elsewhere.
_HARMLESS = (
    *("abs", "bool", "dict", "enumerate", "len", "list", "max", "min", "reversed", "round", "sorted", "str", "sum"),
    *("tuple", "zip", "True", "False", "None", "NotImplemented", "Ellipsis"),
    *("AssertionError", "Exception", "IndexError", "KeyError", "NotImplementedError", "RuntimeError", "TypeError"),
    *("ValueError",),
)
HARMLESS = {name: getattr(builtins, name) for name in _HARMLESS}

Readings = list[tuple[Mapping[Any, Any] | CellType, Any, Any]]
"""What code looked up: a namespace, a name and what it held, or a cell, `None` and what it held; or `MISSING`."""

MISSING: Any = object()


def read_again(place: Mapping[Any, Any] | CellType, name: Any) -> Any:
    """Looks up what a reading tells of."""
    if isinstance(place, CellType):
        try:
            return place.cell_contents
        except ValueError:  # it is empty
            return MISSING
    return place.get(name, MISSING)


def rewired(
    function: FunctionType, wrap: Callable[[Any], Any], special: Mapping[str, Any], readings: Readings
) -> FunctionType:
    """Makes a function of the same code, whose globals, defaults and closure are stand-ins.

    Args:
        function: the function.
        wrap: makes a stand-in of a value.
        special: what stands for some of Python's own functions, by name.
        readings: where to note what was looked up.

    Raises:
        Refused: the code may have an effect that nobody sees, or may not end.
    """
    code = function.__code__
    _check(code)
    held = {}
    for name in set(names_in(code)):
        value = function.__globals__.get(name, MISSING)
        readings.append((function.__globals__, name, value))
        if value is not MISSING:
            held[name] = wrap(value)
    held["__builtins__"] = {**HARMLESS, **special}
    made = FunctionType(code, held, function.__name__, None, _cells(function, wrap, readings))
    made.__defaults__ = None if function.__defaults__ is None else tuple(map(wrap, function.__defaults__))
    made.__kwdefaults__ = {name: wrap(value) for name, value in (function.__kwdefaults__ or {}).items()} or None
    return made


def _cells(function: FunctionType, wrap: Callable[[Any], Any], readings: Readings) -> tuple[CellType, ...] | None:
    cells = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:
            raise Refused(f"{name} has no value yet") from None
        readings.append((cell, None, value))
        cells.append(CellType(wrap(value)))
    return tuple(cells) or None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _check(code: CodeType) -> None:
    for inner in _codes(code):
        if inner.co_flags & _UNUSUAL and inner.co_name != "<genexpr>":
            raise Refused(f"{inner.co_name} is a generator or a coroutine")
        instructions = list(dis.get_instructions(inner))
        for instruction in instructions:
            if instruction.opname in _BEYOND:
                raise Refused(_doing(instruction))
            if instruction.opname in {"STORE_DEREF", "DELETE_DEREF"} and instruction.argval in inner.co_freevars:
                raise Refused(f"it sets {instruction.argval} outside of itself")
        if _has_while(instructions):
            raise Refused("it has a while loop, which may have no end")


def _has_while(instructions: Sequence[dis.Instruction]) -> bool:
    """Whether a jump leads back to anything but the head of a `for` loop."""
    jumps = {*dis.hasjrel, *dis.hasjabs}
    heads: dict[int, str] = {}
    waiting: list[int] = []
    for instruction in instructions:
        waiting.append(instruction.offset)
        if instruction.opname != "EXTENDED_ARG":  # which belongs to the instruction after it
            heads.update(dict.fromkeys(waiting, instruction.opname))
            waiting.clear()
    return any(
        each.opcode in jumps and each.argval <= each.offset and heads.get(each.argval) != "FOR_ITER"
        for each in instructions
    )


_DOING = {
    "STORE_ATTR": "it sets the attribute {}",
    "DELETE_ATTR": "it deletes the attribute {}",
    "IMPORT_NAME": "it imports {}",
    "STORE_GLOBAL": "it sets the global {}",
    "SETUP_FINALLY": "it has a try statement",
    "PUSH_EXC_INFO": "it has a try statement",
}


def _doing(instruction: dis.Instruction) -> str:
    return _DOING.get(instruction.opname, "it has a with statement or a class").format(instruction.argval)
