"""Code of datasets, of Pillow and of collating that was replaced runs, and `explain` names it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from PIL import Image, JpegImagePlugin
from torch.utils.data import ConcatDataset, Subset, TensorDataset, default_collate
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data._utils import collate as torch_collate
from torchvision import datasets as their_datasets
from torchvision.datasets import folder as their_folder

import torchvision_datasets as build
from equality import equal
from oracle import theirs
from pictures import in_memory, pixels
from replacements import REPLACEMENTS, replaced, wrapped
from torchfeed import DataLoader, datasets, explain
from torchfeed import transforms as ours
from torchfeed.recognize.common import Unrecognized
from torchfeed.recognize.dataset import conditional_datasets, read_samples, recognized_datasets
from torchvision_datasets import installed

__all__ = ["installed"]

CHAIN = theirs.Compose([theirs.Resize((8, 9)), theirs.ToTensor()])


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("how", REPLACEMENTS)
@pytest.mark.parametrize("name", build.NATIVE)
def test_every_dataset(name: str, how: str, tmp_path: Path) -> None:
    dataset = build.NATIVE[name](tmp_path)
    read_samples(dataset)
    owner = next(base for base in type(dataset).__mro__ if "__getitem__" in vars(base))
    with replaced(owner, "__getitem__", REPLACEMENTS[how](vars(owner)["__getitem__"])), pytest.raises(Unrecognized):
        read_samples(dataset)
    dataset.__getitems__ = lambda indices: [dataset[index] for index in indices]
    with pytest.raises(Unrecognized, match="__getitems__"):
        read_samples(dataset)
    del dataset.__getitems__
    read_samples(dataset)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("name", build.NATIVE)
def test_what_is_native_is_so_with_the_arguments_of_the_table(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the part of a dataset and what it is for, no argument is needed but those that the table names."""
    given: dict[str, set[str]] = {}

    def spy(cls: Any) -> None:
        init = cls.__init__

        def noted(self: Any, *args: Any, **options: Any) -> None:
            arguments = inspect.signature(init).bind(self, *args, **options).arguments
            given.setdefault(cls.__name__ if type(self) is cls else "", set(arguments))
            init(self, *args, **options)

        monkeypatch.setattr(cls, "__init__", noted)

    for name_of_class in {each for names, _ in recognized_datasets() for each in names.split(", ")}:
        spy(getattr(their_datasets, name_of_class))
    dataset = build.NATIVE[name](tmp_path)
    read_samples(dataset)
    cls = type(dataset).__name__
    parts = {
        "self",
        "root",
        "split",
        "version",
        "train",
        "partition",
        "annotation_level",
        "target_type",
        "target_types",
    }
    optional = given.get(cls, set()) - parts - {"download", "args", "kwargs"}
    if cls == "DatasetFolder":
        optional -= {"loader", "extensions"}  # one has to be given
    assert optional == {argument.partition("=")[0] for argument in [conditional_datasets().get(cls, "")] if argument}


LOADER_PARTS: list[tuple[Any, str]] = [
    (their_folder, "pil_loader"),
    (Image, "open"),
    (Image.Image, "convert"),
    (Image.Image, "load"),
    (JpegImagePlugin.JpegImageFile, "_open"),
]


@pytest.mark.parametrize(("owner", "name"), LOADER_PARTS)
def test_what_opens_a_file(owner: Any, name: str, photos: Path) -> None:
    dataset = their_datasets.ImageFolder(photos, CHAIN)
    assert explain(DataLoader(dataset)).startswith("native, ")
    with replaced(owner, name, wrapped(vars(owner)[name])):
        text = explain(DataLoader(dataset, trace=owner is not their_folder))
        assert text.startswith("torch's own path")
        assert f"{name} was replaced by" in text
    assert explain(DataLoader(dataset)).startswith("native, ")


def test_another_decoder_of_jpegs(photos: Path) -> None:
    dataset = their_datasets.ImageFolder(photos, CHAIN)
    Image.init()
    with mock.patch.dict(Image.OPEN, {"JPEG": (wrapped(Image.OPEN["JPEG"][0]), None)}):
        assert "OPEN['JPEG'] was replaced" in explain(DataLoader(dataset))
    assert explain(DataLoader(dataset)).startswith("native, ")


@pytest.mark.parametrize("replacement", [their_folder.pil_loader, their_folder.default_loader])
def test_loader_functions(replacement: Any, photos: Path) -> None:
    dataset = their_datasets.ImageFolder(photos, CHAIN, loader=replacement)
    assert explain(DataLoader(dataset)).startswith("native, ")
    for other in (functools.partial(replacement), wrapped(replacement), mock.Mock(side_effect=replacement)):
        dataset.loader = other
        assert explain(DataLoader(dataset, trace=False)).startswith("torch's own path")
        equal(next(iter(DataLoader(dataset, 3))), next(iter(TorchDataLoader(dataset, 3))))


