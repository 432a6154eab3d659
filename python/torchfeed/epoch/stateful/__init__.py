"""Datasets, samplers and iterators that keep a state of their own, which is a part of the loader's."""

from .parts import KEYS, Parts, load_parts, open_parts, parts_between_epochs
from .protocol import freeze, noting_global_generator, thaw

__all__ = [
    "KEYS",
    "Parts",
    "freeze",
    "load_parts",
    "noting_global_generator",
    "open_parts",
    "parts_between_epochs",
    "thaw",
]
