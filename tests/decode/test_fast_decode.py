"""`decode="fast"`: JPEGs at a fraction of their size, bit for bit what Pillow's `draft` and `resize(box=...)` make."""

from __future__ import annotations

import io
import itertools
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oracle import FLIPS, F, functional, same, theirs
from pictures import encode, jpegs, others, picture, pixels, pngs, rgb
from torchfeed import DataLoader, DecodeError, _native, datasets, explain
from torchfeed import transforms as T
from torchfeed.epoch.internals import internals

pytestmark = pytest.mark.pixels

TAIL: list[Any] = [T.ToTensor(), T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))]
TRAIN = T.Compose([T.RandomResizedCrop(12, scale=(0.02, 1)), T.RandomHorizontalFlip(), *TAIL])
LARGE: dict[str, dict[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restart": {"restart_marker_rows": 1},
    "optimized": {"optimize": True},
}
FILES = {name: encode(picture(203, 317, seed=9), "JPEG", quality=80, **options) for name, options in LARGE.items()}
FILES["gray"] = encode(picture(203, 317, "L"), "JPEG")
FILES["cmyk"] = encode(picture(203, 317, "CMYK"), "JPEG")
ADOBE = FILES["cmyk"].index(b"Adobe")
FILES["ycck"] = FILES["cmyk"][: ADOBE + 11] + b"\x02" + FILES["cmyk"][ADOBE + 12 :]
FILTERS = [F.InterpolationMode(name) for name in ("bilinear", "bicubic", "box", "hamming", "lanczos")]


def oracle(data: bytes, drawn: list[Any]) -> tuple[Image.Image, int]:
    """What Pillow makes of the calls when it decodes at a fraction, and the denominator; 1 where the rule says so."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        left, top, flips = 0, 0, []
        for number, (name, call) in enumerate(drawn):
            if name in FLIPS:
                flips.append(name)
                continue
            if any(call.get("padding", ())):
                break
            if "top" in call:
                # Counted from the other end where it was flipped before.
                down = flips.count("RandomVerticalFlip") % 2
                across = flips.count("RandomHorizontalFlip") % 2
                top += height - call["top"] - call["height"] if down else call["top"]
                left += width - call["left"] - call["width"] if across else call["left"]
                height, width = call["height"], call["width"]
            if "size" in call and list(call["size"]) != [height, width]:
                down, across = (edge // size for edge, size in zip((height, width), call["size"], strict=True))
                fraction = max((s for s in (1, 2, 4, 8) if s <= min(down, across)), default=1)
                if fraction == 1 or call["interpolation"] == 0:
                    break
                image.draft("RGB", (image.width // fraction, image.height // fraction))
                box = [edge / fraction for edge in (left, top, left + width, top + height)]
                outer: Any = [int(box[0]), int(box[1]), -int(-box[2] // 1), -int(-box[3] // 1)]
                small = image.convert("RGB").crop(outer)
                inner: Any = [box[0] - outer[0], box[1] - outer[1], box[2] - outer[0], box[3] - outer[1]]
                for flip in flips:
                    small = FLIPS[flip](small)
                    at = 0 if flip == "RandomHorizontalFlip" else 1
                    inner[at], inner[at + 2] = (small.size[at] - inner[edge] for edge in (at + 2, at))
                resized = small.resize(call["size"][::-1], call["interpolation"], box=inner)
                return functional(resized, drawn[number + 1 :]), fraction
    return functional(rgb(data), drawn), 1


def values(image: Image.Image) -> torch.Tensor:
    made: torch.Tensor = F.normalize(F.to_tensor(image), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    return made


def check(data: Sequence[bytes], transform: Any, *, seed: int = 0, epochs: int = 1) -> set[int]:
    """Asserts that a fast loader's samples are the oracle's, drawn as in an exact one; returns the fractions."""
    fractions = set()
    torch.manual_seed(seed)
    loader = DataLoader(datasets.ImageList(list(data), transform=transform), decode="fast", native="require")
    exact = DataLoader(loader.dataset)
    for _ in range(epochs):
        for index, (image, _) in enumerate(loader):
            drawn = loader.drawn(index)
            expected, fraction = oracle(data[index], drawn)
            same(image[0], values(expected), (index, drawn))
            fractions.add(fraction)
            internals(exact).cursor = internals(loader).cursor
            assert exact.drawn(index) == drawn
    return fractions


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_draft(name: str) -> None:
    assert check([FILES[name]] * 16, TRAIN) >= {2, 4, 8}
    for size in (100, 51, 30, 25, 12, (9, 3), 1):
        check([FILES[name]], T.Compose([T.Resize(size), *TAIL]))


@pytest.mark.parametrize("interpolation", FILTERS, ids=lambda mode: str(mode.value))
def test_every_filter(interpolation: Any) -> None:
    files = [FILES["4:2:0"], FILES["4:4:4"]]
    for size in (101, 50, 40, 20, 7):
        fractions = check(files, T.Compose([T.Resize(size, interpolation), T.CenterCrop(size), *TAIL]))
        assert fractions == {next(s for s in (8, 4, 2) if s * size <= 203)}
        check(files, T.Compose([T.RandomResizedCrop(size, interpolation=interpolation), *TAIL]), epochs=3)


@pytest.mark.parametrize("library", [T, theirs, theirs.v2])
def test_flips_and_crops_before_the_resize(library: Any) -> None:
    steps = [
        library.RandomHorizontalFlip(0.5),
        library.RandomVerticalFlip(0.5),
        library.RandomCrop(150),
        library.RandomVerticalFlip(0.5),
        library.RandomResizedCrop(31, scale=(0.5, 1)),
        library.RandomHorizontalFlip(0.5),
        library.Pad(3),
        library.Resize(20),
    ]
    assert check([*FILES.values()], theirs.Compose([*steps, *TAIL]), epochs=3) == {2, 4}


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    output=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    crop=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)),
    subsampling=st.integers(0, 2),
    progressive=st.booleans(),
    interpolation=st.sampled_from(FILTERS),
    flip=st.sampled_from([0, 1]),
    seed=st.integers(0, 99),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_crop_of_any_jpeg(
    size: tuple[int, int],
    output: tuple[int, int],
    crop: tuple[float, float],
    subsampling: int,
    progressive: bool,
    interpolation: Any,
    flip: int,
    seed: int,
) -> None:
    data = encode(picture(*size), "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    part = tuple(max(1, int(edge * share)) for edge, share in zip(size, crop, strict=True))
    steps = [T.RandomHorizontalFlip(flip), T.RandomCrop(part), T.Resize(output, interpolation), *TAIL]
    check([data], T.Compose(steps), seed=seed)


def batches(data: Any, transform: Any, **settings: Any) -> torch.Tensor:
    torch.manual_seed(4)
    dataset = datasets.ImageList(data, transform=transform) if isinstance(data, list) else data
    return torch.cat([images for images, _ in DataLoader(dataset, **settings)])


UNTOUCHED: dict[str, tuple[list[bytes], list[Any]]] = {
    "other formats": ([*pngs().values(), *others().values()], [T.Resize((4, 4))]),
    "crops that are not shrunk by half": ([*FILES.values()], [T.Resize((102, 159))]),
    "one edge that is not": ([*FILES.values()], [T.Resize((20, 159))]),
    "no resize": ([*FILES.values()], [T.RandomCrop(20)]),
    "the nearest pixel": ([*FILES.values()], [T.Resize((9, 9), F.InterpolationMode.NEAREST)]),
    "nearest pixels first": ([*FILES.values()], [T.Resize((90, 90), F.InterpolationMode.NEAREST), T.Resize((9, 9))]),
    "paddings": ([*FILES.values()], [T.Pad(1), T.Resize((9, 9))]),
    "a crop in the padding": ([*FILES.values()], [T.CenterCrop(400), T.Resize((9, 9))]),
    "small images": ([*jpegs().values()], [T.Resize((64, 64))]),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_the_rest_is_exact(name: str) -> None:
    data, steps = UNTOUCHED[name]
    transform = T.Compose([*steps, *TAIL])
    assert torch.equal(batches(data, transform, decode="fast"), batches(data, transform))


def test_cifar_is_exact(tmp_path: Path) -> None:
    """32 x 32 pixels, from files or from memory, in the usual pipeline: nothing is resized."""
    files = [encode(picture(32, 32, seed=i), "JPEG") for i in range(20)]
    transform = T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), *TAIL])
    assert torch.equal(batches(files, transform, decode="fast"), batches(files, transform))
    memory = datasets.ImageList(pixels(20 * 32, 32).reshape(20, 32, 32, 3), transform=transform)
    assert torch.equal(batches(memory, transform, decode="fast"), batches(memory, transform))


def test_the_difference_is_small() -> None:
    """Of smooth images; the noise in others is gone either way, but not in the same manner."""
    smooth = picture(240, 320).resize((640, 480), Image.Resampling.BICUBIC).crop((0, 0, 320, 480))
    data = [encode(smooth, "JPEG", quality=95)] * 12
    transform = T.Compose([T.RandomResizedCrop(24), T.PILToTensor()])
    exact, fast = (batches(data, transform, decode=decode).to(torch.float32) for decode in ("exact", "fast"))
    assert 0 < (exact - fast).abs().mean() < 3


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_nothing_depends_on_threads_or_cuts() -> None:
    data = [*FILES.values()] * 3
    expected = batches(data, TRAIN, decode="fast")
    assert not torch.equal(expected, batches(data, TRAIN))
    for cut in ({"batch_size": 7}, {"num_workers": 1}, {"batch_size": 4, "num_workers": 3}):
        assert torch.equal(batches(data, TRAIN, decode="fast", **cut), expected)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_native_in_part(workers: int) -> None:
    """What Python goes on with is the same fast image, in this process and in others."""
    steps = [T.RandomResizedCrop(12), negative, T.ToTensor()]
    loader = DataLoader(
        datasets.ImageList([*FILES.values()], transform=theirs.Compose(steps)), decode="fast", num_workers=workers
    )
    assert "natively, other formats by Pillow; fast: JPEGs at 1/2, 1/4 or 1/8" in explain(loader)
    for index, (image, _) in enumerate(loader):
        expected, _ = oracle([*FILES.values()][index], loader.drawn(index)[:1])
        same(image[0], F.to_tensor(negative(expected)))


def negative(image: Image.Image) -> Image.Image:
    return Image.eval(image, lambda value: 255 - value)


def damaged() -> list[bytes]:
    whole = FILES["4:2:0"]
    flipped = [whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :] for at in range(2, len(whole), 97)]
    cut = [whole[:length] for length in range(100, len(whole), 211)]
    return [*flipped, *cut, whole[:-2] + b"  " + whole[-2:], b"", b"junk"]


def test_damaged_files_get_the_exact_verdict() -> None:
    """An error where the exact mode raises one, with its message; elsewhere pixels, those of Pillow where it warns."""
    transform = T.Compose([T.Resize((20, 20)), *TAIL])

    def verdict(data: bytes, decode: str) -> Any:
        try:
            return batches([data], transform, decode=decode)
        except DecodeError as error:
            return re.sub("0x[0-9a-f]+", "", str(error))

    kinds = set()
    for number, data in enumerate(damaged()):
        exact, fast = (verdict(data, decode) for decode in ("exact", "fast"))
        if isinstance(exact, str):
            assert fast == exact, number
            kinds.add("error")
            continue
        reduced = values(oracle(data, [("Resize", {"size": [20, 20], "interpolation": 2})])[0])
        assert torch.equal(fast[0], reduced) or torch.equal(fast, exact), number
        kinds.add("pixels")
    assert kinds == {"error", "pixels"}


def test_the_argument() -> None:
    dataset = datasets.ImageList([FILES["4:2:0"]], transform=TRAIN)
    assert DataLoader(dataset).decode == "exact"
    assert "fast" not in explain(DataLoader(dataset))
    loader = DataLoader(dataset, decode="fast")
    assert loader.decode == "fast"
    decode = next(line for line in explain(loader).splitlines() if line.startswith("decode "))
    assert all(name in decode for name in _native.native_formats())
    assert " natively, other formats by Pillow; fast: " in decode
    assert loader.state_dict().keys() == DataLoader(dataset).state_dict().keys()
    for wrong in ("Fast", "", None, True):
        with pytest.raises(ValueError, match='decode should be "exact" or "fast"'):
            DataLoader(dataset, decode=wrong)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(loader)).decode == "fast"
    array = datasets.ImageList(pixels(8, 8)[None], transform=TRAIN)
    assert "decode     nothing to decode" in explain(DataLoader(array, decode="fast"))


def test_by_index_datasets_are_exact() -> None:
    dataset = datasets.ImageList([FILES["4:2:0"]], transform=TRAIN)
    dataset.seed = 3
    ((_, call), *flip) = dataset.draw(0, seed=3)
    expected = functional(rgb(FILES["4:2:0"]), [("RandomResizedCrop", call), *flip])
    same(dataset[0][0], values(expected))


def test_resuming(tmp_path: Path) -> None:
    def loader() -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(1)
        dataset = datasets.ImageList([*FILES.values()], transform=TRAIN)
        return DataLoader(dataset, shuffle=True, generator=generator, decode="fast")

    whole = [images for images, _ in loader()]
    first = loader()
    batches = list(itertools.islice(iter(first), 4))
    resumed = loader()
    resumed.load_state_dict(first.state_dict())
    for got, expected in zip([images for images, _ in batches] + [images for images, _ in resumed], whole, strict=True):
        assert torch.equal(got, expected)
