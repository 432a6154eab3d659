"""`state_dict` beside torchdata's StatefulDataLoader: the same break, and what comes after it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch.utils.data import BatchSampler, DistributedSampler, RandomSampler, TensorDataset
from torchdata.stateful_dataloader import StatefulDataLoader

from breaks import BREAKS, Break
from framework_data import generator, labels
from pictures import in_memory, pixels
from torchfeed import DataLoader, explain
from torchfeed import transforms as T

# torchdata's loader calls what torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")

N, BATCH = 10, 3
IMAGES = [pixels(8, 8, seed=i) for i in range(N)]


def native() -> Any:
    return in_memory(IMAGES, T.Compose([T.ToTensor()]))


def python() -> Any:
    return TensorDataset(torch.arange(N, dtype=torch.float32), torch.arange(N))


def reseeded(seed: int, **options: Any) -> dict[str, Any]:
    return {"shuffle": True, "generator": generator(seed), **options}


# Arguments for a run that is seeded so; a resumed run has another seed, which the state should make up for.
CASES: dict[str, Callable[[int], dict[str, Any]]] = {
    "plain": lambda seed: {},
    "plain, drop_last": lambda seed: {"drop_last": True},
    "generator": reseeded,
    "generator, drop_last": lambda seed: reseeded(seed, drop_last=True),
    "global generator": lambda seed: {"shuffle": True},
    "sampler": lambda seed: {"sampler": range(N - 1, -1, -1)},
    "random sampler": lambda seed: {"sampler": RandomSampler(range(N))},
    "random sampler, one generator": lambda seed: {
        "generator": (own := generator(seed)),
        "sampler": RandomSampler(range(N), generator=own),
    },
    "random sampler, generator of its own": lambda seed: {"sampler": RandomSampler(range(N), generator=generator(3))},
    "batch_sampler": lambda seed: {"batch_sampler": [[4, 5], [1], [9, 8, 7], [0, 2, 3], [6]]},
    "random batch_sampler": lambda seed: {"batch_sampler": BatchSampler(RandomSampler(range(N)), BATCH, False)},
    "DistributedSampler": lambda seed: {"sampler": DistributedSampler(range(N), num_replicas=2, rank=0)},  # type: ignore[arg-type]
    "DistributedSampler, drop_last": lambda seed: {
        "sampler": DistributedSampler(range(N - 1), num_replicas=2, rank=1, drop_last=True)  # type: ignore[arg-type]
    },
}


PLACES = {**BREAKS, "after the last batch of the second epoch": Break(1, None)}


class After(NamedTuple):
    """What a resumed loader does."""

    batches: int
    continues: bool  # they are the batches that the run without a break has
    next_epoch: bool  # and so are those of the epoch after


def make(cls: Any, case: str, dataset: Any, workers: int, seed: int) -> Any:
    torch.manual_seed(seed)
    options = CASES[case](seed)
    if "batch_sampler" not in options:
        options["batch_size"] = BATCH
    return cls(dataset, num_workers=workers, **options)


def epoch(loader: Any, number: int) -> list[list[int]]:
    return labels(begin(loader, number))


def begin(loader: Any, number: int) -> Any:
    """Begins an epoch as a training script does."""
    if isinstance(loader.sampler, DistributedSampler):
        loader.sampler.set_epoch(number)
    return iter(loader)


def after(cls: Any, case: str, dataset: Any, workers: int, at: Break) -> After:
    """Leaves a run, saves where it is together with the global random state, and goes on in a new loader."""
    whole_loader = make(cls, case, dataset, workers, seed=3)
    whole = [epoch(whole_loader, number) for number in range(at.epochs + 3)]

    left = make(cls, case, dataset, workers, seed=3)
    for number in range(at.epochs):
        epoch(left, number)
    count = len(whole[at.epochs]) if at.batches is None else at.batches
    if at.begun:
        iterator = begin(left, at.epochs)
        assert labels(next(iterator) for _ in range(count)) == whole[at.epochs][:count]
        if at.over:
            assert next(iterator, None) is None
    state, random = pickle.dumps(left.state_dict()), torch.get_rng_state()

    resumed = make(cls, case, dataset, workers, seed=99)
    resumed.load_state_dict(pickle.loads(state))
    torch.set_rng_state(random)
    now = at.epochs + at.over
    first, second = epoch(resumed, now), epoch(resumed, now + 1)
    return After(len(first), first == whole[now][0 if at.over else count :], second == whole[now + 1])


def rewound(at: Break) -> tuple[bool, bool]:
    """A random sampler with a generator that no loader knows begins where the user seeded it: at the first epoch."""
    return not at.over and (at.epochs == 0 or at.batches is None), not at.over and at.epochs == 0


def exact(at: Break) -> tuple[bool, bool]:
    return True, True


def base_seed_missing(at: Break) -> tuple[bool, bool]:
    """Without workers, torchdata saves the generator as it was after the base seed, and sets it back to that.

    A resumed loader has drawn a base seed of its own before, and the order of the epoch is then right; but the next
    epoch's base seed is drawn elsewhere in the sequence. At an epoch's end the old state is set and then a new
    epoch begun at once, so even that epoch has another order than without the break.
    """
    return not at.over, False


def order_missing(at: Break) -> tuple[bool, bool]:
    """torch's RandomSampler has no state, and torchdata passes over the first samples of whatever order it now has.

    So some samples come twice in the epoch, and some never.
    """
    return at.batches is None and not at.over, False


THEIRS = {
    "generator": base_seed_missing,
    "generator, drop_last": base_seed_missing,
    "random sampler": order_missing,
    "random sampler, one generator": order_missing,
    "random sampler, generator of its own": rewound,
    "random batch_sampler": order_missing,
}


@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("case", CASES)
def test_what_comes_after_a_break(case: str, at: str) -> None:
    """As many batches as torchdata's loader has, and those that the run without a break would have had."""
    place = PLACES[at]
    ours = after(DataLoader, case, native(), 0, place)
    assert ours[1:] == exact(place)
    assert after(DataLoader, case, native(), 2, place) == ours
    assert after(DataLoader, case, python(), 0, place) == ours
    theirs = after(StatefulDataLoader, case, native(), 0, place)
    assert theirs.batches == ours.batches
    assert theirs[1:] == THEIRS.get(case, exact)(place)


@pytest.mark.parametrize("at", ["in mid-epoch", "after the last batch", "at the epoch's end"])
@pytest.mark.parametrize("case", ["plain", "generator", "batch_sampler", "DistributedSampler"])
def test_worker_processes(case: str, at: str) -> None:
    """A few cases only: torch's processes are slow to start."""
    ours = after(DataLoader, case, python(), 2, PLACES[at])
    assert ours[1:] == (True, True)
    assert after(StatefulDataLoader, case, python(), 2, PLACES[at]) == ours


@pytest.mark.parametrize("case", ["plain", "plain, drop_last", "sampler", "batch_sampler", "DistributedSampler"])
def test_the_same_order_as_theirs(case: str) -> None:
    """Where the order is not random, whole epochs are the same, batch for batch."""
    loader = make(DataLoader, case, native(), 0, seed=3)
    assert explain(loader).startswith("native")
    theirs = make(StatefulDataLoader, case, native(), 0, seed=3)
    assert [epoch(loader, number) for number in range(3)] == [epoch(theirs, number) for number in range(3)]
