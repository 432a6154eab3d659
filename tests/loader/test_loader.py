"""The loader: torch's order, torch's random state, and the same batches however the work is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from oracle import by_class, check, same, theirs, twin
from pictures import encode, in_memory, pixels, rgb
from torchfeed import DataLoader, datasets, explain
from torchfeed import transforms as T

N = 23
WORKERS = [0, 1, 2, 5]
TRAIN = T.Compose([T.RandomCrop(16, padding=4), T.RandomHorizontalFlip(), T.ToTensor()])

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores


def numbers(n: int = N, transform: Any = TRAIN) -> Any:
    """A dataset whose targets are its indices."""
    return in_memory([pixels(20, 20, seed=i) for i in range(n)], transform)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def both_loaders() -> list[tuple[Any, Any]]:
    """torch's with a list of indices, and ours with a dataset whose targets are those."""
    return [(TorchDataLoader, list(range(N))), (DataLoader, numbers())]


def epochs(loader: Iterable[Any], count: int = 1) -> list[list[Any]]:
    return [list(loader) for _ in range(count)]


def order(loader: Iterable[Any], count: int = 3) -> list[list[list[int]]]:
    """The indices of each batch of each epoch."""
    return [[(b[1] if isinstance(b, list) else b).tolist() for b in epoch] for epoch in epochs(loader, count)]


def assert_same_batches(left: Iterable[Any], right: Iterable[Any]) -> None:
    for one, other in zip(left, right, strict=True):
        assert type(one) is type(other) is list
        for tensor, expected in zip(one, other, strict=True):
            same(tensor, expected)


# The same bits as torchvision


