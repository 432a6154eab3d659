"""Batches of worker processes, in shared memory that is used again: nobody notices but the clock."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections import Counter, OrderedDict, UserDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, IterableDataset

from equality import equal
from torchfeed import DataLoader
from torchfeed.batch import shared_memory

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int16,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.complex64,
]


class Parts(NamedTuple):
    image: list[Any]
    others: dict[str, Any]


class Numbers(Dataset[Any]):
    """Samples that tell which ones they are, large and small."""

    def __init__(self, length: int = 24, size: int = 9000) -> None:
        self.length, self.size = length, size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return torch.full((3, self.size), float(index)), index


class Nested(Numbers):
    def __getitem__(self, index: int) -> Any:
        tensors = [torch.full((2, index % 2 * 0 + 3), index % 2).to(dtype) for dtype in DTYPES]
        others = {
            "arrays": [np.arange(5) + index, np.float32(index), np.arange(6).reshape(2, 3).T],
            "empty": torch.zeros(0, 3),
            "text": (str(index), 1.5),
            "scalar": torch.tensor(index),
            "turned": torch.arange(12).view(3, 4).t() + index,
            "map": UserDict(a=torch.tensor([index])),
            "ordered": OrderedDict([("b", torch.tensor(index)), ("a", (np.zeros(3),))]),
            "expanded": torch.tensor([index]).expand(7),
        }
        return Parts(tensors, others)


class Sizes(IterableDataset[Any]):
    """Batches of many sizes."""

    def __iter__(self) -> Any:
        for number in range(60):
            yield torch.full((1, 1 + number * number * 37), float(number))


def _same(batches: Any, expected: Any) -> None:
    count = 0
    for batch, other in zip(batches, expected, strict=True):
        equal(batch, other)
        count += 1
    assert count


@pytest.mark.parametrize(
    ("dataset", "context"), [(Numbers(), "fork"), (Nested(), "fork"), (Nested(), "spawn"), (Nested(), "forkserver")]
)
def test_same_batches_as_torch(dataset: Any, context: str) -> None:
    options: Any = {"batch_size": 5, "num_workers": 1, "persistent_workers": True}
    loader = DataLoader(dataset, **options, multiprocessing_context=context)
    theirs = TorchDataLoader(dataset, **options)
    for _ in range(2):
        _same(loader, theirs)


def test_tensors_are_as_those_that_are_made_here() -> None:
    for made, here in zip(DataLoader(Nested(), 5, num_workers=1), DataLoader(Nested(), 5), strict=True):
        for one, other in zip(made.image, here.image, strict=True):
            assert (one.stride(), one.storage_offset(), one._base) == (other.stride(), 0, None)
            assert one.untyped_storage().nbytes() == other.untyped_storage().nbytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_that_is_held_stays(workers: int) -> None:
    """Also where only a view or an array of it is."""
    loader = DataLoader(Numbers(60), 4, num_workers=workers, persistent_workers=True)
    held: list[Any] = []
    for _ in range(3):
        held.extend(((images[1:], images.numpy()[0], images.view(-1)), labels) for images, labels in loader)
    for (view, array, flat), labels in held:
        assert view[:, 0, 0].tolist() == labels[1:].tolist()
        assert array[0, 0] == labels[0]
        assert flat[0] == labels[0]


def test_a_batch_may_be_changed() -> None:
    for _ in range(2):
        for images, labels in DataLoader(Numbers(), 4, num_workers=1):
            assert (images[:, 0, 0] == labels).all()
            images.fill_(-1)
            labels.fill_(-1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_keeps_its_batch() -> None:
    """A process that was forked while a batch was there has it, whatever its parent does."""
    iterator = iter(DataLoader(Numbers(400), 4, num_workers=1))
    images, labels = next(iterator)
    (told, tell), (heard, hear) = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        os.read(told, 1)
        os.write(hear, b"y" if images[:, 0, 0].tolist() == labels.tolist() == [0, 1, 2, 3] else b"n")
        os._exit(0)
    del images, labels
    for _ in range(50):
        next(iterator)
    os.write(tell, b"!")
    assert os.read(heard, 1) == b"y"
    os.waitpid(process, 0)
    for end in (told, tell, heard, hear):
        os.close(end)


def test_segments_are_used_again() -> None:
    loader = DataLoader(Numbers(200), 4, num_workers=1, persistent_workers=True)
    addresses: Counter[int] = Counter()
    for _ in range(2):
        addresses.update(images.data_ptr() for images, _ in loader)
    assert len(addresses) <= 6  # two are ahead, one is sent, one is here, one is made


def test_batches_of_many_sizes() -> None:
    _same(DataLoader(Sizes(), 1, num_workers=1), TorchDataLoader(Sizes(), 1, num_workers=1))


@pytest.mark.skipif(not Path("/dev/shm").exists(), reason="/dev/shm is Linux's")
def test_memory_that_is_shared_by_names() -> None:
    """It would stay when a worker ends: torch sends these batches."""
    sharing: Any = torch.multiprocessing
    sharing.set_sharing_strategy("file_system")
    try:
        before = {path.name for path in Path("/dev/shm").iterdir()}
        for _ in range(2):
            _same(DataLoader(Numbers(), 4, num_workers=1), TorchDataLoader(Numbers(), 4))
        gc.collect()
        until = time.monotonic() + 10
        while {path.name for path in Path("/dev/shm").glob("torch_*")} - before and time.monotonic() < until:
            time.sleep(0.01)
        assert {path.name for path in Path("/dev/shm").glob("torch_*")} <= before
    finally:
        sharing.set_sharing_strategy("file_descriptor")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc is Linux's")
def test_nothing_is_left() -> None:
    def state() -> tuple[int, int]:
        gc.collect()
        shared = sum("torch_" in line for line in Path("/proc/self/maps").read_text().splitlines())
        return shared, len([*Path("/proc/self/fd").iterdir()])

    def epochs(count: int) -> None:
        for _ in range(count):
            for _batch in DataLoader(Sizes(), 1, num_workers=2):
                pass
            iterator = iter(DataLoader(Numbers(), 4, num_workers=2))
            next(iterator)  # left in the middle
            del iterator

    epochs(1)
    before = state()
    epochs(3)
    assert state() == before
    assert not shared_memory._workers


class Registered(NamedTuple):
    """What a function that somebody registered makes several tensors of, which share memory."""

    value: Any


class OfRegistered(Numbers):
    def __getitem__(self, index: int) -> Any:
        return Registered(torch.full((3, self.size), float(index))), index


def _aliases(batch: Any, *, collate_fn_map: Any = None) -> Any:
    (made,) = torch.utils.data._utils.collate.collate([[each.value] for each in batch], collate_fn_map=collate_fn_map)
    return [made, made, made[1:], made.transpose(0, 1), UserDict(same=made)]


def test_tensors_that_share_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(torch.utils.data._utils.collate.default_collate_fn_map, Registered, _aliases)
    loader = DataLoader(OfRegistered(80), 4, num_workers=1, persistent_workers=True)
    held = [batch for _ in range(2) for batch in loader]
    for (made, same, part, turned, mapping), labels in held:
        for each in (made, same, turned.transpose(0, 1), mapping["same"]):
            assert each[:, 0, 0].tolist() == labels.tolist()
        assert part[:, 0, 0].tolist() == labels[1:].tolist()


def test_segments_are_left_to_those_who_have_them() -> None:
    """One batch after the other by hand, in one process."""
    segments = shared_memory.Segments("here")
    held = []
    for number in range(40):
        segments.begin()
        out = segments.empty((4, 5000), torch.float32)
        assert out is not None
        out.fill_(number)
        batch = [[out], [out, out[1:], UserDict(same=out)], [out.t()], [UserDict(same=out)]][number % 4]
        sent = segments.sent(batch)
        received = [each.__reduce__() if isinstance(each, shared_memory._Sent) else each for each in sent]
        held.append((number, [each[0](*each[1]) if isinstance(each, tuple) else each for each in received]))
        if number % 3 == 0:
            held.pop()
        for expected, tensors in held:
            for each in tensors:
                assert (each["same"] if isinstance(each, UserDict) else each).eq(expected).all()
    shared_memory.forget("here")


class Inner(Numbers):
    """A dataset that has a loader of its own, in the worker process."""

    def __getitem__(self, index: int) -> Any:
        images, labels = next(iter(DataLoader(Numbers(), 2)))
        assert type(images) is torch.Tensor
        return images + index, labels


def test_a_loader_in_a_worker() -> None:
    _same(DataLoader(Inner(), 3, num_workers=1), TorchDataLoader(Inner(), 3))


class Grows(Numbers):
    def __getitem__(self, index: int) -> Any:
        return torch.ones(3, requires_grad=index == 5), torch.nn.Parameter(torch.ones(2)) if index == 9 else torch.ones(
            2
        )


def test_what_torch_refuses_is_refused() -> None:
    for cls in (TorchDataLoader, DataLoader):
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            list(cls(Grows(), 4, num_workers=1))


def _reads(queue: Any, found: Any) -> None:
    found.put(queue.get().sum().item())


def test_a_batch_is_sent_on() -> None:
    context = multiprocessing.get_context("spawn")
    queue, found = torch.multiprocessing.get_context("spawn").Queue(), context.Queue()
    process = context.Process(target=_reads, args=(queue, found))
    process.start()
    images, _ = next(iter(DataLoader(Numbers(), 4, num_workers=1)))
    queue.put(images)
    assert found.get(timeout=60) == images.sum().item()
    process.join()
