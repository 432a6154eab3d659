"""Datasets, samplers and iterators that have states of their own are asked for them, and given them back."""

from __future__ import annotations

import json
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint
from torch.utils.data import IterableDataset

from stateful_loaders import CASES, NATIVE, left, make, plain, resume, rows
from torchfeed import DataLoader, explain

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")


@pytest.mark.parametrize("case", [*CASES, *NATIVE])
def test_a_resumed_run_goes_on(case: str) -> None:
    """Without worker processes, wherever it is left, in a new loader and in the same one."""
    loader = make(case, 3)
    assert explain(loader).startswith(case.split(",", maxsplit=1)[0] if case in NATIVE else "torch's own path")
    for at in left(loader, 2):
        for other in (make(case, 99), loader):
            resume(other, at)
            assert [plain(batch) for batch in other] == at.rest, at.name
            assert [plain(batch) for batch in other] == at.following, at.name


@pytest.mark.parametrize("case", [case for case in NATIVE if "part" not in case])
def test_native_threads(case: str) -> None:
    """They ask ahead: a state is about what was handed out. Any number of them goes on."""
    for number, at in enumerate(left(make(case, 3, 2), 2)):
        other = make(case, 99, (3, 0)[number % 2])
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, at.name
        if number % 2 == 0:  # without workers the order is drawn after other draws of the loop
            assert [plain(batch) for batch in other] == at.following, at.name


IN_WORKERS = [
    ("Whole", 3, True),
    ("Held", 3, True),
    ("ItsOwn", 3, False),
    ("Both, no batches", 3, False),
    ("Walked", 1, False),
    ("Counts", 3, True),
    ("Counts, on_error", 1, False),
    ("Repeats", 3, False),
    ("Strides", 1, True),
    ("Pairs", 1, False),
    ("native in part, Repeats", 1, False),
    ("native in part, dataset", 1, True),
]


@pytest.mark.parametrize(("case", "workers", "persistent"), IN_WORKERS)
def test_worker_processes(case: str, workers: int, persistent: bool) -> None:
    """Each has a dataset of its own; some of an IterableDataset's are done before others. They are slow to start."""
    breaks = left(make(case, 3, workers, persistent_workers=persistent), 2)
    first, second = ([at for at in breaks if at.epoch == epoch] for epoch in range(2))
    chosen = [first[3], first[-1], second[0], second[3]]
    if case == "Whole":
        chosen = breaks
    for at in chosen:
        other = make(case, 99, workers, persistent_workers=persistent)
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, at.name
        assert [plain(batch) for batch in other] == at.following, at.name


def test_a_resumed_run_is_left_again() -> None:
    for case in ("Whole", "Counts", "Places", "native, Repeats", "Places, on_error"):
        at = left(make(case, 3), 1)
        state = pickle.loads(at[0].state)
        for number, expected in enumerate(at[0].rest):
            loader = make(case, 50 + number)
            loader.load_state_dict(state)
            torch.set_rng_state(at[number + 1].random[0])
            random.setstate(at[number + 1].random[2])
            assert plain(next(iter(loader))) == expected, case
            state = loader.state_dict()
            assert state["batches"] == number + 1


@pytest.mark.parametrize("workers", [0, 1])
def test_the_state(workers: int) -> None:
    """It is JSON where the parts' own states are, has the same keys everywhere, and does not change afterwards."""
    keys = set(DataLoader(rows(0)).state_dict())
    for case in ("Whole", "ItsOwn", "Places, dataset too") if not workers else ("Whole",):
        for at in left(make(case, 3, workers), 1):
            state = pickle.loads(at.state)
            assert set(state) == keys
            assert all(isinstance(state[key], (str, tuple)) for key in ("sampler", "dataset"))
            if case == "Whole":
                assert json.loads(json.dumps(state)) == state
            other = make(case, 99, workers)
            other.load_state_dict(state)
            assert pickle.dumps(other.state_dict()) == pickle.dumps(state)
    one, two = (make("Held", 3, workers) for _ in range(2))
    for _ in zip(one, two, strict=True):
        state = one.state_dict()
        kept = pickle.dumps(state)
        assert state["dataset"] == two.state_dict()["dataset"]
    list(one)
    assert pickle.dumps(state) == kept


def test_spawned_workers() -> None:
    """What carries states is pickled together with what they are states of."""
    for case in ("Whole", "Counts"):
        at = left(make(case, 3, 1), 1)[3]
        other = make(case, 99, 1, multiprocessing_context="spawn")
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, case


def test_a_checkpoint_is_loaded_in_place(tmp_path: Path) -> None:
    """A new loader says something else of its parts than one in mid-epoch, under the same keys."""
    dcp: Any = torch.distributed.checkpoint
    for case, workers in (("Whole", 0), ("Whole", 1), ("Repeats", 0), ("Both", 0)):
        loader = make(case, 3, workers)
        batches = iter(loader)
        next(batches)
        place = tmp_path / f"{case} {workers}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one process is what is meant
            dcp.save({"loader": loader}, checkpoint_id=place, no_dist=True)
            states = torch.get_rng_state()
            expected = [plain(batch) for batch in batches]
            other = make(case, 99, workers)
            dcp.load({"loader": other}, checkpoint_id=place, no_dist=True)
        torch.set_rng_state(states)
        assert [plain(batch) for batch in other] == expected, case


def test_states_on_the_way_to_a_device() -> None:
    """The position is that of the batch in use, whatever is under way."""
    breaks = left(make("Whole", 3, device="cpu"), 1)
    for at in breaks:
        other = make("Whole", 99, device="cpu")
        resume(other, at)
        assert [plain(batch) for batch in other] == at.rest, at.name


class DrawsGlobally(IterableDataset[int]):
    """Draws from torch's global generator, which it keeps in its state."""

    def __iter__(self) -> Any:
        return DrawingIterator()


class DrawingIterator:
    def __init__(self) -> None:
        self.left = 6

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return int(torch.randint(1000, ()))

    def state_dict(self) -> dict[str, Any]:
        return {"left": self.left, "generator": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.left = state["left"]
        torch.set_rng_state(state["generator"])


@pytest.mark.parametrize("had", [0, 1, 4])
def test_a_state_that_holds_the_global_generator(had: int) -> None:
    loader = DataLoader(DrawsGlobally())
    batches = iter(loader)
    for _ in range(had):
        next(batches)
    state = loader.state_dict()
    expected = [int(batch) for batch in batches]
    torch.manual_seed(99)
    resumed = DataLoader(DrawsGlobally())
    resumed.load_state_dict(state)
    assert [int(batch) for batch in resumed] == expected
