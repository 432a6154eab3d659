"""Code of a user's that gets a PIL image finds the metadata that Pillow gives it under torch, wherever it stands."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, PngImagePlugin
from torch.utils.data import ConcatDataset, Dataset
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from equality import equal
from known_transforms import EXAMPLES, OF_TENSORS, make
from oracle import theirs, v2
from pictures import encode, picture
from torchfeed import DataLoader, datasets, explain
from torchfeed import transforms as ours
from torchfeed.epoch import samples
from torchfeed.recognize.steps import may_lose_metadata

to_tensor = theirs.PILToTensor()


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x0112], made[0x010F] = 6, "maker"
    return made


def text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "hello")
    return info


FILES: dict[str, Callable[[Image.Image], bytes]] = {
    "1.jpg": lambda image: encode(image, "JPEG", exif=exif(), dpi=(72, 50), comment=b"words", icc_profile=b"x" * 200),
    "2.jpg": lambda image: encode(image, "JPEG"),
    "3.png": lambda image: encode(image, "PNG", exif=exif(), pnginfo=text(), dpi=(9, 9)),
    "4.jpg": lambda image: encode(image.convert("L"), "JPEG", exif=exif()),
    "5.png": lambda image: encode(image.convert("P"), "PNG", exif=exif(), transparency=3),
    "6.webp": lambda image: encode(image, "WEBP", exif=exif(), lossless=True),
    "7.gif": lambda image: encode(image.convert("P"), "GIF", comment=b"gif"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for number, (name, written) in enumerate(FILES.items()):
        (tmp_path / "a" / f"{name.partition('.')[0]}.jpg").write_bytes(written(picture(20 + number, 31)))
    return tmp_path


def seen(image: Image.Image) -> str:
    """All that can be known of an image, but its pixels."""
    info = sorted((key, repr(value)) for key, value in image.info.items())
    kind = type(image).__name__, image.mode, image.size, image.format, getattr(image, "filename", None)
    return repr((info, dict(image.getexif()), kind))


def note(image: Image.Image) -> torch.Tensor:
    """Makes a tensor of what is known of an image, so that it comes through workers and batches."""
    content = seen(image).encode()
    return torch.frombuffer(bytearray(content.ljust(3000)), dtype=torch.uint8)


turn = ImageOps.exif_transpose

STEPS: dict[str, Any] = {
    "function": note,
    "Lambda": theirs.Lambda(note),
    "v2.Lambda": v2.Lambda(note),
    "RandomApply": theirs.RandomApply([note], p=1.0),
    "v2.RandomApply": v2.RandomApply([note], p=1.0),
    "RandomChoice": theirs.RandomChoice([note]),
    "v2.RandomChoice": v2.RandomChoice([note]),
    "RandomOrder": theirs.RandomOrder([note]),
    "v2.RandomOrder": v2.RandomOrder([note]),
    "v2.Compose": v2.Compose([v2.Identity(), note]),
    "nested": theirs.RandomApply([theirs.Compose([theirs.Resize(11), theirs.RandomChoice([note])])], p=1.0),
    "after another function": theirs.Compose([turn, note]),
    "after ColorJitter": theirs.Compose([theirs.ColorJitter((1.0, 1.0)), theirs.Lambda(note)]),
    "after Grayscale": theirs.Compose([theirs.Grayscale(3), note]),
    "after five": theirs.Compose([theirs.FiveCrop(8), lambda crops: torch.stack([note(crop) for crop in crops])]),
    "ours between": theirs.Compose([turn, ours.Resize(9), ours.RandomHorizontalFlip(1.0), ours.CenterCrop(5), note]),
    "ours between, padded": theirs.Compose([turn, ours.CenterCrop(90), note]),
    "ours between, cropped": theirs.Compose([turn, ours.RandomCrop(9, padding=1), note]),
}

BEFORE: dict[str, list[Any]] = {
    "nothing": [],
    "Resize": [theirs.Resize(10)],
    "RandomResizedCrop": [theirs.RandomResizedCrop(10, (1.0, 1.0), (1.0, 1.0))],
    "CenterCrop": [v2.CenterCrop(12)],
    "CenterCrop, padded": [v2.CenterCrop(60)],
    "flips": [theirs.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)],
    "RandomCrop": [theirs.RandomCrop(20, padding=(0, 0, 20, 0), pad_if_needed=True)],
    "Pad": [theirs.Pad(2)],
    "Grayscale": [theirs.Grayscale()],
    "Grayscale, RGB": [v2.Grayscale(3)],
    "RandomGrayscale": [theirs.RandomGrayscale(1.0)],
    "RGB": [v2.RGB()],
    "GaussianBlur": [v2.GaussianBlur(1)],
    "RandomZoomOut": [v2.RandomZoomOut(side_range=(1.5, 1.5), p=1.0), v2.CenterCrop(12)],
}


def collected(cls: Any, dataset: Any, **options: Any) -> Any:
    return list(cls(dataset, 2, **options))


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", STEPS)
def test_a_step(name: str, before: str, folder: Path) -> None:
    chain = theirs.Compose([*BEFORE[before], STEPS[name]])
    dataset, own = their_datasets.ImageFolder(folder, chain), datasets.ImageFolder(folder, chain)
    assert explain(DataLoader(dataset)).startswith("native in part")
    expected = collected(TorchDataLoader, dataset)
    equal(collected(DataLoader, dataset), expected)
    equal(collected(TorchDataLoader, own), expected)
    equal([own[i][0] for i in range(len(own))], [dataset[i][0] for i in range(len(dataset))])


@pytest.mark.parametrize("name", ["Lambda", "v2.RandomChoice", "after ColorJitter"])
def test_worker_processes(name: str, folder: Path) -> None:
    dataset = their_datasets.ImageFolder(folder, STEPS[name])
    equal(collected(DataLoader, dataset, num_workers=2), collected(TorchDataLoader, dataset, num_workers=2))


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_what_loses_metadata_says_so(kind: str, name: str) -> None:
    step = make(kind, name)
    if isinstance(getattr(step, "p", None), float):
        step.p = 1.0
    image = picture(40, 50)
    image.info["Comment"] = "hello"
    made = [] if name in OF_TENSORS else [step(image.copy()) for _ in range(5)]
    lost = any(isinstance(each, Image.Image) and each.info != image.info for each in made)
    assert may_lose_metadata(step) or not lost


def notes(batch: list[Any]) -> list[Any]:
    return [(note(image), target) for image, target in batch]


@pytest.mark.parametrize("before", BEFORE)
def test_a_collate_fn(before: str, folder: Path) -> None:
    for chain in (theirs.Compose(BEFORE[before]), theirs.Compose([*BEFORE[before], theirs.ColorJitter((1.0, 1.0))])):
        for dataset in (their_datasets.ImageFolder(folder, chain), their_datasets.ImageFolder(folder)):
            options = {"collate_fn": notes}
            equal(collected(DataLoader, dataset, **options), collected(TorchDataLoader, dataset, **options))
    joined: Any = ConcatDataset([their_datasets.ImageFolder(folder, theirs.Resize(9)) for _ in range(2)])
    equal(collected(DataLoader, joined, collate_fn=notes), collected(TorchDataLoader, joined, collate_fn=notes))


def test_images_by_index(folder: Path) -> None:
    own, dataset = datasets.ImageFolder(folder), their_datasets.ImageFolder(folder)
    for index in range(len(dataset)):
        assert seen(own[index][0]) == seen(dataset[index][0])
        assert seen(own.image(index)) == seen(dataset[index][0])
    listed = datasets.ImageList([Path(path).read_bytes() for path, _ in dataset.samples])
    assert [seen(listed[i][0]) for i in range(len(listed))] == [seen(dataset[i][0]) for i in range(len(dataset))]


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


class Given(Dataset[Any]):
    """A dataset of a user's, which says where its images are, in one of the ways there are."""

    def __init__(self, root: Path, how: str, transform: Any) -> None:
        self.paths, self.how, self.transform = sorted(root.glob("*/*")), how, transform

    def __len__(self) -> int:
        return len(self.paths)

    def sample_source(self, index: int) -> tuple[Any, int]:
        path = self.paths[index]
        ways: dict[str, Callable[[], Any]] = {
            "path": lambda: path,
            "bytes": path.read_bytes,
            "image": lambda: opened(path),
            "converted": lambda: opened(path).convert("RGB"),
            "pixels": lambda: np.asarray(opened(path).convert("RGB")),
        }
        return ways[self.how](), index

    def __getitem__(self, index: int) -> Any:
        image, target = self.sample_source(index)
        if self.how == "pixels":
            image = Image.fromarray(image)
        elif self.how in {"path", "bytes"}:
            image = opened(self.paths[index])
        return self.transform(image.convert("RGB")), target


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["path", "bytes", "image", "converted", "pixels"])
def test_sample_source(how: str, workers: int, folder: Path) -> None:
    for chain in (theirs.Lambda(note), theirs.Compose([theirs.Resize(9), theirs.RandomApply([note], p=1.0)])):
        dataset = Given(folder, how, chain)
        assert explain(DataLoader(dataset)).startswith("native in part")
        equal(collected(DataLoader, dataset, num_workers=workers), collected(TorchDataLoader, dataset))


