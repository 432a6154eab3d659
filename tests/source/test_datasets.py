"""Recognition of torchvision's datasets: the very samples that they make, or the reason why not."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch.utils.data import default_collate
from torchvision import datasets, io
from torchvision.datasets import folder as their_folder

import torchvision_datasets as build
from torchfeed.datasets import NativeDataset
from torchfeed.recognize import dataset as recognition
from torchfeed.recognize.common import Unrecognized
from torchfeed.recognize.dataset import read_samples, recognized_datasets
from torchfeed.recognize.replaced_code import Code, Watch
from torchvision_datasets import installed, oxford_pets

__all__ = ["installed", "oxford_pets"]

pytestmark = pytest.mark.usefixtures("_installed")


def same_samples(theirs: Any) -> None:
    samples = read_samples(theirs)
    assert all(type(label) is int for label in samples.labels)
    ours = NativeDataset(samples.source, samples.labels, None, None)
    assert len(ours) == len(samples.labels) == len(theirs) > 0
    targets = []
    for index, label in enumerate(samples.labels):
        made, (image, target) = ours.image(index), theirs[index]
        assert (made.mode, made.size) == (image.mode, image.size)
        assert made.tobytes() == image.tobytes()
        assert label == target
        targets.append(target)
    batch = default_collate(targets)
    assert (batch.dtype, batch.tolist()) == (torch.int64, samples.labels)


@pytest.mark.parametrize("name", build.NATIVE)
def test_samples_are_torchvision_s(name: str, tmp_path: Path) -> None:
    same_samples(build.NATIVE[name](tmp_path))


def test_every_class_that_is_listed_is_tested(tmp_path: Path) -> None:
    made = {type(make(tmp_path / name)).__name__ for name, make in build.NATIVE.items()}
    listed = [name for names, _ in recognized_datasets() for name in names.split(", ")]
    assert len(listed) == len(set(listed))
    assert made - {"OddClasses"} == set(listed) - (set() if build.INATURALIST_HAS_LOADER else {"INaturalist"})
    assert {how for _, how in recognized_datasets()} == {"image files", "pixels in memory"}


def changed(value: Any, **attributes: Any) -> Any:
    for name, content in attributes.items():
        setattr(value, name, content)
    return value


# Changes after which torchvision still makes a plain sample of each image.
CHANGED: dict[str, Callable[[Path], Any]] = {
    "fewer samples": lambda root: changed((d := build.folder(root)), samples=d.samples[2:]),
    "paths and tuples": lambda root: changed(
        (d := build.folder(root)), samples=tuple((Path(path), label) for path, label in d.samples)
    ),
    "labels of numpy": lambda root: changed(build.cifar(root), targets=np.arange(10)),
    "labels of torch": lambda root: changed(build.cifar(root), targets=torch.arange(10)),
    "scalars of numpy": lambda root: changed(build.cifar(root), targets=[*np.arange(9), 9]),
    "rows in a row": lambda root: changed((d := build.cifar(root)), data=np.ascontiguousarray(d.data)),
    "strides": lambda root: changed((d := build.cifar(root)), data=d.data[:, ::2, ::-1]),
    "every other": lambda root: changed((d := build.cifar(root)), data=d.data[::2], targets=d.targets[::2]),
    "planes in a row": lambda root: changed((d := build.svhn(root)), data=np.ascontiguousarray(d.data)),
    "gray strides": lambda root: changed((d := build.qmnist(root)), data=d.data[:, ::2]),
    "float labels": lambda root: changed(build.usps(root), targets=[1.9, 2.1, 3.0]),  # which it rounds down
    "bytes as labels": lambda root: changed(build.NATIVE["MNIST"](root), targets=torch.arange(4, dtype=torch.uint8)),
}


def without_loader(dataset: Any) -> Any:
    """Older classes have no such attribute, and open their images themselves."""
    vars(dataset).pop("loader", None)

    def __getitem__(self: Any, index: int) -> Any:  # noqa: N807
        return Image.open(self._image_files[index]).convert("RGB"), self._labels[index]

    names = {"__name__": "torchvision.datasets.dtd", "Image": Image}
    older = FunctionType(__getitem__.__code__, names, "__getitem__")
    older.__qualname__ = "DTD.__getitem__"
    dataset.__class__ = type("DTD", (datasets.DTD,), {"__getitem__": older})
    return dataset


@pytest.mark.parametrize("name", CHANGED)
def test_what_is_read_is_what_is_there_now(name: str, tmp_path: Path) -> None:
    same_samples(CHANGED[name](tmp_path))


def test_classes_of_older_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 0.22 some classes have no loader. Such a function is not in the file, so it counts as replaced."""
    older = without_loader(build.dtd(tmp_path))
    with pytest.raises(Unrecognized, match=r"DTD\.__getitem__ was replaced by"):
        read_samples(older)
    monkeypatch.setattr(recognition, "code_of_function", lambda *_: Code("", frozenset(), {}, (), Watch.of({}, ())))
    same_samples(older)


