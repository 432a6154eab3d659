"""Transforms that are called with an image that is not opened: what they would make of it is put off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from torchfeed.recognize import Plan, Unrecognized, recognize
from torchfeed.recognize.fingerprint import Fingerprint

from .unopened import Unopened, opened

__all__ = ["Chain", "Chains", "Promise", "fulfilled"]


@dataclass(frozen=True)
class Chain:
    """A transform that is native to its end, by itself."""

    transform: Any
    plan: Plan
    fingerprint: Fingerprint


class Promise(Tensor):
    """A stand-in for the tensor that a transform makes of an image. Whatever is done with it makes that tensor."""

    _torchfeed_chain: Chain
    _torchfeed_image: Unopened
    _torchfeed_made: Tensor | None

    @property
    def chain(self) -> Chain:
        """The transform."""
        return _state(self)["_torchfeed_chain"]  # type: ignore[no-any-return]

    @property
    def image(self) -> Unopened:
        """The image that it is called with."""
        return _state(self)["_torchfeed_image"]  # type: ignore[no-any-return]

    def fulfil(self, made: Tensor) -> None:
        """Puts the tensor in."""
        _state(self)["_torchfeed_made"] = made

    @property
    def is_open(self) -> bool:
        """Whether the tensor was not made so far."""
        return _state(self)["_torchfeed_made"] is None

    @staticmethod
    def of(chain: Chain, image: Unopened) -> Promise:
        """Makes a stand-in."""
        promise = torch.Tensor._make_subclass(Promise, _nothing)  # type: ignore[attr-defined]  # noqa: SLF001
        promise._torchfeed_chain, promise._torchfeed_image, promise._torchfeed_made = chain, image, None
        return promise  # type: ignore[no-any-return]

    @classmethod
    def __torch_function__(cls, function: Any, _: Any, arguments: Any = (), keywords: Any = None) -> Any:
        made = torch.utils._pytree.tree_map(fulfilled, (tuple(arguments), keywords or {}))  # noqa: SLF001
        return function(*made[0], **made[1])

    def __reduce_ex__(self, protocol: Any) -> Any:
        return fulfilled(self).__reduce_ex__(protocol)


def _state(promise: Promise) -> dict[str, Any]:
    return object.__getattribute__(promise, "__dict__")  # type: ignore[no-any-return]


_nothing = torch.empty(0, device="cpu")


def fulfilled(value: Any) -> Any:
    """The tensor that is promised; other values are themselves."""
    if type(value) is not Promise:
        return value
    state = _state(value)
    if state["_torchfeed_made"] is None:
        state["_torchfeed_made"] = state["_torchfeed_chain"].transform(opened(state["_torchfeed_image"]))
    return state["_torchfeed_made"]


class Chains:
    """The transforms that a dataset calls. Those that are not known yet are noted, and looked at afterwards."""

    def __init__(self) -> None:
        self._known: dict[int, Chain | str] = {}
        self._kept: list[Any] = []  # what is known by its address must stay where it is
        self._met: list[Any] = []
        self.made: list[Promise] = []
        """What was promised since somebody emptied the list."""
        self.why = ""
        """Why the last transform that was called with an image is not native."""

    def look(self) -> bool:
        """Recognises what was met; returns whether there was anything."""
        met, self._met = self._met, []
        for transform in met:
            self._kept.append(transform)
            self._known[id(transform)] = _recognized(transform)
        return bool(met)

    def check(self) -> None:
        """Forgets transforms whose code was replaced, or whose arguments are others by now."""
        for key, chain in [*self._known.items()]:
            if isinstance(chain, Chain) and not chain.fingerprint.is_current():
                self._met.append(chain.transform)
                del self._known[key]
        self.look()

    def promised(self, transform: Any, image: Unopened) -> Promise | None:
        """What a transform makes of an image, if it is known to be native as it is now; notes those that are new."""
        chain = self._known.get(id(transform))
        if chain is None:
            self._met.append(transform)
            return None
        if isinstance(chain, str):
            self.why = chain
            return None
        if not chain.fingerprint.holds_the_same():
            self.why = "a transform's arguments change from sample to sample"
            return None
        promise = Promise.of(chain, image)
        self.made.append(promise)
        return promise

    @contextmanager
    def intercepted(self, is_here: Callable[[], bool]) -> Iterator[None]:
        """Has transforms that are called with an image that is not opened, where `is_here`, put off what they do."""
        put: list[tuple[type, str, Any]] = []
        try:
            for cls, name in _entries():
                function = vars(cls)[name]
                put.append((cls, name, function))
                setattr(cls, name, self._entry(function, is_here))
            yield
        finally:
            for cls, name, function in put:
                setattr(cls, name, function)

    def _entry(self, function: Any, is_here: Callable[[], bool]) -> Any:
        def entry(transform: Any, *arguments: Any, **keywords: Any) -> Any:
            if len(arguments) == 1 and type(arguments[0]) is Unopened and not keywords and is_here():
                promised = self.promised(transform, arguments[0])
                if promised is not None:
                    return promised
                arguments = (opened(arguments[0]),)
            return function(transform, *arguments, **keywords)

        return entry


def _recognized(transform: Any) -> Chain | str:
    """Recognises a transform; where it is not native to its end, the reason."""
    try:
        plan = recognize(transform, 3, metadata=False)
    except Unrecognized as why:
        return str(why)
    if plan.why or plan.several:
        return plan.why or "it makes several views"
    fingerprint = Fingerprint([transform])
    if not fingerprint.is_current():
        return "what it is made of cannot be watched"
    return Chain(transform, plan, fingerprint)


def _entries() -> Iterator[tuple[type, str]]:
    """The methods by which transforms are called: those of lists of steps, which are called with an image first."""
    yield nn.Sequential, "forward"
    for module, name in (
        ("torchvision.transforms.transforms", "__call__"),
        ("torchvision.transforms.v2._container", "forward"),
    ):
        cls = getattr(sys.modules.get(module), "Compose", None)
        if isinstance(cls, type) and name in vars(cls):
            yield cls, name
