"""Datasets, samplers and iterators with states of their own, beside torchdata's StatefulDataLoader."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.sampler import BatchSampler, RandomSampler, StatefulDistributedSampler

from breaks import BREAKS, Break
from stateful_parts import (
    Both,
    Counts,
    Held,
    ItsOwn,
    N,
    OnlyPlaces,
    Pairs,
    Places,
    Repeats,
    Strides,
    Walked,
    Whole,
    generator,
)
from torchfeed import DataLoader

pytestmark = [
    # torchdata's loader calls what torch has deprecated.
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes"),
]


def shard() -> Any:
    return StatefulDistributedSampler(range(N), num_replicas=2, rank=0)


def repeated(seed: int) -> Any:
    """It draws 32 indices at once, so that an epoch has three draws."""
    return RandomSampler(range(N), replacement=True, num_samples=70, generator=generator(seed))


# Arguments for a run that is seeded so; a resumed run has another seed, which the state should make up for.
CASES: dict[str, Callable[[int], dict[str, Any]]] = {
    **{
        cls.__name__: lambda seed, cls=cls: {"dataset": cls(seed), "batch_size": 2}  # type: ignore[misc]
        for cls in (Whole, Held, ItsOwn, Walked, Both, Counts)
    },
    **{
        f"{cls.__name__}, no batches": lambda seed, cls=cls: {"dataset": cls(seed), "batch_size": None}  # type: ignore[misc]
        for cls in (Whole, Held, ItsOwn, Walked, Both)
    },
    **{
        cls.__name__: lambda seed, cls=cls: {"dataset": range(N), "batch_size": 2, "sampler": cls(seed)}  # type: ignore[misc]
        for cls in (Places, Repeats, OnlyPlaces, Strides)
    },
    "Pairs": lambda seed: {"dataset": range(N), "batch_sampler": Pairs(seed)},
    "RandomSampler": lambda seed: {
        "dataset": range(N),
        "batch_size": 2,
        "sampler": RandomSampler(range(N), generator=generator(seed)),
    },
    "RandomSampler, replacement": lambda seed: {"dataset": range(N), "batch_size": 2, "sampler": repeated(seed)},
    "RandomSampler, no batches": lambda seed: {"dataset": range(N), "batch_size": None, "sampler": repeated(seed)},
    "BatchSampler": lambda seed: {"dataset": range(N), "batch_sampler": BatchSampler(repeated(seed), 2, False)},
    "StatefulDistributedSampler": lambda seed: {"dataset": range(N), "batch_size": 2, "sampler": shard()},
    "StatefulDistributedSampler in a BatchSampler": lambda seed: {
        "dataset": range(N),
        "batch_sampler": BatchSampler(shard(), 2, True),
    },
}


PLACES = {**BREAKS, "after iter() of the second epoch": Break(1)}


class After(NamedTuple):
    """What a resumed loader does."""

    as_many: bool  # as many batches as the run without a break has
    continues: bool  # they are the same batches
    next_epoch: bool  # and so are those of the epoch after


EXACT = After(True, True, True)


def make(cls: Any, case: str, workers: int, seed: int, **options: Any) -> Any:
    torch.manual_seed(seed)
    return cls(**CASES[case](seed), num_workers=workers, **options)


def plain(case: str, batch: Any) -> Any:
    """A batch as values; without what the global generator drew, which is none of torchdata's concern."""
    values = [part.tolist() if isinstance(part, torch.Tensor) else part for part in batch] if _is_many(batch) else batch
    return values[:-1] if case.startswith(("Whole", "Counts")) else torch.as_tensor(values).tolist()


def _is_many(batch: Any) -> bool:
    return isinstance(batch, (list, tuple))


