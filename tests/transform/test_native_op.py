"""Native ops as data: they print, compare and pickle, and what is no op is refused with its reason."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from golden_draws import rows
from torchfeed import _native

OPS = [op for row in rows() for op in row["ops"]]


def test_ops_are_their_data() -> None:
    for data in OPS:
        op = _native.Op(data)
        ((name, arguments),) = op.data().items()
        assert {name: arguments} == data
        assert _native.Op(name, **arguments) == op == pickle.loads(pickle.dumps(op)) == copy.deepcopy(op)
        assert repr(op).startswith(f"{name}(")
    assert _native.Op("RandomHorizontalFlip", p=1) != _native.Op("RandomHorizontalFlip", p=0.5)
    assert _native.Op("CenterCrop", size=(8, 9)) != "CenterCrop"


def test_ops_print_as_they_are_written() -> None:
    flip = _native.Op("RandomHorizontalFlip", p=0.5)
    assert repr(flip) == "RandomHorizontalFlip(p=0.5)"
    choice = _native.Op("RandomChoice", weights=[1, 2], branches=[[flip.data()], []])
    assert repr(choice) == "RandomChoice([[RandomHorizontalFlip(p=0.5)], []], p=[1.0, 2.0])"


def test_ops_that_draw_are_random() -> None:
    for data in OPS:
        ((name, _),) = data.items()
        assert _native.Op(data).is_random == (
            name.startswith("Random")
            or name in {"AutoAugment", "ColorJitter", "GaussianBlur", "RandAugment", "ScaleJitter"}
        )


ENDLESS = copy.deepcopy(next(op for op in OPS if "RandAugment" in op))
ENDLESS["RandAugment"]["num_ops"] = 10**9

REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "unknown": ("RandomDiagonalFlip", {}, "unknown variant `RandomDiagonalFlip`, expected one of .*`CenterCrop`"),
    "missing": ("CenterCrop", {}, "CenterCrop: missing field `size`"),
    "too much": ("RandomHorizontalFlip", {"p": 1, "q": 2}, "RandomHorizontalFlip: unknown field `q`"),
    "negative": ("CenterCrop", {"size": (8, -1)}, "CenterCrop: invalid value: integer `-1`"),
    "text": ("RandomHorizontalFlip", {"p": "often"}, 'RandomHorizontalFlip: invalid type: string "often"'),
    "an object": ("RandomHorizontalFlip", {"p": object()}, "RandomHorizontalFlip: <class 'object'> is not data"),
    "weights": ("RandomChoice", {"weights": [1, -1], "branches": [[], []]}, "RandomChoice: weights"),
    "inside": ({"RandomOrder": {"branches": [[{"Pad": {}}]]}}, {}, "RandomOrder: Pad: missing field `padding`"),
    "without end": (ENDLESS, {}, "RandAugment: 1000000000 functions for one image: the most are 1000"),
    "two": ({"CenterCrop": {}, "Pad": {}}, {}, "a dict of one name"),
    "a number": (5, {}, "a dict of one name: 5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_op_is_refused(name: str) -> None:
    op, arguments, why = REFUSED[name]
    with pytest.raises(ValueError, match=why):
        _native.Op(op, **arguments)


def test_numbers_of_other_libraries_are_numbers() -> None:
    made = _native.Op("CenterCrop", size=(np.int64(8), np.uint8(9)))
    assert made == _native.Op("CenterCrop", size=[8, 9])
    assert _native.Op("RandomHorizontalFlip", p=np.float32(0.5)) == _native.Op("RandomHorizontalFlip", p=0.5)


def test_numbers_that_are_too_large_are_refused() -> None:
    with pytest.raises((OverflowError, ValueError), match="too big"):
        _native.Op("CenterCrop", size=(8, 2**70))
