"""lightly's datasets and transforms run natively as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightly import transforms
from lightly.data import LightlyDataset
from torch.utils.data import DataLoader as TorchDataLoader

from torchfeed import DataLoader, explain

METHODS = ["SimCLRTransform", "MoCoV2Transform", "DINOTransform", "SwaVTransform", "VICRegTransform"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", METHODS)
def test_views(name: str, workers: int, photos: Path) -> None:
    dataset = LightlyDataset(str(photos), transform=getattr(transforms, name)())
    loader: Any = DataLoader(dataset, 4, num_workers=workers)
    assert explain(loader).startswith("native, "), explain(loader)
    for (views, *others), (their_views, *their_others) in zip(loader, TorchDataLoader(dataset, 4), strict=True):
        assert [(view.shape, view.dtype) for view in views] == [(view.shape, view.dtype) for view in their_views]
        assert not torch.equal(views[0], views[1])
        for one, other in zip(others, their_others, strict=True):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
