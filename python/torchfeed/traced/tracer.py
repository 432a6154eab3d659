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

from torchfeed.images import failed_late, late_errors, lazily
from torchfeed.recognize.pillow_code import replaced_in_pillow
from torchfeed.recognize.tree import fetch
from torchfeed.util.random_state import own_random_state, seed_everything
from torchfeed.util.understudy import Understudy

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
    again: str = ""
    """Why it is to be made again, in Python; empty if it is not."""

    @property
    def why(self) -> str:
        """Says why Python makes the sample, where it does."""
        if self.again:
            return self.again
        files = {promise.undone.given for promise in self.promises}
        if len(files) > 1:
            return "it opens several images"
        return "it calls other transforms than the first samples do" if files else "it takes the pixels of its image"

    @cached_property
    def promises(self) -> tuple[Promise, ...]:
        """The promises in it, in order."""
        return tuple(promises_in(self.value))

    @property
    def file(self) -> Given | None:
        """The file that all of the promises are about; `None` where there is not one, or one was kept already."""
        if self.again or any(promise.made is not None for promise in self.promises):
            return None
        files = [promise.undone.given for promise in self.promises]
        return files[0] if files and all(file == files[0] for file in files) else None

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The transforms."""
        return tuple(promise.chain for promise in self.promises)

    def finished(self, dataset: Any, index: Any, seed: int) -> Any:
        """What the dataset returned, made in Python.

        Raises:
            Exception: it cannot be made, in the words of whoever says so.
        """
        # A later sample may have changed a transform.
        if self.again or not all(chain.fingerprint.holds_the_same() for chain in self.chains):
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
        self.counts = [0, 0]
        """How many samples were traced so far, and how many of these Python made."""
        self.why = ""
        """Why Python made the last of those."""

    def count(self, sample: Sample, *, native: bool) -> None:
        """Counts a sample of an epoch."""
        self.counts[0] += 1
        if not native:
            self.counts[1] += 1
            self.why = sample.why

    def samples(self, calls: Sequence[tuple[Any, Any]], seed: Callable[[int], int]) -> list[Sample]:
        """Runs `dataset[index]` for each of some calls.

        Random generators are seeded for each sample if the datasets draw; they are at the end what they were before.

        Args:
            calls: datasets and indices.
            seed: gives the seed of a sample, by its number among the calls.
        """
        with own_random_state():  # one thread after the other: transforms are intercepted meanwhile
            self.chains.check()
            if not self.draws:
                seed_everything(seed(0))
                before = _random_state()
                made = self._run(calls, None)
                if _random_state() == before:
                    return made
                self.draws = True
            return self._run(calls, seed)

    def _run(self, calls: Sequence[tuple[Any, Any]], seed: Callable[[int], int] | None) -> list[Sample]:
        made: list[Sample] = []
        is_pillows = not replaced_in_pillow(methods=True)  # somebody may put a function there at any time
        with lazily(), late_errors(), _unopened_images(), self.chains.intercepted(), window(is_open=is_pillows):
            if getattr(calls[0][0], "__getitems__", None):
                return self._together(calls[0][0], [index for _, index in calls])
            for number, (dataset, index) in enumerate(calls):
                if seed is not None:
                    seed_everything(seed(number))
                watch = _Watch()
                try:
                    value = dataset[index]
                except Exception as error:  # noqa: BLE001  (Python decides whether it is the dataset's own)
                    made.append(Sample(None, f"it raises {type(error).__name__}: {error}"))
                else:
                    made.append(Sample(value, watch.why()))
        return made

    def _together(self, dataset: Any, indices: list[Any]) -> list[Sample]:
        """Runs `__getitems__`."""
        watch = _Watch()
        try:
            values = list(dataset.__getitems__(indices))
        except Exception as error:  # noqa: BLE001  (Python decides whether it is the dataset's own)
            return [Sample(None, f"it raises {type(error).__name__}: {error}")] * len(indices)
        if len(values) != len(indices):
            return [Sample(None, f"__getitems__ makes {len(values)} of {len(indices)} samples")] * len(indices)
        why = watch.why()
        return [Sample(value, why) for value in values]


class _Watch:
    """Watches for what a sample must not do while it is traced."""

    def __init__(self) -> None:
        self._seed = torch.default_generator.initial_seed()
        failed_late()

    def why(self) -> str:
        """Says why the sample is to be made again, in Python; empty if it is not."""
        if torch.default_generator.initial_seed() != self._seed:
            return "it seeds torch's generator: what is drawn then is in step with something"
        return "it opens a damaged file" if failed_late() else ""


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
    return (
        torch.default_generator.get_state().numpy().tobytes(),
        name,
        np.asarray(keys).tobytes(),
        *rest,
        random.getstate(),
    )


class _Opener(Understudy):
    """`PIL.Image.open`, which puts off opening files where samples are traced."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Opens an image."""
        if len(arguments) == 1 and not keywords and is_open():
            image = unopened(arguments[0])
            if image is not None:
                return image
        return self.original(*arguments, **keywords)


@contextmanager
def _unopened_images() -> Iterator[None]:
    pillows: Any = Image.open
    Image.open = _Opener(pillows)
    try:
        yield
    finally:
        Image.open = pillows
