"""Stand-ins for the tensors that transforms make of images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.utils import _pytree

from .unopened import Undone
from .window import is_open

__all__ = ["Arranged", "Promise", "fulfilled", "promises_in"]


class Promise(Tensor):
    """A stand-in for the tensor that transforms make of an image. Whatever is done with it makes that tensor."""

    _torchfeed: tuple[Any, Undone]
    _torchfeed_made: Tensor | None
    _torchfeed_users: list[ref[Arranged]]

    @staticmethod
    def of(chain: Any, undone: Undone) -> Promise:
        """Makes a stand-in.

        Args:
            chain: the transforms, as they were recognised.
            undone: the image, and the same transforms.
        """
        promise: Promise = torch.Tensor._make_subclass(Promise, _nothing)  # noqa: SLF001
        promise._torchfeed, promise._torchfeed_made, promise._torchfeed_users = (chain, undone), None, []
        return promise

    @property
    def chain(self) -> Any:
        """The transforms."""
        return self._torchfeed[0]

    @property
    def undone(self) -> Undone:
        """The image, and the transforms that are called with it."""
        return self._torchfeed[1]

    @property
    def made(self) -> Tensor | None:
        """The tensor, if it is there."""
        return self._torchfeed_made

    def fulfil(self, made: Tensor) -> None:
        """Puts the tensor in."""
        self._torchfeed_made = made

    @classmethod
    def __torch_function__(cls, function: Any, _: Any, arguments: Any = (), keywords: Any = None) -> Any:
        return _called(function, tuple(arguments), keywords or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        return fulfilled(self).__reduce_ex__(protocol)


class Arranged(Tensor):
    """A stand-in for what a function makes of tensors, of which some are promised."""

    _torchfeed: tuple[Any, Any, Any]
    _torchfeed_made: Tensor | None
    _torchfeed_users: list[ref[Arranged]]

    @staticmethod
    def of(function: Any, arguments: Any, keywords: Any) -> Arranged:
        """Makes a stand-in for ``function(*arguments, **keywords)``."""
        arranged: Arranged = torch.Tensor._make_subclass(Arranged, _nothing)  # noqa: SLF001
        arranged._torchfeed, arranged._torchfeed_made = (function, arguments, keywords), None
        arranged._torchfeed_users = []
        return arranged

    @property
    def arguments(self) -> Any:
        """What the function is called with, by position and by name."""
        return self._torchfeed[1:]

    def made(self) -> Tensor:
        """The tensor."""
        if self._torchfeed_made is None:
            function, arguments, keywords = self._torchfeed
            arguments, keywords = _pytree.tree_map(fulfilled, (arguments, keywords))
            self._torchfeed_made = function(*arguments, **keywords)
        assert self._torchfeed_made is not None
        return self._torchfeed_made

    @classmethod
    def __torch_function__(cls, function: Any, _: Any, arguments: Any = (), keywords: Any = None) -> Any:
        return _called(function, tuple(arguments), keywords or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        made: Any = self.made()
        return made.__reduce_ex__(protocol)


_PURE: set[Any] = {
    *(torch.stack, torch.cat, torch.unsqueeze, torch.squeeze, torch.permute, torch.transpose, torch.flip),
    *(torch.add, torch.sub, torch.mul, torch.div, torch.neg, torch.reshape, torch.flatten),
}
"""Functions that make a tensor of the values of tensors, and of nothing else; with those of `_METHODS`."""

_METHODS = "unsqueeze squeeze permute transpose flip contiguous clone float half double reshape view flatten repeat"
_METHODS += (
    " __getitem__ add __add__ __radd__ sub __sub__ __rsub__ mul __mul__ __rmul__ div __truediv__ __rdiv__ neg __neg__"
)
_PURE.update(getattr(Tensor, name) for name in _METHODS.split() if hasattr(Tensor, name))

_PLAIN = (bool, int, float, slice, type(None), type(...))


def _called(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Calls a function with tensors, or puts it off where it is sure to make the same of them later."""
    if function in _PURE and is_open() and "out" not in keywords:
        leaves = _pytree.tree_leaves((arguments, keywords))
        is_plain = all(type(leaf) in _STAND_INS or isinstance(leaf, (Tensor, *_PLAIN)) for leaf in leaves)
        if is_plain and all(promise.made is None for promise in promises_in(leaves)):
            # A tensor that is there may change before this is done.
            arguments, keywords = _pytree.tree_map(_kept, (arguments, keywords))
            arranged = Arranged.of(function, arguments, keywords)
            for leaf in leaves:
                if type(leaf) in _STAND_INS:
                    leaf._torchfeed_users.append(ref(arranged))  # noqa: SLF001
            return arranged
    for leaf in _pytree.tree_leaves((arguments, keywords)):
        if type(leaf) in _STAND_INS:
            _settled(leaf)
    arguments, keywords = _pytree.tree_map(fulfilled, (arguments, keywords))
    return function(*arguments, **keywords)


_STAND_INS = {Promise, Arranged}


def _kept(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) and type(value) not in _STAND_INS else value


def _settled(value: Promise | Arranged) -> None:
    """Makes a tensor before somebody changes it, what it may be a view of, and all that are to be made of these."""
    if type(value) is Arranged:
        for leaf in _pytree.tree_leaves(value.arguments):
            if type(leaf) in _STAND_INS:
                _settled(leaf)
    fulfilled(value)
    users, value._torchfeed_users = value._torchfeed_users, []  # noqa: SLF001
    for user in users:
        if (arranged := user()) is not None:
            _settled(arranged)


_nothing = torch.empty(0, device="cpu")


def fulfilled(value: Any) -> Any:
    """The tensor that is promised; other values are themselves."""
    if type(value) is Arranged:
        return value.made()
    if type(value) is not Promise:
        return value
    if value.made is None:
        value.fulfil(value.undone.done())
    return value.made


def promises_in(value: Any) -> Iterator[Promise]:
    """The promises in a sample: in lists, tuples and dicts, in order."""
    if type(value) is Promise:
        yield value
    elif type(value) is Arranged:
        yield from promises_in(value.arguments)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from promises_in(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from promises_in(each)
