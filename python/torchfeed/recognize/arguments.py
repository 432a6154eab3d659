"""The arguments of torchvision's transforms, read for the native ops."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from .common import Unrecognized

__all__ = [
    "INTERPOLATIONS",
    "Op",
    "colour",
    "fill_of",
    "interpolation_of",
    "random_apply",
    "random_choice",
    "random_crop",
    "random_order",
    "random_resize",
    "random_resized_crop",
    "random_resized_crop_and_interpolation",
    "random_shortest_size",
    "random_zoom_out",
    "read_padding",
    "resize",
    "scale_jitter",
    "size_of",
]

Op = dict[str, dict[str, Any]]
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


def interpolation_of(value: Any) -> int:
    """Reads a filter: Pillow's number of it."""
    number = int(value) if isinstance(value, int) else INTERPOLATIONS.get(str(getattr(value, "value", value)))
    if number is None or number not in set(INTERPOLATIONS.values()):
        raise Unrecognized(f"interpolation {value} has no native kernel")
    return int(number)


def size_of(size: Any) -> tuple[int, int]:
    """Reads a size: (height, width)."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    return (int(size[0]), int(size[0])) if len(size) == 1 else (int(size[0]), int(size[1]))


def resize(step: Any) -> Op:
    """Reads a `Resize`."""
    size, interpolation = step.size, interpolation_of(step.interpolation)
    if size is None:
        raise Unrecognized("Resize with size=None has no native kernel: give it a size")
    if not isinstance(size, int) and len(size) == 2:
        to: dict[str, Any] = {"exact": size_of(size)}
    else:
        to = {"smaller": {"edge": size_of(size)[0], "max": step.max_size}}
    return {"Resize": {"size": to, "interpolation": interpolation}}


def _is_edge(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def random_resize(step: Any) -> Op:
    """Reads a `RandomResize`."""
    low, high = step.min_size, step.max_size
    if not (_is_edge(low) and _is_edge(high) and low < high):
        raise Unrecognized(f"RandomResize from {low} to {high}: torch draws no such number")
    interpolation = interpolation_of(step.interpolation)
    return {"RandomResize": {"min_size": low, "max_size": high, "interpolation": interpolation}}


def random_shortest_size(step: Any) -> Op:
    """Reads a `RandomShortestSize`."""
    sizes, most = list(step.min_size), step.max_size
    if not (sizes and all(map(_is_edge, sizes)) and (most is None or _is_edge(most))):
        raise Unrecognized(f"RandomShortestSize with {sizes!r:.80}, max_size={most!r:.40} has no native kernel")
    arguments = {"min_size": sizes, "max_size": most, "interpolation": interpolation_of(step.interpolation)}
    return {"RandomShortestSize": arguments}


def _range(step: Any, name: str, least: float, most: float = 1e9) -> tuple[float, float]:
    """Reads a range of factors."""
    values = getattr(step, name)
    if len(values) != 2 or not all(isinstance(value, (int, float)) for value in values):
        raise Unrecognized(f"{type(step).__name__} with {name}={values!r:.40} has no native kernel: give it a range")
    low, high = values
    if not least <= low <= high <= most:
        raise Unrecognized(f"{type(step).__name__} with {name}={values!r:.40} has no native kernel: it should rise")
    return float(low), float(high)


def scale_jitter(step: Any) -> Op:
    """Reads a `ScaleJitter`."""
    size = tuple(step.target_size)
    if len(size) != 2 or not all(map(_is_edge, size)):
        raise Unrecognized(f"ScaleJitter with target_size={size!r:.40} has no native kernel: give it two sizes")
    scale = _range(step, "scale_range", 0.0)
    arguments = {"target_size": size, "scale_range": scale, "interpolation": interpolation_of(step.interpolation)}
    return {"ScaleJitter": arguments}


def random_zoom_out(step: Any) -> Op:
    """Reads a `RandomZoomOut`."""
    fill = fill_of(step)
    sides = _range(step, "side_range", 1.0)
    return {"RandomZoomOut": {"fill": colour(0 if fill is None else fill), "side_range": sides, "p": float(step.p)}}


def colour(fill: Any) -> list[int]:
    """Reads a fill: three bytes."""
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
    return made.get(Image.Image, made.get("others"))


def read_padding(padding: Any, fill: Any, mode: Any) -> dict[str, Any]:
    """Reads a padding, as torchvision's `pad` has it: left, top, right and bottom, a fill of three channels, a mode."""
    sides = [padding] if isinstance(padding, int) else [int(p) for p in padding]
    # One value for all sides, two for (left and right, top and bottom), or left, top, right and bottom.
    sides = sides * 4 if len(sides) == 1 else sides * 2 if len(sides) == 2 else sides
    return {
        "padding": sides,
        "fill": colour(0 if fill is None else fill),
        "padding_mode": str(getattr(mode, "value", mode)),
    }


