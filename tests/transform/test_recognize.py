"""Recognition: what runs natively and what does not, and that `explain` says so."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import Subset
from torchvision import datasets as their_datasets

from equality import equal
from oracle import same, theirs, v2
from pictures import in_memory, pixels
from torchfeed import DataLoader, explain, to_device
from torchfeed import transforms as T

IMAGES = [pixels(20, 24, seed=i) for i in range(5)]


class Flip(theirs.RandomHorizontalFlip):  # type: ignore[misc]  # of any type
    """A subclass may do anything."""

    def forward(self, img: Any) -> Any:
        return img.rotate(3)


def cifar(data: Any = None) -> Any:
    """torchvision's class without its files."""
    dataset = their_datasets.CIFAR10.__new__(their_datasets.CIFAR10)
    their_datasets.VisionDataset.__init__(dataset, "root", transform=theirs.ToTensor())
    dataset.train, dataset.targets = True, [3, 1, 4, 1, 5]
    dataset.data = np.stack(IMAGES) if data is None else data
    return dataset


JITTER = theirs.AugMix()
BOX = theirs.InterpolationMode.BOX
NORMALIZED = [theirs.ToTensor(), theirs.Normalize([0.5], [0.5])]


def hooked(transform: Any) -> Any:
    transform.register_forward_hook(lambda *_: None)
    return theirs.Compose([transform, theirs.ToTensor()])


def to_rgb(image: Any) -> Any:
    return image.convert("RGB")


def to_rgb_if_not(image: Any) -> Any:
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image


def closed_over(function: Any) -> Any:
    def inner(image: Any) -> Any:
        return function(image)

    return inner


def by_another(image: Any) -> Any:
    return to_rgb(image)


def by_default(image: Any, function: Any = to_rgb) -> Any:
    return function(image)


NATIVE: dict[str, Any] = {
    "torchfeed": T.Compose([T.Resize(8), T.CenterCrop(8), T.ToTensor(), T.Normalize([0.5], [0.5])]),
    "torchvision": theirs.Compose([theirs.Resize(8), theirs.CenterCrop(8), theirs.ToTensor()]),
    "v2": v2.Compose([v2.Resize(8), v2.CenterCrop(8), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]),
    "v2 image": v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]),
    "v2 pure": v2.Compose([v2.PILToTensor(), v2.ToPureTensor()]),
    "nested": theirs.Compose([T.Compose([theirs.Resize(8)]), v2.Compose([v2.CenterCrop(8), theirs.ToTensor()])]),
    "sequential": nn.Sequential(v2.CenterCrop(8), v2.PILToTensor()),
    "one": theirs.ToTensor(),
    "pad of v2": v2.Compose([v2.Pad((1, 2, 3, 4), fill=9), v2.Pad(2, padding_mode="reflect"), v2.PILToTensor()]),
    "tensor first": theirs.Compose([theirs.ToTensor(), theirs.CenterCrop(30), theirs.Pad(2)]),
    "normalized first": theirs.Compose([*NORMALIZED, theirs.RandomCrop((20, 24)), theirs.RandomHorizontalFlip(1)]),
    "structures": v2.Compose(
        [
            v2.RandomApply([v2.RandomHorizontalFlip(1), v2.CenterCrop(9)], p=1.0),
            theirs.RandomChoice([theirs.CenterCrop(50), theirs.CenterCrop(8)], p=[0, 3]),
            v2.RandomOrder([v2.Identity(), theirs.Compose([theirs.Pad(1), nn.Identity()])]),
            v2.PILToTensor(),
        ]
    ),
    "to RGB": theirs.Compose([to_rgb, theirs.CenterCrop(9), theirs.Lambda(lambda x: x), v2.RGB(), theirs.ToTensor()]),
    "to RGB, if": theirs.Compose([theirs.Lambda(to_rgb_if_not), v2.Lambda(to_rgb), theirs.ToTensor()]),
    "to RGB, by others": theirs.Compose([by_another, closed_over(to_rgb), by_default, theirs.ToTensor()]),
    "a function of torchvision's": theirs.functional.pil_to_tensor,
    "size of one": theirs.Compose([theirs.Resize([8]), theirs.CenterCrop([8]), theirs.ToTensor()]),
}


def a_global(image: Any) -> Any:
    convert(image)  # type: ignore[name-defined]  # noqa: F821
    return image


