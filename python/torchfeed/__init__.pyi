from . import datasets, transforms
from .batch import default_collate, one_hot
from .device import to_device
from .errors import DecodeError, InternalError
from .explanation import explain
from .images import open_image
from .limits import Limits, SlowSampleWarning, get_limits, get_max_pixels, set_limits, set_max_pixels
from .loader import DataLoader
from .version import __version__

__all__ = [
    "DataLoader",
    "DecodeError",
    "InternalError",
    "Limits",
    "SlowSampleWarning",
    "__version__",
    "datasets",
    "default_collate",
    "explain",
    "get_limits",
    "get_max_pixels",
    "one_hot",
    "open_image",
    "set_limits",
    "set_max_pixels",
    "to_device",
    "transforms",
]
