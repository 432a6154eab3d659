"""timm: its transforms in our loader, and our loader in its `create_loader`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from timm.data import ImageDataset, create_loader, create_transform
from timm.data.loader import PrefetchLoader, fast_collate
from torch.utils.data import DataLoader as TorchDataLoader

import torchfeed
from equality import equal
from framework_data import SAMPLES, folder, generator
from oracle import FLIPS, F, same

# timm's ImageDataset leaves its files for the garbage collector to close.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

SIZE = 16


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_evaluation(numbered: Path, interpolation: str, crop_mode: str, workers: int) -> None:
    if workers and crop_mode != "center":
        workers = 1  # where transforms run in processes, those are slow to start
    transform = create_transform(SIZE, interpolation=interpolation, crop_mode=crop_mode, crop_pct=0.9)
    loader = torchfeed.DataLoader(folder(numbered, transform), 4, num_workers=workers)
    assert torchfeed.explain(loader).startswith("native, " if crop_mode != "border" else "native in part")
    ours = list(loader)
    equal(ours, list(TorchDataLoader(folder(numbered, transform), 4)))


@pytest.mark.parametrize("interpolation", ["random", "bicubic"])
def test_training_replayed(interpolation: str, numbered: Path) -> None:
    """Its crop is torchvision's, with a filter that may be drawn too."""
    transform = create_transform(SIZE, is_training=True, interpolation=interpolation, color_jitter=None, re_prob=0)
    dataset = folder(numbered, transform)
    loader = torchfeed.DataLoader(dataset, SAMPLES)
    assert torchfeed.explain(loader).startswith("native, ")
    ((images, _),) = loader
    filters = set()
    for index, image in enumerate(images):
        expected: Any = dataset.loader(dataset.samples[index][0])
        for name, parameters in loader.drawn(index):
            filters.add(parameters.get("interpolation"))
            crop = name == "RandomResizedCropAndInterpolation"
            expected = F.resized_crop(expected, **parameters) if crop else FLIPS[name](expected)
        for step in transform.transforms[2:]:
            expected = step(expected)
        same(image, expected)
    assert len(filters - {None}) == (2 if interpolation == "random" else 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_training(numbered: Path, workers: int) -> None:
    """timm's RandomResizedCropAndInterpolation draws from Python's own generator, so no two runs are alike."""
    transform = create_transform(SIZE, is_training=True, auto_augment=None, color_jitter=None)
    loader = torchfeed.DataLoader(
        folder(numbered, transform), 4, shuffle=True, drop_last=True, num_workers=workers, generator=generator()
    )
    theirs = TorchDataLoader(folder(numbered, transform), 4, shuffle=True, drop_last=True, generator=generator())
    assert len(loader) == len(theirs) == SAMPLES // 4
    for (images, targets), (_, expected) in zip(loader, theirs, strict=True):
        assert (images.shape, images.dtype) == ((4, 3, SIZE, SIZE), torch.float32)
        equal(targets, expected)


def test_training_without_augmentation(numbered: Path) -> None:
    """`--no-aug` is Resize, CenterCrop, ToTensor and Normalize."""
    transform = create_transform(SIZE, is_training=True, no_aug=True)
    options: dict[str, Any] = {"batch_size": 4, "shuffle": True}
    batches = []
    for cls in (torchfeed.DataLoader, TorchDataLoader):
        loader = cls(folder(numbered, transform), generator=generator(), **options)
        batches.append(list(loader))
    equal(*batches)


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("use_prefetcher", [False, True])
def test_our_class_in_create_loader(
    numbered: Path, monkeypatch: pytest.MonkeyPatch, use_prefetcher: bool, is_training: bool
) -> None:
    """timm's dataset and its collate function for the prefetcher are its own: this is torch's path, unchanged."""

    def batches() -> tuple[Any, list[Any]]:
        torch.manual_seed(3)
        loader = create_loader(
            ImageDataset(str(numbered)),
            input_size=(3, SIZE, SIZE),
            batch_size=4,
            is_training=is_training,
            no_aug=True,
            num_workers=0,
            persistent_workers=False,
            use_prefetcher=use_prefetcher,
            device=torch.device("cpu"),
        )
        return loader, list(loader)

    expected = batches()[1]
    monkeypatch.setattr(torch.utils.data, "DataLoader", torchfeed.DataLoader)
    loader, ours = batches()
    inner = loader.loader if use_prefetcher else loader
    assert type(inner) is torchfeed.DataLoader
    assert torchfeed.explain(inner).startswith("torch's own path")
    assert len(loader) == len(ours) == (SAMPLES // 4 if is_training else 7)
    equal(ours, expected)


def test_our_loader_in_their_prefetcher(numbered: Path) -> None:
    """PrefetchLoader takes uint8 batches, and normalizes them on the device."""
    pixels = torchfeed.transforms.Compose(
        [torchfeed.transforms.Resize((SIZE, SIZE)), torchfeed.transforms.PILToTensor()]
    )
    loader = torchfeed.DataLoader(folder(numbered, pixels), 4, num_workers=2)
    assert torchfeed.explain(loader).startswith("native, 2 threads")
    ours = list(PrefetchLoader(loader, device=torch.device("cpu")))

    transform = create_transform(SIZE, crop_mode="squash", crop_pct=1.0, interpolation="bilinear", use_prefetcher=True)
    theirs = TorchDataLoader(folder(numbered, transform), 4, collate_fn=fast_collate)
    equal(ours, list(PrefetchLoader(theirs, device=torch.device("cpu"))))
