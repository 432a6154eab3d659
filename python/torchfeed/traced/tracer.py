"""Running a dataset's `__getitem__` for what it would make, without making it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from torchfeed.images import lazily
from torchfeed.util.random_state import own_random_state, seed_everything

from .chains import Chain, Chains, Promise, fulfilled
from .unopened import Given, Unopened, unopened

__all__ = ["Sample", "Tracer", "in_python"]

_tracing = threading.local()


@dataclass(frozen=True)
class Sample:
    """What a dataset returned."""

    value: Any
    """That, in which promises may stand for tensors."""
    promises: tuple[Promise, ...]
    """What was promised meanwhile, in order."""
    reseeded: bool = False
    """Whether torch's generator was seeded meanwhile, so that what is drawn is in step with something."""

    @property
    def file(self) -> Given | None:
        """The file that all of the promises are about; `None` if there are none, or several files, or some were made."""
        files = {promise.image._torchfeed_file.given for promise in self.promises if type(promise.image) is Unopened}  # noqa: SLF001
        kept = not self.reseeded and all(promise.is_open and type(promise.image) is Unopened for promise in self.promises)
        return files.pop() if kept and len(files) == 1 else None

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

    def _run(
        self, calls: Sequence[tuple[Any, Any]], seed: Callable[[int], int] | None
    ) -> list[Sample | Exception]:
        made: list[Sample | Exception] = []
        with lazily(), _unopened_images(), self.chains.intercepted(_is_here):
            for number, (dataset, index) in enumerate(calls):
                if seed is not None:
                    seed_everything(seed(number))
                try:
                    made.append(self._one(dataset, index))
                except Exception as error:  # noqa: BLE001  (told when the sample's turn comes)
                    made.append(error)
        return made

    def _one(self, dataset: Any, index: Any) -> Sample:
        seed = torch.default_generator.initial_seed()
        self.chains.made = []
        value = dataset[index]
        promises, self.chains.made = tuple(self.chains.made), []
        return Sample(value, promises, reseeded=torch.default_generator.initial_seed() != seed)


def in_python(dataset: Any, index: Any, seed: int) -> Any:
    """Makes a sample as torch's loader does, with lazy images and seeded generators, which are then what they were.

    Raises:
        Exception: whatever the dataset raises.
    """
    with own_random_state(), lazily():
        seed_everything(seed)
        return dataset[index]


def _random_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  (the global generator is what transforms use)
    return torch.default_generator.get_state().numpy().tobytes(), name, np.asarray(keys).tobytes(), *rest, random.getstate()


def _is_here() -> bool:
    return getattr(_tracing, "here", False)


@contextmanager
def _unopened_images() -> Iterator[None]:
    """Has `PIL.Image.open` put off opening files, on this thread."""
    pillows = Image.open

    def put_off(fp: Any, *arguments: Any, **keywords: Any) -> Any:
        if not arguments and not keywords and _is_here():
            image = unopened(fp)
            if image is not None:
                return image
        return pillows(fp, *arguments, **keywords)

    before, _tracing.here = _is_here(), True
    Image.open = put_off
    try:
        yield
    finally:
        Image.open = pillows
        _tracing.here = before
