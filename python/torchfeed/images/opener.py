"""Where `PIL.Image.open` gives lazy images: in worker processes of ours, and on a thread while it makes a sample.

Pillow looks up what opens a format in a table, `PIL.Image.OPEN`. There, for as long as it is wanted, stand functions
that call Pillow's own, and make the image lazy. So it does not matter by what name code has got hold of
`PIL.Image.open`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from torchfeed.util.locks import Turns

from . import tensors
from .files import made_lazy
from .wanted import wanted

__all__ = ["lazily", "lazy_in_this_process", "open_image", "pillows_opener"]

_FORMATS = "JPEG", "PNG"


_turns = Turns()


class _Table:
    """What of Pillow's table was exchanged."""

    def __init__(self) -> None:
        self.everywhere = False
        self.users = 0
        self._pillows: dict[str, tuple[Any, Any]] = {}
        self._take_away: Callable[[], None] | None = None

    def enter(self) -> None:
        with _turns:
            self.users += 1
            if self.users == 1:
                Image.preinit()
                for name in _FORMATS:
                    if name in Image.OPEN:
                        pillows = self._pillows[name] = Image.OPEN[name]
                        Image.OPEN[name] = _Lazily(pillows[0]), pillows[1]
                self._take_away = tensors.install()

    def leave(self) -> None:
        with _turns:
            self.users -= 1
            if self.users == 0:
                if self._take_away is not None:
                    self._take_away()
                for name, pillows in self._pillows.items():
                    held = Image.OPEN.get(name)
                    if held is not None and pillows_opener(held[0]) is pillows[0]:
                        Image.OPEN[name] = pillows
                self._pillows.clear()


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


@contextmanager
def lazily() -> Iterator[None]:
    """Makes images lazy that are opened on this thread meanwhile."""
    before, wanted.here = wanted.here, True
    _table.enter()
    try:
        yield
    finally:
        _table.leave()
        wanted.here = before


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
