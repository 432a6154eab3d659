"""What a user's own code makes of an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial, reduce
from types import FunctionType, MethodType, ModuleType
from typing import Any

from torch import nn

from torchfeed.recognize.common import describe
from torchfeed.recognize.known_classes import is_named
from torchfeed.recognize.nest import Stack, nested
from torchfeed.recognize.replaced_code import code_of, set_on
from torchfeed.recognize.written_code import function_of, home_of

from .functions import METHODS, Made, is_image_class, is_other_class, known_function, made_class, to_rgb
from .paths import Drawn, Path, Refused, ways
from .stand_ins import Crops, FrozenDict, FrozenList, Held, Stacked, View, shown
from .wiring import MISSING, Readings, rewired

__all__ = ["Chain", "Made", "Trace", "Way", "trace"]

_PLAIN = (bool, int, float, str, bytes, type(None))
_LONGEST_RANGE = 10_000

# Code of these packages is not run on stand-ins: what is known of theirs is in tables.
_NOT_OWN = ("PIL", "cv2", "numpy", "scipy", "skimage", "timm", "torch", "torchfeed", "torchvision")


@dataclass(frozen=True)
class Way:
    """One way through the code."""

    odds: float
    nest: Any
    """What it returns: a tuple of steps in the place of each image, in lists, tuples and dicts."""


@dataclass(frozen=True)
class Trace:
    """All ways through the code."""

    ways: tuple[Way, ...]
    readings: Readings
    """What it looked up, on whatever way."""

    @property
    def chain(self) -> tuple[Any, ...] | None:
        """The steps, if they are the same whatever is drawn."""
        (way, *others) = self.ways
        return None if others or type(way.nest) is not Chain else way.nest

    @property
    def is_one_image(self) -> bool:
        """Whether one image is returned on each way."""
        return all(type(way.nest) is Chain for way in self.ways)


class Chain(tuple[Any, ...]):
    """The steps of which an image is made."""

    __slots__ = ()


def trace(step: Any, crops: int = 0) -> Trace:
    """Runs a user's own function or object on a stand-in for an image.

    Args:
        step: what is called with one image.
        crops: called with so many crops of an image instead, if not 0. In the place of the steps that make one stands
            its number.

    Raises:
        Refused: it does what is not known to be a step, or may do something else besides.
    """
    readings: Readings = []

    def run(path: Path) -> Any:
        tracer = _Tracer(path, readings)
        image = View(tracer)
        given = Crops([View(tracer, (image, number)) for number in range(crops)]) if crops else image
        return _nest(tracer.run(step, (given,), {}))

    try:
        found = tuple(Way(odds, nest) for odds, nest in ways(run))
    except Refused:
        raise
    except Exception as error:  # whatever it raises, it did not get an image
        raise Refused(f"it raises {type(error).__name__} for what is no image: {error}") from error
    return Trace(found, readings)


def is_own(function: Any) -> bool:
    """Whether a function is the user's own."""
    return isinstance(function, FunctionType) and home_of(function).partition(".")[0] not in _NOT_OWN


