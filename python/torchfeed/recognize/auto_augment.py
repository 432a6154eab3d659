"""Automatic augmentation of torchvision, read for the native ops: which functions there are, and their magnitudes.

The tables are the object's own: `_augmentation_space` of v1, `_AUGMENTATION_SPACE` of v2, and the policies. So torch
makes their numbers, which are of single precision.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from .arguments import INTERPOLATIONS, Op, colour, fill_of, interpolation_of
from .common import Unrecognized
from .replaced_code import code_of_function

__all__ = ["auto_augment", "least_bits", "rand_augment", "trivial_augment_wide", "warping"]

Function = dict[str, Any]
"""A function with its probability and the magnitude that is drawn, as data."""

_PLAIN = {"Identity", "AutoContrast", "Equalize", "Invert"}
_FACTORS = {"Brightness", "Color", "Contrast", "Sharpness"}
_FUNCTIONS = _FACTORS | {"Posterize", "Rotate", "ShearX", "ShearY", "Solarize", "TranslateX", "TranslateY"}

# Sizes of images that say whether a magnitude depends on the edge as the native op has it.
_EDGES = (1, 32, 97, 224, 331, 662, 1000, 4096)


@functools.cache
def least_bits() -> int:
    """The fewest bits that the installed Pillow posterizes to."""
    try:
        ImageOps.posterize(Image.new("L", (1, 1)), 0)
    except ValueError:
        return 1
    return 0


def warping(fill: Any, *interpolations: Any) -> dict[str, Any]:
    """Reads how images are mapped: the colour outside, and the interpolations that there is a choice of."""
    numbers = list(map(interpolation_of, interpolations))
    known = [int(INTERPOLATIONS[name]) for name in ("nearest", "bilinear", "bicubic")]
    if not set(numbers) <= set(known):
        raise Unrecognized(f"interpolation {interpolations} has no native kernel: Pillow maps images with the simplest")
    return {"interpolation": numbers, "fill": colour(0 if fill is None else fill)}


def rand_augment(step: Any) -> Op:
    """Reads a `RandAugment`."""
    space = _Space(step, step.num_magnitude_bins)
    return _set_of(step, space, step.magnitude, step.num_ops)


def trivial_augment_wide(step: Any) -> Op:
    """Reads a `TrivialAugmentWide`, which is a `RandAugment` of one function that draws its magnitude."""
    return _set_of(step, _Space(step, step.num_magnitude_bins), slice(None), 1)


def auto_augment(step: Any) -> Op:
    """Reads an `AutoAugment`."""
    space = _Space(step, 10)
    policies = step._policies if space.is_v2 else step.policies  # noqa: SLF001
    if not space.is_v2 and any(len(policy) > 2 for policy in policies):
        raise Unrecognized("AutoAugment with policies of more than two functions, for which v1 draws no probability")
    read = [[space.function(name, at, _at_most(p)) for name, p, at in policy] for policy in policies]
    if not read:
        raise Unrecognized("AutoAugment without policies has nothing to draw from")
    return {"AutoAugment": {"policies": read, "warping": warping(fill_of(step), step.interpolation)}}


def _set_of(step: Any, space: _Space, at: Any, count: Any) -> Op:
    """Reads some functions of a set, each with the magnitude at a place."""
    if type(count) is not int:
        raise Unrecognized(f"{type(step).__name__} with num_ops={count!r} has no native kernel: give it an int")
    functions = [space.function(name, None if space.is_plain(name) else at) for name in space.names]
    how = warping(fill_of(step), step.interpolation)
    return {"RandAugment": {"num_ops": max(count, 0), "functions": functions, "weights": None, "warping": how}}


def _at_most(p: float) -> float:
    """The probability that a number of `torch.rand` is at most `p`: it is one of 2^24, from 0 on."""
    return min(max((math.floor(float(np.float32(p)) * 2**24) + 1) / 2**24, 0.0), 1.0)


class _Space:
    """The functions of an object, and their magnitudes.

    Args:
        step: the object.
        bins: how many magnitudes there are of each function.

    Raises:
        Unrecognized: the magnitudes are not those that the native op has.
    """

    def __init__(self, step: Any, bins: int) -> None:
        self.is_v2 = ".v2." in type(step).__module__
        self._step, self._bins = step, bins
        self._tables: dict[int, dict[str, tuple[Any, bool]]] = {}
        if torch.get_default_dtype() is not torch.float32:
            raise Unrecognized(f"{type(step).__name__} draws other magnitudes if torch's default dtype is not float32")
        # v1 negates where an integer of two is one, and v2 where a number is at most a half.
        self._negated = _at_most(0.5) if self.is_v2 else 0.5
        try:
            self.names = list(self._table(1))
        except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
            raise Unrecognized(f"{type(step).__name__} with {bins} magnitudes has no native kernel: {error}") from None

    def is_plain(self, name: str) -> bool:
        """Whether a function takes no magnitude."""
        magnitudes, _ = self._table(1)[name]
        return magnitudes is None or magnitudes.ndim == 0

    def function(self, name: str, at: Any, p: float = 1.0) -> Function:
        """Reads a function whose magnitude is the one at a place, or one of a slice of all."""
        try:
            return self._read(name, at, p)
        except (IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise Unrecognized(
                f"{type(self._step).__name__} with {name} of magnitude {at} runs in Python: {error}"
            ) from None

    def _table(self, edge: int) -> dict[str, tuple[Any, bool]]:
        """The magnitudes of each function for square images, and whether they have a sign."""
        if edge not in self._tables:
            self._tables[edge] = self._make_table(edge)
        return self._tables[edge]

    def _make_table(self, edge: int) -> dict[str, tuple[Any, bool]]:
        step = self._step
        if not self.is_v2:
            sizes = () if type(step).__name__ == "TrivialAugmentWide" else ((edge, edge),)
            return dict(step._augmentation_space(self._bins, *sizes))  # noqa: SLF001
        table = {}
        for name, (magnitudes, signed) in step._AUGMENTATION_SPACE.items():  # noqa: SLF001
            why = code_of_function(magnitudes).why
            if why:
                raise Unrecognized(f"{type(step).__name__} runs in Python: {why}")
            table[name] = magnitudes(self._bins, edge, edge), signed
        return table

    def _read(self, name: str, at: Any, p: float) -> Function:
        magnitudes, signed = self._table(1)[name]
        if magnitudes is None or (at is None and not self.is_v2):
            if name in _PLAIN:
                return {"function": name, "p": p}
            return _with(name, p, {"values": [0.0]}, 0.0)
        if at is None:
            raise ValueError("it takes a magnitude")
        values = _values(magnitudes, at)
        if name in _PLAIN:
            return {"function": name, "p": p}
        if name.startswith("Translate") and self._most(name, 2**20) != self._most(name, 1):
            source = {"fractions": self._fractions(name, at)}
        elif name.startswith("Shear"):
            source = {"values": [math.degrees(math.atan(value)) for value in values]}
        elif name == "Solarize" and self.is_v2:
            source = {"values": [255.0 * value for value in values]}
        else:
            source = {"values": values}
        return _with(name, p, source, self._negated if signed else 0.0)

    def _most(self, name: str, edge: int) -> float:
        return float(self._table(edge)[name][0][-1])

    def _fractions(self, name: str, at: Any) -> list[float]:
        """Reads magnitudes that are fractions of the edge."""
        most, last = Fraction(self._most(name, 2**20) / 2**20).limit_denominator(1000), self._bins - 1
        fractions = _values([float(most * i / last) for i in range(self._bins)], at)
        for edge in _EDGES:
            wanted = [int(value) for value in _values(self._table(edge)[name][0], at)]
            if [int(np.float32(fraction * edge)) for fraction in fractions] != wanted:
                raise ValueError(f"it is not in proportion to an edge of {edge} pixels")
        return fractions


def _values(magnitudes: Any, at: Any) -> list[float]:
    chosen = magnitudes[at]
    return [float(value) for value in (chosen if isinstance(at, slice) else [chosen])]


def _with(name: str, p: float, source: dict[str, list[float]], negated: float) -> Function:
    """A function with a magnitude."""
    if name not in _FUNCTIONS:
        raise ValueError("there is no such function")
    magnitude: dict[str, Any] = {"from": source}
    if negated:
        magnitude["negated"] = negated
    if name in _FACTORS:
        magnitude["offset"] = 1.0
    function = {name: {"least_bits": least_bits()}} if name == "Posterize" else name
    return {"function": function, "p": p, "magnitude": magnitude}
