"""The memory of batches: what a loader holds, and that it gives it back."""

from __future__ import annotations

import gc
import sys
from collections import deque
from typing import Any

import pytest
import torch

from pictures import encode, in_memory, picture, pixels
from torchfeed import DataLoader, datasets
from torchfeed import transforms as T
from torchfeed.epoch.internals import internals

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

SIDE = 40
N = 48

# Of images that all have one size; of one that depends on each file; and where a batch brings its samples itself.
SIZED = in_memory([pixels(SIDE, SIDE, seed=i) for i in range(N)], T.ToTensor())
FILES = [encode(picture(SIDE, SIDE, seed=i), "PNG") for i in range(8)] * (N // 8)
DATASETS: dict[str, Any] = {
    "one size": SIZED,
    "any size": datasets.ImageList(FILES, range(N), T.Compose([T.RandomHorizontalFlip(), T.ToTensor()])),
}


def memory(iterator: Any) -> tuple[int, int, int]:
    """Bytes in use, kept to be used again, and the most of both together."""
    usage: tuple[int, int, int] = iterator._compiled.pipeline.memory()
    return usage


@pytest.mark.parametrize("keeps", [0, 3])
@pytest.mark.parametrize(("workers", "prefetch", "size"), [(0, None, 6), (2, 2, 6), (3, 1, 4), (1, 4, 1)])
@pytest.mark.parametrize("name", DATASETS)
def test_memory_is_that_of_the_prefetched_batches_and_two(
    name: str, workers: int, prefetch: int | None, size: int, keeps: int
) -> None:
    """A loop that lets its batches go needs no more, and one that keeps some, those besides."""
    loader = DataLoader(DATASETS[name], size, num_workers=workers, prefetch_factor=prefetch)
    batch_bytes = size * (SIDE * SIDE * 3 * 4) + -(-size * 8 // 64) * 64
    bound = (workers * (prefetch or 0) + 2) * batch_bytes
    kept: deque[Any] = deque(maxlen=keeps)
    iterator = iter(loader)
    for images, targets in iterator:
        kept.append((images, targets))
        in_use, free, most = memory(iterator)
        assert in_use + free <= most <= bound + keeps * batch_bytes
    kept.clear()
    del images, targets
    in_use, free, _ = memory(iterator)
    assert in_use == 0
    assert 0 < free <= bound


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_waits_for_the_next_epoch_and_goes_with_the_loader(workers: int) -> None:
    """A batch that is kept keeps itself, and nothing of what the loader kept to use again."""
    loader = DataLoader(SIZED, 6, num_workers=workers)
    first: Any = iter(loader)
    assert len(list(first)) == N // 6
    _, free, most = memory(first)
    iterator: Any = iter(loader)
    assert iterator._compiled.pipeline is not first._compiled.pipeline
    in_use, still_free, _ = memory(iterator)
    assert 0 < free <= in_use + still_free, "the new epoch has what the first one kept"
    assert memory(iterator)[2] <= most
    images, _ = next(iterator)
    del first
    pool = internals(loader).memory.batches
    del iterator, loader
    gc.collect()
    alone = object()
    assert sys.getrefcount(pool) == sys.getrefcount(alone), "nobody else holds the free memory"
    expected = images.clone()
    del pool
    assert torch.equal(images, expected)
