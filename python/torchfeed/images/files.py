"""Lazy images of files, one class for each format."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin

from torchfeed import _native
from torchfeed.util.pillow import CHEAPER_PASS_FIRST

from .lazy import Lazy, stands_for
from .pixels import FilePixels, MemoryPixels, Pixels
from .wanted import not_lazily, wanted

__all__ = ["made_lazy"]

_PLAIN_MODES = {"RGB": 3, "L": 1}
"""And the number of components that a JPEG of the mode has."""


class _LazyFile(Lazy):
    """An image that is in a file: what it shows is found out when Pillow would decode it."""

    def load(self) -> Any:
        """Reads the file, and closes it, as Pillow does. If anything about it is odd, Pillow decodes it now."""
        if self._torchfeed_pixels is None and vars(self).get("_im") is None:
            found = self._read()
            if found is None:
                self._become_pillows(None)
                return self.load()
            self._torchfeed_pixels = found
        return super().load()

    def _read(self) -> Pixels | None:
        """Takes the file's bytes, and does what Pillow does once it has the pixels; `None` if Pillow is to do it."""
        image: Any = self
        if not image.tile or image.fp is None:
            return None
        try:
            image.fp.seek(0)
            found = self._pixels_of(image.fp.read())
            if found is not None:
                self._end()
        except Exception:  # noqa: BLE001  (Pillow meets with the same, and says so)
            found = None
        if found is None:
            return None
        image.tile, image.readonly = [], 0
        if image._exclusive_fp and image._close_exclusive_fp_after_loading:  # noqa: SLF001  (Pillow's own names)
            image.fp.close()
        image.fp = None
        return found

    def _pixels_of(self, data: bytes) -> Pixels | None:
        """The pixels of a file; `None` if it is to be decoded by Pillow."""
        raise NotImplementedError

    def _put_off(self, data: bytes, scale: int = 1) -> Pixels | None:
        """Puts off decoding a file, if it is sound, or decodes it now; `None` if it is another one than Pillow read."""
        file = _native.ImageFile(data, self.mode, scale, CHEAPER_PASS_FIRST)
        if file.size[::-1] != self.size:
            return None
        is_late = not file.can_wait
        if is_late and not wanted.late:
            return Pixels(MemoryPixels(file.pixels(())[1], self.mode, self.size), (), self.mode, self.size)
        image: Any = self
        kept = image.tile, image.decoderconfig, image.mode, image.size

        def again(file: io.BytesIO) -> Image.Image:
            with not_lazily():
                opened: Any = Image.open(file)
            opened.tile, opened.decoderconfig, opened._mode, opened._size = kept  # noqa: SLF001
            return opened  # type: ignore[no-any-return]

        return Pixels(FilePixels(file, again, is_late=is_late), (), self.mode, self.size)

    def _end(self) -> None:
        """Does what Pillow does with the file behind the pixels."""


class LazyJpeg(_LazyFile, JpegImagePlugin.JpegImageFile):
    """A JPEG. Of a file that has its end, and whose header is plain, no part is decoded before it is needed."""

    def _pixels_of(self, data: bytes) -> Pixels | None:
        scale = self.decoderconfig[0] if self.decoderconfig else 1
        (_, _, _, arguments), *others = self.tile
        if others or arguments != (self.mode, "") or self.layers != _PLAIN_MODES.get(self.mode):
            return None  # a draft of another mode
        return self._put_off(data, scale)


class LazyPng(_LazyFile, PngImagePlugin.PngImageFile):
    """A PNG, which is decoded when Pillow would decode it: only then is it known to be sound."""

    def _pixels_of(self, data: bytes) -> Pixels | None:
        return self._put_off(data)

    def _end(self) -> None:
        # Behind the first chunk of pixels, as if Pillow had read them: it passes over the other chunks of them.
        image: Any = self
        (_, _, offset, _), *_ = self.tile
        image.fp.seek(offset)
        image._PngImageFile__idat = image._PngImageFile__prepare_idat  # noqa: SLF001
        self.load_end()


stands_for(JpegImagePlugin.JpegImageFile, LazyJpeg)
stands_for(PngImagePlugin.PngImageFile, LazyPng)


def _methods() -> list[Any]:
    """The methods that lazy images stand for."""
    image, file = vars(Image.Image), vars(ImageFile.ImageFile)
    classes = JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile
    own = [vars(cls).get(name) for cls in classes for name in _LOADS]
    return [*map(image.get, _NOTED), *map(file.get, _LOADS), *own]


_LOADS = ("load", "load_prepare", "load_read", "load_end")
_NOTED = ("convert", "copy", "crop", "load", "resize", "rotate", "tobytes", "transpose")
_PILLOWS = _methods()


def made_lazy(image: Image.Image) -> Image.Image:
    """Makes an image lazy that Pillow has just opened, if it is one of those that can be.

    It is not where somebody has put another function in the place of a method of Pillow's.
    """
    if _methods() != _PILLOWS:
        return image
    if type(image) is JpegImagePlugin.JpegImageFile:
        if image.mode in _PLAIN_MODES:
            _swap(image, LazyJpeg)
    elif type(image) is PngImagePlugin.PngImageFile and not image.is_animated and _is_plain_png(image):
        _swap(image, LazyPng)
    return image


def _is_plain_png(image: Any) -> bool:
    (decoder, _, _, arguments), *others = image.tile or [(None,) * 4]
    return decoder == "zip" and not others and arguments in {"RGB", "L", "P"} and arguments == image.mode


def _swap(image: Any, cls: type[_LazyFile]) -> None:
    state = vars(image)
    if state.get("im", state.get("_im")) is not None:
        return  # pixels are there already
    state.pop("im", None)  # Pillow 10's place for them
    state["_im"] = None
    with suppress(TypeError):  # another layout of objects
        image.__class__ = cls
