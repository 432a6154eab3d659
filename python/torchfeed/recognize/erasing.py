"""Recognition of `RandomErasing`, torchvision's and timm's: what it writes into the tensors of a plan."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .arguments import Op
from .common import Unrecognized
from .value import Ramp

__all__ = ["random_erasing"]


MOST = 100
"""The most rectangles of an image."""


def random_erasing(step: Any, ramp: Ramp) -> Op:
    """Reads a `RandomErasing` of tensors such as the ramp has become.

    Raises:
        Unrecognized: an argument on which the step itself fails, or a tensor for which it draws other numbers.
    """
    if not ramp.is_tensor:
        raise Unrecognized("RandomErasing of a PIL image runs in Python: put it after the step that makes a tensor")
    of_timm = type(step).__module__.startswith("timm.")
    read = _of_timm(step) if of_timm else _of_torchvision(step)
    (low, high), (narrow, wide) = read["scale"], read["ratio"]
    if not (0 <= low <= high < math.inf and 0 < narrow <= wide < math.inf):
        raise Unrecognized(f"RandomErasing with scale={read['scale']}, ratio={read['ratio']} runs in Python")
    dtype = ramp.table().dtype
    value = read["value"]
    if isinstance(value, str):
        if dtype != torch.float32:
            raise Unrecognized(f"RandomErasing with random values of {dtype} runs in Python: make it torch.float32")
        read["value"] = {value: {}}
    else:
        read["value"] = {"constant": _constant(value, ramp.channels, dtype)}
    return {"RandomErasing": read}


def _of_torchvision(step: Any) -> dict[str, Any]:
    value = step.value
    if isinstance(value, (int, float)):
        value = [value]
    elif isinstance(value, str) or value is None:  # v2 keeps None
        value = "normal"
    scale, ratio = (tuple(map(float, pair)) for pair in (step.scale, step.ratio))
    made = getattr(step, "_log_ratio", None)  # all that v2 looks at
    if made is not None and made.tolist() != torch.log(torch.tensor(ratio, dtype=made.dtype, device="cpu")).tolist():
        raise Unrecognized(f"RandomErasing was made with another ratio than {ratio}: make a new one")
    return {"p": float(step.p), "scale": scale, "ratio": ratio, "count": (1, 1), "value": value}


def _of_timm(step: Any) -> dict[str, Any]:
    if str(step.device) != "cpu":
        raise Unrecognized(f"RandomErasing on the device {step.device} runs in Python")
    value: Any = "normal" if step.per_pixel else "normal_color" if step.rand_color else [0.0]
    low, high = map(math.exp, step.log_aspect_ratio)
    least, most = int(step.min_count), int(step.max_count)
    if not 0 < least <= most <= MOST:
        raise Unrecognized(f"RandomErasing with {least} to {most} rectangles runs in Python")
    scale = (float(step.min_area), float(step.max_area))
    return {"p": float(step.probability), "scale": scale, "ratio": (low, high), "count": (least, most), "value": value}


def _constant(value: Any, channels: int, dtype: torch.dtype) -> dict[str, Any]:
    """The numbers of each channel, and the elements that torch makes of them, as integers."""
    numbers = [float(number) for number in value]
    if len(numbers) not in {1, channels}:
        raise Unrecognized(f"RandomErasing with {len(numbers)} values for {channels} channels runs in Python")
    numbers = numbers * channels if len(numbers) == 1 else numbers
    made = torch.empty(channels, dtype=dtype, device="cpu")
    made.copy_(torch.tensor(numbers, dtype=torch.float32, device="cpu"))
    # Another mode may be in force, of the user's own.
    rows = made.as_subclass(Tensor).view(torch.uint8).reshape(channels, -1).tolist()
    numbers += [0.0] * (3 - channels)
    elements = [sum(byte << 8 * place for place, byte in enumerate(row)) for row in rows] + [0] * (3 - channels)
    return {"numbers": numbers, "elements": elements}