PIPELINES: dict[str, Callable[[Any], list[Any]]] = {
    "train": lambda t: [t.RandomResizedCrop(22), t.RandomHorizontalFlip()],
    "val": lambda t: [t.Resize(26), t.CenterCrop(22)],
    "cifar": lambda t: [t.RandomCrop(24, padding=4, pad_if_needed=True), t.RandomHorizontalFlip()],
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", PIPELINES)
def test_batches_have_torchvision_s_bits(name: str, workers: int, photos: Path) -> None:
    normalize = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    ours, oracle = twin(lambda t: t.Compose([*PIPELINES[name](t), t.ToTensor(), t.Normalize(*normalize)]))
    reference = their_datasets.ImageFolder(photos)
    # A dataset of ours, and one of torchvision with torchvision's transforms.
    for dataset in (datasets.ImageFolder(photos, ours), their_datasets.ImageFolder(photos, oracle)):
        loader = DataLoader(dataset, batch_size=8, num_workers=workers)
        assert explain(loader).startswith("native")
        images, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
        assert targets.tolist() == reference.targets
        assert loader.seed is not None
        twins = datasets.ImageFolder(photos, ours)
        for index, (path, _) in enumerate(reference.samples):
            assert loader.drawn(index) == twins.draw(index, seed=loader.seed)
            same(images[index], check(twins, index, rgb(Path(path).read_bytes()), oracle, loader.seed))


# The same order as torch


ORDERS: dict[str, Callable[[torch.Generator], dict[str, Any]]] = {
    "sequential": lambda g: {"batch_size": 4},
    "default": lambda g: {},
    "drop_last": lambda g: {"batch_size": 4, "drop_last": True},
    "shuffle": lambda g: {"batch_size": 4, "shuffle": True},
    "shuffle and drop_last": lambda g: {"batch_size": 5, "shuffle": True, "drop_last": True},
    "larger than the dataset": lambda g: {"batch_size": 100, "shuffle": True},
    "nothing left": lambda g: {"batch_size": 100, "drop_last": True},
    "sampler": lambda g: {"batch_size": 4, "sampler": RandomSampler(range(N), generator=g)},
    "replacement": lambda g: {"batch_size": 4, "sampler": RandomSampler(range(N), True, 50, generator=g)},
    "weights": lambda g: {"batch_size": 4, "sampler": WeightedRandomSampler(range(N), 40, generator=g)},
    "subset sampler": lambda g: {"batch_size": 4, "sampler": SubsetRandomSampler(range(3, 9), generator=g)},
    "list as sampler": lambda g: {"batch_size": 4, "sampler": [3, 1, 1, 22, 0]},
    "negative indices": lambda g: {"batch_size": 2, "sampler": [-N, 3, 4]},
    "batch sampler": lambda g: {"batch_sampler": BatchSampler(RandomSampler(range(N), generator=g), 4, True)},
    "batches as lists": lambda g: {"batch_sampler": [[3, 1], [1], [22, 0, 0]]},
    "numpy indices": lambda g: {"batch_sampler": [np.array([3, 1]), np.array([7])]},
    "tensor indices": lambda g: {"batch_sampler": [torch.tensor([3, 1]), torch.tensor([7])]},
}


# torch's processes are slow to start, and its order does not depend on them; it is enough to see that in some.
WITH_PROCESSES = {"shuffle", "weights", "batch sampler", "larger than the dataset"}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("own", [True, False], ids=["generator", "global"])
@pytest.mark.parametrize("name", ORDERS)
def test_order_and_random_state_are_torch_s(name: str, own: bool, workers: int) -> None:
    """Over several epochs: the order, the epoch's seed, and where the generators end."""
    results = []
    for cls, dataset in both_loaders():
        torch.manual_seed(5)
        mine = generator() if own else None
        arguments = ORDERS[name](mine)  # type: ignore[arg-type]  # None is torch's default
        processes = 0 if cls is TorchDataLoader and name not in WITH_PROCESSES else workers
        loader: Any = cls(dataset, generator=mine, num_workers=processes, **arguments)
        found, seeds = [], []
        for _ in range(2):
            iterator = iter(loader)
            seeds.append(loader.seed if cls is DataLoader else iterator._base_seed)
            found += [(batch[1] if isinstance(batch, list) else batch).tolist() for batch in iterator]
            found.append(len(loader))
        state = None if mine is None else mine.get_state().tolist()
        results.append((found, seeds, state, torch.get_rng_state().tolist()))
    expected, got = results
    assert got[0] == expected[0]
    assert got[1] == expected[1]
    assert got[2:] == expected[2:]


@pytest.mark.parametrize("workers", [1, 2])
def test_order_with_persistent_workers_is_torch_s(workers: int) -> None:
    results = []
    for cls, dataset in both_loaders():
        mine = generator()
        loader: Any = cls(dataset, 4, shuffle=True, num_workers=workers, persistent_workers=True, generator=mine)
        results.append((order(loader), mine.get_state().tolist()))
    assert results[0] == results[1]


def test_abandoned_epochs_leave_torch_s_state() -> None:
    states = []
    for cls, dataset in both_loaders():
        mine = generator()
        loader: Any = cls(dataset, 4, shuffle=True, generator=mine)
        for _ in range(3):
            next(iter(loader))
        states.append((mine.get_state().tolist(), order(loader, 1)))
    assert states[0] == states[1]


# The same result for any cut


def test_any_cut() -> None:
    (expected,) = DataLoader(numbers(), batch_size=N, shuffle=True, generator=generator())
    for workers in WORKERS:
        for batch_size in (1, 4, N):
            for prefetch in [None] if workers == 0 else [1, 2, 7]:
                loader = DataLoader(
                    numbers(),
                    batch_size,
                    shuffle=True,
                    generator=generator(),
                    num_workers=workers,
                    prefetch_factor=prefetch,
                )
                parts = list(loader)
                for position in (0, 1):
                    same(torch.cat([part[position] for part in parts]), expected[position])


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_one_at_a_time(workers: int) -> None:
    dataset = numbers()
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=workers)
    for images, indices in loader:
        dataset.seed = loader.seed
        for image, index in zip(images, indices.tolist(), strict=True):
            same(image, dataset[index][0])
            same(image, dataset[index - N][0])
        for image, (other, _) in zip(images, dataset.__getitems__(indices.tolist()), strict=True):
            same(image, other)
        dataset.seed = None


