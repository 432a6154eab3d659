"""Code that was replaced: on an object, in its class, or anywhere in the code that its class calls.

The native engine stands for torchvision's own code. That code is found by following it: from the methods that Python
calls to each name that they use, in their module, in modules that this imports and in their class, and so on. Each name
must hold what its source gives it. The finding is kept with the values of all those names, and is made again when one
of them has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from operator import itemgetter
from types import FunctionType, ModuleType
from typing import Any

from PIL import Image
from torch import Tensor, nn

from torchfeed.util.locks import Turns

from .common import describe
from .written_code import function_of, home_of, is_defined, is_followed, is_trusted, is_watched, is_written, names_in

__all__ = ["Code", "Slots", "Watch", "code_of", "code_of_function", "replaced", "set_on"]

# What Python and torch call by themselves.
_CALLED = ("__call__", "__getattribute__", "__getattr__", "__iter__", "__len__", "__getitem__", "__getitems__")

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

# Modules with functions that call methods of a PIL image.
_TAKE_IMAGES = ("timm.", "torchfeed.transforms.", "torchvision.")

# Of other packages than those with the transforms, these do not matter: numbers, tables, types.
_NO_CODE = (bool, int, float, str, bytes, tuple, list, dict, set, type, type(None))

_turns = Turns()


Slots = dict[int, tuple[Mapping[Any, Any], set[Any]]]
"""Modules, classes and registries, and names in them."""


@dataclass(frozen=True)
class Watch:
    """What names held; made for comparing many of them in few calls."""

    owners: tuple[Mapping[Any, Any], ...]
    """Modules, classes and registries."""
    sizes: list[int]
    """How many names they have: one that was added shows here."""
    held: tuple[Mapping[Any, Any], ...]
    """Those of the owners in which names are watched."""
    getters: tuple[Callable[[Any], Any], ...]
    values: list[Any]
    hooks: tuple[Any, ...]
    """Registries that are to stay empty, or not."""
    is_hooked: bool

    @classmethod
    def of(cls, slots: Slots, hooks: Iterable[Any]) -> Watch:  # noqa: D102
        named = [(held, sorted(names, key=str)) for held, names in slots.values() if names]
        held = tuple(each for each, _ in named)
        # With two names or more a getter makes a tuple, which compares what is the same object without asking it.
        getters = tuple(itemgetter(*names, names[0]) for _, names in named)
        owners = tuple(each for each, _ in slots.values())
        values, hooks = list(map(_get, getters, held)), tuple(hooks)
        return cls(owners, list(map(len, owners)), held, getters, values, hooks, any(hooks))

    def is_intact(self) -> bool:
        """Whether the names hold the same values."""
        try:
            if any(self.hooks) != self.is_hooked or list(map(len, self.owners)) != self.sizes:
                return False
            return list(map(_get, self.getters, self.held)) == self.values
        except (KeyError, RuntimeError, TypeError, ValueError):  # a name is gone, or its value compares in its own way
            return False


_get: Callable[[Any, Any], Any] = itemgetter.__call__


@dataclass(frozen=True)
class Code:
    """The code that an object of a class runs."""

    why: str
    """What of it was replaced; empty if nothing was."""
    names: frozenset[str]
    """Names in the class that the code uses, so that an object must not set them itself."""
    slots: Slots
    """All that the code uses."""
    hooks: tuple[Any, ...]
    """Where hooks for all modules would be."""
    watch: Watch


_found: dict[Any, Code] = {}


def replaced(value: Any) -> str:
    """Says what of the code that runs when an object is called was replaced; empty if nothing was."""
    code = code_of(type(value))
    return code.why or set_on(value, code)


def set_on(value: Any, code: Code) -> str:
    """Says what an object puts in the place of its class's code, or around it; empty if nothing."""
    state = getattr(value, "__dict__", {})
    if not code.names.isdisjoint(state):
        return f"{min(code.names & state.keys())} was set on the object"
    if isinstance(value, nn.Module):
        if any(state.get(hooks) for hooks in _HOOKS):
            return "it has a hook"
        if state.get("_compiled_call_impl"):
            return "it is compiled by torch"
    return ""


