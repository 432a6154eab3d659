"""`explain`: which stage of a loader runs where, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.data import default_collate as torch_default_collate

from ._native import native_formats
from .batch import default_collate
from .device import Delivery, DeviceLoader
from .epoch.internals import Internals, internals
from .loader import DataLoader
from .plan.resolve import Gathered, Native, Split, Torch, Way, resolve, why_no_table
from .recognize import Plan, class_name, describe
from .recognize.leaf import Leaf
from .recognize.nest import Stack
from .recognize.transform import ERASING
from .traced.leaf import TracedLeaf
from .util.default_device import CPU, default_device, workers_default_device

__all__ = ["explain"]


def explain(loader: Any) -> str:
    """Describes how a loader makes its batches, stage by stage, and what keeps it from being native.

    Args:
        loader: a `torchfeed.DataLoader`, or what `torchfeed.to_device` returned.

    Returns:
        Some lines of text. The first begins with ``native``, ``native in part`` or ``torch's own path``.

    Raises:
        TypeError: another object.

    Example:
        >>> print(explain(loader))
        native, 2 threads
        source     ImageFolder, 500 samples
        decode     JPEG and PNG natively, other formats by Pillow
        transform  RandomResizedCrop, RandomHorizontalFlip, then a table of [ToTensor(), Normalize(...)]
        batch      torch.float32, shape (64, 3, 224, 224)
        device     cpu
    """
    inner = loader.loader if isinstance(loader, DeviceLoader) else loader
    if not isinstance(inner, DataLoader):
        raise TypeError(f"explain() takes a torchfeed.DataLoader, not {type(inner).__name__}")
    own = internals(inner)
    delivery: Delivery | None = None
    if isinstance(loader, DeviceLoader):
        delivery = loader.delivery
    elif own.options.device is not None:
        delivery = Delivery(torch.device(own.options.device))
    way = resolve(inner.dataset, own.settings(inner, None if delivery is None else delivery.destination))
    processes = f"{inner.num_workers} processes" if inner.num_workers else "the caller's process"
    threads = f"{inner.num_workers} threads" if inner.num_workers else "the caller's thread"
    if isinstance(way, Torch):
        return "\n".join([f"torch's own path, {processes}", *_images(own), *_rows("because", [way.why])])
    device = f"device     {_device(inner, delivery, way)}"
    if isinstance(way, Gathered):
        sources = [f"TensorDataset, {len(columns)} samples" for columns in way.tree.leaves]
        return "\n".join(["native, the caller's thread", *_rows("source", sources), "batch      rows gathered", device])
    leaves = way.tree.leaves
    lines = [f"native in part, {processes}" if isinstance(way, Split) else f"native, {threads}"]
    lines += _rows("source", [f"{type(leaf.dataset).__name__}, {len(leaf)} samples" for leaf in leaves])
    lines += _rows("traced", [str(leaf) for leaf in leaves if isinstance(leaf, TracedLeaf)])
    decodes = any(leaf.source.is_encoded for leaf in leaves)
    lines += _rows("decode", [_decode(own) if decodes else "nothing to decode"])
    lines += _rows("transform", [_transform(leaf) for leaf in leaves])
    lines += _rows("note", [note for leaf in leaves for note in leaf.plan.notes])
    if isinstance(way, Split):
        lines += _rows("Python", [_python(leaf, inner) for leaf in leaves])
        lines += _images(own)
        lines += _rows("because", [way.why])
    else:
        lines += _rows("batch", [_batch(inner, way, view) for view in range(len(leaves[0].plan.views))])
        if type(leaves[0].plan.nest) is Stack:
            lines[-1] += f", {len(leaves[0].plan.views)} of them stacked"
    return "\n".join([*lines, device])


def _batch(loader: DataLoader[Any], way: Native, view: int) -> str:
    size, table = way.compiled.pipeline.output_size(view), way.tree.leaves[0].plan.views[view].table
    shape = (loader.batch_size or "N", table.channels, *(size or ("H", "W")))
    return f"{table.dtype}, shape ({', '.join(map(str, shape))})"


def _indexed(own: Internals) -> str:
    indexes = own.memory.row_indexes
    images, size = indexes.in_use() if indexes else (0, 0)
    return f"; rows of {images} JPEGs indexed, in {size / 2**20:.1f} MiB" if images else ""


def _device(loader: DataLoader[Any], delivery: Delivery | None, way: Way) -> str:

    if delivery is None:
        return f"cpu{', pinned' if loader.pin_memory else ''}{_elsewhere(loader, way)}"
    said, wanted = str(delivery), delivery.destination
    if loader.pin_memory or (wanted.pinned and (loader.num_workers or not isinstance(way, Split))):
        said += ", pinned"
    if isinstance(way, Native) and way.left is not None:
        said += ", pixels copied as uint8 and looked up in the table there"
    elif wanted.table:
        said += f"; error: device_normalize=True, but {why_no_table(way)}"
    return said


def _elsewhere(loader: DataLoader[Any], way: Way) -> str:

    device = workers_default_device(loader) if loader.num_workers else default_device()
    if device == CPU or isinstance(way, Gathered):
        return ""
    if isinstance(way, Native) and way.tree.leaves[0].one_hot is not None:
        return ""
    return f"; what torch makes of numbers, such as class indices, on {device}, the default device"


def _rows(stage: str, texts: Sequence[str]) -> list[str]:
    """Writes one line for each different text about a stage."""
    return [f"{stage:10} {text}" for text in dict.fromkeys(texts)]


def _decode(own: Internals) -> str:
    *others, last = native_formats()
    natively = f"{', '.join(others)} and {last} natively, other formats by Pillow"
    fast = "; fast: JPEGs at 1/2, 1/4 or 1/8 of their size, where a resize shrinks them as much"
    return f"{natively}{fast if own.options.decodes_fast else ''}{_indexed(own)}"


def _images(own: Internals) -> list[str]:
    text = "those that Python opens by PIL.Image.open are lazy: decoded natively, once pixels are needed"
    return _rows("images", [text] if own.options.opens_lazily else [])


def _transform(leaf: Leaf) -> str:
    if leaf.plan.several:
        return "; ".join(f"view {number}: {_chain(view)}" for number, view in enumerate(leaf.plan.views))
    return _chain(leaf.plan)


def _chain(plan: Plan) -> str:
    geometry = ", ".join(name for name in plan.names if name != ERASING) or "nothing"
    if plan.kind is Image.Image:
        return f"{geometry}, then a PIL image"
    erasing = "".join(f", then {name}" for name in plan.names if name == ERASING)
    return f"{geometry}, then a table of [{', '.join(plan.values)}]{erasing}"


def _python(leaf: Leaf, loader: DataLoader[Any]) -> str:

    steps: list[Any] = [leaf.joint] if leaf.joint else list(leaf.plan.rest)
    if leaf.target_transform is not None and leaf.joint is None:
        steps.append(leaf.target_transform)
    names = [type(step).__name__ if class_name(step) else describe(step) for step in steps]
    if all(loader.collate_fn is not known for known in (default_collate, torch_default_collate)):
        names.append(describe(loader.collate_fn))
    return ", ".join(names) or describe(loader.collate_fn)
