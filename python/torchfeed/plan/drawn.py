"""The random parameters of a sample, and the key that determines them."""

from __future__ import annotations

from typing import NamedTuple

from torchfeed.recognize import Call
from torchfeed.util.random_state import sample_seed

from .compile import Compiled, Drawn

__all__ = ["Drawn", "Key", "drawn", "python_seed"]


class Key(NamedTuple):
    """What everything random in a sample follows from."""

    sample: int
    """The sample's index in the outermost dataset."""
    seed: int
    """The epoch's seed."""
    occurrence: int
    """How often the sample came up before in the epoch."""


def drawn(compiled: Compiled, place: int, seed: int, occurrence: int) -> Drawn:
    """Says what is done to a sample: (transform name, parameters).

    What is done for each of several views follows an entry ``("View", {"number": ...})``.
    Where a part of it runs in Python, the last entry is ``("Python", {"seed": ...})``: what torch, NumPy and `random`
    are seeded with before.
    """
    leaf, calls = compiled.draw(place, seed, occurrence)
    if leaf.why:
        calls.append(Call("Python", {"seed": python_seed(Key(place, seed, occurrence), place)}))
    return calls


def python_seed(key: Key, place: int) -> int:
    """The seed of what runs in Python on a sample."""
    return sample_seed((key.seed, place, key.occurrence))
