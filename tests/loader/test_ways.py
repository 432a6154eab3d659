"""The life of loaders and iterators, whichever way their batches are made: natively, in part, or by torch alone."""

from __future__ import annotations

import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from equality import equal
from processes import posix, wait
from repository import SUPPORT
from torchfeed import DataLoader, explain
from ways import PATHS, Way, loader

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # more workers than cores
]
EVERY_PATH = pytest.mark.parametrize("path", PATHS)
WORKERS = pytest.mark.parametrize("workers", [0, 2])

SAMPLES = 26
BATCHES = 7


def parts(batches: Any) -> list[Any]:
    return [[part.clone() for part in batch] for batch in batches]


def expected(path: Way, photos: Path) -> list[Any]:
    return parts(loader(path, photos, 0))


def listed(kind: str, name: Callable[[Path], str]) -> list[str]:
    names = []
    for path in Path("/proc/self", kind).iterdir():
        with contextlib.suppress(OSError):  # gone meanwhile, as is the descriptor that lists descriptors
            names.append(name(path))
    return names


def held() -> dict[str, list[str]]:
    """What this process holds: its threads, descriptors and child processes, by kind."""
    return {
        "threads": listed("task", lambda path: (path / "comm").read_text()),
        "descriptors": listed("fd", lambda path: re.sub(r"\d+", "", str(path.readlink()))),
        "processes": [process.name for process in multiprocessing.active_children()],
    }


def comes_back_to(before: dict[str, list[str]]) -> None:
    """Threads and processes that were told to end may take a moment; what earlier tests left may go meanwhile."""
    until = time.monotonic() + 20
    while True:
        now = held()
        if all(len(now[kind]) <= len(before[kind]) for kind in now):
            return
        if time.monotonic() > until:
            break
        time.sleep(0.01)
    for kind, things in now.items():
        more = Counter(things) - Counter(before[kind])
        assert not more, f"{kind} left behind: {dict(more)}"


@EVERY_PATH
def test_the_paths_are_what_they_are_called(path: Way, photos: Path) -> None:
    first = str(explain(loader(path, photos, 2))).splitlines()[0]
    expected = {"in part": "native in part", "torch's": "torch", "lazy": "torch"}.get(path, "native, 2")
    assert first.startswith(expected), first


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc/self")
@WORKERS
@EVERY_PATH
def test_nothing_is_left_behind(path: Way, workers: int, photos: Path) -> None:
    """By epochs that end, that are left, that fail, and by loaders that were never iterated."""

    def live() -> None:
        one = loader(path, photos, workers)
        list(one)
        for _ in one:
            break
        iter(one)
        with contextlib.suppress(ZeroDivisionError):
            for _ in one:
                raise ZeroDivisionError
        loader(path, photos, workers)

    live()  # what is made once per process
    gc.collect()
    before = held()
    for _ in range(2):
        live()
    gc.collect()
    comes_back_to(before)


@WORKERS
@EVERY_PATH
def test_a_dropped_iterator_takes_nothing_with_it(path: Way, workers: int, photos: Path) -> None:
    one, wanted = loader(path, photos, workers), expected(path, photos)
    for after in (0, 1, 5):
        one.generator.manual_seed(4)
        iterator = iter(one)
        found = [next(iterator) for _ in range(after)]
        del iterator
        equal(found, wanted[:after])
    one.generator.manual_seed(4)
    equal(list(one), wanted)


@WORKERS
@EVERY_PATH
def test_break_and_start_again(path: Way, workers: int, photos: Path) -> None:
    """Every epoch begins at its beginning, with the order that the generator gives it, after however many batches."""
    one, other = loader(path, photos, workers), loader(path, photos, 0)
    for seed, after in enumerate((1, 3, BATCHES, 2)):
        # How much of the generator is used depends on how far the sampler is asked ahead, as in torch.
        one.generator.manual_seed(seed)
        other.generator.manual_seed(seed)
        found = []
        for batch in one:
            found.append(batch)
            if len(found) == after:
                break
        equal(found, parts(other)[:after])


