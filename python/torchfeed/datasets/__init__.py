"""The source stage: datasets whose samples are read, decoded and transformed natively."""

from .cifar import CIFAR10, CIFAR100
from .folder import IMG_EXTENSIONS, ImageFolder
from .images import ImageList
from .native import NativeDataset

__all__ = ["CIFAR10", "CIFAR100", "IMG_EXTENSIONS", "ImageFolder", "ImageList", "NativeDataset"]
