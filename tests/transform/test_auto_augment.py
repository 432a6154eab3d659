"""Automatic augmentation of torchvision: its functions' pixels, and its distributions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from distributions import chi_square
from oracle import F, functional, same, theirs, v2
from pictures import in_memory, pixels
from torchfeed import _native
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import Plan, recognize
from torchfeed.settings import Options

Policy = theirs.AutoAugmentPolicy
Mode = theirs.InterpolationMode

STEPS: dict[str, Callable[[Any], Any]] = {
    "trivial": lambda m: m.TrivialAugmentWide(),
    "trivial, 7 bins": lambda m: m.TrivialAugmentWide(7, interpolation=Mode.BILINEAR, fill=[9.9, 200, 3]),
    "rand": lambda m: m.RandAugment(),
    "rand, 3 of 14": lambda m: m.RandAugment(3, 14, 15, interpolation=Mode.BICUBIC, fill=77),
    "imagenet": lambda m: m.AutoAugment(),
    "cifar10": lambda m: m.AutoAugment(Policy.CIFAR10, interpolation=Mode.BILINEAR),
    "svhn": lambda m: m.AutoAugment(Policy.SVHN, fill=[1, 2, 3]),
}
CASES = [
    pytest.param(module, name, id=f"{module.__name__[23:] or 'v1'} {name}") for module in (theirs, v2) for name in STEPS
]

SIZE = (36, 57)


def plan_of(step: Any) -> Plan:
    plan = recognize(theirs.Compose([step, theirs.PILToTensor()]), metadata=False)
    assert not plan.why
    return plan


def drawing(plan: Plan, size: tuple[int, int], count: int = 1) -> Callable[[int], list[Any]]:
    """What a plan draws for samples of a size, by their number."""
    source = array_source(np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (count, *size, 3)))
    pipeline = compile_plan(source, range(count), plan, Options())
    return lambda index: plan.drawn_names(pipeline.draw(index, 11, 0)[1])


# Pixels


@pytest.mark.parametrize(("module", "name"), CASES)
def test_pixels_are_those_of_the_drawn_functions(module: Any, name: str) -> None:
    rng = np.random.default_rng(sorted(STEPS).index(name))
    transform = theirs.Compose([STEPS[name](module), theirs.PILToTensor()])
    for case in range(180):
        most = 300 if case % 40 == 0 else 40
        height, width = rng.integers(1, most, 2).tolist()
        channels = 1 if case % 5 == 0 and "7 bins" not in name and name != "svhn" else 3
        array = pixels(height, width, channels, seed=case)
        dataset = in_memory([array], transform)
        image = Image.fromarray(array if channels == 3 else array[:, :, 0])
        for dataset.seed in rng.integers(0, 2**62, 2).tolist():
            drawn = dataset.draw(0, seed=dataset.seed)
            same(dataset[0][0], theirs.PILToTensor()(functional(image, drawn)), drawn)


def alone(function: dict[str, Any], value: float, negated: bool) -> dict[str, Any]:
    """A function that always has one magnitude."""
    ((kind, _),) = function["magnitude"]["from"].items()
    return {
        **function,
        "p": 1.0,
        "magnitude": {**function["magnitude"], "from": {kind: [value]}, "negated": float(negated)},
    }


def natively(plan: Plan, function: dict[str, Any], warping: Any, image: Image.Image) -> np.ndarray[Any, Any]:
    """Applies a function to an image."""
    op = {"RandAugment": {"num_ops": 1, "functions": [function], "weights": None, "warping": warping}}
    draw = drawing(replace(plan, ops=(_native.Op(op),)), image.size[::-1])
    calls = [{call.function: call.parameters} for call in draw(0)]
    array = np.asarray(image)
    shape, made = _native.apply_calls(array.tobytes(), array.shape, calls, True)
    return np.frombuffer(made, np.uint8).reshape(shape)


def magnitudes_of(step: Any, bins: int, size: tuple[int, int]) -> dict[str, tuple[Any, bool]]:
    if hasattr(step, "_AUGMENTATION_SPACE"):
        return {name: (make(bins, *size), signed) for name, (make, signed) in step._AUGMENTATION_SPACE.items()}
    return dict(step._augmentation_space(bins, *([] if type(step) is theirs.TrivialAugmentWide else [size])))


@pytest.mark.parametrize("size", [(36, 57), (331, 662)])
@pytest.mark.parametrize("module", [theirs, v2], ids=["v1", "v2"])
@pytest.mark.parametrize("kind", ["TrivialAugmentWide", "RandAugment"])
def test_each_function_of_each_magnitude(module: Any, kind: str, size: tuple[int, int]) -> None:
    """torchvision's own `_apply_op` with its own magnitudes; sizes whose translations are whole numbers, too."""
    image = Image.fromarray(pixels(*size))
    every = 1 if size == (36, 57) else 5
    for at in range(0, 31, every):
        step = module.TrivialAugmentWide() if kind == "TrivialAugmentWide" else module.RandAugment(1, at)
        plan = plan_of(step)
        ((_, arguments),) = plan.ops[0].data().items()
        for function in arguments["functions"]:
            name = function["function"] if isinstance(function["function"], str) else "Posterize"
            magnitudes, signed = magnitudes_of(step, 31, size)[name]
            if magnitudes is None or magnitudes.ndim == 0:
                continue
            ((_, values),) = function["magnitude"]["from"].items()
            for negated in [False, True][: 1 + signed]:
                value = values[at if len(values) > 1 else 0]
                magnitude = float(magnitudes[at]) * (-1.0 if negated else 1.0)
                if hasattr(step, "_fill"):
                    expected = step._apply_image_or_video_transform(image, name, magnitude, "nearest", step._fill)
                else:
                    expected = theirs.autoaugment._apply_op(image, name, magnitude, Mode.NEAREST, None)
                made = natively(plan, alone(function, value, negated), arguments["warping"], image)
                assert np.array_equal(made, np.asarray(expected)), (name, at, negated)


