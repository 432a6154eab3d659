"""torchfeed's own loader, given torchvision's dataset and transforms."""

from __future__ import annotations

from typing import Any

import torchfeed
from torchfeed.bench.tasks import Job

from . import Epochs
from .torch_loader import dataset

__all__ = ["build", "loader"]


def loader(name: str, job: Job, **options: Any) -> torchfeed.DataLoader[Any]:
    """Makes the loader of a job; `options` take precedence."""
    given: dict[str, Any] = {"batch_size": job.batch_size, "shuffle": job.shuffle, "num_workers": job.workers}
    if name == "torchfeed-fast":
        given["decode"] = "fast"
    return torchfeed.DataLoader(dataset("torchfeed", job), **{**given, **options})


def build(name: str, job: Job) -> Epochs:
    """As `peers.build`."""
    made = loader(name, job)
    return lambda: made
