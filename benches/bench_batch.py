"""The batch stage: samples side by side, and one-hot rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from torchfeed.bench.operators import OPERATORS

from .work import SIDES, Work

Measure = Callable[[Work, str], None]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPERATORS)
def bench_operator(measure: Measure, name: str, side: str) -> None:
    operator = OPERATORS[name]()
    torchfeed, torch, *_ = operator.sides.values()
    work = Work(operator.name, torchfeed, torch, operator.check, amount=operator.gigabytes, unit="GB")
    measure(work, side)
