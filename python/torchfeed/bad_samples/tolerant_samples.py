"""Samples that Python makes or finishes and that may fail, in worker processes or in this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torchfeed.recognize.tree import fetch

from .policy import LEFT_OUT, OnError, is_bad_sample, settle
from .report import BadSample
from .substitute_pool import SampledBatch

__all__ = ["Job", "PlainSamples", "TolerantCollate", "TolerantSamples"]


class Job(NamedTuple):
    """A batch to be made."""

    sampled: SampledBatch
    keys: list[Any]
    """What the dataset is to be asked for."""
    seed: int
    """The epoch's."""


@dataclass(frozen=True)
class Found:
    """Tells which samples of a batch were bad.

    It is a plain class, since torch looks into tuples, lists and dicts when it pins memory.
    """

    samples: list[BadSample]
    end: int
    """The number in the epoch of the sample behind the batch."""
    empty: bool
    """Whether no sample is left."""


class Tolerated(NamedTuple):
    """The samples of a batch that are left, and which were bad."""

    samples: Sequence[Any]
    found: Found


class Made(NamedTuple):
    """A collated batch, and which of its samples were bad."""

    batch: Any
    found: Found


class MakesEach(Protocol):
    """Makes samples that may fail, also one at a time, and one in the place of another."""

    def several(self, dataset: Any, keys: Sequence[Any]) -> Sequence[Any]:
        """Makes the samples of a batch."""

    def path_of(self, dataset: Any, key: Any) -> Any:
        """The file of a sample, if it is known."""

    def key(self, index: Any, seed: int, occurrence: int) -> Any:
        """What is asked for to get a sample of an index."""

    def among(self, samples: Sequence[Any], keys: Sequence[Any]) -> Sequence[Any]:
        """The samples that are left of a batch."""


class PlainSamples:
    """Makes samples by the dataset's own code; what is asked for are indices.

    Args:
        batched: whether torch's loader would ask the dataset for a batch of samples.
    """

    def __init__(self, *, batched: bool) -> None:
        self._batched = batched

    def several(self, dataset: Any, keys: Sequence[Any]) -> Sequence[Any]:
        """Makes the samples of a batch."""
        return fetch(dataset, keys, batched=self._batched)

    def path_of(self, dataset: Any, key: Any) -> Any:  # noqa: ARG002
        """The file of a sample: unknown."""
        return None

    def key(self, index: Any, seed: int, occurrence: int) -> Any:  # noqa: ARG002
        """What stands for a sample here."""
        return index

    def among(self, samples: Sequence[Any], keys: Sequence[Any]) -> Sequence[Any]:  # noqa: ARG002
        """The samples of the batch of some indices, of which some may be left out."""
        return samples


class TolerantSamples:
    """Makes samples of which some may fail; what is asked for are `Job`s.

    Args:
        inner: what makes them.
        on_error: what is done about those that fail.
        batched: whether torch's loader would ask for a batch of samples.
    """

    def __init__(self, inner: MakesEach, on_error: OnError, *, batched: bool) -> None:
        self._inner, self._on_error, self._batched = inner, on_error, batched

    def one(self, dataset: Any, job: Job) -> Tolerated:
        """Makes the samples of a batch."""
        return self.several(dataset, job)

    def several(self, dataset: Any, job: Job) -> Tolerated:
        """Makes the samples of a batch; what is to be done about those that fail is done."""
        inner = self._inner
        outcomes = self._outcomes(dataset, job.keys)

        def make(index: Any, occurrence: int) -> Any:
            return inner.several(dataset, [inner.key(index, job.seed, occurrence)])[0]

        found = []
        for position, outcome in enumerate(outcomes):
            if isinstance(outcome, _Failed):
                # An index out of range is raised here, before it counts as a bad sample.
                path = inner.path_of(dataset, job.keys[position])
                made = settle(self._on_error, outcome.error, (job.sampled, position), job.seed, path, make)
                outcomes[position] = made[0]
                found.append(made[1])
        samples = [outcome for outcome in outcomes if outcome is not LEFT_OUT]
        return Tolerated(inner.among(samples, job.keys), Found(found, job.sampled.end, not samples))

    def _outcomes(self, dataset: Any, keys: list[Any]) -> list[Any]:
        """The samples, and in their places why they failed."""
        if self._batched:
            try:
                return list(self._inner.several(dataset, keys))
            except Exception as error:
                # Asked one by one, the samples show which of them it was.
                if not is_bad_sample(error):
                    raise
        return [self._outcome(dataset, key) for key in keys]

    def _outcome(self, dataset: Any, key: Any) -> Any:
        try:
            return self._inner.several(dataset, [key])[0]
        except Exception as error:
            if not is_bad_sample(error):
                raise
            return _Failed(error)


class _Failed(NamedTuple):
    error: Exception


class TolerantCollate:
    """A collate_fn for what `TolerantSamples` makes."""

    def __init__(self, collate_fn: Callable[[Any], Any], *, batched: bool) -> None:
        self.collate_fn = collate_fn
        self.batched = batched

    def __call__(self, tolerated: Tolerated) -> Made:
        """Collates the samples that are left."""
        samples, found = tolerated
        if found.empty:
            return Made(None, found)
        return Made(self.collate_fn(samples if self.batched else samples[0]), found)
