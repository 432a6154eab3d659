"""torch.distributed.checkpoint with the loader as it stands in a state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint
from torch.distributed.checkpoint.stateful import Stateful

from equality import equal
from framework_data import RANDOM, folder, generator
from torchfeed import DataLoader, explain

pytestmark = [
    # One process is what is meant.
    pytest.mark.filterwarnings("ignore:torch.distributed is disabled, unavailable or uninitialized"),
    # torch's own reader and writer on a machine without CUDA.
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated"),
]


dcp: Any = torch.distributed.checkpoint  # as it is used; torch's types do not export its functions


def made(root: Path, own: bool, seed: int = 3, **options: Any) -> DataLoader[Any]:
    torch.manual_seed(seed)
    return DataLoader(
        folder(root, RANDOM), 4, shuffle=True, generator=generator(seed) if own else None, num_workers=2, **options
    )


def save(loader: DataLoader[Any], directory: Path) -> None:
    assert isinstance(loader, Stateful)
    dcp.save({"loader": loader}, checkpoint_id=directory, no_dist=True)


def load(loader: DataLoader[Any], directory: Path) -> None:
    dcp.load({"loader": loader}, checkpoint_id=directory, no_dist=True)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("epochs", [0, 1])
def test_resuming_in_mid_epoch(
    numbered: Path, tmp_path: Path, epochs: int, own: bool, begun: bool, persistent: bool
) -> None:
    """Loading fills in the state that the other loader has: keys and shapes must be the same from the start."""
    loader = made(numbered, own, persistent_workers=persistent)
    assert explain(loader).startswith("native")
    for _ in range(epochs):
        list(loader)
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    save(loader, tmp_path)
    random = torch.get_rng_state()
    rest, following = list(batches), list(loader)
    assert len(rest) == 4

    other = made(numbered, own, seed=9, persistent_workers=persistent)
    if begun:
        next(iter(other))
    load(other, tmp_path)
    torch.set_rng_state(random)
    equal(list(other), rest)
    equal(list(other), following)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("epochs", [0, 1])
def test_resuming_between_epochs(numbered: Path, tmp_path: Path, epochs: int, own: bool, begun: bool) -> None:
    """Saved before the first epoch, and after it; the global generator is the caller's to restore."""
    loader = made(numbered, own)
    for _ in range(epochs):
        list(loader)
    save(loader, tmp_path)
    random = torch.get_rng_state()
    expected = [list(loader), list(loader)]

    other = made(numbered, own, seed=9)
    if begun:
        next(iter(other))
    load(other, tmp_path)
    torch.set_rng_state(random)
    equal([list(other), list(other)], expected)


def test_the_state_has_one_shape(numbered: Path) -> None:
    """Whatever the loader has done, and whether or not it has a generator."""

    def shape(state: dict[str, Any]) -> dict[str, Any]:
        return {key: value.shape if isinstance(value, torch.Tensor) else type(value) for key, value in state.items()}

    shapes = []
    for own in (False, True):
        for persistent in (False, True):
            loader = made(numbered, own, persistent_workers=persistent)
            shapes.append(shape(loader.state_dict()))
            for _ in range(2):
                batches = iter(loader)
                shapes.append(shape(loader.state_dict()))
                next(batches)
                shapes.append(shape(loader.state_dict()))
                list(batches)
                shapes.append(shape(loader.state_dict()))
    assert all(other == shapes[0] for other in shapes), shapes
