"""Threads and processes: they end when they should, and nothing hangs."""

from __future__ import annotations

import copy
import functools
import gc
import os
import pickle
import re
import signal
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from equality import equal
from oracle import same
from pictures import encode, in_memory, picture, pixels
from processes import linux, posix, scene, threads, wait
from torchfeed import DataLoader, _native, datasets
from torchfeed import transforms as T
from torchfeed.decode.pillow import PillowDecoder

TRANSFORM = T.Compose([T.RandomCrop(16, padding=2), T.ToTensor()])


def native(workers: int = 2, n: int = 40, **options: Any) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(4)
    dataset = in_memory([pixels(20, 20, seed=i) for i in range(n)], TRANSFORM)
    return DataLoader(dataset, 4, num_workers=workers, generator=generator, shuffle=True, **options)


@pytest.fixture
def _no_threads() -> None:
    """Iterators of earlier tests may live in cycles; those of the test itself must not need a collection."""
    gc.collect()


@linux
@pytest.mark.usefixtures("_no_threads")
def test_threads_live_as_long_as_their_epoch() -> None:
    assert threads(0) == 0
    loader = native(2)
    assert threads(0) == 0
    iterator = iter(loader)
    next(iterator)
    assert threads(2) == 2
    list(iterator)
    assert threads(0) == 0


@linux
@pytest.mark.usefixtures("_no_threads")
@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_abandoned_iterator_leaves_no_threads(after: int) -> None:
    loader = native(2)
    for _ in range(5):
        iterator = iter(loader)
        for _ in range(after):
            next(iterator)
        del iterator
        assert threads(0) == 0
    for _ in loader:
        break
    assert threads(0) == 0


@linux
def test_no_threads_after_an_error() -> None:
    loader = DataLoader(in_memory([pixels(8, 8)] * 20, T.Compose([T.RandomCrop(9), T.ToTensor()])), 4, num_workers=2)
    with pytest.raises(ValueError, match="larger"):
        list(loader)
    gc.collect()
    assert threads(0) == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_outlive_everything(workers: int) -> None:
    loader = native(workers)
    expected = [[part.clone() for part in batch] for batch in loader]
    loader.generator.manual_seed(4)
    batches = list(loader)
    del loader
    gc.collect()
    equal(batches, expected)


