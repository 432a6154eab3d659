"""Epochs of traced samples: Python says what each is made of, and native threads make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sys import getrefcount
from typing import Any

import torch
from torch import Tensor

from torchfeed import _native
from torchfeed.bad_samples.policy import LEFT_OUT, settle
from torchfeed.bad_samples.substitute_pool import SampledBatch
from torchfeed.batch import pinned
from torchfeed.batch.collate import collate_with, default_collate
from torchfeed.plan.drawn import Key, python_seed
from torchfeed.traced.leaf import TracedLeaf
from torchfeed.traced.promise import Arranged, Promise, fulfilled
from torchfeed.traced.tracer import Sample, in_python
from torchfeed.util.dlpack import lend_tensor, to_tensors

from .in_process import NOTHING
from .native import NativeEpoch

__all__ = ["TracedEpoch"]


def _references(promises: tuple[Any, ...], view: int) -> int:
    return getrefcount(promises[view])


def _references_to_one_that_is_in(sample: list[Any]) -> int:
    return _references((sample[0],), 0)


_REFERENCES = _references_to_one_that_is_in([object()])
"""To a promise while it is fulfilled, if it is in a sample, among the promises, and held by nobody else."""


@dataclass
class _Batch:
    """A batch that is under way."""

    keys: list[Key]
    samples: list[Any]
    """What the dataset returned, or the exception that it raised, for each sample."""
    promises: dict[int, tuple[Promise, ...]]
    """What native threads make, by the position of the sample: the views of its image."""
    out: list[Tensor]
    """Its pinned memory, if it has some."""
    sampled: SampledBatch | None
    """What the sampler drew, if samples may fail."""


class TracedEpoch(NativeEpoch):
    """Batches of traced samples."""

    def _submit(self, places: list[int]) -> Any:
        assert self._cursor.occurrences is not None
        counts = self._cursor.occurrences.count(places)
        seed = self._cursor.seed or 0
        keys = [Key(place, seed, count) for place, count in zip(places, counts, strict=True)]
        out = self._pinned_output(len(places)) if self._pin_memory else []
        batch = _Batch(keys, [], {}, out, self._cursor.sampled)
        items = []
        for position, (key, sample) in enumerate(zip(keys, self._traced(keys), strict=True)):
            leaf, at = self._traced_leaf(key)
            items.append(leaf.file(sample))
            leaf.tracer.count(sample, native=items[-1] is not None)
            if items[-1] is not None:
                batch.samples.append(sample.value)
                batch.promises[position] = sample.promises
                continue
            try:
                batch.samples.append(sample.finished(leaf.dataset, at, python_seed(key, key.sample)))
            except Exception as error:  # noqa: BLE001  (raised or mended when its turn comes)
                batch.samples.append(error)
        memory = [lend_tensor(tensor) for tensor in out] or None
        provided = _native.Source.provided(items)
        self._native.submit(places, memory, occurrences=counts, provided=provided, tolerant=True)
        return batch

    def _traced_leaf(self, key: Key) -> tuple[TracedLeaf, int]:
        leaf, at = self._tree.leaf(key.sample)
        assert isinstance(leaf, TracedLeaf)
        return leaf, at

    def _traced(self, keys: Sequence[Key]) -> list[Sample]:
        """Runs the datasets for some samples, those of each dataset together."""
        found: dict[int, Sample] = {}
        leaves = [self._traced_leaf(key) for key in keys]
        groups: dict[int, list[int]] = {}
        for position, (leaf, _) in enumerate(leaves):
            groups.setdefault(id(leaf), []).append(position)
        for group in groups.values():
            chosen = [keys[position] for position in group]
            calls = [(leaves[position][0].dataset, leaves[position][1]) for position in group]
            seeds = _Seeds(chosen)
            found.update(zip(group, leaves[group[0]][0].tracer.samples(calls, seeds), strict=True))
        return [found[position] for position in range(len(keys))]

    def _take(self, position: int, submitted: Any) -> Any:
        batch: _Batch = submitted
        fields, failures = self._native.take_tolerant(position)
        *views, _ = to_tensors(fields)
        views[: len(batch.out)] = batch.out
        for number, _ in failures:
            if batch.promises.pop(number, None) is not None:
                batch.samples[number] = self._again(batch.keys[number])
        for number, promises in batch.promises.items():
            for view, images in enumerate(views):
                # What somebody else holds must not change with the batch.
                is_held = _references(promises, view) > _REFERENCES
                promises[view].fulfil(images[number].clone() if is_held else images[number])
        samples = self._mended(batch)
        if not samples:
            return NOTHING
        numbers = [number for number in range(len(batch.keys)) if batch.samples[number] is not LEFT_OUT]
        if len(numbers) < len(batch.keys):
            views = [images[torch.tensor(numbers)] for images in views]
        placing = _Placing(views, [batch.promises.get(number, ()) for number in numbers])
        made = collate_with(samples, {Promise: placing, Arranged: _arranged})
        return pinned.pin(made) if self._pin_memory else made

    def _again(self, key: Key) -> Any:
        """Makes a sample in Python whose image is none for the native decoders: its own code decides about it."""
        leaf, at = self._traced_leaf(key)
        try:
            return in_python(leaf.dataset, at, python_seed(key, key.sample))
        except Exception as error:  # noqa: BLE001  (raised or mended with those of the batch)
            return error

    def _mended(self, batch: _Batch) -> list[Any]:
        """Does about the samples of a batch that failed what the user wants; returns the samples that it has then.

        Raises:
            Exception: that of the first sample that failed, or what comes of looking for substitutes.
        """
        failed = [number for number, sample in enumerate(batch.samples) if isinstance(sample, Exception)]
        if not failed:
            return batch.samples
        if batch.sampled is None:
            raise batch.samples[failed[0]]
        found = []
        for number in failed:
            error, sample = batch.samples[number], (batch.sampled, number)
            made, bad = settle(self._options.on_error, error, sample, self._cursor.seed or 0, None, self._substitute)
            batch.samples[number] = made
            found.append(bad)
        try:
            self._cursor.note_bad(found, batch.sampled.end)
        except RuntimeError:
            self.close()
            raise
        return [sample for sample in batch.samples if sample is not LEFT_OUT]

    def _substitute(self, index: Any, occurrence: int) -> Any:
        """Makes one sample, in this thread."""
        key = Key(self._tree.locate(index), self._cursor.seed or 0, occurrence)
        leaf, at = self._traced_leaf(key)
        return in_python(leaf.dataset, at, python_seed(key, key.sample))


def _arranged(elements: Sequence[Any], *, collate_fn_map: Any = None) -> Any:  # noqa: ARG001  (torch gives it)
    return default_collate([fulfilled(element) for element in elements])


class _Seeds:
    """The seeds of some samples, which take a while to derive."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = keys

    def __call__(self, number: int) -> int:
        key = self._keys[number]
        return python_seed(key, key.sample)


