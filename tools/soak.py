"""Many epochs in one process, as unlike each other as may be: `python tools/soak.py --epochs 200`, or `make soak`.

Each draws a batch size, a number of workers, whether a part of it runs in Python, when the loop breaks off and which
batches it keeps. Some samples are bad, and what is done about them is drawn too. Every image that arrives is held
against torchvision's, replayed from what was drawn, and every batch that was kept is looked at again later. At the end
memory, descriptors, threads and processes must be what they were when the first quarter of the epochs was over.
"""

from __future__ import annotations

import argparse
import gc
import io
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
import warnings
import zlib
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from torchfeed import DataLoader, DecodeError, datasets
from torchfeed.replay import functional, same

GOOD = 40
BAD = {7: b"no picture at all", 19: b"", 33: None}
"""What is wrong with some samples: their bytes, or that there is no file."""


class Brighten:
    """A step that runs in Python."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return image + 1


class Own(Dataset[Any]):
    """A class of the user's own, which is traced."""

    def __init__(self, samples: Any, transform: Any) -> None:
        self.samples, self.transform = samples, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        path, target = self.samples[index]
        return self.transform(Image.open(path).convert("RGB")), target


def picture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((40 + 13 * number % 160, 45 + 7 * number % 120), Image.Resampling.BICUBIC)


def write_samples(folder: Path) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"quality": 85}),
        ("JPEG", {"quality": 60, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 70, "method": 0}),
    ]
    for number in range(GOOD):
        kind, options = kinds[number % len(kinds)]
        file = io.BytesIO()
        picture(number).save(file, kind, **options)
        path = folder / str(number % 2) / f"{number:03d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(file.getvalue())


def break_samples(dataset: Any) -> None:
    for index, data in BAD.items():
        path = Path(dataset.samples[index][0])
        path.unlink() if data is None else path.write_bytes(data)


class Held(NamedTuple):
    """What this process holds at the end of an epoch."""

    memory: int
    """Resident bytes."""
    descriptors: int
    threads: int
    processes: int


def held() -> Held:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list(Path("/proc/self/fd").iterdir())),
        len(list(Path("/proc/self/task").iterdir())),
        len(multiprocessing.active_children()),
    )


def checksum(batch: Any) -> int:
    return zlib.crc32(batch[1].numpy().tobytes(), zlib.crc32(batch[0].numpy().tobytes()))


