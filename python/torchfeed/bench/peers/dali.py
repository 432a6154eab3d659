"""NVIDIA DALI on the CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch.utils.dlpack import from_dlpack
from torchvision import datasets

from torchfeed.bench.tasks import MEAN_STD, SIZE, Job

from . import Epochs

__all__ = ["build"]

AHEAD = 2


def build(_name: str, job: Job) -> Epochs:
    """As `peers.build`."""
    from nvidia.dali import fn, pipeline_def, types

    found = datasets.ImageFolder(job.folder).samples
    files, labels = [path for path, _ in found], [label for _, label in found]
    mean, std = ([255 * value for value in values] for values in MEAN_STD)

    @pipeline_def(  # type: ignore[untyped-decorator, unused-ignore]
        batch_size=job.batch_size, num_threads=job.cores, device_id=None, seed=1, prefetch_queue_depth=AHEAD
    )
    def pipeline() -> Any:
        encoded, label = fn.readers.file(files=files, labels=labels, random_shuffle=job.shuffle, name="files")
        if job.transform == "train":
            images = fn.decoders.image_random_crop(
                encoded, device="cpu", output_type=types.RGB, random_area=[0.08, 1], random_aspect_ratio=[3 / 4, 4 / 3]
            )
            size: dict[str, Any] = {"resize_x": SIZE, "resize_y": SIZE}
            last: dict[str, Any] = {"mirror": fn.random.coin_flip()}
        else:
            images = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
            size, last = {"resize_shorter": 256}, {"crop": (SIZE, SIZE)}
        images = fn.resize(images, device="cpu", interp_type=types.INTERP_TRIANGULAR, antialias=True, **size)
        normalized = fn.crop_mirror_normalize(
            images, device="cpu", dtype=types.FLOAT, output_layout="CHW", mean=mean, std=std, **last
        )
        return normalized, label

    made = pipeline()
    made.build()
    if job.shuffle:
        # The very first call schedules AHEAD batches instead of one. They are taken here: else every epoch would begin
        # with a batch that was made before its time. (In the files' order there is one epoch, and nothing is timed.)
        made.schedule_run()
        for _ in range(AHEAD):
            made.share_outputs()
            made.release_outputs()
    steps = math.ceil(len(files) / job.batch_size)

    def epoch() -> Iterator[tuple[Any, Any]]:
        # Scheduled by hand: run() would go on with the next epoch's batches while others are measured.
        for _ in range(min(AHEAD, steps)):
            made.schedule_run()
        for step in range(steps):
            images, label = made.share_outputs()
            yield from_dlpack(images.as_tensor()), from_dlpack(label.as_tensor()).flatten()
            made.release_outputs()
            if step + AHEAD < steps:
                made.schedule_run()

    return epoch
