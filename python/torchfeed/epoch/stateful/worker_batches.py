"""Batches of worker processes that carry the state of their worker: of its dataset and its random generators."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import get_worker_info

from .protocol import freeze, restore, state_of

__all__ = ["Carried", "CarryingCollate", "Place", "RestoringInit", "WorkerGenerators", "this_worker"]


_NOWHERE = freeze(lambda: None)


@dataclass(frozen=True)
class Place:
    """The state of a worker after a batch.

    It is a plain class, since torch looks into tuples, lists and dicts when it pins memory.
    """

    worker: int
    state: bytes | None
    """A frozen dict; `None` where a worker that begins anew is in the same place."""
    is_end: bool = False
    """Whether there is no batch, as the worker has come to its end."""


class Carried(NamedTuple):
    """A batch, and the place of the worker that made it."""

    batch: Any
    place: Place


class WorkerGenerators:
    """The three global generators of a worker process, as far as they have moved since it began."""

    def __init__(self) -> None:
        self._begun = self._read()

    @staticmethod
    def _read() -> tuple[bytes, Any, Any]:
        state: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (the global generator is what datasets use)
        keys = state["state"].get("key")
        if keys is not None:  # else it is none of NumPy's own, and its owner's concern
            keys = keys.tobytes(), state["state"]["pos"], state["has_gauss"], state["gauss"]
        return torch.get_rng_state().numpy().tobytes(), keys, random.getstate()

    def moved(self) -> Any:
        """Their states as plain values; `None` where they are what they were."""
        now = self._read()
        if now == self._begun:
            return None
        own, of_numpy, (version, numbers, gauss) = now
        of_python = [version, _text(np.array(numbers, "<u4").tobytes()), gauss]
        return [_text(own), of_numpy and [_text(of_numpy[0]), *of_numpy[1:]], of_python]

    @staticmethod
    def restore(states: Any) -> None:
        """Gives the generators what `moved` returned."""
        if states is None:
            return
        own, of_numpy, (version, numbers, gauss) = states
        torch.set_rng_state(torch.from_numpy(np.frombuffer(_bytes(own), np.uint8).copy()))
        if of_numpy:
            keys, *rest = of_numpy
            np.random.set_state(("MT19937", np.frombuffer(_bytes(keys), np.uint32), *rest))  # noqa: NPY002
        random.setstate((version, tuple(np.frombuffer(_bytes(numbers), "<u4").tolist()), gauss))


def _text(data: bytes) -> str:
    return base64.b85encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b85decode(text)


class Begins(Protocol):
    """What looks at a worker's generators before anything has moved them."""

    def begin(self) -> None:
        """Notes the generators as torch has seeded them."""


class RestoringInit:
    """A worker_init_fn that gives the worker's dataset and generators their states back, after the user's own.

    Args:
        worker_init_fn: the user's, if there is one.
        dataset: the dataset; in a worker process it is the worker's.
        states: of each worker, to go on from.
        begins: what asks for the generators later.
    """

    def __init__(self, worker_init_fn: Any, dataset: Any, states: Sequence[Any], begins: Begins) -> None:
        self.worker_init_fn = worker_init_fn
        self.dataset = dataset
        self.states = states
        self.begins = begins

    def __call__(self, worker: int) -> None:
        """Sets the worker process up."""
        self.begins.begin()
        if self.worker_init_fn is not None:
            self.worker_init_fn(worker)
        state = self.states[worker] if self.states else None
        if state is not None:
            restore(self.dataset, state["dataset"])
            WorkerGenerators.restore(state["random"])


class CarryingCollate:
    """A collate_fn whose batches carry their worker's place.

    Args:
        collate_fn: the loader's.
        dataset: whose state counts, if it has one; in a worker process it is the worker's, as it is pickled with it.
        seeded: whether samples seed the generators, so that theirs do not count.
    """

    def __init__(self, collate_fn: Callable[[Any], Any], dataset: Any, *, seeded: bool) -> None:
        self.collate_fn = collate_fn
        self.dataset = dataset
        self.seeded = seeded
        self.generators: WorkerGenerators | None = None

    def begin(self) -> None:
        """Notes the generators as torch has seeded them."""
        self.generators = None if self.seeded else WorkerGenerators()

    def __call__(self, samples: Any) -> Carried:
        """Collates a batch."""
        batch = self.collate_fn(samples)
        kept = freeze(self._place)
        return Carried(batch, Place(this_worker(), None if kept == _NOWHERE else kept))

    def _place(self) -> Any:
        moved = None if self.generators is None else self.generators.moved()
        state = state_of(self.dataset)
        return None if state is None and moved is None else {"dataset": state, "random": moved}


def this_worker() -> int:
    """The number of this worker process."""
    info = get_worker_info()
    assert info is not None, "places are carried from worker processes"
    return info.id
