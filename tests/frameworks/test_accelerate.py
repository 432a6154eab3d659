"""Accelerate, which makes a loader of its own out of ours."""

from __future__ import annotations

import copy
import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import accelerate
import pytest
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch.utils.data import DataLoader as TorchDataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

import torchfeed
from equality import equal
from framework_data import folder, generator

# torchdata's loader calls what torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """Accelerate keeps its state in classes."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    assert not PartialState._shared_state


def prepare(loader: Any, **configuration: Any) -> Any:
    return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**configuration)).prepare(loader)


def made(cls: Any, dataset: Any, seed: int = 3, **options: Any) -> Any:
    return cls(dataset, 4, shuffle=True, generator=generator(seed), **options)


@pytest.fixture
def ours_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user can do to keep native batches: Accelerate then makes loaders of our class."""
    monkeypatch.setattr(accelerate.data_loader, "DataLoader", torchfeed.DataLoader)


@pytest.mark.parametrize("configuration", [{}, {"use_seedable_sampler": True}, {"use_stateful_dataloader": True}])
def test_a_prepared_loader(numbered: Path, configuration: dict[str, Any]) -> None:
    """The batches are right, but made by torch's path: Accelerate takes our loader apart and makes one of torch's."""

    def epochs(cls: Any) -> tuple[Any, list[Any]]:
        torch.manual_seed(5)
        prepared = prepare(made(cls, folder(numbered)), **configuration)
        return prepared, [list(prepared) for _ in range(2)]

    prepared, ours = epochs(torchfeed.DataLoader)
    base = StatefulDataLoader if "use_stateful_dataloader" in configuration else TorchDataLoader
    assert type(prepared.base_dataloader) is base
    equal(ours, epochs(TorchDataLoader)[1])


@pytest.mark.parametrize("stateful", [False, True])
def test_our_dataset_in_a_prepared_loader(numbered: Path, stateful: bool) -> None:
    """So samples are native only if the dataset is: torch's fetcher asks it for whole batches."""
    transform = torchfeed.transforms.Compose(
        [torchfeed.transforms.Resize(20), torchfeed.transforms.CenterCrop(16), torchfeed.transforms.ToTensor()]
    )
    dataset = torchfeed.datasets.ImageFolder(str(numbered), transform)
    prepared = prepare(made(torchfeed.DataLoader, dataset), use_stateful_dataloader=stateful)
    with (
        mock.patch.object(
            type(dataset), "__getitems__", autospec=True, side_effect=type(dataset).__getitems__
        ) as whole,
        mock.patch.object(type(dataset), "_python_sample") as one,
    ):
        ours = list(prepared)
    assert whole.call_count == len(ours) == 7
    assert not one.called
    theirs = prepare(made(TorchDataLoader, folder(numbered)), use_stateful_dataloader=stateful)
    equal(ours, list(theirs))


def test_resuming_with_a_stateful_loader(numbered: Path) -> None:
    """Accelerate looks one batch ahead, and its state must not.

    Its own sampler draws each epoch's order from a seed. torch's would have to be rewound, and neither Accelerate nor
    torchdata does that: see test_torchdata.py.
    """

    def prepared(cls: Any, seed: int) -> Any:
        configuration = {"use_stateful_dataloader": True, "use_seedable_sampler": True, "data_seed": 11}
        return prepare(made(cls, folder(numbered), seed), **configuration)

    def run(cls: Any) -> list[Any]:
        loader = prepared(cls, 3)
        batches = iter(loader)
        for _ in range(3):
            next(batches)
        state = copy.deepcopy(loader.state_dict())
        rest = list(batches)
        resumed = prepared(cls, 9)
        resumed.load_state_dict(state)
        equal(list(resumed), rest)
        assert len(rest) == 4
        return rest

    equal(run(torchfeed.DataLoader), run(TorchDataLoader))


def test_skipping_the_first_batches(numbered: Path) -> None:
    def rest(cls: Any, prepared: bool) -> list[Any]:
        loader = made(cls, folder(numbered))
        return list(accelerate.skip_first_batches(prepare(loader) if prepared else loader, 3))

    for prepared in (True, False):
        ours = rest(torchfeed.DataLoader, prepared)
        assert len(ours) == 4
        equal(ours, rest(TorchDataLoader, prepared))


@pytest.mark.usefixtures("ours_inside")
@pytest.mark.parametrize("workers", [0, 2])
def test_our_class_inside(numbered: Path, workers: int) -> None:
    def epochs(cls: Any, workers: int) -> tuple[Any, list[Any]]:
        torch.manual_seed(5)
        prepared = prepare(made(cls, folder(numbered), num_workers=workers))
        return prepared, [list(prepared) for _ in range(2)]

    prepared, ours = epochs(torchfeed.DataLoader, workers)
    assert type(prepared.base_dataloader) is torchfeed.DataLoader
    assert torchfeed.explain(prepared.base_dataloader).startswith("native")
    with mock.patch.object(accelerate.data_loader, "DataLoader", TorchDataLoader):
        equal(ours, epochs(TorchDataLoader, 0)[1])


@pytest.mark.usefixtures("ours_inside")
def test_bad_samples_with_our_class_inside(numbered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accelerate hands on the arguments that torch's loader has; ours are bound to the class."""
    root = tmp_path / "numbered"
    shutil.copytree(numbered, root)
    next((root / "001").iterdir()).write_bytes(b"no picture")
    ours = functools.partial(torchfeed.DataLoader, on_error="replace")
    monkeypatch.setattr(accelerate.data_loader, "DataLoader", ours)
    prepared = prepare(made(torchfeed.DataLoader, folder(root), on_error="replace"))
    with pytest.warns(UserWarning, match="sample 1 is bad and was replaced"):
        batches = list(prepared)
    with pytest.warns(UserWarning, match="sample 1 is bad and was replaced"):
        equal(batches, list(made(torchfeed.DataLoader, folder(root), on_error="replace")))


@pytest.mark.usefixtures("ours_inside")
@pytest.mark.parametrize("taken", [1, 3, 7])
def test_resuming_with_our_class_inside(numbered: Path, taken: int) -> None:
    """Our loader has a state, so Accelerate uses it, without torchdata."""
    prepared = prepare(made(torchfeed.DataLoader, folder(numbered)))
    batches = iter(prepared)
    for _ in range(taken):
        next(batches)
    state = copy.deepcopy(prepared.state_dict())
    rest = list(batches)
    assert len(rest) == 7 - taken
    following = list(prepared)

    resumed = prepare(made(torchfeed.DataLoader, folder(numbered), seed=9))
    resumed.load_state_dict(state)
    # Having looked ahead, Accelerate knows after the last batch that the epoch is over; the next one is due then.
    equal(list(resumed), rest or following)