class Soak:
    """Epochs over one folder.

    Args:
        folder: an empty one.
        seed: what everything random in the epochs follows from.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        write_samples(folder)
        geometry = [transforms.RandomResizedCrop(32, antialias=True), transforms.RandomHorizontalFlip()]
        self.last = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.2] * 3)]
        self.whole = datasets.ImageFolder(folder, transforms.Compose([*geometry, *self.last]))
        self.own = Own(self.whole.samples, self.whole.transform)
        self.in_part = datasets.ImageFolder(folder, transforms.Compose([*geometry, *self.last, Brighten()]))
        self.images: dict[int, Image.Image] = {}
        for index, (path, _) in enumerate(self.whole.samples):
            if index not in BAD:
                with Image.open(path) as image:
                    self.images[index] = image.convert("RGB")
        break_samples(self.whole)
        self.kept: deque[tuple[Any, int]] = deque(maxlen=6)
        self.samples = self.errors = 0

    def epoch(self) -> None:
        """One epoch, or some of it."""
        rng = self.rng
        dataset = rng.choices([self.whole, self.in_part, self.own], [0.6, 0.2, 0.2])[0]
        native = dataset is not self.in_part
        # A substitute in a dataset of the user's own is made by Python, which draws otherwise.
        on_error: Any = rng.choice(["raise", "raise", "skip", *(["replace"] if dataset is not self.own else [])])
        order = rng.sample(range(GOOD), GOOD)
        size, workers = rng.randint(1, 16), rng.choice([0, 1, 2, 3] if native else [0, 0, 2])
        loader: Any = DataLoader(
            dataset,
            size,
            sampler=order,
            num_workers=workers,
            prefetch_factor=rng.randint(1, 4) if workers else None,
            generator=torch.Generator().manual_seed(rng.getrandbits(32)),
            on_error=on_error,
        )
        batches = [order[start : start + size] for start in range(0, GOOD, size)]
        if on_error == "skip":
            # A batch of which no sample is left is passed over.
            batches = [good for batch in batches if (good := [index for index in batch if index not in BAD])]
        end = rng.choice([0, 1, 2, 1000, 1000])
        iterator = iter(loader)
        for batch in batches[:end]:
            self.batch(loader, iterator, batch, on_error)
        if end >= len(batches):
            assert next(iterator, None) is None
            if on_error != "raise":
                assert {sample.index for sample in loader.errors} == set(BAD), str(loader.errors)
                self.errors += loader.errors.total

    def batch(self, loader: Any, iterator: Any, indices: list[int], on_error: str) -> None:
        """Takes the next batch and holds it against torchvision's."""
        bad = [index for index in indices if index in BAD]
        try:
            images, targets = batch = next(iterator)
        except (DecodeError, OSError) as error:
            said = f"sample {bad[0]}" in str(error) if bad and loader.dataset is not self.own else True
            if on_error != "raise" or not bad or not said:
                raise
            self.errors += 1
            return
        samples = [(index, 0) for index in indices]
        if on_error == "replace":
            substitutes = {sample.index: sample.substitute for sample in loader.errors}
            order = list(loader.sampler)
            # Substitutes draw as occurrences that come up nowhere else: one for each place in the epoch.
            samples = [(substitutes[i], 2**31 + order.index(i)) if i in BAD else (i, 0) for i in indices]
        assert not BAD.keys() & {index for index, _ in samples}
        assert targets.tolist() == [self.whole.targets[index] for index, _ in samples]
        for image, sample in zip(images, samples, strict=True):
            drawn = [call for call in loader.drawn(*sample) if call[0] != "Python"]
            expected: Any = functional(self.images[sample[0]], drawn)
            for step in loader.dataset.transform.transforms[2:]:
                expected = step(expected)
            same(image, expected, (sample, drawn))
        self.samples += len(samples)
        if self.rng.random() < 0.2:
            self.kept.append((batch, checksum(batch)))
        for other, before in self.kept:
            assert checksum(other) == before, "a batch that was kept was written to"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=0.02, help="by which share memory may grow")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "epoch 0: sample")  # the one for each epoch with bad samples
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than this machine has cores
    states, began = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), options.seed)
        for number in range(1, options.epochs + 1):
            soak.epoch()
            states.append(held())
            if number % max(1, options.epochs // 10) == 0:
                state = states[-1]
                print(f"epoch {number}: {state.memory / 1e6:.1f} MB, {state[1:]} descriptors, threads, processes")
    quarter = max(1, len(states) // 4)
    first, last = states[quarter : 2 * quarter], states[-quarter:]
    before, after = (statistics.median(state.memory for state in some) for some in (first, last))
    growth = after / before - 1
    seconds = time.perf_counter() - began
    print(f"{soak.samples} samples replayed, {soak.errors} failures, {seconds:.0f} s")
    print(f"memory {before / 1e6:.1f} -> {after / 1e6:.1f} MB ({100 * growth:+.2f} %)")
    # The fewest of each: a thread that was told to end may be there for a moment.
    fewest = [tuple(map(min, zip(*(state[1:] for state in some), strict=True))) for some in (first, last)]
    print(f"descriptors, threads, processes: {fewest[0]} -> {fewest[1]}")
    more = growth > options.tolerance or any(after > before for before, after in zip(*fewest, strict=True))
    return int(more or not soak.samples or not soak.errors)


if __name__ == "__main__":
    sys.exit(main())
