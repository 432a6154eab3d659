"""torchmetrics: a metric over our batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader as TorchDataLoader
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

import torchfeed
from equality import equal
from framework_data import SAMPLES, folder, generator


@pytest.mark.parametrize("workers", [0, 2])
def test_metrics_are_those_of_torchs_batches(numbered: Path, workers: int) -> None:
    layer = torch.nn.Linear(3, SAMPLES)

    def measure(cls: Any, workers: int) -> dict[str, Any]:
        loader = cls(folder(numbered), 4, shuffle=True, generator=generator(), num_workers=workers)
        if cls is torchfeed.DataLoader:
            assert torchfeed.explain(loader).startswith("native")
        metrics = MetricCollection([MulticlassAccuracy(SAMPLES, top_k=5), MulticlassConfusionMatrix(SAMPLES)])
        mean = MeanMetric()
        with torch.no_grad():
            for images, targets in loader:
                metrics.update(layer(images.mean(dim=(2, 3))), targets)
                mean.update(images, weight=targets[:, None, None, None])
        return {**metrics.compute(), "mean": mean.compute()}

    ours = measure(torchfeed.DataLoader, workers)
    equal(ours, measure(TorchDataLoader, 0))
    assert ours["MulticlassConfusionMatrix"].sum() == SAMPLES
