"""What is done about samples that cannot be made: the choice between raising, replacing and leaving out.

A substitute follows from the epoch's seed and the sample's number in the epoch alone, so it is the same for any number
of workers, and on every path.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

from torchfeed import _native
from torchfeed.errors import InternalError
from torchfeed.recognize.tree import plain_index

from .report import BadSample

__all__ = ["LEFT_OUT", "Draw", "OnError", "Windows", "check_arguments", "is_bad_sample", "settle"]

OnError: TypeAlias = Literal["raise", "replace", "skip"] | Callable[[Exception], Any]

WINDOW = 256
"""Among so many samples of the epoch, or those of the batch if they are more, a substitute is looked for."""

TRIES = 16
"""So many of them are tried: where a half of all samples is bad, one in 65,536 has no substitute."""

_AS_SUBSTITUTE = 1 << 31
"""The occurrence of a substitute is above all others, so that its augmentation is none that comes up otherwise."""

LEFT_OUT: Any = object()
"""What stands for a sample that is left out."""


def check_arguments(on_error: Any, max_errors: Any) -> None:
    """Refuses what `DataLoader` does not take.

    Raises:
        ValueError: one of them is out of range.
    """
    if on_error not in ("raise", "replace", "skip") and not callable(on_error):
        raise ValueError(f'on_error should be "raise", "replace", "skip" or a function, got {on_error!r}')
    whole = isinstance(max_errors, int) and not isinstance(max_errors, bool) and max_errors >= 0
    share = isinstance(max_errors, float) and 0 <= max_errors <= 1
    if max_errors is not None and not whole and not share:
        raise ValueError(f"max_errors should be a number of samples or a share from 0.0 to 1.0, got {max_errors!r}")


class Draw(NamedTuple):
    """A batch that the sampler drew, and what may take the place of its samples."""

    indices: list[Any]
    start: int
    """The number in the epoch of its first sample."""
    window: list[Any]

    @property
    def end(self) -> int:
        """The number in the epoch of the sample behind its last."""
        return self.start + len(self.indices)


class Windows:
    """Looks at what a sampler draws, and remembers what substitutes are taken from.

    These are the latest 256 samples up to the end of a batch. Where the epoch had fewer, they are its first 256: the
    sampler is asked for them ahead of time.
    """

    latest: Draw

    def __init__(self, *, batched: bool, keeps: bool) -> None:
        self._batched = batched
        self._looks = self._keeps = keeps
        self._ahead: deque[list[Any] | Exception] = deque()
        self._start = 0
        # The samples from number `_base` on.
        self._known: list[Any] = []
        self._base = 0

    def draw(self, ask: Callable[[], Any]) -> Any:
        """Gives what the sampler, which is `ask`, gives next; `latest` is about it then."""
        while self._looks and len(self._known) < WINDOW:
            self._pull(ask)
        self._looks = False
        if not self._ahead:
            self._pull(ask)
        indices = self._ahead.popleft()
        if isinstance(indices, Exception):
            try:
                raise indices
            finally:
                del indices  # whose traceback leads to this frame, and so to the iterator
        end = self._start + len(indices)
        first = max(0, end - max(WINDOW, len(indices)))
        window = self._known[first - self._base : max(end, WINDOW) - self._base]
        self.latest = Draw(indices, self._start, window)
        self._start = end
        behind = max(0, end - WINDOW - self._base)
        del self._known[:behind]
        self._base += behind
        return indices if self._batched else indices[0]

    def place(self) -> list[Any]:
        """Where the samples of the latest draw end, and those before that substitutes may be taken from."""
        return [self._start, self._known[: max(0, self._start - self._base)]]

    def go_on(self, place: list[Any]) -> None:
        """Goes on behind a draw that `place` was about."""
        self._start, self._known = place[0], list(place[1])
        self._base = self._start - len(self._known)

    def _pull(self, ask: Callable[[], Any]) -> None:
        try:
            drawn = ask()
            indices = list(drawn) if self._batched else [drawn]
        except StopIteration:  # raised when its turn comes; a new one, since this one's traceback leads back to `ask`
            self._ahead.append(StopIteration())
            self._looks = False
            return
        except Exception as error:  # noqa: BLE001  (likewise)
            self._ahead.append(error)
            self._looks = False
            return
        self._ahead.append(indices)
        if self._keeps:
            self._known += indices


def is_bad_sample(error: BaseException) -> bool:
    """Whether an exception tells of a sample: not of the machine, the user's wish to stop, or this library."""
    return isinstance(error, Exception) and not isinstance(error, (MemoryError, InternalError))


def settle(
    on_error: OnError,
    error: Exception,
    sample: tuple[Draw, int],
    seed: int,
    path: str | None,
    make: Callable[[Any, int], Any],
) -> tuple[Any, BadSample]:
    """Decides about a sample that failed.

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
    draw, position = sample
    index, number = plain_index(draw.indices[position]), draw.start + position
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
        others = _substitutes(draw, number, seed)
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


def _substitutes(draw: Draw, number: int, seed: int) -> Iterator[Any]:
    """The samples to try in the place of sample `number` of the epoch, each once, and never the bad one itself."""
    tried = [draw.indices[number - draw.start]]
    for at in _native.substitutes(seed, number, len(draw.window), 4 * TRIES):
        if draw.window[at] not in tried and len(tried) <= TRIES:
            tried.append(draw.window[at])
            yield draw.window[at]
