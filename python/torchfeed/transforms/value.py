"""Transforms of values: from 8-bit pixels to tensors. In a compiled pipeline they become one table per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["ConvertImageDtype", "Normalize", "PILToTensor", "ToDtype", "ToTensor"]


def _pil_to_tensor(img: Image.Image) -> Tensor:
    """Makes a (C, H, W) tensor of an image's values."""
    array = np.array(img, copy=True)
    if array.ndim == 2:
        array = array[:, :, None]
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


class ToTensor:
    """Makes a float32 tensor (C, H, W) in [0, 1] of an 8-bit PIL image or uint8 array (H, W, C).

    As `torchvision.transforms.ToTensor`: other images and arrays keep their values.

    Raises:
        TypeError: not an image, nor an array.
        ValueError: an array of other than 2 or 3 dimensions.
    """

    def __call__(self, pic: Image.Image | np.ndarray[Any, Any]) -> Tensor:
        """Applies the transform to one image."""
        if isinstance(pic, np.ndarray):
            if pic.ndim not in {2, 3}:
                raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
            tensor = torch.from_numpy(np.atleast_3d(pic).transpose(2, 0, 1).copy())
        elif isinstance(pic, Image.Image):
            tensor = _pil_to_tensor(pic)
            if tensor.dtype == torch.bool:
                tensor = tensor.to(torch.uint8) * 255
            elif tensor.dtype == torch.uint16:
                tensor = tensor.view(torch.int16)  # as torchvision has it: large values come out negative
        else:
            raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
        if tensor.dtype == torch.uint8:
            return tensor.to(torch.get_default_dtype()).div(255)
        return tensor

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """Makes a tensor (C, H, W) of a PIL image without changing its values; `torchvision.transforms.PILToTensor`.

    Raises:
        TypeError: not a PIL image.
    """

    def __call__(self, pic: Image.Image) -> Tensor:
        """Applies the transform to one image."""
        if not isinstance(pic, Image.Image):
            raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
        return _pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ConvertImageDtype:
    """Converts a tensor image to a dtype and scales its values; `torchvision.transforms.ConvertImageDtype`.

    Args:
        dtype: the output's dtype. uint8 becomes floating point in [0, 1], by a division by 255.

    Raises:
        TypeError: a conversion other than uint8 or floating point to floating point.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype

    def __call__(self, image: Tensor) -> Tensor:
        """Applies the transform to one image."""
        if image.dtype == self.dtype:
            return image
        if not self.dtype.is_floating_point or not (image.is_floating_point() or image.dtype == torch.uint8):
            raise TypeError(f"cannot convert {image.dtype} to {self.dtype}")
        converted = image.to(self.dtype)
        return converted if image.is_floating_point() else converted / 255.0

    def __repr__(self) -> str:
        return f"ConvertImageDtype(dtype={self.dtype})"


class ToDtype:
    """Converts a tensor to a dtype, scaling its values if asked to; `torchvision.transforms.v2.ToDtype`.

    Args:
        dtype: the output's dtype.
        scale: bring uint8 values to [0, 1], by a multiplication with 1 / 255 (which is not always the same bits as the
            division of `ConvertImageDtype`).

    Raises:
        TypeError: a scaled conversion other than uint8 or floating point to floating point.
    """

    def __init__(self, dtype: torch.dtype, scale: bool = False) -> None:
        self.dtype = dtype
        self.scale = scale

    def __call__(self, image: Tensor) -> Tensor:
        """Applies the transform to one image."""
        if image.dtype == self.dtype:
            return image
        if not self.scale or (image.is_floating_point() and self.dtype.is_floating_point):
            return image.to(self.dtype)
        if not self.dtype.is_floating_point or image.dtype != torch.uint8:
            raise TypeError(f"cannot convert {image.dtype} to {self.dtype} with scale=True")
        return image.to(self.dtype).mul_(1.0 / 255)

    def __repr__(self) -> str:
        return f"ToDtype(dtype={self.dtype}, scale={self.scale})"


class Normalize:
    """Subtracts a mean and divides by a standard deviation, channel by channel; `torchvision.transforms.Normalize`.

    Args:
        mean: one value per channel.
        std: one value per channel, none of them zero.
        inplace: change the tensor itself.

    Raises:
        TypeError: a tensor that is not floating point.
        ValueError: a zero in `std`, or fewer than 3 dimensions.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: Tensor) -> Tensor:
        """Applies the transform to one image."""
        if not tensor.is_floating_point():
            raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
        if tensor.ndim < 3:
            raise ValueError(
                f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
            )
        mean, std = (torch.as_tensor(x, dtype=tensor.dtype, device=tensor.device) for x in (self.mean, self.std))
        if (std == 0).any():
            raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
        mean, std = (x.view(-1, 1, 1) if x.ndim == 1 else x for x in (mean, std))
        return (tensor if self.inplace else tensor.clone()).sub_(mean).div_(std)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