BLIND = {
    "AugMix": [theirs.AugMix(), theirs.ToTensor()],
    "automatic": [
        theirs.Resize((20, 20)),
        theirs.RandAugment(),
        theirs.AugMix(),
        theirs.ToTensor(),
        theirs.RandomErasing(),
    ],
    "v2": [
        v2.RandomApply([v2.GaussianBlur(3)]),
        v2.RandomGrayscale(),
        v2.ToImage(),
        v2.Lambda(lambda image: image + 0),
    ],
    "noise last": [theirs.RandomRotation(9), theirs.PILToTensor(), lambda image: image + 1],
    "padded": [theirs.Pad(2), theirs.AugMix(), theirs.ToTensor()],
}


@pytest.mark.parametrize("name", BLIND)
def test_torchvision_s_own_steps_cost_no_header(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = their_datasets.ImageFolder(folder, theirs.Compose(BLIND[name]))
    monkeypatch.setattr(samples, "image_info", lambda *_, **__: pytest.fail("not needed"))
    assert explain(DataLoader(dataset)).startswith("native in part")
    assert len(list(DataLoader(dataset))) == len(FILES)


def test_images_in_memory_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """So paddings in front of a user's function stay native."""
    monkeypatch.setattr(samples, "image_info", lambda *_, **__: pytest.fail("not needed"))
    array = np.stack([np.asarray(picture(9, 9, seed=i)) for i in range(3)])
    dataset = datasets.ImageList(array, transform=theirs.Compose([theirs.Pad(2), note]))
    assert "Pad, then a PIL image" in explain(DataLoader(dataset))
    ((batch, _),) = DataLoader(dataset, 3)
    assert bytes(batch[0].tolist()).decode().startswith(repr(([], {}))[:-1])


def test_a_name_that_somebody_adds_to_pillow_s_class_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As fastai adds `shape`, which torchvision asks of tensors."""
    from torchfeed.recognize.known_classes import class_name  # noqa: PLC0415

    step = theirs.Resize(8)
    assert class_name(step) == "Resize"
    monkeypatch.setattr(Image.Image, "shape", property(lambda self: self.size[::-1]), raising=False)
    assert class_name(step) == "Resize"
    monkeypatch.setattr(Image.Image, "resize", lambda *_: None)
    assert class_name(step) is None