def random_crop(step: Any) -> Op:
    """Reads a `RandomCrop`."""
    padding = read_padding(0 if step.padding is None else step.padding, fill_of(step), step.padding_mode)
    if step.padding is not None and ".v2." in type(step).__module__:
        # v2 keeps (left, right, top, bottom).
        left, right, top, bottom = step.padding
        padding["padding"] = [left, top, right, bottom]
        if step.pad_if_needed and padding["padding_mode"] in {"reflect", "symmetric"}:
            raise Unrecognized("v2.RandomCrop with padding, pad_if_needed and a mirrored mode pads unlike v1")
    return {"RandomCrop": {"size": size_of(step.size), "padding": padding, "pad_if_needed": bool(step.pad_if_needed)}}


def random_resized_crop(step: Any, interpolation: Any = None) -> Op:
    """Reads a `RandomResizedCrop`; `interpolation` takes the place of its own."""
    scale, ratio = (tuple(float(v) for v in pair) for pair in (step.scale, step.ratio))
    number = interpolation_of(step.interpolation if interpolation is None else interpolation)
    made = getattr(step, "_log_ratio", None)  # all that v2 looks at
    if made is not None and made.tolist() != torch.log(torch.tensor(ratio, dtype=made.dtype, device="cpu")).tolist():
        raise Unrecognized(f"RandomResizedCrop was made with another ratio than {ratio}: make a new one")
    resize = {"size": size_of(step.size), "interpolation": number}
    return {"RandomResizedCrop": {"resize": resize, "scale": scale, "ratio": ratio}}


def random_resized_crop_and_interpolation(step: Any) -> Op:
    """Reads timm's `RandomResizedCropAndInterpolation`, which may choose between filters."""
    filters = step.interpolation if isinstance(step.interpolation, (tuple, list)) else [step.interpolation]
    crops = [[random_resized_crop(step, interpolation)] for interpolation in filters]
    return {"RandomChoice": {"weights": [1.0] * len(crops), "branches": crops}}


def random_apply(step: Any, branches: list[list[Op]]) -> Op:
    """Reads a `RandomApply` of some ops."""
    return {"RandomApply": {"p": float(step.p), "ops": [op for branch in branches for op in branch]}}


def random_choice(step: Any, branches: list[list[Op]]) -> Op:
    """Reads a `RandomChoice` of some lists of ops."""
    weights = [1.0] * len(branches) if step.p is None else [float(weight) for weight in step.p]
    if len(weights) != len(branches) or sum(weights) <= 0 or min(weights) < 0:
        raise Unrecognized(f"RandomChoice with the weights {step.p} for {len(branches)} transforms")
    return {"RandomChoice": {"weights": weights, "branches": branches}}


def random_order(_: Any, branches: list[list[Op]]) -> Op:
    """Reads a `RandomOrder` of some lists of ops."""
    return {"RandomOrder": {"branches": branches}}
