"""FiveCrop and TenCrop, and functions that make one tensor of their crops: batches as torch's loader makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision.datasets import ImageFolder as TheirImageFolder
from torchvision.transforms import functional as F

from equality import equal
from oracle import same, theirs, v2
from pictures import encode, in_memory, picture, pixels
from torchfeed import DataLoader, datasets, explain, to_device
from torchfeed.batch import pinned
from torchfeed.recognize import recognize
from torchfeed.replay import replayed

to_tensor: Any = theirs.ToTensor()
normalize = theirs.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
SIZES = [(30, 41), (31, 40), (40, 31), (29, 29), (64, 33)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crops")
    (root / "a").mkdir()
    for number, size in enumerate(SIZES):
        (root / "a" / f"{number}.jpg").write_bytes(encode(picture(*size, seed=number), "JPEG"))
    return root


def stacked(crops: Any) -> torch.Tensor:
    return torch.stack([to_tensor(crop) for crop in crops])


class EachNormalized:
    """A step of the user's own, with a transform inside."""

    def __init__(self, step: Any) -> None:
        self.step = step

    def __call__(self, crops: Any) -> Any:
        return torch.stack(tuple(self.step(crop) for crop in crops), dim=0)


NATIVE: dict[str, list[Any]] = {
    "five": [theirs.FiveCrop(21), theirs.Lambda(stacked)],
    "five of v2": [v2.FiveCrop((20, 23)), stacked],
    "ten": [theirs.TenCrop(21), theirs.Lambda(stacked)],
    "ten, vertical": [theirs.TenCrop((20, 23), vertical_flip=True), theirs.Lambda(stacked)],
    "ten of v2": [v2.TenCrop(20, vertical_flip=True), stacked],
    "as the documentation has it": [
        theirs.FiveCrop(20),
        theirs.Lambda(lambda crops: torch.stack([theirs.PILToTensor()(crop) for crop in crops])),
    ],
    "resized before": [theirs.Resize((33, 35)), theirs.TenCrop(21), theirs.Lambda(stacked)],
    "resized each": [
        theirs.FiveCrop(21),
        lambda crops: torch.stack([to_tensor(F.resize(crop, [9, 8])) for crop in crops]),
    ],
    "normalized each": [theirs.FiveCrop(20), theirs.Lambda(stacked), theirs.Lambda(EachNormalized(normalize))],
    "normalized at once": [theirs.FiveCrop(20), theirs.Lambda(stacked), normalize],
    "two at once": [
        theirs.FiveCrop(20),
        lambda crops: torch.stack([theirs.PILToTensor()(crop) for crop in crops]),
        theirs.ConvertImageDtype(torch.float32),
        normalize,
    ],
    "a list": [theirs.FiveCrop(20), lambda crops: [to_tensor(crop) for crop in crops]],
    "a tuple": [theirs.FiveCrop(20), lambda crops: tuple([to_tensor(crop) for crop in crops])],
    "a dict of some": [theirs.FiveCrop(20), lambda crops: {"first": to_tensor(crops[0]), "last": to_tensor(crops[-1])}],
}
IN_PART: dict[str, list[Any]] = {
    "PIL images": [theirs.FiveCrop(20), lambda crops: [np.array(crop) for crop in crops]],
    "their mean": [theirs.FiveCrop(20), lambda crops: stacked(crops).mean(0)],
    "their sum": [theirs.FiveCrop(20), theirs.Lambda(stacked), lambda crops: crops + crops],
    "twice as many": [theirs.FiveCrop(20), lambda crops: torch.stack([to_tensor(crop) for crop in crops + crops])],
    "another dimension": [theirs.FiveCrop(20), lambda crops: torch.stack([to_tensor(crop) for crop in crops], 1)],
    "some of them": [theirs.FiveCrop(20), lambda crops: torch.stack([to_tensor(crop) for crop in crops[1:3]])],
    "compared": [theirs.FiveCrop(20), theirs.Lambda(stacked), lambda crops: crops if crops is None else crops * 2],
    "a crop is read": [theirs.FiveCrop(20), lambda crops: stacked(crops) + crops[0].size[0]],
}


