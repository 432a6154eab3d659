"""Datasets, samplers and iterators that have a state of their own: the protocol of torchdata, `state_dict` and back."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = [
    "Part",
    "freeze",
    "is_stateful",
    "noting_global_generator",
    "read_part",
    "restore",
    "restore_dataset",
    "state_of",
    "thaw",
    "write_part",
]

Part = str | tuple[Any]
"""A state as a value of the loader's: JSON where it can be, or a tuple around it; "" is none.

`torch.distributed.checkpoint` takes both for one value, whatever the dicts inside hold by then.
"""


@runtime_checkable
class _Stateful(Protocol):
    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> None: ...


def is_stateful(value: Any) -> bool:
    """Whether a dataset, sampler or iterator has a state: both methods, as torchdata's loader looks for them."""
    return hasattr(value, "state_dict") and isinstance(value, _Stateful)


def state_of(value: Any) -> Any:
    """Asks for a state; `None` is what has none. The state may change when `value` goes on: see `freeze`."""
    if not is_stateful(value):
        return None
    with _named(value, "state_dict"):
        return value.state_dict()


def restore(value: Any, state: Any) -> None:
    """Gives a state back, if there is one.

    Raises:
        ValueError: `value` takes no state.
    """
    if state is None:
        return
    if not is_stateful(value):
        raise ValueError(
            f"the state holds one of a dataset, sampler or iterator, and the {type(value).__name__} in its place here "
            "has no load_state_dict: load it into a loader of the same dataset and sampler"
        )
    with _named(value, "load_state_dict"):
        value.load_state_dict(state)


_ELSEWHERE = 0x6E6F77686572  # a seed that nobody else has

_set_by_dataset: ContextVar[list[Tensor] | None] = ContextVar("set by a dataset", default=None)


@contextmanager
def noting_global_generator() -> Generator[list[Tensor]]:
    """Notes where a dataset's `load_state_dict` sets torch's global generator, for whoever borrows it."""
    noted: list[Tensor] = []
    token = _set_by_dataset.set(noted)
    try:
        yield noted
    finally:
        _set_by_dataset.reset(token)


def restore_dataset(value: Any, state: Any) -> None:
    """As `restore`, for a dataset or its iterator, whose state may hold torch's global generator too."""
    noted = _set_by_dataset.get()
    if noted is None or state is None:
        restore(value, state)
        return
    before = torch.default_generator.get_state()
    # From somewhere else, so that it shows if the generator is set to where it was.
    elsewhere = torch.default_generator.manual_seed(_ELSEWHERE).get_state()
    try:
        restore(value, state)
    finally:
        after = torch.default_generator.get_state()
        if torch.equal(after, elsewhere):
            torch.default_generator.set_state(before)
    if not torch.equal(after, elsewhere):
        noted[:] = [after]


@contextmanager
def _named(value: Any, method: str) -> Generator[None]:
    """Says of an exception whose method raised it, where exceptions can be told: since Python 3.11."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "add_note"):
            error.add_note(f"raised by {type(value).__name__}.{method}(), which torchfeed.DataLoader called")
        raise


class _Unsaid(NamedTuple):
    """In the place of a state that could not be kept: why."""

    error: Exception


def freeze(make: Callable[[], Any]) -> bytes:
    """Keeps a state as it is now, for whoever may ask for it.

    Most never do, and so an error of `make`, or a state that cannot be pickled, is kept as well.
    """
    try:
        return pickle.dumps(make(), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is raised when the state is asked for)
        return pickle.dumps(_Unsaid(_sent(error)), pickle.HIGHEST_PROTOCOL)


def _sent(error: Exception) -> Exception:
    """An exception as another process gets it; those that cannot be sent are told of."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (its own bytes)
    except Exception:  # noqa: BLE001  (of whatever kind)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def thaw(frozen: bytes) -> Any:
    """Returns a copy of what was kept.

    Raises:
        Exception: it could not be kept.
    """
    kept = pickle.loads(frozen)  # noqa: S301  (bytes of this process and of its workers, never of a file)
    if isinstance(kept, _Unsaid):
        raise kept.error
    return kept


def write_part(state: Any) -> Part:
    """Writes a state for the loader's."""
    if state is None:
        return ""
    return json.dumps(state) if _is_plain(state) else (state,)


def read_part(part: Any) -> Any:
    """Reads what `write_part` wrote; a copy, which may be changed."""
    if isinstance(part, str):
        return json.loads(part) if part else None
    return pickle.loads(pickle.dumps(part[0], pickle.HIGHEST_PROTOCOL))  # noqa: S301  (what was just pickled)


def _is_plain(value: Any) -> bool:
    """Whether a value comes back from JSON as it was, types included."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(entry) for key, entry in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in {bool, int, str}