def test_many_epochs_in_many_threads_at_once() -> None:
    expected = list(native(0))
    found: list[Any] = []
    consumers = [threading.Thread(target=lambda: found.append(list(native(2)))) for _ in range(6)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join()
    assert len(found) == 6
    for batches in found:
        equal(batches, expected)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_loaders_can_be_copied(duplicate: Any, workers: int, photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, T.Compose([T.CenterCrop(8), T.ToTensor()]))
    loader = DataLoader(dataset, 4, num_workers=workers, collate_fn=None)
    iterator = iter(loader)
    next(iterator)
    again = duplicate(loader)
    equal(list(again), list(loader))
    assert len(list(iterator)) == 6


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("busy", [False, True])
def test_a_forked_child_iterates(busy: bool) -> None:
    """The parent's threads are not in the child, whether they were at work or not."""
    expected = list(native(0))
    loader = native(2)
    iterator = iter(loader)
    if busy:
        next(iterator)
    else:
        list(iterator)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            loader.generator.manual_seed(4)
            equal(list(loader), expected)
            equal(list(native(0)), expected)
            if busy:
                with pytest.raises((ValueError, RuntimeError), match="forked"):
                    list(iterator)
            del iterator
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    assert wait(child) == 0
    assert len(list(iterator)) == (9 if busy else 0)


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_torch_s_workers_after_native_threads(photos: Path) -> None:
    """One loader after the other in one script: threads first, then torch's processes."""
    dataset = datasets.ImageFolder(photos, T.Compose([T.CenterCrop(8), T.ToTensor()]))
    threads_at_work = iter(DataLoader(dataset, 2, num_workers=2))
    next(threads_at_work)
    expected = torch.stack([dataset[i][0] for i in range(26)])
    processes = DataLoader(
        dataset, 5, num_workers=2, collate_fn=lambda batch: torch.stack([image for image, _ in batch])
    )
    same(torch.cat(list(processes)), expected)
    same(torch.cat([images for images, _ in threads_at_work]), expected[2:])


class Interrupted(KeyboardInterrupt):
    """What Ctrl-C raises, without its signal."""


@posix
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_wait_loses_no_batch(workers: int) -> None:
    """Neither for whoever goes on nor for whoever saves the position, as training scripts do on Ctrl-C."""

    def loader() -> DataLoader[Any]:
        dataset = in_memory([pixels(300, 400, seed=i) for i in range(4)], T.Compose([T.Resize(1000), T.ToTensor()]))
        return DataLoader(dataset, 2, sampler=[0, 1, 2, 3] * 12, num_workers=workers)

    def interrupt(_: int, frame: Any) -> None:
        if frame.f_code.co_name == "_ready":  # in the native wait, and not in this test
            raise Interrupted

    interrupted, expected, times = loader(), [images[:, 0, 0, 0].clone() for images, _ in loader()], 0
    iterator = iter(interrupted)
    found: list[Any] = []
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        while len(found) < 24:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            try:
                found.append(next(iterator)[0][:, 0, 0, 0].clone())
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                times += 1
                assert interrupted.state_dict()["batches"] == len(found)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert times > 0
    equal(found, expected)


def test_ctrl_c_in_pillow_is_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without threads Pillow runs in the caller's thread, which is where Python raises it."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PillowDecoder, "decode", interrupted)
    source = _native.Source.blobs([encode(picture(8, 8), "BMP")])
    dataset = datasets.NativeDataset(source, [0], T.ToTensor(), None)
    for run in (lambda: list(DataLoader(dataset)), lambda: dataset[0], lambda: dataset.image(0)):
        with pytest.raises(KeyboardInterrupt):
            run()


# Threads that wait


def test_threads_sleep_while_the_loop_is_slow() -> None:
    """All batches under way are made; then nobody does anything until the loop asks for the next."""
    iterator = iter(native(2))
    next(iterator)
    time.sleep(0.2)
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.1
    assert len(list(iterator)) == 9


class SlowDecoder:
    """Takes its time over images that are named by their size: a pixel wide."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.made = threading.Semaphore(0)
        decode = PillowDecoder.decode

        def slowly(decoder: PillowDecoder, data: bytes) -> tuple[int, int, bytes]:
            if decoder.size(data)[1] == 1:
                assert self.go_on.wait(30)
            self.made.release()
            return decode(decoder, data)

        monkeypatch.setattr(PillowDecoder, "decode", slowly)

    def dataset(self, n: int, slow: int) -> Any:
        files = [encode(picture(8, 1 if number == slow else 8), "BMP") for number in range(n)]
        return datasets.ImageList(files, range(n), T.Compose([T.Resize((4, 4)), T.ToTensor()]))


def test_a_slow_sample_does_not_hold_up_other_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made meanwhile, as many as are under way, and handed out in order all the same."""
    decoder = SlowDecoder(monkeypatch)
    iterator = iter(DataLoader(decoder.dataset(24, slow=1), 3, num_workers=2, prefetch_factor=3))
    for _ in range(17):  # of the six batches under way, all samples but one
        assert decoder.made.acquire(timeout=30)
    assert not decoder.made.acquire(blocking=False)
    decoder.go_on.set()
    assert [targets.tolist() for _, targets in iterator] == [list(range(i, i + 3)) for i in range(0, 24, 3)]


def test_the_loop_sleeps_while_a_sample_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a look now and then whether somebody pressed Ctrl-C."""
    decoder = SlowDecoder(monkeypatch)
    iterator = iter(DataLoader(decoder.dataset(8, slow=0), 2, num_workers=2))
    time.sleep(0.1)
    threading.Timer(1, decoder.go_on.set).start()
    before, waited = time.process_time(), time.monotonic()
    assert next(iterator)[1].tolist() == [0, 1]
    assert time.monotonic() - waited > 0.5
    assert time.process_time() - before < 0.2


# Processes of their own


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a few large photos: JPEG, and a format that only Pillow decodes."""
    image = picture(500, 600).resize((2000, 1500))
    folders = {}
    for name in ("JPEG", "WEBP"):
        folders[name] = tmp_path_factory.mktemp(name)
        (folders[name] / "a").mkdir()
        data = encode(image, name, quality=80, method=0)
        for number in range(4):
            (folders[name] / "a" / f"{number}.jpg").write_bytes(data)
    return folders


@posix
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_ctrl_c_returns_within_half_a_second(kind: str, large: dict[str, Path]) -> None:
    ended = scene("interrupt", large[kind], 0, 2)
    assert (ended.returncode, ended.stderr) == (0, "")
    times = re.findall(r"seconds ([\d.]+) ([\d.]+)\n", ended.stdout)
    assert len(times) == 4, ended.stdout
    for caught, joined in times:
        assert float(caught) < 0.5
        assert float(joined) < 0.5


@pytest.mark.parametrize(("name", "status"), [("finish", 0), ("fail", 3), ("in_thread", 0)])
def test_the_interpreter_ends_in_mid_epoch(name: str, status: int, large: dict[str, Path]) -> None:
    ended = scene(name, large["WEBP"], 2)
    assert (ended.returncode, ended.stderr) == (status, "")


LOADERS: dict[str, Any] = {
    "native": native,
    "in part": lambda **options: native(**options, collate_fn=list),
    "torch's": lambda workers, **options: DataLoader(torch.arange(12), 4, num_workers=workers, **options),  # type: ignore[arg-type]
    "tensors": lambda workers, **options: DataLoader(
        torch.utils.data.TensorDataset(torch.arange(12)), 4, num_workers=workers, **options
    ),
}
LOADERS |= {f"{name}, replace": functools.partial(make, on_error="replace") for name, make in LOADERS.items()}


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", LOADERS)
def test_nothing_keeps_a_loader_that_nobody_needs(name: str, workers: int, persistent: bool) -> None:
    """Neither a loader nor its processes wait for the garbage collector, which may not come for a long time."""
    gc.collect()
    gc.disable()
    try:
        loader = LOADERS[name](workers=workers, persistent_workers=persistent and workers > 0)
        iterator = iter(loader)
        next(iterator)
        processes = list(iterator._workers) if workers else []
        assert bool(processes) == (workers > 0 and name.startswith(("in part", "torch's")))
        gone = [weakref.ref(loader), weakref.ref(iterator)]
        del loader, iterator
        assert [reference() for reference in gone] == [None, None]
        for process in processes:
            process.join(5)
            assert not process.is_alive()
    finally:
        gc.enable()
