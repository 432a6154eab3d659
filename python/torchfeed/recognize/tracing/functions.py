"""What is known of the functions that users' code calls: random numbers, Pillow's filters, torchvision's functions."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps

from torchfeed.recognize.arguments import Op
from torchfeed.recognize.common import describe
from torchfeed.recognize.known_classes import is_named
from torchfeed.recognize.written_code import is_written

from .paths import Drawn, Refused
from .stand_ins import Held, Stacked, View, shown

__all__ = ["METHODS", "Made", "is_image_class", "known_function", "made_class", "to_rgb"]


@dataclass(frozen=True)
class Made:
    """A step that the code does itself, without an object: an op. Called, it does by Pillow what the code does."""

    op: Op

    def __call__(self, image: Any) -> Any:
        """Runs the step; numbers are drawn from Python's `random`."""
        ((name, arguments),) = self.op.items()
        return _BY_PILLOW[name](image, arguments)


@dataclass(frozen=True)
class _Blur:
    """A stand-in for `ImageFilter.GaussianBlur`."""

    bounds: tuple[float, float]


def _number(value: Any) -> tuple[float, float]:
    """The bounds of a number that is drawn, or is not."""
    if isinstance(value, Drawn):
        return value.use()
    if type(value) not in {int, float}:
        raise Refused("it gives a function something else than a number")
    return float(value), float(value)


_BY_PILLOW: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "RandomGaussianBlur": lambda image, given: image.filter(ImageFilter.GaussianBlur(random.uniform(*given["radius"]))),  # noqa: S311
    "RandomSolarize": lambda image, given: ImageOps.solarize(image, given["threshold"]),
    "RandomInvert": lambda image, _: ImageOps.invert(image),
    "RandomEqualize": lambda image, _: ImageOps.equalize(image),
    "RandomAutocontrast": lambda image, _: ImageOps.autocontrast(image),
    "RandomHorizontalFlip": lambda image, _: ImageOps.mirror(image),
    "RandomVerticalFlip": lambda image, _: ImageOps.flip(image),
}


# Random numbers


def _unit(tracer: Any) -> Drawn:
    return Drawn(tracer.path, 0, 1)


def _uniform(tracer: Any, low: Any = 0.0, high: Any = 1.0) -> Drawn:
    return Drawn(tracer.path, low, high)


def _of_torch(tracer: Any, *size: Any) -> Drawn:
    if size not in {(), (1,)} and size != ([1],):
        raise Refused("it draws more than one number at a time")
    return Drawn(tracer.path, 0, 1)


def _one_of(tracer: Any, count: int) -> int:
    if count < 1:
        raise Refused("it draws from nothing")
    outcome: int = tracer.path.decide((1.0 / count,) * count)
    return outcome


def _randint(tracer: Any, low: Any, high: Any) -> int:
    """Python's: both bounds are possible."""
    low, high = shown(low), shown(high)
    if type(low) is not int or type(high) is not int:
        raise Refused("it draws a whole number between what are none")
    return low + _one_of(tracer, high - low + 1)


def _choice(tracer: Any, sequence: Any) -> Any:
    if not isinstance(sequence, (list, tuple)):
        raise Refused("it chooses from something else than a list")
    return sequence[_one_of(tracer, len(sequence))]


def _random_functions() -> dict[int, tuple[Any, Callable[..., Any]]]:
    of_python: dict[str, Callable[..., Any]] = {
        "random": _unit,
        "uniform": _uniform,
        "randint": _randint,
        "choice": _choice,
    }
    of_numpy: dict[str, Callable[..., Any]] = {
        "rand": _unit,
        "random": _unit,
        "random_sample": _unit,
        "uniform": _uniform,
    }
    table: dict[int, tuple[Any, Callable[..., Any]]] = {}
    for module, source, functions in ((random, random.Random, of_python), (np.random, np.random.RandomState, of_numpy)):
        for name, stand_in in functions.items():
            function = getattr(module, name)
            if type(getattr(function, "__self__", None)) is source:  # nobody has put another one there
                table[id(function)] = function, stand_in
    if isinstance(torch.rand, BuiltinFunctionType):
        table[id(torch.rand)] = torch.rand, _of_torch
    return table