@WORKERS
@EVERY_PATH
def test_many_iterators_at_once_over_one_dataset(path: Way, workers: int, photos: Path) -> None:
    first, wanted = loader(path, photos, workers), expected(path, photos)
    options: dict[str, Any] = {"num_workers": workers, "native": first.native}
    loaders = [
        DataLoader(first.dataset, 4, shuffle=True, generator=torch.Generator().manual_seed(4), **options)
        for _ in range(3)
    ]
    for batches in zip(*loaders, wanted, strict=True):
        for batch in batches[:-1]:
            equal(batch, batches[-1])


@WORKERS
@EVERY_PATH
def test_many_iterators_at_once_over_one_loader(path: Way, workers: int, photos: Path) -> None:
    """Each is an epoch of its own, drawn when it began."""
    one, other = loader(path, photos, workers), loader(path, photos, 0)
    iterators, wanted = [], []
    for seed in range(2):
        other.generator.manual_seed(seed)
        wanted.append(parts(other))
        one.generator.manual_seed(seed)
        iterator = iter(one)  # without threads the order is drawn with the first batch, as in torch
        iterators.append((iterator, [next(iterator)]))
    for _ in range(BATCHES - 1):
        for iterator, found in iterators:
            found.append(next(iterator))
    for (_, found), epoch in zip(iterators, wanted, strict=True):
        equal(found, epoch)


@WORKERS
@EVERY_PATH
def test_nested_loaders(path: Way, workers: int, photos: Path) -> None:
    """A loop within a loop: over another loader, as for validation, and over the same one."""
    outer, inner, wanted = loader(path, photos, workers), loader(path, photos, workers), expected(path, photos)
    for number, batch in enumerate(outer):
        equal(batch, wanted[number])
        if number < 2:
            inner.generator.manual_seed(4)
            equal(list(inner), wanted)
            for within in outer:
                assert within[0].shape == batch[0].shape
                break


@WORKERS
@EVERY_PATH
def test_loaders_in_several_threads(path: Way, workers: int, photos: Path) -> None:
    """One dataset, a loader in each thread. Python's random state is one for all, so nothing here may draw from it."""
    wanted, first = expected(path, photos), loader(path, photos, 0)
    found: list[Any] = []

    def run() -> None:
        generator = torch.Generator().manual_seed(4)
        options: dict[str, Any] = {"num_workers": workers, "native": first.native}
        found.append(list(DataLoader(first.dataset, 4, shuffle=True, generator=generator, **options)))

    consumers = [threading.Thread(target=run) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(60)
    assert len(found) == 3
    for batches in found:
        equal(batches, wanted)


@posix
@WORKERS
@EVERY_PATH
def test_a_forked_child_iterates_and_its_parent_goes_on(path: Way, workers: int, photos: Path) -> None:
    one, wanted = loader(path, photos, workers), expected(path, photos)
    iterator = iter(one)
    found = [next(iterator)]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            again = loader(path, photos, workers)
            equal(list(again), wanted)
            one.generator.manual_seed(4)
            equal(list(one), wanted)
            one.dataset[0]
            status = 0
        finally:
            os._exit(status)
    assert wait(child) == 0
    found += iterator
    equal(found, wanted)


def iterate(loaders: dict[Any, DataLoader[Any]], results: Any) -> None:
    found: dict[Any, Any] = {}
    for key, one in loaders.items():
        torch.manual_seed(4)
        try:
            found[key] = [[part.numpy() for part in batch] for batch in one]
        except Exception as error:  # noqa: BLE001  (the test whose loader it is shows it)
            found[key] = repr(error)
    results.put(found)


Sent = tuple[list[Any], Any, Any]


@pytest.fixture(scope="module")
def sent(photos: Path) -> dict[tuple[Way, int], Sent]:
    """What loaders give here, iterators of them in use, and what they give in one process that all are sent to."""
    loaders, wanted, iterators = {}, {}, {}
    for key in [(path, workers) for path in PATHS for workers in (0, 2)]:
        # Without a generator of its own: torch 2.15 cannot send one to a spawned process.
        loaders[key] = loader(key[0], photos, key[1], shuffle=False, generator=None)
        torch.manual_seed(4)
        wanted[key] = parts(loaders[key])
        iterators[key] = iter(loaders[key])
        next(iterators[key])
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=iterate, args=(loaders, results))
    process.start()
    try:
        found = results.get(timeout=120)
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()  # where it does not end: nobody would read what it still writes
        process.join()
    return {key: (wanted[key], iterators.pop(key), found[key]) for key in loaders}


