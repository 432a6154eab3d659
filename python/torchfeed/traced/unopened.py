"""Images that are not opened yet: what `PIL.Image.open` returns while samples are traced."""

from __future__ import annotations

import io
import os
from typing import Any

from PIL import Image

from torchfeed.images import open_image

__all__ = ["Given", "Unopened", "opened", "unopened"]

Given = tuple[str, bytes]
"""A file, as `_native.Source.provided` takes it: its path, or its bytes."""

_OWN = frozenset({"__class__", "__dict__", "__enter__", "__exit__", "convert", "copy", "_torchfeed_file"})


class Unopened(Image.Image):
    """An image that Pillow will open when anything is asked of it but to be converted to RGB, which is noted.

    Args:
        file: the file.
    """

    _torchfeed_file: _File

    def __init__(self, file: _File) -> None:  # not Pillow's: there is nothing yet
        object.__setattr__(self, "_torchfeed_file", file)

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN:
            return object.__getattribute__(self, name)
        return getattr(opened(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(opened(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(opened(self), name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *arguments: object) -> None:
        self._torchfeed_file.closed = True

    def convert(self, *arguments: Any, **keywords: Any) -> Any:
        """Notes a conversion to RGB; others need the image."""
        file = self._torchfeed_file
        mode = arguments[0] if len(arguments) == 1 and not keywords else keywords.get("mode") if not arguments else None
        if mode != "RGB" or len(keywords) > 1 or file.closed:
            return opened(self).convert(*arguments, **keywords)
        return Unopened(_File(file.given, file.file, is_rgb=True))

    def copy(self) -> Any:
        """A copy of what is not there yet is the same."""
        file = self._torchfeed_file
        return opened(self).copy() if file.closed else Unopened(_File(file.given, file.file, is_rgb=file.is_rgb))

    def __eq__(self, other: object) -> bool:
        return bool(opened(self) == other)

    __hash__ = Image.Image.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return opened(self).__reduce_ex__(protocol)


class _File:
    """The file of an image that is not opened: as threads take it, and as Pillow does, its path or its bytes."""

    __slots__ = ("closed", "file", "given", "is_rgb")

    def __init__(self, given: Given, file: Any, *, is_rgb: bool = False) -> None:
        self.given, self.file, self.is_rgb = given, file, is_rgb
        self.closed = False


def unopened(file: Any) -> Unopened | None:
    """Makes an image of a file, without opening it, if it is there; `None` if Pillow is to say what it makes of it."""
    if isinstance(file, (str, os.PathLike)):
        path = os.fspath(file)
        if type(path) is str and os.path.isfile(path):
            return Unopened(_File(("path", os.fsencode(path)), path))
    elif type(file) is io.BufferedReader and not file.closed:
        return _of_open_file(file)
    elif type(file) is io.BytesIO and not file.closed:
        data = file.getvalue()
        return Unopened(_File(("bytes", data), data))
    return None


def _of_open_file(file: io.BufferedReader) -> Unopened | None:
    """Makes an image of a file that is open for reading: threads read it by its name, if that is still the file's."""
    name = getattr(file, "name", None)
    try:
        if type(name) is str and os.path.samestat(os.fstat(file.fileno()), os.stat(name)):  # noqa: PTH116
            return Unopened(_File(("path", os.fsencode(name)), name))
    except (OSError, ValueError):
        pass
    return None


def opened(image: Any) -> Any:
    """Opens an image that was not, and makes it what Pillow makes of its file; returns it."""
    if type(image) is not Unopened:
        return image
    file = image._torchfeed_file  # noqa: SLF001
    made: Any = open_image(io.BytesIO(file.file) if type(file.file) is bytes else file.file)
    if file.is_rgb:
        made = made.convert("RGB")
    elif file.closed:
        made.__exit__(None, None, None)
    state = object.__getattribute__(image, "__dict__")
    state.clear()
    state.update(vars(made))
    object.__setattr__(image, "__class__", type(made))
    return image
