"""What stands in for images, and for whatever an object or a module holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, Protocol

from .paths import Refused

__all__ = ["Crops", "FrozenDict", "FrozenList", "Held", "Stacked", "Tracer", "View", "shown"]


class Tracer(Protocol):
    """What stand-ins ask."""

    def call(self, value: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Calls a value with stand-ins."""

    def attribute(self, value: Any, name: str) -> Any:
        """Makes a stand-in of an attribute of a value."""

    def method(self, view: View, name: str) -> Any:
        """Makes a stand-in of a method of an image."""

    def items(self, value: Any) -> list[Any]:
        """Makes stand-ins of what is in a value."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise Refused("it does more with an image, or with an object, than hand it on")


class View:
    """A stand-in for an image, or for what steps have made of one.

    Two slots hold what is known of it: `_torchfeed_tracer`, and `_torchfeed_made`, the view and the step that it was
    made of, or `None` for the image itself.
    """

    __slots__ = ("_torchfeed_made", "_torchfeed_tracer")

    def __init__(self, tracer: Tracer, made: tuple[View, Any] | None = None) -> None:
        self._torchfeed_tracer = tracer
        self._torchfeed_made = made

    def __getattr__(self, name: str) -> Any:
        return self._torchfeed_tracer.method(self, name)

    __eq__ = __ne__ = __bool__ = __hash__ = __str__ = __repr__ = __format__ = _refuse
    __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __call__ = _refuse


class Crops:
    """A stand-in for crops of an image, in a tuple or a tensor: for what can be done to both alike."""

    __slots__ = ("_torchfeed_views",)

    def __init__(self, views: list[View]) -> None:
        self._torchfeed_views = views

    def __iter__(self) -> Iterator[View]:
        return iter(self._torchfeed_views)

    def __len__(self) -> int:
        return len(self._torchfeed_views)

    def __getitem__(self, index: Any) -> View:
        return self._torchfeed_views[index] if type(index) is int else _refuse()

    __eq__ = __ne__ = __bool__ = __hash__ = __str__ = __repr__ = __format__ = __call__ = __contains__ = _refuse


class Stacked(Crops):
    """A stand-in for what `torch.stack` makes of images."""

    __slots__ = ()


class Held:
    """A stand-in for an object, a function, a class or a module."""

    __slots__ = ("_torchfeed_tracer", "_torchfeed_value")

    def __init__(self, tracer: Tracer, value: Any) -> None:
        object.__setattr__(self, "_torchfeed_tracer", tracer)
        object.__setattr__(self, "_torchfeed_value", value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls what it stands for."""
        return self._torchfeed_tracer.call(self._torchfeed_value, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        return self._torchfeed_tracer.attribute(self._torchfeed_value, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._torchfeed_tracer.items(self._torchfeed_value))

    def __len__(self) -> int:
        return len(self._torchfeed_tracer.items(self._torchfeed_value))

    def __getitem__(self, index: Any) -> Any:
        return self._torchfeed_tracer.items(self._torchfeed_value)[index]

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = _refuse
    __eq__ = __ne__ = __bool__ = __hash__ = __str__ = __repr__ = __format__ = _refuse


class FrozenList(list[Any]):
    """A stand-in for a list that belongs to somebody: to change it would be an effect that is lost."""

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse


class FrozenDict(dict[Any, Any]):
    """A stand-in for a dict that belongs to somebody."""

    clear = pop = popitem = setdefault = update = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse


def shown(value: Any) -> Any:
    """Takes plain arguments out of their stand-ins.

    Raises:
        Refused: one is an image or a drawn number.
    """
    if isinstance(value, Held):
        return value._torchfeed_value  # noqa: SLF001  (its own slot)
    if type(value) in {list, tuple, FrozenList}:
        return (tuple if type(value) is tuple else list)(map(shown, value))
    if type(value) in {dict, FrozenDict}:
        return {name: shown(each) for name, each in value.items()}
    if value is None or type(value) in {bool, int, float, str}:
        return value
    raise Refused("it passes on what is drawn, or an image, where a plain value should be")
