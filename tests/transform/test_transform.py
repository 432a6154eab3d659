"""The transform stage: the bits of torchvision on PIL images, whatever the sizes and the parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode

from oracle import check, functional, same, theirs, twin, v2, values
from pictures import in_memory, picture, pixels
from torchfeed import DataLoader
from torchfeed import transforms as T

pytestmark = pytest.mark.pixels

FILTERS = ["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
# Down and up, by a little and by a lot; single pixels; extreme aspect ratios.
INPUTS = [(1, 1), (1, 40), (40, 1), (3, 300), (300, 3), (37, 53), (64, 64), (120, 90)]
MODES = ["constant", "edge", "reflect", "symmetric"]


def agree(make: Callable[[Any], Any], size: tuple[int, int], channels: int = 3, seeds: int = 1) -> None:
    """Asserts the same bits of both libraries' transform that `make` builds, for images of `size`."""
    array = pixels(*size, channels=channels)
    ours, oracle = twin(lambda t: t.Compose([make(t), t.PILToTensor()]))
    dataset = in_memory([array], ours)
    image = Image.fromarray(array if channels == 3 else array[:, :, 0])
    for seed in range(seeds):
        check(dataset, 0, image, oracle, seed)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(1, 1), (24, 24), (7, 90), (90, 7), (200, 150), 1, 16, [16], 33, 150])
def test_resize(size: Any, interpolation: str) -> None:
    for given_size in INPUTS:
        agree(lambda t: t.Resize(size, InterpolationMode(interpolation)), given_size)


def test_the_constants_of_hamming_are_floats() -> None:
    """C's 0.54f is not 0.54, which shows in one sample of this image."""
    agree(lambda t: t.Resize((101, 101), InterpolationMode.HAMMING), (130, 150))


@pytest.mark.parametrize("max_size", [17, 20, 64, 1000])
def test_resize_with_max_size(max_size: int) -> None:
    for size in [(1, 1), (9, 40), (40, 9), (37, 53), (64, 64), (120, 90)]:
        agree(lambda t: t.Resize(16, max_size=max_size), size)


@pytest.mark.parametrize("interpolation", [*range(6), InterpolationMode.NEAREST_EXACT], ids=str)
def test_resize_takes_pillow_s_numbers_too(interpolation: Any) -> None:
    agree(lambda t: t.Resize((13, 29), interpolation), (37, 53))


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match="interpolation 77 has no native kernel"):
        T.Resize(8, interpolation=77)(picture(9, 9))


@pytest.mark.parametrize("interpolation", FILTERS)
def test_resize_of_gray_images(interpolation: str) -> None:
    for size in [(1, 1), (37, 53), (120, 90)]:
        agree(lambda t: t.Resize((24, 31), InterpolationMode(interpolation)), size, channels=1)


@pytest.mark.parametrize("size", [1, 8, (5, 12), (200, 10), (10, 201), 151, [9]])
def test_center_crop(size: Any) -> None:
    for given_size in [(1, 1), (1, 9), (8, 8), (9, 12), (37, 53), (150, 150)]:
        agree(lambda t: t.CenterCrop(size), given_size)
        agree(lambda t: t.CenterCrop(size), given_size, channels=1)


