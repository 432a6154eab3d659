"""Steps that change the number of channels, from gray to RGB and from RGB to gray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from one_call import picture
from oracle import erased, functional, same, theirs, v2, values
from pictures import in_memory, pixels
from torchfeed import DataLoader, _native, datasets, explain
from torchfeed import transforms as T
from torchfeed.recognize import recognize

SIZES = [(1, 1), (1, 9), (20, 24), (37, 12), (300, 70)]


def to_rgb_if_gray(image: Any) -> Any:
    return image if image.mode == "RGB" else image.convert("RGB")


GRAY_OUT = {"v1": theirs.Grayscale(), "v2": v2.Grayscale(1), "torchfeed": T.Grayscale()}
RGB_OUT: dict[str, Callable[[Any], Any]] = {
    "v1": theirs.Grayscale(3),
    "v2": v2.Grayscale(3),
    "torchfeed": T.Grayscale(3),
    "RGB": v2.RGB(),
    "our RGB": T.RGB(),
    "a lambda": theirs.Lambda(lambda image: image.convert("RGB")),
    "a lambda of v2": v2.Lambda(lambda image: image.convert("RGB")),
    "a function": to_rgb_if_gray,
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [*GRAY_OUT, *RGB_OUT])
def test_a_conversion_is_the_step_s_own(name: str, channels: int) -> None:
    for made_channels, steps in ((1, GRAY_OUT), (3, RGB_OUT)):
        if name not in steps:
            continue
        transform = theirs.Compose([steps[name], theirs.PILToTensor()])
        for number, size in enumerate(SIZES):
            dataset = in_memory([pixels(*size, channels, seed=number)], transform)
            assert explain(DataLoader(dataset)).startswith("native, ")
            made = dataset[0][0]
            assert made.shape == (made_channels, *size)
            array = pixels(*size, channels, seed=number)
            same(made, transform(Image.fromarray(array if channels == 3 else array[:, :, 0])))


FUNCTIONS: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "rgb_to_grayscale": lambda _: {"num_output_channels": 1},
    "grayscale_to_rgb": lambda _: {},
    "permute_channels": lambda rng: {"permutation": rng.permutation(3).tolist()},
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_torchvisions_bits(function: str) -> None:
    rng = np.random.default_rng(len(function))
    for _ in range(2000):
        image = picture(rng)
        parameters = FUNCTIONS[function](rng)
        array = np.asarray(image)
        shape, made = _native.apply_calls(image.tobytes(), (*array.shape, 1)[:3], [{function: parameters}], True)
        if function == "permute_channels" and image.mode == "L":
            parameters = {"permutation": [0]}
        expected = getattr(v2.functional, function)(image, **parameters)
        assert (shape[2], made) == (len(expected.getbands()), expected.tobytes()), (image, parameters)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_gray_images_that_become_rgb(workers: int, memory_format: Any) -> None:
    """As MNIST goes through a network for photos."""
    transform = theirs.Compose(
        [
            theirs.Lambda(lambda image: image.convert("RGB")),
            theirs.Pad(2, fill=(200, 10, 90)),
            theirs.Resize((24, 20)),
            theirs.ToTensor(),
            theirs.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]),
        ]
    )
    dataset = in_memory([pixels(28, 28, 1, seed=i) for i in range(7)], transform)
    loader = DataLoader(dataset, 3, num_workers=workers, memory_format=memory_format)
    assert "shape (3, 3, 24, 20)" in explain(loader)
    expected = TorchDataLoader(dataset, 3)
    equal([[images.contiguous(), labels] for images, labels in loader], list(expected))


CHAINS: dict[str, tuple[int, list[Any]]] = {
    "gray, then colours": (
        3,
        [theirs.RandomCrop(16), theirs.Grayscale(), theirs.ColorJitter(0.5, 0.5, 0.5, 0.3), theirs.RandomAffine(20)],
    ),
    "filled, then gray": (3, [v2.RandomZoomOut(fill=(9, 90, 200), p=1.0), v2.Grayscale(1), v2.RandomInvert()]),
    "gray and back": (3, [v2.Grayscale(1), v2.RandomAutocontrast(), v2.RGB(), v2.RandomChannelPermutation()]),
    "RGB, then colours": (
        1,
        [v2.RandomHorizontalFlip(), v2.RGB(), v2.RandomRotation(20, fill=(5, 60, 99)), v2.RandomPhotometricDistort()],
    ),
    "RGB, then a blur": (1, [theirs.Grayscale(3), theirs.GaussianBlur(5), theirs.RandomEqualize()]),
    "automatic": (1, [to_rgb_if_gray, theirs.RandAugment(fill=[1, 2, 3]), theirs.RandomGrayscale(0.5)]),
    "gray, automatic": (3, [theirs.Grayscale(1), theirs.TrivialAugmentWide()]),
    "erased": (3, [theirs.Grayscale(1), theirs.RandomHorizontalFlip()]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_are_torchvisions(name: str) -> None:
    channels, steps = CHAINS[name]
    end = [theirs.ToTensor(), theirs.Normalize([0.5], [0.3])]
    if name == "erased":
        end.append(theirs.RandomErasing(1.0, value=0.25))
    transform = theirs.Compose([*steps, *end])
    for number in range(60):
        array = pixels(18 + number % 5, 22, channels, seed=number)
        dataset = in_memory([array], transform)
        dataset.seed = number
        drawn = dataset.draw(0, seed=number)
        image = Image.fromarray(array if channels == 3 else array[:, :, 0])
        same(dataset[0][0], erased(values(transform, functional(image, drawn)), drawn), drawn)


def test_gray_and_rgb_datasets_that_end_alike_are_concatenated() -> None:
    transform = theirs.Compose([to_rgb_if_gray, theirs.Resize((9, 8)), theirs.ToTensor()])
    parts = [
        datasets.ImageList(np.stack([pixels(12, 11, channels, seed=i) for i in range(4)]), transform=transform)
        for channels in (1, 3)
    ]
    loader: Any = DataLoader(ConcatDataset(parts), 8)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(ConcatDataset(parts), 8)))


def test_a_step_in_python_gets_the_image_as_it_is_by_then() -> None:
    seen = []

    def note(image: Any) -> Any:
        seen.append((image.mode, image.tobytes()))
        return theirs.functional.pil_to_tensor(image)

    array = pixels(9, 12)
    for step, expected in ((theirs.Grayscale(), "L"), (theirs.Grayscale(3), "RGB")):
        seen.clear()
        dataset = in_memory([array], theirs.Compose([step, note]))
        assert explain(DataLoader(dataset)).startswith("native in part")
        ((images, _),) = DataLoader(dataset)
        assert images.shape == (1, len(expected), 9, 12)
        assert seen == [(expected, step(Image.fromarray(array)).tobytes())]


def test_views() -> None:
    gray = theirs.Compose([theirs.Grayscale(), theirs.PILToTensor()])
    colours = theirs.Compose([theirs.CenterCrop(5), theirs.PILToTensor()])
    dataset = in_memory([pixels(9, 12)], T.Views([gray, colours]))
    assert "different numbers of channels" in explain(DataLoader(dataset))
    ((images, _),) = DataLoader(dataset)
    assert [tuple(view.shape) for view in images] == [(1, 1, 9, 12), (1, 3, 5, 5)]
    dataset = in_memory([pixels(9, 12)], T.Views([gray, gray]))
    assert explain(DataLoader(dataset)).startswith("native, ")
    for view in dataset[0][0]:
        same(view, gray(Image.fromarray(pixels(9, 12))))


@pytest.mark.parametrize(
    ("step", "channels"),
    [
        (theirs.RandomApply([theirs.Grayscale()]), 3),
        (theirs.RandomApply([v2.Grayscale(3)]), 1),
        (theirs.RandomChoice([v2.RGB(), v2.Identity()]), 1),
        (theirs.RandomOrder([theirs.Grayscale()]), 3),
    ],
)
def test_numbers_that_chance_decides_are_left_to_python(step: Any, channels: int) -> None:
    plan = recognize(theirs.Compose([step, theirs.ToTensor()]), channels)
    assert "may change the number of channels" in plan.why


def test_compositions_that_keep_the_number_are_native() -> None:
    for step, channels in (
        (theirs.RandomApply([theirs.Grayscale(3)]), 3),
        (theirs.RandomApply([theirs.Grayscale(1)]), 1),
        (theirs.RandomChoice([v2.RGB(), v2.RandomInvert()]), 3),
    ):
        transform = theirs.Compose([step, theirs.PILToTensor()])
        for seed in range(30):
            array = pixels(9, 12, channels, seed=seed)
            dataset = in_memory([array], transform)
            dataset.seed = seed
            image = Image.fromarray(array if channels == 3 else array[:, :, 0])
            same(dataset[0][0], theirs.PILToTensor()(functional(image, dataset.draw(0, seed=seed))))


def test_arguments_that_torchvision_refuses() -> None:
    step = theirs.Grayscale()
    step.num_output_channels = 2
    assert "num_output_channels=2" in recognize(theirs.Compose([step, theirs.ToTensor()])).why
    with pytest.raises(ValueError):
        T.Grayscale(2)
    assert T.Grayscale()(Image.fromarray(pixels(3, 4))).mode == "L"
    assert T.RGB()(Image.fromarray(pixels(3, 4, 1)[:, :, 0])).mode == "RGB"


def test_functions_that_do_more_than_convert_are_left_to_python() -> None:
    for function in (
        lambda image: image.convert("L").convert("RGB") if image.mode == "L" else image.convert("L"),
        lambda image: image.convert("1").convert("RGB"),
        lambda image: image.convert("P", None, 0, 1, 3).convert("RGB"),
    ):
        assert "<lambda> runs in Python" in recognize(theirs.Compose([function, theirs.ToTensor()]), 3).why
    made = recognize(theirs.Compose([lambda image: image.convert("1").convert("RGB"), theirs.ToTensor()]), 1)
    assert "<lambda> runs in Python" in made.why