PYTHON: dict[str, tuple[Any, str]] = {
    "none": (None, "does not make a tensor"),
    "no tensor": (theirs.Resize(8), "does not make a tensor"),
    "function": (theirs.functional.to_grayscale, "runs in Python"),
    "subclass": (theirs.Compose([Flip(), theirs.ToTensor()]), r"test_recognize\.Flip runs in Python"),
    "colour": (theirs.Compose([JITTER, theirs.ToTensor()]), "AugMix runs in Python"),
    "late": (theirs.Compose([theirs.ToTensor(), theirs.Resize(8)]), "move Resize before the step that makes a tensor"),
    "late, filled": (theirs.Compose([*NORMALIZED, theirs.CenterCrop(50)]), "fills with 0, .* move CenterCrop before"),
    "late, mirrored": (theirs.Compose([theirs.ToTensor(), theirs.Pad(2, padding_mode="reflect")]), "reflect"),
    "nearest": (v2.Compose([v2.PILToTensor(), v2.Resize(8, interpolation=0)]), "Resize of a tensor with"),
    "not antialiased": (v2.Compose([v2.PILToTensor(), v2.Resize(8, antialias=False)]), "antialias=False"),
    "a hook": (hooked(theirs.CenterCrop(8)), "CenterCrop runs in Python"),
    "values too early": (theirs.Compose([theirs.Normalize([0.5], [0.5]), theirs.ToTensor()]), "Normalize raises"),
    "fill": (theirs.Compose([theirs.Pad(2, fill=(1, 2, 3, 4)), theirs.ToTensor()]), "fill"),
    "dict of fills": (v2.Compose([v2.Pad(2, fill={Image.Image: (1, 2, 3, 4)}), v2.PILToTensor()]), "fill"),
    "to gray": (
        theirs.Compose([lambda x: x.convert("L").convert("RGB"), theirs.ToTensor()]),
        "<lambda> runs in Python",
    ),
    "a function by its name": (theirs.Compose([a_global, theirs.ToTensor()]), "a_global runs in Python"),
    "raises": (theirs.Compose([theirs.Resize(8), lambda x: x if x.mode else 1 / 0]), "does not make a tensor"),
    "for types": (theirs.Compose([v2.Lambda(to_rgb, Image.Image), theirs.ToTensor()]), "Lambda runs in Python"),
    "no float": (theirs.Compose([theirs.RandomSolarize(10**400), theirs.ToTensor()]), "threshold=1000"),
    "without end": (
        theirs.Compose([theirs.RandAugment(10**9), theirs.ToTensor()]),
        "RandAugment has no native kernel: .*the most are 1000",
    ),
    "no bits": (theirs.Compose([theirs.RandomPosterize(0), theirs.ToTensor()]), "bits=0"),
    "no map": (theirs.Compose([theirs.RandomRotation(9, interpolation=BOX), theirs.ToTensor()]), "box is an error"),
    "no range": (theirs.Compose([theirs.RandomAffine((9, 8)), theirs.ToTensor()]), "degrees from 9.0 to 8.0"),
    "no share": (theirs.Compose([theirs.RandomPerspective(1.5), theirs.ToTensor()]), "distortion_scale=1.5"),
    "no centre": (v2.Compose([v2.RandomRotation(9, center="12"), v2.PILToTensor()]), "center='12'"),
    "late map": (theirs.Compose([theirs.ToTensor(), theirs.RandomAffine(9)]), "move RandomAffine before"),
    "erasing": (
        theirs.Compose([theirs.RandomErasing(), theirs.ToTensor()]),
        "RandomErasing of a PIL image runs in Python",
    ),
    "choice": (theirs.Compose([theirs.RandomChoice([JITTER]), theirs.ToTensor()]), "AugMix runs in Python"),
}


@pytest.mark.parametrize("name", NATIVE)
def test_runs_natively(name: str) -> None:
    transform = NATIVE[name]
    loader = DataLoader(in_memory(IMAGES, transform), 5)
    assert explain(loader).startswith("native, the caller's thread")
    ((images, _),) = loader
    assert type(images) is torch.Tensor
    for made, array in zip(images, IMAGES, strict=True):
        # Ours are functions of an image as well, so that each transform is its own oracle; here all draw alike.
        same(made, torch.as_tensor(transform(Image.fromarray(array))).as_subclass(torch.Tensor))


