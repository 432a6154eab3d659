"""From a recognised transform to native pipelines, and native results back to torch and Pillow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from . import _native
from ._dlpack import dtype_code
from .batch import one_hot_levels
from .decode import PillowDecoder, get_max_pixels
from .recognize import Plan, Unrecognized, class_name, drawn_names, recognize_geometry

__all__ = [
    "Compiled",
    "Drawn",
    "apply_to_image",
    "array_source",
    "compile_plan",
    "fresh_seed",
    "recognize_target",
    "to_image",
    "to_tensors",
]

# Pillow 13 does the vertical pass of a resize first where that saves work; the rounding between the passes shows.
CHEAPER_PASS_FIRST = int(PIL.__version__.split(".", maxsplit=1)[0]) >= 13

Drawn = list[tuple[str, dict[str, Any]]]
OneHotLevels = tuple[int, bytes, bytes, tuple[int, int]]


def fresh_seed() -> int:
    """Draws a seed from torch's global generator, so that `torch.manual_seed` governs what comes of it."""
    return int(torch.empty((), dtype=torch.int64).random_().item())


def recognize_target(target_transform: Callable[[Any], Any] | None) -> OneHotLevels | None:
    """Compiles a target transform: `None` for class indices, or the levels of one-hot rows.

    Raises:
        Unrecognized: any other function than `torchfeed.transforms.OneHot`.
    """
    if target_transform is None:
        return None
    if class_name(target_transform) != "OneHot":
        raise Unrecognized(f"target_transform {target_transform} runs in Python: use torchfeed.transforms.OneHot")
    one_hot: Any = target_transform
    return one_hot_levels(one_hot.num_classes, one_hot.smoothing, one_hot.dtype)


@dataclass(frozen=True)
class Compiled:
    """A plan, and the native pipeline that runs it on a source."""

    plan: Plan
    pipeline: _native.Pipeline

    def draw(self, index: int, seed: int, occurrence: int) -> Drawn:
        """Says what is done to a sample: (transform name, parameters)."""
        _, calls = self.pipeline.draw(index, seed, occurrence)
        return drawn_names(self.plan, calls)


def compile_plan(
    source: _native.Source,
    labels: Sequence[int],
    plan: Plan,
    one_hot: OneHotLevels | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Compiled:
    """Makes the native pipeline of a plan."""
    code = dtype_code(plan.table.dtype)
    assert code is not None, "tabulate() lets no other dtype through"
    pipeline = _native.Pipeline(
        source,
        labels,
        plan.native_ops(),
        plan.table.values,
        plan.table.channels,
        code,
        channels_last=memory_format == torch.channels_last,
        cheaper_first=CHEAPER_PASS_FIRST,
        one_hot=one_hot,
        max_pixels=get_max_pixels(),
        fallback=PillowDecoder(),
    )
    return Compiled(plan, pipeline)


def array_source(array: np.ndarray[Any, Any]) -> _native.Source:
    """Wraps decoded images, uint8 of shape (N, H, W, C) with C 1 or 3; the array's memory is used, not copied.

    Raises:
        TypeError: another dtype.
        ValueError: another shape.
    """
    if array.dtype != np.uint8:
        raise TypeError(f"images in memory must be uint8, not {array.dtype}")
    array = np.ascontiguousarray(array)
    return _native.Source.array(array.ctypes.data, array.shape, array)


def to_image(size: tuple[int, int, int], pixels: bytes) -> Image.Image:
    """Makes a PIL image of (height, width, channels) and its pixels."""
    height, width, channels = size
    return Image.frombytes("RGB" if channels == 3 else "L", (width, height), pixels)


def apply_to_image(transform: Callable[[Any], Any], image: Image.Image) -> Image.Image:
    """Runs a geometric transform on one PIL image, with parameters drawn from torch's global generator.

    Raises:
        TypeError: not a PIL image of mode RGB or L.
        ValueError: an argument that nothing native stands for, or an image of a size that it cannot be applied to.
    """
    if not isinstance(image, Image.Image):
        raise TypeError(
            f"{type(transform).__name__} takes a PIL image, not {type(image).__name__}: put it before ToTensor()"
        )
    if image.mode not in {"RGB", "L"}:
        raise TypeError(
            f"{type(transform).__name__} takes images of mode RGB or L, not {image.mode}: convert() it first"
        )
    pixels = np.asarray(image)
    pixels = pixels[None, :, :, None] if image.mode == "L" else pixels[None]
    try:
        plan = recognize_geometry([transform], channels=pixels.shape[3])
    except Unrecognized as why:
        raise ValueError(str(why)) from None
    pipeline = compile_plan(array_source(pixels), [0], plan, memory_format=torch.channels_last).pipeline
    epoch = _native.Epoch(pipeline, fresh_seed() if plan.is_random else 0, 0)
    epoch.submit([0])
    images, _ = to_tensors(epoch.next())
    return to_image((*images.shape[2:], images.shape[1]), images.permute(0, 2, 3, 1).numpy().tobytes())


def to_tensors(batch: tuple[_native.Tensor, _native.Tensor] | None) -> tuple[Tensor, Tensor]:
    """Takes over the memory of a finished batch."""
    assert batch is not None, "without a timeout there is always a batch"
    images, targets = batch
    return from_dlpack(images), from_dlpack(targets)