def test_planes_are_not_copied(tmp_path: Path) -> None:
    theirs = build.cifar(tmp_path)
    samples = read_samples(theirs)
    theirs.data[:] = 255 - theirs.data
    ours = NativeDataset(samples.source, samples.labels, None, None)
    assert all(ours.image(i).tobytes() == theirs[i][0].tobytes() for i in range(10))


def test_an_empty_dataset() -> None:
    empty = changed(datasets.ImageFolder.__new__(datasets.ImageFolder), samples=[], loader=their_folder.pil_loader)
    assert (len(read_samples(empty).source), read_samples(empty).labels) == (0, [])


class OwnSample(datasets.ImageFolder):
    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(len(self) - 1 - index)


class OwnBatch(datasets.ImageFolder):
    def __getitems__(self, indices: list[int]) -> Any:
        return [self[index] for index in reversed(indices)]


class Wrapped(datasets.ImageFolder):
    @functools.wraps(datasets.DatasetFolder.__getitem__)
    def __getitem__(self, index: int) -> Any:  # type: ignore[override]  # by the name of its type
        return super().__getitem__(0)


class ImageFolder(torch.utils.data.Dataset[Any]):
    def __init__(self, root: Path) -> None:
        self.samples, self.loader = [(str(root), 0)], their_folder.pil_loader

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError


def fake(cls: Any, **attributes: Any) -> Callable[[Path], Any]:
    """An object of a class that has no files."""
    return lambda _: changed(cls.__new__(cls), **attributes)


PYTHON: dict[str, tuple[Callable[[Path], Any], str]] = {
    "own sample": (lambda root: OwnSample(build.folder(root).root), r"test_datasets\.OwnSample\.__getitem__ makes"),
    "own batch": (lambda root: OwnBatch(build.folder(root).root), "OwnBatch.__getitems__ .* leave it out"),
    "wrapped": (lambda root: Wrapped(build.folder(root).root), r"test_datasets\.DatasetFolder\.__getitem__ makes"),
    "same name": (ImageFolder, r"test_datasets\.ImageFolder.* inherit .*, or list the images"),
    "no dataset": (lambda _: [1, 2], "of 'list' objects> makes the samples of list"),
    "nothing": (lambda _: None, "makes the samples of NoneType"),
    "v2 wrapper": (lambda root: datasets.wrap_dataset_for_transforms_v2(build.folder(root)), "in Python: inherit"),
    "loader": (
        lambda root: changed(build.folder(root), loader=Image.open),
        r"PIL\.Image\.open, the loader .* pass torchv",
    ),
    "tensors": (
        lambda root: changed(build.folder(root), loader=io.read_image),
        "read_image, the loader of ImageFolder",
    ),
    "method": (lambda root: changed(build.folder(root), loader=str.upper), "'upper' of 'str' objects>, the loader of"),
    "string labels": (lambda root: changed(build.folder(root), samples=[("1.jpg", "a")]), "of type str: make each an"),
    "three": (lambda root: changed(build.folder(root), samples=[("1.jpg", 1, 2)]), "does not hold what torchvision"),
    "no path": (lambda root: changed(build.folder(root), samples=[(3, 1)]), "ImageFolder does not hold .* int"),
    "generator": (lambda root: changed(build.folder(root), samples=iter([])), "samples is of type list_iterator"),
    "no labels": (lambda root: build.clevr(root, "test"), "samples without a label: use a split"),
    "no files": (lambda root: changed(build.dtd(root), _image_files=None), "_image_files is of type NoneType"),
    "fewer labels": (lambda root: changed(build.dtd(root), _labels=[1]), "1 labels for 2 images"),
    "two targets": (lambda root: oxford_pets(root, ["category", "segmentation"]), 'target_types=.*: use "category"'),
    "no target": (lambda root: oxford_pets(root, []), 'use "category"'),
    "no labels of places": (
        lambda root: changed(build.places365(root), imgs=[("1.jpg", None)]),
        "Places365 has samples without a label",
    ),
    "mode of the file": (build.inaturalist, "INaturalist(, runs in Python| does not make its images RGB): "),
    "tuple": (
        lambda root: changed(build.inaturalist(root, ["super", "full"]), loader=their_folder.pil_loader),
        "name one of them" if build.INATURALIST_HAS_LOADER else "newer torchvisions can",
    ),
    "caltech101": (build.caltech101, "Caltech101 does not make its images RGB.*ImageList"),
    "caltech256": (build.caltech256, "Caltech256 does not make its images RGB.*ImageList"),
    "celeba": (fake(datasets.CelebA), "CelebA does not make its images RGB"),
    "omniglot": (build.omniglot, "Omniglot makes its images gray.*ImageList"),
    "fake data": (lambda _: datasets.FakeData(3), "FakeData draws its images"),
    "pcam": (fake(datasets.PCAM), "PCAM reads its images from HDF5"),
    "lsun": (fake(datasets.LSUN), "LSUN reads its images from LMDB"),
    "detection": (fake(datasets.CocoDetection), "CocoDetection.__getitem__ makes the samples"),
    "floats": (
        lambda root: changed((d := build.cifar(root)), data=d.data / 255),
        r"data is float64 .* uint8 \(N, H, W",
    ),
    "gray cifar": (lambda root: changed((d := build.cifar(root)), data=d.data[..., 0]), r"uint8 \(10, 32, 32\): make"),
    "alpha": (fake(datasets.CIFAR10, data=np.zeros((1, 2, 2, 4), np.uint8), targets=[0]), "make it uint8"),
    "no pixels": (fake(datasets.CIFAR10, data=np.zeros((1, 0, 2, 3), np.uint8), targets=[0]), "does not hold what"),
    "tensor": (lambda root: changed((d := build.cifar(root)), data=torch.tensor(d.data)), "make it ndarray"),
    "array": (lambda root: changed((d := build.qmnist(root)), data=d.data.numpy()), "QMNIST.data .* make it Tensor"),
    "int32 labels": (lambda root: changed(build.cifar(root), targets=np.arange(10, dtype=np.int32)), "of type int32"),
    "uint8 labels": (lambda root: changed(build.cifar(root), targets=list(np.arange(10, dtype=np.uint8))), "uint8"),
    "booleans": (lambda root: changed(build.cifar(root), targets=[True] * 10), "of type bool: make each an int"),
    "rows of labels": (lambda root: changed(build.cifar(root), targets=np.zeros((10, 2), int)), "make each an int"),
    "labels lost": (lambda root: changed(build.cifar(root), targets=None), "CIFAR10 does not hold"),
    "not a number": (lambda root: changed(build.usps(root), targets=[1, 2, float("nan")]), "USPS does not hold"),
    "unlabelled": (lambda root: changed(build.stl10("unlabeled")(root), labels=None), "STL10 has no labels, and None"),
    "unlabelled faces": (lambda root: build.fer2013(root, "test"), "FER2013 has samples without a label"),
    "wide faces": (
        lambda root: changed(build.fer2013(root), _samples=[(torch.zeros(3, 3), 1)]),
        "FER2013 holds images",
    ),
    "vectors": (lambda root: build.qmnist(root, compat=False), "compat=False"),
}


