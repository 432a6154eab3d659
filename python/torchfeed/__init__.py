"""A drop-in `torch.utils.data.DataLoader`: the same bits as torchvision, several times faster.

>>> from torchfeed import DataLoader, datasets, transforms
"""

from importlib import import_module
from typing import Any

from .util.locks import Turns

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

# Loaded when it is asked for: most of it needs Pillow, and programs import many a package that they do not use. What
# type checkers read is in __init__.pyi.
_MODULES = {
    "DataLoader": "loader",
    "DecodeError": "errors",
    "InternalError": "errors",
    "Limits": "limits",
    "SlowSampleWarning": "limits",
    "__version__": "version",
    "default_collate": "batch",
    "explain": "explanation",
    "get_limits": "limits",
    "get_max_pixels": "limits",
    "one_hot": "batch",
    "open_image": "images",
    "set_limits": "limits",
    "set_max_pixels": "limits",
    "to_device": "device",
}

# Modules need each other: of two threads that load some, each could hold what the other waits for.
_turns = Turns()


def __getattr__(name: str) -> Any:
    if name in {"datasets", "transforms"}:
        with _turns:
            return import_module(f".{name}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _turns:
        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
