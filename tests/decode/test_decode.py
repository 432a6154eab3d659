"""The decode stage: pixels are Pillow's, whole or in part, and so is the verdict on broken files."""

from __future__ import annotations

import io
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oracle import F, functional, same
from pictures import chunk, encode, files, header, in_memory, jpegs, picture, pixels, png, pngs, rgb
from torchfeed import DecodeError, _native, datasets, get_max_pixels, set_max_pixels
from torchfeed import transforms as T

pytestmark = pytest.mark.pixels

FILES = files()


def blobs(*data: bytes, transform: Any = None) -> Any:
    """Makes a dataset of image files in memory."""
    return datasets.NativeDataset(_native.Source.blobs(data), [0] * len(data), transform, None)


@pytest.mark.parametrize("name", FILES)
def test_whole_images_are_pillow_s(name: str) -> None:
    expected = rgb(FILES[name])
    image = blobs(FILES[name]).image(0)
    assert (image.mode, image.size) == ("RGB", expected.size)
    assert image.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", FILES)
def test_any_part_of_an_image_has_the_same_pixels(name: str) -> None:
    expected = rgb(FILES[name])
    size = (max(1, expected.height // 3), max(1, expected.width // 2))
    dataset = blobs(FILES[name], transform=T.Compose([T.RandomCrop(size), T.PILToTensor()]))
    for dataset.seed in range(12):
        ((_, drawn),) = dataset.draw(0, seed=dataset.seed)
        box = [drawn[key] for key in ("top", "left", "height", "width")]
        same(dataset[0][0], F.pil_to_tensor(F.crop(expected, *box)), box)


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    quality=st.integers(1, 100),
    subsampling=st.integers(0, 2),
    progressive=st.booleans(),
    crop=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_part_of_any_jpeg(
    size: tuple[int, int], quality: int, subsampling: int, progressive: bool, crop: tuple[float, ...]
) -> None:
    data = encode(picture(*size), "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
    top, left = (int(at * (edge - 1)) for at, edge in zip(crop[:2], size, strict=True))
    height, width = (
        1 + int(at * (edge - start - 1)) for at, edge, start in zip(crop[2:], size, (top, left), strict=True)
    )
    # A negative padding is a crop at a known place.
    cut = T.Pad([-left, -top, left + width - size[1], top + height - size[0]])
    made = blobs(data, transform=T.Compose([cut, T.PILToTensor()]))[0][0]
    same(made, F.pil_to_tensor(F.crop(rgb(data), top, left, height, width)))


def test_the_content_names_the_format(mixed: Path) -> None:
    dataset = datasets.ImageFolder(mixed)
    assert len(dataset) == len(FILES)
    for index, data in enumerate(FILES.values()):
        image, _ = dataset[index]
        assert image.tobytes() == rgb(data).tobytes()


def test_exif_orientation_is_ignored_as_torchvision_s_loader_does() -> None:
    assert blobs(FILES["exif orientation"]).image(0).size == (53, 37)


def test_nothing_is_left_of_the_image_before() -> None:
    """One thread decodes all kinds one after the other, good and broken ones."""
    names = [*FILES, *reversed(FILES)]
    dataset = blobs(*(FILES[name] for name in names), transform=T.Compose([T.CenterCrop(20), T.PILToTensor()]))
    images = [image for image, _ in dataset.__getitems__(range(len(names)))]
    for name, image in zip(names, images, strict=True):
        same(image, F.pil_to_tensor(F.center_crop(rgb(FILES[name]), [20])), name)


def verdict(data: bytes) -> bytes | None:
    """Says what Pillow makes of a file; `None` for an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return rgb(data).tobytes()
        except Exception:  # noqa: BLE001  (Pillow has many)
            return None


def assert_same_verdict(data: bytes, context: str) -> None:
    expected = verdict(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made: bytes | None = blobs(data).image(0).tobytes()
        except DecodeError as error:
            made, message = None, str(error)
        else:
            message = "sample 0"
    assert "sample 0" in message
    assert (made is None) == (expected is None), f"{context}: only one of us and Pillow decodes it: {message}"
    assert made == expected, f"{context}: other pixels"


SAMPLE_OF_KINDS = [
    *("q75 s2 37x53", "progressive", "restart rows", "gray", "cmyk"),
    *("mode RGB", "mode P", "type 0, 16 bits, interlaced True", "type 6, 8 bits, interlaced False"),
    *("webp", "bmp"),
]


@pytest.mark.parametrize("name", SAMPLE_OF_KINDS)
def test_truncated_files_have_pillow_s_verdict(name: str) -> None:
    data = FILES[name]
    ends = {0, 1, 3, 8, 20, 33, len(data) - 1, len(data) - 2, len(data) - 3, len(data) - 5, len(data) - 12}
    ends |= {len(data) * part // 9 for part in range(1, 9)}
    for end in sorted(ends):
        assert_same_verdict(data[:end], f"{name}, {end} of {len(data)} bytes")


@pytest.mark.parametrize("name", SAMPLE_OF_KINDS)
def test_damaged_files_have_pillow_s_verdict(name: str) -> None:
    chance = random.Random(name)
    for number in range(60):
        data = bytearray(FILES[name])
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        assert_same_verdict(bytes(data), f"{name}, damage {number}")


@pytest.mark.parametrize("name", ["q75 s2 37x53", "mode RGB"])
def test_bytes_after_the_end_do_not_matter(name: str) -> None:
    assert_same_verdict(FILES[name] + b"\0" * 100, name)
    assert_same_verdict(FILES[name] + FILES[name], name)


def test_damage_outside_the_part_is_damage() -> None:
    """A broken file is broken whatever crop was drawn, so that no result depends on luck."""
    data = FILES["mode RGB"]
    broken = data[: len(data) // 2]
    dataset = blobs(broken, transform=T.Compose([T.Pad([0, 0, -50, -36]), T.ToTensor()]))
    with pytest.raises(DecodeError):
        dataset[0]


def test_pixel_limit_comes_before_the_memory() -> None:
    huge = b"\x89PNG\r\n\x1a\n" + header(60_000, 60_000, 8, 2) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(DecodeError, match=r"60000 x 60000.*limit of 178956970 pixels.*sample 0"):
        blobs(huge).image(0)


def test_pixel_limit_can_be_set() -> None:
    assert get_max_pixels() == 2 * (Image.MAX_IMAGE_PIXELS or 0)
    transform = T.PILToTensor()
    dataset = blobs(FILES["q75 s2 37x53"], FILES["mode RGB"], FILES["bmp"], transform=transform)
    try:
        set_max_pixels(21 * 34)
        for index in (0, 1):
            with pytest.raises(DecodeError, match="53 x 37 pixels"):
                dataset[index]
        assert dataset[2][0].shape == (3, 21, 34)
        set_max_pixels(37 * 53)
        assert blobs(FILES["q75 s2 37x53"], transform=transform)[0][0].shape == (3, 37, 53)
    finally:
        set_max_pixels(178_956_970)
    with pytest.raises(ValueError, match="at least 1"):
        set_max_pixels(0)


def test_other_formats_decode_in_threads_too() -> None:
    from torchfeed import DataLoader  # noqa: PLC0415

    data = [FILES[name] for name in ("webp", "gif", "tiff", "bmp")] * 8
    dataset = blobs(*data, transform=T.PILToTensor())
    (batch,) = [images for images, _ in DataLoader(dataset, batch_size=32, num_workers=2)]
    for image, file in zip(batch, data, strict=True):
        same(image, F.pil_to_tensor(rgb(file)))


def test_arrays_are_read_as_they_are() -> None:
    array = pixels(12, 10)[None]
    assert in_memory(array).image(0).tobytes() == array.tobytes()
    gray = pixels(12, 10, channels=1)[None]
    image = in_memory(gray).image(0)
    assert (image.mode, image.tobytes()) == ("L", gray.tobytes())


def test_corpus_is_what_it_says() -> None:
    """The names above are claims about files; these are checked."""
    with Image.open(io.BytesIO(jpegs()["cmyk"])) as image:
        assert image.mode == "CMYK"
    with Image.open(io.BytesIO(jpegs()["ycck"])) as image:
        assert (image.mode, image.info["adobe_transform"]) == ("CMYK", 2)
    with Image.open(io.BytesIO(jpegs()["progressive"])) as image:
        assert image.info["progressive"]
    with Image.open(io.BytesIO(png(19, 23, 16, 0, interlaced=True))) as image:
        assert (image.mode, image.info["interlace"]) == ("I;16", 1)
    assert not torch.equal(F.pil_to_tensor(rgb(jpegs()["cmyk"])), F.pil_to_tensor(rgb(jpegs()["ycck"])))
    assert len(pngs()) > 30


LARGE_FILES: dict[str, dict[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restart": {"restart_marker_rows": 1},
}
LARGE = picture(860, 1010)  # more than fits a second-level cache: resized while it is decoded


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("name", LARGE_FILES)
def test_large_images_are_resized_as_they_are_decoded(name: str, mode: str) -> None:
    data = encode(LARGE.convert(mode), "JPEG", **({} if mode == "L" and name == "4:2:0" else LARGE_FILES[name]))
    for size in ((224, 224), (859, 100), (900, 1200), (100, 1010)):
        resized = blobs(data, transform=T.Compose([T.Resize(size), T.RandomHorizontalFlip(1), T.PILToTensor()]))
        same(resized[0][0], F.pil_to_tensor(F.hflip(F.resize(rgb(data), size))), size)
    crop = T.Compose([T.RandomResizedCrop(64, scale=(0.9, 1)), T.CenterCrop(50), T.PILToTensor()])
    dataset = blobs(data, transform=crop)
    for dataset.seed in range(3):
        same(dataset[0][0], F.pil_to_tensor(functional(rgb(data), dataset.draw(0, seed=dataset.seed))))


def test_large_images_that_anything_is_wrong_with_are_pillow_s() -> None:
    """Strips of a file are thrown away once there is a warning, wherever in the file."""
    whole = encode(LARGE, "JPEG", quality=75)
    transform = T.Compose([T.Resize((64, 64)), T.PILToTensor()])
    damaged = []
    for at in range(700, len(whole), len(whole) // 25):
        damaged += [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :], whole[:at]]
    pillow_s = [_pixels(data) for data in damaged]
    assert {expected is None for expected in pillow_s} == {True, False}
    for data, expected in zip(damaged, pillow_s, strict=True):
        if expected is None:
            with pytest.raises(DecodeError):
                blobs(data, transform=transform)[0]
        else:
            same(blobs(data, transform=transform)[0][0], expected)


def _pixels(data: bytes) -> torch.Tensor | None:
    """What torchvision makes of a file; `None` where Pillow raises."""
    try:
        made: torch.Tensor = F.pil_to_tensor(F.resize(rgb(data), (64, 64)))
    except OSError:
        return None
    return made
