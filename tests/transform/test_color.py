"""Functions of colours, with parameters over all of their ranges, against torchvision on Pillow: every bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional as F

from torchfeed import _native
from torchfeed.util.pillow import CHEAPER_PASS_FIRST

CASES = 2000


def blends(rng: np.random.Generator) -> float:
    """A factor: the ends and the middle of a blend, or any number around them, in the precision that torch draws."""
    return float(np.float32(rng.choice([0.0, 1.0, 0.5, 2.0, rng.uniform(0, 2), rng.uniform(0, 1), rng.uniform(0, 20)])))


def turns(rng: np.random.Generator) -> float:
    return float(np.float32(rng.choice([-0.5, 0.0, 0.5, rng.uniform(-0.5, 0.5)])))


PARAMETERS: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "adjust_brightness": lambda rng: {"brightness_factor": blends(rng)},
    "adjust_contrast": lambda rng: {"contrast_factor": blends(rng)},
    "adjust_saturation": lambda rng: {"saturation_factor": blends(rng)},
    "adjust_hue": lambda rng: {"hue_factor": turns(rng)},
    "rgb_to_grayscale": lambda _: {"num_output_channels": 3},
    "autocontrast": lambda _: {},
    "equalize": lambda _: {},
    "invert": lambda _: {},
    "posterize": lambda rng: {"bits": int(rng.integers(1, 9))},
    "solarize": lambda rng: {
        "threshold": float(rng.choice([0.0, 256.0, rng.uniform(0, 256), float(rng.integers(0, 257))]))
    },
}


def image(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Noise over all or a part of the range, of a few values, or of one; 1 x 1 to 24 x 24, sometimes up to 600."""
    most = 600 if rng.random() < 0.01 else 24
    shape = (*rng.integers(1, most + 1, 2), int(rng.choice([1, 3])))
    low = rng.integers(0, 256, shape[2])
    high = np.minimum(low + rng.choice([1, 2, 20, 256]), 256)
    if rng.random() < 0.5:
        low, high = np.zeros_like(low), np.full_like(high, 256)
    return rng.integers(low, high, shape).astype(np.uint8)


def natively(pixels: np.ndarray[Any, Any], calls: list[tuple[str, dict[str, Any]]]) -> np.ndarray[Any, Any]:
    data = [{name: parameters} for name, parameters in calls]
    shape, made = _native.apply_calls(pixels.tobytes(), pixels.shape, data, CHEAPER_PASS_FIRST)
    return np.frombuffer(made, np.uint8).reshape(shape)


def by_torchvision(pixels: np.ndarray[Any, Any], calls: list[tuple[str, dict[str, Any]]]) -> np.ndarray[Any, Any]:
    made = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    for name, parameters in calls:
        if name == "rgb_to_grayscale":
            parameters = {"num_output_channels": pixels.shape[2]}  # noqa: PLW2901
        made = getattr(F, name)(made, **parameters)
    array = np.asarray(made)
    return array if array.ndim == 3 else array[:, :, None]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_function_has_torchvisions_bits(name: str) -> None:
    rng = np.random.default_rng(sorted(PARAMETERS).index(name))
    for case in range(CASES):
        pixels, call = image(rng), (name, PARAMETERS[name](rng))
        np.testing.assert_array_equal(natively(pixels, [call]), by_torchvision(pixels, [call]), f"{case}: {call}")


@pytest.mark.parametrize("turn", [0, 1, 20, 127])
def test_every_colour_turns_as_pillows(turn: int) -> None:
    """Hue is the one function with divisions: all 2^24 colours are looked at, a quarter for each turn."""
    blue = np.arange(turn % 4, 256, 4, dtype=np.uint8)
    pixels = np.stack(np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), blue), -1)
    pixels = pixels.reshape(256, -1, 3)
    call = ("adjust_hue", {"hue_factor": turn / 255})
    np.testing.assert_array_equal(natively(pixels, [call]), by_torchvision(pixels, [call]))


NO_PADDING = {"padding": [0, 0, 0, 0], "fill": [0, 0, 0], "padding_mode": "constant"}

# Moves by name: their parameters as torchvision has them, and those that differ in a call.
MOVES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("hflip", {}, {}),
    ("vflip", {}, {}),
    ("pad", {"padding": [2, 0, 1, 3], "fill": 90, "padding_mode": "constant"}, {"fill": [90, 90, 90]}),
    ("pad", {"padding": [1, 2, 0, 1], "fill": 0, "padding_mode": "edge"}, {"fill": [0, 0, 0]}),
    ("crop", {"top": 0, "left": 0, "height": 5, "width": 4}, NO_PADDING),
    ("resize", {"size": [9, 11], "interpolation": F.InterpolationMode.BILINEAR}, {"interpolation": 2}),
    ("resize", {"size": [13, 7], "interpolation": F.InterpolationMode.NEAREST}, {"interpolation": 0}),
]


def test_functions_one_after_the_other_among_moves() -> None:
    """Rewriting them changes nothing: around flips, crops, paddings and resizes."""
    rng = np.random.default_rng(7)
    for _ in range(CASES):
        pixels = rng.integers(0, 256, (*rng.integers(6, 20, 2), int(rng.choice([1, 3])))).astype(np.uint8)
        ours: list[tuple[str, dict[str, Any]]] = []
        theirs: list[tuple[str, dict[str, Any]]] = []
        for _ in range(rng.integers(1, 7)):
            if rng.random() < 0.6:
                name = str(rng.choice(list(PARAMETERS)))
                call: tuple[str, dict[str, Any], dict[str, Any]] = (name, PARAMETERS[name](rng), {})
            else:
                call = MOVES[rng.integers(len(MOVES))]
            name, parameters, different = call
            theirs.append((name, parameters))
            ours.append((name, {**parameters, **different}))
        np.testing.assert_array_equal(natively(pixels, ours), by_torchvision(pixels, theirs), f"{ours}")
