"""Scripts whose one import changes: the same lengths, shapes, dtypes, labels, order, and bits."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from oracle import same
from snippets import SNIPPETS, Faces
from torchfeed import DataLoader, explain
from torchfeed.recognize import recognize
from torchfeed.replay import replayed

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores

IN_PART = {"fashion_one_hot", "mixup_tutorial mixed"}
BY_TORCH = {"siamese", "stream"}
# Their random transforms, or their collate_fn, draw: torch's batches have other bits.
RANDOM = {
    *("imagenet_main train", "cifar_resnet", "cifar_tensor_first", "transfer_learning_tutorial train"),
    *("v2_getting_started train", "reference_recipe", "timm_like", "custom_dataset_native", "distributed", "simclr"),
    "mixup_tutorial mixed",
}


def seeded() -> None:
    torch.manual_seed(8)
    np.random.seed(8)  # noqa: NPY002
    random.seed(8)


def run(loader: Any) -> list[Any]:
    seeded()
    return list(loader)


def is_in(names: set[str], snippet: str, part: str) -> bool:
    return bool(names & {snippet, f"{snippet} {part}"})


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_one_import_changes(snippet: Callable[[Any, Path], dict[str, Any]], photos: Path) -> None:
    for part, torchs in snippet(TorchDataLoader, photos).items():
        ours = snippet(DataLoader, photos)[part]
        name = snippet.__name__
        kind = "native in part" if is_in(IN_PART, name, part) else "native, "
        assert explain(ours).startswith("torch's own path" if is_in(BY_TORCH, name, part) else kind), explain(ours)
        expected, got = run(torchs), run(ours)
        if name != "stream":
            assert len(ours) == len(torchs) == len(got)
        if "resized as tensors" in part:
            for left, right in zip(got, expected, strict=True):
                close(left, right)
        elif not is_in(RANDOM, name, part):
            equal(got, expected)
        else:
            alike(got, expected)
            if "mixed" not in part:
                check_replay(ours, got)


def close(got: Any, expected: Any) -> None:
    """A resize of tensors is done as on PIL images, which is at most one level of 255 away."""
    equal(got[1], expected[1])
    levels = (got[0] - expected[0]).abs().max() * 255
    assert levels <= 1.01
    assert (got[0] != expected[0]).float().mean() < 0.2


def alike(got: Any, expected: Any) -> None:
    """Equal in everything but the values of images; so labels and their order are equal."""
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            alike(one, other)
    elif expected.is_floating_point():
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    else:
        equal(got, expected)


def check_replay(loader: Any, batches: list[Any]) -> None:
    """Makes every sample again, by torchvision, of what was drawn for it."""
    seeded()
    indices = range(len(loader.dataset))
    order: Any = TorchDataLoader(indices, loader.batch_size, sampler=loader.sampler, drop_last=loader.drop_last)  # type: ignore[arg-type]
    for drawn, batch in zip(order, batches, strict=True):
        columns = batch[0] if isinstance(batch[0], list) else [batch[0]]
        for position, index in enumerate(drawn.tolist()):
            dataset = loader.dataset
            plan = recognize(dataset.transform)
            sample = replayed(raw(dataset, index), dataset.transform, loader.drawn(index), plan)
            for column, view in zip(columns, sample if isinstance(sample, list) else [sample], strict=True):
                made, expected = column[position], view.as_subclass(torch.Tensor)
                same(made, expected)


def raw(dataset: Any, index: int) -> Image.Image:
    """The image of a sample, without transforms."""
    if isinstance(dataset, Faces):
        return Image.open(dataset.table[index][0]).convert("RGB")
    if hasattr(dataset, "samples"):
        image: Image.Image = dataset.loader(dataset.samples[index][0])
        return image
    return Image.fromarray(dataset.data[index])
