"""Recognition: a user's transform, torchfeed's or torchvision's, to what the native engine runs.

Classes are recognised by name and by the package that they come from, never by importing torchvision, and only if they
are those very classes: a subclass may do anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from . import _native
from ._dlpack import dtype_code

__all__ = ["Plan", "Table", "Unrecognized", "class_name", "drawn_names", "recognize", "recognize_geometry"]

PACKAGES = ("torchfeed", "torchvision")

# `InterpolationMode` of torchvision by value, which newer v2 transforms hold themselves; else Pillow's own numbers.
_INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "nearest-exact": Image.Resampling.NEAREST,  # on PIL images there is no difference
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}


class Unrecognized(Exception):  # noqa: N818  (a finding, which ends up in `explain`, not an error)
    """Something that the native engine does not run; the message says what, and what would change it."""


@dataclass(frozen=True)
class Table:
    """The pointwise tail: 256 output values per channel, as torch itself computed them."""

    values: bytes
    dtype: torch.dtype
    channels: int


@dataclass(frozen=True)
class Plan:
    """A recognised transform: the geometric steps, by constructor arguments, and the table of the rest."""

    ops: tuple[tuple[str, tuple[Any, ...]], ...]
    names: tuple[str, ...]
    values: tuple[str, ...]
    table: Table

    @property
    def is_random(self) -> bool:
        """Whether anything is drawn at all."""
        return any(name.startswith("random") for name, _ in self.ops)

    def native_ops(self) -> list[_native.Op]:
        """Makes the native transforms."""
        return [getattr(_native.Op, name)(*arguments) for name, arguments in self.ops]


def class_name(value: object) -> str | None:
    """Names the class of `value` if it belongs to torchfeed or torchvision."""
    cls = type(value)
    return cls.__name__ if cls.__module__.split(".")[0] in PACKAGES else None


def recognize(transform: Callable[[Any], Any] | None, channels: int = 3) -> Plan:
    """Compiles a transform of 8-bit PIL images with `channels` channels (1 or 3).

    Raises:
        Unrecognized: the first step that the native engine does not run.
    """
    steps = list(flatten(transform))
    geometry: list[Any] = []
    while steps and class_name(steps[0]) in _GEOMETRY:
        geometry.append(steps.pop(0))
    for step in steps:
        if class_name(step) not in _VALUES:
            raise Unrecognized(_why(step))
    return _plan(geometry, steps, tabulate(steps, channels))


def recognize_geometry(transforms: Sequence[Callable[[Any], Any]], channels: int) -> Plan:
    """Compiles geometric transforms only; pixels stay as they are.

    Raises:
        Unrecognized: one has an argument that the native engine does not run.
    """
    identity = bytes(range(256)) * channels
    return _plan(transforms, [], Table(identity, torch.uint8, channels))


def _plan(geometry: Sequence[Any], values: Sequence[Any], table: Table) -> Plan:
    ops = tuple(_GEOMETRY[type(step).__name__](step) for step in geometry)
    return Plan(ops, tuple(type(step).__name__ for step in geometry), tuple(map(repr, values)), table)


def flatten(transform: Any) -> Iterator[Any]:
    """Yields the steps of a transform, however it is nested."""
    if transform is None:
        return
    if class_name(transform) == "Compose":
        for step in transform.transforms:
            yield from flatten(step)
    elif type(transform) is nn.Sequential:
        for step in transform:
            yield from flatten(step)
    else:
        yield transform


def tabulate(steps: Sequence[Callable[[Any], Any]], channels: int) -> Table:
    """Runs the value transforms over an image that has every pixel value once, in every channel.

    Raises:
        Unrecognized: there is no step that makes a tensor, or the result is not one value per pixel and channel.
    """
    if not steps:
        raise Unrecognized("the transform does not make a tensor: end it with ToTensor() or PILToTensor()")
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(channels, axis=2)
    out: Any = Image.fromarray(ramp if channels == 3 else ramp[:, :, 0])
    for step in steps:
        out = step(out)
    if not isinstance(out, Tensor) or out.shape != (channels, 1, 256) or dtype_code(out.dtype) is None:
        made = f"{tuple(out.shape)} {out.dtype}" if isinstance(out, Tensor) else type(out).__name__
        raise Unrecognized(f"the steps {steps} make {made} of an image, not a tensor of its size")
    values = out.detach().as_subclass(Tensor).cpu().contiguous().view(torch.uint8)
    return Table(values.numpy().tobytes(), out.dtype, channels)


_VALUES = {"ToTensor", "PILToTensor", "ConvertImageDtype", "ToDtype", "Normalize", "ToImage", "ToPureTensor"}


def _why(step: Any) -> str:
    name = type(step).__name__
    if class_name(step) in _GEOMETRY:
        return f"{name} comes after a step that makes a tensor: move it before ToTensor()"
    return f"{type(step).__module__}.{name} runs in Python: it is not one of the transforms that run natively"


def _interpolation(value: Any) -> int:
    number = int(value) if isinstance(value, int) else _INTERPOLATIONS.get(str(getattr(value, "value", value)))
    if number is None or number not in set(_INTERPOLATIONS.values()):
        raise Unrecognized(f"interpolation {value} has no native kernel")
    return int(number)


def _size(size: Any) -> tuple[int, int]:
    if isinstance(size, (int, float)):
        return int(size), int(size)
    return (int(size[0]), int(size[0])) if len(size) == 1 else (int(size[0]), int(size[1]))


def _resize(step: Any) -> tuple[str, tuple[Any, ...]]:
    size, interpolation = step.size, _interpolation(step.interpolation)
    if size is None:
        raise Unrecognized("Resize with size=None has no native kernel: give it a size")
    if not isinstance(size, int) and len(size) == 2:
        return "resize", (_size(size), interpolation)
    return "resize_smaller", (_size(size)[0], step.max_size, interpolation)


def _fill(fill: Any) -> list[int]:
    values = [fill] * 3 if isinstance(fill, (int, float)) else list(fill if isinstance(fill, (tuple, list)) else [])
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or not all(isinstance(v, (int, float)) and 0 <= int(v) <= 255 for v in values):
        raise Unrecognized(f"fill={fill!r} is not one number or three, from 0 to 255")
    return [int(value) for value in values]


def _padding(padding: Any, fill: Any, mode: Any) -> tuple[list[int], list[int], str]:
    sides = [padding] if isinstance(padding, int) else [int(p) for p in padding]
    # One value for all sides, two for (left and right, top and bottom), or left, top, right and bottom.
    sides = sides * 4 if len(sides) == 1 else sides * 2 if len(sides) == 2 else sides
    return sides, _fill(0 if fill is None else fill), str(getattr(mode, "value", mode))


def _random_crop(step: Any) -> tuple[str, tuple[Any, ...]]:
    padding = _padding(0 if step.padding is None else step.padding, step.fill, step.padding_mode)
    if step.padding is not None and ".v2." in type(step).__module__:
        # v2 keeps (left, right, top, bottom).
        left, right, top, bottom = step.padding
        padding = ([left, top, right, bottom], *padding[1:])
        if step.pad_if_needed and padding[2] in {"reflect", "symmetric"}:
            raise Unrecognized("v2.RandomCrop with padding, pad_if_needed and a mirrored mode pads unlike v1")
    return "random_crop", (_size(step.size), padding, bool(step.pad_if_needed))


def _random_resized_crop(step: Any) -> tuple[str, tuple[Any, ...]]:
    scale, ratio = (tuple(float(v) for v in pair) for pair in (step.scale, step.ratio))
    return "random_resized_crop", (_size(step.size), scale, ratio, _interpolation(step.interpolation))


_GEOMETRY: dict[str, Callable[[Any], tuple[str, tuple[Any, ...]]]] = {
    "Resize": _resize,
    "CenterCrop": lambda step: ("center_crop", (_size(step.size),)),
    "RandomCrop": _random_crop,
    "RandomResizedCrop": _random_resized_crop,
    "RandomHorizontalFlip": lambda step: ("random_horizontal_flip", (float(step.p),)),
    "RandomVerticalFlip": lambda step: ("random_vertical_flip", (float(step.p),)),
    "Pad": lambda step: ("pad", (_padding(step.padding, step.fill, step.padding_mode),)),
}


def drawn_names(plan: Plan, calls: Sequence[tuple[int, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Names drawn calls by their transforms' classes, with Pillow's names of the filters."""
    named = []
    for position, parameters in calls:
        if "interpolation" in parameters:
            parameters["interpolation"] = Image.Resampling(parameters["interpolation"])
        named.append((plan.names[position], parameters))
    return named