@pytest.mark.parametrize("name", PYTHON)
def test_what_is_not_read_says_why(name: str, tmp_path: Path) -> None:
    make, why = PYTHON[name]
    with pytest.raises(Unrecognized, match=why):
        read_samples(make(tmp_path))


REPLACED: list[tuple[Any, str, Any, str]] = [
    (
        datasets.DatasetFolder,
        "__getitem__",
        lambda self, index: self.samples[index],
        "<lambda> makes the samples of Im",
    ),
    (their_folder, "pil_loader", Image.open, r"folder\.pil_loader was replaced by PIL\.Image\.open"),
    (torchvision, "_image_backend", "accimage", r'set_image_backend\("PIL"\)'),
]


@pytest.mark.parametrize(("owner", "name", "value", "why"), REPLACED)
def test_parts_of_torchvision_that_were_replaced(
    owner: Any, name: str, value: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = build.folder(tmp_path)
    same_samples(dataset)
    monkeypatch.setattr(owner, name, value)
    with pytest.raises(Unrecognized, match=why):
        read_samples(dataset)


MEMORY = """
import ctypes, gc, sys
from torchvision import datasets, transforms
from torchfeed import DataLoader
from torchfeed.epoch.internals import internals
from torchfeed.plan.resolve import resolve

def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

count = 300_000
folder = datasets.ImageFolder.__new__(datasets.ImageFolder)
datasets.VisionDataset.__init__(folder, "root", transform=transforms.ToTensor())
folder.samples = [(f"/data/imagenet/train/n{i % 1000:08}/n{i % 1000:08}_{i:08}.JPEG", i % 1000) for i in range(count)]
folder.loader = datasets.folder.default_loader
small = datasets.ImageFolder.__new__(datasets.ImageFolder)
small.__dict__.update(folder.__dict__, samples=folder.samples[:9])
resolve(small, internals(DataLoader(small)).settings(DataLoader(small)))
before = resident()
loader = DataLoader(folder)
resolved = resolve(folder, internals(loader).settings(loader))
print((resident() - before) / count - len(folder.samples[0][0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_listed_file() -> None:
    """What a loader keeps of a dataset of files is little more than their paths."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