@dataclass
class _Tracer:
    """Does what the code asks of its stand-ins, on one way."""

    path: Path
    readings: Readings
    special: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.special = {"isinstance": self._isinstance, "range": self._range, "float": self._float, "int": self._int}

    # Calls

    def run(self, value: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Runs the user's own code: a function, a method, or what an object of the user's class does when called."""
        self.path.work()
        known = known_function(value)
        if known is not None:
            return known(self, *arguments, **keywords)
        if isinstance(value, partial):
            bound = {name: self.wrap(each) for name, each in value.keywords.items()}
            return self.call(value.func, (*map(self.wrap, value.args), *arguments), bound | keywords)
        if isinstance(value, MethodType):
            return self.run(value.__func__, (self.wrap(value.__self__), *arguments), keywords)
        if is_own(value):
            return rewired(value, self.wrap, self.special, self.readings)(*arguments, **keywords)
        if isinstance(value, type) or not callable(value):
            raise Refused(f"it calls {describe(value)}")
        name = "__call__"
        if isinstance(value, nn.Module) and type(value).__call__ is nn.Module.__call__:
            why = code_of(nn.Module).why or set_on(value, code_of(nn.Module))
            if why:
                raise Refused(why)
            name = "forward"
        function = self._lookup(type(value), name)
        if not is_own(function) or name in getattr(value, "__dict__", {}):
            raise Refused(f"{describe(value)} is not written in Python, or by somebody else")
        return self.run(function, (Held(self, value), *arguments), keywords)

    def call(self, value: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Calls whatever the code calls."""
        self.path.work()
        if isinstance(value, type) and known_function(value) is None:
            return Held(self, made_class(value, *map(shown, arguments), **{k: shown(v) for k, v in keywords.items()}))
        if len(arguments) == 1 and isinstance(arguments[0], View) and not keywords:
            return self._step(arguments[0], value)
        return self.run(value, arguments, keywords)

    def _step(self, view: View, value: Any) -> Any:
        """Calls a value with an image alone: a step, which is looked at later, unless it makes several views."""
        if is_named(value):
            return self.then(view, value)
        if known_function(value) is not None:
            return self.run(value, (view,), {})
        try:
            found = trace(value)
        except Refused:
            return self.then(view, value)
        if found.is_one_image:
            return self.then(view, value)
        self.readings += found.readings
        (way, *others) = found.ways
        if others:
            raise Refused("how many views it makes depends on what is drawn")
        return nested(way.nest, lambda steps: reduce(self.then, steps, view))

    def then(self, view: Any, step: Any) -> View:
        """Notes a step of an image."""
        if not isinstance(view, View):
            raise Refused(f"it calls {describe(step)} with what is no image")
        return View(self, (view, step))

    def method(self, view: View, name: str) -> Any:
        """Makes a stand-in of a method of an image."""
        if name not in METHODS:
            raise Refused(f"it asks for {name} of an image")
        return partial(METHODS[name], self, view)

    # Attributes

    def attribute(self, value: Any, name: str) -> Any:
        """Looks up an attribute as Python does, and notes where."""
        self.path.work()
        if name.startswith("__"):
            raise Refused(f"it asks for {name}")
        if isinstance(value, ModuleType):
            return self.wrap(self._read(vars(value), name, value.__name__))
        if isinstance(value, type):
            found = self._lookup(value, name)
            if isinstance(found, (property, classmethod)) or found is MISSING:
                raise Refused(f"it asks for {name} of {describe(value)}")
            return self.wrap(function_of(found))
        return self._attribute_of_object(value, name)

    def _attribute_of_object(self, value: Any, name: str) -> Any:
        cls = type(value)
        if self._lookup(cls, "__getattribute__") is not vars(object)["__getattribute__"]:
            raise Refused(f"{describe(cls)} has a __getattribute__ of its own")
        found = self._lookup(cls, name)
        state = getattr(value, "__dict__", None)
        if hasattr(found, "__set__") or hasattr(found, "__delete__"):
            raise Refused(f"{name} of {describe(cls)} is a property")
        if state is not None:
            held = state.get(name, MISSING)
            self.readings.append((state, name, held))
            if held is not MISSING:
                return self.wrap(held)
        if isinstance(found, FunctionType):
            return Held(self, MethodType(found, value))
        if isinstance(found, staticmethod):
            return self.wrap(found.__func__)
        if (
            found is MISSING
            and isinstance(value, nn.Module)
            and self._lookup(cls, "__getattr__") is nn.Module.__getattr__
        ):
            return self.wrap(self._read(value._modules, name, describe(cls)))  # noqa: SLF001  (torch's own name)
        if found is MISSING or hasattr(type(found), "__get__"):
            raise Refused(f"it asks for {name} of {describe(cls)}")
        return self.wrap(found)

    def _lookup(self, cls: type, name: str) -> Any:
        for base in cls.__mro__:
            held = vars(base).get(name, MISSING)
            if base is not object:
                self.readings.append((vars(base), name, held))
            if held is not MISSING:
                return held
        return MISSING

    def _read(self, held: Any, name: str, owner: str) -> Any:
        value = held.get(name, MISSING)
        self.readings.append((held, name, value))
        if value is MISSING:
            raise Refused(f"it asks for {name} of {owner}")
        return value

    def items(self, value: Any) -> list[Any]:
        """Makes stand-ins of what is in a list of modules."""
        if type(value) not in {nn.ModuleList, nn.Sequential}:
            raise Refused(f"it takes {describe(value)} apart")
        modules = value._modules  # noqa: SLF001  (torch's own name)
        self.readings += [(modules, name, module) for name, module in modules.items()]
        return [self.wrap(module) for module in modules.values()]

    # Values

    def wrap(self, value: Any) -> Any:
        """Makes a stand-in of a value; plain values stand for themselves."""
        self.path.work()
        if type(value) in _PLAIN or isinstance(value, (Crops, Drawn, Held, View)):
            return value
        if type(value) is list:
            return FrozenList(map(self.wrap, value))
        if type(value) is tuple:
            return tuple(map(self.wrap, value))
        if type(value) is dict and all(type(name) in {str, int} for name in value):
            return FrozenDict({name: self.wrap(each) for name, each in value.items()})
        return Held(self, value)

    def _isinstance(self, value: Any, classes: Any) -> bool:
        if isinstance(value, View):
            is_input = value._torchfeed_made is None  # noqa: SLF001  (what others make may be tensors)
            if is_input and is_image_class(classes):
                return True
            if is_input and is_other_class(classes):
                return False
            raise Refused("it asks for the type of an image")
        return isinstance(shown(value), shown(classes))

    def _range(self, *arguments: Any) -> range:
        made = range(*map(shown, arguments))
        if len(made) > _LONGEST_RANGE:
            raise Refused(f"it counts to {len(made)}")
        return made

    def _float(self, value: Any) -> Any:
        return value if isinstance(value, Drawn) else float(shown(value))

    def _int(self, value: Any) -> int:
        return int(shown(value))


def _is_as_read(view: View) -> bool:
    """Whether a stand-in is that of the image itself, or of what converting it makes."""
    while view._torchfeed_made is not None:  # noqa: SLF001  (its own slot)
        view, step = view._torchfeed_made  # noqa: SLF001
        if step is not to_rgb:
            return False
    return True


def _nest(returned: Any) -> Any:
    """Takes the steps out of the stand-ins that the code returns.

    Raises:
        Refused: something else is returned, or several views share a step, which then would be drawn for each.
    """
    children: dict[int, int] = {}
    ends: list[int] = []

    def chain(view: View) -> Chain:
        steps: list[Any] = []
        ends.append(id(view))
        while view._torchfeed_made is not None:  # noqa: SLF001
            child = id(view)
            view, step = view._torchfeed_made  # noqa: SLF001
            steps.append(step)
            if not _is_as_read(view) and children.setdefault(id(view), child) != child:
                raise Refused("two of its views begin with the same steps, drawn once")
        return Chain(reversed(steps))

    def convert(value: Any) -> Any:
        if isinstance(value, View):
            return chain(value)
        if type(value) in {list, tuple}:
            return type(value)(map(convert, value))
        if type(value) is Stacked:
            return Stack(tuple(map(convert, value)))
        if type(value) is dict and all(type(name) is str for name in value):
            return {name: convert(each) for name, each in value.items()}
        raise Refused("it returns something else than images, in lists, tuples and dicts")

    nest = convert(returned)
    if len(set(ends)) < len(ends) or not children.keys().isdisjoint(ends):
        raise Refused("it returns the same view twice, or one that others are made of")
    return nest
