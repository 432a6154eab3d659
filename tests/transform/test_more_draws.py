"""The draws of single classes have torchvision's distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from distributions import chi_square, distance, kolmogorov_smirnov
from draws import draws
from oracle import theirs, v2
from torchfeed import transforms as T

N = 100_000
SIZE = (40, 57)
LIMIT = kolmogorov_smirnov(N)

# An image of the size for those of v2's classes that ask for it.
IMAGE = [Image.new("RGB", SIZE[::-1])]
UNLIKELY = 3.1
"""A chi-square that one comparison of a thousand exceeds."""

V1_AND_V2 = pytest.mark.parametrize("module", [theirs, v2], ids=["v1", "v2"])


def column(transform: Any, name: str) -> np.ndarray[Any, Any]:
    """A parameter, of N draws of a call each."""
    return np.array([parameters[name] for ((_, parameters),) in draws(transform, SIZE, N)])


@V1_AND_V2
def test_gaussian_blur(module: Any) -> None:
    sigma = column(module.GaussianBlur((9, 5), (0.1, 2.0)), "sigma")
    assert (sigma[:, 0] == sigma[:, 1]).all()
    assert (sigma == sigma.astype(np.float32)).all()
    right, wrong = (
        [theirs.GaussianBlur.get_params(low, high) for _ in range(N)] for low, high in ((0.1, 2.0), (0.12, 2.0))
    )
    assert distance(sigma[:, 0], right) < LIMIT < distance(sigma[:, 0], wrong)
    assert (column(module.GaussianBlur(3, 1.3), "sigma") == np.float64(np.float32(1.3))).all()


P_ONLY: dict[str, dict[str, Any]] = {
    "RandomGrayscale": {},
    "RandomInvert": {},
    "RandomPosterize": {"bits": 3},
    "RandomSolarize": {"threshold": 9.0},
    "RandomAutocontrast": {},
    "RandomEqualize": {},
    "RandomAdjustSharpness": {"sharpness_factor": 1.7},
}


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", P_ONLY)
@V1_AND_V2
def test_those_that_only_have_a_probability(module: Any, name: str, p: float) -> None:
    count = 20_000
    drawn = [len(calls) for calls in draws(getattr(module, name)(p=p, **P_ONLY[name]), SIZE, count)]
    assert set(drawn) == {0, 1} - ({1} if p == 0 else {0} if p == 1 else set())
    assert abs(np.mean(drawn) - p) <= 3.3 * (p * (1 - p) / count) ** 0.5


def kinds(transform: Any) -> tuple[list[tuple[str, ...]], dict[str, list[float]]]:
    """The functions of N draws, in order, and the factors of each."""
    made, factors = [], dict[str, list[float]]()
    for calls in draws(transform, SIZE, N):
        made.append(tuple(call.function for call in calls))
        for call in calls:
            for name, value in call.parameters.items():
                if name.endswith("_factor"):
                    factors.setdefault(name, []).append(value)
    return made, factors


def test_color_jitter_of_v2() -> None:
    step = v2.ColorJitter((0.5, 1.5), (0.2, 0.9), 0.3, (-0.1, 0.4))
    made, factors = kinds(step)
    reference = [theirs.ColorJitter.get_params(step.brightness, step.contrast, step.saturation, step.hue) for _ in made]
    names = ["adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue"]
    assert chi_square(made, [tuple(names[at] for at in order) for order, *_ in reference]) < UNLIKELY
    for at, name in enumerate(names, 1):
        ours = factors[f"{name.removeprefix('adjust_')}_factor"]
        assert len(ours) == N
        assert distance(ours, [row[at] for row in reference]) < LIMIT
    wrong = [theirs.ColorJitter.get_params(step.brightness, step.contrast, (0.7, 1.31), step.hue)[3] for _ in made]
    assert distance(factors["saturation_factor"], wrong) > LIMIT


def distorted(step: Any, count: int) -> tuple[list[tuple[str, ...]], dict[str, list[float]], list[tuple[int, ...]]]:
    """The same of torchvision's `RandomPhotometricDistort`, and the orders of channels."""
    made, factors, orders = [], dict[str, list[float]](), []
    for _ in range(count):
        row = step.make_params(IMAGE)
        middle = ["saturation", "hue"]
        order = ["brightness", "contrast", *middle] if row["contrast_before"] else ["brightness", *middle, "contrast"]
        applied = [name for name in order if row[f"{name}_factor"] is not None]
        for name in applied:
            factors.setdefault(f"{name}_factor", []).append(row[f"{name}_factor"])
        names = [f"adjust_{name}" for name in applied]
        if row["channel_permutation"] is not None:
            names.append("permute_channels")
            orders.append(tuple(row["channel_permutation"].tolist()))
        made.append(tuple(names))
    return made, factors, orders


