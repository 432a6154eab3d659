"""Transforms made of transforms: what is drawn is what is done, as often as torchvision would do it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from oracle import functional, same, theirs, v2
from pictures import in_memory, pixels
from torchfeed import transforms as T

N = 600
IMAGES = [pixels(20, 22, seed=i) for i in range(N)]
FLIP, CROP = theirs.RandomHorizontalFlip(1), theirs.RandomCrop(12)


def made(transform: Any) -> tuple[list[torch.Tensor], list[list[Any]]]:
    """All images, and what was drawn for each; each is held against torchvision's functions."""
    chain = theirs.Compose([transform, T.PILToTensor()])
    dataset = in_memory(IMAGES, chain)
    dataset.seed = 5
    images = [dataset[i][0] for i in range(N)]
    drawn = [dataset.draw(i, seed=5) for i in range(N)]
    for image, calls, array in zip(images, drawn, IMAGES, strict=True):
        same(image, T.PILToTensor()(functional(Image.fromarray(array), calls)), calls)
    return images, drawn


def names(calls: list[Any]) -> tuple[str, ...]:
    return tuple(name for name, _ in calls)


def shares(drawn: list[list[Any]]) -> dict[tuple[str, ...], float]:
    return {key: count / N for key, count in Counter(map(names, drawn)).items()}


@pytest.mark.parametrize("library", [theirs, v2])
def test_random_apply(library: Any) -> None:
    _, drawn = made(library.RandomApply([FLIP, CROP], p=0.3))
    found = shares(drawn)
    assert found.keys() == {(), ("RandomHorizontalFlip", "RandomCrop")}
    assert found[()] == pytest.approx(0.7, abs=0.06)
    inside = library.RandomApply(nn.ModuleList([library.RandomHorizontalFlip(0.5)]), p=0.5)
    assert shares(made(inside)[1])[()] == pytest.approx(0.75, abs=0.06)


def test_random_choice() -> None:
    for transform, shares_of in (
        (theirs.RandomChoice([FLIP, CROP, theirs.Compose([])]), (1 / 3, 1 / 3, 1 / 3)),
        (theirs.RandomChoice([FLIP, CROP, theirs.Compose([])], p=[1, 3, 0]), (0.25, 0.75, 0)),
        (v2.RandomChoice([v2.RandomHorizontalFlip(1), CROP, v2.Identity()], p=[2, 1, 1]), (0.5, 0.25, 0.25)),
    ):
        found = shares(made(transform)[1])
        for key, share in zip([("RandomHorizontalFlip",), ("RandomCrop",), ()], shares_of, strict=True):
            assert found.get(key, 0) == pytest.approx(share, abs=0.06), transform


@pytest.mark.parametrize("library", [theirs, v2])
def test_random_order(library: Any) -> None:
    steps = [theirs.RandomCrop(14), theirs.Pad(3), theirs.RandomVerticalFlip(1)]
    _, drawn = made(library.RandomOrder(steps))
    found = shares(drawn)
    assert len(found) == 6
    assert all(share == pytest.approx(1 / 6, abs=0.06) for share in found.values())


def test_nested_in_each_other() -> None:
    nested = theirs.RandomOrder(
        [
            v2.RandomApply([theirs.RandomChoice([CROP, theirs.Resize(9)])], p=0.5),
            nn.Sequential(theirs.RandomApply([theirs.Pad(1)], p=0.5), theirs.RandomVerticalFlip(0.5)),
        ]
    )
    _, drawn = made(theirs.Compose([nested, theirs.RandomHorizontalFlip()]))
    found = shares(drawn)
    assert {"RandomCrop", "Resize", "Pad", "RandomVerticalFlip", "RandomHorizontalFlip"} == {
        name for key in found for name in key
    }
    assert () in found
    # The two branches are independent of each other: every combination comes up as often as its parts say.
    both = sum(bool({"RandomCrop", "Resize"} & set(key)) and "Pad" in key for key in map(names, drawn)) / N
    assert both == pytest.approx(0.25, abs=0.06)
