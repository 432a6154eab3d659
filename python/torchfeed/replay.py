"""What torchvision makes of a PIL image with the parameters that torchfeed drew: the other side of the promise.

`torchfeed.DataLoader.drawn` tells the parameters; `functional` replays them through torchvision's functions, and
`values` runs the steps that follow, so that `same` can compare bits. The tests and the benchmarks ask this oracle. It
imports torchvision, so nothing else in the package imports it.

Example:
    >>> from torchvision import transforms as T
    >>> drawn = [("RandomCrop", {"top": 1, "left": 2, "height": 8, "width": 8}), ("RandomHorizontalFlip", {})]
    >>> tuple(values(T.Compose([T.RandomCrop(8), T.ToTensor()]), functional(image, drawn)).shape)
    (3, 8, 8)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from PIL import Image, ImageFilter
from torchvision.transforms import functional as their_functional
from torchvision.transforms.v2 import functional as their_v2_functional

from . import _native
from .plan.drawn import Drawn
from .recognize import Call, Plan, Unrecognized
from .recognize.nest import nested
from .recognize.rules import names_of
from .recognize.steps import flatten, read_step
from .recognize.views import nest_of
from .util.random_state import own_random_state, seed_everything

__all__ = ["OPS", "as_bytes", "erased", "functional", "replayed", "same", "steps", "values", "views"]

# torchvision's annotations tell of tensors only; all of it takes PIL images.
F: Any = their_functional

OPS = names_of(lambda rule: rule.read or rule.erases)
"""The classes that become native ops; what they did to an image is replayed from what was drawn."""


# Of pairs that do not name their function themselves, as code has them that takes draws apart.
_FUNCTIONS = {
    "CenterCrop": "crop",
    "RandomCrop": "crop",
    "RandomResizedCrop": "resized_crop",
    "Resize": "resize",
    "Pad": "pad",
    "RandomHorizontalFlip": "hflip",
    "RandomVerticalFlip": "vflip",
}


def functional(image: Image.Image, drawn: Sequence[tuple[str, dict[str, Any]]]) -> Image.Image:
    """Replays drawn calls through `torchvision.transforms.functional`, or Pillow, each by its function and parameters.

    Args:
        image: a decoded image, RGB or L.
        drawn: as `torchfeed.DataLoader.drawn` tells it, without what runs in Python.

    Returns:
        The image after all of them.
    """
    for entry in drawn:
        call = entry if isinstance(entry, Call) else Call(*entry, _FUNCTIONS[entry[0]])
        for function, parameters in call.functions():
            if function == "erase":
                continue  # of the tensor: see `erased`
            if "fill" in parameters and image.mode != "RGB":
                parameters = {**parameters, "fill": parameters["fill"][0]}  # noqa: PLW2901
            if "num_output_channels" in parameters and image.mode != "RGB":
                parameters = {**parameters, "num_output_channels": 1}  # noqa: PLW2901
            if "permutation" in parameters and image.mode != "RGB":
                parameters = {**parameters, "permutation": [0]}  # noqa: PLW2901
            is_v2 = function in _OF_V2 or parameters.get("softmax", False)
            of = their_v2_functional if is_v2 else F
            parameters = {name: value for name, value in parameters.items() if name != "softmax"}  # noqa: PLW2901
            image = (_OF_PILLOW.get(function) or getattr(of, function))(image, **parameters)
    return image


# The functions that v2 alone has, or with arguments that it alone takes.
_OF_V2 = {"grayscale_to_rgb", "permute_channels", "perspective"}


def _transform(image: Image.Image, matrix: Sequence[float], interpolation: Image.Resampling, fill: Any) -> Image.Image:
    fill = tuple(fill) if isinstance(fill, list) else fill
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=interpolation, fillcolor=fill)


def _solarize_add(image: Image.Image, add: int, thresh: int) -> Image.Image:
    table = [min(255, value + add) if value < thresh else value for value in range(256)]
    return image.point(table * len(image.getbands()))


# The functions that are Pillow's or timm's own.
_OF_PILLOW: dict[str, Any] = {
    "transform": _transform,
    "pil_gaussian_blur": lambda image, radius: image.filter(ImageFilter.GaussianBlur(radius)),
    "pil_box_blur": lambda image, radius: image.filter(ImageFilter.BoxBlur(radius)),
    "solarize_add": _solarize_add,
}


def erased(tensor: torch.Tensor, drawn: Sequence[tuple[str, dict[str, Any]]]) -> torch.Tensor:
    """Replays drawn erasures through `torchvision.transforms.functional`.

    Args:
        tensor: what `values` returned, (C, H, W).
        drawn: as `torchfeed.DataLoader.drawn` tells it; other calls are passed over.

    Returns:
        The tensor after all of them.
    """
    for entry in drawn:
        if entry[0] == "RandomErasing":
            tensor = F.erase(tensor, **{**entry[1], "v": _erased_with(tensor, entry[1])})
    return tensor


def _erased_with(tensor: torch.Tensor, parameters: dict[str, Any]) -> torch.Tensor:
    ((kind, value),) = parameters["v"].items()
    channels = len(tensor)
    if kind == "constant":
        return torch.tensor(value["numbers"][:channels])[:, None, None]
    shape = (channels, 1, 1) if kind == "normal_color" else (channels, parameters["h"], parameters["w"])
    numbers = bytearray(_native.normals(value["seed"], math.prod(shape)))
    return torch.frombuffer(numbers, dtype=torch.float32).reshape(shape) if numbers else torch.empty(shape)


def views(drawn: Drawn) -> list[Drawn]:
    """Splits the calls of an image of which several views are made, into those of each view."""
    split: list[Drawn] = []
    for call in drawn:
        if call.step == "View":
            split.append([])
        else:
            split[-1].append(call)
    return split


def replayed(image: Image.Image, transform: Any, drawn: Drawn, plan: Plan) -> Any:
    """Makes by torchvision, timm and Pillow what torchfeed made of an image, natively and in Python.

    Args:
        image: a decoded image, RGB or L.
        transform: the dataset's transform.
        drawn: as `torchfeed.DataLoader.drawn` tells it.
        plan: how the transform was recognised.

    Returns:
        What stands for the image in a sample: a tensor, or several in lists, tuples and dicts.
    """
    if not plan.several:
        return _replayed(image, list(flatten(transform)), drawn, plan.rest)
    of_each = iter(views(drawn))
    chains = nest_of(list(flatten(transform)), len(image.getbands()))
    return nested(chains, lambda chain: _replayed(image, list(flatten(chain)), next(of_each), ()), stacked=torch.stack)


def _replayed(image: Image.Image, chain: list[Any], drawn: Drawn, rest: Sequence[Any]) -> Any:
    seeds = [given["seed"] for name, given in drawn if name == "Python"]
    calls = [call for call in drawn if call[0] != "Python"]
    made: Any = functional(image, calls)
    for step in chain[: len(chain) - len(rest)]:
        made = made if _is_drawn(step, len(image.getbands())) else step(made)
    if isinstance(made, torch.Tensor):
        made = erased(made, calls)
    with own_random_state():
        if seeds:
            seed_everything(seeds[0])
        for step in rest:
            made = step(made)
    return made


def _is_drawn(step: Any, channels: int) -> bool:
    """Whether what a step does is replayed from what was drawn."""
    if type(step).__name__ in OPS:
        return True
    try:
        read_step(step, channels)
    except Unrecognized:
        return False
    return True


def steps(transform: Any) -> Iterator[Any]:
    """Yields the single steps of a transform, those of nested ones included."""
    for step in getattr(transform, "transforms", [transform]):
        yield from steps(step) if hasattr(step, "transforms") else [step]


def values(transform: Any, image: Any) -> Any:
    """Runs the steps that follow the geometry.

    Args:
        transform: a torchvision transform; its geometric steps are passed over.
        image: what `functional` returned.

    Returns:
        What the other steps make of it.
    """
    for step in steps(transform):
        if type(step).__name__ not in OPS:
            image = step(image)
    return image


def same(made: Any, expected: Any, context: object = "") -> None:
    """Asserts equal bits, shapes and dtypes.

    Args:
        made: torchfeed's tensor.
        expected: torchvision's.
        context: what to say if they differ.

    Raises:
        AssertionError: they differ.
    """
    # Equal as bytes: NaN is NaN, and 0 is not -0.
    if (
        not isinstance(made, torch.Tensor)
        or (made.dtype, made.shape) != (expected.dtype, expected.shape)
        or not torch.equal(as_bytes(made), as_bytes(expected))
    ):
        raise AssertionError(context)


def as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """Views a tensor's values as bytes, uint8 of one dimension."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
