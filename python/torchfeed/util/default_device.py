"""torch's default device: where new tensors are put, whatever has set it."""

from __future__ import annotations

import multiprocessing
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

__all__ = ["CPU", "default_device", "placed_on", "workers_default_device"]

CPU = torch.device("cpu")

_modes: Any = torch._C._len_torch_function_stack  # noqa: SLF001
_device_of_type: Any = torch._C._get_default_device  # noqa: SLF001


def default_device() -> torch.device:
    """Finds the device of a tensor that `torch.tensor` makes in this thread now.

    `torch.set_default_device`, ``with torch.device(...)``, other modes and `torch.set_default_tensor_type` set it.
    """
    if not _modes() and _device_of_type() == "cpu":  # which takes a twentieth of the time
        return CPU
    return torch.tensor([0]).device


def workers_default_device(loader: Any) -> torch.device:
    """Finds the default device of the worker processes that torch's loader would begin now."""
    device = default_device()
    if device == CPU:
        return CPU
    context: Any = loader.multiprocessing_context or multiprocessing
    # The first is what the system has where nobody chose; to ask for it in another way would be to choose it.
    method = context.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    # Only a forked process has the modes of the thread that begins it.
    return device if method == "fork" else CPU


def placed_on(device: torch.device | None) -> AbstractContextManager[Any]:
    """Makes a device the default one; nothing is done where it is already, or with `None`."""
    return nullcontext() if device is None or default_device() == device else _First(device)


class _First(TorchFunctionMode):
    """Names a device before any other mode can: ``with torch.device(...)`` is asked last."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _device_constructors() and kwargs.get("device") is None:
            kwargs["device"] = self.device
        return func(*args, **kwargs)
