"""What runs where, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .device import Delivery
    from .internals import Internals
    from .loader import DataLoader
    from .plan.resolve import Resolved
    from .recognize.leaf import Leaf

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
    from .device import DeviceLoader  # noqa: PLC0415
    from .internals import internals  # noqa: PLC0415
    from .loader import DataLoader  # noqa: PLC0415
    from .plan.compile import compile_leaves  # noqa: PLC0415  (this module is loaded with the package, those need not be)
    from .plan.resolve import Gathered, Split, find_way  # noqa: PLC0415
    from .recognize import Unrecognized  # noqa: PLC0415

    inner = loader.loader if isinstance(loader, DeviceLoader) else loader
    if not isinstance(inner, DataLoader):
        raise TypeError(f"explain() takes a torchfeed.DataLoader, not {type(inner).__name__}")
    processes = f"{inner.num_workers} processes" if inner.num_workers else "the caller's process"
    threads = f"{inner.num_workers} threads" if inner.num_workers else "the caller's thread"
    own = internals(inner)
    try:
        resolved = find_way(inner, own, delivered=isinstance(loader, DeviceLoader))
    except Unrecognized as why:
        return f"torch's own path, {processes}\nbecause    {why}"
    device = f"device     {_device(loader, own, resolved)}"
    if isinstance(resolved, Gathered):
        sources = [f"TensorDataset, {len(columns)} samples" for columns in resolved.tree.leaves]
        return "\n".join(["native, the caller's thread", *_rows("source", sources), "batch      rows gathered", device])
    leaves = resolved.tree.leaves
    lines = [f"native in part, {processes}" if isinstance(resolved, Split) else f"native, {threads}"]
    lines += _rows("source", [f"{type(leaf.dataset).__name__}, {len(leaf)} samples" for leaf in leaves])
    decodes = any(leaf.source.is_encoded for leaf in leaves)
    lines += _rows("decode", [_decode(own) if decodes else "nothing to decode"])
    lines += _rows("transform", [_transform(leaf) for leaf in leaves])
    lines += _rows("note", [note for leaf in leaves for note in leaf.plan.notes])
    if isinstance(resolved, Split):
        lines += _rows("Python", [_python(leaf, inner) for leaf in leaves])
        lines += _rows("because", [resolved.why])
    else:
        size, table = compile_leaves(leaves).pipeline.output_size(), leaves[0].plan.table
        shape = (inner.batch_size or "N", table.channels, *(size or ("H", "W")))
        lines += _rows("batch", [f"{table.dtype}, shape ({', '.join(map(str, shape))})"])
    return "\n".join([*lines, device])


def _indexed(own: Internals) -> str:
    images, size = own.row_indexes.in_use() if own.row_indexes else (0, 0)
    return f"; rows of {images} JPEGs indexed, in {size / 2**20:.1f} MiB" if images else ""


def _device(loader: Any, own: Internals, resolved: Resolved) -> str:
    from .device import DeviceLoader  # noqa: PLC0415
    from .plan.resolve import Split  # noqa: PLC0415

    inner: Any = loader.loader if isinstance(loader, DeviceLoader) else loader
    delivery: Delivery | None = loader.delivery if isinstance(loader, DeviceLoader) else own.delivery
    if delivery is None:
        return f"cpu{', pinned' if inner.pin_memory else ''}{_elsewhere(inner, resolved)}"
    said = str(delivery)
    if inner.pin_memory or (delivery.wants_pinned() and (inner.num_workers or not isinstance(resolved, Split))):
        said += ", pinned"
    try:
        if delivery.leaves_table(resolved):
            said += ", pixels copied as uint8 and looked up in the table there"
    except TypeError as why:
        said += f"; error: {why}"
    return said


def _elsewhere(loader: DataLoader[Any], resolved: Resolved) -> str:
    from .plan.resolve import Gathered, Split  # noqa: PLC0415
    from .util.default_device import CPU, default_device, workers_default_device  # noqa: PLC0415

    device = workers_default_device(loader) if loader.num_workers else default_device()
    if device == CPU or isinstance(resolved, Gathered):
        return ""
    if not isinstance(resolved, Split) and resolved.tree.leaves[0].one_hot is not None:
        return ""
    return f"; what torch makes of numbers, such as class indices, on {device}, the default device"


def _rows(stage: str, texts: Sequence[str]) -> list[str]:
    """Lays out what is said of a stage; what is true of all datasets, once."""
    return [f"{stage:10} {text}" for text in dict.fromkeys(texts)]


def _decode(own: Internals) -> str:
    from ._native import native_formats  # noqa: PLC0415

    *others, last = native_formats()
    natively = f"{', '.join(others)} and {last} natively, other formats by Pillow"
    fast = "; fast: JPEGs at 1/2, 1/4 or 1/8 of their size, where a resize shrinks them as much"
    return f"{natively}{fast if own.settings.decodes_fast else ''}{_indexed(own)}"


def _transform(leaf: Leaf) -> str:
    from PIL import Image  # noqa: PLC0415

    geometry = ", ".join(leaf.plan.names) or "nothing"
    if leaf.plan.kind is Image.Image:
        return f"{geometry}, then a PIL image"
    return f"{geometry}, then a table of [{', '.join(leaf.plan.values)}]"


def _python(leaf: Leaf, loader: DataLoader[Any]) -> str:
    from torch.utils.data import default_collate as torch_default_collate  # noqa: PLC0415

    from .batch.collate import default_collate  # noqa: PLC0415
    from .recognize import class_name, describe  # noqa: PLC0415

    steps: list[Any] = [leaf.joint] if leaf.joint else list(leaf.plan.rest)
    if leaf.target_transform is not None and leaf.joint is None:
        steps.append(leaf.target_transform)
    names = [type(step).__name__ if class_name(step) else describe(step) for step in steps]
    if all(loader.collate_fn is not known for known in (default_collate, torch_default_collate)):
        names.append(describe(loader.collate_fn))
    return ", ".join(names) or describe(loader.collate_fn)