def check(folder: Path, transform: Any, **options: Any) -> DataLoader[Any]:
    dataset = TheirImageFolder(folder, transform)
    loader = DataLoader(dataset, 2, **options)
    equal(list(loader), list(TorchDataLoader(dataset, 2)))
    equal(list(DataLoader(dataset, None)), list(TorchDataLoader(dataset, None)))
    own = datasets.ImageFolder(folder, transform)
    equal([own[index] for index in range(len(own))], [dataset[index] for index in range(len(own))])
    return loader


@pytest.mark.parametrize("name", NATIVE)
def test_native(name: str, folder: Path) -> None:
    loader = check(folder, theirs.Compose(NATIVE[name]), native="require", num_workers=2)
    text = explain(loader)
    assert text.startswith("native, ")
    sample = loader.dataset[0][0]
    assert (f", {len(sample)} of them stacked" in text) == isinstance(sample, torch.Tensor)


@pytest.mark.parametrize("name", IN_PART)
def test_in_python(name: str, folder: Path) -> None:
    transform = theirs.Compose([theirs.Resize((29, 30)), *IN_PART[name]])
    loader = DataLoader(TheirImageFolder(folder, transform), 2)
    assert "transform  Resize, then a PIL image\nPython     FiveCrop" in explain(loader)
    if name != "PIL images":
        check(folder, transform)
        assert "Its crops are native where" in explain(loader)


def test_after_what_draws() -> None:
    """All crops are of one image, which draws of each would make several of."""
    plan = recognize(theirs.Compose([theirs.RandomHorizontalFlip(), theirs.FiveCrop(20), stacked]))
    assert plan.names == ("RandomHorizontalFlip",)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn(channels: int) -> None:
    images = [pixels(30, 41, seed=number)[..., :channels] for number in range(4)]
    steps = [theirs.TenCrop((20, 23)), lambda crops: torch.stack([flipped(crop) for crop in crops])]
    transform = theirs.Compose(steps)
    loader = DataLoader(in_memory(images, transform), 1, native="require")
    plan = recognize(transform, channels)
    for index, (made, _) in enumerate(loader):
        same(made[0], replayed(Image.fromarray(images[index].squeeze()), transform, loader.drawn(index), plan))


flipped = theirs.Compose([theirs.RandomHorizontalFlip(), theirs.PILToTensor()])


def test_an_image_that_is_too_small() -> None:
    dataset = in_memory([pixels(20, 30)], theirs.Compose([theirs.FiveCrop(25), stacked]))
    with pytest.raises(ValueError, match=r"requested crop size \(25, 25\) is bigger than input size \(20, 30\)"):
        next(iter(DataLoader(dataset, native="require")))


def test_code_that_changes() -> None:
    step = EachNormalized(to_tensor)
    dataset = in_memory([pixels(30, 30)], theirs.Compose([theirs.FiveCrop(20), step]))
    loader = DataLoader(dataset)
    ((before, _),) = loader
    step.step = theirs.Compose([to_tensor, normalize])
    ((after, _),) = loader
    same(after, torch.stack([torch.stack([normalize(crop) for crop in before[0]])]))


def test_pinned_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stacked in pinned memory where they are pinned themselves."""
    taken: list[Any] = []

    def block(nbytes: int) -> torch.Tensor:
        taken.append(nbytes)
        return torch.empty(nbytes, dtype=torch.uint8)

    monkeypatch.setattr(pinned, "block", block)
    parts = [torch.rand(2, 3, 4, 5) for _ in range(3)]
    for dim in (0, 1):
        same(pinned.stack(parts, dim), torch.stack(parts, dim))
    assert not taken
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda _: True)
    for dim in (0, 1):
        same(pinned.stack(parts, dim), torch.stack(parts, dim))
    assert taken == [parts[0].nbytes * 3] * 2


def test_on_a_device(folder: Path) -> None:
    dataset = TheirImageFolder(folder, theirs.Compose(NATIVE["ten"]))
    equal([list(batch) for batch in to_device(DataLoader(dataset, 2), "cpu")], list(TorchDataLoader(dataset, 2)))
