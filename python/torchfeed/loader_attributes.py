"""Options as attributes of a loader. A subclass may use the same names for itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import fields
from inspect import Parameter, Signature, signature
from typing import Any
from weakref import ref

from torchfeed.epoch.internals import ATTRIBUTE, Internals, internals
from torchfeed.settings import OPTIONS, Options, speaks_for_itself

__all__ = ["Option", "show_options", "shown"]


class Option:
    """An option as an attribute of the loader.

    An assignment sets the option. A subclass may have an attribute of the same name: there, only a value that can
    hardly be meant for anything else sets the option, and every other one is the subclass's own.
    """

    owner: type
    name: str

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, loader: Any, cls: type | None = None) -> Any:
        if loader is None:
            return self
        if self.name in loader.__dict__:
            return loader.__dict__[self.name]
        return getattr(internals(loader).options, self.name)

    def __set__(self, loader: Any, value: Any) -> None:
        if ATTRIBUTE in loader.__dict__ and (type(loader) is self.owner or speaks_for_itself(self.name, value)):
            internals(loader).set_option(self.name, value)
        loader.__dict__[self.name] = value

    def __delete__(self, loader: Any) -> None:
        del loader.__dict__[self.name]


class _Shown:
    """A value of the internals as an attribute of the loader, which another attribute may hide."""

    def __init__(self, doc: str, read: Callable[[Internals], Any]) -> None:
        self.__doc__ = doc
        self._read = read

    def __get__(self, loader: Any, cls: type | None = None) -> Any:
        return self if loader is None else self._read(internals(loader))


def shown(doc: str, read: Callable[[Internals], Any]) -> Any:
    """Makes a value of the internals an attribute of the loader; `Any`, as what is read has a type of its own."""
    return _Shown(doc, read)


def show_options(loader: Any, given: Collection[str]) -> None:
    """Makes options attributes of a loader that `vars` lists, but for names that its class uses otherwise.

    Frameworks make a loader again from these attributes: Lightning does, for several devices. It hands the class each
    one that is named like an argument of its ``__init__``. So a subclass has those options there that its caller gave,
    and not those that its own ``__init__`` sets: it would get them twice.

    Args:
        loader: the loader.
        given: the options that its caller gave.
    """
    own, cls = internals(loader), type(loader)
    for name in OPTIONS if cls is own.base else given:
        if getattr(cls, name, None) is own.base.__dict__[name]:
            loader.__dict__.setdefault(name, getattr(own.options, name))
    if given and cls is not own.base:
        with suppress(Exception):  # a function that has no signature, or annotations that cannot be evaluated
            loader.__dict__["__init__"] = _Init(cls, loader)


class _Init:
    """The ``__init__`` of a loader to whom it looks at its signature: with ``**kwargs``, it takes the options too."""

    def __init__(self, cls: type, loader: Any = None) -> None:
        self._cls = cls
        self._loader = None if loader is None else ref(loader)
        _, *parameters = signature(cls.__init__).parameters.values()  # type: ignore[misc]
        if parameters and parameters[-1].kind is Parameter.VAR_KEYWORD:
            known = {parameter.name for parameter in parameters}
            options = [
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default)
                for field in fields(Options)
                if field.name not in known
            ]
            parameters[-1:] = [*options, parameters[-1]]
        self.__signature__ = Signature(parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        loader = None if self._loader is None else self._loader()
        if loader is None:
            raise TypeError(f"call {self._cls.__name__}.__init__(loader, ...) for a copy of a loader")
        self._cls.__init__(loader, *args, **kwargs)  # type: ignore[misc]

    def __reduce__(self) -> tuple[Any, tuple[type]]:
        return _Init, (self._cls,)
