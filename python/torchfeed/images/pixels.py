"""Where the pixels of lazy images come from: an encoded file or pixels in memory, and the calls done to them."""

from __future__ import annotations

import builtins
import io
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from PIL import Image

from torchfeed import _native
from torchfeed.errors import DecodeError
from torchfeed.util.pillow import CHEAPER_PASS_FIRST

from .wanted import wanted

__all__ = ["Call", "FilePixels", "MemoryPixels", "Pixels", "Source"]

Call: TypeAlias = Mapping[str, Mapping[str, Any]]
"""A drawn call as data: the name of a function of torchvision's or Pillow's, and its arguments."""

_CHANNELS = {"RGB": 3, "L": 1, "P": 1}


class Source(Protocol):
    """Makes images of what it holds."""

    def made(self, calls: tuple[Call, ...]) -> bytes:
        """The pixels that the calls make, row by row, channels side by side."""


class MemoryPixels:
    """Pixels that are in memory.

    Args:
        pixels: of each row and pixel, a byte for each channel.
        mode: ``"RGB"``, ``"L"`` or ``"P"``.
        size: width and height.
    """

    def __init__(self, pixels: bytes, mode: str, size: tuple[int, int]) -> None:
        self._pixels = pixels
        self._shape = size[1], size[0], _CHANNELS[mode]

    def made(self, calls: tuple[Call, ...]) -> bytes:
        """The pixels that the calls make."""
        if not calls:
            return self._pixels
        return _native.apply_calls(self._pixels, self._shape, calls, CHEAPER_PASS_FIRST)[1]


class FilePixels:
    """The pixels of a file in memory.

    Args:
        file: the file, whose header was found to be plain.
        again: opens the file by Pillow, and returns the image as it was before its pixels were loaded.
        is_late: whether Pillow would have found out before that the file is damaged, if it is.
    """

    def __init__(self, file: _native.ImageFile, again: Callable[[io.BytesIO], Image.Image], *, is_late: bool) -> None:
        self._file, self._again, self._is_late = file, again, is_late

    @property
    def bytes(self) -> builtins.bytes:
        """The file."""
        return self._file.bytes

    def values(self, calls: tuple[Call, ...], table: builtins.bytes, channels: int) -> bytearray | None:
        """The values of a table for these pixels; `None` of a file that is damaged."""
        try:
            return self._file.values(calls, table, channels)[1]
        except (DecodeError, RuntimeError):
            return None

    def made(self, calls: tuple[Call, ...]) -> builtins.bytes:
        """The pixels that the calls make. Of a file that is damaged, those that Pillow finds in it.

        Raises:
            OSError: Pillow refuses the file, in its own words.
        """
        try:
            return self._file.pixels(calls)[1]
        except (DecodeError, RuntimeError):
            pass
        image = self._again(io.BytesIO(self._file.bytes))
        try:
            pixels = image.tobytes()
        except OSError:
            wanted.failed = wanted.failed or self._is_late
            raise
        return MemoryPixels(pixels, image.mode, image.size).made(calls)


class Pixels:
    """The pixels of one lazy image, which are not made yet. Images that are copies of each other share them.

    Args:
        source: what they are made of.
        calls: the steps that make them.
        mode: ``"RGB"``, ``"L"`` or ``"P"``.
        size: width and height.
    """

    __slots__ = ("_calls", "_made", "_source", "_uses", "mode", "size")

    def __init__(self, source: Source, calls: tuple[Call, ...], mode: str, size: tuple[int, int]) -> None:
        self._source, self._calls, self.mode, self.size = source, calls, mode, size
        self._made: bytes | None = None
        self._uses = 0

    @property
    def file(self) -> bytes | None:
        """The file that these are the pixels of; `None` where they are made by steps, or made already."""
        return self._source.bytes if isinstance(self._source, FilePixels) and not self._calls else None

    def made(self) -> bytes:
        """Makes the pixels, once."""
        if self._made is None:
            self._made = self._source.made(self._calls)
            self._source, self._calls = MemoryPixels(self._made, self.mode, self.size), ()
        return self._made

    def values(self, table: bytes, channels: int) -> bytearray | None:
        """The values that a table gives for the pixels, channel by channel; `None` where these are there already."""
        source = self._source
        return source.values(self._calls, table, channels) if isinstance(source, FilePixels) else None

    def then(self, mode: str, size: tuple[int, int], *calls: Call) -> Pixels:
        """The pixels of the image that calls make of this one.

        Where a second image is made of one that is made by steps itself, these steps are done now, for both.
        """
        if not calls:
            return self
        self._uses += 1
        if self._uses > 1 and self._calls:
            self.made()
        return Pixels(self._source, (*self._calls, *calls), mode, size)
