"""Lazy images: subclasses of Pillow's classes."""

from __future__ import annotations

from typing import Any, ClassVar

from PIL import Image

from .pixels import Pixels
from .recording import Recording

__all__ = ["Lazy", "LazyImage", "real", "stands_for"]


class Lazy(Image.Image):
    """What lazy images have in common: as long as nobody needs their pixels in Pillow, their `_im` is `None`.

    The moment that somebody does, the image becomes one of Pillow's: its class is then the one that it would have had
    without us.
    """

    _pillows: ClassVar[type[Image.Image]]
    """The class of Pillow's that this one stands for."""

    _torchfeed_pixels: Pixels | None = None
    """The pixels; `None` before the file is read."""

    def _pixels(self) -> Pixels | None:
        """The pixels, once the file is read; `None` where the image is one of Pillow's by now, or closed."""
        if vars(self).get("_im") is not None:
            return None
        if self._torchfeed_pixels is None:
            self.load()
        return vars(self).get("_torchfeed_pixels")

    def _become_pillows(self, core: Any) -> None:
        """Makes this image one of Pillow's, whose pixels are in `core`."""
        state = vars(self)
        state.pop("_torchfeed_pixels", None)
        state.pop("_im", None)
        self.__class__ = self._pillows  # type: ignore[assignment]
        self.im = core  # where this version of Pillow keeps it

    @property
    def im(self) -> Any:
        """The object that holds the pixels in Pillow."""
        return real(self).im

    @im.setter
    def im(self, core: Any) -> None:
        if core is None:
            vars(self)["_im"] = None
        else:
            self._become_pillows(core)

    # What Pillow's methods do to pixels is noted

    def load(self) -> Any:
        """Returns what pixels are read and written by."""
        return _Access(self)

    def _noted(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        if vars(self).get("_im") is None:
            unreadable: list[Exception] = []

            def read() -> Pixels | None:
                try:
                    return self._pixels()
                except Exception as error:
                    unreadable.append(error)  # Pillow says so once: if it is asked again, the image is black
                    raise

            try:
                noted = getattr(Image.Image, name)(Recording(self, read), *arguments, **keywords)
                if type(noted) is Recording:
                    return LazyImage(noted.pixels, noted.info)
            except Exception as error:
                if error in unreadable:
                    raise
                if vars(self).get("_torchfeed_pixels") is None and isinstance(self, Lazy):
                    self._become_pillows(None)
        return getattr(real(self), name)(*arguments, **keywords)

    # Their arguments are Pillow's.

    def convert(self, *arguments: Any, **keywords: Any) -> Any:
        """As Pillow's."""
        return self._noted("convert", *arguments, **keywords)

    def copy(self) -> Any:
        """As Pillow's."""
        return self._noted("copy")

    __copy__ = copy

    def crop(self, *arguments: Any, **keywords: Any) -> Any:
        """As Pillow's."""
        return self._noted("crop", *arguments, **keywords)

    def resize(self, *arguments: Any, **keywords: Any) -> Any:
        """As Pillow's."""
        return self._noted("resize", *arguments, **keywords)

    def rotate(self, *arguments: Any, **keywords: Any) -> Any:
        """As Pillow's."""
        return self._noted("rotate", *arguments, **keywords)

    def transpose(self, *arguments: Any, **keywords: Any) -> Any:
        """As Pillow's."""
        return self._noted("transpose", *arguments, **keywords)

    # What needs pixels alone

    def tobytes(self, *arguments: Any, **keywords: Any) -> bytes:
        """The pixels; arrays are made of them."""
        pixels = self._pixels()
        if pixels is not None and not keywords and arguments in {(), ("raw",)}:
            return pixels.made()
        return real(self).tobytes(*arguments, **keywords)

    # What asks for the class

    def __eq__(self, other: object) -> bool:
        return bool(real(self) == (real(other) if isinstance(other, Lazy) else other))

    __hash__ = Image.Image.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return real(self).__reduce_ex__(protocol)


def real(image: Image.Image) -> Image.Image:
    """Makes a lazy image one of Pillow's, with its pixels; returns it."""
    if isinstance(image, Lazy):
        pixels = image._pixels()  # noqa: SLF001
        if pixels is not None:
            image._become_pillows(_core(pixels))  # noqa: SLF001
            image.load()  # a palette is put into its place
        elif isinstance(image, Lazy):  # it is closed
            image._become_pillows(vars(image)["_im"])  # noqa: SLF001
    return image


def file_of(image: Lazy) -> bytes | None:
    """The bytes of the file that a lazy image is, as it is in there; `None` where pixels were made, or steps noted."""
    pixels = image._pixels()  # noqa: SLF001
    return None if pixels is None else pixels.file


def _core(pixels: Pixels) -> Any:
    return Image.frombytes(pixels.mode, pixels.size, pixels.made()).im


class _Access:
    """Stands for Pillow's access to single pixels, until one is asked for."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._access: Any = None

    def _real(self) -> Any:
        if self._access is None:
            self._access = real(self._image).load()
        return self._access

    def __getitem__(self, place: Any) -> Any:
        return self._real()[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        self._real()[place] = value


def stands_for(pillows: type[Image.Image], cls: type[Lazy]) -> None:
    """Makes a class stand for one of Pillow's; it has its name, too, which `repr` shows."""
    cls._pillows = pillows
    cls.__module__, cls.__name__, cls.__qualname__ = pillows.__module__, pillows.__name__, pillows.__qualname__


class LazyImage(Lazy, Image.Image):
    """An image that steps made of another, as Pillow's methods return it: of no format.

    Args:
        pixels: what it shows.
        info: its `info`.
    """

    def __init__(self, pixels: Pixels, info: dict[Any, Any]) -> None:
        super().__init__()
        self._torchfeed_pixels = pixels
        self._mode, self._size, self.info = pixels.mode, pixels.size, info


stands_for(Image.Image, LazyImage)
