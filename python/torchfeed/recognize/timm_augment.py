"""timm's automatic augmentation, read for the native ops from the objects that it built.

What timm's functions of a level compute is written here once more, and compared with what they say of some levels.
"""

from __future__ import annotations

import functools
import math
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import Op
from .auto_augment import Function, least_bits, warping
from .common import Unrecognized, describe
from .replaced_code import code_of_function, replaced

__all__ = ["auto_augment", "rand_augment"]

_MODULE = "timm.data.auto_augment"

# `random.random() > 0.5`: a number of 2^53, from 0 on.
_NEGATED = 0.5 - 2**-53


@dataclass(frozen=True)
class _Argument:
    """What becomes of a level: its tenth part times a factor, perhaps truncated, which is added or subtracted."""

    factor: float
    whole: bool = False
    negated: float = 0.0
    offset: float = 0.0
    limits: tuple[float, float] | None = None

    def of(self, level: float) -> set[float]:
        """What a level may become."""
        x = level / 10.0 * self.factor
        x = math.trunc(x) if self.whole else x
        signs = [x] * (self.negated < 1) + [-x] * (self.negated > 0)
        low, high = self.limits or (-math.inf, math.inf)
        return {max(low, min(high, self.offset + each)) for each in signs}


def _between(min_val: float = 0.0, max_val: float = 1.0, clamp: bool = True) -> _Argument:
    """`_minmax_level_to_arg`, with timm's names and defaults."""
    return _Argument(max_val - min_val, offset=min_val, limits=(min_val, max_val) if clamp else None)


# timm's functions of a level, by name; those of hyper-parameters are below.
_ARGUMENTS = {
    "_rotate_level_to_arg": _Argument(30.0, negated=_NEGATED),
    "_enhance_level_to_arg": _Argument(1.8, offset=0.1),
    "_enhance_increasing_level_to_arg": _Argument(0.9, negated=_NEGATED, offset=1.0, limits=(0.1, sys.float_info.max)),
    "_shear_level_to_arg": _Argument(0.3, negated=_NEGATED),
    "_posterize_level_to_arg": _Argument(4.0, whole=True),
    "_posterize_increasing_level_to_arg": _Argument(4.0, whole=True, negated=1.0, offset=4.0),
    "_posterize_original_level_to_arg": _Argument(4.0, whole=True, offset=4.0),
    "_solarize_level_to_arg": _Argument(256.0, whole=True, limits=(0.0, 256.0)),
    "_solarize_increasing_level_to_arg": _Argument(256.0, whole=True, negated=1.0, offset=256.0, limits=(0.0, 256.0)),
    "_solarize_add_level_to_arg": _Argument(110.0, whole=True, limits=(0.0, 128.0)),
}

# timm's functions of an image, by name.
_FUNCTIONS: dict[str, Any] = {
    "auto_contrast": "AutoContrast",
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "desaturate": "Desaturate",
    "equalize": "Equalize",
    "gaussian_blur": "PilGaussianBlur",
    "gaussian_blur_rand": "PilGaussianBlurRand",
    "invert": "Invert",
    "posterize": "Posterize",
    "rotate": "Rotate",
    "sharpness": "Sharpness",
    "shear_x": "PilShearX",
    "shear_y": "PilShearY",
    "solarize": "Solarize",
    "solarize_add": "SolarizeAdd",
    "translate_x_abs": "PilTranslateX",
    "translate_x_rel": "PilTranslateXRel",
    "translate_y_abs": "PilTranslateY",
    "translate_y_rel": "PilTranslateYRel",
}


def rand_augment(step: Any) -> Op:
    """Reads a `RandAugment`: functions of a set, with weights or without."""
    count, weights, ops = step.num_layers, step.choice_weights, list(step.ops)
    chances = None if weights is None else [float(weight) for weight in np.asarray(weights)]
    if type(count) is not int or count < 0:
        raise Unrecognized(f"RandAugment with num_layers={count!r} has no native kernel: give it an int")
    if not ops or (chances is not None and (len(chances) != len(ops) or sum(p > 0 for p in chances) < count)):
        raise Unrecognized(f"RandAugment with {len(ops)} functions of the weights {chances} cannot draw {count}")
    functions = [_read(op) for op in ops]
    return {"RandAugment": {"num_ops": count, "functions": functions, "weights": chances, "warping": _warping(ops)}}


