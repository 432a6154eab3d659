"""Transforms that are called with an image that is not decoded: what they would make of it is put off."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from PIL import Image
from torch import nn

from torchfeed.recognize import Plan, Unrecognized, recognize
from torchfeed.recognize.fingerprint import Fingerprint
from torchfeed.util.understudy import Understudy

from .promise import Promise
from .unopened import undone
from .window import is_open

__all__ = ["Chain", "Chains"]


@dataclass(frozen=True)
class Chain:
    """Transforms that are called one after the other, and native to their end."""

    steps: tuple[Any, ...]
    plan: Plan
    fingerprint: Fingerprint

    @property
    def makes_image(self) -> bool:
        """Whether what they make is still a PIL image."""
        return self.plan.kind is Image.Image


class Chains:
    """The transforms that datasets call. Those that are not known yet are noted, and looked at afterwards."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], Chain | str] = {}
        self._kept: list[Any] = []  # what is known by its address must stay where it is
        self._met: list[tuple[Any, ...]] = []
        self._entries: dict[tuple[type, str], None] = {}
        self._is_looking = True
        self.why = ""
        """Why the last transform that was called with an image is not native."""

    def look(self) -> bool:
        """Recognises what was met; returns whether there was anything."""
        met, self._met = self._met, []
        for steps in met:
            self._kept.append(steps)
            self._known[tuple(map(id, steps))] = _recognized(steps)
        return bool(met)

    def settle(self) -> None:
        """Looks for no other classes of transforms from now on than those that were met."""
        self._is_looking = False

    def check(self) -> None:
        """Recognises anew transforms whose code was replaced, or whose arguments are others by now."""
        for key, chain in [*self._known.items()]:
            if isinstance(chain, Chain) and not chain.fingerprint.is_current():
                self._met.append(chain.steps)
                del self._known[key]
        self.look()

    def put_off(self, transform: Any, value: Any) -> Any:
        """What stands for what a transform makes of an image, if it is known to be native as it is now.

        Transforms that are new are noted. `None` where the transform is to be called.
        """
        found = value.undone if type(value) is Promise and value.made is None else undone(value)
        before = None if found is None else found.chain
        if found is None or before is None:
            return None
        steps = (*before, transform)
        chain = self._known.get(tuple(map(id, steps)))
        if chain is None:
            self._met.append(steps)
            return None
        if isinstance(chain, str):
            self.why = chain
            return None
        if not chain.fingerprint.holds_the_same():
            self.why = "a transform's arguments change from sample to sample"
            return None
        undone_yet = found.then(transform)
        return undone_yet.image() if chain.makes_image else Promise.of(chain, undone_yet)

    def note(self, entry: tuple[type, str]) -> None:
        """Notes a method by which transforms are called."""
        self._entries[entry] = None

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """Has transforms that are called with an image that is not decoded put off what they do, in the window."""
        put: list[tuple[type, str, Any]] = []
        try:
            for cls, name in [*(_all_entries() if self._is_looking else self._entries)]:
                put.append((cls, name, vars(cls)[name]))
                setattr(cls, name, _Entry(self, cls, name))
            yield
        finally:
            for cls, name, function in reversed(put):
                setattr(cls, name, function)


class _Entry(Understudy):
    """A method by which a transform is called."""

    def __init__(self, chains: Chains, cls: type, name: str) -> None:
        super().__init__(vars(cls)[name])
        self._chains, self._place = chains, (cls, name)

    def __call__(self, transform: Any, *arguments: Any, **keywords: Any) -> Any:
        """Puts off what the transform does, or has it done."""
        if len(arguments) == 1 and not keywords and is_open():
            found = self._chains.put_off(transform, arguments[0])
            if found is not None:
                self._chains.note(self._place)
                return found
        return self.original(transform, *arguments, **keywords)


def _recognized(steps: tuple[Any, ...]) -> Chain | str:
    """Recognises transforms that are called one after the other; where they are not native to their end, the reason."""
    try:
        plan = recognize(steps, 3, metadata=False)
    except Unrecognized as why:
        return str(why)
    is_image = plan.kind is Image.Image and not plan.rest and not plan.several
    if (plan.why and not is_image) or plan.several:
        return plan.why or "it makes several views"
    fingerprint = Fingerprint(steps)
    if not fingerprint.is_current():
        return "what it is made of cannot be watched"
    return Chain(steps, plan, fingerprint)


_HOMES = ("torchvision.transforms", "torchfeed.transforms", "timm.data")


def _all_entries() -> Iterator[tuple[type, str]]:
    """The methods by which the transforms are called of all classes that may be known."""
    yield nn.Sequential, "forward"
    for home, module in [*sys.modules.items()]:
        if not home.startswith(_HOMES):
            continue
        for cls in [*vars(module).values()]:
            if isinstance(cls, type) and cls.__module__ == home:
                name = "forward" if issubclass(cls, nn.Module) else "__call__"
                if isinstance(vars(cls).get(name), (FunctionType, Understudy)):
                    yield cls, name
