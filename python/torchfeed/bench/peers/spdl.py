"""SPDL: FFmpeg decodes, crops and scales in threads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import torch
from torchvision import datasets

from torchfeed.bench.tasks import MEAN_STD, SIZE, Job

from . import Epochs
from .torch_loader import random_box

__all__ = ["build"]


def build(_: str, job: Job) -> Epochs:
    """As `peers.build`."""
    import spdl.io
    from spdl.pipeline import PipelineBuilder

    samples = datasets.ImageFolder(job.folder).samples
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in MEAN_STD)
    scale, shift = 1 / (255 * std), -mean / std

    def decode(sample: tuple[str, int]) -> tuple[Any, int]:
        packets = spdl.io.demux_image(sample[0])
        if job.transform == "train":
            top, left, height, width = random_box(packets.height, packets.width)
            flip = "hflip," if random.random() < 0.5 else ""  # noqa: S311
            steps = f"crop={width}:{height}:{left}:{top}:exact=1,scale={SIZE}:{SIZE}:flags=bilinear,{flip}"
        else:
            steps = f"scale=256:256:force_original_aspect_ratio=increase:flags=bilinear,crop={SIZE}:{SIZE},"
        return spdl.io.decode_packets(packets, filter_desc=f"{steps}format=pix_fmts=rgb24"), sample[1]

    def batch(decoded: list[tuple[Any, int]]) -> tuple[Any, Any]:
        pixels = spdl.io.to_torch(spdl.io.convert_frames([frames for frames, _ in decoded]))
        images = pixels.permute(0, 3, 1, 2).contiguous().float().mul_(scale).add_(shift)
        return images, torch.tensor([label for _, label in decoded])

    def epoch() -> Iterator[tuple[Any, Any]]:
        order = random.sample(samples, len(samples)) if job.shuffle else samples
        pipeline = (
            PipelineBuilder()
            .add_source(order)
            .pipe(decode, concurrency=job.cores, output_order="completion" if job.shuffle else "input")
            .aggregate(job.batch_size)
            .pipe(batch)
            .add_sink(2)
            .build(num_threads=job.cores)
        )
        with pipeline.auto_stop():
            yield from pipeline

    return epoch