def negated(self: Any, index: int) -> Any:
    image, target = self.dataset[self.indices[index]] if isinstance(self, Subset) else self.datasets[0][index % 3]
    return -image, target


NESTED: dict[str, Callable[[Any], Any]] = {
    "Subset": lambda dataset: Subset(dataset, [2, 0]),
    "ConcatDataset": lambda dataset: ConcatDataset([dataset, dataset]),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_datasets(name: str) -> None:
    dataset = NESTED[name](in_memory([pixels(9, 9, seed=i) for i in range(3)], CHAIN))
    assert explain(DataLoader(dataset, 2)).startswith("native, ")
    cls = type(dataset)
    names = [each for each in ("__getitem__", "__getitems__") if each in vars(cls)]
    for each in names:
        replacement = negated if each == "__getitem__" else lambda self, indices: [negated(self, i) for i in indices]
        with mock.patch.object(cls, each, replacement):
            text = explain(DataLoader(dataset, 2))
            assert text.startswith("torch's own path")
            assert f"{each} was replaced by" in text
            equal(list(DataLoader(dataset, 2)), list(TorchDataLoader(dataset, 2)))
    dataset.__getitems__ = lambda indices: [negated(dataset, index) for index in indices]
    equal(list(DataLoader(dataset, 2)), list(TorchDataLoader(dataset, 2)))


def test_a_concatenated_dataset_that_was_cut_afterwards() -> None:
    """torch keeps the lengths of the beginning."""
    parts = [datasets.ImageList([b"", b"", b""], [0, 1, 2]) for _ in range(2)]
    for part in parts:
        part.images = [image_bytes(i) for i in range(3)]
        part.transform = CHAIN
    joined: Any = ConcatDataset(parts)
    parts[0].images = parts[0].images[:2]
    sampler = [3, 4, 0]
    equal(list(DataLoader(joined, sampler=sampler)), list(TorchDataLoader(joined, sampler=sampler)))


def image_bytes(seed: int) -> bytes:
    from pictures import encode, picture  # noqa: PLC0415

    return encode(picture(12, 13, seed=seed), "PNG")


def test_rows_of_tensors() -> None:
    dataset = TensorDataset(torch.arange(6.0), torch.arange(6))
    assert explain(DataLoader(dataset, 2)).startswith("native, ")
    with mock.patch.object(TensorDataset, "__getitem__", lambda self, index: tuple(-t[index] for t in self.tensors)):
        assert "TensorDataset.__getitem__ was replaced by" in explain(DataLoader(dataset, 2))
        equal(list(DataLoader(dataset, 2)), list(TorchDataLoader(dataset, 2)))
    dataset.__getitems__ = lambda indices: [(torch.tensor(i),) for i in indices]  # type: ignore[attr-defined]
    equal(list(DataLoader(dataset, 2)), list(TorchDataLoader(dataset, 2)))


def test_collating() -> None:
    dataset = in_memory([pixels(9, 9, seed=i) for i in range(3)], CHAIN)
    was = torch_collate.collate
    with mock.patch.object(torch_collate, "collate", lambda *args, **options: [was(*args, **options)]):
        for each in (dataset, TensorDataset(torch.arange(3))):
            assert not explain(DataLoader(each, 3)).startswith("native, ")
            (ours_is,), (theirs_is,) = list(DataLoader(each, 3)), list(TorchDataLoader(each, 3))
            equal(ours_is, theirs_is)
    assert explain(DataLoader(dataset, 3, collate_fn=default_collate)).startswith("native, ")


def test_torchfeed_s_datasets(photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, ours.Compose([ours.Resize((8, 9)), ours.ToTensor()]))
    assert explain(DataLoader(dataset)).startswith("native, ")
    base = datasets.NativeDataset
    for name in ("__getitem__", "__getitems__", "image"):
        with replaced(base, name, wrapped(vars(base)[name])):
            assert explain(DataLoader(dataset)).startswith("torch's own path"), name
    gray = type("Gray", (datasets.ImageFolder,), {"image": lambda self, index: black(index)})(photos, CHAIN)
    assert explain(DataLoader(gray)).startswith("torch's own path")
    assert gray[3][0].unique().tolist() == [0.0]
    equal(next(iter(DataLoader(gray, 3))), next(iter(TorchDataLoader(gray, 3))))


def black(_: int) -> Image.Image:
    return Image.new("RGB", (20, 20))
