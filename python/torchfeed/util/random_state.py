"""The process's random generators: torch's of the CPU, NumPy's global one and Python's `random`."""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from .locks import Turns

__all__ = ["fresh_seed", "own_random_state", "random_state_turns", "sample_seed", "seed_everything"]

random_state_turns = Turns()
"""Held by a thread while it uses seeded generators: the process has only one of each kind."""


def fresh_seed() -> int:
    """Draws a seed from torch's global generator, so that `torch.manual_seed` governs what comes of it."""
    return int(torch.empty((), dtype=torch.int64, device="cpu").random_().item())


def sample_seed(key: Sequence[int]) -> int:
    """Derives the seed of what runs in Python, by NumPy's `SeedSequence`: 63 bits."""
    return int(np.random.SeedSequence(tuple(key)).generate_state(1, np.uint64)[0]) >> 1


def seed_everything(seed: int) -> None:
    """Seeds torch's generator of the CPU, NumPy's global one and `random`, as a user would to replay a sample."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (the global generator is what transforms use)
    random.seed(seed)


@contextmanager
def own_random_state() -> Generator[None]:
    """Gives the caller's random state back at the end, before another thread may borrow it."""
    with random_state_turns:
        states = torch.default_generator.get_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            yield
        finally:
            torch.default_generator.set_state(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            random.setstate(states[2])
