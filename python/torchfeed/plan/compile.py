"""From recognised datasets and transforms to native pipelines, and native results back to torch and Pillow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from torchfeed import _native
from torchfeed.decode.pillow import PillowDecoder
from torchfeed.decode.pillow_limits import limits_in_force, pillow_limits
from torchfeed.limits import Limits, get_limits
from torchfeed.recognize import OneHotLevels, Plan, Unrecognized, recognize_geometry
from torchfeed.recognize.leaf import Leaf
from torchfeed.recognize.metadata import hands_metadata_on
from torchfeed.recognize.sample_source import give
from torchfeed.util.dlpack import dtype_code, lend_array
from torchfeed.util.random_state import fresh_seed

__all__ = [
    "Compiled",
    "Drawn",
    "apply_to_image",
    "array_source",
    "compile_leaves",
    "compile_plan",
    "to_image",
    "to_tensors",
]

# Pillow 13 does the vertical pass of a resize first where that saves work; the rounding between the passes shows.
CHEAPER_PASS_FIRST = int(PIL.__version__.split(".", maxsplit=1)[0]) >= 13

Drawn = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Compiled:
    """Recognised datasets, end to end, and the native pipeline that makes their samples."""

    leaves: tuple[Leaf, ...]
    pipeline: _native.Pipeline

    @property
    def is_random(self) -> bool:
        """Whether anything native is drawn at all."""
        return any(leaf.plan.is_random for leaf in self.leaves)

    def draw(self, place: int, seed: int, occurrence: int) -> tuple[Leaf, Drawn]:
        """Says which dataset a sample is of, and what is done to it natively: (transform name, parameters)."""
        starts = [0, *accumulate(len(leaf) for leaf in self.leaves)]
        number = bisect_right(starts, place) - 1
        leaf = self.leaves[number]
        items, _ = give([(leaf, place - starts[number])])
        given = None if items is None else _native.Source.provided(items)
        _, calls = self.pipeline.draw(place, seed, occurrence, given)
        return leaf, leaf.plan.drawn_names(calls)


def compile_leaves(
    leaves: Sequence[Leaf],
    memory_format: torch.memory_format = torch.contiguous_format,
    row_indexes: _native.RowIndexes | None = None,
    memory: _native.BatchMemory | None = None,
    *,
    fast: bool = False,
    limits: Limits | None = None,
) -> Compiled:
    """Makes the native pipeline of some datasets, whose plans end in the same kind of tensor.

    Args:
        leaves: the datasets.
        memory_format: how images lie in a batch: `torch.contiguous_format` or `torch.channels_last`.
        row_indexes: memory for what is found out about JPEG files, to be used again by the next pipeline of these.
        memory: memory for batches, likewise.
        fast: whether JPEGs may be decoded at a fraction of their size, with other pixels.
        limits: what a sample may cost; `None` is what it is in this process. Pillow's own limits are those of now.
    """
    plans = [(leaf.source, leaf.labels.native, leaf.plan) for leaf in leaves]
    kept = row_indexes, memory
    pipeline = _pipeline(plans, leaves[0].one_hot, memory_format, *kept, fast=fast, limits=limits)
    return Compiled(tuple(leaves), pipeline)


def _pipeline(
    parts: Sequence[tuple[_native.Source, _native.Labels, Plan]],
    one_hot: OneHotLevels | None,
    memory_format: torch.memory_format,
    row_indexes: _native.RowIndexes | None = None,
    memory: _native.BatchMemory | None = None,
    *,
    fast: bool = False,
    limits: Limits | None = None,
) -> _native.Pipeline:
    table = parts[0][2].table
    code = dtype_code(table.dtype)
    assert code is not None, "no table has another dtype"
    limits, fallback_limits = limits_in_force(limits or get_limits(), pillow_limits())
    return _native.Pipeline(
        [_native.Dataset(source, labels, [(plan.native_ops(), plan.table.values)]) for source, labels, plan in parts],
        table.channels,
        [code],
        channels_last=memory_format == torch.channels_last,
        cheaper_first=CHEAPER_PASS_FIRST,
        one_hot=one_hot,
        limits=limits,
        fallback=PillowDecoder(),
        fallback_limits=fallback_limits,
        row_indexes=row_indexes,
        memory=memory,
        fast=fast,
    )


def compile_plan(
    source: _native.Source,
    labels: Sequence[int],
    plan: Plan,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> _native.Pipeline:
    """Makes the native pipeline of one plan."""
    return _pipeline([(source, _native.Labels(labels), plan)], None, memory_format)


def array_source(array: np.ndarray[Any, Any]) -> _native.Source:
    """Wraps decoded images, uint8 of shape (N, H, W, C) with C 1 or 3.

    The array's memory is used, not copied, unless it has a negative stride.

    Raises:
        TypeError: another dtype.
        ValueError: another shape.
    """
    if array.dtype != np.uint8:
        raise TypeError(f"images in memory must be uint8, not {array.dtype}")
    if min(array.strides, default=0) < 0:
        array = array.copy()
    return _native.Source.array(lend_array(array))


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
    pipeline = compile_plan(array_source(pixels), [0], plan, torch.channels_last)
    epoch = _native.Epoch(pipeline, fresh_seed() if plan.is_random else 0, 0)
    epoch.submit([0])
    images, _ = to_tensors(epoch.next())
    made = to_image((*images.shape[2:], images.shape[1]), images.permute(0, 2, 3, 1).numpy().tobytes())
    if hands_metadata_on(transform, image.size):
        made.info = image.info.copy()
    return made


def to_tensors(fields: Sequence[_native.Tensor] | None) -> list[Tensor]:
    """Takes over the memory of a finished batch: the views of its images, and its targets."""
    assert fields is not None, "without a timeout there is always a batch"
    # The capsules themselves: else torch first asks each for its device and its versions.
    return [from_dlpack(field.__dlpack__()) for field in fields]
