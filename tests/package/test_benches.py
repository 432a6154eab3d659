"""The benchmarks know every class and every function that runs natively."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from torchvision import transforms as T

import golden_draws
from repository import ROOT
from torchfeed.bench.peers import installed
from torchfeed.bench.recipes import RECIPES
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import recognize
from torchfeed.recognize.rules import RULES
from torchfeed.settings import Options

sys.path.append(str(ROOT))

from benches.bench_function import FUNCTIONS
from benches.bench_transform import GEOMETRY, VALUES

BENCHES: list[Any] = [*map(T.Compose, FUNCTIONS.values()), *GEOMETRY.values(), *map(T.Compose, VALUES.values())]


def classes(transform: Any) -> Iterator[str]:
    """Names the class of a transform, and those of the transforms in it."""
    if isinstance(transform, dict):
        transform = list(transform.values())
    if isinstance(transform, (list, tuple)):
        for step in transform:
            yield from classes(step)
        return
    yield type(transform).__name__
    yield from classes(getattr(transform, "transforms", []))


def every(transforms: list[Any]) -> set[str]:
    return {name for transform in transforms for name in classes(transform)}


def test_every_class_of_an_op_has_a_bench() -> None:
    known = every(BENCHES)
    recipes = every([recipe.ours() for recipe in RECIPES.values() if installed(recipe.needs)])
    absent = {name for name, rule in RULES.items() if (rule.read or rule.erases or rule.compose) and name not in known}
    # As a part of a recipe; other code crops by classes that have a bench.
    assert absent - recipes <= ({"RandomResizedCropAndInterpolation"} if not installed("timm") else set())
    assert {"Views", "ColorJitter", "RandomErasing"} <= recipes


def functions(transform: Any, draws: int = 200) -> set[str]:
    """Names the functions that a transform draws."""
    plan = recognize(transform, metadata=False)
    source = array_source(np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (draws, 320, 320, 3)))
    pipeline = compile_plan(source, range(draws), plan, Options())
    return {function for index in range(draws) for _, function, _ in pipeline.draw(index, 3, 0)[1]}


def test_every_function_has_a_bench() -> None:
    drawn = set().union(*map(functions, BENCHES))
    table = {
        call[1]
        for row in golden_draws.rows()
        for each in row["draws"]
        for group in each["drawn"]
        for call in group.get("calls", [])
    }
    assert table - drawn == set()
    assert {"rotate", "affine", "perspective", "adjust_hue", "erase", "pil_gaussian_blur"} <= drawn


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_has_a_bench_is_native(name: str) -> None:
    assert not recognize(T.Compose(FUNCTIONS[name]), metadata=False).why