def test_a_subset_draws_as_its_dataset() -> None:
    dataset = numbers()
    whole = DataLoader(dataset, batch_size=N, generator=generator())
    ((images, _),) = whole
    chosen = [5, 3, 3, 22, 0]
    for subset in (Subset(dataset, chosen), Subset(Subset(dataset, [0, 3, 5, 22]), [2, 1, 1, 3, 0])):
        loader = DataLoader(subset, batch_size=2, generator=generator(), num_workers=2)
        assert explain(loader).startswith("native")
        parts, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
        assert targets.tolist() == chosen
        for position in (0, 1, 3, 4):
            same(parts[position], images[chosen[position]])
            assert loader.drawn(position) == whole.drawn(chosen[position])
        assert not torch.equal(parts[1], parts[2])  # the second 3 is a fresh draw
        same(parts[2], draw_again(dataset, 3, loader.seed, 1))


def draw_again(dataset: Any, index: int, seed: int | None, occurrence: int) -> torch.Tensor:
    """What torchvision makes of sample `index` when it comes up for the second time, third time, ... ."""
    drawn = dataset.draw(index, seed=seed, occurrence=occurrence)
    oracle = theirs.Compose([theirs.RandomCrop(16, padding=4), theirs.RandomHorizontalFlip(), theirs.ToTensor()])
    made: torch.Tensor = by_class(oracle, dataset.image(index), drawn)
    return made


@pytest.mark.parametrize("workers", WORKERS)
def test_repeated_indices_get_fresh_draws(workers: int) -> None:
    dataset = numbers()
    batches = [[2, 2, 7], [2, 7, 2], [1]]
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=workers)
    seen: dict[int, int] = {}
    for images, indices in loader:
        for image, index in zip(images, indices.tolist(), strict=True):
            occurrence = seen.get(index, 0)
            same(image, draw_again(dataset, index, loader.seed, occurrence))
            assert loader.drawn(index, occurrence) == dataset.draw(index, seed=loader.seed, occurrence=occurrence)
            seen[index] = occurrence + 1
    assert seen == {2: 4, 7: 2, 1: 1}


@pytest.mark.parametrize("workers", [0, 2])
def test_repeated_indices_in_one_call(workers: int) -> None:
    dataset = numbers()
    dataset.seed = 3
    images = [image for image, _ in dataset.__getitems__([4, 4])]
    same(images[0], draw_again(dataset, 4, 3, 0))
    same(images[1], draw_again(dataset, 4, 3, 1))


@pytest.mark.parametrize("workers", [0, 2])
def test_every_epoch_is_another_and_comes_again_with_its_seed(workers: int) -> None:
    def run() -> list[list[Any]]:
        return epochs(DataLoader(numbers(), 4, generator=generator(), num_workers=workers), 3)

    first, again = run(), run()
    for left, right in zip(first, again, strict=True):
        assert_same_batches(left, right)
    for number, epoch in enumerate(first):
        for other in first[:number]:
            assert not any(torch.equal(a[0], b[0]) for a, b in zip(epoch, other, strict=True))


def test_two_epochs_at_once() -> None:
    loader = DataLoader(numbers(), 4, num_workers=2, generator=generator())
    expected = epochs(DataLoader(numbers(), 4, generator=generator()), 2)
    first, second = iter(loader), iter(loader)
    for left, right in zip(zip(first, second, strict=True), zip(*expected, strict=True), strict=True):
        assert_same_batches(left, right)


def test_held_batches_are_never_overwritten() -> None:
    held = []
    loader = DataLoader(numbers(60), 3, num_workers=2)
    for number, (images, _) in enumerate([*loader, *loader, *loader]):
        if number % 3 == 0:
            held.append((images[1:].permute(0, 2, 3, 1), images.sum().item(), images.clone()))
    assert len(held) == 20
    for view, total, copy in held:
        assert copy.sum().item() == total
        same(view, copy[1:].permute(0, 2, 3, 1))


