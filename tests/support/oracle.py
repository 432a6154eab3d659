"""The oracle: what torchvision makes of a PIL image with the parameters that torchfeed drew, in two ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from PIL import Image
from torchvision import transforms as their_transforms
from torchvision.transforms import functional as their_functional
from torchvision.transforms import v2 as their_v2

from torchfeed import transforms as our_transforms
from torchfeed.replay import OPS, as_bytes, erased, functional, same, steps, values

# torchvision's annotations tell of tensors only, and of none at all; all of it takes PIL images.
F: Any = their_functional
v2: Any = their_v2
theirs: Any = their_transforms

FLIPS = {"RandomHorizontalFlip": F.hflip, "RandomVerticalFlip": F.vflip}

__all__ = [
    "FLIPS",
    "OPS",
    "F",
    "as_bytes",
    "by_class",
    "check",
    "erased",
    "functional",
    "same",
    "steps",
    "theirs",
    "twin",
    "v2",
    "values",
]

Drawn = list[tuple[str, dict[str, Any]]]


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
        elif name in OPS:
            call = calls.popleft()
            while name == "RandomCrop" and "top" not in call[1]:
                call = calls.popleft()
            assert call[0] == name
            if "top" in call[1] and name != "CenterCrop":
                box = tuple(call[1][key] for key in ("top", "left", "height", "width"))
                with mock.patch.object(type(step), "get_params", return_value=box):
                    image = step(image)
            else:
                image = step(image)
        else:
            image = step(image)
    assert not calls
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


def twin(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Builds the same transform of torchfeed's classes and of torchvision's."""
    return make(our_transforms), make(theirs)