# Pillow


def _is_pillows(module: ModuleType, *names: str) -> bool:
    """Whether names of a module of Pillow's, or of a class in it, hold what its source gives them."""
    for name in names:
        scope, _, last = name.rpartition(".")
        owner = getattr(module, scope) if scope else module
        if not is_written(module.__name__, scope, last, vars(owner).get(last)):
            return False
    return True


def _check_pillows(module: ModuleType, *names: str) -> None:
    if not _is_pillows(module, *names):
        raise Refused(f"{names[0]} of {module.__name__} was replaced")


def _filter(tracer: Any, view: View, blur: Any) -> View:
    _check_pillows(Image, "Image.filter")
    _check_pillows(ImageFilter, "GaussianBlur", "GaussianBlur.__init__", "GaussianBlur.filter")
    if not isinstance(blur, _Blur):
        raise Refused("it filters an image otherwise than by PIL.ImageFilter.GaussianBlur")
    return _made(tracer, view, {"RandomGaussianBlur": {"radius": blur.bounds, "p": 1.0}})


def _gaussian_blur(_: Any, radius: Any = 2) -> _Blur:
    low, high = _number(radius)
    if not 0 <= low <= high:
        raise Refused("it blurs by a radius below 0")
    return _Blur((low, high))


def _made(tracer: Any, view: Any, op: Op) -> View:
    made: View = tracer.then(view, Made(op))
    return made


def _solarize(tracer: Any, image: Any, threshold: Any = 128) -> View:
    _check_pillows(ImageOps, "solarize", "_lut")
    low, high = _number(threshold)
    if low != high:
        raise Refused("it solarizes at a drawn threshold")
    return _made(tracer, image, {"RandomSolarize": {"threshold": low, "p": 1.0}})


def _always(name: str, function: str, *more: str) -> Callable[..., Any]:
    def stand_in(tracer: Any, image: Any) -> View:
        _check_pillows(ImageOps, function, *more)
        return _made(tracer, image, {name: {"p": 1.0}})

    return stand_in


def _pillow_functions() -> dict[int, tuple[Any, Callable[..., Any]]]:
    named: tuple[tuple[Any, Callable[..., Any]], ...] = (
        (ImageFilter.GaussianBlur, _gaussian_blur),
        (ImageOps.solarize, _solarize),
        (ImageOps.invert, _always("RandomInvert", "invert", "_lut")),
        (ImageOps.equalize, _always("RandomEqualize", "equalize", "_lut")),
        (ImageOps.autocontrast, _always("RandomAutocontrast", "autocontrast", "_lut")),
        (ImageOps.mirror, _always("RandomHorizontalFlip", "mirror")),
        (ImageOps.flip, _always("RandomVerticalFlip", "flip")),
    )
    return {id(function): (function, stand_in) for function, stand_in in named}


def _convert(tracer: Any, view: View, mode: Any) -> View:
    if mode != "RGB":
        raise Refused(f"it converts an image to {mode}")
    made: View = tracer.then(view, to_rgb)
    return made


def to_rgb(image: Any) -> Any:
    """Converts an image to RGB; a step of a chain."""
    return image.convert("RGB")


def _copy(tracer: Any, view: View) -> View:
    return View(tracer, view._torchfeed_made)  # noqa: SLF001  (its own slot)


METHODS: dict[str, Callable[..., Any]] = {"convert": _convert, "copy": _copy, "filter": _filter}
"""Methods of an image, and what they do to its stand-in."""


def is_image_class(classes: Any) -> bool:
    """Whether what `isinstance` is asked for is Pillow's class of images."""
    return isinstance(classes, Held) and shown(classes) is Image.Image


def is_other_class(classes: Any) -> bool:
    """Whether what `isinstance` is asked for is the class of tensors or of arrays: no image is one."""
    return isinstance(classes, Held) and any(shown(classes) is cls for cls in (torch.Tensor, np.ndarray))


# torchvision