PADDINGS = [0, 3, 40, [5], (4, 7), (1, 2, 3, 4), (0, 0, 9, 0), [-1, 2, 3, -2], -2, (30, 0), [-3, -2]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_pad(padding: Any, mode: str) -> None:
    for size in [(7, 9), (12, 8), (37, 53)]:
        agree(lambda t: t.Pad(padding, padding_mode=mode), size)
        agree(lambda t: t.Pad(padding, padding_mode=mode), size, channels=1)


def pad(padding: Any, mode: str, t: Any) -> Any:
    return t.Pad(padding, padding_mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_padding_of_single_rows_columns_and_pixels(mode: str) -> None:
    for size, padding in product([(1, 1), (1, 6), (6, 1), (2, 2)], [3, (1, 0), (0, 2, 5, 0)]):
        agree(partial(pad, padding, mode), size)


@pytest.mark.parametrize("fill", [0, 7, 255, 3.9, (1, 2, 3), [200, 0, 255], (9,)], ids=str)
def test_fill(fill: Any) -> None:
    agree(lambda t: t.Pad((1, 2, 3, 4), fill=fill), (7, 9))
    agree(lambda t: t.RandomCrop(12, padding=4, fill=fill, pad_if_needed=True), (7, 9), seeds=5)


@pytest.mark.parametrize("fill", [0, 7, 255, (9,)], ids=str)
def test_fill_of_gray_images(fill: Any) -> None:
    agree(lambda t: t.Pad((1, 2, 3, 4), fill=fill), (7, 9), channels=1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [None, 0, 4, [2, 5], (0, 1, 2, 3), (-2, 3, 1, -1)], ids=str)
def test_random_crop(padding: Any, mode: str) -> None:
    for size, channels in product([(16, 16), (20, 33)], [3, 1]):
        make = lambda t: t.RandomCrop((14, 15), padding, padding_mode=mode)  # noqa: E731
        agree(make, size, channels, seeds=6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [None, 3, (1, 0, 2, 5)], ids=str)
def test_random_crop_with_pad_if_needed(padding: Any, mode: str) -> None:
    for size in [(1, 1), (5, 40), (40, 5), (6, 6), (23, 25), (40, 40)]:
        make = lambda t: t.RandomCrop(24, padding, pad_if_needed=True, padding_mode=mode)  # noqa: E731
        agree(make, size, seeds=4)


def test_random_crop_of_a_smaller_image_is_refused() -> None:
    dataset = in_memory([pixels(20, 30)], T.Compose([T.RandomCrop((21, 30)), T.ToTensor()]))
    with pytest.raises(ValueError, match=r"\(21, 30\) is larger than .* \(20, 30\)"):
        dataset[0]


@pytest.mark.parametrize("interpolation", FILTERS)
def test_random_resized_crop(interpolation: str) -> None:
    for size in INPUTS:
        make = lambda t: t.RandomResizedCrop((24, 17), interpolation=InterpolationMode(interpolation))  # noqa: E731
        agree(make, size, seeds=6)


@pytest.mark.parametrize("scale", [(0.5, 0.6), (0.001, 0.01), (1, 1), (2, 3)])
@pytest.mark.parametrize("ratio", [(1, 1), (0.1, 10)])
def test_random_resized_crop_with_other_bounds(scale: Any, ratio: Any) -> None:
    for size in [(5, 5), (37, 53), (120, 90)]:
        agree(lambda t: t.RandomResizedCrop(16, scale=scale, ratio=ratio), size, seeds=6)


@pytest.mark.parametrize("p", [0, 0.5, 1])
def test_flips(p: float) -> None:
    for size in [(1, 1), (1, 9), (37, 53)]:
        agree(lambda t: t.Compose([t.RandomHorizontalFlip(p), t.RandomVerticalFlip(p)]), size, seeds=6)
        agree(lambda t: t.RandomHorizontalFlip(p), size, channels=1, seeds=2)


COMPOSITIONS: dict[str, Callable[[Any], Any]] = {
    "pad resize crop resize flip": lambda t: [
        *(t.Pad(5, padding_mode="reflect"), t.Resize(40), t.RandomCrop(30, 6), t.Resize((21, 35))),
        t.RandomHorizontalFlip(),
    ],
    "flip between": lambda t: [
        t.RandomHorizontalFlip(),
        t.RandomResizedCrop(20),
        t.RandomVerticalFlip(),
        t.Pad((1, 4)),
    ],
    "pads of all kinds": lambda t: [t.Pad(2, mode, padding_mode=name) for mode, name in enumerate(MODES)],
    "fills over fills": lambda t: [t.Pad(3, 10), t.Pad((2, 0), 20), t.CenterCrop(80), t.Pad(1, (1, 2, 3))],
    "nearest chains": lambda t: [
        t.Resize((50, 20), InterpolationMode.NEAREST),
        t.Resize(33, InterpolationMode.NEAREST),
    ],
    "crop in the padding": lambda t: [t.Pad((60, 0, 0, 0), 9), t.Pad((0, 0, -53, 0)), t.CenterCrop(11), t.Resize(7)],
    "cut then mirrored": lambda t: [t.Pad(-3), t.Pad(20, padding_mode="symmetric"), t.RandomCrop(30)],
    "flips upon flips": lambda t: [t.RandomHorizontalFlip(1), t.RandomHorizontalFlip(1), t.RandomCrop(9, 2)],
    "imagenet": lambda t: [t.Resize(30), t.CenterCrop(24)],
    "nothing": lambda t: [],
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_compositions(name: str) -> None:
    for size in [(37, 53), (53, 37), (64, 64)]:
        agree(lambda t: t.Compose(COMPOSITIONS[name](t)), size, seeds=6)


edges = st.integers(1, 80)
sides = st.integers(-2, 12)


@st.composite
def geometry(draw: st.DrawFn) -> Callable[[Any], Any]:
    """Any one geometric transform, as a function of the module that it comes from."""
    size, mode = (draw(edges), draw(edges)), draw(st.sampled_from(MODES))
    interpolation = InterpolationMode(draw(st.sampled_from(FILTERS)))
    padding, p = tuple(draw(st.lists(sides, min_size=4, max_size=4))), draw(st.floats(0, 1))
    edge, smallest = draw(st.integers(1, 40)), draw(st.floats(0.01, 1))
    choices: list[Callable[[Any], Any]] = [
        lambda t: t.Resize(size, interpolation),
        lambda t: t.Resize(edge, interpolation, max_size=edge + 30),
        lambda t: t.CenterCrop(size),
        lambda t: t.RandomCrop(size, tuple(map(abs, padding)), pad_if_needed=True, padding_mode=mode),
        lambda t: t.RandomResizedCrop(size, (smallest, 1), interpolation=interpolation),
        lambda t: t.RandomHorizontalFlip(p),
        lambda t: t.RandomVerticalFlip(p),
        lambda t: t.Pad(padding, fill=(1, 128, 255), padding_mode=mode),
    ]
    return choices[draw(st.integers(0, len(choices) - 1))]


@given(size=st.tuples(st.integers(5, 90), st.integers(5, 90)), make=st.lists(geometry(), max_size=4))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_composition_of_any_sizes(size: tuple[int, int], make: list[Callable[[Any], Any]]) -> None:
    array = pixels(*size)
    ours, oracle = twin(lambda t: t.Compose([*(step(t) for step in make), t.PILToTensor()]))
    dataset = in_memory([array], ours)
    try:
        dataset[0]
    except ValueError as error:
        # An image may be resized or cut to nothing; torchvision raises there as well.
        assert "leaves" in str(error) or "cuts off" in str(error)  # noqa: PT017
        return
    check(dataset, 0, Image.fromarray(array), oracle, seed=1)


# The values


def tails(t: Any) -> dict[str, list[Any]]:
    normalize = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    to_dtype = getattr(t, "ToDtype", None) or v2.ToDtype
    made = {"ToTensor": [t.ToTensor()], "PILToTensor": [t.PILToTensor()]}
    made["Normalize"] = [t.ToTensor(), t.Normalize(*normalize)]
    made["Normalize in place"] = [t.ToTensor(), t.Normalize(*normalize, inplace=True)]
    made["Normalize by one"] = [t.ToTensor(), t.Normalize([0.5], [0.25])]
    made["infinite"] = [t.ToTensor(), t.Normalize([0, 0, 0], [1e-38, 1e38, -1])]
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        made[f"convert to {dtype}"] = [t.PILToTensor(), t.ConvertImageDtype(dtype)]
        made[f"convert and normalize {dtype}"] = [*made[f"convert to {dtype}"], t.Normalize(*normalize)]
        made[f"normalize and convert {dtype}"] = [*made["Normalize"], t.ConvertImageDtype(dtype)]
        made[f"scale to {dtype}"] = [t.PILToTensor(), to_dtype(dtype, scale=True), t.Normalize(*normalize)]
        made[f"cast to {dtype}"] = [t.PILToTensor(), to_dtype(dtype)]
    made["cast to int64"] = [t.PILToTensor(), to_dtype(torch.int64)]
    return made


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", tails(theirs))
def test_values(name: str, channels: int) -> None:
    if channels == 1 and any(part in name for part in ("scale", "ormalize", "infinite")) and "one" not in name:
        return  # three means are none for one channel
    array = pixels(13, 22, channels)
    image = Image.fromarray(array if channels == 3 else array[:, :, 0])
    expected = theirs.Compose(tails(theirs)[name])(image)
    for module in (T, theirs):
        transform = module.Compose([module.RandomHorizontalFlip(0), *tails(module)[name]])
        same(in_memory([array], transform)[0][0], expected)
        same(transform(image), expected)
        for memory_format in (torch.contiguous_format, torch.channels_last):
            ((batch, _),) = DataLoader(in_memory([array] * 2, transform), 2, memory_format=memory_format)
            same(batch[1], expected)
            assert batch.is_contiguous(memory_format=memory_format)
            assert batch.stride() == torch.empty(batch.shape, memory_format=memory_format).stride()


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_v2_chain(dtype: torch.dtype) -> None:
    array = pixels(37, 53)
    geometry = [
        v2.RandomResizedCrop(24),
        v2.RandomHorizontalFlip(),
        v2.Resize((9, 20)),
        v2.RandomCrop(8, padding=(1, 2)),
    ]
    tail = [v2.PILToTensor(), v2.ToDtype(dtype, scale=True)]
    dataset = in_memory([array], v2.Compose([*geometry, *tail]))
    for dataset.seed in range(8):
        drawn = dataset.draw(0, seed=dataset.seed)
        assert {"RandomResizedCrop", "Resize", "RandomCrop"} <= {name for name, _ in drawn}
        same(dataset[0][0], values(v2.Compose(tail), functional(Image.fromarray(array), drawn)))


def test_a_transform_is_also_a_function_of_an_image() -> None:
    image = picture(37, 53)
    for mode in ("RGB", "L"):
        made = T.Resize(20)(image.convert(mode))
        assert made.tobytes() == theirs.Resize(20)(image.convert(mode)).tobytes()
    torch.manual_seed(3)
    first = T.RandomCrop(20)(image)
    assert T.RandomCrop(20)(image).tobytes() != first.tobytes()
    torch.manual_seed(3)
    assert T.RandomCrop(20)(image).tobytes() == first.tobytes()
    with pytest.raises(TypeError, match="put it before ToTensor"):
        T.Resize(20)(torch.zeros(3, 8, 8))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not RGBA"):
        T.Resize(20)(image.convert("RGBA"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LA", "I", "F", "I;16"])
def test_images_of_every_mode_become_the_same_tensors(mode: str) -> None:
    image = picture(7, 9).convert("L").convert("I").convert("I;16") if mode == "I;16" else picture(7, 9, mode)
    if mode == "I;16":
        image.putpixel((2, 3), 40_000)  # more than an int16 holds
    for name in ("ToTensor", "PILToTensor"):
        made, expected = (getattr(library, name)()(image) for library in (T, theirs))
        assert (made.dtype, made.shape) == (expected.dtype, expected.shape), (name, mode)
        assert torch.equal(made, expected), (name, mode)