def code_of(cls: type, names: tuple[str, ...] = _CALLED) -> Code:
    """Finds the code that an object of a class runs where methods of some names are called."""
    code = _found.get((cls, names))
    if code is not None and code.watch.is_intact():
        return code
    return _find((cls, names), cls, lambda walk: walk.calls(cls, names))


def code_of_function(function: Any, cls: type | None = None) -> Code:
    """Finds the code that calling a function runs, itself included; `cls` is the class whose method it is."""
    code = _found.get((function, cls))
    if code is not None and code.watch.is_intact():
        return code
    return _find((function, cls), cls, lambda walk: walk.begin(function, cls))


def _find(key: Any, cls: type | None, begin: Callable[[_Walk], None]) -> Code:
    with _turns:
        walk = _Walk(cls)
        begin(walk)
        code = _found[key] = Code(
            walk.why, frozenset(walk.names), walk.slots, tuple(walk.hooks), Watch.of(walk.slots, walk.hooks)
        )
    return code


class _Walk:
    """Follows code from function to function, and stops at the first one that was replaced."""

    def __init__(self, cls: type | None) -> None:
        self._cls = cls
        self.why = ""
        self.names: set[str] = set()
        self.slots: Slots = {}
        self.hooks: list[Any] = []
        self._seen: set[Any] = set()
        self._to_do: list[tuple[FunctionType, type | None]] = []

    def calls(self, cls: type, names: tuple[str, ...]) -> None:
        """Follows the methods of a class."""
        home = sys.modules.get(cls.__module__)
        if home is None or vars(home).get(cls.__name__) is not cls:
            self.why = f"{cls.__module__}.{cls.__name__} is another class"
        if home is not None and cls.__name__ in vars(home):
            self._slots(home, vars(home)).add(cls.__name__)
        self._class(cls, names)
        self._run()

    def begin(self, function: Any, cls: type | None) -> None:
        """Follows a function."""
        if not isinstance(function, FunctionType):
            self.why = f"{describe(function)} is there instead of a function of its own"
            return
        scope, _, name = function.__qualname__.rpartition(".")
        if cls is not None:
            self._class(cls, ("__getattribute__", "__getattr__", name))
        self._check(home_of(function), scope, name, function, cls)
        self._run()

    def _run(self) -> None:
        while self._to_do and not self.why:
            self._follow(*self._to_do.pop())

    def _follow(self, function: FunctionType, cls: type | None) -> None:
        names = set(names_in(function.__code__))
        # A function may import modules itself.
        modules = [sys.modules[name] for name in (home_of(function), *names) if name in sys.modules]
        reached: set[ModuleType] = set()
        while modules:
            module = modules.pop()
            if module not in reached and is_watched(module.__name__):
                reached.add(module)
                modules += self._module(module, names)
        if cls is not None:
            self._class(cls, names)
        if home_of(function).startswith(_TAKE_IMAGES):
            # Whatever it calls methods of these names on; NumPy asks an image for the last one.
            # Names that others add to the class are none of Pillow's: torchvision means those of tensors then.
            own = {name for name in names if is_defined("PIL.Image", "Image", name)}
            self._class(Image.Image, {*own, "__array_interface__"})
        self._kernels(function)

    def _module(self, module: ModuleType, names: Iterable[str]) -> list[ModuleType]:
        """Looks names up in a module; returns the modules among them."""
        held, found = vars(module), []
        slots, home = self._slots(module, held), module.__name__.partition(".")[0]
        for name in names:
            value = held.get(name, self)
            if value is self or (name.startswith("__") and name.endswith("__")):
                continue
            matters = home in {"timm", "torchvision"} or name.startswith("_global_")
            if matters or not isinstance(value, _NO_CODE):
                slots.add(name)
                self._check(module.__name__, "", name, value, None)
            if isinstance(value, ModuleType) and is_followed(module.__name__):
                found.append(value)
            if isinstance(value, type) and not issubclass(value, Enum) and value.__module__.startswith("torchvision."):
                self._class(value, ("__new__", "__init__"))
            if isinstance(value, type) and value.__module__ == "PIL.ImageEnhance":
                self._class(value, {"__new__", "__init__", *names})
        return found

    def _class(self, cls: type, names: Iterable[str]) -> None:
        """Looks names up in a class and those that it inherits from."""
        set_by_objects = {field.name for field in fields(cls)} if is_dataclass(cls) else set()
        for base in cls.__mro__[:-1]:
            held = vars(base)
            slots = self._slots(base, held)
            for name in names:
                if name not in held:
                    continue
                value = held[name]
                slots.add(name)
                runs = callable(function_of(value))
                # In transforms of torchvision other attributes of the class matter too.
                data = base.__module__.startswith("torchvision.transforms.") and name not in set_by_objects
                if cls is self._cls and (runs or data):
                    self.names.add(name)
                if runs or is_followed(base.__module__):
                    self._check(base.__module__, base.__qualname__, name, value, cls)

    def _kernels(self, function: FunctionType) -> None:
        """Looks up what v2's transforms call in the place of a function, by the type of the image."""
        utils = sys.modules.get("torchvision.transforms.v2.functional._utils")
        registry = getattr(utils, "_KERNEL_REGISTRY", {})
        kernels = registry.get(function)
        if not kernels:
            return
        known = {each.__name__ for each in registry}
        kinds = (Image.Image, getattr(sys.modules.get("torchvision.tv_tensors"), "Image", Tensor))
        for kind in {base for each in kinds for base in each.__mro__} & kernels.keys():
            kernel = kernels[kind]
            self._slots(kernels, kernels).add(kind)
            name = getattr(kernel, "__name__", "")
            inside = max((each for each in known if each in name), key=len, default=function.__name__)
            where = f"the kernel of {describe(function)} for {kind.__name__}"
            if not is_trusted(kernel) or inside != function.__name__:
                self.why = self.why or f"{where} was replaced by {describe(kernel)}"
            self._later(kernel, None)
            home = sys.modules.get(getattr(kernel, "__module__", ""))
            if home is not None:
                self._module(home, {name})

    def _check(self, module: str, scope: str, name: str, value: Any, cls: type | None) -> None:
        key = module, scope, name, id(value), cls
        if self.why or key in self._seen:
            return
        self._seen.add(key)
        if is_followed(module):
            original = is_written(module, scope, name, value)
        else:
            original = is_trusted(value) or not callable(function_of(value))
        if not original:
            path = ".".join(part for part in (module, scope, name) if part)
            self.why = f"{path} was replaced by {describe(function_of(value))}"
        elif name.startswith("_global_") and isinstance(value, dict):
            self.hooks.append(value)
            if value:
                self.why = f"{module}.{name} has a hook for all modules"
        self._later(value, cls)

    def _later(self, value: Any, cls: type | None) -> None:
        function = function_of(value)
        # Functions of Pillow's that others call are looked at; what Pillow calls in turn is its own affair.
        if (
            not isinstance(function, FunctionType)
            or not is_followed(home_of(function))
            or home_of(function)[:4] == "PIL."
        ):
            return
        if (function, cls) not in self._seen:
            self._seen.add((function, cls))
            self._to_do.append((function, cls))
            for cell in function.__closure__ or ():
                self._later(cell.cell_contents, None)

    def _slots(self, owner: Any, held: Mapping[Any, Any]) -> set[Any]:
        return self.slots.setdefault(id(owner), (held, set()))[1]
