"""Where an epoch is, and how to get there again."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["Position", "begin", "state_dict"]

_SEED_STEP = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: far apart, and no two epochs alike
_NO_BASE = -1  # torch's base seeds are not negative


class Position:
    """How many batches of an epoch were handed out, and the random state at its beginning.

    An epoch is its random state and a number: the same state gives the same seed and the same order, and a sample
    depends on nothing else. Each iterator has a position of its own; the loader knows that of the latest.
    """

    def __init__(self, states: Tensor, base: tuple[int, int] | None, skip: int, *, persistent: bool) -> None:
        self.states = states
        self.base = base
        """With persistent workers: the seed of the first epoch, and the number of this one."""
        self.skip = skip
        """How many batches a resumed epoch passes over."""
        self.seed: int | None = None
        self.batches = 0
        self.over = False
        self._persistent = persistent

    def draw_seed(self, draw: Callable[[], int]) -> int:
        """The seed of the epoch: what `draw` gives, when torch's loader draws its base seed.

        With ``persistent_workers`` torch draws once for all epochs; later ones then count up from there, so that each
        has augmentations of its own.
        """
        if self.seed is None:
            base, epoch = self.base or (draw(), 0)
            if self._persistent:
                self.base = base, epoch
            self.seed = (base + epoch * _SEED_STEP) % 2**64
        return self.seed

    @property
    def following(self) -> tuple[int, int] | None:
        """The base of the next epoch."""
        return (self.base[0], self.base[1] + 1) if self.base else None

    def advance(self) -> None:
        """Counts a batch that was handed out."""
        self.batches += 1

    def finish(self) -> None:
        """Notes that the epoch is over."""
        self.over = True


def state_dict(loader: DataLoader[Any], position: Position | None) -> dict[str, Any]:
    """Writes a position as plain values, always the same ones, so that a state can be loaded into another's place.

    Between epochs only the generators that the user made count, as they are.
    """
    between = position is None or position.over
    states = _random_states(loader) if position is None or position.over else position.states
    base = None
    if position is not None:
        # The first epoch draws its base seed again, from the same state.
        base = position.following if position.over else position.base if position.base and position.base[1] else None
    return {
        "batches": 0 if between or position is None else position.batches,
        "random_states": states,
        "sets_random_state": not between or loader.generator is not None,
        "base_seed": base[0] if base else _NO_BASE,
        "epoch": base[1] if base else 0,
    }


def _random_states(loader: DataLoader[Any]) -> Tensor:
    """The states of all generators that the order follows from, one in a row."""
    return torch.stack([generator.get_state() for generator in _generators(loader)])


def _generators(loader: DataLoader[Any]) -> list[torch.Generator]:
    """The loader's generator, or the global one; then those that belong to its samplers."""
    found = [torch.default_generator if loader.generator is None else loader.generator]
    for owner in (loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator) and generator.device.type == "cpu":
            found += [generator] if all(generator is not other for other in found) else []
    return found


@contextmanager
def begin(loader: DataLoader[Any], resume: dict[str, Any] | None, previous: Position | None) -> Generator[Position]:
    """Begins an epoch, at a saved place if there is one; gives its position.

    Generators of the user's, the loader's or its samplers', are set to where they were. The global one is only
    borrowed: its state afterwards is what the caller restored from a checkpoint, which must not be undone.
    """
    borrowed = None
    if resume:
        first, *others = zip(_generators(loader), resume["random_states"], strict=True)
        if resume["sets_random_state"]:
            borrowed = torch.get_rng_state() if loader.generator is None else None
            others.append(first)
        for generator, state in others:
            generator.set_state(state.clone())  # it takes no row of a larger tensor
    base = previous.following if previous else None
    if resume:
        base = None if resume["base_seed"] == _NO_BASE else (resume["base_seed"], resume["epoch"])
    skip = resume["batches"] if resume else 0
    try:
        yield Position(_random_states(loader), base, skip, persistent=loader.persistent_workers)
    finally:
        if borrowed is not None:
            torch.set_rng_state(borrowed)
