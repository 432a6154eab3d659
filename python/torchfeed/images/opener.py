"""Where `PIL.Image.open` gives lazy images: in worker processes of ours, and on a thread while it makes a sample.

Pillow looks up what opens a format in a table, `PIL.Image.OPEN`. There, for as long as it is wanted, stand functions
that call Pillow's own, and make the image lazy. So it does not matter by what name code has got hold of
`PIL.Image.open`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from torchfeed.util.locks import Turns

from . import tensors
from .files import made_lazy
from .wanted import wanted

__all__ = ["lazily", "lazy_in_this_process", "open_image", "pillows_opener"]

_FORMATS = "JPEG", "PNG"


class _Table:
    """What of Pillow's table is exchanged while somebody wants lazy images. Each batch that Python makes does that."""

    def __init__(self) -> None:
        self.everywhere = False
        self.users = 0
        self._turns = Turns()
        self._exchanged: list[tuple[str, tuple[Any, Any], tuple[Any, Any]]] = []
        """Formats, what Pillow has for them, and what is there in its place."""

    def enter(self) -> None:
        with self._turns:
            self.users += 1
            if self.users == 1:
                known = [Image.OPEN.get(name) is pillows for name, pillows, _ in self._exchanged]
                if not known or not all(known):
                    Image.preinit()
                    held = [(name, Image.OPEN[name]) for name in _FORMATS if name in Image.OPEN]
                    self._exchanged = [(name, pillows, (_Lazily(pillows[0]), pillows[1])) for name, pillows in held]
                for name, _, ours in self._exchanged:
                    Image.OPEN[name] = ours
                tensors.install()

    def leave(self) -> None:
        with self._turns:
            self.users -= 1
            if self.users == 0:
                tensors.take_away()
                for name, pillows, ours in self._exchanged:
                    if Image.OPEN.get(name) is ours:
                        Image.OPEN[name] = pillows


class _Lazily:
    """Opens a file by a function of Pillow's, and makes the image lazy if the thread wants it."""

    def __init__(self, factory: Callable[..., Any]) -> None:
        self.factory = factory

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        image = self.factory(*arguments, **keywords)
        here = wanted.here
        if _table.everywhere if here is None else here:
            return made_lazy(image)
        return image


_table = _Table()


def pillows_opener(opener: Any) -> Any:
    """The function of Pillow's table that `opener` stands for: itself, but where images are lazy."""
    return opener.factory if isinstance(opener, _Lazily) else opener


class lazily:  # noqa: N801  (a context manager, for each batch)
    """Makes images lazy that are opened on this thread meanwhile."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before, wanted.here = wanted.here, True
        _table.enter()

    def __exit__(self, *_: object) -> None:
        _table.leave()
        wanted.here = self._before


def lazy_in_this_process() -> None:
    """Makes all images lazy that are opened from now on in this process, a worker."""
    if not _table.everywhere:
        _table.everywhere = True
        _table.enter()


def open_image(file: Any, formats: Any = None) -> Image.Image:
    """Opens an image as `PIL.Image.open` does, and decodes it natively, when pixels are needed, and only those.

    What it returns is what `PIL.Image.open` returns. Crops, resizes, flips, quarter turns and conversions between RGB
    and gray are put off; arrays, drawing, saving and whatever else needs pixels gets the same ones as from Pillow.

    Args:
        file: a path, or a binary file.
        formats: the formats to try, as in `PIL.Image.open`.

    Raises:
        OSError: it cannot be read, or is no image; as in `PIL.Image.open`.

    Example:
        >>> with torchfeed.open_image("photo.jpg") as image:
        ...     pixels = np.asarray(image.crop((0, 0, 224, 224)))
    """
    with lazily():
        return Image.open(file, formats=formats)
