"""What is done about samples that cannot be made: the same on every path and rank, for any number of workers."""

from __future__ import annotations

import itertools
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DistributedSampler, IterableDataset, Subset, SubsetRandomSampler

from bad_samples import (
    BAD,
    KINDS,
    WORKERS,
    N,
    Own,
    choices,
    equal,
    loader_of,
    make,
    run,
)
from oracle import functional, same, theirs, values
from pictures import rgb
from torchfeed import DataLoader, DecodeError, InternalError
from torchfeed.bad_samples import report
from torchfeed.bad_samples.substitute_pool import TRIES, WINDOW, SubstitutePool

# Five processes may be more than there are cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


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
        windows = SubstitutePool(batched=batched, keeps=True)
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


@pytest.mark.parametrize("own", [True, False])
@WORKERS
def test_an_internal_error_is_told_by_its_class(workers: int, own: bool) -> None:
    """Not by its message: that of another error may be the same, and that of ours may change."""

    class Dataset(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Any:
            if index == 5:
                raise InternalError("other words") if own else RuntimeError("internal error, please report it: mine")
            return torch.tensor([index])

    loader: Any = DataLoader(Dataset(), 4, num_workers=workers, on_error="skip")
    if own:
        with pytest.raises(InternalError, match="other words"):
            list(loader)
    else:
        assert torch.cat(run(loader)).flatten().tolist() == [0, 1, 2, 3, 4, 6, 7]


def test_errors_are_of_the_samples_kind(tmp_path: Path) -> None:
    kinds = []

    def note(error: Exception) -> None:
        kinds.append(type(error))

    run(loader_of(make("native", tmp_path), on_error=note))
    assert kinds[0] is FileNotFoundError
    assert len(kinds) == 8
    assert all(issubclass(kind, DecodeError) for kind in kinds[1:])
    assert [issubclass(kind, Image.DecompressionBombError) for kind in kinds].count(True) == 1
