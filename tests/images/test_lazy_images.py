"""Lazy images are Pillow's in all that can be seen of them: pixels, errors, warnings, files, copies."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageEnhance, ImageFile, ImageFilter, ImageOps, JpegImagePlugin
from PIL.PngImagePlugin import PngInfo

import odd_jpegs
import odd_pngs
from oracle import F
from pictures import encode, picture
from torchfeed import DataLoader, open_image
from torchfeed.images import Lazy, lazily

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:PIL")

Open = Callable[[Any], Any]


def _rotated(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encode(picture(37, 53), "JPEG", exif=exif)


def _texts() -> PngInfo:
    info = PngInfo()
    info.add_text("before", "of the pixels")
    info.add_text("after", "them", zip=True)
    return info


def _palette(**options: Any) -> bytes:
    return encode(picture(20, 30).quantize(40), "PNG", **options)


RGB = picture(37, 53)
FILES: dict[str, bytes] = {
    **{f"subsampling {kind}": encode(RGB, "JPEG", subsampling=kind) for kind in range(3)},
    **{f"orientation {turn}": _rotated(turn) for turn in range(1, 9)},
    "progressive": encode(RGB, "JPEG", progressive=True),
    "optimized": encode(RGB, "JPEG", optimize=True, dpi=(300, 300), comment=b"text", icc_profile=b"profile" * 9),
    "restarts": encode(RGB, "JPEG", restart_marker_blocks=2),
    "gray JPEG": encode(RGB.convert("L"), "JPEG"),
    "CMYK": encode(RGB.convert("CMYK"), "JPEG"),
    "one pixel": encode(picture(1, 1), "JPEG"),
    "large": encode(picture(300, 200), "JPEG"),
    "truncated": encode(picture(300, 200), "JPEG")[:9000],
    "cut in its header": encode(RGB, "JPEG")[:200],
    "more behind": encode(RGB, "JPEG") + bytes(1000),
    "MPO": encode(RGB, "MPO", save_all=True, append_images=[picture(9, 9)]),
    **{f"PNG {mode}": encode(RGB.convert(mode), "PNG") for mode in ("RGB", "L", "LA", "RGBA", "1")},
    "16 bits": encode(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 99), "PNG"),
    "palette": _palette(),
    "palette, transparent": _palette(transparency=3),
    "palette, alphas": _palette(transparency=bytes(range(0, 200, 5))),
    "few colours": encode(RGB.quantize(4), "PNG"),
    "RGB, transparent": encode(RGB, "PNG", transparency=(1, 2, 3)),
    "gray, transparent": encode(RGB.convert("L"), "PNG", transparency=7),
    "texts": encode(RGB, "PNG", pnginfo=_texts(), dpi=(72, 72)),
    "animated": encode(RGB, "PNG", save_all=True, append_images=[picture(37, 53, seed=1)]),
    "truncated PNG": encode(picture(100, 100), "PNG")[:9000],
    "GIF": encode(RGB, "GIF"),
    "BMP": encode(RGB, "BMP"),
    "empty": b"",
    "text": b"no image at all",
}


def seen(value: Any) -> Any:
    """What can be seen of a value."""
    if isinstance(value, Image.Image):
        array = np.asarray(value)
        about = value.mode, value.size, value.format, repr(value).split(" at ")[0], sorted(map(str, value.info.items()))
        return (*about, array.tobytes(), array.flags.writeable, value.getpalette())
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes(), value.flags.writeable, value.flags.owndata
    if isinstance(value, (list, tuple)):
        return type(value), [seen(each) for each in value]
    return value


def outcome(run: Callable[[], Any]) -> Any:
    """What comes of a function: what it returns, or raises, and the warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = seen(run())
        except Exception as error:  # noqa: BLE001  (each is an outcome)
            found = type(error), str(error).split(" at 0x")[0]
    return found, [(each.category, str(each.message)) for each in warned if each.category is not ResourceWarning]


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def pasted(image: Image.Image) -> Any:
    image.paste((1, 2, 3) if image.mode == "RGB" else 9, (2, 3, 9, 8))
    other = image.copy()
    image.putpixel((0, 0), image.getpixel((1, 1)))  # type: ignore[arg-type]
    ImageDraw.Draw(image).line((0, 0, 9, 9))
    return image, other