@WORKERS
@EVERY_PATH
def test_a_spawned_process_iterates(path: Way, workers: int, sent: dict[tuple[Way, int], Sent]) -> None:
    """A loader that was in use is sent to it, as a launcher of several processes does."""
    wanted, iterator, found = sent.pop((path, workers))
    assert not isinstance(found, str), found
    equal([[torch.from_numpy(part) for part in batch] for batch in found], wanted)
    assert len(list(iterator)) == BATCHES - 1


@EVERY_PATH
def test_torch_s_own_workers_take_our_datasets(path: Way, photos: Path) -> None:
    """Pickled, with their transforms, to spawned processes."""
    dataset: Any = loader(path, photos, 0, shuffle=False).dataset
    theirs: Any = torch.utils.data.DataLoader(dataset, 4, num_workers=1, multiprocessing_context="spawn")
    images = torch.cat([images for images, _ in theirs])
    assert images.shape == (SAMPLES, 3, 16, 16)
    if path in {"torch's", "lazy"}:  # of which nothing is random
        equal(images, torch.stack([dataset[number][0] for number in range(SAMPLES)]))


@WORKERS
@EVERY_PATH
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_of_a_loader_in_use(duplicate: Callable[[Any], Any], path: Way, workers: int, photos: Path) -> None:
    one, wanted = loader(path, photos, workers), expected(path, photos)
    iterator = iter(one)
    found = [next(iterator)]
    again = duplicate(one)
    again.generator.manual_seed(4)
    equal(list(again), wanted)
    equal(found + list(iterator), wanted)
    dataset: Any = one.dataset
    assert repr(duplicate(dataset.transform)).split("<")[0] == repr(dataset.transform).split("<")[0]


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc/self")
@WORKERS
@EVERY_PATH
def test_iterators_in_cycles_are_collected(
    path: Way, workers: int, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader(path, photos, workers)
    list(loader(path, photos, workers))
    gc.collect()
    before = held()
    one: Any = loader(path, photos, workers)
    iterator = iter(one)
    next(iterator)
    one.own_iterator, one.dataset.own_loader = iterator, one
    gone = [weakref.ref(one), weakref.ref(iterator)]
    in_vain, join = [], BaseProcess.join

    def watched(process: BaseProcess, timeout: float | None = None) -> None:
        join(process, timeout)
        if process.is_alive():
            in_vain.append(process)

    monkeypatch.setattr(BaseProcess, "join", watched)
    del one, iterator
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert not in_vain, "torch waits five seconds for each"
    comes_back_to(before)


# Processes of their own


@posix
@WORKERS
@EVERY_PATH
def test_the_interpreter_ends_in_mid_epoch(path: Way, workers: int, photos: Path) -> None:
    ended = scene("end", path, photos, workers)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


@posix
@EVERY_PATH
def test_ctrl_c_ends_the_loop(path: Way, photos: Path) -> None:
    ended = scene("interrupt", path, photos, 0, 2)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        name, caught, left = line.split()
        assert name == "caught"
        assert float(caught) < 0.5
        assert int(left) == 0, "processes that still live"


def scene(name: str, path: Way, folder: Path, *workers: int) -> subprocess.CompletedProcess[str]:
    script = SUPPORT / "way_programs.py"
    return subprocess.run(
        [sys.executable, str(script), name, path, str(folder), *map(str, workers)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
