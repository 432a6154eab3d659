"""A self-test: the arithmetic of the installed Pillow, compared with that of the native engine.

Pillow's colours, filters and maps are C code with floating point numbers. A build of it for another platform may round
otherwise, and another version may compute otherwise. The same goes for the one blur that torch computes. So before an
op is native for the first time in a process, each function that it may draw is run on a small picture by both. Where
they differ, Python runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from torchfeed import _native

from .arguments import Op
from .common import Unrecognized

__all__ = ["check_functions"]

_Call = dict[str, dict[str, Any]]
_Test = tuple[list[_Call], Callable[[Image.Image], list[Image.Image]]]

_FACTORS = (0.3, 1.7)
_MATRIX = (0.9, 0.2, -1.3, -0.15, 1.1, 0.7)
_QUAD = (0.95, 0.1, -1.5, -0.05, 1.02, 0.25, 0.002, -0.003)
_FILL = (9, 120, 250)
_FILTERS = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def _enhanced(name: str, of: Callable[[Image.Image], Any]) -> _Test:
    calls = [{f"adjust_{name}": {f"{name}_factor": factor}} for factor in _FACTORS]
    return calls, lambda image: [of(image).enhance(factor) for factor in _FACTORS]


def _turned(image: Image.Image) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda x: (x + 40) % 256), saturation, value)).convert("RGB")


def _once(call: _Call, of: Callable[[Image.Image], Image.Image]) -> _Test:
    return [call], lambda image: [of(image)]


def _mapped(name: str, method: Image.Transform, numbers: tuple[float, ...], more: Callable[[int], Any]) -> _Test:
    def by_pillow(image: Image.Image) -> list[Image.Image]:
        return [image.transform(image.size, method, numbers, each, fillcolor=_FILL) for each in _FILTERS]

    return [{name: {**more(each), "interpolation": int(each), "fill": _FILL}} for each in _FILTERS], by_pillow


_BLUR = {"kernel_size": (5, 7), "sigma": (1.5, 1.5)}


def _blurred(image: Image.Image) -> list[Image.Image]:
    """Blurs as torchvision's v1 and v2 do."""
    across, down = _BLUR["kernel_size"]
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0).float()
    reach = (across // 2, across // 2, down // 2, down // 2)
    padded = torch.nn.functional.pad(pixels, reach, mode="reflect")
    made = []
    for kernel in (_exponentials, _softmax):
        weights = kernel(down)[:, None] * kernel(across)
        sums = torch.nn.functional.conv2d(padded, weights.expand(3, 1, down, across), groups=3)
        made.append(Image.fromarray(sums[0].round().to(torch.uint8).permute(1, 2, 0).numpy()))
    return made


def _numbers(half: float, count: int) -> torch.Tensor:
    return torch.linspace(-half, half, count, dtype=torch.float32, device="cpu").div(_BLUR["sigma"][0])


def _exponentials(size: int) -> torch.Tensor:
    weights = torch.exp(-0.5 * _numbers((size - 1) * 0.5, size).pow(2))
    return weights / weights.sum()


def _softmax(size: int) -> torch.Tensor:
    return torch.softmax(_numbers((size - 1) / (2.0 * math.sqrt(2.0)), size).pow(2).neg(), dim=0)


_TESTS: dict[str, _Test] = {
    "adjust_brightness": _enhanced("brightness", ImageEnhance.Brightness),
    "adjust_contrast": _enhanced("contrast", ImageEnhance.Contrast),
    "adjust_saturation": _enhanced("saturation", ImageEnhance.Color),
    "adjust_sharpness": _enhanced("sharpness", ImageEnhance.Sharpness),
    "adjust_hue": _once({"adjust_hue": {"hue_factor": 40.5 / 255}}, _turned),
    "rgb_to_grayscale": _once(
        {"rgb_to_grayscale": {"num_output_channels": 3}}, lambda image: image.convert("L").convert("RGB")
    ),
    "autocontrast": _once({"autocontrast": {}}, ImageOps.autocontrast),
    "equalize": _once({"equalize": {}}, ImageOps.equalize),
    "invert": _once({"invert": {}}, ImageOps.invert),
    "posterize": _once({"posterize": {"bits": 3}}, lambda image: ImageOps.posterize(image, 3)),
    "solarize": _once({"solarize": {"threshold": 99.5}}, lambda image: ImageOps.solarize(image, 99.5)),  # type: ignore[arg-type]
    "affine": _mapped("transform", Image.Transform.AFFINE, _MATRIX, lambda _: {"matrix": _MATRIX}),
    "perspective": _mapped(
        "perspective",
        Image.Transform.PERSPECTIVE,
        _QUAD,
        lambda _: {"startpoints": None, "endpoints": None, "coefficients": _QUAD},
    ),
    "gaussian_blur": ([{"gaussian_blur": {**_BLUR, "softmax": softmax}} for softmax in (False, True)], _blurred),
    "pil_gaussian_blur": _once(
        {"pil_gaussian_blur": {"radius": (1.3, 1.3)}}, lambda image: image.filter(ImageFilter.GaussianBlur(1.3))
    ),
}

_COLOURS = ("adjust_brightness", "adjust_contrast", "adjust_saturation")
_AUGMENTATIONS = (
    *(*_COLOURS, "adjust_sharpness", "affine", "autocontrast", "equalize", "invert", "posterize", "solarize"),
    *("rgb_to_grayscale", "pil_gaussian_blur"),
)

_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "AutoAugment": _AUGMENTATIONS,
    "ColorJitter": (*_COLOURS, "adjust_hue"),
    "GaussianBlur": ("gaussian_blur",),
    "RandAugment": _AUGMENTATIONS,
    "RandomAdjustSharpness": ("adjust_sharpness",),
    "RandomAffine": ("affine",),
    "RandomAutocontrast": ("autocontrast",),
    "RandomEqualize": ("equalize",),
    "RandomGaussianBlur": ("pil_gaussian_blur",),
    "RandomGrayscale": ("rgb_to_grayscale",),
    "RandomInvert": ("invert",),
    "RandomPerspective": ("perspective",),
    "RandomPosterize": ("posterize",),
    "RandomRotation": ("affine",),
    "RandomSolarize": ("solarize",),
}
"""The functions that an op may draw and whose arithmetic is tested."""


