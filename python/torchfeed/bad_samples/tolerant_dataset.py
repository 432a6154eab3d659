"""Samples that Python makes or finishes, of which some may fail: what torch's fetchers see, in a worker or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch.utils.data import Dataset

from torchfeed.recognize.tree import fetch

from .policy import LEFT_OUT, Draw, OnError, is_bad_sample, settle
from .report import BadSample

__all__ = ["Job", "TolerantCollate", "TolerantDataset"]


class Job(NamedTuple):
    """A batch to be made."""

    draw: Draw
    keys: list[Any]
    """What the dataset is to be asked for."""
    seed: int
    """The epoch's."""


@dataclass(frozen=True)
class Found:
    """What is told of a batch; of no type that torch would look into when it pins memory."""

    samples: list[BadSample]
    end: int
    """The number in the epoch of the sample behind the batch."""
    empty: bool
    """Whether no sample is left."""


class Tolerated(NamedTuple):
    """The samples of a batch that are left."""

    samples: Sequence[Any]
    found: Found


class Made(NamedTuple):
    """A batch, collated."""

    batch: Any
    found: Found


class TolerantDataset(Dataset[Any]):
    """A dataset of which samples may fail.

    Indices are `Job`s. Other attributes are those of the dataset, for what a ``worker_init_fn`` may do.

    Args:
        dataset: the dataset.
        on_error: what is done about them.
        split: whether it is a `SplitDataset`, whose indices are keys.
        batched: whether torch's loader would ask it for a batch of samples.
    """

    def __init__(self, dataset: Any, on_error: OnError, *, split: bool, batched: bool) -> None:
        self.__dict__.update(dataset=dataset, wanted=on_error, split=split, batched=batched)

    def __getattr__(self, name: str) -> Any:
        if name in {"dataset", "wanted", "split", "batched"}:  # not there yet: while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.dataset, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, job: Job) -> Tolerated:
        return self.__getitems__(job)

    def __getitems__(self, job: Job) -> Tolerated:
        """Makes the samples of a batch; what is to be done about those that fail is done."""
        outcomes = self._outcomes(job.keys)
        found = []
        for position, outcome in enumerate(outcomes):
            if isinstance(outcome, _Failed):
                # An index out of range is raised here, before it counts as a bad sample.
                path = self.dataset.path_of(job.keys[position]) if self.split else None
                sample = job.draw, position
                made = settle(self.wanted, outcome.error, sample, job.seed, path, self._maker(job.seed))
                outcomes[position] = made[0]
                found.append(made[1])
        samples: Sequence[Any] = [outcome for outcome in outcomes if outcome is not LEFT_OUT]
        if self.split:
            samples = self.dataset.among(samples, job.keys)
        return Tolerated(samples, Found(found, job.draw.end, not samples))

    def _maker(self, seed: int) -> Callable[[Any, int], Any]:
        """What makes a substitute."""
        if not self.split:
            return lambda index, _: self._one(index)
        return lambda index, occurrence: self._one(self.dataset.key(index, seed, occurrence))

    def _outcomes(self, keys: list[Any]) -> list[Any]:
        """The samples, and in their places why they failed."""
        if self.batched:
            try:
                return fetch(self.dataset, keys)
            except Exception as error:
                # Which of them it was, each of them says.
                if not is_bad_sample(error):
                    raise
        return [self._outcome(key) for key in keys]

    def _outcome(self, key: Any) -> Any:
        try:
            return self._one(key)
        except Exception as error:
            if not is_bad_sample(error):
                raise
            return _Failed(error)

    def _one(self, key: Any) -> Any:
        return fetch(self.dataset, [key], batched=self.batched or self.split)[0]


class _Failed(NamedTuple):
    error: Exception


class TolerantCollate:
    """A collate_fn for what a `TolerantDataset` makes."""

    def __init__(self, collate_fn: Callable[[Any], Any], *, batched: bool) -> None:
        self.collate_fn = collate_fn
        self.batched = batched

    def __call__(self, tolerated: Tolerated) -> Made:
        """Collates the samples that are left."""
        samples, found = tolerated
        if found.empty:
            return Made(None, found)
        return Made(self.collate_fn(samples if self.batched else samples[0]), found)
