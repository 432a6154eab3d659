"""The report of a loader's bad samples, and their count in one epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from torchfeed.util.caller import warn_caller
from torchfeed.util.locks import Turns

__all__ = ["BadSample", "ErrorReport", "Tally"]

LISTED = 1000
"""The most samples that a report lists. Further ones are only counted."""

LEAST = 100
"""`max_errors` as a share refers to at least so many samples."""


@dataclass(frozen=True)
class BadSample:
    """A sample that could not be made."""

    index: Any
    """What the sampler drew: the index in the loader's dataset."""
    path: str | None
    """Its file, where it has one."""
    reason: str
    """The exception, the last time."""
    action: str
    """``"replaced"`` or ``"left out"``, the last time."""
    substitute: Any
    """The index of the sample that took its place, the last time; `None` where it was left out."""
    epoch: int
    """The pass over the loader that this was, counted from 0."""
    count: int = 1
    """How often it failed, in all passes."""


class ErrorReport(Sequence[BadSample]):
    """The samples that a loader could not make, in the order in which they first failed: at most 1000 of them.

    It grows over all passes over the loader; `clear` empties it. Printed, it is a table.

    Attributes:
        total: how many times a sample failed, those that are not listed included.
        epoch: the number of the latest pass, from 0.

    Example:
        >>> print(loader.errors)
        1 failure of 1 sample
        index  count  action    substitute  path                  reason
        17     1      replaced  204         photos/cat/0017.jpg   DecodeError: the file is empty [...]
    """

    def __init__(self) -> None:
        self.total = 0
        self._samples: dict[Any, BadSample] = {}
        self.epoch = -1
        self._turns = Turns()

    @overload
    def __getitem__(self, at: int) -> BadSample: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[BadSample]: ...
    def __getitem__(self, at: int | slice) -> BadSample | Sequence[BadSample]:
        return list(self._samples.values())[at]

    def __len__(self) -> int:
        return len(self._samples)

    def clear(self) -> None:
        """Forgets all samples and counts."""
        with self._turns:
            self.total = 0
            self._samples.clear()

    def add(self, sample: BadSample) -> None:
        """Lists a sample, or counts it where it is listed."""
        with self._turns:
            self.total += 1
            before = self._samples.get(sample.index)
            if before is not None:
                self._samples[sample.index] = replace(sample, count=before.count + 1)
            elif len(self) < LISTED:
                self._samples[sample.index] = sample

    def __str__(self) -> str:
        listed = sum(sample.count for sample in self)
        if not self.total:
            return "no failures"
        said = f"{_number(self.total, 'failure')} of {_number(len(self), 'sample')}"
        if listed < self.total:
            said = f"{said}, and of others that are not listed"
        rows = [("index", "count", "action", "substitute", "path", "reason")]
        for sample in self:
            substitute = "" if sample.substitute is None else str(sample.substitute)
            path, reason = sample.path or "", " ".join(sample.reason.split())
            rows.append((str(sample.index), str(sample.count), sample.action, substitute, path, reason))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join([*(f"{row[i]:{width}}" for i, width in enumerate(widths)), row[5]]) for row in rows]
        return "\n".join([said, *lines])

    def __repr__(self) -> str:
        return f"<ErrorReport: {_number(self.total, 'failure')}>"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


class Tally:
    """The bad samples of one pass over a loader.

    Args:
        report: the loader's.
        max_errors: how many there may be: a number, or a share of the samples so far, as which at least 100 count.
    """

    def __init__(self, report: ErrorReport, max_errors: float | None) -> None:
        self._report = report
        self._max_errors = max_errors
        self._epoch = report.epoch
        self._count = 0

    def note(self, found: Sequence[BadSample], samples: int) -> None:
        """Notes what failed in a batch, up to which the pass had `samples` samples.

        Raises:
            RuntimeError: too many failed; the message is the report.
        """
        for sample in found:
            self._report.add(replace(sample, epoch=self._epoch))
        first, self._count = self._count == 0, self._count + len(found)
        most = self._max_errors
        if isinstance(most, float):
            most *= max(samples, LEAST)
        if found and most is not None and self._count > most:
            raise RuntimeError(
                f"{_number(self._count, 'bad sample')} among the first {samples} of epoch {self._epoch}, more than "
                f"max_errors={self._max_errors} allows\n{self._report}"
            )
        if found and first:
            warn_caller(
                UserWarning(
                    f"epoch {self._epoch}: sample {found[0].index} is bad and was {found[0].action}: "
                    f"{found[0].reason} (the only warning of this epoch: loader.errors counts and lists all)"
                )
            )

    def finish(self, *, handed: bool) -> None:
        """Ends the pass; `handed` says whether it had a batch.

        Raises:
            RuntimeError: it had none, since all samples failed.
        """
        if self._count and not handed:
            raise RuntimeError(f"all samples of epoch {self._epoch} are bad\n{self._report}")
