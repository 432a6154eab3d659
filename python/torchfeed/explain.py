"""What runs where, and why."""

from __future__ import annotations

from typing import Any

from .loader import DataLoader
from .recognize import Unrecognized

__all__ = ["explain"]


def explain(loader: Any) -> str:
    """Describes how a loader makes its batches, stage by stage, and what keeps it from being native.

    Args:
        loader: a `torchfeed.DataLoader`, or what `torchfeed.to_device` returned.

    Returns:
        Some lines of text.

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
    device = getattr(loader, "device", "cpu")
    inner = getattr(loader, "loader", loader)
    if not isinstance(inner, DataLoader):
        raise TypeError(f"explain() takes a torchfeed.DataLoader, not {type(inner).__name__}")
    try:
        resolved = inner.resolve()
    except Unrecognized as why:
        workers = f"{inner.num_workers} processes" if inner.num_workers else "the caller's process"
        return f"torch's own path, {workers}\nbecause    {why}"
    plan, size = resolved.compiled.plan, resolved.compiled.pipeline.output_size()
    shape = (inner.batch_size or "N", plan.table.channels, *(size or ("H", "W")))
    threads = f"{inner.num_workers} threads" if inner.num_workers else "the caller's thread"
    geometry = ", ".join(plan.names) or "nothing"
    lines = [
        f"native, {threads}",
        f"source     {type(inner.dataset).__name__}, {len(inner.dataset)} samples",  # type: ignore[arg-type]
        "decode     JPEG and PNG natively, other formats by Pillow",
        f"transform  {geometry}, then a table of [{', '.join(plan.values)}]",
        f"batch      {plan.table.dtype}, shape ({', '.join(map(str, shape))})",
        f"device     {device}{', pinned' if inner.pin_memory else ''}",
    ]
    return "\n".join(lines)
