"""Several Python threads at once: what each makes has the bits that it makes alone, with the GIL and without it."""

from __future__ import annotations

import gc
import random
import threading
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from oracle import theirs
from pictures import encode, picture
from threads import THREADS, at_once
from torchfeed import DataLoader, datasets, to_device
from torchfeed import transforms as T
from torchfeed.decode import pillow as decode

N = 24
pytestmark = pytest.mark.usefixtures("_hasty")


class Noise:
    """A transform that runs in Python and draws from all of the generators."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        drawn = torch.rand(3), np.random.random(), random.random()  # noqa: NPY002
        return image + drawn[0][:, None, None] + drawn[1] + drawn[2]


CROP = [T.RandomResizedCrop(16), T.RandomHorizontalFlip(), T.ToTensor()]
TRANSFORMS = {
    "one size": CROP,
    "many sizes": [T.RandomHorizontalFlip(), T.ToTensor()],
    "PIL images": [T.RandomCrop(16, pad_if_needed=True)],
    "in part": [*CROP, Noise()],
}


def folder(photos: Path, transform: Any) -> Any:
    """The folder, with targets that tell the samples apart."""
    dataset = datasets.ImageFolder(photos, theirs.Compose(transform))
    dataset.targets[:] = range(len(dataset))
    return dataset


def bits(value: Any) -> Any:
    """A batch or a sample, as something that can be compared and counted."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, (list, tuple)):
        return tuple(map(bits, value))
    return value.tobytes() if hasattr(value, "tobytes") else value


# Samples by index


@pytest.mark.parametrize("name", TRANSFORMS)
def test_one_dataset_in_many_threads(name: str, photos: Path) -> None:
    dataset = folder(photos, TRANSFORMS[name])
    dataset.seed = 5
    expected = [bits(dataset[index]) for index in range(len(dataset))]
    fresh = folder(photos, TRANSFORMS[name])  # nothing is made yet that threads could share
    fresh.seed = 5

    def work(number: int) -> None:
        order = random.Random(number).sample(range(len(fresh)), len(fresh))
        for index in order:
            assert bits(fresh[index]) == expected[index], index
        several = fresh.__getitems__(order)
        assert [bits(sample) for sample in several] == [expected[index] for index in order]

    at_once(work)


def test_a_seed_that_changes_under_threads(photos: Path) -> None:
    """Each sample is that of one seed or another, and never one of another thread's."""
    dataset = folder(photos, CROP)
    allowed = []
    for index in range(len(dataset)):
        made = []
        for dataset.seed in (1, 2):
            made.append(bits(dataset[index]))
        allowed.append(made)

    def work(number: int) -> None:
        for index in range(len(dataset)):
            dataset.seed = 1 + (number + index) % 2
            assert bits(dataset[index]) in allowed[index]

    at_once(work)


def test_images_and_draws_in_many_threads(photos: Path) -> None:
    dataset = folder(photos, CROP)
    expected = [(bits(dataset.image(i)), dataset.draw(i, seed=3)) for i in range(len(dataset))]
    fresh = folder(photos, CROP)

    def work(_: int) -> None:
        assert [(bits(fresh.image(i)), fresh.draw(i, seed=3)) for i in range(len(fresh))] == expected

    at_once(work)


# Loaders


def loader(kind: str, photos: Path, workers: int = 0, dataset: Any = None, **options: Any) -> Any:
    """A loader of each kind that makes batches in this process."""
    if dataset is None:
        dataset = dataset_of(kind, photos)
    native: Any = "off" if kind == "torch's own" else "auto"
    made: Any = DataLoader(dataset, 4, num_workers=workers, native=native, **options)
    return to_device(made, "cpu", ahead=2) if kind == "on a device" else made


def dataset_of(kind: str, photos: Path) -> Any:
    if kind == "gathered":
        return TensorDataset(torch.arange(N * 5.0).view(N, 5), torch.arange(N))
    if kind == "torch's own":
        return folder(photos, [theirs.Resize((16, 16)), theirs.ToTensor()])
    return folder(photos, [*CROP, Noise()] if kind == "in part" else CROP)


KINDS = [
    ("native", 0),
    ("native", 2),
    ("gathered", 0),
    ("gathered", 2),
    ("in part", 0),
    ("torch's own", 0),
    ("on a device", 2),
]


def epoch(batches: Any) -> list[Any]:
    return [bits(batch) for batch in batches]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("kind", "workers"), KINDS)
def test_loaders_of_their_own_over_one_dataset(kind: str, workers: int, photos: Path) -> None:
    dataset = loader(kind, photos).dataset

    def work(number: int) -> list[Any]:
        mine = loader(kind, photos, workers, dataset=dataset, shuffle=True, generator=generator(number))
        return [epoch(mine) for _ in range(2)]

    expected = [work(number) for number in range(THREADS)]
    assert at_once(work) == expected
    assert len({str(found) for found in expected}) == THREADS


