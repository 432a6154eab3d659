"""The classes that are recognised: one row each, which says all that is known of the class.

`docs/recognized.md`, what runs natively, what may lose an image's metadata, what moves in front of a tensor, and how
draws are replayed: all of it follows from the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import arguments, auto_augment, on_tensor, timm_augment, warps
from .arguments import Op, fill_of, read_padding, size_of
from .common import Unrecognized
from .value import Ramp

__all__ = ["RULES", "Pads", "Rule", "names_of"]


@dataclass(frozen=True)
class Pads:
    """The padding that a step may do."""

    fill: Any = 0
    mode: str = "constant"
    is_certain: bool = True
    """Whether it pads every image. If not, it pads those that are smaller than its `size`."""


@dataclass(frozen=True)
class Rule:
    """What is known of a class. Of an op, the core knows the rest: what it draws, and whether that is random."""

    kind: str
    """The kind of transform, as the documentation names it: structure, geometry, colours or values."""
    of: str = "v1, v2, torchfeed"
    """The libraries that have the class."""
    read: Callable[[Any], Op] | None = None
    """Reads the arguments of an op."""
    compose: Callable[[Any, list[list[Op]]], Op] | None = None
    """Reads a random composition, given the ops in each of its transforms."""
    pads: Callable[[Any], Pads | None] = lambda _: None
    """The padding that a step may do; `None` for none. A padding loses an image's metadata."""
    loses_metadata: Callable[[Any], bool] = lambda _: False
    """Whether a step may lose an image's metadata without a padding, as Pillow's blend with a new image does."""
    on_tensor: Callable[[Any, Ramp], list[str]] = on_tensor.runs_in_python
    """Checks that an op does to a tensor what it does to the pixels before; returns what differs."""
    channels: Callable[[Any], int] | None = None
    """How many channels an image has afterwards; `None` where as many as before."""
    notes: tuple[str, ...] = ()
    """What it does not do quite as torchvision does."""
    erases: bool = False
    """Whether it writes over values of a tensor; see `erasing.py`."""
    makes_tensor: bool = False
    """Whether a value transform makes a tensor of an image."""


def _fill(step: Any) -> Any:
    fill = fill_of(step)
    return 0 if fill is None else fill


def _mode(step: Any) -> str:
    return str(getattr(step.padding_mode, "value", step.padding_mode))


def _random_crop_pads(step: Any) -> Pads | None:
    if step.padding is None and not step.pad_if_needed:
        return None
    return Pads(_fill(step), _mode(step), is_certain=step.padding is not None)


def _is_timm_s(step: Any) -> bool:
    return type(step).__module__.startswith("timm.")


def _p(name: str) -> Callable[[Any], Op]:
    """Reads an op whose only argument is its probability."""
    return lambda step: {name: {"p": float(step.p)}}


def _posterize(step: Any) -> Op:
    if type(step.bits) is not int or not 1 <= step.bits <= 8:
        raise Unrecognized(f"RandomPosterize with bits={step.bits!r} has no native kernel: keep 1 to 8 bits")
    return {"RandomPosterize": {"bits": step.bits, "p": float(step.p)}}


def _solarize(step: Any) -> Op:
    threshold = step.threshold
    is_int = isinstance(threshold, int)
    # Beyond that, not every int is a float.
    if not (is_int or isinstance(threshold, float)) or (is_int and abs(threshold) > 2**53):
        raise Unrecognized(f"RandomSolarize with threshold={threshold!r:.40} has no native kernel: give it a number")
    return {"RandomSolarize": {"threshold": float(threshold), "p": float(step.p)}}


def _color_jitter(step: Any) -> Op:
    ranges: dict[str, tuple[float, float] | None] = {}
    for name, least, most in FACTORS:
        value = getattr(step, name)
        ranges[name] = None if value is None else _range_of(step, name, value, least, most)
    return {"ColorJitter": ranges}


FACTORS = (
    ("brightness", 0.0, math.inf),
    ("contrast", 0.0, math.inf),
    ("saturation", 0.0, math.inf),
    ("hue", -0.5, 0.5),
)
"""Of the functions that jitter colours: the least and the most that a factor may be."""


def _range_of(step: Any, name: str, value: Any, least: float, most: float) -> tuple[float, float]:
    low, high = map(float, value)
    if not least <= low <= high <= most or not math.isfinite(high):
        raise Unrecognized(f"{type(step).__name__} with {name}={value!r} has no native kernel: give it a finite range")
    return low, high


