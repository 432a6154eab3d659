"""What a loader is told, and what one epoch needs to know: frozen records that are handed down.

`Options` are those of a loader that are not torch's. `Settings` are made when an epoch begins and handed down. The code
below the loader reads options from them alone. torch's own iterators get the loader too, for its attributes of torch's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch

from . import _native
from .bad_samples.policy import OnError, check_arguments
from .limits import Limits

__all__ = ["OPTIONS", "Destination", "Memory", "Options", "Settings", "speaks_for_itself"]


@dataclass(frozen=True)
class Options:
    """The options of a loader that are not torch's; `torchfeed.DataLoader` says what each means.

    Raises:
        TypeError: `limits` are of another type.
        ValueError: an option is out of range.
    """

    memory_format: torch.memory_format = torch.contiguous_format
    decode: Literal["exact", "fast"] = "exact"
    nice: int = 0
    native: Literal["auto", "require", "off"] = "auto"
    row_index_memory: int = 256 * 2**20
    device: torch.device | str | None = None
    on_error: OnError = "raise"
    max_errors: float | None = None
    limits: Limits | None = None
    lazy_images: bool = True
    trace: bool = True
    snapshot_every_n_steps: int | None = 1

    def __post_init__(self) -> None:
        """Checks every option."""
        if self.memory_format not in {torch.contiguous_format, torch.channels_last}:
            raise ValueError(f"memory_format should be contiguous_format or channels_last, got {self.memory_format}")
        if self.decode not in {"exact", "fast"}:
            raise ValueError(f'decode should be "exact" or "fast", got {self.decode!r}')
        if self.native not in {"auto", "require", "off"}:
            raise ValueError(f'native should be "auto", "require" or "off", got {self.native!r}')
        if self.limits is not None and not isinstance(self.limits, Limits):
            raise TypeError(f"limits must be torchfeed.Limits, got {type(self.limits).__name__}")
        if self.row_index_memory < 0:
            raise ValueError(f"row_index_memory must be at least 0 bytes, got {self.row_index_memory}")
        if not 0 <= operator.index(self.nice) <= 19:
            raise ValueError(f"nice should be from 0 to 19, got {self.nice}")
        if self.device is not None:
            torch.device(self.device)
        check_arguments(self.on_error, self.max_errors)

    @property
    def decodes_fast(self) -> bool:
        """Whether JPEGs may be decoded at a fraction of their size."""
        return self.decode == "fast"

    @property
    def opens_lazily(self) -> bool:
        """Whether images are lazy that Python code opens while it makes samples."""
        return self.lazy_images and self.native != "off"

    @property
    def tolerant(self) -> bool:
        """Whether an epoch goes on after a bad sample."""
        return self.on_error != "raise"


OPTIONS: tuple[str, ...] = tuple(field.name for field in fields(Options))
"""The names of the options."""


def speaks_for_itself(name: str, value: Any) -> bool:
    """Whether a value can hardly be meant for anything but the option of this name."""
    known: dict[str, Callable[[Any], bool]] = {
        "memory_format": lambda value: isinstance(value, torch.memory_format),
        "decode": lambda value: isinstance(value, str) and value in {"exact", "fast"},
        "native": lambda value: isinstance(value, str) and value in {"auto", "require", "off"},
        "on_error": lambda value: isinstance(value, str) and value in {"raise", "replace", "skip"},
        "limits": lambda value: isinstance(value, Limits),
    }
    return name in known and known[name](value)


@dataclass(frozen=True)
class Memory:
    """What native pipelines of one loader use again, from epoch to epoch."""

    row_indexes: _native.RowIndexes | None = None
    """What was found out about JPEG files."""
    batches: _native.BatchMemory | None = None
    """Blocks of batches that nobody holds any more."""


@dataclass(frozen=True)
class Destination:
    """What the device that batches go to wants of them."""

    pinned: bool = False
    """Whether they should lie in pinned memory."""
    table: bool | None = False
    """Whether the table at the end of the transforms is left to the device; with `None`, where there is one."""


@dataclass(frozen=True)
class Settings:
    """What one epoch needs to know of its loader, as it is when the epoch begins."""

    options: Options
    memory: Memory
    batched: bool
    """Whether samples are collated: torch's ``_auto_collation``."""
    collate_fn: Callable[[Any], Any]
    num_workers: int
    worker_init_fn: Callable[[int], None] | None
    pin_memory: bool
    """Whether batches should lie in pinned memory, because the loader or the device wants it."""
    destination: Destination | None
    """Where batches go; `None` where the training loop gets them as they are."""
