"""A drop-in `torch.utils.data.DataLoader`: the same bits as torchvision, several times faster.

>>> from torchfeed import DataLoader, datasets, transforms
"""

from . import datasets, transforms
from .batch import default_collate, one_hot
from .decode import get_max_pixels, set_max_pixels
from .device import to_device
from .errors import DecodeError
from .explain import explain
from .loader import DataLoader
from .version import __version__

__all__ = [
    "DataLoader",
    "DecodeError",
    "__version__",
    "datasets",
    "default_collate",
    "explain",
    "get_max_pixels",
    "one_hot",
    "set_max_pixels",
    "to_device",
    "transforms",
]
