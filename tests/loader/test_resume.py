"""Whatever makes the batches, and wherever a run is left: what comes then is what would have come."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from typing import Any, NamedTuple

import pytest
import torch

from repository import environment
from resumable_runs import ORDERS, WAYS, WORKERS, N, Plain, make, plain, seeded
from torchfeed import DataLoader, explain


class Break(NamedTuple):
    """A place in a run, and what comes after it."""

    name: str
    epoch: int
    state: dict[str, Any]
    random: torch.Tensor
    rest: list[Any]
    following: list[Any]


def uninterrupted(way: str, workers: str, kind: str) -> tuple[DataLoader[Any], list[Break]]:
    """Runs four epochs, and says where one could leave the first two. The training loop draws random numbers too."""
    loader = make(way, workers, kind, seed=3)
    assert explain(loader).startswith(way.split(",", maxsplit=1)[0])
    epochs: list[list[Any]] = []
    found: list[tuple[str, int, int, Any, torch.Tensor]] = []

    def note(name: str, epoch: int, batches: int) -> None:
        found.append((name, epoch, batches, loader.state_dict(), torch.get_rng_state()))

    for epoch in range(4):
        note("between epochs", epoch, 0)
        batches, had = iter(loader), []
        if epoch == 1:
            torch.rand(2)
        note("before the first batch", epoch, 0)
        for batch in batches:
            had.append(plain(batch))
            note("in mid-epoch" if len(had) < len(loader) else "after the last batch", epoch, len(had))
            torch.rand(1)
        epochs.append(had)
    return loader, [
        Break(name, epoch, state, random, epochs[epoch][batches:], epochs[epoch + 1])
        for name, epoch, batches, state, random in found
        if epoch < 2 and (batches != 2 or not loader.num_workers)  # torch's processes are slow to start
    ]


def run(loader: DataLoader[Any], at: Break) -> list[Any]:
    """Goes on as the training loop of `uninterrupted` does."""
    had, batches = [], iter(loader)
    if at.name == "between epochs" and at.epoch == 1:
        torch.rand(2)
    if at.name in {"in mid-epoch", "after the last batch"}:
        torch.rand(1)
    for batch in batches:
        had.append(plain(batch))
        torch.rand(1)
    return had


def depends_on_the_loop(at: Break, workers: str) -> bool:
    """Without workers, the order is drawn after what the training loop draws before it asks for the first batch."""
    return at.name == "between epochs" and at.epoch == 1 and workers == "no workers"


# torch's processes are slow to start: they get half of the orders.
TABLE = [
    (way, workers, kind)
    for way in WAYS
    for workers in WORKERS
    for kind in (ORDERS if (way.startswith("native") and "part" not in way) or workers == "no workers" else ORDERS[:4])
]


@pytest.mark.parametrize(("way", "workers", "kind"), TABLE)
def test_a_resumed_run_goes_on(way: str, workers: str, kind: str) -> None:
    """In the same loader, in another one, and in another one whose global generator was restored as well."""
    loader, breaks = uninterrupted(way, workers, kind)
    for number, at in enumerate(breaks):
        state = json.loads(json.dumps(at.state))
        assert state == at.state
        if not depends_on_the_loop(at, workers):
            other = loader if number % 2 else make(way, workers, kind, seed=99)
            other.load_state_dict(state)
            assert other.state_dict() == state
            assert run(other, at) == at.rest, at

        restored = make(way, workers, kind, seed=77)
        restored.load_state_dict(state)
        torch.set_rng_state(at.random)
        assert run(restored, at) == at.rest, at
        again = iter(restored)
        if at.epoch == 0:
            torch.rand(2)
        assert [plain(batch) for batch in again] == at.following, at


PROCESS = """
import json, sys
from resumable_runs import make, plain
for way, workers, kind, state in json.load(sys.stdin):
    loader = make(way, workers, kind, seed=99)
    loader.load_state_dict(state)
    print(json.dumps([plain(batch) for batch in loader]))
"""


def test_a_run_goes_on_in_a_new_process() -> None:
    states, expected = [], []
    for way in WAYS:
        for kind in ORDERS[:2]:
            _, breaks = uninterrupted(way, "no workers", kind)
            for at in breaks:
                if not depends_on_the_loop(at, "no workers"):
                    states.append((way, "no workers", kind, at.state))
                    expected.append(at.rest)
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        input=json.dumps(states),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_is_left_again(way: str, workers: str) -> None:
    """A state of a resumed epoch counts from the epoch's beginning."""
    loader = make(way, workers, "generator", seed=3)
    expected = [plain(batch) for batch in loader]
    state: dict[str, Any] = make(way, workers, "generator", seed=3).state_dict()
    for number in range(len(expected)):
        loader = make(way, workers, "generator", seed=50 + number)
        loader.load_state_dict(state)
        assert plain(next(iter(loader))) == expected[number]
        state = loader.state_dict()
        assert state["batches"] == number + 1


@pytest.mark.parametrize("way", WAYS)
def test_a_state_of_more_batches_than_there_are(way: str) -> None:
    loader = make(way, "no workers", "generator", seed=3)
    list(zip(range(3), loader, strict=False))
    state = loader.state_dict()
    loader.load_state_dict({**state, "batches": 4})
    assert list(loader) == []
    loader.load_state_dict({**state, "batches": 5})
    with pytest.raises(ValueError, match="the state is 5 batches into its epoch, which has 4 batches here"):
        list(loader)
    assert len(list(loader)) == 4, "the loader can be used again"


def test_states_that_are_none() -> None:
    loader = DataLoader(Plain())
    with pytest.raises(TypeError, match="a state is a dict"):
        loader.load_state_dict([1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"not a state of torchfeed.DataLoader: .*base_seed.* is missing"):
        loader.load_state_dict({"_num_yielded": 3})
    loader.load_state_dict(DataLoader(Plain(), generator=seeded(3)).state_dict())
    with pytest.raises(ValueError, match="2 random generators, and this loader has 1"):
        iter(loader)
    loader.load_state_dict({})
    assert len(list(loader)) == N


def test_states_are_equal_where_the_places_are() -> None:
    one, two = (make("native", "no workers", "generator", seed=3) for _ in range(2))
    for first, second in zip(one, two, strict=True):
        assert torch.equal(first[0], second[0])
        assert one.state_dict() == two.state_dict()
    state = one.state_dict()
    next(iter(one))
    assert one.state_dict() != state


def test_an_option_of_torchdata() -> None:
    loader = DataLoader(Plain(), snapshot_every_n_steps=10)
    assert loader.snapshot_every_n_steps == 10
    next(iter(loader))
    assert loader.state_dict()["batches"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_an_iterator_at_its_end_goes_without_the_garbage_collector(way: str) -> None:
    loader = DataLoader(WAYS[way](), 2, on_error="skip")
    gc.collect()
    gc.disable()
    try:
        iterator = iter(loader)
        list(iterator)
        gone = weakref.ref(iterator)
        del iterator
        assert gone() is None
    finally:
        gc.enable()
