"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Compose"]


class Compose:
    """Applies transforms one after the other; `torchvision.transforms.Compose`.

    Args:
        transforms: functions of one argument; the result of each is the argument of the next.

    Example:
        >>> Compose([Resize(256), CenterCrop(224), ToTensor()])(image).shape
        torch.Size([3, 224, 224])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        """Applies the transforms."""
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = [f"    {transform}" for transform in self.transforms]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])
