"""The decode stage: what the native decoders leave to Pillow."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import Any

from PIL import Image, UnidentifiedImageError

from torchfeed.errors import DecodeError

__all__ = ["PillowDecoder", "image_info", "refusal"]


class PillowDecoder:
    """Decodes whatever Pillow opens; called from the engine's threads.

    Its verdict on broken files is the specification: `torchvision.datasets.folder.pil_loader` does the same. Limits are
    held against `size`, and a JPEG's scans counted, before `decode` is called. Of many frames, the first is decoded.
    """

    def size(self, data: bytes) -> tuple[int, int]:
        """Reads the (height, width) in the image's header."""
        with _open(data) as image:
            return image.height, image.width

    def decode(self, data: bytes) -> tuple[int, int, bytes]:
        """Decodes to RGB: height, width and the pixels."""
        with _open(data) as image:
            rgb = image if image.mode == "RGB" else image.convert("RGB")  # which would be a copy
            rgb.load()
        return rgb.height, rgb.width, rgb.tobytes()


class TooManyPixelsError(DecodeError, Image.DecompressionBombError):
    """Pillow refuses an image of so many pixels."""


class ManyPixelsError(DecodeError, Image.DecompressionBombWarning):
    """Pillow warns of an image of so many pixels, and a filter makes its warning an error."""


class RemarkError(DecodeError, UserWarning):
    """Pillow warns of a file, and a filter makes its warning an error."""


def refusal(message: str, cause: Exception) -> DecodeError:
    """Makes a `DecodeError` of what Pillow raised. If that is about pixels, or a warning, it can be caught as that."""
    kinds = (TooManyPixelsError, ManyPixelsError, RemarkError)
    kind = next((kind for kind in kinds if isinstance(cause, kind.__bases__[1])), DecodeError)
    error = kind(message)
    error.__cause__ = cause
    return error


def image_info(file: bytes, *, is_path: bool) -> dict[Any, Any]:
    """Reads the metadata that an image has after ``convert("RGB")``, such as its EXIF data.

    Of an RGB or gray JPEG the header is enough: converting it changes nothing in its `info`. Other formats keep some
    of it behind the pixels, and lose some by converting. Where the image was let through that Pillow finds too large,
    there is none.
    """
    with (
        suppress(Image.DecompressionBombError, Image.DecompressionBombWarning),
        Image.open(os.fsdecode(file) if is_path else io.BytesIO(file)) as image,
    ):
        if image.format == "JPEG" and image.mode in {"RGB", "L"}:
            return dict(image.info)
        return dict(image.convert("RGB").info)
    return {}


def _open(data: bytes) -> Image.Image:
    if not data:
        raise UnidentifiedImageError("the file is empty")
    # Pillow loads most formats when it finds that it needs one. While another thread does, it can take a format for one
    # that it has tried; so all are there first, those that it tries first in the first places.
    Image.preinit()
    Image.init()
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        # Pillow's own message names a BytesIO.
        raise UnidentifiedImageError(f"not an image: {len(data)} bytes that begin with {data[:16]!r}") from None
