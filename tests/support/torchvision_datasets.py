"""torchvision's dataset classes over a few small files, in the layout that each class expects on disk."""

from __future__ import annotations

import bz2
import inspect
import json
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torchvision import datasets
from torchvision.datasets.folder import default_loader, pil_loader

from pictures import encode, picture, pixels

# Others do not make its images RGB.
INATURALIST_HAS_LOADER = "loader" in inspect.signature(datasets.INaturalist).parameters

RNG = np.random.default_rng(5)


@pytest.fixture(name="_installed")
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets small files pass for the real ones, and pickles for MATLAB's files, so that scipy is not needed."""
    scipy, scipy_io = ModuleType("scipy"), ModuleType("scipy.io")
    scipy_io.loadmat = lambda path, **_: pickle.loads(Path(path).read_bytes())  # type: ignore[attr-defined]
    scipy.io = scipy_io  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scipy", scipy)
    monkeypatch.setitem(sys.modules, "scipy.io", scipy_io)
    for name, module in list(sys.modules.items()):
        if name.startswith("torchvision.datasets.") and hasattr(module, "check_integrity"):
            monkeypatch.setattr(module, "check_integrity", mock.Mock(return_value=True))


def write(path: Path, content: str | bytes = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def write_images(folder: Path, *names: str) -> Path:
    """Writes colour, gray and palette images in turn, each as its name says; names may hold folders."""
    for number, name in enumerate(names):
        kind = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "ppm": "PPM"}[name.rpartition(".")[2]]
        mode = ("RGB", "L", "P" if kind == "PNG" else "RGB")[number % 3]
        write(folder / name, encode(picture(9 + number, 12 - number, mode, seed=number), kind))
    return folder


def write_idx(path: Path, array: Any) -> None:
    """Writes an array as the MNIST family stores it."""
    array = np.asarray(array)
    code = {"uint8": 8, "int32": 12}[str(array.dtype)]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    write(path, header + array.astype(array.dtype.newbyteorder(">")).tobytes())


def gray(number: int, size: int) -> Any:
    return RNG.integers(0, 256, (number, size, size), dtype=np.uint8)


# Image files


def folder(root: Path) -> Any:
    return datasets.ImageFolder(write_images(root, "a/1.jpg", "a/2.jpg", "b/3.png", "c/4.ppm"))


def any_folder(root: Path) -> Any:
    return datasets.DatasetFolder(write_images(root, "a/1.jpg", "b/2.jpg"), pil_loader, (".jpg",))


class OddClasses(datasets.ImageFolder):
    """Finds its classes in its own way, and leaves the samples to torchvision."""

    def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
        return ["b", "a"], {"b": 7, "a": -3}


def odd_classes(root: Path) -> Any:
    return OddClasses(write_images(root, "a/1.jpg", "b/2.jpg", "c/3.jpg"))


def imagenet(root: Path) -> Any:
    write_images(root / "train", "n1/1.jpg", "n2/2.jpg")
    torch.save(({"n1": ("ape",), "n2": ("bee", "wasp")}, []), root / "meta.bin")
    return datasets.ImageNet(root)


def eurosat(root: Path) -> Any:
    write_images(root / "eurosat" / "2750", "Forest/1.jpg", "River/2.jpg")
    return datasets.EuroSAT(root)


def country211(root: Path) -> Any:
    write_images(root / "country211" / "valid", "AD/1.jpg", "ZW/2.jpg")
    return datasets.Country211(root, "valid")


def clevr(root: Path, split: str = "val") -> Any:
    base = root / "clevr" / "CLEVR_v1.0"
    write_images(base / "images" / split, "1.png", "2.png", "3.png")
    scenes = [{"image_filename": f"{n}.png", "objects": [{}] * (3 * n)} for n in (1, 2, 3)]
    write(base / "scenes" / f"CLEVR_{split}_scenes.json", json.dumps({"scenes": scenes}))
    return datasets.CLEVRClassification(root, split)


def dtd(root: Path) -> Any:
    base = root / "dtd" / "dtd"
    write_images(base / "images", "waffled/1.jpg", "banded/2.jpg")
    write(base / "labels" / "test3.txt", "waffled/1.jpg\nbanded/2.jpg\n")
    return datasets.DTD(root, "test", partition=3)


def fgvc_aircraft(root: Path) -> Any:
    data = root / "fgvc-aircraft-2013b" / "data"
    write_images(data / "images", "1.jpg", "2.jpg")
    write(data / "families.txt", "A320\nBoeing 737\n")
    write(data / "images_family_test.txt", "2 A320\n1 Boeing 737\n")
    return datasets.FGVCAircraft(root, "test", "family")


