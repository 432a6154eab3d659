"""v2's classes that make images of random sizes: torchvision's pixels, and what is not native."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from one_call import picture
from oracle import functional, same, theirs, v2
from pictures import in_memory
from torchfeed import transforms as T
from torchfeed.recognize import recognize

N = 500
FILTERS = ["nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos", 3]


def edges(rng: np.random.Generator) -> list[int]:
    return sorted(rng.choice(80, 2, replace=False) + 1)


def numbers(rng: np.random.Generator, least: float, most: float) -> tuple[float, float]:
    low, high = sorted(rng.uniform(least, most, 2).tolist())
    return (low, low) if rng.random() < 0.1 else (low, high)


def interpolation(rng: np.random.Generator) -> Any:
    return FILTERS[rng.integers(len(FILTERS))]


STEPS: dict[str, Callable[[Any, np.random.Generator], Any]] = {
    "RandomResize": lambda m, rng: m.RandomResize(*map(int, edges(rng)), interpolation(rng)),
    "RandomShortestSize": lambda m, rng: m.RandomShortestSize(
        list(map(int, edges(rng))), [None, 20, 90][rng.integers(3)], interpolation(rng)
    ),
    "ScaleJitter": lambda m, rng: m.ScaleJitter(
        tuple(map(int, edges(rng)[::-1])), numbers(rng, 0.1, 2), interpolation(rng)
    ),
    "RandomZoomOut": lambda m, rng: m.RandomZoomOut(int(rng.integers(256)), numbers(rng, 1, 2.5), 0.9),
}


@pytest.mark.parametrize("module", [v2, T], ids=["v2", "torchfeed"])
@pytest.mark.parametrize("name", STEPS)
def test_pixels_are_torchvisions(name: str, module: Any) -> None:
    rng = np.random.default_rng(len(name))
    raised = refused = 0
    for seed in range(N):
        image = picture(rng)
        if max(image.size) > 40 * min(image.size):
            continue  # they become too long
        array = np.asarray(image)
        pixels = array if array.ndim == 3 else array[:, :, None]
        step = STEPS[name](module, rng)
        dataset = in_memory([pixels], theirs.Compose([step, theirs.PILToTensor()]))
        dataset.seed = seed
        try:
            made = dataset[0][0]
        except ValueError as error:
            refused += "leaves no pixels" in str(error)
            raised += 1
            continue
        drawn = dataset.draw(0, seed=seed)
        same(made, theirs.PILToTensor()(functional(image, drawn)), drawn)
    assert raised == refused < N / 4


REFUSED: dict[str, list[tuple[str, Any]]] = {
    "RandomResize": [("max_size", 8), ("min_size", 0), ("interpolation", "cubic"), ("min_size", 1.5)],
    "RandomShortestSize": [("min_size", []), ("min_size", [0]), ("max_size", 0)],
    "ScaleJitter": [("target_size", (1,)), ("target_size", (0, 1)), ("scale_range", (2, 1)), ("scale_range", (-1, 1))],
    "RandomZoomOut": [("side_range", (0.5, 1)), ("side_range", (2, 1)), ("side_range", (1, float("nan")))],
}


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_that_no_kernel_takes(name: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "RandomResize": (8, 16),
        "RandomShortestSize": (9,),
        "ScaleJitter": ((9, 9),),
        "RandomZoomOut": (),
    }
    for attribute, value in REFUSED[name]:
        step = getattr(v2, name)(*arguments[name])
        setattr(step, attribute, value)
        assert recognize(v2.Compose([step, v2.PILToTensor()])).why, (attribute, value)
    step = v2.RandomZoomOut(fill=(1, 2, 3, 4))
    assert "fill" in recognize(v2.Compose([step, v2.PILToTensor()])).why


@pytest.mark.parametrize("name", ["RandomResize", "RandomShortestSize", "ScaleJitter"])
def test_tensors_are_resized_as_by_resize(name: str) -> None:
    step = STEPS[name](v2, np.random.default_rng(0))
    step.interpolation = "bilinear"
    plan = recognize(v2.Compose([v2.PILToTensor(), step]))
    assert not plan.why
    assert any("differs from a tensor's resize" in note for note in plan.notes)
    late = recognize(v2.Compose([v2.PILToTensor(), v2.RandomZoomOut()]))
    assert "RandomZoomOut of a tensor runs in Python" in late.why


def test_our_arguments() -> None:
    for make in (
        lambda: T.RandomResize(9, 9),
        lambda: T.RandomResize(0, 3),
        lambda: T.RandomZoomOut(side_range=(0.5, 2)),
    ):
        with pytest.raises(ValueError):
            make()