def test_transforms_can_be_changed_between_epochs() -> None:
    dataset = numbers()
    loader = DataLoader(dataset, N)
    assert next(iter(loader))[0].shape == (N, 3, 16, 16)
    dataset.transform = T.Compose([T.Resize(5), T.PILToTensor()])
    images, _ = next(iter(loader))
    assert (images.shape, images.dtype) == ((N, 3, 5, 5), torch.uint8)
    same(images[2], theirs.PILToTensor()(theirs.Resize(5)(dataset.image(2))))


def test_the_iterator_is_one() -> None:
    iterator: Any = iter(DataLoader(numbers(), 4, sampler=SequentialSampler(range(N))))
    assert iter(iterator) is iterator
    assert len(iterator) == 6
    assert len(list(iterator)) == 6
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(iterator)


class Shuffled(torch.utils.data.Sampler[Any]):
    """A sampler as people write it: the order is drawn when it is asked for an iterator."""

    def __init__(self, batches: bool) -> None:
        self.batches = batches

    def __iter__(self) -> Any:
        order = torch.randperm(N).tolist()
        return iter([order[i : i + 4] for i in range(0, N, 4)] if self.batches else order)

    def __len__(self) -> int:
        return 6 if self.batches else N


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batches", [False, True])
def test_samplers_that_draw_when_asked(batches: bool, workers: int, persistent: bool) -> None:
    """torch asks such a sampler once, or with workers twice; only so does the order come out the same."""
    if persistent and not workers:
        return
    options: dict[str, Any] = {"num_workers": workers, "persistent_workers": persistent}
    options |= {"batch_sampler": Shuffled(True)} if batches else {"sampler": Shuffled(False), "batch_size": None}
    orders, states = [], []
    for cls, dataset in both_loaders():
        torch.manual_seed(1)
        loader = cls(dataset, **options)
        orders.append([[b[1] if isinstance(b, list) else b for b in epoch] for epoch in epochs(loader, 3)])
        states.append(torch.get_rng_state())
    for ours, torchs in zip(orders[1], orders[0], strict=True):
        assert [torch.as_tensor(b).tolist() for b in ours] == [torch.as_tensor(b).tolist() for b in torchs]
    assert torch.equal(*states)


@pytest.mark.parametrize("workers", [2, 5])
def test_batches_as_they_are_finished(workers: int) -> None:
    """With ``in_order=False`` a large image does not hold the others up; each batch is still what it was."""
    large = encode(Image.new("RGB", (5000, 5000)), "JPEG")
    slow, fast = datasets.ImageList([large], transform=T.Compose([T.Resize((16, 16)), T.ToTensor()])), numbers()
    dataset: Any = torch.utils.data.ConcatDataset([slow, fast])
    expected = list(DataLoader(dataset, generator=generator()))
    loader = DataLoader(dataset, num_workers=workers, in_order=False, prefetch_factor=3, generator=generator())
    assert explain(loader).startswith("native, ")
    made = list(loader)
    assert not torch.equal(made[0][0], expected[0][0])  # the slow one
    assert_same_batches(sorted(made, key=bits), sorted(expected, key=bits))


def bits(batch: Any) -> bytes:
    return bytes(batch[0].numpy().tobytes())


def test_an_error_among_batches_that_come_as_they_are_finished() -> None:
    loader = DataLoader(numbers(), 2, sampler=[0, 1, N, 2, 3, 4], num_workers=2, in_order=False)
    batches = iter(loader)
    found: list[int] = []
    with pytest.raises(IndexError):  # noqa: PT012  (whichever of them it is)
        while True:
            found += next(batches)[1].tolist()
    for _, targets in batches:
        found += targets.tolist()
    assert sorted(found) == [0, 1, 3, 4]