def flowers102(root: Path) -> Any:
    base = root / "flowers-102"
    write_images(base / "jpg", "image_00001.jpg", "image_00002.jpg", "image_00003.jpg")
    write(base / "setid.mat", pickle.dumps({"trnid": np.array([3, 1], np.uint16)}))
    write(base / "imagelabels.mat", pickle.dumps({"labels": np.array([77, 5, 102], np.uint8)}))
    return datasets.Flowers102(root)


def food101(root: Path) -> Any:
    write_images(root / "food-101" / "images", "pho/1.jpg", "pho/2.jpg", "cake/3.jpg")
    write(root / "food-101" / "meta" / "train.json", json.dumps({"pho": ["pho/1", "pho/2"], "cake": ["cake/3"]}))
    return datasets.Food101(root)


def gtsrb(root: Path) -> Any:
    write_images(root / "gtsrb" / "GTSRB" / "Training", "00000/1.ppm", "00001/2.ppm")
    return datasets.GTSRB(root)


def imagenette(root: Path) -> Any:
    write_images(root / "imagenette2" / "val", "n01440764/1.jpeg", "n03888257/2.jpeg")
    return datasets.Imagenette(root, "val")


def inaturalist(root: Path, target_type: Any = "super", **options: Any) -> Any:
    write_images(root / "2019", "Birds/1/1.jpg", "Fish/0/2.jpg", "Fish/2/3.jpg")
    return datasets.INaturalist(root, "2019", target_type, **options)


def inaturalist_2021(root: Path, **options: Any) -> Any:
    names = [f"0000{n}_Animalia_Chordata_{kind}/{n}.jpg" for n, kind in enumerate(("Aves_b_c_d_e", "Aves_f_g_h_i"))]
    write_images(root / "2021_valid", *names)
    return datasets.INaturalist(root, "2021_valid", **options)


def lfw_people(root: Path) -> Any:
    base = root / "lfw-py"
    write_images(base / "lfw_funneled", "Ann/Ann_0001.jpg", "Bob/Bob_0001.jpg", "Bob/Bob_0002.jpg")
    write(base / "lfw-names.txt", "Ann 1\nBob 2\n")
    write(base / "peopleDevTest.txt", "2\nBob\t2\nAnn\t1\n")
    return datasets.LFWPeople(str(root), "test")


def oxford_pets(root: Path, target_types: Any = "category") -> Any:
    base = root / "oxford-iiit-pet"
    write_images(base / "images", "Abyssinian_1.jpg", "pug_2.jpg")
    write(base / "annotations" / "trainval.txt", "Abyssinian_1 1 1 1\npug_2 26 2 2\n")
    return datasets.OxfordIIITPet(root, target_types=target_types)


def places365(root: Path) -> Any:
    write_images(root / "data_large_standard", "a/1.jpg", "a/b/2.jpg")
    write(root / "categories_places365.txt", "/a/airfield 0\n/a/alley 1\n")
    write(root / "places365_train_standard.txt", "/a/1.jpg 1\n/a/b/2.jpg 0\n")
    return datasets.Places365(root)


def rendered_sst2(root: Path) -> Any:
    write_images(root / "rendered-sst2" / "valid", "negative/1.png", "positive/2.png", "positive/3.png")
    return datasets.RenderedSST2(root, "val")


def stanford_cars(root: Path) -> Any:
    base = root / "stanford_cars"
    write_images(base / "cars_train", "1.jpg", "2.jpg")
    # scipy's squeeze_me=True gives single numbers as ints.
    annotations = [{"fname": "2.jpg", "class": 196}, {"fname": "1.jpg", "class": 1}]
    write(base / "devkit" / "cars_train_annos.mat", pickle.dumps({"annotations": annotations}))
    write(base / "devkit" / "cars_meta.mat", pickle.dumps({"class_names": np.array(["AM", "BMW"])}))
    return datasets.StanfordCars(root)


def sun397(root: Path) -> Any:
    write_images(root / "SUN397", "a/abbey/sun_1.jpg", "y/yard/indoor/sun_2.jpg")
    write(root / "SUN397" / "ClassName.txt", "/a/abbey\n/y/yard/indoor\n")
    return datasets.SUN397(root)


def caltech101(root: Path) -> Any:
    write_images(root / "caltech101" / "101_ObjectCategories", "ant/image_0001.jpg", "BACKGROUND_Google/1.jpg")
    return datasets.Caltech101(root)


def caltech256(root: Path) -> Any:
    write_images(root / "caltech256" / "256_ObjectCategories", "001.ak47/001_0001.jpg")
    return datasets.Caltech256(str(root))


def omniglot(root: Path) -> Any:
    write_images(root / "omniglot-py" / "images_background", "Greek/character01/1.png")
    return datasets.Omniglot(root)


# Pixels in memory


