"""timm's automatic augmentation: its functions' pixels, and its distributions."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageOps

pytest.importorskip("timm")

from timm.data import auto_augment as timm_s
from timm.data import create_transform

from distributions import chi_square, distance, kolmogorov_smirnov
from oracle import functional, same, theirs
from pictures import in_memory, pixels
from torchfeed import _native
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import Plan, recognize
from torchfeed.settings import Options

STRINGS = [
    *("rand-m9-mstd0.5-inc1", "rand-m8-inc1", "rand-m10-mstd2-inc1", "rand-m9-n3-mstd101", "rand-m15-mmax20-mstd1"),
    *("rand-mstd1-tweights", "rand-n3-t3aw-inc1", "rand-t3a", "rand-n1-p1-m0", "v0", "v0r", "original", "originalr"),
    *("3a", "original-mstd0.5"),
]
# Those that may posterize to 0 bits.
REFUSED = {"rand-m9-n3-mstd101", "rand-m10-mstd2-inc1", "rand-n3-t3aw-inc1", "rand-n1-p1-m0", "v0"}

SIZE = (36, 57)


def step_of(string: str, interpolation: str = "bicubic") -> Any:
    transform = create_transform(224, is_training=True, auto_augment=string, interpolation=interpolation)
    return transform.transforms[2]


def plan_of(step: Any) -> Plan:
    plan = recognize(theirs.Compose([step, theirs.PILToTensor()]), metadata=False)
    assert not plan.why
    return plan


def pipeline_of(plan: Plan, size: tuple[int, int], count: int = 1) -> Any:
    source = array_source(np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (count, *size, 3)))
    return compile_plan(source, range(count), plan, Options())


@pytest.mark.parametrize("interpolation", ["bilinear", "random"])
@pytest.mark.parametrize("string", STRINGS)
def test_all_of_create_transform_is_native(string: str, interpolation: str) -> None:
    state = random.getstate()
    transform = create_transform(
        32, is_training=True, auto_augment=string, interpolation=interpolation, vflip=0.5, grayscale_prob=0.2
    )
    assert not recognize(transform, metadata=False).why
    assert random.getstate() == state


@pytest.mark.parametrize("string", STRINGS)
def test_pixels_are_those_of_the_drawn_functions(string: str) -> None:
    rng = np.random.default_rng(STRINGS.index(string))
    refused = 0
    for case in range(90):
        most = 300 if case % 30 == 0 else 40
        height, width = rng.integers(1, most, 2).tolist()
        array = pixels(height, width, seed=case)
        step = step_of(string, ("bicubic", "bilinear", "random")[case % 3])
        dataset = in_memory([array], theirs.Compose([step, theirs.PILToTensor()]))
        for dataset.seed in rng.integers(0, 2**62, 2).tolist():
            try:
                drawn = dataset.draw(0, seed=dataset.seed)
            except ValueError:
                refused += 1
                continue
            same(dataset[0][0], theirs.PILToTensor()(functional(Image.fromarray(array), drawn)), drawn)
    assert (refused > 0) == (string in REFUSED and least_bits() == 1)


def least_bits() -> int:
    try:
        ImageOps.posterize(Image.new("L", (1, 1)), 0)
    except ValueError:
        return 1
    return 0


@pytest.mark.parametrize("resample", [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("name", timm_s.NAME_TO_OP)
def test_each_function_of_each_level(name: str, resample: Any) -> None:
    """timm's own AugmentOp, with either sign."""
    image = Image.fromarray(pixels(*SIZE))
    hparams = {"translate_const": 14, "img_mean": (124, 16, 104), "interpolation": resample, "magnitude_max": 12}
    for level in np.linspace(0, 13, 27):
        op = timm_s.AugmentOp(name, 1.0, float(level), hparams)
        plan = plan_of(timm_s.RandAugment([op], 1))
        ((_, arguments),) = plan.ops[0].data().items()
        (function,) = arguments["functions"]
        negated = function.get("magnitude", {}).get("negated", 0.0)
        for sign in [0.0, 1.0] if 0 < negated < 1 else [negated]:
            # The sign is all that is drawn, but for the radius of a blur.
            with (
                mock.patch.object(random, "random", lambda sign=sign: 0.4 + sign / 5),
                mock.patch.object(random, "uniform", lambda low, high: low + (high - low) * 0.4),
            ):
                try:
                    expected = op(image)
                except ValueError:
                    expected = None
            changed = {**function, "magnitude": {**function.get("magnitude", {}), "negated": sign}}
            changed = changed if "magnitude" in function else function
            data = {"RandAugment": {**arguments, "functions": [changed]}}
            try:
                _, calls = pipeline_of(replace(plan, ops=(_native.Op(data),)), SIZE).draw(0, 1, 0)
            except ValueError:
                assert expected is None
                continue
            assert expected is not None
            if name == "GaussianBlurRand":
                radius = 0.1 + (2.0 * min(level, 10.0) / 10.0 - 0.1) * 0.4
                low, high = sorted([0.1, 2.0 * min(level, 10.0) / 10.0])
                assert low <= calls[0][2]["radius"][0] <= high
                calls[0][2]["radius"] = [radius, radius]
            made_of = [{call: parameters} for _, call, parameters in calls]
            shape, made = _native.apply_calls(image.tobytes(), (*SIZE, 3), made_of, True)
            assert np.array_equal(np.frombuffer(made, np.uint8).reshape(shape), np.asarray(expected)), (level, sign)


# Distributions

N = 100_000
IMAGE = Image.new("RGB", SIZE[::-1])


