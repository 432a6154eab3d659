"""Bare libjpeg-turbo: every file decoded whole, in one thread, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchvision import datasets

from torchfeed.bench.tasks import Job

from . import Epochs

__all__ = ["build"]


def build(_: str, job: Job) -> Epochs:
    """As `peers.build`; yields one image at a time, uint8 (1, H, W, 3).

    Raises:
        ValueError: a file is no JPEG.
    """
    from simplejpeg import decode_jpeg

    samples = datasets.ImageFolder(job.folder).samples

    def epoch() -> Iterator[tuple[Any, Any]]:
        for path, label in samples:
            yield decode_jpeg(Path(path).read_bytes())[None], label

    return epoch
