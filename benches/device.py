"""Checks the device stage end to end and times it: ``python -m benches.device --data DIR``.

For a small and a large load it prints whether batches are pinned, how fast they are copied beside a bare copy of pinned
memory, whether their bits are those of the CPU, and the data stall: how much longer a step takes with the loader than
with one batch that is used again and again; the same for torch's loader with ``pin_memory=True``. What must hold on a
GPU is held against the figures at the end; the exit status says whether it does. The stall is held against its bound
where the machine can keep up with the step at all: the threads that make the images, and the loop's own thread, which
has to launch the step and to ask for the next batch. ``--quick`` times nothing, for compute-sanitizer.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import torch
import torch.utils.data
from torch import Tensor, nn
from torch.utils.data import RandomSampler
from torchvision import datasets, models
from torchvision import transforms as T

import torchfeed
from torchfeed.epoch.internals import begin_for
from torchfeed.train import cnn
from torchfeed.util.cores import auto_workers

from .conftest import photo

MOST_STALL = 0.02
LEAST_BANDWIDTH = 0.9
ENOUGH = 0.9  # of a step's time: what loads its batches, and what the loop's thread does, must not take more of it
WARM_UP = 3  # steps
COPIES = 20
ASLEEP = 50_000_000  # cycles, some 30 ms

Step = Callable[[Tensor, Tensor], None]


@dataclass
class Load:
    """A dataset and a network."""

    name: str
    dataset: Any
    model: nn.Module
    batch_size: int
    steps: int


@dataclass
class Report:
    """Prints lines, and remembers what did not hold."""

    failed: list[str] = field(default_factory=list)

    def line(self, name: str, text: str, holds: bool | None = None) -> None:
        verdict = "" if holds is None else ("  ok" if holds else "  MISSED")
        print(f"  {name:<34}{text}{verdict}", flush=True)
        if holds is False:
            self.failed.append(name)


def loads(data: Path, quick: bool) -> Iterator[Load]:
    """Yields the reference CNN on small images, and a ResNet-50 on large ones."""
    tail = [T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    images = torch.randint(0, 256, (1024 if quick else 20_000, 32, 32, 3), dtype=torch.uint8).numpy()
    small = datasets.CIFAR10.__new__(datasets.CIFAR10)
    datasets.VisionDataset.__init__(small, "", transform=T.Compose([T.RandomCrop(32, padding=4), *tail]))
    small.data, small.targets = images, torch.randint(10, (len(images),)).tolist()
    yield Load("reference CNN, 32 x 32 in memory", small, cnn(), 512, 4 if quick else 200)
    large = datasets.ImageFolder(data, T.Compose([T.RandomResizedCrop(224), *tail]))
    classes = max(10, len(large.classes))
    yield Load(
        "ResNet-50, photos", large, models.resnet50(num_classes=classes), 8 if quick else 256, 2 if quick else 40
    )


def step_of(model: nn.Module, device: torch.device) -> Step:
    """Makes an ordinary training step, with mixed precision on CUDA."""
    network: Any = model
    network.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step(images: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss: Any = nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()

    return step


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_per_step(batches: Iterable[Any], step: Step, count: int, device: torch.device) -> tuple[float, float]:
    """Times steps after a few to warm up; the device has done all its work before and after.

    Returns:
        The seconds that one takes, and for how many of them the loop's thread is at work.
    """
    iterator = iter(batches)
    for images, targets in islice(iterator, WARM_UP):
        step(images, targets)
    synchronize(device)
    start, at_work, done = perf_counter(), thread_time(), 0
    for images, targets in islice(iterator, count):
        step(images, targets)
        done += 1
    at_work = thread_time() - at_work
    synchronize(device)
    return (perf_counter() - start) / done, at_work / done


def seconds_to_launch(step: Step, batch: Any, device: torch.device) -> float:
    """Times how long it takes to give a step to a device that has nothing else to do."""
    times = []
    for _ in range(WARM_UP):
        synchronize(device)
        start = perf_counter()
        step(*batch)
        times.append(perf_counter() - start)
    synchronize(device)
    return min(times)


def moved(loader: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """Moves batches as an ordinary loop does."""
    for images, targets in loader:
        moved = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        yield moved, targets.to(device, non_blocking=True)


def gigabytes_per_second(copy: Callable[[], Any], nbytes: int, device: torch.device) -> float:
    """Times copies by the device's own clock; all of them are waiting when it starts, so launching is not timed."""
    copy()
    synchronize(device)
    rates: list[float] = []
    cuda: Any = torch.cuda
    for _ in range(5):
        start, end = (cuda.Event(enable_timing=True) for _ in range(2))
        cuda._sleep(ASLEEP)  # noqa: SLF001  (torch's own tests have nothing else to keep a device busy)
        start.record()
        for _ in range(COPIES):
            copy()
        end.record()
        end.synchronize()
        rates.append(COPIES * nbytes / (start.elapsed_time(end) / 1e3) / 1e9)
    return max(rates)


