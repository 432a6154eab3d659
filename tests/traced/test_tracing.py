"""What tracing refuses, what it leaves as it was, and how it goes with the rest of the loader."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Dataset, default_collate, get_worker_info

from equality import equal
from oracle import theirs
from torchfeed import DataLoader, explain, to_device
from torchfeed.traced.unopened import Unopened

RESIZE = theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()])
CROP = theirs.Compose([theirs.RandomResizedCrop(8), theirs.ToTensor()])


class Tutorial(Dataset[Any]):
    def __init__(self, paths: Sequence[str], transform: Any = RESIZE) -> None:
        self.paths, self.transform = list(paths), transform

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Any:
        return Image.open(self.paths[index]).convert("RGB")

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.image(index)), index


@pytest.fixture
def paths(photos: Path) -> list[str]:
    return sorted(str(path) for path in photos.glob("*/*"))


# Refused


class Seeds(Tutorial):
    def __getitem__(self, index: int) -> Any:
        torch.manual_seed(index)
        return super().__getitem__(index)


class SeedsElsewhere(Tutorial):
    def image(self, index: int) -> Any:
        seed_by(index)
        return super().image(index)


def seed_by(index: int) -> None:
    torch.default_generator.manual_seed(index)


class AsksForWorker(Tutorial):
    def __getitem__(self, index: int) -> Any:
        return *super().__getitem__(index), 0 if get_worker_info() is None else 1


class SetsAttributes(Tutorial):
    def __getitem__(self, index: int) -> Any:
        self.last = index
        return super().__getitem__(index)


class TwoFiles(Tutorial):
    def __getitem__(self, index: int) -> Any:
        return self.transform(self.image(index)), self.transform(self.image((index + 1) % len(self)))


class Pixels(Tutorial):
    def __getitem__(self, index: int) -> Any:
        return torch.from_numpy(np.array(self.image(index).resize((8, 9)))), index


class Custom:
    def __call__(self, image: Any) -> Any:
        return image.point(lambda value: 255 - value)


class CustomStep(Tutorial):
    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(paths, theirs.Compose([theirs.Resize((9, 8)), Custom(), theirs.ToTensor()]))


class Raises(Tutorial):
    def __getitem__(self, index: int) -> Any:
        raise KeyError(index) from Exception(self.image(index))


REFUSED: list[tuple[Any, int, str]] = [
    (Seeds, 0, "Seeds uses manual_seed: File "),
    (SeedsElsewhere, 0, "SeedsElsewhere uses manual_seed: File "),
    (AsksForWorker, 2, "AsksForWorker asks for its worker process: File "),
    (SetsAttributes, 2, "SetsAttributes sets an attribute while it makes a sample"),
    (TwoFiles, 0, "TwoFiles[0] opens several images"),
    (Pixels, 0, "Pixels[0] needs its image before it calls a transform: File "),
    (CustomStep, 0, "Custom runs in Python"),
    (Raises, 0, "Raises[0]: it raises KeyError: 0"),
]


@pytest.mark.parametrize(("cls", "workers", "why"), REFUSED)
def test_what_is_not_traced(cls: Any, workers: int, why: str, paths: list[str]) -> None:
    text = explain(DataLoader(cls(paths), 4, num_workers=workers))
    assert text.startswith("torch's own path")
    assert f"; and it is not traced: {why}" in text or why in text
    if cls is Pixels:
        assert f'File "{__file__}", line {Pixels.__getitem__.__code__.co_firstlineno + 1}, in __getitem__' in text
    if cls is Raises:
        with pytest.raises(KeyError, match="0"):
            next(iter(DataLoader(cls(paths), 4)))
    elif not workers:
        equal(list(DataLoader(cls(paths), 4)), list(TorchDataLoader(cls(paths), 4)))


def _collate(samples: list[Any]) -> Any:
    return default_collate(samples)


@pytest.mark.parametrize(
    "options",
    [
        {"trace": False},
        {"native": "off"},
        {"collate_fn": _collate},
        {"batch_size": None},
        {"num_workers": 1, "worker_init_fn": print},
    ],
)
def test_options_that_are_not_traced(options: dict[str, Any], paths: list[str]) -> None:
    text = explain(DataLoader(Tutorial(paths), **options))
    assert text.startswith("torch's own path")
    assert "traced" not in text


def test_where_a_worker_is_none_attributes_may_be_set(paths: list[str]) -> None:
    loader = DataLoader(SetsAttributes(paths), 4)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(SetsAttributes(paths), 4)))


class SeedsByChance(Tutorial):
    """Seeds by a name that nobody knows."""

    def __getitem__(self, index: int) -> Any:
        if index == 3:
            vars(torch)["manual" + "_seed"](9)
        return self.transform(self.image(index)), torch.rand(())


def test_a_sample_that_seeds_is_made_in_python(paths: list[str]) -> None:
    loader = DataLoader(SeedsByChance(paths, CROP), 4)
    assert explain(loader).startswith("native, ")
    (images, numbers), *_ = loader
    torch.manual_seed(9)
    with Image.open(paths[3]) as image:
        assert torch.equal(images[3], CROP(image.convert("RGB")))
    assert torch.equal(numbers[3], torch.rand(()))
    assert "Python made 1 of 26 so far, the last because it seeds torch's generator" in explain(loader)


# As it was


def test_functions_are_put_back(paths: list[str]) -> None:
    before = Image.open, vars(theirs.Compose)["__call__"], vars(theirs.Resize)["forward"], torch.nn.Sequential.forward
    loader = DataLoader(Tutorial(paths), 4)
    next(iter(loader))
    explain(DataLoader(Raises(paths), 4))
    after = Image.open, vars(theirs.Compose)["__call__"], vars(theirs.Resize)["forward"], torch.nn.Sequential.forward
    assert all(one is other for one, other in zip(before, after, strict=True))


class LooksElsewhere(Tutorial):
    """Another thread opens images and calls transforms in the middle of a sample."""

    def __getitem__(self, index: int) -> Any:
        found: list[Any] = []

        def elsewhere() -> None:
            with Image.open(self.paths[index]) as image:
                found.append(not isinstance(image, Unopened))
                found.append(type(self.transform(image.convert("RGB"))) is torch.Tensor)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return self.transform(self.image(index)), all(found)


def test_other_threads_see_nothing(paths: list[str]) -> None:
    loader = DataLoader(LooksElsewhere(paths), 4)
    assert explain(loader).startswith("native, ")
    assert all(plain.all() for _, plain in loader)


def test_a_transform_that_changes(paths: list[str]) -> None:
    transform = theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()])
    dataset = Tutorial(paths, transform)
    loader = DataLoader(dataset, 4)
    assert next(iter(loader))[0].shape == (4, 3, 9, 8)
    transform.transforms[0].size = (5, 6)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(dataset, 4)))
    dataset.transform = CROP
    assert explain(loader).splitlines()[4].startswith("transform  RandomResizedCrop")
    dataset.transform = theirs.Compose([theirs.Resize((9, 8)), Custom(), theirs.ToTensor()])
    assert explain(loader).startswith("torch's own path")
    equal(list(loader), list(TorchDataLoader(dataset, 4)))


class Keeps(Tutorial):
    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(paths, CROP)
        self.kept: dict[int, Any] = {}

    def __getitem__(self, index: int) -> Any:
        if index not in self.kept:
            self.kept[index] = self.transform(self.image(index))
        return self.kept[index], index


def test_results_that_a_dataset_keeps(paths: list[str]) -> None:
    loader = DataLoader(Keeps(paths), 4)
    first = []
    for images, _ in loader:
        first.append(images.clone())
        images.zero_()
    for before, (images, _) in zip(first, loader, strict=True):
        assert torch.equal(before, images)


# With the rest of the loader


@pytest.mark.filterwarnings("ignore:epoch 0")
@pytest.mark.parametrize("workers", [0, 2])
def test_bad_samples(workers: int, paths: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    some = [*paths[:10], str(broken), *paths[10:14], "missing.jpg", *paths[14:]]
    assert explain(DataLoader(Tutorial(some), 4)).startswith("native, ")
    with pytest.raises(OSError, match="broken"):
        list(DataLoader(Tutorial(some), 4, num_workers=workers))
    skipping = DataLoader(Tutorial(some), 4, num_workers=workers, on_error="skip")
    assert torch.cat([index for _, index in skipping]).tolist() == [*range(10), *range(11, 15), *range(16, 28)]
    assert [bad.index for bad in skipping.errors] == [10, 15]
    replacing = DataLoader(Tutorial(some), 4, num_workers=workers, on_error="replace")
    batches = list(replacing)
    assert [len(index) for _, index in batches] == [4] * 7
    for images, indices in batches:
        for image, index in zip(images, indices.tolist(), strict=True):
            with Image.open(some[index]) as opened:
                assert torch.equal(image, RESIZE(opened.convert("RGB")))
    chosen = DataLoader(Tutorial(some), 4, num_workers=workers, on_error=lambda _: 2)
    assert torch.cat([index for _, index in chosen])[[10, 15]].tolist() == [2, 2]


class Draws(Tutorial):
    def __getitem__(self, index: int) -> Any:
        return self.transform(self.image(index)), torch.rand(()), index


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cls", [Tutorial, Draws])
def test_resumed(cls: Any, workers: int, paths: list[str]) -> None:
    def loader() -> DataLoader[Any]:
        return DataLoader(
            cls(paths, CROP), 4, shuffle=True, num_workers=workers, generator=torch.Generator().manual_seed(2)
        )

    whole = loader()
    expected = list(whole)
    begun = loader()
    iterator = iter(begun)
    equal([next(iterator) for _ in range(3)], expected[:3])
    state = begun.state_dict()
    resumed = loader()
    resumed.load_state_dict(state)
    equal(list(resumed), expected[3:])


def test_to_a_device(paths: list[str]) -> None:
    loader = DataLoader(Tutorial(paths), 4, num_workers=1)
    equal(list(to_device(loader, "cpu")), list(TorchDataLoader(Tutorial(paths), 4)))


def test_the_order_of_batches_may_be_any(paths: list[str]) -> None:
    loader = DataLoader(Tutorial(paths), 4, num_workers=2, in_order=False)
    assert sorted(torch.cat([index for _, index in loader]).tolist()) == list(range(len(paths)))


def test_shapes_that_differ(paths: list[str]) -> None:
    """torch's own error, as its own collate_fn raises it."""
    transform = theirs.Compose([theirs.Resize(9), theirs.ToTensor()])
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        next(iter(DataLoader(Tutorial(paths, transform), 8)))


class Gray(Tutorial):
    def image(self, index: int) -> Any:
        return Image.open(io.BytesIO(Path(self.paths[index]).read_bytes()))


def test_modes_as_they_are_stored(tmp_path: Path) -> None:
    for number in range(8):
        mode = "L" if number == 5 else "RGB"
        Image.new(mode, (20, 20), 9 * number).save(tmp_path / f"{number}.jpg")
    paths = sorted(map(str, tmp_path.iterdir()))
    loader, expected = DataLoader(Gray(paths), 4), TorchDataLoader(Gray(paths), 4)
    assert explain(loader).startswith("native, ")
    iterator, others = iter(loader), iter(expected)
    equal(next(iterator), next(others))
    with pytest.raises(RuntimeError, match="equal size"):
        next(others)
    with pytest.raises(RuntimeError, match="equal size"):
        next(iterator)


def test_no_descriptor_is_left_open(paths: list[str]) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        return
    loader = DataLoader(Tutorial(paths), 4)
    list(loader)
    before = len([*descriptors.iterdir()])
    for _ in range(20):
        list(loader)
    assert len([*descriptors.iterdir()]) == before
