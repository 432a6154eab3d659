"""Recognition of geometric transforms: their constructors' arguments to those of the native ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from .common import Unrecognized
from .known import class_name, why_in_python

__all__ = [
    "GEOMETRY",
    "INTERPOLATIONS",
    "STRUCTURE",
    "Geometry",
    "fill_of",
    "flatten",
    "has_plain_steps",
    "own_name",
    "read_geometry",
    "read_padding",
]

Geometry = dict[str, dict[str, Any]]
"""A native op as data, which `_native.Op` takes: its name and its arguments. Those of a composition hold others."""

# `InterpolationMode` of torchvision by value, which newer v2 transforms hold themselves; else Pillow's own numbers.
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "nearest-exact": Image.Resampling.NEAREST,  # on PIL images there is no difference
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}


def flatten(transform: Any) -> Iterator[Any]:
    """Yields the steps of a transform, however it is nested; steps that do nothing are left out."""
    if transform is None:
        return
    # Of other classes the code is looked at later.
    name = class_name(transform) if type(transform).__name__ in {"Compose", "Identity", "Sequential"} else None
    if name == "Sequential" or (name == "Compose" and has_plain_steps(transform)):
        for step in transform if name == "Sequential" else transform.transforms:
            yield from flatten(step)
    elif name != "Identity":
        yield transform


def has_plain_steps(container: Any) -> bool:
    """Whether the steps inside a transform are a list that is no more than that."""
    steps = container.transforms
    return type(steps) in {list, tuple} or (type(steps) is nn.ModuleList and class_name(steps) is not None)


def own_name(transform: Any) -> str:
    """Names the class of torchfeed's that a transform is of, or inherits from."""
    return next(cls.__name__ for cls in type(transform).__mro__ if cls.__module__ == "torchfeed.transforms.geometry")


def read_geometry(step: Any) -> tuple[Geometry, list[str]]:
    """Reads a geometric transform of PIL images; also the names of it and of those inside it, outermost first.

    Raises:
        Unrecognized: it is none, or has an argument that the native engine does not run.
    """
    name = class_name(step)
    if name in STRUCTURE and has_plain_steps(step):
        return _structure(step)
    if name == "RandomResizedCropAndInterpolation":
        # timm's, which may choose between filters.
        filters = step.interpolation if isinstance(step.interpolation, (tuple, list)) else [step.interpolation]
        crops = [[_random_resized_crop(step, interpolation)] for interpolation in filters]
        return {"RandomChoice": {"weights": [1.0] * len(crops), "branches": crops}}, [name, *([name] * len(crops))]
    # v2's pass over images of types that are not listed.
    if name not in GEOMETRY or not {Tensor, Image.Image} <= set(getattr(step, "_transformed_types", _IMAGES)):
        raise Unrecognized(why_in_python(step))
    return GEOMETRY[name](step), [name]


def _structure(step: Any) -> tuple[Geometry, list[str]]:
    name = type(step).__name__
    names, branches = [name], []
    for transform in step.transforms:
        read = [read_geometry(inner) for inner in flatten(transform)]
        branches.append([geometry for geometry, _ in read])
        names += [inner for _, inners in read for inner in inners]
    if name == "RandomApply":
        return {name: {"p": float(step.p), "ops": [geometry for branch in branches for geometry in branch]}}, names
    if name == "RandomOrder":
        return {name: {"branches": branches}}, names
    weights = [1.0] * len(branches) if step.p is None else [float(weight) for weight in step.p]
    if len(weights) != len(branches) or sum(weights) <= 0 or min(weights) < 0:
        raise Unrecognized(f"RandomChoice with the weights {step.p} for {len(branches)} transforms")
    return {name: {"weights": weights, "branches": branches}}, names


def _interpolation(value: Any) -> int:
    number = int(value) if isinstance(value, int) else INTERPOLATIONS.get(str(getattr(value, "value", value)))
    if number is None or number not in set(INTERPOLATIONS.values()):
        raise Unrecognized(f"interpolation {value} has no native kernel")
    return int(number)


