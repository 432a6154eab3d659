"""Running a dataset's `__getitem__` for what it would make, without making it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image

from torchfeed.images import lazily
from torchfeed.recognize.tree import fetch
from torchfeed.util.random_state import own_random_state, seed_everything

from .chains import Chain, Chains
from .promise import Promise, fulfilled, promises_in
from .unopened import Given, unopened
from .window import is_open, window

__all__ = ["Sample", "Tracer", "in_python"]

@dataclass(frozen=True)
class Sample:
    """What a dataset returned."""

    value: Any
    """That, in which promises may stand for tensors."""
    reseeded: bool = False
    """Whether torch's generator was seeded meanwhile, so that what is drawn is in step with something."""

    @cached_property
    def promises(self) -> tuple[Promise, ...]:
        """The promises in it, in order."""
        return tuple(promises_in(self.value))

    @property
    def file(self) -> Given | None:
        """The file that all of the promises are about; `None` if there are none, or several files, or some were made."""
        first, *others = [promise.undone.given for promise in self.promises] or [None]
        kept = not self.reseeded and all(promise.made is None for promise in self.promises)
        return first if kept and all(other == first for other in others) else None

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The transforms."""
        return tuple(promise.chain for promise in self.promises)

    def finished(self, dataset: Any, index: Any, seed: int) -> Any:
        """What the dataset returned, made in Python.

        Raises:
            Exception: it cannot be made, in the words of whoever says so.
        """
        if self.reseeded:
            return in_python(dataset, index, seed)
        if self.promises:
            with own_random_state():
                seed_everything(seed)
                for promise in self.promises:
                    fulfilled(promise)
        return self.value


class Tracer:
    """Runs datasets for what they would make, in this thread."""

    def __init__(self) -> None:
        self.chains = Chains()
        self.draws = False
        """Whether the datasets are known to draw random numbers themselves."""

    def samples(self, calls: Sequence[tuple[Any, Any]], seed: Callable[[int], int]) -> list[Sample | Exception]:
        """Runs `dataset[index]` for each of some calls; an exception stands for a sample that cannot be made.

        Random generators are seeded for each sample if the datasets draw; they are at the end what they were before.

        Args:
            calls: datasets and indices.
            seed: gives the seed of a sample, by its number among the calls.
        """
        self.chains.check()
        with own_random_state():
            if not self.draws:
                seed_everything(seed(0))
                before = _random_state()
                made = self._run(calls, None)
                if _random_state() == before:
                    return made
                self.draws = True
            return self._run(calls, seed)

    def _run(self, calls: Sequence[tuple[Any, Any]], seed: Callable[[int], int] | None) -> list[Sample | Exception]:
        made: list[Sample | Exception] = []
        with lazily(), _unopened_images(), self.chains.intercepted(), window():
            if getattr(calls[0][0], "__getitems__", None):
                return self._together(calls[0][0], [index for _, index in calls])
            for number, (dataset, index) in enumerate(calls):
                if seed is not None:
                    seed_everything(seed(number))
                seeded = torch.default_generator.initial_seed()
                try:
                    value = dataset[index]
                except Exception as error:  # noqa: BLE001  (told when the sample's turn comes)
                    made.append(error)
                else:
                    made.append(Sample(value, torch.default_generator.initial_seed() != seeded))
        return made

    def _together(self, dataset: Any, indices: list[Any]) -> list[Sample | Exception]:
        """Runs `__getitems__`."""
        seeded = torch.default_generator.initial_seed()
        try:
            values = list(dataset.__getitems__(indices))
        except Exception as error:  # noqa: BLE001  (told when the samples' turn comes)
            return [error] * len(indices)
        if len(values) != len(indices):
            return [TypeError(f"{type(dataset).__name__}.__getitems__ made {len(values)} of {len(indices)} samples")]
        reseeded = torch.default_generator.initial_seed() != seeded
        return [Sample(value, reseeded) for value in values]


def in_python(dataset: Any, index: Any, seed: int) -> Any:
    """Makes a sample as torch's loader does, with lazy images and seeded generators, which are then what they were.

    Raises:
        Exception: whatever the dataset raises.
    """
    with own_random_state(), lazily():
        seed_everything(seed)
        return fetch(dataset, [index])[0]


def _random_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  (the global generator is what transforms use)
    return torch.default_generator.get_state().numpy().tobytes(), name, np.asarray(keys).tobytes(), *rest, random.getstate()


@contextmanager
def _unopened_images() -> Iterator[None]:
    """Has `PIL.Image.open` put off opening files, where samples are traced."""
    pillows = Image.open

    def put_off(fp: Any, *arguments: Any, **keywords: Any) -> Any:
        if not arguments and not keywords and is_open():
            image = unopened(fp)
            if image is not None:
                return image
        return pillows(fp, *arguments, **keywords)

    Image.open = put_off
    try:
        yield
    finally:
        Image.open = pillows
