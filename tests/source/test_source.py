"""The source stage: torchvision's samples in torchvision's order."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision import datasets as theirs
from torchvision import transforms as their_transforms

from folders import JPEG, tree
from oracle import same
from pictures import in_memory, picture, pixels
from torchfeed import datasets
from torchfeed import transforms as T


def assert_same_samples(root: Any, **options: Any) -> Any:
    ours, reference = datasets.ImageFolder(root, **options), theirs.ImageFolder(root, **options)
    assert ours.samples == reference.samples
    assert ours.imgs == reference.imgs
    assert list(ours.samples) == reference.samples
    assert ours.classes == reference.classes
    assert ours.class_to_idx == reference.class_to_idx
    assert ours.targets == reference.targets
    assert len(ours) == len(reference)
    return ours


def test_order_is_torchvision_s(tmp_path: Path) -> None:
    names = ["2.jpg", "10.jpg", "x/1.jpg", "x-y/1.jpg", "x/a/3.png", "X/1.JPG", "é.jpeg", ".hidden.jpg", "a b/c d.Webp"]
    other = ["notes.txt", "jpg", "image.jpg.bak", "x/.png", "no.gif", "PGM.pgm", "t.TIFF", "t.tif", "b.bmp", "p.ppm"]
    tree(tmp_path, *(f"{folder}/{name}" for folder in ("b", "A", "a", "10", "é") for name in names + other))
    tree(tmp_path, "in-no-class.jpg")
    dataset = assert_same_samples(tmp_path)
    assert len(dataset) == 5 * 15
    assert_same_samples(str(tmp_path))
    assert_same_samples(f"{tmp_path}/")


def test_relative_and_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "data/a/1.jpg", "data/b/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert assert_same_samples("data").samples[0] == ("data/a/1.jpg", 0)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_same_samples("~/data")
    monkeypatch.chdir(tmp_path / "data")
    assert_same_samples(".")


def test_links_are_followed(tmp_path: Path) -> None:
    tree(tmp_path, "outside/deep/1.jpg", "outside/2.jpg", "root/a/3.jpg")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "root" / "a" / "4.jpg").symlink_to(tmp_path / "outside" / "2.jpg")
    (tmp_path / "root" / "a" / "linked").symlink_to(tmp_path / "outside" / "deep", target_is_directory=True)
    (tmp_path / "root" / "a" / "broken.jpg").symlink_to(tmp_path / "nothing")
    assert len(assert_same_samples(tmp_path / "root")) == 6


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.jpg", "a/b/2.jpg")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a", target_is_directory=True)
    assert [Path(path).name for path, _ in datasets.ImageFolder(tmp_path).samples] == ["1.jpg", "2.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has file names that are no text")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with open(os.fsencode(tmp_path / "a") + b"/\xff\xfe.jpg", "wb") as file:  # noqa: PTH123  (pathlib has no bytes)
        file.write(JPEG)
    dataset = assert_same_samples(tmp_path)
    assert dataset[0][0].size == (9, 9)


def test_is_valid_file(tmp_path: Path) -> None:
    tree(tmp_path, "b/1.jpg", "b/2.txt", "a/z/1.txt", "a/1.png", "a/2.txt")
    assert len(assert_same_samples(tmp_path, is_valid_file=lambda path: path.endswith(".txt"))) == 3


def test_allow_empty(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.jpg", "b/1.txt")
    dataset = assert_same_samples(tmp_path, allow_empty=True)
    assert dataset.classes == ["a", "b"]
    chosen: dict[str, Any] = {"is_valid_file": lambda path: "jpg" in path}
    for options in ({}, chosen):
        with pytest.raises(FileNotFoundError) as reference:
            theirs.ImageFolder(tmp_path, **options)
        with pytest.raises(FileNotFoundError) as ours:
            datasets.ImageFolder(tmp_path, **options)
        assert str(ours.value).strip() == str(reference.value).strip()


def test_folders_without_classes(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        for module in (theirs, datasets):
            with pytest.raises(FileNotFoundError, match=str(root)):
                module.ImageFolder(root)


def test_find_classes_can_be_overridden(photos: Path) -> None:
    def find_classes(_: object, __: object) -> tuple[list[str], dict[str, int]]:
        return ["cat", "ape"], {"cat": 0, "ape": 1}

    made = [
        type("Chosen", (base,), {"find_classes": find_classes})(photos)
        for base in (datasets.ImageFolder, theirs.ImageFolder)
    ]
    assert made[0].samples == made[1].samples
    assert made[0].targets == made[1].targets


def test_samples_are_a_sequence(photos: Path) -> None:
    ours, reference = datasets.ImageFolder(photos).samples, theirs.ImageFolder(photos).samples
    assert ours[3] == reference[3]
    assert ours[-1] == reference[-1]
    assert ours[2:9:3] == reference[2:9:3]
    assert ours != reference[1:]
    assert reference[5] in ours
    assert repr(ours) == repr(reference)
    with pytest.raises(IndexError):
        ours[len(reference)]


def test_images_and_targets_are_torchvision_s(photos: Path) -> None:
    ours, reference = datasets.ImageFolder(photos), theirs.ImageFolder(photos)
    for index in range(-1, len(ours)):
        (image, target), (expected, label) = ours[index], reference[index]
        assert (image.mode, image.size, image.tobytes(), target) == ("RGB", expected.size, expected.tobytes(), label)
    for index in (len(ours), -len(ours) - 1):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 26 samples"):
            ours[index]


def test_transforms_in_python(photos: Path) -> None:
    """A function that is not recognised is run on a PIL image; so is one of targets."""
    options: dict[str, Any] = {"transform": lambda image: image.size, "target_transform": lambda target: -target}
    ours, reference = datasets.ImageFolder(photos, **options), theirs.ImageFolder(photos, **options)
    assert [ours[i] for i in range(len(ours))] == [reference[i] for i in range(len(reference))]
    assert ours.__getitems__([3, 1]) == [reference[3], reference[1]]


def test_loader_function(photos: Path) -> None:
    def loader(path: str) -> Image.Image:
        return Image.new("RGB", (4, 5), (len(path) % 256, 1, 2))

    options: dict[str, Any] = {"loader": loader, "transform": their_transforms.ToTensor()}
    ours, reference = datasets.ImageFolder(photos, **options), theirs.ImageFolder(photos, **options)
    for index in (0, 7, -1):
        same(ours[index][0], reference[index][0])


def test_one_hot_targets(photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, T.Compose([T.CenterCrop(8), T.ToTensor()]), T.OneHot(3))
    for index in range(26):
        assert dataset[index][1].tolist() == [float(c == dataset.targets[index]) for c in range(3)]


@pytest.mark.parametrize("duplicate", [lambda d: pickle.loads(pickle.dumps(d)), copy.deepcopy, copy.copy])
def test_copies_are_the_same(duplicate: Any, photos: Path, cifar: Path) -> None:
    transform = T.Compose([T.RandomCrop(20, pad_if_needed=True), T.ToTensor()])
    for dataset in (datasets.ImageFolder(photos, transform), datasets.CIFAR10(cifar, transform=transform)):
        first = dataset[0]  # what is compiled must not come along
        assert first[0].shape == (3, 20, 20)
        dataset.seed = 5
        again = duplicate(dataset)
        assert len(again) == len(dataset)
        for index in range(len(dataset)):
            same(again[index][0], dataset[index][0])
            assert again[index][1] == dataset[index][1]


# CIFAR


@pytest.fixture(scope="session")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both datasets as pickles, 4 images in each file."""
    root = tmp_path_factory.mktemp("cifar")
    for folder, files, labels, meta in (
        ("cifar-10-batches-py", [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], "labels", "batches.meta"),
        ("cifar-100-python", ["train", "test"], "fine_labels", "meta"),
    ):
        (root / folder).mkdir()
        for number, name in enumerate(files):
            data = np.random.default_rng(number).integers(0, 256, (4, 3072), dtype=np.uint8)
            content = {"data": data, labels: [(number + i) % 10 for i in range(4)]}
            (root / folder / name).write_bytes(pickle.dumps(content))
        key = "label_names" if folder == "cifar-10-batches-py" else "fine_label_names"
        (root / folder / meta).write_bytes(pickle.dumps({key: [f"class {i}" for i in range(10)]}))
    return root


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar_is_torchvision_s(name: str, train: bool, cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    ours, reference = getattr(datasets, name)(cifar, train), getattr(theirs, name)(cifar, train)
    assert np.array_equal(ours.data, reference.data)
    assert (ours.targets, ours.classes, ours.class_to_idx) == (
        reference.targets,
        reference.classes,
        reference.class_to_idx,
    )
    assert len(ours) == {"CIFAR10": 20, "CIFAR100": 4}[name] if train else 4
    for index in range(len(ours)):
        assert ours[index][0].tobytes() == reference[index][0].tobytes()
        assert ours[index][1] == reference[index][1]


def test_cifar_as_a_folder_of_images(tmp_path: Path) -> None:
    images = {}
    for number in range(12):
        part, name = ("train", "test")[number % 4 == 3], ("cat", "dog")[number % 2]
        path = tmp_path / part / name / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images[path] = pixels(32, 32, seed=number)
        Image.fromarray(images[path]).save(path)
    for part, train in (("train", True), ("test", False)):
        dataset = datasets.CIFAR10(tmp_path, train)
        reference = theirs.ImageFolder(tmp_path / part)
        assert (dataset.targets, dataset.classes) == (reference.targets, reference.classes)
        assert all(
            np.array_equal(image, images[Path(path)])
            for image, (path, _) in zip(dataset.data, reference.samples, strict=True)
        )


def test_cifar_that_is_not_there(tmp_path: Path, cifar: Path) -> None:
    with pytest.raises(RuntimeError, match=r"neither cifar-10-batches-py nor train/CLASS"):
        datasets.CIFAR10(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(RuntimeError, match="data_batch_1 is missing"):
        datasets.CIFAR10(tmp_path)
    for number, size in enumerate((32, 31)):
        (tmp_path / "test" / "a").mkdir(parents=True, exist_ok=True)
        picture(size, 32).save(tmp_path / "test" / "a" / f"{number}.png")
    with pytest.raises(RuntimeError, match=r"neither cifar-100-python nor train/CLASS"):
        datasets.CIFAR100(tmp_path)
    with pytest.raises((ValueError, RuntimeError), match=r"equal size|of one size"):
        datasets.CIFAR100(tmp_path, train=False)


# Inside torch's own loader


@pytest.mark.parametrize("context", [None, "fork", "spawn"])
def test_in_torch_s_loader(context: str | None, photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, T.Compose([T.RandomCrop(32, pad_if_needed=True), T.ToTensor()]))
    dataset[0]  # compiled before the fork
    dataset.seed = 11
    workers = 0 if context is None else 2
    loader = TorchDataLoader(dataset, batch_size=5, num_workers=workers, multiprocessing_context=context)
    images, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
    same(images, torch.stack([dataset[i][0] for i in range(26)]))
    assert targets.tolist() == dataset.targets


def test_in_torch_s_loader_each_epoch_is_another(photos: Path) -> None:
    dataset = datasets.ImageFolder(photos, T.Compose([T.RandomResizedCrop(9), T.ToTensor()]))
    for workers in (0, 2):
        loader = TorchDataLoader(dataset, batch_size=26, num_workers=workers)
        first, second = (next(iter(loader))[0] for _ in range(2))
        assert not torch.equal(first, second)


def test_a_dataset_without_a_seed_follows_torch_s(photos: Path) -> None:
    dataset = in_memory([pixels(30, 30)] * 4, T.Compose([T.RandomCrop(20), T.ToTensor()]))
    torch.manual_seed(1)
    first = [dataset[i][0] for i in (0, 0, 1)]
    torch.manual_seed(1)
    for image, i in zip(first, (0, 0, 1), strict=True):
        same(dataset[i][0], image)
    assert not torch.equal(first[0], first[1])