def cifar(root: Path, fine: bool = False) -> Any:
    base = root / ("cifar-100-python" if fine else "cifar-10-batches-py")
    for number, name in enumerate(["train"] if fine else [f"data_batch_{n}" for n in range(1, 6)]):
        part = {"data": RNG.integers(0, 256, (2, 3072), dtype=np.uint8)}
        part["fine_labels" if fine else "labels"] = [number, 9 - number]  # type: ignore[assignment]
        write(base / name, pickle.dumps(part))
    names = {"fine_label_names" if fine else "label_names": ["a", "b"]}
    write(base / ("meta" if fine else "batches.meta"), pickle.dumps(names))
    return (datasets.CIFAR100 if fine else datasets.CIFAR10)(root)


def fer2013(root: Path, split: str = "train") -> Any:
    rows = [(" ".join(map(str, image.ravel())), label) for image, label in zip(gray(3, 48), (6, 0, 3), strict=True)]
    write(root / "fer2013" / "train.csv", "\n".join(["emotion,pixels", *(f"{e},{p}" for p, e in rows)]))
    write(root / "fer2013" / "test.csv", "\n".join(["pixels", *(p for p, _ in rows)]))
    return datasets.FER2013(root, split)


def mnist(cls: Any) -> Callable[[Path], Any]:
    def build(root: Path) -> Any:
        write_idx(root / cls.__name__ / "raw" / "train-images-idx3-ubyte", gray(4, 28))
        write_idx(root / cls.__name__ / "raw" / "train-labels-idx1-ubyte", np.array([3, 1, 4, 1], np.uint8))
        return cls(root)

    return build


def emnist(root: Path) -> Any:
    write_idx(root / "EMNIST" / "raw" / "emnist-letters-test-images-idx3-ubyte", gray(2, 28))
    write_idx(root / "EMNIST" / "raw" / "emnist-letters-test-labels-idx1-ubyte", np.array([1, 26], np.uint8))
    return datasets.EMNIST(root, "letters", train=False)


def qmnist(root: Path, **options: Any) -> Any:
    write_idx(root / "QMNIST" / "raw" / "qmnist-train-images-idx3-ubyte", gray(3, 28))
    write_idx(root / "QMNIST" / "raw" / "qmnist-train-labels-idx2-int", np.arange(24, dtype=np.int32).reshape(3, 8))
    return datasets.QMNIST(root, **options)


def semeion(root: Path) -> Any:
    rows = np.hstack([RNG.integers(0, 2, (4, 256)), np.eye(10)[[7, 0, 9, 7]]])
    root.mkdir(exist_ok=True)
    np.savetxt(root / "semeion.data", rows)
    return datasets.SEMEION(root, download=False)


def stl10(split: str) -> Callable[[Path], Any]:
    def build(root: Path) -> Any:
        for part, number in (("train", 3), ("test", 2), ("unlabeled", 2)):
            images = np.stack([pixels(96, 96, seed=seed) for seed in range(number)])
            write(root / "stl10_binary" / f"{part}_X.bin", images.transpose(0, 3, 2, 1).tobytes())
            write(root / "stl10_binary" / f"{part}_y.bin", bytes([10, 1, 2][:number]))
        return datasets.STL10(root, split)

    return build


def svhn(root: Path) -> Any:
    images = RNG.integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    # As MATLAB stores it: the last dimension varies slowest.
    content = {"X": images.transpose(3, 2, 1, 0), "y": np.array([[10], [9], [1], [2], [1]], np.uint8)}
    write(root / "train_32x32.mat", pickle.dumps(content))
    return datasets.SVHN(root)


def usps(root: Path) -> Any:
    lines = [
        " ".join([str(label), *(f"{n}:{v:.4f}" for n, v in enumerate(RNG.uniform(-1, 1, 256), 1))])
        for label in (1, 10, 5)
    ]
    write(root / "usps.bz2", bz2.compress("\n".join(lines).encode()))
    return datasets.USPS(root)


NATIVE: dict[str, Callable[[Path], Any]] = {
    **{build.__name__: build for build in (folder, any_folder, odd_classes, imagenet, eurosat, country211, clevr, dtd)},
    **{build.__name__: build for build in (fgvc_aircraft, flowers102, food101, gtsrb, imagenette)},
    **{build.__name__: build for build in (lfw_people, oxford_pets, places365, rendered_sst2, stanford_cars, sun397)},
    "oxford_pets, binary": lambda root: oxford_pets(root, ["binary-category"]),
    "cifar10": cifar,
    "cifar100": lambda root: cifar(root, fine=True),
    **{cls.__name__: mnist(cls) for cls in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST)},
    **{build.__name__: build for build in (fer2013, emnist, qmnist, semeion, svhn, usps)},
    **{f"stl10, {split}": stl10(split) for split in ("train", "test", "unlabeled", "train+unlabeled")},
}
if INATURALIST_HAS_LOADER:
    NATIVE["inaturalist"] = lambda root: inaturalist(root, loader=default_loader)
    NATIVE["inaturalist, full"] = lambda root: inaturalist_2021(root, loader=default_loader)
