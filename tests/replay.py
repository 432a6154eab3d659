"""The oracle: what torchvision makes of a PIL image with the parameters that torchfeed drew."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from PIL import Image
from torchvision import transforms as their_transforms
from torchvision.transforms import functional as their_functional
from torchvision.transforms import v2 as their_v2

from torchfeed import transforms as our_transforms

# torchvision's annotations tell of tensors only, and of none at all; all of it takes PIL images.
F: Any = their_functional
v2: Any = their_v2
theirs: Any = their_transforms

Drawn = list[tuple[str, dict[str, Any]]]

FLIPS = {"RandomHorizontalFlip": F.hflip, "RandomVerticalFlip": F.vflip}
RANDOM = {"RandomCrop", "RandomResizedCrop", *FLIPS}
GEOMETRY = {"Resize", "CenterCrop", "Pad", *RANDOM}


def functional(image: Image.Image, drawn: Drawn) -> Image.Image:
    """Replays drawn calls through `torchvision.transforms.functional`, each by its parameters."""
    for name, given in drawn:
        parameters = dict(given)
        padding = [parameters.pop(key, None) for key in ("padding", "fill", "padding_mode")]
        if padding[0] is not None and any(padding[0]):
            fill = padding[1] if image.mode == "RGB" else padding[1][0]
            image = F.pad(image, padding[0], fill, padding[2])
        if name in FLIPS:
            image = FLIPS[name](image)
        elif name == "RandomResizedCrop":
            image = F.resized_crop(image, **parameters)
        elif name == "Resize":
            image = F.resize(image, **parameters)
        elif parameters:
            image = F.crop(image, **parameters)
    return image


def steps(transform: Any) -> Iterator[Any]:
    for step in getattr(transform, "transforms", [transform]):
        yield from steps(step) if hasattr(step, "transforms") else [step]


def by_class(transform: Any, image: Any, drawn: Drawn) -> Any:
    """Runs torchvision's own (v1) transforms, with `get_params` answering what was drawn.

    So everything that a class does besides drawing, such as padding where it is needed, is torchvision's.
    """
    calls = deque(drawn)
    for step in steps(transform):
        name = type(step).__name__
        if name in FLIPS:
            if calls and calls[0][0] == name:
                image = FLIPS[name](image)
                calls.popleft()
        elif name in GEOMETRY:
            call = calls.popleft()
            while name == "RandomCrop" and "top" not in call[1]:
                call = calls.popleft()
            assert call[0] == name
            if name in RANDOM:
                box = tuple(call[1][key] for key in ("top", "left", "height", "width"))
                with mock.patch.object(type(step), "get_params", return_value=box):
                    image = step(image)
            else:
                image = step(image)
        else:
            image = step(image)
    assert not calls
    return image


def values(transform: Any, image: Any) -> Any:
    """Runs the steps that follow the geometry."""
    for step in steps(transform):
        if type(step).__name__ not in GEOMETRY:
            image = step(image)
    return image


def check(dataset: Any, index: int, image: Image.Image, oracle: Any, seed: int) -> torch.Tensor:
    """Asserts that sample `index` in an epoch of `seed` has the bits of `oracle`, torchvision's transform.

    Both ways of replaying are held against it.
    """
    dataset.seed = seed
    drawn = dataset.draw(index, seed=seed)
    made: torch.Tensor = dataset[index][0]
    same(made, by_class(oracle, image, drawn), drawn)
    same(made, values(oracle, functional(image, drawn)), drawn)
    return made


def same(made: Any, expected: Any, context: object = "") -> None:
    """Asserts equal bits, shapes and dtypes."""
    assert isinstance(made, torch.Tensor)
    assert (made.dtype, made.shape) == (expected.dtype, expected.shape), context
    # Equal as bytes: NaN is NaN, and 0 is not -0.
    assert torch.equal(as_bytes(made), as_bytes(expected)), context


def as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def twin(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Builds the same transform of torchfeed's classes and of torchvision's."""
    return make(our_transforms), make(theirs)
