"""Ways to replace a function or a method, as users and their test tools do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from oracle import theirs


def other(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError


def function_in(value: Any) -> Any:
    if isinstance(value, property):
        return value.fget
    return value.__func__ if isinstance(value, (staticmethod, classmethod)) else value


def wrapped(value: Any) -> Any:
    """Wraps a function, under the same name, as a spy does."""
    function = function_in(value)

    @functools.wraps(function)
    def spy(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    if isinstance(value, property):
        return property(spy)
    return type(value)(spy) if isinstance(value, (staticmethod, classmethod)) else spy


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replaces an attribute by what a class or a module shall hold, and not by a bound copy of it."""
    was = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, was)


REPLACEMENTS: dict[str, Callable[[Any], Any]] = {
    "function": lambda _: other,
    "wrapper": wrapped,
    "partial": lambda value: functools.partial(function_in(value)),
    "mock": lambda _: mock.Mock(),
    "magic mock": lambda _: mock.MagicMock(),
    "spec": lambda value: mock.create_autospec(function_in(value)),
    "function of torchvision's": lambda _: theirs.LinearTransformation.forward,
    "kernel of torchvision's": lambda _: theirs.functional.vflip,
    "builtin": lambda _: len,
}
