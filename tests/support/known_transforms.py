"""An example of each class of transforms that is recognised, from each module that has it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import nn

from golden_draws import build, rows
from oracle import theirs, v2
from pictures import pixels
from torchfeed import transforms as ours
from torchfeed.recognize.rules import names_of

IMAGES = [pixels(20, 24, seed=i) for i in range(3)]
IMAGE = Image.fromarray(IMAGES[0])
FLOATS = torch.rand(3, 8, 8)


# How a class that is known is made, from the module that it is in. Other ops are made as the table of draws says first.
MADE: dict[str, Callable[[Any], Any]] = {
    "CenterCrop": lambda m: m.CenterCrop(8),
    "Compose": lambda m: m.Compose([m.CenterCrop(8)]),
    "ConvertImageDtype": lambda m: m.ConvertImageDtype(torch.float32),
    "Identity": lambda m: m.Identity(),
    "Normalize": lambda m: m.Normalize([0.5], [0.5]),
    "PILToTensor": lambda m: m.PILToTensor(),
    "Pad": lambda m: m.Pad(2),
    "RandomApply": lambda m: m.RandomApply([m.CenterCrop(8)], p=1.0),
    "RandomChoice": lambda m: m.RandomChoice([m.CenterCrop(8)]),
    "RandomCrop": lambda m: m.RandomCrop(8, padding=2),
    "RandomErasing": lambda m: m.RandomErasing(1.0),
    "RandomHorizontalFlip": lambda m: m.RandomHorizontalFlip(1.0),
    "RandomOrder": lambda m: m.RandomOrder([m.CenterCrop(8)]),
    "RandomResizedCrop": lambda m: m.RandomResizedCrop(8),
    "RandomVerticalFlip": lambda m: m.RandomVerticalFlip(1.0),
    "Resize": lambda m: m.Resize((8, 9)),
    "Sequential": lambda m: m.Sequential(theirs.CenterCrop(8)),
    "ToDtype": lambda m: m.ToDtype(torch.float32, scale=True),
    "ToImage": lambda m: m.ToImage(),
    "ToPureTensor": lambda m: m.ToPureTensor(),
    "ToTensor": lambda m: m.ToTensor(),
}


ROWS = {row["class"]: row for row in reversed(rows())}
KNOWN = names_of(lambda rule: rule.of != "timm" and rule.kind != "views of one image")
MODULES: dict[str, Any] = {"v1": theirs, "v2": v2, "torchfeed": ours, "torch": nn}
OF_TENSORS = {"ConvertImageDtype", "Normalize", "RandomErasing", "ToDtype", "ToPureTensor"}


EXAMPLES = [
    (kind, name)
    for kind, module in MODULES.items()
    for name in sorted(KNOWN)
    if hasattr(module, name) and (kind != "torch" or name in {"Identity", "Sequential"})
]


def make(kind: str, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # v2.ToTensor warns
        return MADE[name](MODULES[kind]) if name in MADE else build(ROWS[name], kind)


def argument(name: str) -> Any:
    return FLOATS.clone() if name in OF_TENSORS else IMAGE.copy()
