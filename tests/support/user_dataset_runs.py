"""Runs of people's own datasets, by torch's loader and by ours."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import dropwhile
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from oracle import erased, functional, steps, theirs, values
from torchfeed import DataLoader, explain
from user_datasets import Entry

__all__ = ["LEAVES_FILES_OPEN", "check_lazily", "check_traced", "is_traced"]

# As people do: nobody is told of these files, and they are closed with the test.
LEAVES_FILES_OPEN = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


def _options(entry: Entry, workers: int) -> Any:
    return {"batch_size": 4, "collate_fn": entry.collate_fn, "num_workers": workers, **entry.options}


def _epoch(loader: Any) -> tuple[list[Any], type[Exception] | None, Any]:
    """The batches of an epoch, what it ends with, and the state of random generators then."""
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002  (what datasets draw from)
    torch.manual_seed(5)
    batches, error = [], None
    try:
        batches.extend(loader)  # those before an exception are kept
    except Exception as raised:  # noqa: BLE001  (compared)
        error = type(raised)
    numpys: Any = np.random.get_state()  # noqa: NPY002
    return batches, error, (torch.get_rng_state().tolist(), random.getstate(), numpys[1].tolist(), numpys[2:])


def check_lazily(entry: Entry, root: str, workers: int) -> None:
    """Asserts that lazy images change nothing: batches, exceptions, random numbers."""
    options = _options(entry, workers)
    expected, error, states = _epoch(TorchDataLoader(entry.make(root), shuffle=True, **options))
    found, raised, after = _epoch(DataLoader(entry.make(root), shuffle=True, trace=False, **options))
    assert raised is error is entry.raises
    equal(found, expected)
    assert after == states
    _hold(entry, found)


def _hold(entry: Entry, batches: Sequence[Any]) -> None:
    for batch in batches if entry.check is not None else ():
        assert entry.check is not None
        entry.check(batch)


def is_traced(entry: Entry, root: str) -> bool:
    """Whether samples are made natively, as their own code says what they are."""
    text = explain(DataLoader(entry.make(root), **_options(entry, 2)))
    return text.startswith("native, ") and "\ntraced" in text


def check_traced(entry: Entry, root: str) -> None:
    """Asserts that samples made natively are those of torch's loader.

    Where nothing is drawn, all is equal. Where it is decided by chance how images look, their shapes are, and all
    besides; and the images are those that torchvision makes with the parameters that were drawn.
    """
    # What a sample is does not depend on who makes it, but where there is something for each worker process.
    theirs_loader: Any = TorchDataLoader(entry.make(root), **_options(entry, 2 if 15 in entry.traps else 0))
    loader: Any = DataLoader(entry.make(root), **_options(entry, 2))
    expected, error, _ = _epoch(theirs_loader)
    found, raised, _ = _epoch(loader)
    assert raised is error is entry.raises
    _hold(entry, found)
    if entry.draws == "nothing":
        equal(found, expected)
    if entry.draws == "pixels":
        equal(_outlines(found), _outlines(expected))
        if is_traced(entry, root) and not entry.own_draws:
            equal(found, [*_replayed(entry, root, loader)])


def _outlines(value: Any) -> Any:
    """A batch without its pixels."""
    if isinstance(value, torch.Tensor) and value.ndim > 1:
        return value.shape, value.dtype
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return value.shape, value.dtype
    if isinstance(value, dict):
        return {key: _outlines(each) for key, each in value.items()}
    return [_outlines(each) for each in value] if isinstance(value, (list, tuple)) else value


def _replayed(entry: Entry, root: str, loader: Any) -> Iterator[Any]:
    """The batches of an epoch in order, by torchvision, with what the loader drew."""
    dataset = entry.make(root)
    collate = TorchDataLoader(dataset, **_options(entry, 0)).collate_fn
    for first in range(0, len(dataset), 4):
        samples = []
        for index in range(first, min(first + 4, len(dataset))):
            with _replaying(_views(loader.drawn(index))):
                samples.append(dataset[index])
        yield collate(samples)


def _views(drawn: Any) -> list[Any]:
    """What was drawn, for each view of an image."""
    found: list[Any] = [[]]
    for call in drawn:
        name, parameters = call
        if name != "View":
            found[-1].append(call)
        elif parameters["number"] > 0:
            found.append([])
    return found


@contextmanager
def _replaying(drawn: list[Any]) -> Iterator[None]:
    """Has torchvision's `Compose` do what was drawn, for one call after the other."""
    left = iter(drawn)

    def call(self: Any, image: Any) -> Any:
        calls: Any = next(left, [])  # the last results may be of no use to anybody
        of_tensors = dropwhile(lambda step: not isinstance(step, theirs.ToTensor), steps(self))
        return erased(values(SimpleNamespace(transforms=[*of_tensors]), functional(image, calls)), calls)

    with mock.patch.object(theirs.Compose, "__call__", call):
        yield
    assert next(left, None) is None
