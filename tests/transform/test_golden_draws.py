"""The table of draws: recognition, draws and pixels of every op and composition, one row each.

A new op adds its rows to the table (see ``tools/golden_draws.py``); these tests need no change.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from PIL import Image

from blurs import same_blurred
from golden_draws import LIBRARIES, Row, build, classes, draws, label, libraries, ops, rows
from oracle import erased, functional, same
from pictures import in_memory, pixels
from torchfeed import _native
from torchfeed import transforms as T
from torchfeed.recognize.rules import RULES

ROWS = rows()


def cases() -> list[Any]:
    return [
        pytest.param(row, library, id=f"{library} {number} {label(row)[:80]}")
        for number, row in enumerate(ROWS)
        for library in libraries(row)
    ]


@pytest.mark.parametrize(("row", "library"), cases())
def test_draws_are_the_table_s(row: Row, library: str) -> None:
    transform = build(row, library)
    assert ops(transform) == row["ops"]
    assert draws(row, transform) == row["draws"]


@pytest.mark.parametrize(("row", "library"), cases())
def test_pixels_are_torchvision_s(row: Row, library: str) -> None:
    erases = "RandomErasing" in classes(row)
    compare = same_blurred if "GaussianBlur" in classes(row) else same
    transform = build(row, library) if erases else T.Compose([build(row, library), T.PILToTensor()])
    colours = isinstance(row["arguments"].get("fill"), list)
    for (height, width), channels in ((each["size"], channels) for each in row["draws"] for channels in (1, 3)):
        if channels == 1 and colours:
            continue
        array = pixels(height, width, channels)
        dataset = in_memory([array], transform)
        image = Image.fromarray(array if channels == 3 else array[:, :, 0])
        for dataset.seed in range(3):
            try:
                drawn = dataset.draw(0, seed=dataset.seed)
            except ValueError as error:
                with pytest.raises(ValueError) as raised:
                    dataset[0]
                assert str(raised.value) == str(error)  # noqa: PT017
                continue
            compare(dataset[0][0], erased(T.PILToTensor()(functional(image, drawn)), drawn), drawn)


def test_every_op_has_rows() -> None:
    names = set().union(*map(classes, ROWS))
    assert {
        name for name, rule in RULES.items() if (rule.read or rule.compose or rule.erases) and rule.of != "timm"
    } <= names
    of_several_images = {"FiveCrop"}  # see tests/loader/test_crops.py
    assert set(_native.Op.names()) - of_several_images <= names
    assert {library for row in ROWS for library in libraries(row)} == LIBRARIES.keys()


def test_every_op_of_torchvision_s_is_one_of_ours() -> None:
    ops = {name for name, rule in RULES.items() if rule.read is not None and rule.of == "v1, v2, torchfeed"}
    assert ops <= set(T.__all__)
    for name in ops:
        ours, theirs = (inspect.signature(getattr(LIBRARIES[key], name)).parameters for key in ("torchfeed", "v1"))
        assert list(ours) == list(theirs)
