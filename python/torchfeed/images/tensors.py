"""Tensors of lazy images: what torchvision's `to_tensor` makes, written by native code in one go."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

from torchfeed.util.understudy import Understudy

from .lazy import Lazy

__all__ = ["install", "take_away"]

_tables: dict[tuple[torch.dtype, int], bytes] = {}


def _table(dtype: torch.dtype, channels: int) -> bytes:
    """The values of all bytes, by the very operations of torchvision's `to_tensor`, for each channel."""
    if (dtype, channels) not in _tables:
        values = torch.arange(256, dtype=torch.uint8, device="cpu").to(dtype=dtype).div(255)
        _tables[dtype, channels] = values.numpy().tobytes() * channels
    return _tables[dtype, channels]


class _ToTensor(Understudy):
    """`torchvision.transforms.functional.to_tensor`: of a lazy image, natively."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Makes a tensor of an image."""
        if len(arguments) == 1 and not keywords and isinstance(arguments[0], Lazy):
            made = _made(arguments[0])
            if made is not None:
                return made
        return self.original(*arguments, **keywords)


def _made(image: Lazy) -> Tensor | None:
    """The tensor of a lazy image of one or three channels, shape (C, H, W); `None` where torchvision is to make it."""
    dtype = torch.get_default_dtype()
    pixels = image._pixels()  # noqa: SLF001
    if pixels is None or pixels.mode == "P" or dtype not in {torch.float32, torch.float64}:
        return None
    channels = len(pixels.mode)
    values = pixels.values(_table(dtype, channels), channels)
    if values is None:
        return None
    width, height = pixels.size
    made = torch.frombuffer(values, dtype=dtype)
    # With one channel, torchvision's has the strides of this.
    return made.view(3, height, width) if channels == 3 else made.view(height, width, 1).permute(2, 0, 1)


_understudies: dict[Any, _ToTensor] = {}
"""What stands for a function, kept for the next time."""


def install() -> None:
    """Puts it in the place of torchvision's function, where that is loaded."""
    home: Any = sys.modules.get("torchvision.transforms.functional")
    original = getattr(home, "to_tensor", None)
    if original is None or isinstance(original, Understudy):
        return
    if original not in _understudies:
        _understudies.clear()
        _understudies[original] = _ToTensor(original)
    home.to_tensor = _understudies[original]


def take_away() -> None:
    """Puts torchvision's function back."""
    home: Any = sys.modules.get("torchvision.transforms.functional")
    held = getattr(home, "to_tensor", None)
    if type(held) is _ToTensor:
        home.to_tensor = held.original