# Distributions

N = 100_000
IMAGE = Image.new("RGB", SIZE[::-1])


# Parameters that are drawn.
NUMBERS = (
    *("angle", "translate", "shear", "brightness_factor", "contrast_factor", "saturation_factor", "sharpness_factor"),
    *("bits", "threshold"),
)


def kind_of(function: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
    """A call, to be counted."""
    numbers = [parameters[name] for name in NUMBERS if name in parameters]
    flat = [each for number in numbers for each in (number if isinstance(number, list) else [number])]
    return function, *(round(each + 0.0, 4) for each in flat)


class Recorder:
    """Stands for torchvision's functions, and notes how they are called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    @functools.lru_cache  # noqa: B019
    def __getattr__(self, name: str) -> Any:
        if name == "get_dimensions":
            return F.get_dimensions
        signature = inspect.signature(getattr(F, name))

        def note(*arguments: Any, **named: Any) -> Any:
            bound = signature.bind(*arguments, **{"img" if k == "image" else k: v for k, v in named.items()}).arguments
            self.calls.append(kind_of(name, bound))
            return arguments[0]

        return note


def drawn_by_torchvision(step: Any) -> Iterator[tuple[Any, ...]]:
    recorder = Recorder()
    if hasattr(step, "_AUGMENTATION_SPACE"):
        home = "torchvision.transforms.v2._auto_augment.F"
        step._AUGMENTATION_SPACE = {
            name: (functools.cache(make), signed) for name, (make, signed) in step._AUGMENTATION_SPACE.items()
        }
    else:
        home = "torchvision.transforms.autoaugment.F"
        step._augmentation_space = functools.cache(step._augmentation_space)
    torch.manual_seed(5)
    with mock.patch(home, recorder):
        for _ in range(N):
            recorder.calls = []
            step(IMAGE)
            yield tuple(recorder.calls)


def drawn_by_us(plan: Plan, count: int = N) -> Iterator[tuple[Any, ...]]:
    draw = drawing(plan, SIZE, count)
    for index in range(count):
        yield tuple(kind_of(call.function, call.parameters) for call in draw(index))


# The same with something wrong in it.
WRONG: dict[str, Callable[[Any], Any]] = {
    "trivial": lambda m: m.TrivialAugmentWide(30),
    "rand": lambda m: m.RandAugment(2, 10),
    "imagenet": lambda m: m.AutoAugment(Policy.SVHN),
    "cifar10": lambda m: m.AutoAugment(),
    "svhn": lambda m: m.AutoAugment(Policy.CIFAR10),
}


def with_other(plan: Plan, name: str, value: float) -> Plan:
    """The plan with another number of some name wherever it is."""

    def changed(data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value if key == name else changed(each) for key, each in data.items()}
        return list(map(changed, data)) if isinstance(data, list) else data

    return replace(plan, ops=(_native.Op(changed(plan.ops[0].data())),))


@pytest.mark.parametrize("module", [theirs, v2], ids=["v1", "v2"])
@pytest.mark.parametrize("name", WRONG)
def test_distributions(module: Any, name: str) -> None:
    reference = list(drawn_by_torchvision(STEPS[name](module)))
    plan = plan_of(STEPS[name](module))
    assert chi_square(drawn_by_us(plan), reference) < 3
    wrong = [plan_of(WRONG[name](module)), with_other(plan, "negated", 0.4), with_other(plan, "p", 0.9)]
    for each in wrong:
        assert chi_square(drawn_by_us(each, N // 2), reference) > 5