class _Placing:
    """Collates what was promised, of all samples of a batch: native threads have laid it side by side.

    Args:
        views: the images of the batch, for each view.
        promises: those of each sample; none where Python made it.
    """

    def __init__(self, views: Sequence[Tensor], promises: Sequence[tuple[Promise, ...]]) -> None:
        self._views = list(views)
        self._places = {
            id(promise): (number, view) for number, made in enumerate(promises) for view, promise in enumerate(made)
        }
        self._length = len(promises)
        self._handed: set[int] = set()

    def __call__(self, elements: Sequence[Any], *, collate_fn_map: Any = None) -> Any:  # noqa: ARG002  (torch gives it)
        """Returns the tensor of a view, or what torch makes of its images."""
        _, view = self._places.get(id(elements[0]), (0, 0))
        images, others = self._views[view], []
        for number, element in enumerate(elements):
            if self._places.get(id(element)) != (number, view):
                others.append((number, fulfilled(element)))
        if len(elements) != self._length or view in self._handed or not all(_fits(made, images) for _, made in others):
            return torch.stack([fulfilled(element) for element in elements])
        self._handed.add(view)
        for number, made in others:
            images[number].copy_(made)
        return images


def _fits(made: Any, images: Tensor) -> bool:
    return isinstance(made, Tensor) and made.shape == images.shape[1:] and made.dtype == images.dtype
