"""The distribution of 100,000 draws of each random class, beside torchvision's own; and that a wrong one would be seen.

Rotations, maps, erasures and automatic augmentation are in files of their own: see `ELSEWHERE`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from distributions import chi_square, distance, kolmogorov_smirnov
from oracle import theirs
from torchfeed import transforms as T
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import recognize
from torchfeed.recognize.rules import RULES
from torchfeed.settings import Options

N = 100_000
SIZE = (60, 83)
LIMIT = kolmogorov_smirnov(N)
THEIRS = 25_000
"""How often torchvision draws where that takes long."""

Calls = list[tuple[int, str, dict[str, Any]]]
Table = dict[str, npt.NDArray[np.float64]]

# Some of the classes that each file has.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "test_auto_augment.py": ("AutoAugment", "RandAugment", "TrivialAugmentWide"),
    "test_erase.py": ("RandomErasing",),
    "test_more_draws.py": ("GaussianBlur",),
    "test_timm_augment.py": ("create_transform",),
    "test_warp_draws.py": ("RandomAffine", "RandomPerspective", "RandomRotation"),
}
FIXED = {"CenterCrop", "Grayscale", "Pad", "RGB", "Resize"}


def drawn(transform: Any, size: tuple[int, int] = SIZE, count: int = N) -> list[Calls]:
    """Draws natively, for as many samples of one size: (position, function, parameters) of each call."""
    plan = recognize(theirs.Compose([transform, theirs.PILToTensor()]), metadata=False)
    assert not plan.why
    source = array_source(np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (count, *size, 3)))
    pipeline = compile_plan(source, range(count), plan, Options())
    return [pipeline.draw(index, 11, 0)[1] for index in range(count)]


def far(ours: Table, reference: Table, limit: float = LIMIT) -> list[str]:
    """Names the columns that are not of one distribution."""
    return [name for name in ours if distance(ours[name], reference[name]) >= limit]


# Crops

BOXES = "top left height width"
EDGES = (("top", "height"), ("left", "width"))


def measures(rows: Any) -> Table:
    """What is told of boxes: where they are, how large, and of which form."""
    table = dict(zip(BOXES.split(), np.array(rows, np.float64).T, strict=True))
    area, form = table["height"] * table["width"], np.log(table["width"] / table["height"])
    down, across = (table[at] / (SIZE[n] + 1 - table[edge]) for n, (at, edge) in enumerate(EDGES))
    return {**table, "area": area, "form": form, "down": down, "across": across}


def boxes(transform: Any, count: int = N) -> Table:
    """Draws boxes natively."""
    return measures([[calls[0][2][name] for name in BOXES.split()] for calls in drawn(transform, count=count)])


def boxes_of(step: Any) -> Table:
    """Draws boxes by a class's own function."""
    torch.manual_seed(4)
    random.seed(4)
    image, scale, ratio = Image.new("RGB", SIZE[::-1]), list(step.scale), list(step.ratio)
    return measures([step.get_params(image, scale, ratio) for _ in range(THEIRS)])


RESIZED: dict[str, Any] = {"scale": (0.1, 0.6), "ratio": (0.6, 1.9)}


def test_random_resized_crop() -> None:
    ours, reference = boxes(T.RandomResizedCrop(8, **RESIZED)), boxes_of(theirs.RandomResizedCrop(8, **RESIZED))
    limit = kolmogorov_smirnov(N, THEIRS)
    assert not far(ours, reference, limit)
    # A little more or less of each range.
    for name, wrong, where in (
        ("scale", (0.115, 0.6), "area"),
        ("scale", (0.1, 0.62), "area"),
        ("ratio", (0.63, 1.9), "form"),
        ("ratio", (0.6, 2.0), "form"),
    ):
        others = boxes(T.RandomResizedCrop(8, **{**RESIZED, name: wrong}), THEIRS)
        assert where in far(others, reference, kolmogorov_smirnov(THEIRS)), wrong
    # One place too far, or never the last one.
    assert "top" in far({**ours, "top": ours["top"] + 1}, ours)
    last = ours["top"] == SIZE[0] - ours["height"]
    assert "down" in far({**ours, "down": np.where(last, 0, ours["down"])}, ours)


def test_random_resized_crop_and_interpolation() -> None:
    cropping = pytest.importorskip("timm.data.transforms").RandomResizedCropAndInterpolation
    step = cropping(8, **RESIZED, interpolation="random")
    calls = drawn(step)
    ours, reference = measures([[call[2][name] for name in BOXES.split()] for call, *_ in calls]), boxes_of(step)
    assert not far(ours, reference, kolmogorov_smirnov(N, THEIRS))
    wrong = boxes(cropping(8, (0.12, 0.6), (0.6, 1.9)), THEIRS)
    assert "area" in far(wrong, reference, kolmogorov_smirnov(THEIRS))
    filters = [call[2]["interpolation"] for call, *_ in calls]
    theirs_ = [int(random.choice(step.interpolation).value == "bicubic") + 2 for _ in range(N)]
    assert chi_square(filters, theirs_) < 3
    assert chi_square(filters + [2] * 1500, theirs_) > 3


