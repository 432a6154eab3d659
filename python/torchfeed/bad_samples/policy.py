"""What happens to a sample that cannot be made: its error is raised, or it is replaced or left out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from torchfeed.errors import InternalError
from torchfeed.recognize.tree import plain_index

from .report import BadSample
from .substitute_pool import SampledBatch, substitutes

__all__ = ["LEFT_OUT", "OnError", "check_arguments", "is_bad_sample", "settle"]

OnError: TypeAlias = Literal["raise", "replace", "skip"] | Callable[[Exception], Any]

_AS_SUBSTITUTE = 1 << 31
"""Added to the occurrence of a substitute, so that no other sample has the same augmentation."""

LEFT_OUT: Any = object()
"""What stands for a sample that is left out."""


def check_arguments(on_error: Any, max_errors: Any) -> None:
    """Checks the two arguments of `DataLoader`.

    Raises:
        ValueError: one of them is out of range.
    """
    if on_error not in ("raise", "replace", "skip") and not callable(on_error):
        raise ValueError(f'on_error should be "raise", "replace", "skip" or a function, got {on_error!r}')
    whole = isinstance(max_errors, int) and not isinstance(max_errors, bool) and max_errors >= 0
    share = isinstance(max_errors, float) and 0 <= max_errors <= 1
    if max_errors is not None and not whole and not share:
        raise ValueError(f"max_errors should be a number of samples or a share from 0.0 to 1.0, got {max_errors!r}")


def is_bad_sample(error: BaseException) -> bool:
    """Whether an exception is about a sample, and not about the machine, Ctrl-C or a bug of this library."""
    return isinstance(error, Exception) and not isinstance(error, (MemoryError, InternalError))


def settle(
    on_error: OnError,
    error: Exception,
    sample: tuple[SampledBatch, int],
    seed: int,
    path: str | None,
    make: Callable[[Any, int], Any],
) -> tuple[Any, BadSample]:
    """Decides what becomes of a sample that cannot be made.

    Args:
        on_error: what the user wants.
        error: why the sample cannot be made.
        sample: the batch, and the sample's position in it.
        seed: the epoch's.
        path: the sample's file, if it is known and the error does not say.
        make: makes another sample, of an index of the loader's dataset and for an occurrence.

    Returns:
        What `make` made, or `LEFT_OUT`; and what is to be told of it.

    Raises:
        RuntimeError: none of the substitutes can be made.
        Exception: the error itself, if it is not about the sample.
    """
    if not is_bad_sample(error):
        raise error
    batch, position = sample
    index, number = plain_index(batch.indices[position]), batch.start + position
    path = getattr(error, "path", None) or getattr(error, "filename", None) or path
    path = None if path is None else os.fsdecode(path)
    bad = BadSample(index, path, f"{type(error).__name__}: {error}", "left out", None, 0)
    if on_error == "skip":
        return LEFT_OUT, bad
    if callable(on_error):
        with contextlib.suppress(AttributeError):  # a class without room for them
            error.index, error.path = index, path  # type: ignore[attr-defined]
        other = on_error(error)
        others = iter([] if other is None else [other])
        if other is None:
            return LEFT_OUT, bad
    else:
        others = substitutes(batch, number, seed)
    tried = []
    for other in others:
        tried.append(other)
        try:
            made = make(other, _AS_SUBSTITUTE | number % _AS_SUBSTITUTE)
        except Exception as failed:
            if not is_bad_sample(failed):
                raise
            continue
        return made, replace(bad, action="replaced", substitute=other)
    what = f"the sample {tried[0]}" if len(tried) == 1 else f"any of {len(tried)} others"
    raise RuntimeError(
        f"sample {index} is bad, and {what} cannot be made in its place: {bad.reason}: "
        '`torchfeed check DIR` finds the bad images of a folder, and on_error="skip" leaves samples out'
    ) from error