# The class whose object does the same as a function, and the names of those arguments that its constructor takes.
_SAME: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "hflip": ("RandomHorizontalFlip", (), {"p": 1.0}),
    "vflip": ("RandomVerticalFlip", (), {"p": 1.0}),
    "invert": ("RandomInvert", (), {"p": 1.0}),
    "equalize": ("RandomEqualize", (), {"p": 1.0}),
    "autocontrast": ("RandomAutocontrast", (), {"p": 1.0}),
    "solarize": ("RandomSolarize", ("threshold",), {"p": 1.0}),
    "posterize": ("RandomPosterize", ("bits",), {"p": 1.0}),
    "adjust_sharpness": ("RandomAdjustSharpness", ("sharpness_factor",), {"p": 1.0}),
    "center_crop": ("CenterCrop", ("output_size",), {}),
    "resize": ("Resize", ("size", "interpolation", "max_size", "antialias"), {}),
    "pad": ("Pad", ("padding", "fill", "padding_mode"), {}),
    "to_tensor": ("ToTensor", (), {}),
    "pil_to_tensor": ("PILToTensor", (), {}),
    "convert_image_dtype": ("ConvertImageDtype", ("dtype",), {}),
    "normalize": ("Normalize", ("mean", "std", "inplace"), {}),
}
_FUNCTIONAL = "torchvision.transforms.functional"


def _of_torchvision(function: Any) -> Callable[..., Any] | None:
    """What stands for one of torchvision's functions: the object that does the same."""
    if not isinstance(function, FunctionType) or function.__module__ != _FUNCTIONAL or function.__name__ not in _SAME:
        return None
    if not is_written(_FUNCTIONAL, "", function.__name__, function):
        return None
    name, parameters, fixed = _SAME[function.__name__]

    def stand_in(tracer: Any, image: Any, *arguments: Any, **keywords: Any) -> View:
        if len(arguments) > len(parameters) or not keywords.keys() <= set(parameters):
            raise Refused(f"it calls {function.__name__} with arguments that it does not have")
        given = dict(zip(parameters, arguments, strict=False)) | keywords
        given = {"size" if key == "output_size" else key: _argument(value) for key, value in given.items()}
        made: View = tracer.then(image, getattr(sys.modules["torchvision.transforms"], name)(**given, **fixed))
        return made

    return stand_in


def _argument(value: Any) -> Any:
    held = shown(value)
    return held if isinstance(held, (int, float, str, list, tuple, torch.dtype, type(None))) else _enumerated(held)


def _enumerated(value: Any) -> Any:
    if type(value).__name__ == "InterpolationMode":
        return value
    raise Refused(f"it gives a function {describe(value)}")


# torch


def _stack(_: Any, views: Any, dim: Any = 0) -> Stacked:
    if not isinstance(views, (list, tuple)) or not views or not all(isinstance(view, View) for view in views):
        raise Refused("it stacks something else than images")
    if type(dim) is not int or dim != 0:
        raise Refused("it stacks images along another dimension than the first")
    return Stacked([*views])


def _torch_functions() -> dict[int, tuple[Any, Callable[..., Any]]]:
    return {id(torch.stack): (torch.stack, _stack)} if isinstance(torch.stack, BuiltinFunctionType) else {}


# Lookup

_tables: list[dict[int, tuple[Any, Callable[..., Any]]]] = []


def known_function(value: Any) -> Callable[..., Any] | None:
    """What stands for a function or a class that the code calls; `None` if it is not known."""
    if not _tables:
        _tables.append(_random_functions() | _pillow_functions() | _torch_functions())
    found = _tables[0].get(id(value))
    return found[1] if found is not None and found[0] is value else _of_torchvision(value)


def made_class(cls: type, *arguments: Any, **keywords: Any) -> Any:
    """Makes an object of a known class, which is a step.

    Raises:
        Refused: the class is not known.
    """
    if cls.__module__.startswith(("torchvision.transforms.", "torchfeed.transforms.")):
        made = cls(*arguments, **keywords)
        if is_named(made):
            return made
    raise Refused(f"it makes an object of {describe(cls)}")
