"""Pinned memory where there is no device that copies from it."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.data.dataloader import _BaseDataLoaderIter

from torchfeed.util.default_device import CPU, placed_on


def pretend_to_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has iterators take pinned memory where they are asked to; torch draws its seed on the CPU, come what may."""
    torchs_init = _BaseDataLoaderIter.__init__

    def init(self: Any, view: Any) -> None:
        with placed_on(CPU):
            torchs_init(self, view)
        self._pin_memory = view.pin_memory

    monkeypatch.setattr(_BaseDataLoaderIter, "__init__", init)