def begin(loader: Any, number: int) -> Any:
    """Begins an epoch as a training script does."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if isinstance(sampler, StatefulDistributedSampler):
            sampler.set_epoch(number)
    return iter(loader)


def epoch(loader: Any, case: str, number: int) -> list[Any]:
    return [plain(case, batch) for batch in begin(loader, number)]


def after(cls: Any, case: str, workers: int, at: Break, **options: Any) -> After:
    """Leaves a run, saves where it is together with the global random state, and goes on in a new loader."""
    whole_loader = make(cls, case, workers, 3, **options)
    whole = [epoch(whole_loader, case, number) for number in range(at.epochs + 2 + at.over)]

    left = make(cls, case, workers, 3, **options)
    for number in range(at.epochs):
        epoch(left, case, number)
    count = len(whole[at.epochs]) if at.batches is None else at.batches
    if at.begun:
        iterator = begin(left, at.epochs)
        assert [plain(case, next(iterator)) for _ in range(count)] == whole[at.epochs][:count]
        if at.over:
            assert next(iterator, None) is None
    state, random = pickle.dumps(left.state_dict()), torch.get_rng_state()

    resumed = make(cls, case, workers, 99, **options)
    resumed.load_state_dict(pickle.loads(state))
    torch.set_rng_state(random)
    now = at.epochs + at.over
    first, second = epoch(resumed, case, now), epoch(resumed, case, now + 1)
    rest = whole[now][0 if at.over else count :]
    return After(len(first) == len(rest), first == rest, second == whole[now + 1])


def exact(at: Break) -> After:
    return EXACT


def held(at: Break) -> After:
    """A place that is held for the next iterator is that of an epoch's end, and the new epoch is then empty."""
    return After(False, False, True) if at.over or (at.epochs and not at.batches) else EXACT


def held_in_batches(at: Break) -> After:
    """As `held`; and where the last batch is not full, its end is noted for the rest of the epoch, but not used up."""
    return After(True, True, False) if at.batches is None and not at.over else held(at)


def begins_again(at: Break) -> After:
    """The sampler has ended when the last batch is not full, and its state is that of the next epoch's beginning."""
    return After(False, False, False) if at.batches is None and not at.over else EXACT


def order_missing(at: Break) -> After:
    """The order follows from a generator that is not in the sampler's state, nor looked for."""
    return After(at.batches is not None or at.over, False, False)


def next_order_missing(at: Break) -> After:
    """As `order_missing`, but the order of this epoch is in the iterator's state."""
    return After(True, not at.over, False)


THEIRS = {
    "Held": held_in_batches,
    "Held, no batches": held,
    "Places": begins_again,
    "Repeats": begins_again,
    "OnlyPlaces": order_missing,
    "Strides": next_order_missing,
    "StatefulDistributedSampler": held,
    "StatefulDistributedSampler in a BatchSampler": held,
}


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("case", CASES)
def test_what_comes_after_a_break(case: str, at: str) -> None:
    """All that the run without a break would have had; torchdata's loader does not always."""
    assert after(DataLoader, case, 0, PLACES[at]) == EXACT
    assert after(StatefulDataLoader, case, 0, PLACES[at]) == THEIRS.get(case, exact)(PLACES[at])


# torchdata's workers begin again where they had ended: the flag of an end is not taken from the state. And those that
# persist read ahead in the epoch that is over, before the next begins.
ENDS_MISSING = After(False, False, False)
# What workers begin with in the next epoch is this process's dataset, which has no part in torchdata's state.
ORIGIN_MISSING = After(True, True, False)


@pytest.mark.parametrize(
    ("case", "workers", "persistent", "at", "theirs"),
    [
        ("Whole", 3, False, "in mid-epoch", ENDS_MISSING),
        ("Whole", 3, True, "at the epoch's end", ENDS_MISSING),
        ("Both", 3, False, "in the second epoch", ORIGIN_MISSING),
        ("Held, no batches", 3, False, "in mid-epoch", ORIGIN_MISSING),
        ("Counts", 3, False, "in mid-epoch", ORIGIN_MISSING),
        ("ItsOwn", 1, False, "after the last batch", ORIGIN_MISSING),
        ("StatefulDistributedSampler", 1, False, "in mid-epoch", EXACT),
        ("RandomSampler, replacement", 1, False, "in mid-epoch", EXACT),
        ("BatchSampler", 1, True, "in the second epoch", EXACT),
    ],
)
def test_worker_processes(case: str, workers: int, persistent: bool, at: str, theirs: After) -> None:
    """A few cases only: torch's processes are slow to start."""
    options = {"persistent_workers": persistent}
    assert after(DataLoader, case, workers, PLACES[at], **options) == EXACT
    assert after(StatefulDataLoader, case, workers, PLACES[at], **options) == theirs


@pytest.mark.parametrize("case", ["Whole", "Held, no batches", "ItsOwn", "Counts", "StatefulDistributedSampler"])
def test_the_same_batches_as_theirs(case: str) -> None:
    """Where no generator of the loader's is drawn from, whole epochs are the same, whichever worker makes a batch."""
    for workers in (0, 3):
        ours, theirs = (make(cls, case, workers, 3) for cls in (DataLoader, StatefulDataLoader))
        assert [epoch(ours, case, number) for number in range(2)] == [
            epoch(theirs, case, number) for number in range(2)
        ]
