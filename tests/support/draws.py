"""Drawing many samples, of images of one size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torchvision.transforms import PILToTensor

from pictures import in_memory
from torchfeed.plan.compile import compile_leaves
from torchfeed.transforms import Compose

__all__ = ["draws"]


def draws(
    transform: Any, size: tuple[int, int], count: int, seed: int = 7
) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Draws `count` times; each draw is a list of names of classes and parameters."""
    array = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (count, *size, 3))
    compiled = compile_leaves([in_memory(array, Compose([transform, PILToTensor()])).leaf()])
    return (compiled.draw(index, seed, 0)[1] for index in range(count))