def _grayscale(step: Any) -> Op:
    channels = step.num_output_channels
    if type(channels) is not int or channels not in {1, 3}:
        raise Unrecognized(f"Grayscale with num_output_channels={channels!r:.40} has no native kernel: keep 1 or 3")
    return {"Grayscale": {"num_output_channels": channels}}


def _photometric_distort(step: Any) -> Op:
    ranges = {}
    for name, least, most in FACTORS:
        pair = getattr(step, name)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise Unrecognized(
                f"RandomPhotometricDistort with {name}={pair!r:.40} has no native kernel: give it a range"
            )
        ranges[name] = _range_of(step, name, pair, least, most)
    return {"RandomPhotometricDistort": {**ranges, "p": float(step.p)}}


def _sharpness(step: Any) -> Op:
    factor = step.sharpness_factor
    # Pillow takes what is a float of single precision.
    if not isinstance(factor, (int, float)) or not abs(factor) <= MOST_SHARPNESS:
        raise Unrecognized(f"RandomAdjustSharpness with sharpness_factor={factor!r:.40} has no native kernel")
    return {"RandomAdjustSharpness": {"sharpness_factor": float(factor), "p": float(step.p)}}


def _gaussian_blur(step: Any) -> Op:
    size, sigma = step.kernel_size, step.sigma
    if len(size) != 2 or not all(type(weights) is int and weights > 0 and weights % 2 for weights in size):
        raise Unrecognized(f"GaussianBlur with kernel_size={size!r:.40} has no native kernel: give it two odd numbers")
    if len(sigma) != 2 or not all(isinstance(each, (int, float)) for each in sigma):
        raise Unrecognized(f"GaussianBlur with sigma={sigma!r:.40} has no native kernel: give it two numbers")
    low, high = map(float, sigma)
    if not LEAST_SIGMA <= low <= high <= MOST_SIGMA:
        raise Unrecognized(
            f"GaussianBlur with sigma={sigma!r:.40} has no native kernel: keep it between {LEAST_SIGMA:g} and "
            f"{MOST_SIGMA:g}"
        )
    is_v2 = ".v2." in type(step).__module__
    return {"GaussianBlur": {"kernel_size": list(size), "sigma": (low, high), "softmax": is_v2}}


LEAST_SIGMA, MOST_SIGMA = 1e-6, 65536.0

BLURRED = (
    "GaussianBlur adds in the order of torch's convolution on x86 processors; where yours adds in another order, at "
    "most one value in 10,000 differs, by one level of 255"
)

MOST_SHARPNESS = 2.0**100
"""Where times a byte is a number in single precision."""