@pytest.mark.parametrize(("kind", "workers"), KINDS)
def test_one_loader_in_many_threads(kind: str, workers: int, photos: Path) -> None:
    """Each pass is one that the loader makes alone, and each comes once: the seeds are drawn one after the other."""
    expected = Counter(str(epoch(one)) for one in [loader(kind, photos, workers, generator=generator(3))] * THREADS * 3)
    shared = loader(kind, photos, workers, generator=generator(3))
    found = at_once(lambda _: [str(epoch(shared)) for _ in range(3)])
    assert Counter(one for several in found for one in several) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_iterators_of_one_loader_have_positions_of_their_own(workers: int, photos: Path) -> None:
    shared = loader("native", photos, workers, shuffle=True, generator=generator(3))
    alone = folder(photos, CROP)

    def work(_: int) -> Any:
        iterator = iter(shared)
        found = [
            (int(target), bits(image))
            for images, targets in iterator
            for image, target in zip(images, targets, strict=True)
        ]
        position = iterator.cursor
        assert position.over
        assert position.batches == len(shared)
        return position.seed, found

    results = at_once(work)
    assert len({seed for seed, _ in results}) == THREADS
    for alone.seed, found in results:
        assert sorted(target for target, _ in found) == list(range(len(alone)))
        assert all(image == bits(alone[target][0]) for target, image in found)


@pytest.mark.parametrize(("kind", "workers"), KINDS)
def test_one_iterator_in_many_threads(kind: str, workers: int, photos: Path) -> None:
    """Threads that share an iterator take turns: each gets whole batches, and nobody the same."""
    expected = Counter(epoch(loader(kind, photos, workers, generator=generator(3))))
    for _ in range(5):
        iterator = iter(loader(kind, photos, workers, generator=generator(3)))
        found = at_once(lambda _: epoch(iterator))  # noqa: B023
        assert Counter(one for several in found for one in several) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_samples_are_counted_in_all_threads(workers: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(N):
        data = b"none" if number % 4 == 0 else encode(picture(20, 20, seed=number), "JPEG")
        (tmp_path / "a" / f"{number:02d}.jpg").write_bytes(data)
    dataset = datasets.ImageFolder(tmp_path, theirs.Compose(CROP))
    shared = DataLoader(dataset, 4, num_workers=workers, on_error="skip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        at_once(lambda _: [list(shared) for _ in range(3)])
    assert shared.errors.epoch == 3 * THREADS - 1
    assert shared.errors.total == 3 * THREADS * N // 4
    assert sorted(sample.index for sample in shared.errors) == list(range(0, N, 4))
    assert {sample.count for sample in shared.errors} == {3 * THREADS}


# The process's state


def test_the_random_state_is_given_back(photos: Path) -> None:
    """Threads that finish samples in Python borrow the generators; the loop's own draws go on as if they had not."""
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    loaders = [loader("in part", photos, generator=generator(number)) for number in range(THREADS)]
    at_once(lambda number: list(loaders[number]))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # type: ignore[index]  # noqa: NPY002
    assert random.getstate() == states[2]


def test_warnings_are_filtered_as_before(photos: Path) -> None:
    before = list(warnings.filters)
    at_once(lambda _: [folder(photos, CROP).leaf() for _ in range(20)])
    assert list(warnings.filters) == before


def test_an_iterator_that_its_own_thread_collects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Garbage is collected in whatever thread runs Python code: also in one that Pillow is called from."""
    (tmp_path / "a").mkdir()
    for number in range(8):
        (tmp_path / "a" / f"{number}.jpg").write_bytes(encode(picture(20, 20, seed=number), "WEBP"))
    dropped, collected, decoded = threading.Event(), threading.Event(), decode.PillowDecoder.decode

    def collect(decoder: Any, data: bytes) -> Any:
        dropped.wait()
        gc.collect()
        collected.set()
        return decoded(decoder, data)

    monkeypatch.setattr(decode.PillowDecoder, "decode", collect)
    dataset = datasets.ImageFolder(tmp_path, T.PILToTensor())
    gc.disable()
    try:
        cycle: list[Any] = [iter(DataLoader(dataset, 4, num_workers=2))]
        cycle.append(cycle)
        del cycle
        dropped.set()
        assert collected.wait(60)
    finally:
        gc.enable()
    assert len(list(DataLoader(dataset, 4, num_workers=2))) == 2
    assert capfd.readouterr().err == ""


def test_threads_begin_epochs_on_the_way_to_a_device() -> None:
    """Each has its own, and none waits for another for ever."""
    shared = DataLoader(TensorDataset(torch.arange(8.0)), 4, device="cpu")
    found = at_once(lambda _: {type(iter(shared)).__name__ for _ in range(300)})
    assert found == [{"Ahead"}] * THREADS