@pytest.mark.parametrize("name", PYTHON)
def test_runs_in_python_and_says_why(name: str) -> None:
    transform, why = PYTHON[name]
    loader = DataLoader(in_memory(IMAGES, transform), 5)
    text = explain(loader)
    assert text.startswith("native in part, the caller's process")
    assert re.search(why, text), text
    assert explain(DataLoader(in_memory(IMAGES, transform), 5, num_workers=2)).startswith("native in part, 2 processes")
    assert in_memory(IMAGES, transform).draw(0, seed=0)[-1][0] == "Python"


def test_torchvision_s_datasets(photos: Path) -> None:
    transform = theirs.Compose([theirs.CenterCrop(20), theirs.ToTensor()])
    folder = their_datasets.ImageFolder(photos, transform)
    for dataset in (folder, cifar(), Subset(folder, [3, 1]), Subset(Subset(cifar(), range(4)), [2, 0])):
        loader = DataLoader(dataset, 2, num_workers=2)
        assert explain(loader).startswith("native, 2 threads")
        equal(list(loader), list(TorchDataLoader(dataset, 2)))


CHANGED: dict[str, Callable[[Path], Any]] = {
    "a loader of its own": lambda root: their_datasets.ImageFolder(root, theirs.ToTensor(), loader=Image.open),
    "a subclass with a __getitem__": lambda root: type(
        "Mine", (their_datasets.ImageFolder,), {"__getitem__": lambda self, index: (index, index)}
    )(root, theirs.ToTensor()),
    "data of another dtype": lambda _: cifar(
        np.stack(IMAGES).astype(np.int32).astype(np.uint8)[..., :1].astype(np.float32)
    ),
    "a list": lambda _: [1, 2, 3],
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_datasets_are_torch_s(name: str, photos: Path) -> None:
    loader = DataLoader(CHANGED[name](photos), trace=False)
    assert explain(loader).startswith("torch's own path")


def test_transforms_that_are_exchanged_afterwards(photos: Path) -> None:
    """Scripts set `transform` after a split; ImageFolder then uses it, whatever `transforms` still holds."""
    dataset = their_datasets.ImageFolder(photos, theirs.ToTensor())
    dataset.transform = theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()])
    loader = DataLoader(Subset(dataset, range(5)), 5)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(loader.dataset, 5)))


def test_a_subclass_that_makes_its_samples_as_its_parent(photos: Path) -> None:
    class Renamed(their_datasets.ImageFolder):
        def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
            return ["bee", "ape"], {"bee": 0, "ape": 5}

    loader = DataLoader(Renamed(photos, theirs.Compose([theirs.Resize((9, 8)), theirs.ToTensor()])), 20)
    assert explain(loader).startswith("native, ")
    equal(list(loader), list(TorchDataLoader(loader.dataset, 20)))


def test_explain() -> None:
    transform = T.Compose([T.RandomCrop(8), T.RandomHorizontalFlip(), T.ToTensor()])
    loader = DataLoader(in_memory(IMAGES, transform), 3, num_workers=2)
    text = explain(loader)
    for part in (
        *("native, 2 threads", "5 samples", "RandomCrop, RandomHorizontalFlip", "ToTensor()"),
        *("torch.float32, shape (3, 3, 8, 8)", "device     cpu"),
    ):
        assert part in text
    assert "device     meta" in explain(to_device(loader, "meta"))
    any_size = explain(DataLoader(in_memory(IMAGES, T.Compose([T.RandomCrop(8), T.ToTensor()])), batch_sampler=[[1]]))
    assert "shape (N, 3, 8, 8)" in any_size
    with pytest.raises(TypeError, match=r"takes a torchfeed\.DataLoader, not DataLoader"):
        explain(TorchDataLoader(IMAGES))  # type: ignore[arg-type]


def test_collate_functions() -> None:
    dataset = in_memory(IMAGES, T.ToTensor())
    assert "collate_fn" in explain(DataLoader(dataset, collate_fn=list))
    assert explain(DataLoader(dataset, collate_fn=torch.utils.data.default_collate)).startswith("native")
    assert "collate_fn" in explain(DataLoader(dataset, None, collate_fn=torch.utils.data.default_collate))


def test_torchvision_is_not_imported() -> None:
    """It is recognised by name: a machine without it has everything else."""
    code = "import sys, torchfeed; assert not {m.split('.')[0] for m in sys.modules} & {'torchvision', 'scipy', 'cv2'}"
    subprocess.run([sys.executable, "-c", code], check=True)
