"""Checkpoints: whole or not at all, and loaded without running any code from the file."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["load", "rng_state", "save", "seed_everything", "set_rng_state"]


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint; a crash at any moment leaves the old file or the new one.

    Args:
        path: the file.
        state: ``state_dict``s, tensors and plain values.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partly = path.with_name(path.name + ".partial")
    with partly.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partly.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint.

    Args:
        path: the file.

    Returns:
        What was saved, with its tensors on the CPU: ``load_state_dict`` puts them on their device.
    """
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def seed_everything(seed: int) -> None:
    """Seeds Python, numpy and torch.

    Args:
        seed: any integer.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator is the one to seed
    torch.manual_seed(seed)


def rng_state() -> dict[str, Any]:
    """Gives the state of every global random generator, as plain values and tensors."""
    state: Any = np.random.get_state()  # noqa: NPY002
    name, keys, *rest = state
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Brings every global random generator back.

    Args:
        state: what `rng_state` gave.
    """
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    for device, cuda in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(cuda, device)
