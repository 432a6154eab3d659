"""Where an epoch is: a loader that is resumed goes on as if nothing had happened."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import RandomSampler, TensorDataset

from equality import equal
from pictures import in_memory, pixels
from torchfeed import DataLoader
from torchfeed import transforms as T

N = 14
TRANSFORM = T.Compose([T.RandomCrop(8, padding=2), T.RandomHorizontalFlip(), T.ToTensor()])


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def native(**options: Any) -> DataLoader[Any]:
    return DataLoader(in_memory([pixels(9, 9, seed=i) for i in range(N)], TRANSFORM), **options)


def python(**options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.arange(N)), **options)


def oversampled(**options: Any) -> DataLoader[Any]:
    """Indices come up again and again, so a resumed epoch must know how often each was seen."""
    del options["shuffle"]
    options["sampler"] = RandomSampler(range(5), replacement=True, num_samples=N, generator=options["generator"])
    return native(**options)


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batches", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("make", [native, python, oversampled])
def test_resuming_in_mid_epoch(make: Callable[..., DataLoader[Any]], batches: int, workers: int) -> None:
    if make is python and workers and batches != 3:
        workers = 1  # torch's processes are slow to start

    def loader(seed: int) -> DataLoader[Any]:
        return make(batch_size=3, shuffle=True, generator=generator(seed), num_workers=workers)

    whole = loader(3)
    expected = [list(whole) for _ in range(3)]

    cut = loader(3)
    list(cut)
    iterator = iter(cut)
    for _ in range(batches):
        next(iterator)
    state = through_a_file(cut.state_dict())

    resumed = loader(99)
    resumed.load_state_dict(state)
    equal(list(resumed), expected[1][batches:])
    equal(list(resumed), expected[2])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("make", [native, python])
def test_resuming_between_epochs(make: Callable[..., DataLoader[Any]], workers: int) -> None:
    whole = make(batch_size=3, shuffle=True, generator=generator(), num_workers=workers)
    state = through_a_file(whole.state_dict())
    first = list(whole)
    between = through_a_file(whole.state_dict())
    second = list(whole)
    for saved, expected in ((state, first), (between, second)):
        resumed = make(batch_size=3, shuffle=True, generator=generator(99), num_workers=workers)
        resumed.load_state_dict(saved)
        equal(list(resumed), expected)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("make", [native, python])
def test_resuming_with_the_global_generator(make: Callable[..., DataLoader[Any]], workers: int) -> None:
    """The global state is the caller's to restore; the loader borrows it for the order only."""
    torch.manual_seed(5)
    whole = make(batch_size=3, shuffle=True, num_workers=workers)
    iterator = iter(whole)
    next(iterator)
    state = through_a_file(whole.state_dict())
    later = torch.get_rng_state()
    expected = list(iterator)
    following = list(whole)

    torch.manual_seed(1234)
    resumed = make(batch_size=3, shuffle=True, num_workers=workers)
    resumed.load_state_dict(state)
    torch.set_rng_state(later)
    equal(list(resumed), expected)
    equal(list(resumed), following)


def test_a_loaded_state_is_the_state() -> None:
    loader = native(batch_size=3, shuffle=True, generator=generator())
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    other = native(batch_size=3, shuffle=True, generator=generator(9))
    other.load_state_dict(state)
    equal(other.state_dict(), state)
    drawn = [loader.drawn(i) for i in range(N)]
    iter(other)
    assert [other.drawn(i) for i in range(N)] == drawn
    assert other.seed == loader.seed


def test_a_state_does_not_change_afterwards() -> None:
    loader = native(batch_size=3, shuffle=True, generator=generator())
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    kept = through_a_file(state)
    list(iterator)
    list(loader)
    equal(state, kept)


@pytest.mark.parametrize("workers", [1, 2])
def test_resuming_with_another_cut(workers: int) -> None:
    """Workers and prefetching are no part of the state."""
    whole = native(batch_size=3, shuffle=True, generator=generator())
    iterator = iter(whole)
    next(iterator)
    state = whole.state_dict()
    resumed = native(batch_size=3, shuffle=True, generator=generator(9), num_workers=workers, prefetch_factor=3)
    resumed.load_state_dict(state)
    equal(list(resumed), list(iterator))


def test_two_iterators_have_two_positions() -> None:
    """The state is that of the latest; an older one that goes on does not disturb it."""
    loader = native(batch_size=3, shuffle=True, generator=generator())
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    next(new)
    list(old)
    state = loader.state_dict()
    resumed = native(batch_size=3, shuffle=True, generator=generator(9))
    resumed.load_state_dict(state)
    equal(list(resumed), list(new))


def test_drawn_before_the_first_epoch() -> None:
    loader = native(batch_size=3)
    assert loader.seed is None
    with pytest.raises(RuntimeError, match="before the first"):
        loader.drawn(0)
    iter(loader)
    with pytest.raises(IndexError):
        loader.drawn(N)
