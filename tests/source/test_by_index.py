"""torchfeed's datasets follow each change by index, and in torch's own loader, as torchvision's do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as their_datasets

from oracle import same, theirs, v2
from pictures import pixels
from torchfeed import DataLoader, datasets, explain
from torchfeed import transforms as ours
from torchfeed.epoch.samples import SampleMaker


def steps() -> list[Any]:
    return [
        theirs.Resize((30, 32)),
        theirs.RandomApply([theirs.CenterCrop((24, 12))], p=1.0),
        nn.Sequential(v2.CenterCrop(20), nn.Identity()),
        v2.RandomChoice([v2.Compose([v2.Pad([1, 2, 3, 4], fill=[3, 4, 5])])]),
        theirs.ToTensor(),
        theirs.Normalize([0.5, 0.5, 0.5], torch.tensor([0.5, 0.25, 0.125])),
        v2.Normalize([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]),
        changed(v2.CenterCrop(18), "size", [23, 21]),
    ]


def changed(step: Any, name: str, value: Any) -> Any:
    setattr(step, name, value)
    return step


def test_attributes_that_torchvision_no_longer_looks_at() -> None:
    """v2 keeps what its constructors made of some arguments."""
    images = [pixels(20, 24)]
    for step in (changed(v2.Pad(2), "fill", 99), changed(v2.RandomResizedCrop(8, (0.3, 0.3)), "ratio", (3.0, 3.0))):
        dataset = datasets.ImageList(np.stack(images), transform=theirs.Compose([step, theirs.PILToTensor()]))
        text = explain(DataLoader(dataset))
        assert text.startswith("native" if isinstance(step, v2.Pad) else "native in part")
        if isinstance(step, v2.Pad):
            same(dataset[0][0], theirs.PILToTensor()(step(Image.fromarray(images[0]))))


def at(dataset: Any, index: int) -> Any:
    return dataset.transform.transforms[index]


CHANGES: dict[str, Callable[[Any], Any]] = {
    "size": lambda d: changed(at(d, 0), "size", (21, 22)),
    "size, in a container": lambda d: changed(at(d, 1).transforms[0], "size", (9, 8)),
    "size, in a module": lambda d: changed(at(d, 2)[0], "size", [9, 8]),
    "size, a list in place": lambda d: at(d, 7).size.__setitem__(0, 11),
    "padding in place": lambda d: at(d, 3).transforms[0].transforms[0].padding.__setitem__(0, 7),
    "fill": lambda d: at(d, 3).transforms[0].transforms[0]._fill.update(others=200),
    "p": lambda d: changed(at(d, 1), "p", 0.0),
    "interpolation": lambda d: changed(at(d, 0), "interpolation", theirs.InterpolationMode.NEAREST),
    "mean": lambda d: changed(at(d, 5), "mean", [0.1, 0.2, 0.3]),
    "mean in place": lambda d: at(d, 5).mean.__setitem__(1, 0.0),
    "std in place": lambda d: at(d, 5).std.mul_(2),
    "std by another name": lambda d: at(d, 5).std.numpy().__setitem__(0, 4.0),
    "append": lambda d: d.transform.transforms.append(theirs.Normalize([1.0] * 3, [0.5] * 3)),
    "insert": lambda d: d.transform.transforms.insert(0, theirs.RandomVerticalFlip(1.0)),
    "pop": lambda d: d.transform.transforms.pop(),
    "a step of another kind": lambda d: d.transform.transforms.__setitem__(0, theirs.CenterCrop(40)),
    "append to a module": lambda d: at(d, 2).append(theirs.RandomHorizontalFlip(1.0)),
    "append in a container": lambda d: at(d, 1).transforms.append(theirs.RandomHorizontalFlip(1.0)),
    "a function": lambda d: d.transform.transforms.insert(0, lambda image: image.rotate(90)),
    "transforms as a whole": lambda d: changed(d.transform, "transforms", [theirs.CenterCrop(9), theirs.ToTensor()]),
    "forward of an object": lambda d: changed(at(d, 0), "forward", lambda image: image.crop((0, 0, 30, 32))),
    "a hook": lambda d: at(d, 0).register_forward_hook(lambda _, __, image: image.rotate(90)),
    "a default dtype": lambda _: torch.set_default_dtype(torch.float64),
    "another transform": lambda d: renewed(d, theirs.Compose([theirs.CenterCrop(9), theirs.ToTensor()])),
    "no transform": lambda d: renewed(d, theirs.PILToTensor()),
}


def renewed(dataset: Any, transform: Any) -> None:
    dataset.transform = transform
    if hasattr(dataset, "transforms"):
        dataset.transforms = their_datasets.vision.StandardTransform(transform, None)


@pytest.fixture(autouse=True)
def _dtype() -> Any:
    yield
    torch.set_default_dtype(torch.float32)


def pair(root: Path) -> tuple[Any, Any]:
    return tuple(module.ImageFolder(root, theirs.Compose(steps())) for module in (their_datasets, datasets))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change(name: str, photos: Path) -> None:
    reference, own = pair(photos)
    same(own[3][0], reference[3][0])
    before = copy.deepcopy(reference[3][0])
    for dataset in (reference, own):
        CHANGES[name](dataset)
    expected = reference[3]
    assert (
        expected[0].dtype != before.dtype or expected[0].shape != before.shape or not torch.equal(expected[0], before)
    )
    got = own[3]
    assert got[0].dtype == expected[0].dtype
    same(got[0], expected[0])
    (batch, _) = next(iter(TorchDataLoader(own, 2, sampler=[3, 3])))
    same(batch[0], expected[0])
    (batch, _) = next(iter(DataLoader(own, 2, sampler=[3, 3])))
    same(batch[0], expected[0])
    (batch, _) = next(iter(TorchDataLoader(own, 2, sampler=[3, 3], num_workers=1)))
    same(batch[0], expected[0])


def test_classes_and_functions_that_change(photos: Path) -> None:
    reference, own = pair(photos)
    own[0]
    for owner, method, replacement in (
        (theirs.Resize, "forward", lambda _, image: image.crop((0, 0, 30, 32))),
        (theirs.functional, "center_crop", lambda image, size: image.crop((0, 0, *size))),
        (nn.Module, "__call__", lambda self, *args: self.forward(*args)),
    ):
        with mock.patch.object(owner, method, replacement):
            same(own[3][0], reference[3][0])
        same(own[3][0], reference[3][0])


def test_nothing_is_made_again_without_need(photos: Path) -> None:
    _, own = pair(photos)
    own[0]
    with mock.patch.object(SampleMaker, "__init__", mock.Mock(side_effect=AssertionError)):
        for index in range(10):
            own[index]


def one_hot() -> Any:
    return ours.OneHot(3)


def test_target_transforms(photos: Path) -> None:
    own = datasets.ImageFolder(photos, theirs.Compose(steps()), one_hot())
    assert own[0][1].tolist() == [1.0, 0.0, 0.0]
    object.__setattr__(own.target_transform, "smoothing", 0.3)
    same(own[0][1], torch.tensor([0.8, 0.1, 0.1]))
    own.target_transform = lambda target: target + 100
    assert own[0][1] == 100


def in_memory(module: Any) -> Any:
    cls = module.CIFAR10
    dataset = cls.__new__(cls)
    data, targets = np.stack([pixels(32, 32, seed=i) for i in range(6)]), [3, 1, 4, 1, 5, 9]
    if module is their_datasets:
        their_datasets.VisionDataset.__init__(dataset, "root", transform=theirs.ToTensor())
        dataset.data, dataset.targets = data, targets
    else:
        dataset.data = data
        super(cls, dataset).__init__(dataset.make_source(), targets, theirs.ToTensor(), None)
    return dataset


DATA: dict[str, Callable[[Any], Any]] = {
    "pixels in place": lambda d: d.data.__setitem__(2, 7),
    "other pixels": lambda d: changed(d, "data", 255 - d.data),
    "fewer": lambda d: (changed(d, "data", d.data[1:4]), changed(d, "targets", d.targets[1:4])),
    "fewer pixels only": lambda d: changed(d, "data", d.data[:4]),
    "a target in place": lambda d: d.targets.__setitem__(2, 8),
    "other targets": lambda d: changed(d, "targets", [0] * 6),
    "targets of numpy": lambda d: changed(d, "targets", np.arange(6)),
    "targets of torch": lambda d: changed(d, "targets", torch.arange(6)),
    "targets that are no numbers": lambda d: changed(d, "targets", np.linspace(0, 1, 6)),
}


@pytest.mark.parametrize("name", DATA)
def test_data_of_a_dataset_in_memory(name: str) -> None:
    reference, own = (in_memory(module) for module in (their_datasets, datasets))
    same(own[2][0], reference[2][0])
    for dataset in (reference, own):
        DATA[name](dataset)
    assert len(own) == len(reference)
    for index in range(len(reference)):
        same(own[index][0], reference[index][0])
        assert own[index][1] == reference[index][1]
    loaders = DataLoader(own, 3), TorchDataLoader(reference, 3)
    for (images, targets), (their_images, their_targets) in zip(*loaders, strict=True):
        same(images, their_images)
        same(targets, their_targets)


def test_samples_of_a_folder(photos: Path) -> None:
    reference, own = pair(photos)
    own[0]
    for dataset in (reference, own):
        dataset.samples = [(path, target + 10) for path, target in dataset.samples[5:9]]
    assert len(own) == len(reference) == 4
    assert own.samples == reference.samples
    for index in range(4):
        same(own[index][0], reference[index][0])
        assert own[index][1] == reference[index][1]
    (images, targets), (their_images, their_targets) = (
        next(iter(DataLoader(own, 4))),
        next(iter(TorchDataLoader(reference, 4))),
    )
    same(images, their_images)
    same(targets, their_targets)
    own.targets[0] = 99  # which says what a sample is, here
    assert own[0][1] == own.samples[0][1] == 99


def test_a_loader_that_is_set_afterwards(photos: Path) -> None:
    reference, own = pair(photos)
    own[0]
    for dataset in (reference, own):
        dataset.loader = lambda _: theirs.functional.to_pil_image(torch.zeros(3, 40, 40))
    same(own[3][0], reference[3][0])