def test_photometric_distortion() -> None:
    arguments = {"brightness": (0.3, 1.1), "saturation": (0.5, 0.6), "hue": (-0.3, 0.1), "p": 0.6}
    step = v2.RandomPhotometricDistort(**arguments)
    made, factors = kinds(step)
    expected, theirs_factors, orders = distorted(step, N // 2)
    assert chi_square(made, expected) < UNLIKELY
    for name, values in factors.items():
        assert distance(values, theirs_factors[name]) < kolmogorov_smirnov(len(values), len(theirs_factors[name]))
    ours = [
        tuple(call.parameters["permutation"])
        for calls in draws(step, SIZE, N)
        for call in calls
        if call.function == "permute_channels"
    ]
    assert chi_square(ours, orders) < UNLIKELY
    assert chi_square(made, distorted(v2.RandomPhotometricDistort(**{**arguments, "p": 0.63}), N // 5)[0]) > UNLIKELY


def test_channel_permutation() -> None:
    step = v2.RandomChannelPermutation()
    ours = [tuple(order) for order in column(step, "permutation")]
    assert chi_square(ours, [tuple(step.make_params(IMAGE)["permutation"].tolist()) for _ in range(N)]) < UNLIKELY
    assert len(set(ours)) == 6
    assert chi_square(ours, [order for order in ours if order != (2, 1, 0)]) > UNLIKELY


def sizes(step: Any) -> list[tuple[int, int]]:
    """The sizes of N draws of torchvision's."""
    return [
        tuple(theirs.functional._compute_resized_output_size(SIZE, row) if len(row) == 1 else row)
        for row in (step.make_params(IMAGE)["size"] for _ in range(N))
    ]


RESIZES = {
    "RandomResize": (v2.RandomResize(8, 25), v2.RandomResize(8, 26)),
    "RandomShortestSize": (v2.RandomShortestSize([8, 9, 30]), v2.RandomShortestSize([8, 9, 31])),
    "RandomShortestSize, limited": (
        v2.RandomShortestSize([8, 9, 30, 36], max_size=45),
        v2.RandomShortestSize([8, 9, 30, 36], max_size=44),
    ),
    "ScaleJitter": (v2.ScaleJitter((60, 50)), v2.ScaleJitter((60, 50), (0.12, 2.0))),
    "ScaleJitter, narrow": (v2.ScaleJitter((30, 200), (0.5, 0.9)), v2.ScaleJitter((30, 200), (0.5, 0.91))),
}


@pytest.mark.parametrize("name", RESIZES)
def test_resizes(name: str) -> None:
    step, wrong = RESIZES[name]
    ours = [tuple(size) for size in column(step, "size").tolist()]
    assert chi_square(ours, sizes(step)) < UNLIKELY
    assert chi_square(ours, sizes(wrong)) > UNLIKELY


def test_zooming_out() -> None:
    step = v2.RandomZoomOut(side_range=(1.5, 3.0), p=0.3)
    calls = [call.parameters["padding"] for made in draws(step, SIZE, N) for call in made]
    assert abs(len(calls) / N - 0.3) < 3.3 * (0.3 * 0.7 / N) ** 0.5
    ours = np.array(calls)
    reference = np.array([step.make_params(IMAGE)["padding"] for _ in range(N)])
    wrong = np.array([v2.RandomZoomOut(side_range=(1.5, 3.05)).make_params(IMAGE)["padding"] for _ in range(N)])
    limit = kolmogorov_smirnov(len(ours), N)
    for side in range(4):
        assert distance(ours[:, side], reference[:, side]) < limit
    for side in (0, 1):
        added = [rows[:, side] + rows[:, side + 2] for rows in (ours, reference, wrong)]
        assert distance(added[0], added[1]) < limit < distance(added[0], added[2])
        shares = [rows[:, side] / (rows[:, side] + rows[:, side + 2]) for rows in (ours, reference)]
        assert distance(*shares) < limit
    # Both directions grow alike, and the places in them have nothing to do with each other.
    assert np.corrcoef(ours[:, 0] + ours[:, 2], ours[:, 1] + ours[:, 3])[0, 1] > 0.999
    shares = [ours[:, side] / (ours[:, side] + ours[:, side + 2]) for side in (0, 1)]
    assert abs(np.corrcoef(*shares)[0, 1]) < 4 / len(ours) ** 0.5


def test_pillows_blur() -> None:
    calls = [
        call.parameters["radius"] for made in draws(T.RandomGaussianBlur((0.1, 2.0), p=0.4), SIZE, N) for call in made
    ]
    assert abs(len(calls) / N - 0.4) < 3.3 * (0.4 * 0.6 / N) ** 0.5
    radii = np.array(calls)
    assert (radii[:, 0] == radii[:, 1]).all()
    rng = np.random.default_rng(1)
    right, wrong = rng.uniform(0.1, 2.0, N), rng.uniform(0.13, 2.0, N)
    assert distance(radii[:, 0], right) < kolmogorov_smirnov(len(radii), N) < distance(radii[:, 0], wrong)
