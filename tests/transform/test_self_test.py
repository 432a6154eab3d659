"""The self-test: each function once per process; where Pillow computes otherwise, Python runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from oracle import theirs
from pictures import in_memory, pixels
from torchfeed import DataLoader, _native, explain
from torchfeed.recognize import self_test


@pytest.fixture(autouse=True)
def forgetful() -> Any:
    self_test._agrees.cache_clear()
    yield
    self_test._agrees.cache_clear()


@pytest.mark.parametrize("function", self_test._TESTS)
def test_each_function_agrees(function: str) -> None:
    assert self_test._agrees(function)


@pytest.mark.parametrize("function", self_test._TESTS)
def test_other_arithmetic_is_noticed(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _native.apply_calls

    def off_by_one(*arguments: Any, **named: Any) -> Any:
        shape, made = real(*arguments, **named)
        array = np.frombuffer(made, np.uint8).copy()
        array[array.size // 2] ^= 1
        return shape, array.tobytes()

    monkeypatch.setattr(_native, "apply_calls", off_by_one)
    assert not self_test._agrees(function)


def test_python_runs_where_pillow_computes_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, _ = self_test._TESTS["adjust_contrast"]
    wrong = (calls, lambda image: [Image.new("RGB", image.size)] * len(calls))
    monkeypatch.setitem(self_test._TESTS, "adjust_contrast", wrong)
    for step in (theirs.ColorJitter(contrast=0.5), theirs.RandAugment()):
        text = explain(DataLoader(in_memory([pixels(9, 9)], theirs.Compose([step, theirs.ToTensor()]))))
        assert text.startswith("native in part")
        assert "in a self-test, adjust_contrast of the installed Pillow" in text
    other = theirs.Compose([theirs.RandomEqualize(), theirs.ToTensor()])
    assert explain(DataLoader(in_memory([pixels(9, 9)], other))).startswith("native, ")


def test_every_op_with_arithmetic_is_tested() -> None:
    moved = {
        "CenterCrop",
        "FiveCrop",
        "RandomCrop",
        "RandomHorizontalFlip",
        "RandomVerticalFlip",
        "Pad",
        "RandomErasing",
        "RandomZoomOut",
    }
    held = {"RandomApply", "RandomChoice", "RandomOrder"}
    resized = {"RandomResizedCrop", "Resize", "RandomResize", "RandomShortestSize", "ScaleJitter"}  # in integers
    copied = {"RGB", "RandomChannelPermutation"}
    assert self_test._FUNCTIONS.keys() == set(_native.Op.names()) - moved - held - resized - copied
