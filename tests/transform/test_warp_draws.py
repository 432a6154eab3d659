"""The draws of rotations, affine maps and perspectives have torchvision's distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from distributions import distance, kolmogorov_smirnov
from oracle import theirs
from pictures import in_memory, pixels
from torchfeed import transforms as T
from torchfeed.plan.compile import compile_leaves

N = 100_000
SIZE = (40, 57)
LIMIT = kolmogorov_smirnov(N)

Table = dict[str, npt.NDArray[np.float64]]


def drawn(transform: Any) -> list[dict[str, Any]]:
    """Draws N times; the parameters of the call, where there is one."""
    array = np.broadcast_to(pixels(*SIZE)[None], (N, *SIZE, 3))
    compiled = compile_leaves([in_memory(array, T.Compose([transform, T.PILToTensor()])).leaf()])
    return [parameters for index in range(N) for _, parameters in compiled.draw(index, 7, 0)[1]]


def numbers(rows: list[Any], names: str) -> Table:
    """Names the columns of a table."""
    return dict(zip(names.split(), np.array(rows, np.float64).T, strict=True))


def affine_of_theirs(step: Any, translate: Any = None) -> Table:
    """Draws N times by torchvision."""
    arguments = (step.degrees, step.translate if translate is None else translate, step.scale, step.shear)
    rows = [step.get_params(*arguments, [SIZE[1], SIZE[0]]) for _ in range(N)]
    return numbers([(a, *xy, scale, *shear) for a, xy, scale, shear in rows], "angle x y scale shear_x shear_y")


def affine_of_ours(**arguments: Any) -> Table:
    """Draws N times by torchfeed."""
    rows = [
        (call["angle"], *call["translate"], call["scale"], *call["shear"])
        for call in drawn(T.RandomAffine(**arguments))
    ]
    return numbers(rows, "angle x y scale shear_x shear_y")


def far(ours: Table, reference: Table) -> list[str]:
    """Names the columns that are not of one distribution."""
    return [name for name in ours if distance(ours[name], reference[name]) >= LIMIT]


def test_rotation() -> None:
    degrees = (-10, 35)
    ours = {"angle": np.array([call["angle"] for call in drawn(T.RandomRotation(degrees))])}
    right, wrong = (
        {"angle": np.array([theirs.RandomRotation.get_params(each) for _ in range(N)])} for each in (degrees, (-10, 36))
    )
    assert not far(ours, right)
    assert far(ours, wrong)
    assert (ours["angle"] == ours["angle"].astype(np.float32)).all()


AFFINE: list[dict[str, Any]] = [
    {"degrees": 0},
    {"degrees": 20, "translate": (0.2, 0.5), "scale": (0.5, 1.7), "shear": 9},
    {"degrees": (5, 90), "translate": (0, 0.1), "shear": (-3, 8)},
    {"degrees": (0, 1), "scale": (1, 1), "shear": (-3, 8, 20, 21)},
]


@pytest.mark.parametrize("arguments", AFFINE, ids=str)
def test_affine(arguments: dict[str, Any]) -> None:
    ours, step = affine_of_ours(**arguments), theirs.RandomAffine(**arguments)
    reference = affine_of_theirs(step)
    assert not far(ours, reference)
    for column in "xy":
        assert set(ours[column]) == set(reference[column])
    pairs = [(left, right) for left in ours for right in ours if left < right]
    spread = {name: values.std() for name, values in ours.items()}
    for left, right in pairs:
        if spread[left] and spread[right]:
            assert abs(np.corrcoef(ours[left], ours[right])[0, 1]) < 0.012


def test_a_wrong_affine_map_would_be_noticed() -> None:
    arguments: dict[str, Any] = AFFINE[1]
    ours = affine_of_ours(**arguments)
    wrong = {"degrees": 20.5, "translate": (0.2, 0.5), "scale": (0.5, 1.75), "shear": 9.3}
    assert set(far(ours, affine_of_theirs(theirs.RandomAffine(**wrong)))) == {"angle", "scale", "shear_x"}
    # One pixel more, and height and width mixed up.
    assert far(ours, affine_of_theirs(theirs.RandomAffine(**arguments), (0.2 + 1 / SIZE[1], 0.5))) == ["x"]
    assert far(ours, affine_of_theirs(theirs.RandomAffine(**arguments), (0.5, 0.2))) == ["x", "y"]


CORNERS = "left1 top1 right2 top2 right3 bottom3 left4 bottom4"


def moved_corners(coefficients: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The places that the corners of the image come to, from the maps back."""
    height, width = SIZE
    maps = np.linalg.inv(np.concatenate([coefficients, np.ones((len(coefficients), 1))], 1).reshape(-1, 3, 3))
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1]]).T
    moved = maps @ corners
    return np.asarray((moved[:, :2] / moved[:, 2:]).transpose(0, 2, 1).reshape(-1, 8), np.float64)


def corners_of_theirs(distortion: float) -> Table:
    """Draws N times by torchvision."""
    rows = [theirs.RandomPerspective.get_params(SIZE[1], SIZE[0], distortion)[1] for _ in range(N)]
    return numbers([np.ravel(end) for end in rows], CORNERS)


@pytest.mark.parametrize("distortion", [0.1, 0.5])
def test_perspective(distortion: float) -> None:
    calls = drawn(T.RandomPerspective(distortion, p=1.0))
    moved = moved_corners(np.array([call["coefficients"] for call in calls]))
    assert np.abs(moved - moved.round()).max() < 1e-2
    ours = numbers(moved.round().tolist(), CORNERS)
    reference = corners_of_theirs(distortion)
    assert not far(ours, reference)
    for column, values in ours.items():
        assert set(values) == set(reference[column])
    if distortion == 0.5:
        assert len(far(ours, corners_of_theirs(0.56))) == 8


def test_p_of_a_perspective() -> None:
    assert abs(len(drawn(T.RandomPerspective(p=0.3))) / N - 0.3) < 0.005