def taken(call: str, parameters: dict[str, Any]) -> tuple[str, float]:
    """timm's function that a call is, and its argument."""
    if call == "transform":
        _, b, c, d, _, f = parameters["matrix"]
        numbers = {"shear_x": b, "translate_x_rel": c / SIZE[1], "shear_y": d, "translate_y_rel": f / SIZE[0]}
        return max(numbers.items(), key=lambda each: abs(each[1]))
    name = {
        "adjust_saturation": "color",
        "adjust_brightness": "brightness",
        "adjust_contrast": "contrast",
        "adjust_sharpness": "sharpness",
        "autocontrast": "auto_contrast",
        "pil_gaussian_blur": "gaussian_blur",
    }.get(call, call)
    for key, value in parameters.items():
        if key not in {"fill", "interpolation", "thresh", "center", "expand"}:
            return name, float(np.ravel(value)[0])
    return name, 0.0


Sample = tuple[list[Any], dict[str, list[float]]]


def split(draws: Any) -> Sample:
    """The functions of each draw, and the arguments of each function."""
    kinds: list[Any] = []
    arguments: dict[str, list[float]] = defaultdict(list)
    for draw in draws:
        kinds.append(tuple(name for name, _ in draw))
        for name, argument in draw:
            arguments[name].append(round(argument, 9))
    return kinds, arguments


def drawn_by_timm(step: Any) -> Sample:
    calls: list[Any] = []

    def note(name: str) -> Any:
        def noted(image: Any, argument: float = 0.0, **_: Any) -> Any:
            if name == "gaussian_blur_rand":
                calls.append(("gaussian_blur", random.uniform(0.1, 2.0 * argument)))
            elif name == "desaturate":
                calls.append(("color", min(1.0, max(0.0, 1.0 - argument))))
            elif name == "posterize" and argument < least_bits():
                raise ValueError
            else:
                calls.append((name, float(argument)))
            return image

        return noted

    for policy in getattr(step, "policy", [getattr(step, "ops", [])]):
        for op in policy:
            op.aug_fn = note(op.aug_fn.__name__)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002  (timm draws from it)
    draws = []
    for _ in range(N):
        calls.clear()
        try:
            step(IMAGE)
        except ValueError:
            calls[:] = [("refused", 0.0)]
        draws.append(list(calls))
    return split(draws)


def drawn_by_us(plan: Plan, count: int = N) -> Sample:
    pipeline = pipeline_of(plan, SIZE, count)

    def draw(index: int) -> list[tuple[str, float]]:
        try:
            return [taken(call, parameters) for _, call, parameters in pipeline.draw(index, 7, 0)[1]]
        except ValueError:
            return [("refused", 0.0)]

    return split(map(draw, range(count)))


def unlike(left: Sample, right: Sample) -> list[str]:
    """What of two samples is not of one distribution."""
    found = ["functions"] if chi_square(left[0], right[0]) > 3 else []
    for name, ours in left[1].items():
        if distance(ours, right[1].get(name, [0.0])) > kolmogorov_smirnov(len(ours), len(right[1].get(name, [0.0]))):
            found.append(name)
    return found


# Strings, and others that differ in one thing.
@pytest.mark.parametrize(
    ("string", "wrong", "where"),
    [
        ("rand-m9-mstd0.5-inc1", "rand-m9-mstd1-inc1", "rotate"),
        ("rand-m7-inc1", "rand-m8-inc1", "shear_x"),
        ("rand-m7-n3-mstd101-inc1", "rand-m7-n3-mstd1-inc1", "solarize"),
        ("rand-m8-mstd3-mmax9-inc1", "rand-m8-mstd3-mmax10-inc1", "contrast"),
        ("rand-m9-n2-tweights-inc1", "rand-m9-n2-inc1", "functions"),
        ("rand-n3-p1-m6-t3aw-inc1", "rand-n3-p0.9-m6-t3aw-inc1", "functions"),
        ("original", "originalr", "posterize"),
        ("original-mstd1", "original", "rotate"),
        ("3a", "rand-n1-p1-t3a", "gaussian_blur"),
    ],
)
def test_distributions(string: str, wrong: str, where: str) -> None:
    reference = drawn_by_timm(step_of(string))
    assert unlike(drawn_by_us(plan_of(step_of(string))), reference) == []
    assert where in unlike(drawn_by_us(plan_of(step_of(wrong)), N // 2), reference)


# What runs in Python


def test_what_is_none_of_timm_s_runs_in_python() -> None:
    def steps() -> Any:
        for change in CHANGES.values():
            step = step_of("rand-m9-inc1")
            change(step.ops[3])
            yield step

    for step, name in zip(steps(), CHANGES, strict=True):
        assert recognize(step, metadata=False).why, name


CHANGES: dict[str, Any] = {
    "function": lambda op: setattr(op, "aug_fn", lambda image, *_, **__: image),
    "level": lambda op: setattr(op, "level_fn", lambda level, _: (level,)),
    "call": lambda op: setattr(op, "__call__", lambda image: image),
    "class": lambda op: setattr(op, "__class__", type("AugmentOp", (timm_s.AugmentOp,), {})),
    "fill": lambda op: op.kwargs.update(fillcolor=(1, 2, 3)),
    "resample": lambda op: op.kwargs.update(resample=Image.Resampling.LANCZOS),
}


def test_functions_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that another calls may be replaced between two epochs."""
    dataset = in_memory([pixels(*SIZE)], theirs.Compose([step_of("rand-m9-n9-p1-inc1"), theirs.PILToTensor()]))
    assert dataset.draw(0, seed=1)[0].function
    monkeypatch.setattr(timm_s, "_interpolation", lambda _: Image.Resampling.NEAREST)
    assert dataset.draw(0, seed=1)[0].step == "Python"
