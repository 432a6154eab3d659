"""The transform stage: torchvision's transforms by name, argument, default and distribution, run natively.

Give them to a dataset of `torchfeed.datasets` or of torchvision and iterate with `torchfeed.DataLoader`: the whole
pipeline is then compiled and runs without the GIL. Each is also a function of one PIL image, as in torchvision, with
the same result for the same parameters.
"""

from .geometry import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from .mix import CutMix, MixUp
from .structure import Compose, MultiViewTransform
from .target import OneHot
from .value import ConvertImageDtype, Normalize, PILToTensor, ToDtype, ToTensor

__all__ = [
    "CenterCrop",
    "Compose",
    "ConvertImageDtype",
    "CutMix",
    "MixUp",
    "MultiViewTransform",
    "Normalize",
    "OneHot",
    "PILToTensor",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "ToDtype",
    "ToTensor",
]
