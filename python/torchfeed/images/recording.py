"""What Pillow's own methods are called on while an image is lazy: a stand-in that notes what they do to the pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from .pixels import Call, Pixels

__all__ = ["Recording", "Unrecorded"]


class Unrecorded(Exception):  # noqa: N818  (no error: a reason to go another way)
    """A step that cannot be noted; the pixels are made, and Pillow does it."""


_HFLIP: Call = {"hflip": {}}
_VFLIP: Call = {"vflip": {}}


def _turned(angle: float) -> Call:
    return {"rotate": {"angle": angle, "interpolation": 0, "expand": True, "center": None, "fill": [0, 0, 0]}}


# What each of Pillow's transpositions is, and whether it changes the edges' places.
_TRANSPOSITIONS: dict[int, tuple[tuple[Call, ...], bool]] = {
    Image.Transpose.FLIP_LEFT_RIGHT: ((_HFLIP,), False),
    Image.Transpose.FLIP_TOP_BOTTOM: ((_VFLIP,), False),
    Image.Transpose.ROTATE_180: ((_HFLIP, _VFLIP), False),
    Image.Transpose.ROTATE_90: ((_turned(90.0),), True),
    Image.Transpose.ROTATE_270: ((_turned(270.0),), True),
    Image.Transpose.TRANSPOSE: ((_turned(90.0), _VFLIP), True),
    Image.Transpose.TRANSVERSE: ((_turned(90.0), _HFLIP), True),
}

_CONVERSIONS: dict[tuple[str, str], Call] = {
    ("RGB", "L"): {"rgb_to_grayscale": {"num_output_channels": 1}},
    ("L", "RGB"): {"grayscale_to_rgb": {}},
}

_FILTERS = frozenset(range(6))  # nearest, Lanczos, bilinear, bicubic, box, Hamming


class _Core:
    """A stand-in for the object that holds an image's pixels, `PIL.Image.core.ImagingCore`.

    It has the methods of that object which are noted, with its arguments. What they are not given by Pillow's own
    methods in the usual way is not noted.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels, self.mode, self.size = pixels, pixels.mode, pixels.size

    def __getattr__(self, name: str) -> Any:
        raise Unrecorded(name)

    def _then(self, mode: str, size: tuple[int, int], *calls: Call) -> _Core:
        return _Core(self.pixels.then(mode, size, *calls))

    def copy(self) -> _Core:
        return self

    def crop(self, box: tuple[int, int, int, int]) -> _Core:
        left, top, right, bottom = box
        (width, height), (columns, rows) = self.size, (right - left, bottom - top)
        if columns <= 0 or rows <= 0:
            raise Unrecorded("an image without pixels")
        # What is outside is black.
        outside = [max(0, -left), max(0, -top), max(0, right - width), max(0, bottom - height)]
        if max(outside) > max(columns, rows):
            raise Unrecorded("a crop that is far away")
        call = {"padding": outside, "fill": [0, 0, 0], "padding_mode": "constant"}
        place = {"top": top + outside[1], "left": left + outside[0], "height": rows, "width": columns}
        return self._then(self.mode, (columns, rows), {"crop": call | place})

    def resize(self, size: Any, resample: int, box: tuple[float, float, float, float]) -> _Core:
        (width, height), edges = size, self.size
        plain = type(width) is int and type(height) is int and width > 0 and height > 0 and tuple(box) == (0, 0, *edges)
        if not plain or resample not in _FILTERS or self.mode == "P":
            raise Unrecorded("a resize of a part, or by a filter of its own")
        return self._then(
            self.mode, (width, height), {"resize": {"size": [height, width], "interpolation": int(resample)}}
        )

    def transpose(self, method: int) -> _Core:
        if method not in _TRANSPOSITIONS or self.mode == "P":
            raise Unrecorded("transpose")
        calls, turned = _TRANSPOSITIONS[method]
        return self._then(self.mode, self.size[::-1] if turned else self.size, *calls)

    def convert(self, mode: str, *_: Any) -> _Core:
        call = _CONVERSIONS.get((self.mode, mode))
        if call is None:
            raise Unrecorded(f"{self.mode} to {mode}")
        return self._then(mode, self.size, call)


class Recording(Image.Image):
    """A stand-in for a lazy image, for Pillow's own methods: these check their arguments, and call what is noted.

    What they return as a new image is again a stand-in: `pixels` is what was noted.

    Args:
        image: the lazy image, or what has its `mode`, `size` and `info`; a new image gets a copy of the last.
        read: gives its pixels, when Pillow would load them; `None` where there are none to be noted.
    """

    im: Any  # a property of Pillow's

    def __init__(self, image: Any, read: Callable[[], Pixels | None]) -> None:
        super().__init__()
        self._mode, self._size, self.info = image.mode, image.size, image.info
        self._read: Callable[[], Pixels | None] | None = read

    @property
    def pixels(self) -> Pixels:
        """What was noted."""
        self.load()
        pixels: Pixels = self.im.pixels
        return pixels

    def load(self) -> Any:
        """Reads the file."""
        if self._read is not None:
            pixels = self._read()
            if pixels is None or pixels.mode == "P":
                raise Unrecorded("pixels")
            self._read, self.im = None, _Core(pixels)

    def _new(self, im: Any) -> Recording:
        if type(im) is not _Core:
            raise Unrecorded("pixels")
        # As Pillow's `_new` copies it, whatever its version.
        shown = super()._new(im)  # type: ignore[arg-type]
        return Recording(shown, lambda: im.pixels)
