"""Images that are not opened yet: what `PIL.Image.open` returns while samples are traced."""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

from torchfeed.images import Lazy, file_of, open_image

from .window import note_use, window

__all__ = ["Given", "Undone", "Unopened", "opened", "undone", "unopened"]

Given = tuple[str, bytes]
"""A file, as `_native.Source.provided` takes it: its path, or its bytes."""


class Undone:
    """An image of a file that is not decoded, and transforms that are to be called with it one after the other."""

    __slots__ = ("_image", "_mode", "given", "steps")

    def __init__(self, given: Given, image: Callable[[], Any], mode: str, steps: tuple[Any, ...] = ()) -> None:
        self.given, self._image, self._mode, self.steps = given, image, mode, steps

    @property
    def chain(self) -> tuple[Any, ...] | None:
        """The transforms that make the same of the image in RGB; `None` if there is no such chain.

        Pillow's gray of an image is that of its colours: of a gray or a transparent one, and one of a palette, too.
        """
        if self._mode == "RGB":
            return self.steps
        gray = _gray_step()
        return None if gray is None else (gray, *self.steps)

    def then(self, step: Any) -> Undone:
        """The same with one more transform."""
        return Undone(self.given, self._image, self._mode, (*self.steps, step))

    def image(self) -> Any:
        """An image that stands for what the transforms make, where that is one."""
        return Unopened(_File(self.given, self._image, self._mode, self.steps))

    def done(self) -> Any:
        """Calls the transforms."""
        with window(is_open=False):
            value = self._image()
            for step in self.steps:
                value = step(value)
        return value


_OWN = frozenset({"__class__", "__dict__", "__enter__", "__exit__", "convert", "copy", "_torchfeed_file"})


_gray_steps: dict[type, Any] = {}


def _gray_step() -> Any:
    """A transform that makes an image gray, if somebody has loaded one."""
    cls: Any = getattr(sys.modules.get("torchvision.transforms"), "Grayscale", None)
    if cls is not None and cls not in _gray_steps:
        _gray_steps[cls] = cls(1)
    return _gray_steps.get(cls)


class Unopened(Image.Image):
    """An image that is opened when anything is asked of it but to be converted to RGB or to gray, which is noted.

    Args:
        file: what there is in its place.
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
        if type(self) is Unopened:
            self._torchfeed_file.closed = True
        else:  # it was opened in between, and Python has looked this method up at the beginning
            self.__exit__(*arguments)

    def convert(self, *arguments: Any, **keywords: Any) -> Any:
        """Notes a conversion to RGB, or to gray; others need the image."""
        file = self._torchfeed_file
        mode = next((mode for mode, calls in _NOTED.items() if (arguments, keywords) in calls), None)
        if mode is not None and not file.closed:
            if mode == file.mode or not file.mode:
                return Unopened(_File(file.given, file.image, mode, file.steps))
            if mode == "L" and not file.steps:
                return Unopened(_File(file.given, file.opened, mode))
        return opened(self).convert(*arguments, **keywords)

    def copy(self) -> Any:
        """A copy of what is not there yet is the same."""
        file = self._torchfeed_file
        if file.closed:
            return opened(self).copy()
        return Unopened(_File(file.given, file.image, file.mode, file.steps))

    def __eq__(self, other: object) -> bool:
        return bool(opened(self) == other)

    __hash__ = Image.Image.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return opened(self).__reduce_ex__(protocol)


_NOTED = {mode: [((mode,), {}), ((), {"mode": mode})] for mode in ("RGB", "L")}


class _File:
    """The file of an image that is not opened.

    Args:
        given: the file, as threads take it.
        image: gives Pillow's image.
        mode: ``"RGB"`` or ``"L"``, to which that is to be converted; empty if it is not.
        steps: the transforms that are to be called with it then.
    """

    __slots__ = ("closed", "given", "image", "mode", "steps")

    def __init__(self, given: Given, image: Callable[[], Any], mode: str = "", steps: tuple[Any, ...] = ()) -> None:
        self.given, self.image, self.mode, self.steps = given, image, mode, steps
        self.closed = False

    def opened(self) -> Any:
        """The image that all of this is."""
        with window(is_open=False):
            made = self.image()
            if self.mode:
                made = made.convert(self.mode)
            elif self.closed:
                made.__exit__(None, None, None)
            for step in self.steps:
                made = step(made)
        return made


def unopened(file: Any) -> Unopened | None:
    """Makes an image of a file, without opening it, if it is there; `None` if Pillow is to say what it makes of it."""
    if isinstance(file, (str, os.PathLike)):
        path = os.fspath(file)
        if type(path) is str:
            try:
                return _of_path(path, os.stat(path), path)  # noqa: PTH116  (for each sample)
            except (OSError, ValueError):
                return None
    elif type(file) is io.BytesIO and not file.closed:
        return _of_bytes(file.getvalue(), "")
    elif type(file) is io.BufferedReader and not file.closed:
        # Threads read the file by its name, if that is still this file's.
        name = getattr(file, "name", None)
        try:
            if type(name) is str:
                named = os.stat(name)  # noqa: PTH116
                return _of_path(name, named, "") if os.path.samestat(os.fstat(file.fileno()), named) else None
        except (OSError, ValueError):
            pass
    return None


RECENT = 60.0
"""Seconds in which a file that was changed may be a temporary one, which is gone or another one soon."""


def _of_path(path: str, found: os.stat_result, shown: str) -> Unopened | None:
    """An image of a file.

    Args:
        path: where it is.
        found: what the system says about it.
        shown: the image's `filename`.
    """
    if not stat.S_ISREG(found.st_mode):
        return None
    if max(found.st_ctime, found.st_mtime) > time.time() - RECENT:
        with open(path, "rb") as file:  # noqa: PTH123
            return _of_bytes(file.read(), shown)
    return Unopened(_File(("path", os.fsencode(path)), lambda: _named(open_image(path), shown)))


def _of_bytes(data: bytes, shown: str) -> Unopened:
    return Unopened(_File(("bytes", data), lambda: _named(open_image(io.BytesIO(data)), shown)))


def _named(image: Any, name: str) -> Any:
    image.filename = name
    return image


def opened(image: Any) -> Any:
    """Opens an image that was not, and makes it what Pillow makes of its file; returns it."""
    if type(image) is not Unopened:
        return image
    note_use()
    made = image._torchfeed_file.opened()  # noqa: SLF001
    state = object.__getattribute__(image, "__dict__")
    state.clear()
    state.update(vars(made))
    object.__setattr__(image, "__class__", type(made))
    return image


def undone(value: Any) -> Undone | None:
    """What is known of an image of a file, which has its colours, and of which no pixel was needed so far."""
    if type(value) is Unopened:
        file = value._torchfeed_file  # noqa: SLF001
        if file.mode and not file.closed:
            copy = _File(file.given, file.image, file.mode)
            return Undone(file.given, copy.opened, file.mode, file.steps)
        value = opened(value)
    if isinstance(value, Lazy) and value.mode in {"RGB", "L"}:
        mode, data = value.mode, file_of(value)
        if data is not None:
            copy = value.copy()
            return Undone(("bytes", data), lambda: copy, mode)
    return None
