"""Where the time goes: ever longer prefixes of the path from file to batch, in one thread."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision import transforms as T

import torchfeed
from torchfeed import _native
from torchfeed.plan.compile import compile_leaves
from torchfeed.recognize.leaf import Leaf

from .operators import time_sides
from .tasks import SIZE, Job, pipeline

__all__ = ["STAGES", "stage_times"]

STAGES = ("read", "decode", "transform", "batch")
GEOMETRY = (T.RandomResizedCrop(SIZE), T.RandomHorizontalFlip())


def stage_times(job: Job, rounds: int) -> dict[str, dict[str, float]]:
    """Measures the prefixes of the train pipeline, and takes their differences.

    Read: the bytes of each file. Decode: torchfeed, the drawn region; torchvision, the whole image. Transform: crop,
    resize and flip, uint8. Batch: `ToTensor`, `Normalize` and the batch's memory.

    Args:
        job: of which the folder and the batch size count.
        rounds: turns for each prefix.

    Returns:
        For torchfeed and for torchvision, the milliseconds of each stage per image.
    """
    whole = datasets.ImageFolder(job.folder, pipeline("train"))
    paths = [path for path, _ in whole.samples]

    def read() -> None:
        for path in paths:
            Path(path).read_bytes()

    prefixes: dict[str, dict[str, Callable[[], Any]]] = {
        "torchfeed": {
            "read": read,
            "decode": _regions(whole),
            "transform": _epoch(torchfeed.DataLoader(_uint8(job), job.batch_size)),
            "batch": _epoch(torchfeed.DataLoader(whole, job.batch_size)),
        },
        "torchvision": {
            "read": read,
            "decode": lambda: [whole.loader(path) for path in paths],
            "transform": lambda: [image for image, _ in _uint8(job)],
            "batch": _epoch(DataLoader(whole, job.batch_size)),
        },
    }
    sides = {f"{side} {stage}": run for side, stages in prefixes.items() for stage, run in stages.items()}
    seconds = time_sides(sides, rounds, repeat=0)
    result = {}
    for side in prefixes:
        ends = [0.0, *(seconds[f"{side} {stage}"] for stage in STAGES)]
        spans = [max(0.0, end - begin) for begin, end in pairwise(ends)]
        result[side] = {stage: 1000 * span / len(paths) for stage, span in zip(STAGES, spans, strict=True)}
    return result


def _uint8(job: Job) -> Any:
    """The dataset without the values' steps."""
    return datasets.ImageFolder(job.folder, T.Compose([*GEOMETRY, T.PILToTensor()]))


def _epoch(loader: Any) -> Callable[[], None]:
    def run() -> None:
        for _ in loader:
            pass

    return run


def _regions(whole: Any) -> Callable[[], None]:
    """Decodes the regions that an epoch draws.

    A crop that is as large as its box is not resized: so every sample gets a pipeline of its own, whose output has
    the size of what is drawn for it.
    """
    seed = 0
    leaf = Leaf.read(_folder(whole), *_source(whole), T.Compose([*GEOMETRY, T.PILToTensor()]), None)
    compiled = compile_leaves([leaf])
    parts = []
    for index, (path, label) in enumerate(whole.samples):
        box = compiled.draw(index, seed, 0)[1][0][1]
        crop = T.Compose([T.RandomResizedCrop((box["height"], box["width"])), T.PILToTensor()])
        parts.append(Leaf.read(whole, _native.Source.files([path.encode()]), [label], crop, None))
    pipeline = compile_leaves(parts).pipeline

    def run() -> None:
        epoch = _native.Epoch(pipeline, seed, 0)
        for index in range(len(parts)):
            epoch.submit([index])
            epoch.next()

    return run


def _folder(whole: Any) -> Any:
    return torchfeed.datasets.ImageFolder(whole.root)


def _source(whole: Any) -> tuple[_native.Source, list[int]]:
    own = _folder(whole)
    return own.source, own.targets
