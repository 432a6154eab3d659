"""The option `nice`: the priority of threads and of worker processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from pictures import in_memory, pixels
from processes import linux, posix, threads
from torchfeed import DataLoader, datasets
from torchfeed import transforms as T

TRANSFORM = T.Compose([T.RandomCrop(16, padding=2), T.ToTensor()])


def native(workers: int, nice: Any) -> DataLoader[Any]:
    dataset = in_memory([pixels(20, 20, seed=i) for i in range(40)], TRANSFORM)
    return DataLoader(dataset, 4, num_workers=workers, nice=nice)


class Niceness(torch.utils.data.Dataset[int]):
    """Says how nice the process is that makes a sample."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, _: int) -> int:
        return os.nice(0)


def set_up(_: int) -> None:
    os.nice(2)


@linux
@pytest.mark.parametrize("nice", [0, 7])
def test_threads_are_as_nice_as_asked(nice: int) -> None:
    own = os.nice(0)
    iterator = iter(native(2, nice=nice))
    next(iterator)
    assert threads(2) == 2
    tasks = [task for task in Path("/proc/self/task").iterdir() if (task / "comm").read_text().startswith("torchfeed")]
    assert {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks} == {min(19, own + nice)}
    assert os.nice(0) == own


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("native", ["auto", "off"])
def test_worker_processes_are_as_nice_as_asked(native: Any) -> None:
    own = os.nice(0)
    options: dict[str, Any] = {"num_workers": 1, "native": native}
    assert next(iter(DataLoader(Niceness(), nice=5, **options))) == min(19, own + 5)
    assert next(iter(DataLoader(Niceness(), nice=5, worker_init_fn=set_up, **options))) == min(19, own + 7)
    assert next(iter(DataLoader(Niceness(), **options))) == own
    assert next(iter(DataLoader(Niceness(), nice=5, native=native))) == own, "the loop's own process"


@posix
def test_worker_processes_in_part_are_as_nice_as_asked(photos: Path) -> None:
    """In spawned processes too, to which what sets them up is sent."""
    loader = DataLoader(
        datasets.ImageFolder(photos, TRANSFORM),
        num_workers=1,
        nice=5,
        collate_fn=niceness,
        multiprocessing_context="spawn",
    )
    assert next(iter(loader)) == min(19, os.nice(0) + 5)


def niceness(_: Any) -> int:
    return os.nice(0)


@pytest.mark.parametrize("nice", [-1, 20])
def test_nobody_is_nicer_than_nicest(nice: int) -> None:
    with pytest.raises(ValueError, match="0 to 19"):
        native(0, nice=nice)
    with pytest.raises(TypeError):
        native(0, nice="yes")
    assert native(0, nice=19).nice == 19
