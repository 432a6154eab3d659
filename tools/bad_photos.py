"""Two ranks over a folder of which some photos are bad: `python tools/bad_photos.py DIR`, `make bad-photos DATA=DIR`.

The folder is copied, and one photo in twenty is damaged, in eight ways by turns. Each rank then runs an epoch with
`on_error="replace"` for each number of workers. All must have equally many full batches, and a rank's must be the same
bits for any number of workers. Exit status 1 says that they are not.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import struct
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.data import DistributedSampler
from torchvision import datasets, transforms

from torchfeed import DataLoader

RANKS = 2
WORKERS = (0, 1, 2, 5)
EVERY = 20

HUGE = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
"""The header of a PNG of 3.6 gigapixels."""

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "another file": lambda _: b"no picture at all",
    "zeros": lambda data: bytes(len(data)),
    "half": lambda data: data[: len(data) // 2],
    "header only": lambda data: data[:200],
    "headless": lambda data: data[2:],
    "a bomb": lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\r" + HUGE + zlib.crc32(HUGE).to_bytes(4, "big"),
}


def damage(dataset: datasets.ImageFolder) -> int:
    """Damages one file in so many; returns how many."""
    kinds = list(DAMAGES.values())
    bad = dataset.samples[EVERY // 2 :: EVERY]
    for number, (path, _) in enumerate(bad):
        data = kinds[number % len(kinds)](Path(path).read_bytes())
        if data is None:
            Path(path).unlink()
        else:
            Path(path).write_bytes(data)
    return len(bad)


def epoch(dataset: datasets.ImageFolder, rank: int, workers: int, batch_size: int) -> tuple[list[int], str, int]:
    """The batches' sizes, a digest of all bits, and how many samples were replaced."""
    sampler: DistributedSampler[int] = DistributedSampler(dataset, num_replicas=RANKS, rank=rank, seed=3)
    generator = torch.Generator().manual_seed(rank)
    loader = DataLoader(
        dataset, batch_size, sampler=sampler, num_workers=workers, generator=generator, on_error="replace"
    )
    sizes, digest = [], hashlib.sha256()
    for images, targets in loader:
        sizes.append(len(images))
        digest.update(images.numpy().tobytes() + targets.numpy().tobytes())
    return sizes, digest.hexdigest()[:16], loader.errors.total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="an ImageFolder; it is copied")
    parser.add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "epoch 0: sample")  # the one for each epoch with bad samples
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores
    tail = [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    transform = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), *tail])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        shutil.copytree(options.data, root)
        dataset = datasets.ImageFolder(str(root), transform)
        bad = damage(dataset)
        print(f"{len(dataset)} photos, {bad} of them bad in {len(DAMAGES)} ways")
        lengths, digests, replaced = set(), [], 0
        for rank in range(RANKS):
            for workers in WORKERS:
                sizes, digest, errors = epoch(dataset, rank, workers, options.batch_size)
                print(f"rank {rank}, {workers} workers: {len(sizes)} batches, {errors} replaced, {digest}")
                lengths.add(tuple(sizes))
                digests.append((rank, digest))
                replaced += errors
    each = -(-len(dataset) // RANKS)
    exact = lengths == {tuple(min(options.batch_size, each - start) for start in range(0, each, options.batch_size))}
    equal = len(set(digests)) == RANKS
    said = "exact" if exact else "WRONG", "equal" if equal else "NOT EQUAL"
    print(f"lengths {said[0]}, batches {said[1]} for any number of workers")
    # With an odd number of photos the sampler gives one of them to both ranks.
    return int(not (exact and equal and replaced > 0 and bad <= replaced // len(WORKERS) <= bad + 1))


if __name__ == "__main__":
    sys.exit(main())
