"""Recognition of target transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchfeed.batch.one_hot import one_hot_levels

from .common import Unrecognized, describe
from .known_classes import changed, class_name

__all__ = ["OneHotLevels", "recognize_target"]

OneHotLevels = tuple[int, bytes, bytes, tuple[int, int]]


def recognize_target(target_transform: Callable[[Any], Any] | None) -> OneHotLevels | None:
    """Compiles a target transform: `None` for class indices, or the levels of one-hot rows.

    Raises:
        Unrecognized: any other function than `torchfeed.transforms.OneHot`.
    """
    if target_transform is None:
        return None
    if class_name(target_transform) != "OneHot":
        remedy = changed(target_transform) or "use torchfeed.transforms.OneHot, or apply it to the batch"
        raise Unrecognized(f"the target_transform {describe(target_transform)} runs in Python: {remedy}")
    one_hot: Any = target_transform
    return one_hot_levels(one_hot.num_classes, one_hot.smoothing, one_hot.dtype)