def accessed(image: Image.Image) -> Any:
    access: Any = image.load()
    before = access[0, 0]
    access[1, 0] = before
    return before, image, image.load() is None


def in_turn(image: Image.Image) -> Any:
    first = image.copy()
    half = image.resize((20, 10))
    parts = [half.crop((at, 0, at + 10, 10)) for at in (0, 5, 10)]
    image.paste(0, (0, 0, 5, 5))
    return first, half, parts, image


def thumbnail(image: Image.Image, *arguments: Any) -> Image.Image:
    image.thumbnail(*arguments)
    return image


def drafted(image: Image.Image, mode: Any, size: Any) -> Any:
    return image.draft(mode, size), image.size, image.mode, image, image.draft(mode, size)


def closed(image: Image.Image) -> Any:
    image.load()
    image.close()
    return image.tobytes()


def verified(image: Image.Image) -> Any:
    image.verify()
    return image.load()


SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "array": np.asarray,
    "own array": np.array,
    "bytes": lambda image: image.tobytes(),
    "packed": lambda image: image.tobytes("raw", image.mode),
    "load": lambda image: (image.load() is None, image.tile, getattr(image, "fp", None), image.readonly, image),
    "twice": lambda image: (image.load() is None, image.load() is None, image, image),
    "converted": lambda image: [image.convert(mode) for mode in ("RGB", "L", "RGBA", "1", "CMYK", "F", None)],
    "converted in turn": lambda image: image.convert("L").convert("RGB").convert("L"),
    "by a matrix": lambda image: image.convert("RGB", (1, 0, 0, 9, 0, 0.5, 0, 0, 0, 0, 1, 0)),
    "quantized": lambda image: image.convert("P", palette=Image.Palette.ADAPTIVE, colors=9),
    "crops": lambda image: [image.crop(box) for box in ((1, 2, 9, 9), (-4, -3, 20, 90), (0.5, 1.5, 7.5, 8), None)],
    "wrong crops": lambda image: image.crop((9, 9, 3, 3)),
    "empty crop": lambda image: image.crop((3, 3, 3, 9)).size,
    "far crop": lambda image: image.crop((500, 500, 510, 520)),
    "resizes": lambda image: [image.resize((17, 23), number) for number in range(6)],
    "resized to itself": lambda image: image.resize(image.size),
    "resized by a list": lambda image: image.resize([9, 8]),
    "resized parts": lambda image: [image.resize((9, 8), 2, (1.5, 0, 9, 7.25)), image.resize((9, 8), 0, (1, 1, 9, 7))],
    "resized with a gap": lambda image: image.resize((5, 4), reducing_gap=1.5),
    "wrong sizes": lambda image: image.resize((0, 4)),
    "wrong filter": lambda image: image.resize((4, 4), 77),
    "reduced": lambda image: [image.reduce(2), image.reduce((3, 1)), image.reduce(2, (1, 1, 8, 9))],
    "turned": lambda image: [image.transpose(turn) for turn in Image.Transpose],
    "rotated": lambda image: [image.rotate(angle, expand=True) for angle in (0, 90, 180, 270, 33, -90)],
    "not expanded": lambda image: [image.rotate(90), image.rotate(90, center=(3, 4)), image.rotate(180, fillcolor=1)],
    "chain": lambda image: image.convert("RGB").crop((3, 3, 30, 33)).resize((40, 41), 3).transpose(0).rotate(90),
    "thumbnails": lambda image: [thumbnail(image.copy(), (9, 9)), thumbnail(image, (30, 9), 1, 3.0)],
    "draft": lambda image: drafted(image, "RGB", (10, 10)),
    "draft of gray": lambda image: drafted(image, "L", (30, 30)),
    "draft of nothing": lambda image: drafted(image, None, None),
    "orientation": lambda image: [ImageOps.exif_transpose(image), dict(image.getexif())],
    "ImageOps": lambda image: [ImageOps.fit(image, (9, 12)), ImageOps.contain(image, (9, 12)), ImageOps.mirror(image)],
    "more ImageOps": lambda image: [ImageOps.flip(image), ImageOps.pad(image, (9, 12)), ImageOps.scale(image, 0.5)],
    "colours": lambda image: [ImageOps.grayscale(image), ImageOps.invert(image), ImageOps.autocontrast(image)],
    "enhanced": lambda image: [ImageEnhance.Color(image).enhance(0.3), ImageEnhance.Sharpness(image).enhance(1.5)],
    "filtered": lambda image: [image.filter(ImageFilter.GaussianBlur(2)), image.filter(ImageFilter.FIND_EDGES)],
    "statistics": lambda image: [image.histogram(), image.getextrema(), image.getbbox(), image.entropy()],
    "colours counted": lambda image: [image.getcolors(9999), image.quantize(5), image.split(), image.getchannel(0)],
    "points": lambda image: image.point(lambda value: value // 2),
    "blended": lambda image: Image.blend(image, image.transpose(0), 0.25),
    "merged": lambda image: ImageChops.difference(image, ImageChops.offset(image, 3)),
    "mapped": lambda image: image.transform((20, 30), Image.Transform.AFFINE, (1, 0.1, 0, 0, 1, 2), 2),
    "in place": pasted,
    "by access": accessed,
    "copies in turn": in_turn,
    "alpha": lambda image: (image.putalpha(9), image),
    "pickled": lambda image: pickle.loads(pickle.dumps(image)),
    "pickled crop": lambda image: pickle.loads(pickle.dumps(image.crop((1, 1, 9, 9)))),
    "copied": lambda image: [copy.copy(image), copy.deepcopy(image)],
    "saved": lambda image: [
        saved(image, "PNG"),
        saved(image.crop((1, 1, 9, 9)), "PPM"),
        saved(image.convert("RGB"), "JPEG"),
    ],
    "kept": lambda image: saved(image, "JPEG", quality="keep"),
    "equal": lambda image: [image == image.copy(), image.copy() == image.copy(), image == 3, image != image.copy()],
    "about": lambda image: [image.mode, image.size, image.format, image.info, image.getbands(), image.getpalette()],
    "more about": lambda image: [image.get_format_mimetype(), image.has_transparency_data, getattr(image, "text", 0)],
    "tables": lambda image: [getattr(image, name, 0) for name in ("quantization", "layers", "bits", "applist", "app")],
    "frames": lambda image: [image.tell(), image.seek(0), getattr(image, "n_frames", 1), image],
    "no such frame": lambda image: image.seek(5),
    "closed": closed,
    "verified": verified,
    "written over": lambda image: (image.frombytes(bytes(len(image.tobytes()))), image),
    "tensor of bands": lambda image: np.stack([np.asarray(band) for band in image.convert("RGB").split()]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    for name, data in FILES.items():
        (root / name).write_bytes(data)
    return root


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_sequences_of_methods(sequence: str) -> None:
    run = SEQUENCES[sequence]
    for name, data in FILES.items():
        expected = outcome(lambda: run(Image.open(io.BytesIO(data))))  # noqa: B023
        found = outcome(lambda: run(open_image(io.BytesIO(data))))  # noqa: B023
        assert _anonymous(found) == _anonymous(expected), name


def _anonymous(found: Any) -> Any:
    """Without the addresses of files in memory."""
    return repr(found).replace("'", "").split("_io.BytesIO object at")[0] if "BytesIO" in repr(found) else found


def by_path(path: Path, opener: Open) -> Any:
    image = opener(path)
    try:
        return image.filename, image.convert("RGB"), image.fp
    finally:
        image.close()


def by_file(path: Path, opener: Open) -> Any:
    with path.open("rb") as file:
        image = opener(file)
        image.load()
        open_still = not file.closed
    return open_still, image, image.filename


def too_late(path: Path, opener: Open) -> Any:
    with path.open("rb") as file:
        image = opener(file)
    return image.convert("RGB")


def in_a_block(path: Path, opener: Open) -> Any:
    with opener(path) as image:
        image.load()
        crop = image.crop((0, 0, 5, 5))
    return crop, image


def after_a_block(path: Path, opener: Open) -> Any:
    with opener(path) as image:
        pass
    return image.size, image.load()


@pytest.mark.parametrize("way", [by_path, by_file, too_late, in_a_block, after_a_block])
def test_ways_to_open(way: Any, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        assert outcome(lambda: way(path, open_image)) == outcome(lambda: way(path, Image.open)), path.name  # noqa: B023


def _odd_files() -> Iterator[tuple[str, bytes]]:
    """Every fifth: the decoders' own tests have them all."""
    return itertools.islice(itertools.chain(odd_jpegs.files(), odd_pngs.files()), 0, None, 5)


# What meets with a damaged file first.
FIRST: list[Callable[[Image.Image], Any]] = [
    lambda image: image.load(),
    lambda image: image.convert("RGB"),
    lambda image: image.convert("L"),
    lambda image: image.crop((1, 2, 9, 8)),
    lambda image: image.resize((6, 5)),
    lambda image: image.transpose(Image.Transpose.ROTATE_90),
    lambda image: image.rotate(180),
    lambda image: image.copy(),
    lambda image: image.tobytes(),
    lambda image: image.getpixel((0, 0)),
    np.asarray,
    F.to_tensor,
]


def decoded(data: bytes, opener: Open, first: Callable[[Image.Image], Any] = FIRST[0]) -> Any:
    image = opener(io.BytesIO(data))
    first(image)
    info = {key: value for key, value in image.info.items() if key != "exif"}
    return info, np.asarray(image), image.convert("RGB").resize((5, 4))


def test_odd_files() -> None:
    count = 0
    for name, data in _odd_files():
        count += 1
        expected, found = (outcome(lambda: decoded(data, opener)) for opener in (Image.open, open_image))  # noqa: B023
        assert _anonymous(found) == _anonymous(expected), name
    assert count > 500


@pytest.mark.parametrize("truncated", [False, True])
def test_damaged_files(truncated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are changed, and files that are cut: an error is raised by `load`, or never."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated)
    rng = np.random.default_rng(5)
    for name in ("subsampling 2", "progressive", "restarts", "gray JPEG", "PNG RGB", "PNG L", "palette"):
        for _ in range(60):
            data = bytearray(FILES[name])
            for at in rng.integers(0, len(data), rng.integers(1, 4)):
                data[at] = rng.integers(256)
            if rng.random() < 0.3:
                del data[rng.integers(len(data)) :]
            damaged, first = bytes(data), FIRST[rng.integers(len(FIRST))]
            expected, found = (outcome(lambda: decoded(damaged, opener, first)) for opener in (Image.open, open_image))  # noqa: B023
            assert _anonymous(found) == _anonymous(expected), name


@pytest.mark.parametrize("first", FIRST)
def test_an_error_is_raised_when_pixels_are_needed(first: Any) -> None:
    """And not afterwards: Pillow takes an image for loaded whose loading failed."""
    data = bytearray(FILES["PNG RGB"])
    data[len(data) // 2] ^= 0xFF
    for opener in (Image.open, open_image):
        image = opener(io.BytesIO(bytes(data)))
        with pytest.raises(OSError, match="data stream"):
            first(image)
        first(image)


_edges = st.one_of(st.integers(-20, 80), st.floats(-20, 80))
_sizes = st.tuples(st.integers(-1, 60), st.integers(-1, 60))
STEPS = st.one_of(
    st.tuples(st.just("crop"), st.tuples(st.tuples(_edges, _edges, _edges, _edges))),
    st.tuples(st.just("resize"), st.tuples(_sizes, st.sampled_from([None, *range(7)]))),
    st.tuples(st.just("resize"), st.tuples(_sizes, st.just(2), st.tuples(_edges, _edges, _edges, _edges))),
    st.tuples(st.just("transpose"), st.tuples(st.integers(0, 7))),
    st.tuples(st.just("rotate"), st.tuples(st.sampled_from([0, 90, 180, 270, 360, 12.5]))),
    st.tuples(st.just("convert"), st.tuples(st.sampled_from(["RGB", "L", "1", "RGBA", "P", "XYZ"]))),
    st.tuples(st.just("reduce"), st.tuples(st.integers(0, 4))),
    st.tuples(st.just("copy"), st.just(())),
)


@settings(max_examples=300)
@given(
    name=st.sampled_from(["subsampling 2", "gray JPEG", "PNG RGB", "palette", "large"]),
    steps=st.lists(STEPS, max_size=5),
)
def test_any_sequence_of_steps(name: str, steps: list[Any]) -> None:
    def run(opener: Open) -> Any:
        images = [opener(io.BytesIO(FILES[name]))]
        for method, arguments in steps:
            images.append(getattr(images[-1], method)(*arguments))
        return images[-1], images[0].size

    assert outcome(lambda: run(open_image)) == outcome(lambda: run(Image.open))


def test_limits_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (200, 1200, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        for name in ("subsampling 2", "PNG RGB", "large"):
            expected, found = (outcome(lambda: decoded(FILES[name], opener)) for opener in (Image.open, open_image))  # noqa: B023
            assert found == expected


def test_only_the_thread_that_asks() -> None:
    opener, kinds = Image.OPEN["JPEG"], []

    def elsewhere() -> None:
        kinds.append(type(Image.open(io.BytesIO(FILES["large"]))))

    with lazily():
        assert isinstance(Image.open(io.BytesIO(FILES["large"])), Lazy)
        with pytest.raises(ZeroDivisionError), lazily():
            raise ZeroDivisionError
        assert isinstance(Image.open(io.BytesIO(FILES["PNG L"])), Lazy)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert kinds == [JpegImagePlugin.JpegImageFile]
    assert Image.OPEN["JPEG"] is opener
    assert not isinstance(Image.open(io.BytesIO(FILES["large"])), Lazy)


def test_what_is_patched_is_not_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "convert", lambda *_: "patched")
    image = open_image(io.BytesIO(FILES["large"]))
    assert not isinstance(image, Lazy)
    assert image.convert("L") == "patched"


def test_nothing_is_left_open(folder: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = len([*descriptors.iterdir()]) if descriptors.exists() else 0
    kept = []
    for _ in range(50):
        for name in ("large", "PNG RGB", "gray JPEG"):
            image = open_image(folder / name)
            kept.append(image.convert("RGB").crop((1, 1, 9, 9)))
    if descriptors.exists():
        assert len([*descriptors.iterdir()]) == before
    assert len({image.tobytes() for image in kept}) == 3


class Pictures:
    """A dataset that says what it got from Pillow."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        image = Image.open(io.BytesIO(FILES["large"]))
        return isinstance(image, Lazy), np.array(image), index


@pytest.mark.parametrize("workers", [0, 1])
def test_in_loaders(workers: int) -> None:
    for options, expected in (({}, True), ({"lazy_images": False}, False), ({"native": "off"}, False)):
        loader: DataLoader[Any] = DataLoader(Pictures(), 2, num_workers=workers, **options)  # type: ignore[arg-type]
        for is_lazy, _, _ in loader:
            assert is_lazy.tolist() == [expected] * 2
        assert not isinstance(Image.open(io.BytesIO(FILES["large"])), Lazy)