def _size(size: Any) -> tuple[int, int]:
    if isinstance(size, (int, float)):
        return int(size), int(size)
    return (int(size[0]), int(size[0])) if len(size) == 1 else (int(size[0]), int(size[1]))


def _resize(step: Any) -> Geometry:
    size, interpolation = step.size, _interpolation(step.interpolation)
    if size is None:
        raise Unrecognized("Resize with size=None has no native kernel: give it a size")
    if not isinstance(size, int) and len(size) == 2:
        to: dict[str, Any] = {"exact": _size(size)}
    else:
        to = {"smaller": {"edge": _size(size)[0], "max": step.max_size}}
    return {"Resize": {"size": to, "interpolation": interpolation}}


def _fill(fill: Any) -> list[int]:
    values = [fill] * 3 if isinstance(fill, (int, float)) else list(fill if isinstance(fill, (tuple, list)) else [])
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or not all(isinstance(v, (int, float)) and 0 <= int(v) <= 255 for v in values):
        raise Unrecognized(f"fill={fill!r} is not one number or three, from 0 to 255")
    return [int(value) for value in values]


def fill_of(step: Any) -> Any:
    """Reads the fill that a padding uses: v2 looks at what its constructor made of it, by the type of the image."""
    made = getattr(step, "_fill", None)
    if not isinstance(made, dict):
        return step.fill
    return made["others"] if made.keys() == {"others"} else made


def read_padding(padding: Any, fill: Any, mode: Any) -> dict[str, Any]:
    """Reads a padding, as torchvision's `pad` has it: left, top, right and bottom, a fill of three channels, a mode."""
    sides = [padding] if isinstance(padding, int) else [int(p) for p in padding]
    # One value for all sides, two for (left and right, top and bottom), or left, top, right and bottom.
    sides = sides * 4 if len(sides) == 1 else sides * 2 if len(sides) == 2 else sides
    return {
        "padding": sides,
        "fill": _fill(0 if fill is None else fill),
        "padding_mode": str(getattr(mode, "value", mode)),
    }


def _random_crop(step: Any) -> Geometry:
    padding = read_padding(0 if step.padding is None else step.padding, fill_of(step), step.padding_mode)
    if step.padding is not None and ".v2." in type(step).__module__:
        # v2 keeps (left, right, top, bottom).
        left, right, top, bottom = step.padding
        padding["padding"] = [left, top, right, bottom]
        if step.pad_if_needed and padding["padding_mode"] in {"reflect", "symmetric"}:
            raise Unrecognized("v2.RandomCrop with padding, pad_if_needed and a mirrored mode pads unlike v1")
    return {"RandomCrop": {"size": _size(step.size), "padding": padding, "pad_if_needed": bool(step.pad_if_needed)}}


def _random_resized_crop(step: Any, interpolation: Any = None) -> Geometry:
    scale, ratio = (tuple(float(v) for v in pair) for pair in (step.scale, step.ratio))
    number = _interpolation(step.interpolation if interpolation is None else interpolation)
    made = getattr(step, "_log_ratio", None)  # all that v2 looks at
    if made is not None and made.tolist() != torch.log(torch.tensor(ratio, dtype=made.dtype, device="cpu")).tolist():
        raise Unrecognized(f"RandomResizedCrop was made with another ratio than {ratio}: make a new one")
    resize = {"size": _size(step.size), "interpolation": number}
    return {"RandomResizedCrop": {"resize": resize, "scale": scale, "ratio": ratio}}


_IMAGES = (Tensor, Image.Image)

GEOMETRY: dict[str, Callable[[Any], Geometry]] = {
    "Resize": _resize,
    "CenterCrop": lambda step: {"CenterCrop": {"size": _size(step.size)}},
    "RandomCrop": _random_crop,
    "RandomResizedCrop": _random_resized_crop,
    "RandomHorizontalFlip": lambda step: {"RandomHorizontalFlip": {"p": float(step.p)}},
    "RandomVerticalFlip": lambda step: {"RandomVerticalFlip": {"p": float(step.p)}},
    "Pad": lambda step: {"Pad": read_padding(step.padding, fill_of(step), step.padding_mode)},
}

STRUCTURE: Sequence[str] = ("RandomApply", "RandomChoice", "RandomOrder")
