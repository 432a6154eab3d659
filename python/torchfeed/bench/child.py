"""A process that measures one loader: ``python -m torchfeed.bench.child``, told what to do line by line."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import IO, Any

from .usage import cpu_seconds, max_rss

__all__ = ["main"]

CHECKED = 96  # samples


def main() -> None:
    """Answers requests, JSON in lines from stdin to stdout, until stdin ends; the first says which loader and cores."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    first = json.loads(sys.stdin.readline())
    # Before torch and its like are imported, and count the cores.
    if first["cpus"] is not None:
        os.sched_setaffinity(0, first["cpus"])  # type: ignore[attr-defined,unused-ignore]  # not everywhere
    server = _Server(first["peer"], first["job"])
    _answer(answers, dict)
    for line in sys.stdin:
        request = json.loads(line)
        _answer(answers, partial(getattr(server, request.pop("do")), **request))


def _answer(answers: IO[str], make: Callable[[], dict[str, Any]]) -> None:
    try:
        result = make()
    except Exception as error:  # noqa: BLE001  (it is reported)
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    answers.write(json.dumps(result) + "\n")
    answers.flush()


class _Server:
    def __init__(self, peer: str, job: dict[str, Any]) -> None:
        import torch

        from .peers import PEERS, build
        from .tasks import Job

        torch.set_num_threads(1)  # both sides' parallel part is their workers
        self._peer, self._job, self._build = PEERS[peer], Job(**job), build
        self._epochs: Any = None

    def prepare(self) -> dict[str, Any]:
        """Imports the loader, and makes it."""
        self._epochs = self._build(self._peer.name, self._job)
        return {}

    def epoch(self) -> dict[str, Any]:
        """Runs an epoch."""
        images, cpu, start = 0, cpu_seconds(), time.perf_counter()
        for batch, _ in self._epochs():
            images += _length(batch)
        seconds = time.perf_counter() - start
        return {"images": images, "seconds": seconds, "cpu": cpu_seconds() - cpu, "max_rss": max_rss()}

    def first(self, context: str) -> dict[str, Any]:
        """From iter() of a fresh loader to the first batch in hand."""
        epochs = self._build(self._peer.name, replace(self._job, context=context))
        start = time.perf_counter()
        iterator = iter(epochs())
        next(iterator)
        return {"seconds": time.perf_counter() - start}

    def check(self) -> dict[str, Any]:
        """Holds the answers against torchvision's."""
        from torchfeed.bench.peers.ours import loader

        from .check import assert_same_bits, level_difference
        from .tasks import MEAN_STD

        if self._peer.name == "torchfeed":
            order = _order(self._job)
            return {"verdict": assert_same_bits(loader("torchfeed", self._job, shuffle=False, sampler=order), order)}
        if self._peer.exact or not self._peer.compares or self._job.transform != "val":
            return {"verdict": "same bits" if self._peer.exact else ""}
        ordered = replace(self._job, shuffle=False, cores=1)
        made, expected = (self._build(name, ordered)() for name in (self._peer.name, "torchvision"))
        difference = level_difference(made, expected, MEAN_STD[1])
        return {"verdict": "", "levels": difference}

    def operator(self, name: str, rounds: int) -> dict[str, Any]:
        """Times an operator's sides."""
        from .operators import OPERATORS, time_sides

        made = OPERATORS[name]()
        made.check()
        return {"name": made.name, "gigabytes": made.gigabytes, "seconds": time_sides(made.sides, rounds)}

    def stages(self, rounds: int) -> dict[str, Any]:
        """Times the stages."""
        from .stages import stage_times

        return {"milliseconds": stage_times(self._job, rounds)}


def _length(views: Any) -> int:
    """How many samples a batch has; of several views, the first one's."""
    while isinstance(views, (list, tuple, dict)):
        views = next(iter(views.values() if isinstance(views, dict) else views))
    return len(views)


def _order(job: Any) -> list[int]:
    """The samples that are checked."""
    import torch

    from .data import count

    images = job.images or count(job.folder)
    return torch.randperm(images, generator=torch.Generator().manual_seed(0))[:CHECKED].tolist()


if __name__ == "__main__":
    main()