def check_copies(load: Load, device: torch.device, workers: int, report: Report, *, timed: bool = True) -> None:
    """Looks at where host batches lie, and times their copies beside a bare one (Tensor.copy_, one cudaMemcpyAsync)."""
    inner: Any = torchfeed.DataLoader(load.dataset, load.batch_size, num_workers=workers, drop_last=True)
    wrapped = torchfeed.to_device(inner, device)
    images, targets = next(begin_for(inner, wrapped.delivery, lambda: iter(inner), ()))
    size = f"{images.nbytes / 1e6:.1f} MB {images.dtype}"
    if device.type != "cuda":
        report.line("host batch", f"{size}, not pinned: no CUDA device")
        return
    pinned = images.is_pinned() and targets.is_pinned()
    report.line("host batch", f"{size}, {'pinned' if pinned else 'not pinned'}", pinned)
    if not timed:
        return
    bare = torch.empty(images.nbytes, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(images.nbytes, dtype=torch.uint8, device=device)
    best = gigabytes_per_second(lambda: there.copy_(bare, non_blocking=True), images.nbytes, device)
    ours = gigabytes_per_second(lambda: images.to(device, non_blocking=True), images.nbytes, device)
    holds = ours >= LEAST_BANDWIDTH * best
    report.line("copy", f"{ours:.1f} GB/s, bare pinned copy {best:.1f} GB/s: {ours / best:.0%}", holds)


def check_bits(load: Load, device: torch.device, workers: int, count: int, report: Report) -> None:
    """Compares batches on the device with those of the CPU, in every way that they may take."""

    def loader(memory_format: torch.memory_format) -> Any:
        generator = torch.Generator().manual_seed(1)
        return torchfeed.DataLoader(
            load.dataset,
            load.batch_size,
            shuffle=True,
            num_workers=workers,
            generator=generator,
            memory_format=memory_format,
            drop_last=True,
        )

    for memory_format in (torch.contiguous_format, torch.channels_last):
        expected = list(islice(loader(memory_format), count))
        for options in ({}, {"device_normalize": True}, {"ring": 4, "ahead": 2}):
            batches = torchfeed.to_device(loader(memory_format), device, **options)
            found = [(images.cpu(), targets.cpu()) for images, targets in islice(batches, count)]
            holds = len(found) == len(expected) and all(
                torch.equal(made.contiguous().view(torch.uint8), image.contiguous().view(torch.uint8))
                and torch.equal(target, label)
                for (made, target), (image, label) in zip(found, expected, strict=True)
            )
            names = ", ".join(options) or "as it comes"
            report.line(f"bits, {str(memory_format).rpartition('.')[2]}", names, holds)


def check_stall(load: Load, device: torch.device, workers: int, report: Report) -> None:
    """Times the step with one batch, with our loader and with torch's."""
    step, count = step_of(load.model, device), load.steps
    # One epoch that is long enough, so that its beginning is not timed.
    sampler = RandomSampler(load.dataset, replacement=True, num_samples=(WARM_UP + count) * load.batch_size)
    options: Any = {"batch_size": load.batch_size, "sampler": sampler, "num_workers": workers}
    ours: Any = torchfeed.DataLoader(load.dataset, memory_format=torch.channels_last, **options)
    theirs: Any = torch.utils.data.DataLoader(load.dataset, pin_memory=device.type == "cuda", **options)
    batch = next(iter(torchfeed.to_device(ours, device)))
    alone, _ = seconds_per_step(repeat(batch), step, count, device)
    launch = seconds_to_launch(step, batch, device)
    launched = f", of which {launch * 1e3:.2f} ms to launch it" if device.type == "cuda" else ""
    report.line("step, one batch reused", f"{alone * 1e3:.2f} ms, {load.batch_size / alone:,.0f} images/s{launched}")
    loading, asking = seconds_per_step(torchfeed.to_device(ours, device), lambda *_: None, max(4, count // 4), device)
    can_feed = loading < ENOUGH * alone
    can_ask = launch + asking < ENOUGH * alone
    verdict = "feeds this step" if can_feed else "cannot feed this step"
    if can_feed and not can_ask:
        verdict = "the loop's thread has no time left to ask for batches"
    rate = f"{load.batch_size / loading:,.0f} images/s, {asking * 1e3:.2f} ms of the loop's thread"
    report.line("our loader alone", f"{rate}: {verdict}")
    for name, batches in (
        ("step, torchfeed", torchfeed.to_device(ours, device)),
        ("step, torch", moved(theirs, device)),
    ):
        # Before and after, so that a device that warms up and slows down is not taken for a stall, nor hides one.
        with_loader, _ = seconds_per_step(batches, step, count, device)
        again, _ = seconds_per_step(repeat(batch), step, count, device)
        base = (alone + again) / 2
        alone = again
        stall = max(0.0, with_loader - base) / base
        held = can_feed and can_ask and name.endswith("torchfeed") and device.type == "cuda"
        holds = stall <= MOST_STALL if held else None
        report.line(name, f"{with_loader * 1e3:.2f} ms, data stall {stall:.1%}", holds)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benches.device", description=__doc__)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="an ImageFolder of photos; a few are made when omitted"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=auto_workers(), metavar="N")
    parser.add_argument("--quick", action="store_true", help="a few batches, and no timing")
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here: --device cpu runs the same code without one")
        return 2
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{where}, torch {torch.__version__}, {options.workers} workers")
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data
        if data is None:
            data = Path(folder)
            (data / "made").mkdir()
            for number in range(16):
                photo(number).save(data / "made" / f"{number}.jpg", quality=90)
        for load in loads(data, options.quick):
            load.batch_size = min(load.batch_size, len(load.dataset))
            print(load.name)
            check_copies(load, device, options.workers, report, timed=not options.quick)
            check_bits(load, device, options.workers, 2 if options.quick else 8, report)
            if not options.quick:
                check_stall(load, device, options.workers, report)
    print(f"missed: {', '.join(report.failed)}" if report.failed else "everything that is asked for holds")
    return len(report.failed) > 0


if __name__ == "__main__":
    sys.exit(main())