RULES: dict[str, Rule] = {
    "Compose": Rule("structure"),
    "Sequential": Rule("structure", "torch.nn"),
    "Identity": Rule("structure", "v2, torch.nn"),
    "RandomApply": Rule("structure", "v1, v2", compose=arguments.random_apply),
    "RandomChoice": Rule("structure", "v1, v2", compose=arguments.random_choice),
    "RandomOrder": Rule("structure", "v1, v2", compose=arguments.random_order),
    "MultiViewTransform": Rule("views of one image", "torchfeed"),
    "Views": Rule("views of one image", "torchfeed"),
    "FiveCrop": Rule("views of one image", "v1, v2"),
    "TenCrop": Rule("views of one image", "v1, v2"),
    "Resize": Rule("geometry", read=arguments.resize, on_tensor=on_tensor.resizes),
    "CenterCrop": Rule(
        "geometry",
        read=lambda step: {"CenterCrop": {"size": size_of(step.size)}},
        pads=lambda _: Pads(is_certain=False),
        on_tensor=on_tensor.moves_pixels,
    ),
    "RandomCrop": Rule(
        "geometry", read=arguments.random_crop, pads=_random_crop_pads, on_tensor=on_tensor.moves_pixels
    ),
    "RandomResizedCrop": Rule("geometry", read=arguments.random_resized_crop, on_tensor=on_tensor.resizes),
    "RandomHorizontalFlip": Rule("geometry", read=_p("RandomHorizontalFlip"), on_tensor=on_tensor.moves_pixels),
    "RandomVerticalFlip": Rule("geometry", read=_p("RandomVerticalFlip"), on_tensor=on_tensor.moves_pixels),
    "Pad": Rule(
        "geometry",
        read=lambda step: {"Pad": read_padding(step.padding, fill_of(step), step.padding_mode)},
        pads=lambda step: Pads(_fill(step), _mode(step)),
        on_tensor=on_tensor.moves_pixels,
    ),
    "RandomResize": Rule("geometry", "v2, torchfeed", read=arguments.random_resize, on_tensor=on_tensor.resizes),
    "RandomShortestSize": Rule(
        "geometry", "v2, torchfeed", read=arguments.random_shortest_size, on_tensor=on_tensor.resizes
    ),
    "ScaleJitter": Rule("geometry", "v2, torchfeed", read=arguments.scale_jitter, on_tensor=on_tensor.resizes),
    "RandomZoomOut": Rule("geometry", "v2, torchfeed", read=arguments.random_zoom_out, loses_metadata=lambda _: True),
    "RandomRotation": Rule("geometry", read=warps.random_rotation),
    "RandomAffine": Rule("geometry", read=warps.random_affine),
    "RandomPerspective": Rule("geometry", read=warps.random_perspective),
    "RandomResizedCropAndInterpolation": Rule("geometry", "timm", read=arguments.random_resized_crop_and_interpolation),
    "ColorJitter": Rule(
        "colours",
        read=_color_jitter,
        loses_metadata=lambda step: (step.brightness, step.contrast, step.hue) != (None, None, None),
    ),
    "Grayscale": Rule(
        "colours",
        read=_grayscale,
        channels=lambda step: int(step.num_output_channels),
        loses_metadata=lambda _: True,  # or changes it: Pillow converts a transparent colour, too
    ),
    "RGB": Rule("colours", "v2, torchfeed", read=lambda _: {"RGB": {}}, channels=lambda _: 3),
    "RandomChannelPermutation": Rule(
        "colours",
        "v2, torchfeed",
        read=lambda _: {"RandomChannelPermutation": {}},
        loses_metadata=lambda _: True,
    ),
    "RandomPhotometricDistort": Rule(
        "colours", "v2, torchfeed", read=_photometric_distort, loses_metadata=lambda _: True
    ),
    "RandomGrayscale": Rule("colours", read=_p("RandomGrayscale"), loses_metadata=lambda _: True),
    "RandomAutocontrast": Rule("colours", read=_p("RandomAutocontrast")),
    "RandomEqualize": Rule("colours", read=_p("RandomEqualize")),
    "RandomAdjustSharpness": Rule("colours", read=_sharpness),
    "GaussianBlur": Rule("colours", read=_gaussian_blur, loses_metadata=lambda _: True, notes=(BLURRED,)),
    "RandomGaussianBlur": Rule(
        "colours",
        "torchfeed",
        read=lambda step: {"RandomGaussianBlur": {"radius": step.radius, "p": float(step.p)}},
    ),
    "RandomInvert": Rule("colours", read=_p("RandomInvert")),
    "RandomPosterize": Rule("colours", read=_posterize),
    "RandomSolarize": Rule("colours", read=_solarize),
    "RandomErasing": Rule("erasing", "v1, v2, timm", erases=True),
    "AutoAugment": Rule(
        "automatic augmentation",
        "v1, v2, torchfeed, timm",
        read=lambda step: (timm_augment if _is_timm_s(step) else auto_augment).auto_augment(step),
        loses_metadata=lambda _: True,
    ),
    "RandAugment": Rule(
        "automatic augmentation",
        "v1, v2, torchfeed, timm",
        read=lambda step: (timm_augment if _is_timm_s(step) else auto_augment).rand_augment(step),
        loses_metadata=lambda _: True,
    ),
    "TrivialAugmentWide": Rule(
        "automatic augmentation", read=auto_augment.trivial_augment_wide, loses_metadata=lambda _: True
    ),
    "ConvertImageDtype": Rule("values"),
    "Normalize": Rule("values"),
    "PILToTensor": Rule("values", makes_tensor=True),
    "ToDtype": Rule("values"),
    "ToImage": Rule("values", "v2", makes_tensor=True),
    "ToPureTensor": Rule("values", "v2"),
    "ToTensor": Rule("values", makes_tensor=True),
    "MaybePILToTensor": Rule("values", "timm", makes_tensor=True),
    "MaybeToTensor": Rule("values", "timm", makes_tensor=True),
}


def names_of(has: Callable[[Rule], Any]) -> frozenset[str]:
    """Names the classes whose rule is like this."""
    return frozenset(name for name, rule in RULES.items() if has(rule))
