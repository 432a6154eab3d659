"""A geometric transform called on one image, outside of any dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image

from torchfeed import _native
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source, to_image
from torchfeed.recognize import Unrecognized, recognize_geometry
from torchfeed.recognize.metadata import hands_metadata_on
from torchfeed.settings import Options
from torchfeed.util.dlpack import to_tensors
from torchfeed.util.random_state import fresh_seed

__all__ = ["apply_to_image"]


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
    pipeline = compile_plan(array_source(pixels), [0], plan, Options(memory_format=torch.channels_last))
    epoch = _native.Epoch(pipeline, fresh_seed() if plan.is_random else 0, 0)
    epoch.submit([0])
    images, _ = to_tensors(epoch.next())
    made = to_image((*images.shape[2:], images.shape[1]), images.permute(0, 2, 3, 1).numpy().tobytes())
    if hands_metadata_on(transform, image.size):
        made.info = image.info.copy()
    return made
