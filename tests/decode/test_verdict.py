"""Which files are accepted: those that Pillow accepts, whatever their metadata are like, with its pixels."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from PIL import ImageFile, PngImagePlugin

import odd_jpegs
import odd_pngs
from odd_jpegs import JPEG, RESOLUTION, UNIT, directory, inserted, resources, segment
from odd_pngs import PNGS, places
from pictures import chunk, encode, picture, rgb
from torchfeed import DecodeError, datasets
from torchfeed.decode.pillow import PillowDecoder


def outcome(make: Callable[[], Any]) -> bytes | None:
    """Says what the pixels are; `None` for an error."""
    try:
        made: bytes = make().tobytes()
    except Exception:  # noqa: BLE001  (Pillow has many)
        return None
    return made


def assert_same_verdicts(files: Iterable[tuple[str, bytes]], action: Any = "ignore") -> set[bool]:
    """Compares with Pillow what is made of files. Returns whether some were accepted and some refused."""
    named = list(files)
    dataset = datasets.ImageList([data for _, data in named], [0] * len(named))
    verdicts, wrong = set(), []
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        for index, (name, data) in enumerate(named):
            expected, made = outcome(partial(rgb, data)), outcome(partial(dataset.image, index))
            verdicts.add(expected is None)
            if made != expected:
                said = ["refused" if pixels is None else "accepted" for pixels in (expected, made)]
                wrong.append(f"{name}: {said[0]} by Pillow, {said[1]} here")
    assert not wrong, f"{len(wrong)} of {len(named)}:\n" + "\n".join(wrong[:40])
    return verdicts


@pytest.mark.parametrize("action", ["ignore", "error"])
def test_jpegs_of_odd_segments(action: str) -> None:
    assert assert_same_verdicts(odd_jpegs.files(), action) == {True, False}


def test_pngs_of_odd_chunks() -> None:
    assert assert_same_verdicts(odd_pngs.files()) == {True, False}


def test_what_ordinary_programs_write_is_decoded_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(_: PillowDecoder, data: bytes) -> Any:
        raise AssertionError(f"{len(data)} bytes were shown to Pillow")

    monkeypatch.setattr(PillowDecoder, "size", shown)
    monkeypatch.setattr(PillowDecoder, "decode", shown)
    bare, exif = odd_jpegs.without_jfif(JPEG), b"Exif\0\0" + directory([odd_jpegs.MAKE, RESOLUTION, UNIT])
    profile, end = b"ICC_PROFILE\0\1\1" + bytes(400), len(PNGS["RGB"]) - 12
    plain = [
        JPEG,
        inserted(bare, segment(0xE1, exif)),
        inserted(JPEG, segment(0xE1, exif), 20),
        inserted(JPEG, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), 20),
        inserted(JPEG, segment(0xE2, profile) + segment(0xEC, b"Ducky\0\1\0\4\0\0\0\0"), 20),
        inserted(JPEG, segment(0xED, b"Photoshop 3.0\0" + resources(16, 7, 0, 300)) + segment(0xFE, b"a comment"), 20),
        inserted(bare, segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")),
        inserted(JPEG, segment(0xE2, b"MPF\0" + dict(odd_jpegs.mpf())["plain"]), 20),
    ]
    icc, text = b"sRGB\0\0" + zlib.compress(bytes(range(256)) * 12), b"Software\0a program"
    extra = [
        *((b"gAMA", bytes(4)), (b"cHRM", bytes(32)), (b"sRGB", b"\0"), (b"pHYs", bytes(9)), (b"tIME", bytes(7))),
        *((b"iCCP", icc), (b"tEXt", text), (b"zTXt", b"k\0\0" + zlib.compress(bytes(4000))), (b"eXIf", exif[6:])),
        *(
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"),
            (b"bKGD", bytes(6)),
            (b"sBIT", b"\5\6\5"),
            (b"vpAg", bytes(9)),
        ),
    ]
    for name, data in PNGS.items():
        plain += [data, data + b"behind the end"]
        plain += [
            inserted(data, chunk(*each), places(data)[where])
            for each in extra
            for where in ("before", "after")
            if name == "RGB" or each[0] not in {b"bKGD", b"sBIT"}
        ]
    plain.append(inserted(PNGS["RGB"], chunk(b"tEXt", text) + chunk(b"tIME", bytes(7)), end))
    plain.append(encode(picture(40, 50), "PNG", dpi=(72, 72)))
    dataset = datasets.ImageList(plain, [0] * len(plain))
    for index, data in enumerate(plain):
        assert dataset.image(index).tobytes() == rgb(data).tobytes(), index


@pytest.mark.parametrize(("name", "most"), [("MAX_TEXT_CHUNK", 300), ("MAX_TEXT_MEMORY", 500), ("MAX_TEXT_CHUNK", 0)])
def test_limits_of_texts_are_those_of_now(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = PNGS["RGB"]
    files = []
    for size in (*range(most - 2, most + 3), 10 * most):
        for kind, before in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0"), (b"tEXt", b"k\0")):
            text = b"x" * max(size, 0)
            made = chunk(kind, before + (text if kind == b"tEXt" else zlib.compress(text)))
            files += [(f"{kind!r} of {size} {where}", inserted(data, made, at)) for where, at in places(data).items()]
            files.append((f"{kind!r} of {size} twice", inserted(data, made * 2, 33)))
    assert assert_same_verdicts(files) == {False}
    monkeypatch.setattr(PngImagePlugin, name, most)
    assert assert_same_verdicts(files) == ({True, False} if most else {False})
    monkeypatch.undo()
    assert assert_same_verdicts(files) == {False}


def test_truncated_files_may_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    files = [*odd_jpegs.files(), *odd_pngs.files()]
    assert assert_same_verdicts(files[::7]) == {True, False}


def test_an_error_names_what_pillow_said() -> None:
    bad = inserted(PNGS["RGB"], chunk(b"pHYs", b"abc"), places(PNGS["RGB"])["after"])
    with pytest.raises(DecodeError, match=r"Truncated pHYs.*sample 0") as caught:
        datasets.ImageList([bad], [0]).image(0)
    assert type(caught.value.__cause__) is ValueError
    odd = inserted(odd_jpegs.without_jfif(JPEG), segment(0xE1, b"Exif\0\0" + struct.pack("<2sHL", b"II", 42, 99)))
    dataset = datasets.ImageList([odd], [0])
    with pytest.warns(UserWarning, match="Corrupt EXIF data"):
        assert dataset.image(0).tobytes() == rgb(JPEG).tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="Corrupt EXIF data") as also:
            dataset.image(0)
    assert isinstance(also.value, DecodeError)
