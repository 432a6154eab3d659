"""What a loader keeps for itself, out of the way of a subclass's attributes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from inspect import Parameter, Signature, signature
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import torch

from . import _native
from .bad_samples.report import ErrorReport
from .epoch.cursor import Cursor, State
from .settings import OPTIONS, Settings, speaks_for_itself
from .util.locks import Turns

if TYPE_CHECKING:
    from .device import Delivery
    from .plan.resolve import Resolved

__all__ = [
    "Internals",
    "Option",
    "Wish",
    "begin_for",
    "internals",
    "is_own",
    "latest_cursor",
    "show_options",
    "shown",
]

ATTRIBUTE = "_torchfeed"
"""The one attribute of a loader that a subclass must leave alone."""


class Wish(NamedTuple):
    """What a delivery to a device wants of the epoch that begins."""

    delivery: Delivery
    is_direct: bool
    """Whether the delivery gets the loader's own iterator, and not what a subclass makes of it."""
    thread: int
    """The thread that begins the epoch: another one may begin an epoch of the same loader meanwhile."""

    def leaves_table(self, resolved: Resolved | None) -> bool:
        """Whether images are to arrive as pixels, because the device applies the table."""
        return self.is_direct and self.delivery.leaves_table(resolved)


class Internals:
    """The options of a loader, its memory between epochs, and its latest epoch."""

    def __init__(self, settings: Settings, base: type) -> None:
        self.base = base
        """The class of which a loader's may be a subclass."""
        self.settings = settings
        self.errors = ErrorReport()
        size = settings.row_index_memory
        self.row_indexes = _native.RowIndexes(size) if size else None
        self.batch_memory = _native.BatchMemory()
        self.delivery = _delivery(settings)
        self.cursor: Cursor | None = None
        self.resume: State | None = None
        self._wish: Wish | None = None
        self.turns = Turns()

    def __getstate__(self) -> dict[str, Any]:
        # A copy begins anew: the cursor holds random generators, some of which cannot be sent to another process.
        return {**self.__dict__, "cursor": None, "_wish": None}

    @property
    def wish(self) -> Wish | None:
        """The wish of the epoch that this thread begins, if it is for a delivery."""
        wish = self._wish
        return wish if wish is not None and wish.thread == get_ident() else None

    @contextmanager
    def granting(self, wish: Wish) -> Generator[None]:
        """Has the epochs that begin inside be made for a delivery."""
        with self.turns:
            before, self._wish = self._wish, wish
            try:
                yield
            finally:
                self._wish = before

    def begin(self, loader: Any, previous: Cursor | None = None) -> Cursor:
        """Begins an epoch, at the state that was loaded if there is one.

        Args:
            loader: the loader.
            previous: the epoch that persistent workers go on from.
        """
        resume, self.resume = self.resume, None
        self.errors.epoch += 1
        before = self.cursor
        follows_end = before is not None and (before.over or before.follows_end)
        self.cursor = Cursor(loader, self.settings, self.errors, previous, resume, follows_end=follows_end)
        return self.cursor

    def set_option(self, name: str, value: Any) -> None:
        """Changes an option.

        Raises:
            TypeError: a value of another type.
            ValueError: a value out of range.
        """
        self.settings = replace(self.settings, **{name: value})
        if name == "row_index_memory":
            self.row_indexes = _native.RowIndexes(value) if value else None
        if name == "device":
            self.delivery = _delivery(self.settings)


def internals(loader: Any) -> Internals:
    """The internals of a loader of torchfeed's; made now where its `__init__` did not run."""
    found = loader.__dict__.get(ATTRIBUTE)
    if isinstance(found, Internals):
        return found
    from .loader import DataLoader  # noqa: PLC0415  (which needs this module)

    made: Internals = loader.__dict__.setdefault(ATTRIBUTE, Internals(Settings(), DataLoader))
    return made


def is_own(loader: Any) -> bool:
    """Whether a loader is one of torchfeed's."""
    return isinstance(getattr(loader, "__dict__", {}).get(ATTRIBUTE), Internals)


def latest_cursor(loader: Any) -> Cursor | None:
    """The place in the latest epoch of a loader, if it is one of torchfeed's."""
    found = getattr(loader, "__dict__", {}).get(ATTRIBUTE)
    return found.cursor if isinstance(found, Internals) else None


def begin_for(
    loader: Any, delivery: Delivery, begin: Callable[[], Iterator[Any]], hands: Sequence[str]
) -> Iterator[Any]:
    """Begins an epoch of a loader for a delivery.

    Args:
        loader: any loader; torchfeed's are told what the delivery wants.
        delivery: what takes the batches to a device.
        begin: makes the iterator.
        hands: the methods through which the iterator goes. Where a subclass has one of its own, the delivery may get
            something else than the loader's iterator.
    """
    own = getattr(loader, "__dict__", {}).get(ATTRIBUTE)
    if not isinstance(own, Internals):
        return begin()
    cls = type(loader)
    is_direct = all(getattr(cls, name) is getattr(own.base, name) and name not in loader.__dict__ for name in hands)
    with own.granting(Wish(delivery, is_direct, get_ident())):
        return begin()


def _delivery(settings: Settings) -> Delivery | None:
    if settings.device is None:
        return None
    from .device import Delivery  # noqa: PLC0415  (which needs this module)

    return Delivery(torch.device(settings.device))


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
        return getattr(internals(loader).settings, self.name)

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
            loader.__dict__.setdefault(name, getattr(own.settings, name))
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
                for field in fields(Settings)
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
