"""What is done about samples that cannot be made: the same on every path and rank, for any number of workers."""

from __future__ import annotations

import itertools
import pickle
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, DistributedSampler, IterableDataset, Subset, SubsetRandomSampler

from pictures import chunk, encode, header, picture, rgb
from replay import F, functional, same, theirs, values
from torchfeed import DataLoader, DecodeError, datasets, report, to_device
from torchfeed import transforms as T
from torchfeed.on_error import TRIES, WINDOW, Windows

# Five processes may be more than there are cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

N = 64
JPEG, PNG = encode(picture(60, 60), "JPEG"), encode(picture(60, 60), "PNG")
MIDDLE = len(PNG) // 2
DAMAGES: list[bytes | None] = [
    None,  # the file is missing
    b"",
    b"no picture at all",
    b"\0" * 1000,
    JPEG[: len(JPEG) // 2],
    JPEG[:30],
    PNG[:MIDDLE] + bytes([PNG[MIDDLE] ^ 0xFF]) + PNG[MIDDLE + 1 :],
    PNG[:8] + header(60_000, 60_000, 8, 2) + chunk(b"IDAT", b""),
]
BAD = dict(zip([0, 3, 17, 18, 30, 41, 55, 63], DAMAGES, strict=True))
WORKERS = pytest.mark.parametrize("workers", [0, 2])


def write(root: Path, size: Callable[[int], tuple[int, int]] = lambda number: (24 + number % 7, 30)) -> Path:
    """An ImageFolder of 64 photos of one class, eight of them damaged, each in its own way."""
    (root / "a").mkdir()
    for number in range(N):
        data = BAD.get(number, encode(picture(*size(number), seed=number), "JPEG"))
        (root / "a" / f"{number:02d}.jpg").write_bytes(b"" if data is None else data)
    return root


def listed(root: Path, transform: Any, target_transform: Any = None) -> Any:
    """The folder as a dataset, after which the missing file is removed."""
    dataset = datasets.ImageFolder(root, transform, target_transform)
    (root / "a" / "00.jpg").unlink(missing_ok=True)
    # Labels tell the samples apart.
    dataset.targets[:] = range(N)
    return dataset


class Unchanged:
    """A step of the user's own."""

    def __call__(self, image: Any) -> Any:
        return image


class Own(Dataset[Any]):
    """What only torch makes."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with Image.open(self.paths[index]) as image:
            return F.to_tensor(F.center_crop(image.convert("RGB"), [16, 16])), index


GEOMETRY = (theirs.RandomCrop(16), theirs.RandomHorizontalFlip())


def make(kind: str, root: Path) -> Any:
    if kind == "torch":
        listed(write(root), None)
        return Own([str(root / "a" / f"{number:02d}.jpg") for number in range(N)])
    rest = (Unchanged(),) if kind == "in part" else ()
    return listed(write(root), theirs.Compose([*GEOMETRY, theirs.ToTensor(), *rest]))


KINDS = pytest.mark.parametrize("kind", ["native", "in part", "torch"])


def loader_of(dataset: Any, batch_size: int | None = 4, seed: int = 5, **options: Any) -> Any:
    return DataLoader(dataset, batch_size, generator=torch.Generator().manual_seed(seed), **options)


def run(loader: Any, least: int = 1) -> list[Any]:
    """An epoch, with no more than one warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batches = list(loader)
    said = [str(warning.message) for warning in caught if "loader.errors" in str(warning.message)]
    assert least <= len(said) <= 1, said
    return batches


def equal(some: list[Any], others: list[Any]) -> None:
    assert len(some) == len(others)
    for batch, other in zip(some, others, strict=True):
        same(batch[0], other[0])
        same(batch[1], other[1])


def choices(loader: Any) -> list[tuple[Any, Any]]:
    return [(sample.index, sample.substitute) for sample in loader.errors]


@KINDS
def test_ranks_are_of_equal_length_and_the_same_for_any_workers(kind: str, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    found: dict[int, list[tuple[Any, Any]]] = {}
    for rank in range(2):
        expected = None
        for workers in (0, 1, 2, 5):
            sampler: Any = DistributedSampler(dataset, num_replicas=2, rank=rank, seed=3)
            loader = loader_of(dataset, sampler=sampler, num_workers=workers, on_error="replace")
            batches = run(loader)
            assert [len(images) for images, _ in batches] == [4] * 8
            expected = expected or batches
            equal(batches, expected)
            assert found.setdefault(rank, choices(loader)) == choices(loader)
            drawn = set(sampler)
            assert {index for index, _ in found[rank]} == drawn & BAD.keys()
            assert {other for _, other in found[rank]} <= drawn - BAD.keys()
            assert loader.errors.total == len(drawn & BAD.keys())
            # Pillow's errors do not say which file it was.
            paths = [sample for sample in loader.errors if kind != "torch" or sample.path is not None]
            assert all(str(sample.path).endswith(f"{sample.index:02d}.jpg") for sample in paths)
            labels = [label for _, targets in batches for label in targets.tolist()]
            assert labels == [dict(found[rank]).get(index, index) for index in sampler]
    assert len(found[0]) + len(found[1]) == len(BAD)


def test_the_choice_is_the_same_on_every_path(tmp_path: Path) -> None:
    found = []
    for kind in ("native", "in part", "torch"):
        (tmp_path / kind).mkdir()
        loader = loader_of(make(kind, tmp_path / kind), shuffle=True, on_error="replace")
        run(loader)
        found.append(choices(loader))
    assert len(found[0]) == len(BAD)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("kind", ["native", "in part"])
@WORKERS
def test_substitutes_have_augmentations_of_their_own(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    order = random.Random(0).sample(range(N), N)
    loader = loader_of(dataset, sampler=order, num_workers=workers, on_error="replace")
    images = torch.cat([images for images, _ in run(loader)])
    substitutes = dict(choices(loader))
    for number, index in enumerate(order):
        other, occurrence = substitutes.get(index, index), (1 << 31 | number) if index in substitutes else 0
        drawn = [call for call in loader.drawn(other, occurrence) if call[0] != "Python"]
        data = (tmp_path / "a" / f"{other:02d}.jpg").read_bytes()
        same(images[number], values(theirs.ToTensor(), functional(rgb(data), drawn)), (number, drawn))


@KINDS
@WORKERS
def test_skip_leaves_out(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    order = [0, 1, 2, 3, 17, 18, 5, 6, 63, 7]  # a batch of which nothing is left, and one of bad ones at its ends
    whole = loader_of(dataset, 2, sampler=[1, 2, 5, 6, 7], num_workers=workers)
    loader = loader_of(dataset, 2, sampler=order, num_workers=workers, on_error="skip")
    batches = run(loader)
    assert [targets.tolist() for _, targets in batches] == [[1], [2], [5, 6], [7]]
    equal(
        [[torch.cat([row[i] for row in batches]) for i in range(2)]],
        [[torch.cat([row[i] for row in list(whole)]) for i in range(2)]],
    )
    assert choices(loader) == [(0, None), (3, None), (17, None), (18, None), (63, None)]
    assert {sample.action for sample in loader.errors} == {"left out"}
    assert run(loader_of(dataset, 2, sampler=[1, 2], on_error="skip"), 0)
    with pytest.raises(RuntimeError, match=r"all samples of epoch 0 are bad(.|\n)*30"):
        run(loader_of(dataset, 2, sampler=[*BAD], num_workers=workers, on_error="skip"))


def next_one(error: Any) -> int | None:
    assert error.path is None or error.path.endswith(f"{error.index:02d}.jpg")
    return None if error.index == 3 else (error.index + 2) % N


def to_a_bad_one(error: Any) -> int:
    return 17


def stop(error: Any) -> int:
    raise KeyError("mine")


@KINDS
@WORKERS
def test_a_function_decides(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    loader = loader_of(dataset, 4, sampler=range(8), num_workers=workers, on_error=next_one)
    assert [targets.tolist() for _, targets in run(loader)] == [[2, 1, 2], [4, 5, 6, 7]]
    assert choices(loader) == [(0, 2), (3, None)]
    for function, message in ((to_a_bad_one, "the sample 17 cannot be made"), (stop, "mine")):
        with pytest.raises((RuntimeError, KeyError), match=message):
            run(loader_of(dataset, 4, num_workers=workers, on_error=function))


@KINDS
@WORKERS
def test_too_many_end_the_run(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    for most, fits in ((2, False), (8, True), (0.07, False), (0.08, True), (0, False), (1.0, True), (0.0, False)):
        loader = loader_of(dataset, num_workers=workers, on_error="replace", max_errors=most)
        if fits:
            assert len(run(loader)) == 16
            assert len(run(loader)) == 16  # each epoch counts for itself
        else:
            with pytest.raises(RuntimeError, match=rf"max_errors={most} allows(.|\n)*00\.jpg"):
                run(loader, 0)


@KINDS
def test_the_report(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make(kind, tmp_path)
    loader = loader_of(dataset, on_error="replace")
    assert (len(loader.errors), str(loader.errors)) == (0, "no failures")
    for epoch in range(2):
        run(loader)
        assert {sample.epoch for sample in loader.errors} == {epoch}
    assert loader.errors.total == 2 * len(BAD)
    assert [sample.index for sample in loader.errors] == [*BAD]
    assert {sample.count for sample in loader.errors} == {2}
    lines = str(loader.errors).splitlines()
    assert lines[0] == "16 failures of 8 samples"
    assert lines[1].split() == ["index", "count", "action", "substitute", "path", "reason"]
    assert len(lines) == 2 + len(BAD)
    assert "FileNotFoundError" in lines[2]
    assert "00.jpg" in lines[2]
    monkeypatch.setattr(report, "LISTED", 3)
    loader.errors.clear()
    run(loader)
    assert (len(loader.errors), loader.errors.total) == (3, 8)
    assert "others that are not listed" in str(loader.errors)
    again = pickle.loads(pickle.dumps(loader.errors))
    assert (list(again), again.total, repr(again)) == (list(loader.errors), 8, "<ErrorReport: 8 failures>")
    assert [sample.index for sample in loader.errors[1:]] == [3, 17]


@KINDS
@WORKERS
@pytest.mark.parametrize("batch_size", [None, 1])
def test_the_first_sample_of_all(kind: str, workers: int, batch_size: int | None, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    loader = loader_of(dataset, batch_size, num_workers=workers, on_error="replace")
    assert len(run(loader)) == N
    assert len(loader.errors) == len(BAD)
    left = loader_of(dataset, batch_size, num_workers=workers, on_error="skip")
    assert len(run(left)) == N - len(BAD)


@KINDS
@WORKERS
def test_where_nothing_is_good(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    loader = loader_of(dataset, sampler=[*BAD], num_workers=workers, on_error="replace")
    with pytest.raises(RuntimeError, match=r"sample 0 is bad, and any of 7 others cannot be made.*torchfeed check"):
        run(loader)


@KINDS
def test_substitutes_come_from_the_set_of_the_epoch(kind: str, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    chosen = [0, 3, 5, 9, 17]
    for _ in range(10):
        loader = loader_of(dataset, 2, sampler=SubsetRandomSampler(chosen), on_error="replace")
        run(loader)
        assert {other for _, other in choices(loader)} <= {5, 9}


@KINDS
@WORKERS
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_resuming(on_error: Any, kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)

    def begin() -> Any:
        return loader_of(dataset, 2, shuffle=True, num_workers=workers, on_error=on_error)

    whole = run(begin())
    for at in (1, 20):
        first, second = begin(), begin()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            iterator = iter(first)
            before = [next(iterator) for _ in range(at)]
            second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
            equal([*before, *second], whole)


@WORKERS
@pytest.mark.parametrize("batch_size", [1, 4])
def test_sizes_that_are_not_known_before(workers: int, batch_size: int, tmp_path: Path) -> None:
    dataset = listed(write(tmp_path, lambda number: (20, 24)), T.ToTensor())
    order = [0, 3, 17, 18, 1, 2, 30, 4]  # a batch of bad ones
    loader = loader_of(dataset, batch_size, sampler=order, num_workers=workers, on_error="replace")
    images = torch.cat([images for images, _ in run(loader)])
    for image, index in zip(images, order, strict=True):
        made = dict(choices(loader)).get(index, index)
        same(image, F.to_tensor(rgb((tmp_path / "a" / f"{made:02d}.jpg").read_bytes())))
    left = loader_of(dataset, batch_size, sampler=order, num_workers=workers, on_error="skip")
    assert sum(len(images) for images, _ in run(left)) == 3


def test_substitutes_of_another_size(tmp_path: Path) -> None:
    dataset = listed(write(tmp_path, lambda number: (20 + number, 24)), T.ToTensor())
    with pytest.raises(RuntimeError, match=r"stack expects.*\[3, 21, 24\].*entry 1, \[3, 22, 24\]"):
        run(loader_of(dataset, 2, sampler=[1, 3, 2], on_error=lambda error: 2))
    with pytest.raises(RuntimeError, match=r"stack expects.*entry 1 and.*entry 2"):
        run(loader_of(dataset, 3, sampler=[3, 1, 2], on_error="skip"))


@WORKERS
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_rows_of_targets_and_channels_last(on_error: Any, workers: int, tmp_path: Path) -> None:
    dataset = listed(write(tmp_path), T.Compose([T.CenterCrop(16), T.ToTensor()]), T.OneHot(N + 1))
    dataset.targets[9] = N + 5  # out of range
    loader = loader_of(dataset, num_workers=workers, on_error=on_error, memory_format=torch.channels_last)
    batches = run(loader)
    assert 9 in dict(choices(loader))
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images, _ in batches)
    kept = [dict(choices(loader)).get(index, index) for index in range(N)]
    kept = [index for index in kept if index is not None]
    assert torch.cat([targets for _, targets in batches]).argmax(1).tolist() == kept
    images = torch.cat([images for images, _ in batches])
    for image, index in zip(images, kept, strict=True):
        data = (tmp_path / "a" / f"{index:02d}.jpg").read_bytes()
        same(image, F.to_tensor(F.center_crop(rgb(data), [16, 16])))


class Picky:
    """Raises for dark images."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __call__(self, image: Any) -> Any:
        if image.max() == 0:
            raise self.error("too dark")
        return image


def dark(error: type[BaseException]) -> Any:
    images = [torch.full((16, 16, 3), value, dtype=torch.uint8).numpy() for value in (9, 0, 7, 8)]
    return datasets.ImageList(
        torch.stack([torch.from_numpy(image) for image in images]).numpy(),
        range(4),
        theirs.Compose([theirs.ToTensor(), Picky(error)]),
    )


@WORKERS
def test_a_part_in_python_that_raises(workers: int) -> None:
    loader = loader_of(dark(ZeroDivisionError), 2, num_workers=workers, on_error="replace")
    targets = torch.cat([targets for _, targets in run(loader)])
    assert choices(loader) == [(1, int(targets[1]))]
    assert loader.errors[0].reason == "ZeroDivisionError: too dark"
    with pytest.raises(ZeroDivisionError, match="too dark"):
        list(loader_of(dark(ZeroDivisionError), 2, num_workers=workers))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_matter_of_a_sample(error: type[BaseException]) -> None:
    with pytest.raises(error):
        list(loader_of(dark(error), 2, on_error="replace"))


@pytest.mark.parametrize("kind", ["native", "in part"])
@WORKERS
def test_an_index_out_of_range(kind: str, workers: int, tmp_path: Path) -> None:
    dataset = make(kind, tmp_path)
    for on_error in ("replace", "skip"):
        loader = loader_of(dataset, 1, sampler=[1, N], num_workers=workers, on_error=on_error)
        with pytest.raises(IndexError, match=f"index {N} is out of range"):
            run(loader, 0)


class Brought:
    """Samples that are brought one by one."""

    transform = theirs.Compose([theirs.CenterCrop(16), theirs.ToTensor()])
    target_transform = T.OneHot(8)

    def __init__(self, files: list[bytes]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def sample_source(self, index: int) -> tuple[Any, int]:
        if index == 1:
            raise FileNotFoundError("no such sample")
        return 3.0 if index == 2 else self.files[index], 9 if index == 4 else index

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError


@WORKERS
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_samples_that_are_brought(on_error: Any, workers: int) -> None:
    files = [encode(picture(20, 20, seed=number), "PNG") for number in range(8)]
    files[6] = b"no image"
    loader = loader_of(Brought(files), num_workers=workers, on_error=on_error, native="require")
    batches = run(loader)
    found = dict(choices(loader))
    assert found.keys() == {1, 2, 4, 6}
    kept = [index for index in (found.get(index, index) for index in range(8)) if index is not None]
    assert torch.cat([targets for _, targets in batches]).argmax(1).tolist() == kept
    for image, index in zip(torch.cat([images for images, _ in batches]), kept, strict=True):
        same(image, F.to_tensor(F.center_crop(rgb(files[index]), [16, 16])))
    assert [sample.reason.split(":")[0] for sample in loader.errors] == [
        "FileNotFoundError",
        "TypeError",
        "ValueError",
        "DecodeError",
    ]


def test_nested_datasets(tmp_path: Path) -> None:
    dataset = make("native", tmp_path)
    nested: Any = ConcatDataset([Subset(dataset, range(20, 30)), Subset(dataset, [*range(10, 20), 3])])
    loader = loader_of(nested, on_error=lambda error: 0 if error.index == 20 else None)
    labels = [label for _, targets in run(loader) for label in targets.tolist()]
    assert labels == [*range(20, 30), *range(10, 17), 19, 20]
    assert choices(loader) == [(17, None), (18, None), (20, 0)]


@KINDS
def test_raise_is_the_default(kind: str, tmp_path: Path) -> None:
    loader = loader_of(make(kind, tmp_path), on_error="raise")
    with pytest.raises(FileNotFoundError):
        list(loader)
    assert loader.errors.total == 0
    assert loader_of(range(3)).on_error == "raise"


@WORKERS
def test_torch_s_own_loader(workers: int, tmp_path: Path) -> None:
    loader = loader_of(make("native", tmp_path), native="off", num_workers=workers, on_error="skip")
    assert sum(len(targets) for _, targets in run(loader)) == N - len(BAD)


def test_several_epochs_of_the_same_workers(tmp_path: Path) -> None:
    loader = loader_of(
        make("in part", tmp_path), num_workers=2, persistent_workers=True, on_error="replace", max_errors=8
    )
    for epoch in range(3):
        assert len(run(loader)) == 16
        assert {sample.epoch for sample in loader.errors} == {epoch}


class Endless(IterableDataset[int]):
    def __iter__(self) -> Any:
        return iter(range(3))


def test_arguments() -> None:
    for on_error in ("ignore", None, 3):
        with pytest.raises(ValueError, match="on_error should be"):
            loader_of(range(3), on_error=on_error)
    for most in (-1, 1.5, -0.5, True, "3", float("nan")):
        with pytest.raises(ValueError, match="max_errors should be"):
            loader_of(range(3), on_error="skip", max_errors=most)
    with pytest.raises(ValueError, match="IterableDataset"):
        loader_of(Endless(), on_error="skip")
    loader = pickle.loads(pickle.dumps(DataLoader(Own([]), on_error="replace", max_errors=0.5)))
    assert (loader.on_error, loader.max_errors, loader.errors.total) == ("replace", 0.5, 0)


@pytest.mark.parametrize("batched", [True, False])
def test_windows(batched: bool) -> None:
    """A window is a function of the order alone: the latest 256 samples up to the end of a batch, or the first 256."""
    shuffle = random.Random(0)
    for length in (1, 5, 255, 256, 257, 900):
        cuts = sorted({0, length, *(shuffle.sample(range(length), min(length, 3)) if batched else range(length))})
        order = [shuffle.randrange(10**6) for _ in range(length)]
        batches = [order[start:end] for start, end in itertools.pairwise(cuts)]
        source = iter(batches if batched else order)
        windows = Windows(batched=batched, keeps=True)
        for start, batch in zip(cuts, batches, strict=False):
            assert windows.draw(lambda: next(source)) == (batch if batched else batch[0])  # noqa: B023
            end = start + len(batch)
            assert (windows.latest.indices, windows.latest.start, windows.latest.end) == (batch, start, end)
            assert windows.latest.window == order[max(0, end - max(WINDOW, len(batch))) : max(end, WINDOW)]
        with pytest.raises(StopIteration):
            windows.draw(lambda: next(source))  # noqa: B023
    assert TRIES < WINDOW


def test_a_sampler_that_fails_ahead_of_time(tmp_path: Path) -> None:
    class Failing:
        def __iter__(self) -> Any:
            yield [1, 2]
            raise KeyError("mine")

    iterator = iter(loader_of(make("native", tmp_path), batch_size=1, batch_sampler=Failing(), on_error="replace"))
    assert next(iterator)[1].tolist() == [1, 2]
    with pytest.raises(KeyError, match="mine"):
        next(iterator)


def test_errors_are_of_the_samples_kind(tmp_path: Path) -> None:
    kinds = []

    def note(error: Exception) -> None:
        kinds.append(type(error))

    run(loader_of(make("native", tmp_path), on_error=note))
    assert kinds == [FileNotFoundError, *[DecodeError] * 7]


@pytest.mark.parametrize("normalize", [None, True])
@pytest.mark.parametrize("on_error", ["replace", "skip"])
def test_bad_samples_on_their_way_to_a_device(on_error: Any, normalize: bool | None, tmp_path: Path) -> None:
    """What is mended travels as the rest does, as uint8 too."""
    dataset = make("native", tmp_path)
    options = {"sampler": random.Random(0).sample(range(N), N), "num_workers": 2, "on_error": on_error}
    expected = run(loader_of(dataset, **options))
    wrapped = to_device(loader_of(dataset, **options), "cpu", device_normalize=normalize)
    equal(run(wrapped), expected)
    assert {index for index, _ in choices(wrapped)} == BAD.keys()