def test_random_crop() -> None:
    places = [(calls[0][2]["top"], calls[0][2]["left"]) for calls in drawn(T.RandomCrop(32, padding=4), (32, 36))]
    padded = torch.zeros(1, 40, 44)
    torch.manual_seed(3)
    reference = [theirs.RandomCrop.get_params(padded, (32, 32))[:2] for _ in range(N // 2)]
    assert chi_square(places, reference) < 3
    # One place less on each side, each place shifted by one, height and width exchanged.
    assert chi_square([place for place in places if place[0] < 8], reference) > 3
    assert chi_square([(top + 1, left) for top, left in places], reference) > 3
    assert chi_square([(left, top) for top, left in places], reference) > 3
    # A few in a thousand of one place.
    assert chi_square([*places, *[(4, 4)] * 400], reference) > 3


# Colours

FACTORS = ("brightness", "contrast", "saturation", "hue")
RANGES: dict[str, Any] = {"brightness": 0.4, "contrast": (0.2, 0.9), "saturation": (1, 3), "hue": (-0.1, 0.3)}
WIDER: dict[str, Any] = {"brightness": 0.42, "contrast": (0.2, 0.93), "saturation": (0.92, 3), "hue": (-0.1, 0.315)}

Jitter = tuple[list[tuple[str, ...]], Table]


def jitter_of_ours(count: int = N, **ranges: Any) -> Jitter:
    """The orders and the factors, drawn natively."""
    samples = drawn(T.ColorJitter(**ranges), count=count)
    orders = [tuple(function.removeprefix("adjust_") for _, function, _ in calls) for calls in samples]
    rows = [{name: value for _, _, given in calls for name, value in given.items()} for calls in samples]
    return orders, {name: np.array([row[f"{name}_factor"] for row in rows]) for name in ranges}


def jitter_of_theirs(**ranges: Any) -> Jitter:
    """The same by torchvision."""
    step = theirs.ColorJitter(**ranges)
    bounds = [getattr(step, name) for name in FACTORS]
    torch.manual_seed(7)
    samples = [step.get_params(*bounds) for _ in range(THEIRS)]
    orders = [tuple(FACTORS[at] for at in order.tolist() if FACTORS[at] in ranges) for order, *_ in samples]
    columns = zip(FACTORS, zip(*(factors for _, *factors in samples), strict=True), strict=True)
    return orders, {name: np.array(column) for name, column in columns if name in ranges}


def test_color_jitter() -> None:
    limit = kolmogorov_smirnov(N, THEIRS)
    (orders, factors), (their_orders, their_factors) = jitter_of_ours(**RANGES), jitter_of_theirs(**RANGES)
    assert chi_square(orders, their_orders) < 3
    assert set(orders) == set(permutations(FACTORS))
    assert not far(factors, their_factors, limit)
    for left, right in combinations(FACTORS, 2):
        assert abs(np.corrcoef(factors[left], factors[right])[0, 1]) < 4 / N**0.5
    for name, column in factors.items():
        assert (column == column.astype(np.float32)).all(), f"torch draws the factor of {name} in single precision"
    # Each range a little wider; an order that never comes up.
    _, wider = jitter_of_ours(THEIRS, **WIDER)
    assert set(far(wider, their_factors, kolmogorov_smirnov(THEIRS))) == set(FACTORS)
    assert chi_square([order for order in orders if order != FACTORS], their_orders) > 3


def test_a_color_jitter_of_some_factors() -> None:
    ranges = {"contrast": 0.3, "hue": 0.2}
    (orders, factors), (their_orders, their_factors) = jitter_of_ours(THEIRS, **ranges), jitter_of_theirs(**ranges)
    assert chi_square(orders, their_orders) < 3
    assert not far(factors, their_factors, kolmogorov_smirnov(THEIRS))
    assert chi_square([order for order in orders if order[0] == "hue"] + orders, their_orders) > 3


def test_gaussian_blur() -> None:
    samples = drawn(T.RandomGaussianBlur((0.3, 2.1), p=1))
    radii = np.array([calls[0][2]["radius"] for calls in samples])
    assert (radii[:, 0] == radii[:, 1]).all()
    generator = random.Random(3)
    right, narrow = (np.array([generator.uniform(*bounds) for _ in range(N)]) for bounds in ((0.3, 2.1), (0.32, 2.1)))
    assert distance(radii[:, 0], right) < LIMIT
    assert distance(radii[:, 0], narrow) > LIMIT


# What happens or does not

# A position each in one chain, so that all are drawn at once: the probability, and the call.
CHANCES: dict[str, tuple[float, Callable[[float], Any]]] = {
    "RandomHorizontalFlip": (0.5, T.RandomHorizontalFlip),
    "RandomVerticalFlip": (0.03, T.RandomVerticalFlip),
    "RandomGrayscale": (0.2, T.RandomGrayscale),
    "RandomInvert": (0.35, T.RandomInvert),
    "RandomPosterize": (0.9, lambda p: T.RandomPosterize(3, p)),
    "RandomSolarize": (0.44, lambda p: T.RandomSolarize(99, p)),
    "RandomAutocontrast": (0.61, T.RandomAutocontrast),
    "RandomEqualize": (0.77, T.RandomEqualize),
    "RandomAdjustSharpness": (0.1, lambda p: T.RandomAdjustSharpness(2, p)),
    "RandomGaussianBlur": (0.55, lambda p: T.RandomGaussianBlur(1, p)),
    "RandomPerspective": (0.4, lambda p: T.RandomPerspective(p=p)),
    "RandomApply": (0.7, lambda p: theirs.RandomApply([T.RandomInvert(1)], p=p)),
}
SEEN = 4.5
"""Deviations that none of the probabilities and pairs here exceeds but once in a thousand runs."""


def happened() -> npt.NDArray[np.bool_]:
    """Which of the classes came up, for each of N samples."""
    samples = drawn(theirs.Compose([make(p) for p, make in CHANCES.values()]), (4, 4))
    came = np.zeros((N, len(CHANCES) + 1), bool)
    for row, calls in zip(came, samples, strict=True):
        for position, _, _ in calls:
            row[position] = True
    # The last one's position is that of the step in it.
    return came[:, [*range(len(CHANCES) - 1), len(CHANCES)]]


def test_probabilities() -> None:
    came = happened()
    shares = came.mean(0)
    torch.manual_seed(2)
    for share, (name, (p, _)) in zip(shares, CHANCES.items(), strict=True):
        deviation = (p * (1 - p) * 2 / N) ** 0.5
        # As torchvision asks: torch.rand(1) < p.
        reference = float((torch.rand(N) < p).double().mean())
        assert abs(share - reference) < SEEN * deviation, name
        assert abs(share - p) < SEEN * deviation / 2**0.5, name
        # A hundredth more would be seen.
        assert abs(share - p - 0.015) > SEEN * deviation, name
    correlations = np.array(np.corrcoef(came.T))
    assert np.abs(correlations[np.triu_indices(len(CHANCES), 1)]).max() < SEEN / N**0.5


# Structure

CHOICES = [T.RandomInvert(1), T.RandomEqualize(1), T.RandomAutocontrast(1)]
NAMES = ("invert", "equalize", "autocontrast")


def orders(transform: Any, count: int = N) -> list[tuple[str, ...]]:
    """Which steps came up, in which order."""
    return [tuple(function for _, function, _ in calls) for calls in drawn(transform, (4, 4), count)]


def noted(make: Callable[[list[Any]], Any]) -> list[tuple[str, ...]]:
    """The same by torchvision, with steps that note that they were called."""
    called: list[str] = []

    def note(name: str) -> Callable[[Any], Any]:
        def step(image: Any) -> Any:
            called.append(name)
            return image

        return step

    step, rows = make(list(map(note, NAMES))), []
    random.seed(1)
    torch.manual_seed(1)
    for _ in range(N // 2):
        called.clear()
        step(None)
        rows.append(tuple(called))
    return rows


def test_random_choice() -> None:
    weights = [0.2, 0.5, 0.3]
    ours = orders(theirs.RandomChoice(CHOICES, p=weights))
    reference = noted(lambda steps: theirs.RandomChoice(steps, p=weights))
    assert chi_square(ours, reference) < 3
    assert chi_square(orders(theirs.RandomChoice(CHOICES, p=[0.2, 0.48, 0.32]), THEIRS), reference) > 3
    assert chi_square(orders(theirs.RandomChoice(CHOICES), THEIRS), noted(theirs.RandomChoice)) < 3


def test_random_order() -> None:
    ours, reference = orders(theirs.RandomOrder(CHOICES)), noted(theirs.RandomOrder)
    assert chi_square(ours, reference) < 3
    # As if the last one rarely came first.
    assert chi_square([order for at, order in enumerate(ours) if at % 10 or order[0] != "invert"], reference) > 3


def test_random_apply() -> None:
    ours = orders(theirs.RandomApply(CHOICES, p=0.3))
    assert set(ours) == {(), NAMES}
    reference = noted(lambda steps: theirs.RandomApply(steps, p=0.3))
    assert chi_square(ours, reference) < 3
    assert chi_square(orders(theirs.RandomApply(CHOICES, p=0.32), THEIRS), reference) > 3


def test_every_random_class_has_a_test() -> None:
    """Here, or in one of the files that `ELSEWHERE` names."""
    words = set(re.findall(r"\w+", Path(__file__).read_text().split("def test_every_random_class")[0]))
    for file, names in ELSEWHERE.items():
        text = (Path(__file__).parent / file).read_text()
        found = set(re.findall(r"\w+", text))
        assert "100_000" in text
        assert found >= set(names)
        words |= found
    ops = {name for name, rule in RULES.items() if rule.read or rule.erases or rule.compose}
    assert ops - FIXED <= words
