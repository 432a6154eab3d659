"""Transforms of colours, on PIL images."""

from __future__ import annotations

from .base import NativeTransform

__all__ = ["RandomInvert"]


class RandomInvert(NativeTransform):
    """Inverts the colours of an image with probability `p`; `torchvision.transforms.RandomInvert`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p