def auto_augment(step: Any) -> Op:
    """Reads an `AutoAugment`: policies."""
    policies = [list(policy) for policy in step.policy]
    if not policies:
        raise Unrecognized("AutoAugment without policies has nothing to draw from")
    read = [[_read(op) for op in policy] for policy in policies]
    return {"AutoAugment": {"policies": read, "warping": _warping(op for policy in policies for op in policy)}}


def _warping(ops: Iterable[Any]) -> dict[str, Any]:
    """How all of some `AugmentOp`s map images."""
    found = []
    for op in ops:
        fill, resample = op.kwargs.get("fillcolor"), op.kwargs.get("resample")
        if op.kwargs.keys() != {"fillcolor", "resample"} or not all(type(value) is int for value in fill):
            raise Unrecognized(f"{op} maps images with {op.kwargs}, which has no native kernel")
        choices = resample if isinstance(resample, (list, tuple)) else [resample]
        found.append(warping(tuple(fill), *choices))
    if any(each != found[0] for each in found):
        raise Unrecognized("functions that map images unlike each other have no native kernel")
    return found[0] if found else warping(None, 0)


def _read(op: Any) -> Function:
    """Reads an `AugmentOp`."""
    why = replaced(op) if describe(op) == f"{_MODULE}.AugmentOp" else "it is no AugmentOp of timm's"
    if why:
        raise Unrecognized(f"{describe(op)} runs in Python: {why}")
    name = _FUNCTIONS.get(_name_of(op.aug_fn))
    if name is None:
        raise Unrecognized(f"{op} runs in Python: {describe(op.aug_fn)} has no native kernel")
    function: Function = {
        "function": {name: {"least_bits": least_bits()}} if name == "Posterize" else name,
        # `random.random() > prob` leaves the image as it is.
        "p": min(max((math.floor(op.prob * 2**53) + 1) / 2**53, 0.0), 1.0),
    }
    if op.level_fn is not None:
        function["magnitude"] = _magnitude(op)
    return function


def _name_of(function: Any) -> str:
    """Names a function of timm's.

    Raises:
        Unrecognized: it is another one, or was replaced.
    """
    why = code_of_function(function).why
    if why or function.__module__ != _MODULE:
        raise Unrecognized(f"an AugmentOp runs in Python: {why or describe(function)} is none of timm's functions")
    return str(function.__name__)


def _magnitude(op: Any) -> dict[str, Any]:
    """Reads how the argument of a function is drawn."""
    argument = _argument(op.level_fn, op.hparams)
    _compare(op, argument)
    most, deviation = float(op.magnitude_max or 10.0), float(op.magnitude_std)
    magnitude: dict[str, Any] = {"negated": argument.negated, "offset": argument.offset}
    if deviation > 0:
        mean = float(op.magnitude)
        level = {"uniform": mean} if deviation == math.inf else {"normal": {"mean": mean, "deviation": deviation}}
        source: dict[str, Any] = {
            "level": {"level": level, "most": most, "factor": argument.factor, "whole": argument.whole}
        }
    else:
        x = max(0.0, min(float(op.magnitude), most)) / 10.0 * argument.factor
        source = {"values": [float(math.trunc(x)) if argument.whole else x]}
    if argument.limits is not None:
        magnitude["limits"] = argument.limits
    return {"from": source, **magnitude}


def _argument(function: Any, hparams: dict[str, Any]) -> _Argument:
    """What a function makes of a level."""
    if isinstance(function, functools.partial):
        if _name_of(function.func) == "_minmax_level_to_arg" and not function.args:
            return _between(**function.keywords)
    else:
        name = _name_of(function)
        if name == "_minmax_level_to_arg":
            return _between()
        if name == "_translate_abs_level_to_arg":
            return _Argument(float(hparams["translate_const"]), negated=_NEGATED)
        if name == "_translate_rel_level_to_arg":
            return _Argument(float(hparams.get("translate_pct", 0.45)), negated=_NEGATED)
        if name in _ARGUMENTS:
            return _ARGUMENTS[name]
    raise Unrecognized(f"an AugmentOp runs in Python: {function} is not known")


def _compare(op: Any, argument: _Argument) -> None:
    """Compares an argument with what timm's own function says of some levels."""
    state = random.getstate()
    try:
        for level in (0.0, 1.0, 3.7, 5.0, 10.0, 23.0):
            made = op.level_fn(level, op.hparams)
            if len(made) != 1 or made[0] not in argument.of(level):
                raise Unrecognized(f"{op} runs in Python: this timm makes {made} of level {level}")
    finally:
        random.setstate(state)
