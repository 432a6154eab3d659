"""The position of a loader as plain values: what `state_dict` returns and `load_state_dict` takes."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader as TorchDataLoader

from .stateful import KEYS, freeze, parts_between_epochs, thaw

__all__ = [
    "NO_BASE",
    "State",
    "between_epochs",
    "check_state",
    "decode_states",
    "generators_of",
    "set_states",
    "state_between_epochs",
    "states_of",
    "within_epoch",
]

State = dict[str, Any]
"""A position as plain values: the same keys at any point of any epoch. It goes through JSON, unless what a dataset or a
sampler says of itself does not.
"""

NO_BASE = -1  # torch's base seeds are not negative
_NO_PARTS = dict.fromkeys(KEYS, "")
_KEYS = {"batches", "base_seed", "epoch", "begun", "drawn", "generators", "order", *KEYS}


def state_between_epochs(loader: TorchDataLoader[Any]) -> State:
    """The state of a loader whose first epoch has not begun."""
    return between_epochs(None, states_of(generators_of(loader)), freeze(partial(parts_between_epochs, loader)))


def check_state(state: Any) -> State:
    """Checks that a state is one of torchfeed's loader; returns a copy.

    Raises:
        TypeError: it is no dict.
        ValueError: it is another dict.
    """
    if not isinstance(state, dict):
        raise TypeError(f"a state is a dict, as state_dict() returns it, not {type(state).__name__}")
    missing = sorted(_KEYS.difference(state))
    if missing:
        raise ValueError(
            f"not a state of torchfeed.DataLoader: {', '.join(missing)} is missing, and there is "
            f"{', '.join(map(str, state)) or 'nothing'}"
        )
    return dict(state)


def generators_of(loader: TorchDataLoader[Any]) -> list[torch.Generator]:
    """Finds the generators that the order may follow from: the global one, the loader's, those of its samplers."""
    found = [torch.default_generator]
    for owner in (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and generator.device.type == "cpu":
            found += [generator] if all(generator is not other for other in found) else []
    return found


def states_of(generators: Sequence[torch.Generator]) -> list[Tensor]:
    """Reads the states of generators."""
    return [generator.get_state() for generator in generators]


def set_states(generators: Sequence[torch.Generator], states: Sequence[Tensor]) -> None:
    """Sets the states of generators."""
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)


def between_epochs(base: tuple[int, int] | None, states: Sequence[Tensor], parts: bytes | None) -> State:
    """Writes a place between epochs."""
    return {**within_epoch(0, base, states, states, parts, drawn=False), "begun": False}


def within_epoch(
    batches: int,
    base: tuple[int, int] | None,
    at_iter: Sequence[Tensor],
    at_order: Sequence[Tensor],
    parts: bytes | None,
    *,
    drawn: bool,
) -> State:
    """Writes a place in an epoch."""
    return {
        "batches": batches,
        "base_seed": base[0] if base else NO_BASE,
        "epoch": base[1] if base else 0,
        "begun": True,
        "drawn": drawn,
        "generators": [_encode(state) for state in at_iter],
        # Most have not changed between the two moments.
        "order": ["" if torch.equal(a, b) else _encode(b) for a, b in zip(at_iter, at_order, strict=True)],
        **(_NO_PARTS if parts is None else thaw(parts)),
    }


def _encode(state: Tensor) -> str:
    """Writes the state of a generator, 5056 bytes of which half are zero, in some 3400 characters."""
    return _compressed(state.numpy().tobytes())


@lru_cache(maxsize=16)  # the states that are asked for at each step are those of the epoch's beginning
def _compressed(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data, 1)).decode()


def decode_states(texts: Sequence[str], generators: Sequence[torch.Generator]) -> list[Any]:
    """Reads the states of generators as a state of a loader holds them; `None` for those that it leaves out.

    Raises:
        ValueError: the state is that of a loader with another number of generators.
    """
    if len(texts) != len(generators):
        raise ValueError(
            f"the state holds {len(texts)} random generators, and this loader has {len(generators)}, the global one "
            "included: give it and its samplers a `generator` as the loader had that the state is of"
        )
    return [_decode(text) for text in texts]


def _decode(text: str) -> Tensor | None:
    if not text:
        return None
    return torch.from_numpy(np.frombuffer(bytearray(zlib.decompress(base64.b85decode(text))), np.uint8))
