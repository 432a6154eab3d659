"""The state machine of the device stage, on a model of a device that is as lazy as a real one may be."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from lazy_device import LazyDevice, Memory
from torchfeed.device.handover import Ahead, Handed
from torchfeed.device.host_batches import HostBatches
from torchfeed.device.ring import Ring

N, LENGTH = 25, 3


class Host:
    """A loader whose memory is refilled as soon as nobody holds it; not every batch is ready when it is asked for."""

    def __init__(self, device: LazyDevice, errors: tuple[int, ...] = ()) -> None:
        self.device, self.memory, self.errors, self.made, self.closed = device, Memory(), errors, 0, False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.made == N:
            raise StopIteration
        self.made += 1
        if self.made - 1 in self.errors:
            raise ValueError(self.made - 1)
        return {"images": self.memory.take(LENGTH).fill_(self.made - 1), "number": self.made - 1}

    def is_ready(self) -> bool:
        return self.device.rng.random() < 0.6

    def state_dict(self) -> dict[str, Any]:
        return {"made": self.made}

    def close(self) -> None:
        self.closed = True


def begin(device: LazyDevice, ahead: int = 2, ring: int | None = None, errors: tuple[int, ...] = ()) -> Any:
    host = Host(device, errors)
    buffers = None if ring is None else Ring(ring, device)
    handed = Handed()
    return host, handed, Ahead(HostBatches(host, iter(host)), device, None, ahead, buffers, handed)


def train(seed: int, ahead: int, ring: int | None, without: str = "") -> bool:
    """A loop that reads each batch late, holds some and drops others; whether it read the right bytes."""
    device = LazyDevice(seed, without)
    _, _, batches = begin(device, ahead, ring)
    read: list[tuple[int, Tensor]] = []
    held: list[tuple[int, Tensor]] = []

    def step(number: int, tensor: Tensor) -> None:
        memory = tensor.data
        device.run("consumer", lambda: read.append((number, memory.clone())))

    for batch in batches:
        for _ in range(device.rng.randrange(3)):
            step(batch["number"], batch["images"])
        device.advance()
        if ring is None:
            if device.rng.random() < 0.3:
                held.append((batch["number"], batch["images"]))
            if held and device.rng.random() < 0.3:
                step(*held.pop(device.rng.randrange(len(held))))
        del batch
    for number, tensor in held:
        step(number, tensor)
    device.advance(10_000)
    assert not any(device.work.values()), "something waits for ever"
    return all((tensor == number).all() for number, tensor in read)


@pytest.mark.parametrize("ring", [None, 1, 2])
@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_no_byte_changes(ahead: int, ring: int | None) -> None:
    for seed in range(60):
        assert train(seed, ahead, None if ring is None else ahead + ring), seed


@pytest.mark.parametrize(
    ("without", "ring"), [("wait_event", None), ("record_stream", None), ("is_past", None), ("copies_wait", 3)]
)
def test_the_model_finds_what_is_left_out(without: str, ring: int | None) -> None:
    assert not all(train(seed, 2, ring, without) for seed in range(60))


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_order_and_position(ahead: int) -> None:
    device = LazyDevice(1)
    host, handed, batches = begin(device, ahead)
    assert handed.state == {"made": 0}
    for number in range(N):
        batch = next(batches)
        assert batch["number"] == number
        assert handed.state == {"made": number + 1}
        assert number + 1 <= host.made <= number + 1 + ahead
    with pytest.raises(StopIteration):
        next(batches)
    assert handed.state is None
    assert host.closed
    with pytest.raises(StopIteration):
        next(batches)


def test_it_goes_as_far_ahead_as_the_loader_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, batches = begin(LazyDevice(0), ahead=3)
    for ready, made in ((False, 1), (True, 5), (False, 5), (False, 5), (False, 5), (False, 6)):
        monkeypatch.setattr(host, "is_ready", lambda ready=ready: ready)
        batches._source._ready = host.is_ready
        next(batches)
        assert host.made == made


def test_errors_come_in_their_turn() -> None:
    host, handed, batches = begin(LazyDevice(0), errors=(3, 4))
    found: list[int] = []
    asked: list[int] = []
    for number in range(N):
        try:
            found.append(next(batches)["number"])
        except ValueError as error:
            found.append(-error.args[0])
            asked.append(host.made - error.args[0])
        assert handed.state == {"made": number + 1}
    assert found == [0, 1, 2, -3, -4, *range(5, N)]
    assert asked == [1, 1], "after an error the loader is not asked on"


def test_an_error_of_the_device_comes_in_its_turn() -> None:
    _, _, batches = begin(LazyDevice(0), ring=3)
    copy = batches._ring.place

    def place(batch: Any, number: int) -> Any:
        if batch["number"] == 4:
            raise ValueError("no room")
        return copy(batch, number)

    batches._ring.place = place
    assert [next(batches)["number"] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="no room"):
        next(batches)
    assert next(batches)["number"] == 5


def test_ctrl_c_loses_nothing_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, batches = begin(LazyDevice(0))
    monkeypatch.setattr(host, "is_ready", lambda: True)
    batches._source._ready = None
    assert next(batches)["number"] == 0
    with monkeypatch.context() as patch:
        patch.setattr(Host, "__next__", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            next(batches)
    assert [batch["number"] for batch in batches] == list(range(1, N))


@pytest.mark.parametrize("ring", [None, 4])
@pytest.mark.parametrize("where", ["copy", "mark_copies", "hand_over", "is_past"])
def test_ctrl_c_in_the_middle_loses_nothing_either(where: str, ring: int | None) -> None:
    for seed in range(20):
        assert interrupt(LazyDevice(seed), where, ring) == [(number, [number] * LENGTH) for number in range(N)], seed


def interrupt(device: LazyDevice, where: str, ring: int | None) -> list[tuple[int, list[float]]]:
    """A loop that goes on after each Ctrl-C, at the end of a method of the streams; what it read."""
    _, _, batches = begin(device, ring=ring)
    method, found = getattr(device, where), list[tuple[int, list[float]]]()

    def interrupted(*arguments: Any) -> Any:
        done = method(*arguments)
        if device.rng.random() < 0.3:
            raise KeyboardInterrupt
        return done

    def read(number: int, memory: Tensor) -> None:
        device.run("consumer", lambda: found.append((number, memory.tolist())))

    setattr(device, where, interrupted)
    while len(found) < N:
        try:
            batch = next(batches)
        except KeyboardInterrupt:
            continue
        read(batch["number"], batch["images"].data)
        device.advance(10_000 if batch["number"] == N - 1 else None)
    return found


@pytest.mark.parametrize("how", ["close", "drop"])
def test_teardown_waits_for_copies_and_lets_everything_go(how: str) -> None:
    device = LazyDevice(3)
    host, handed, batches = begin(device, ahead=4)
    batches._source._ready = None
    batch = next(batches)
    assert len(batches._sending) == 5, "nothing is copied yet"
    gone = weakref.ref(batches)
    if how == "close":
        batches.close()
        batches.close()
        with pytest.raises(StopIteration):
            next(batches)
    gc.disable()
    try:
        del batches
        assert gone() is None, "without a garbage collector"
    finally:
        gc.enable()
    assert host.closed
    assert device.waits == 5
    assert len(host.memory.free) == 5
    assert handed.state == {"made": 1}, "the position of a loop that was left stays"
    assert (batch["images"] == 0).all()


def test_a_device_that_fails_ends_the_epoch_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    device = LazyDevice(0)
    host, _, batches = begin(device)
    next(batches)

    def fail(_: Any) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(device, "wait", fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        batches.close()
    assert host.closed
    assert not batches._sending
    batches.close()


def test_host_memory_is_let_go_of_when_it_is_copied() -> None:
    device = LazyDevice(0)
    host, _, batches = begin(device, ahead=0)
    next(batches)
    next(batches)
    assert not host.memory.free
    device.advance(100)
    next(batches)
    assert len(host.memory.free) == 1, "both are free, and the third batch lies in one of them"


def test_a_ring_has_constant_addresses() -> None:
    device = LazyDevice(0)
    _, _, batches = begin(device, ahead=1, ring=3)
    addresses = []
    for batch in batches:
        addresses.append(batch["images"].data_ptr())
        device.advance()
    assert len(set(addresses)) == 3
    assert all(one == other for one, other in zip(addresses, addresses[3:], strict=False))
    assert all(one != other for one, other in pairwise(addresses))


def test_a_ring_takes_fewer_samples_but_no_other_shape() -> None:
    ring = Ring(1, LazyDevice(0))
    whole = ring.place([torch.zeros(4), "text"], 0)
    part = ring.place([torch.zeros(3), "text"], 1)
    assert (part[0].shape, part[0].data_ptr(), part[1]) == ((3,), whole[0].data_ptr(), "text")
    for other in (torch.zeros(5), torch.zeros(4, dtype=torch.int64), torch.zeros(4, 1), torch.tensor(0.0)):
        with pytest.raises(ValueError, match="does not fit a ring of buffers"):
            ring.place([other], 2)
