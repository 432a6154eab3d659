"""The draws of single classes have torchvision's distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distributions import distance, kolmogorov_smirnov
from draws import draws
from oracle import theirs, v2

N = 100_000
SIZE = (40, 57)
LIMIT = kolmogorov_smirnov(N)

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