def check_functions(op: Op) -> None:
    """Checks that the functions that an op may draw are those of the installed Pillow.

    Raises:
        Unrecognized: one of them is another one.
    """
    ((name, _),) = op.items()
    for function in _FUNCTIONS.get(name, ()):
        if not _agrees(function):
            library = f"torch {torch.__version__}" if function == "gaussian_blur" else f"Pillow {PIL.__version__}"
            raise Unrecognized(
                f"{name} runs in Python: in a self-test, {function} of the installed {library} made "
                "other pixels than torchfeed's"
            )


@cache
def _agrees(function: str) -> bool:
    """Whether a function makes the same pixels of a picture natively and by Pillow; found out once per process."""
    calls, by_pillow = _TESTS[function]
    picture = _picture()
    height, width, _ = shape = picture.shape
    try:
        expected = by_pillow(Image.fromarray(picture))
    except Exception:  # noqa: BLE001  (whatever it raises, it is raised again where it really runs)
        return False
    made = [_native.apply_calls(picture.tobytes(), shape, [call], cheaper_first=True) for call in calls]
    wanted = [((height, width, 3), image.tobytes()) for image in expected]
    return made == wanted


@cache
def _picture() -> np.ndarray[Any, Any]:
    """A picture of 20 x 24 pixels: noise, and slopes that have all values."""
    noise = np.random.default_rng(1).integers(20, 236, (20, 24, 3)).astype(np.uint8)
    noise[:, :8] = np.arange(480, dtype=np.uint16).reshape(20, 8, 3) % 256
    return noise
