"""The samples that may take the place of a bad one.

A substitute follows from the epoch's seed and the sample's number in the epoch alone, so it is the same for any number
of workers, and on every path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torchfeed import _native
from torchfeed.util.asked_ahead import AskedAhead

__all__ = ["SampledBatch", "SubstitutePool", "substitutes"]

WINDOW = 256
"""A substitute is one of so many samples of the epoch: of the latest, or of the whole batch if that is larger."""

TRIES = 16
"""How many substitutes are tried. Where half of all samples are bad, one sample in 65,536 then has none."""


class SampledBatch(NamedTuple):
    """A batch of indices that the sampler gave, and the samples that may take the place of a bad one."""

    indices: list[Any]
    start: int
    """The number in the epoch of its first sample."""
    window: list[Any]

    @property
    def end(self) -> int:
        """The number in the epoch of the sample behind its last."""
        return self.start + len(self.indices)


class SubstitutePool:
    """Passes on what a sampler gives, and remembers the samples that substitutes are taken from.

    These are the latest 256 samples up to the end of a batch. Near the beginning of the epoch they are its first 256:
    the sampler is asked for these ahead of time.
    """

    latest: SampledBatch

    def __init__(self, *, batched: bool, keeps: bool) -> None:
        self._batched = batched
        self._looks = self._keeps = keeps
        self._ahead = AskedAhead()
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
        indices = self._ahead.take()
        end = self._start + len(indices)
        first = max(0, end - max(WINDOW, len(indices)))
        window = self._known[first - self._base : max(end, WINDOW) - self._base]
        self.latest = SampledBatch(indices, self._start, window)
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
        def pull() -> list[Any]:
            drawn = ask()
            indices = list(drawn) if self._batched else [drawn]
            if self._keeps:
                self._known += indices
            return indices

        if not self._ahead.ask(pull):
            self._looks = False


def substitutes(batch: SampledBatch, number: int, seed: int) -> Iterator[Any]:
    """The samples to try in the place of sample `number` of the epoch, each once, and never the bad one itself."""
    tried = [batch.indices[number - batch.start]]
    for at in _native.substitutes(seed, number, len(batch.window), 4 * TRIES):
        if batch.window[at] not in tried and len(tried) <= TRIES:
            tried.append(batch.window[at])
            yield batch.window[at]
