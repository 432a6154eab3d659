"""Counts the images that arrive in GPU memory per second: ``python -m benches.arrival --data DIR``.

The pipelines of training (RandomResizedCrop(224), flip) and validation (Resize(256), CenterCrop(224)) by our threads,
by torch's worker processes with pinned memory, and by torchvision's JPEG decoder on the GPU (nvJPEG), in batches,
with torchvision's transforms of tensors on the GPU behind it; nothing is done with the batches. For each it prints the
rate, the time that the GPU was at work for 1000 images (its kernels and copies, by the profiler; what of nvJPEG is no
kernel is not seen) and how much GPU memory was taken at most, beyond what the process held before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Any

import torch
import torch.utils.data
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import RandomSampler
from torchvision import datasets
from torchvision import transforms as T
from torchvision.io import decode_jpeg, read_file
from torchvision.transforms import v2 as their_v2

import torchfeed

v2: Any = their_v2  # its names are not exported as a type checker has it

MEAN_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WARM_UP = 4  # batches; torch's processes have begun by then
PROFILED = 8
ENDLESS = 1000  # batches

Load = Callable[[], Iterable[Any]]


def transform(task: str) -> Any:
    sizes = [T.RandomResizedCrop(224), T.RandomHorizontalFlip()]
    if task == "val":
        sizes = [T.Resize(256), T.CenterCrop(224)]
    return T.Compose([*sizes, T.ToTensor(), T.Normalize(*MEAN_STD)])


def with_torchfeed(data: Any, batch_size: int, workers: int, sampler: Any) -> Iterable[Any]:
    return torchfeed.DataLoader(data, batch_size, sampler=sampler, num_workers=workers, drop_last=True, device="cuda")


def with_torch(data: Any, batch_size: int, workers: int, sampler: Any) -> Iterator[Any]:
    options: Any = {"sampler": sampler, "num_workers": workers, "pin_memory": True, "drop_last": True}
    for images, targets in torch.utils.data.DataLoader(data, batch_size, **options):
        yield images.to("cuda", non_blocking=True), targets.to("cuda", non_blocking=True)


def with_nvjpeg(data: Any, task: str, batch_size: int, sampler: Any) -> Iterator[Any]:
    """Reads in this thread; images differ in size until they are cropped, so each is transformed alone."""
    sizes = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]
    if task == "val":
        sizes = [v2.Resize(256, antialias=True), v2.CenterCrop(224)]
    tail = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(*MEAN_STD)])
    alone = v2.Compose(sizes)
    indices = iter(sampler)
    while chosen := list(islice(indices, batch_size)):
        files = [read_file(data.samples[index][0]) for index in chosen]
        decoded: Any = decode_jpeg(files, device="cuda")
        images = torch.stack([alone(image.expand(3, -1, -1)) for image in decoded])
        yield tail(images), torch.tensor([data.samples[index][1] for index in chosen]).to("cuda", non_blocking=True)


def memory_in_use() -> int:
    free, total = torch.cuda.mem_get_info()
    return total - free


def most_memory(stop: Event, found: list[int]) -> None:
    while not stop.wait(0.01):
        found.append(memory_in_use())


def gpu_seconds(batches: Iterator[Any], count: int) -> float:
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in islice(batches, count):
            pass
        torch.cuda.synchronize()
    return float(sum(event.self_device_time_total for event in profiled.key_averages())) / 1e6


def measure(name: str, load: Load, batch_size: int, seconds: float) -> None:
    torch.cuda.empty_cache()
    before, found, stop = memory_in_use(), [0], Event()
    watch = Thread(target=most_memory, args=(stop, found), daemon=True)
    watch.start()
    batches = iter(load())
    for _ in islice(batches, WARM_UP):
        pass
    torch.cuda.synchronize()
    start, done = perf_counter(), 0
    while perf_counter() - start < seconds:
        next(batches)
        done += batch_size
    torch.cuda.synchronize()
    rate = done / (perf_counter() - start)
    busy = gpu_seconds(batches, PROFILED) / (PROFILED * batch_size)
    stop.set()
    watch.join()
    taken = max(found) - before
    print(f"  {name:<28}{rate:>9,.0f} images/s{busy * 1e6:>9.1f} ms of GPU/1000{taken / 1e6:>8,.0f} MB", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benches.arrival", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="an ImageFolder of JPEGs")
    parser.add_argument("--workers", default="1,4,8,16", metavar="N,...", help="threads, and processes of torch's")
    parser.add_argument("--batch-size", type=int, default=128, metavar="N")
    parser.add_argument("--seconds", type=float, default=4, help="for each line")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("there is no CUDA device here")
        return 2
    torch.zeros(1, device="cuda")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, batches of {options.batch_size}")
    for task in ("train", "val"):
        data = datasets.ImageFolder(options.data, transform(task))
        sampler = RandomSampler(data, replacement=True, num_samples=ENDLESS * options.batch_size)
        common = options.batch_size, options.seconds
        print(task)
        for workers in map(int, options.workers.split(",")):
            args = data, options.batch_size, workers, sampler
            measure(f"torchfeed, {workers} threads", partial(with_torchfeed, *args), *common)
            measure(f"torch, {workers} processes", partial(with_torch, *args), *common)
        try:
            measure("torchvision on nvJPEG", partial(with_nvjpeg, data, task, options.batch_size, sampler), *common)
        except RuntimeError as error:
            print(f"  torchvision on nvJPEG: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
