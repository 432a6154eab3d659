"""The draws: torchvision's distributions, and nothing that one draw tells about another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms as theirs

from distributions import distance, kolmogorov_smirnov
from pictures import in_memory, pixels
from torchfeed import transforms as T
from torchfeed.plan.compile import compile_leaves

N = 4000
# The seeds are fixed, so the tests either pass or fail for ever.
KOLMOGOROV_SMIRNOV = kolmogorov_smirnov(N)


def drawn(transform: Any, size: tuple[int, int], *, seeds: int = 1) -> list[Any]:
    """Draws for N samples of equal size, N / seeds of them in each epoch."""
    array = np.broadcast_to(pixels(*size)[None], (N // seeds, *size, 3))
    compiled = compile_leaves([in_memory(array, T.Compose([transform, T.PILToTensor()])).leaf()])
    return [compiled.draw(index, seed, 0)[1] for seed in range(seeds) for index in range(N // seeds)]


def boxes(transform: Any, size: tuple[int, int], seeds: int = 1) -> np.ndarray[Any, Any]:
    """(top, left, height, width) of N samples."""
    rows = [
        [call[key] for key in ("top", "left", "height", "width")]
        for ((_, call),) in drawn(transform, size, seeds=seeds)
    ]
    return np.array(rows)


BOUNDS: list[dict[str, Any]] = [
    {},
    {"scale": (0.5, 0.9), "ratio": (0.5, 2)},
    {"scale": (0.9, 1), "ratio": (0.3, 3)},  # often none of ten tries fits
    {"scale": (0.2, 0.2), "ratio": (1, 1)},
]


@pytest.mark.parametrize("size", [(60, 80), (200, 20), (16, 16)])
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_random_resized_crop(bounds: dict[str, Any], size: tuple[int, int]) -> None:
    ours = boxes(T.RandomResizedCrop(8, **bounds), size, seeds=2)
    step = theirs.RandomResizedCrop(8, **bounds)
    image = torch.zeros(3, *size)
    reference = np.array([step.get_params(image, list(step.scale), list(step.ratio)) for _ in range(N)])
    for name, column in (("top", 0), ("left", 1), ("height", 2), ("width", 3)):
        assert distance(ours[:, column], reference[:, column]) < KOLMOGOROV_SMIRNOV, name
    assert distance(ours[:, 2] * ours[:, 3], reference[:, 2] * reference[:, 3]) < KOLMOGOROV_SMIRNOV
    assert distance(ours[:, 3] / ours[:, 2], reference[:, 3] / reference[:, 2]) < KOLMOGOROV_SMIRNOV


@pytest.mark.parametrize("size", [(32, 32), (40, 33), (33, 100)])
def test_random_crop(size: tuple[int, int]) -> None:
    ours = boxes(T.RandomCrop(32, padding=4), size)
    height, width = size[0] + 8, size[1] + 8
    reference = np.array([theirs.RandomCrop.get_params(torch.zeros(3, height, width), (32, 32)) for _ in range(N)])
    for column in (0, 1):
        assert distance(ours[:, column], reference[:, column]) < KOLMOGOROV_SMIRNOV
        assert set(ours[:, column]) == set(range((height, width)[column] - 32 + 1))
    assert (ours[:, 2:] == 32).all()


@pytest.mark.parametrize("p", [0, 0.1, 0.5, 0.9, 1])
def test_flips(p: float) -> None:
    for flip in (T.RandomHorizontalFlip(p), T.RandomVerticalFlip(p)):
        share = sum(len(calls) for calls in drawn(flip, (4, 4))) / N
        assert abs(share - p) <= 4 * (p * (1 - p) / N) ** 0.5


def correlation(left: Any, right: Any) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def test_draws_tell_nothing_about_each_other() -> None:
    """Not about the other transforms' draws, the neighbours', other epochs' and repeated ones."""
    flip_and_crop = T.Compose([T.RandomHorizontalFlip(), T.RandomCrop(16), T.RandomVerticalFlip(), T.RandomCrop(8)])
    dataset = in_memory(np.zeros((N, 40, 40, 3), np.uint8), T.Compose([flip_and_crop, T.PILToTensor()]))
    compiled = compile_leaves([dataset.leaf()])

    def numbers(seed: int, occurrence: int = 0) -> np.ndarray[Any, Any]:
        rows = []
        for index in range(N):
            _, calls = compiled.draw(index, seed, occurrence)
            crops = [(call["top"], call["left"]) for name, call in calls if name == "RandomCrop"]
            names = [name for name, _ in calls]
            rows.append([*crops[0], *crops[1], "RandomHorizontalFlip" in names, "RandomVerticalFlip" in names])
        return np.array(rows, float).T

    first = numbers(0)
    others = {
        "next seed": numbers(1),
        "far seed": numbers(2**63),
        "again": numbers(0, 1),
        "neighbour": np.roll(first, 1),
    }
    limit = 4 / N**0.5
    for i, row in enumerate(first):
        for j in range(i):
            assert abs(correlation(row, first[j])) < limit, (i, j)
        for name, other in others.items():
            for column in other:
                assert abs(correlation(row, column)) < limit, name


def test_seeds_and_indices_of_all_sizes_are_different() -> None:
    dataset = in_memory([pixels(200, 200)] * 3, T.Compose([T.RandomCrop(8), T.PILToTensor()]))
    seeds = [0, 1, 2**31, 2**32, 2**32 + 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]
    draws = [str(dataset.draw(index, seed=seed, occurrence=o)) for seed in seeds for index in range(3) for o in (0, 1)]
    assert len(set(draws)) == len(draws)
    assert str(dataset.draw(-1, seed=5)) == str(dataset.draw(2, seed=5))


def test_the_draws_of_a_version_are_those_of_every_machine() -> None:
    """Golden values: a change here changes everybody's seeded runs, and belongs into the changelog."""
    dataset = in_memory(
        [pixels(60, 80)] * 9, T.Compose([T.RandomResizedCrop(8), T.RandomHorizontalFlip(), T.ToTensor()])
    )
    got = [
        [(name, *(call.get(k) for k in ("top", "left", "height", "width"))) for name, call in dataset.draw(i, seed=17)]
        for i in range(4)
    ]
    assert got == GOLDEN


GOLDEN: Any = [
    [("RandomResizedCrop", 7, 33, 50, 43)],
    [("RandomResizedCrop", 23, 35, 34, 41)],
    [("RandomResizedCrop", 20, 0, 32, 40)],
    [("RandomResizedCrop", 0, 11, 45, 56)],
]
