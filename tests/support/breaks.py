"""Where a run of several epochs is left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """Where a run is left: whole epochs, then some batches of the next; ``None`` is all of them."""

    epochs: int
    batches: int | None = 0
    begun: bool = True
    over: bool = False


BREAKS = {
    "before the first batch": Break(0, begun=False),
    "after iter()": Break(0),
    "in mid-epoch": Break(0, 2),
    "after the last batch": Break(0, None),
    "at the epoch's end": Break(0, None, over=True),
    "in the second epoch": Break(1, 1),
    "at the second epoch's end": Break(1, None, over=True),
}
