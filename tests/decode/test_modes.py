"""The native decoders make Pillow's colour modes: RGB, gray, and the numbers of a palette's colours."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from pictures import encode, native, picture, pngs
from torchfeed import DecodeError, _native

pytestmark = pytest.mark.pixels

FILES = native()


def opened(data: bytes, mode: str) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert(mode)


def decoded(data: bytes, mode: str) -> tuple[Any, ...]:
    (height, width, channels), pixels = _native.decode_image(data, mode)
    assert len(pixels) == height * width * channels
    return (width, height), channels, pixels


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_colours_and_gray_are_pillow_s(name: str, mode: str, channels: int) -> None:
    expected = opened(FILES[name], mode)
    assert decoded(FILES[name], mode) == (expected.size, channels, expected.tobytes())


@pytest.mark.parametrize("name", FILES)
def test_gray_is_what_torchvision_makes_of_the_colours(name: str) -> None:
    assert decoded(FILES[name], "L")[2] == opened(FILES[name], "RGB").convert("L").tobytes()


@pytest.mark.parametrize("name", pngs())
def test_numbers_of_a_palette_s_colours_are_pillow_s(name: str) -> None:
    with Image.open(io.BytesIO(FILES[name])) as image:
        if image.mode == "P":
            assert decoded(FILES[name], "P") == (image.size, 1, image.tobytes())
        else:
            with pytest.raises(ValueError, match="offers"):
                decoded(FILES[name], "P")


def test_formats_have_names() -> None:
    names = _native.native_formats()
    assert names[:2] == ["JPEG", "PNG"]
    with pytest.raises(DecodeError, match=f"neither a {' nor a '.join(names)}, and no fallback"):
        decoded(encode(picture(3, 3), "GIF"), "RGB")
    with pytest.raises(DecodeError, match="the file is empty"):
        decoded(b"", "RGB")
    with pytest.raises(ValueError, match="RGB, L or P, got HSV"):
        decoded(encode(picture(3, 3), "PNG"), "HSV")
