"""Recognition of torchvision's datasets: from the object to the samples that it holds, before its transforms.

A dataset is recognised by the function that makes its samples, `__getitem__`, and by what that function reads at this
moment. So a subclass that finds its classes in another way is native, and one that makes its samples in another way is
not. torchvision is never imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchfeed import _native
from torchfeed.util.dlpack import lend_array

from .common import Unrecognized, describe
from .memo import Memo
from .pillow_code import replaced_in_pillow
from .replaced_code import code_of_function, set_on

__all__ = ["Samples", "conditional_datasets", "read_samples", "recognized_datasets", "refused_datasets", "same_labels"]


@dataclass(frozen=True)
class Samples:
    """What a dataset holds, before its transforms.

    Attributes:
        source: the images.
        labels: the class index of each, which is what the dataset gives as target.
    """

    source: _native.Source
    labels: list[int]


@dataclass(frozen=True)
class _Reader:
    """How the samples of a class are read, and of the classes that inherit its `__getitem__`."""

    how: str
    read: Callable[[Any], Samples]
    heirs: tuple[str, ...]
    needs: str = ""
    """An argument without which samples are made in Python."""


def read_samples(dataset: Any) -> Samples:
    """Reads the samples of one of torchvision's datasets, as they are now.

    Raises:
        Unrecognized: another dataset, or one that was changed; its samples are made in Python.
    """
    name = type(dataset).__name__
    if getattr(dataset, "__getitems__", None):  # what torch's loader would call
        raise Unrecognized(f"{name}.__getitems__ makes its samples in Python: leave it out")
    maker = _written_as(getattr(type(dataset), "__getitem__", None))
    key = maker.removeprefix("torchvision.datasets.").removesuffix(".__getitem__")
    if maker == f"torchvision.datasets.{key}.__getitem__":
        if key in _IN_PYTHON:
            raise Unrecognized(f"{name} {_IN_PYTHON[key]}")
        if key in _READERS:
            code = code_of_function(type(dataset).__getitem__, type(dataset))
            why = code.why or set_on(dataset, code)
            if why:
                raise Unrecognized(f"{name} makes its samples in Python: {why}")
            try:
                return _READERS[key].read(dataset)
            except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
                # torchvision's own function fails on such attributes too, or knows what to do with them.
                raise Unrecognized(f"{name} does not hold what torchvision put there: {error}") from error
    raise Unrecognized(
        f"{maker} makes the samples of {name} in Python: inherit the __getitem__ of torchvision's class, or list the "
        "images in torchfeed.datasets.ImageList"
    )


def recognized_datasets() -> list[tuple[str, str]]:
    """Lists (names of classes, how their samples are read)."""
    return [(", ".join((key.split(".")[1], *reader.heirs)), reader.how) for key, reader in _READERS.items()]


def conditional_datasets() -> dict[str, str]:
    """Lists the arguments that classes need, by the names of the classes."""
    return {key.split(".")[1]: reader.needs for key, reader in _READERS.items() if reader.needs}


def refused_datasets() -> list[tuple[str, str]]:
    """Lists (name of a class, why its samples are made in Python, and what to do about it)."""
    return [(key.split(".")[1], why) for key, why in _IN_PYTHON.items()]


def _written_as(function: Any) -> str:
    """Names a function by the module that it was written in: a wrapper may go by the name of what it wraps."""
    function = getattr(function, "__func__", function)  # of a method
    if not isinstance(function, FunctionType):
        return describe(function) if hasattr(function, "__module__") else str(function)
    return f"{function.__globals__.get('__name__')}.{function.__qualname__}"


def _attribute(dataset: Any, name: str, *kinds: type) -> Any:
    value = getattr(dataset, name, None)
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise Unrecognized(f"{type(dataset).__name__}.{name} is of type {type(value).__name__}: make it {expected}")
    return value


# Targets


def same_labels(dataset: Any, values: Any) -> list[int]:
    """Takes labels that the dataset gives as they are, if torch makes a batch of int64 of them."""
    types: set[type] = {int}
    if isinstance(values, (np.ndarray, Tensor)):
        kinds = {str(values.dtype).removeprefix("torch.")}
        plain = kinds == {"int64"} and values.ndim == 1 and (isinstance(values, np.ndarray) or values.is_cpu)
        values = values.tolist()
    else:
        types = set(map(type, values))
        kinds, plain = {kind.__name__ for kind in types}, types <= {int, np.int64}
    if "NoneType" in kinds:
        raise Unrecognized(f"{type(dataset).__name__} has samples without a label: use a split that is labelled")
    if not plain:
        found = ", ".join(sorted(kinds))
        raise Unrecognized(f"the targets of {type(dataset).__name__} are of type {found}: make each an int")
    # Each epoch asks again: with small images, making ints of ints would be a tenth of the time.
    return list(values) if types <= {int} else [int(value) for value in values]


def _int_labels(dataset: Any, values: Any) -> list[int]:
    """Makes `int(label)` of each label, as the dataset does."""
    if values is None:
        raise Unrecognized(f"{type(dataset).__name__} has no labels, and None as target: use a split that is labelled")
    return [int(value) for value in (values.tolist() if isinstance(values, (np.ndarray, Tensor)) else values)]


def _samples(dataset: Any, source: _native.Source, labels: list[int]) -> Samples:
    if len(source) != len(labels):
        raise Unrecognized(
            f"{type(dataset).__name__} has {len(labels)} labels for {len(source)} images: give each image one"
        )
    return Samples(source, labels)


# Image files

_FOLDER = "torchvision.datasets.folder."
_DEFAULT_LOADER = f"{_FOLDER}default_loader"

# What lists (path, label) of a dataset: two sequences.
_Listing = Callable[[Any], tuple[Sequence[Any], Sequence[Any]]]


def _files(listing: _Listing, *heirs: str, loader: str = "loader", always_rgb: bool = True, needs: str = "") -> _Reader:
    """Reads image files, decoded to RGB.

    Args:
        listing: lists the files and the labels.
        heirs: the classes that inherit the `__getitem__`.
        loader: the attribute that holds the function that opens a file, in those versions of torchvision that use it.
        always_rgb: the others open files themselves, and convert them to RGB.
        needs: an argument without which samples are made in Python.
    """

    def read(dataset: Any) -> Samples:
        if loader in type(dataset).__getitem__.__code__.co_names:
            _check_loader(dataset, getattr(dataset, loader))
        elif not always_rgb:
            raise Unrecognized(f"{type(dataset).__name__} does not make its images RGB: newer torchvisions can")
        _check_pillow(dataset)
        paths, labels = listing(dataset)
        return _samples(dataset, _file_source(dataset, paths), same_labels(dataset, labels))

    return _Reader("image files", read, heirs, needs)


_file_source = Memo(lambda paths: _native.Source.files(map(os.fsencode, paths)))


def _check_loader(dataset: Any, function: Any) -> None:
    """Lets torchvision's own loader functions through, as long as they are Pillow and no more."""
    if function is None:
        raise Unrecognized(f"{type(dataset).__name__} does not make its images RGB: pass loader={_DEFAULT_LOADER}")
    name = _written_as(function)
    if name not in {_DEFAULT_LOADER, f"{_FOLDER}pil_loader", "torchvision.datasets.lfw._LFW._loader"}:
        raise Unrecognized(f"{name}, the loader of {type(dataset).__name__}, runs in Python: pass {_DEFAULT_LOADER}")
    if name == _DEFAULT_LOADER and getattr(sys.modules.get("torchvision"), "_image_backend", "PIL") != "PIL":
        raise Unrecognized('torchvision reads images by another package: torchvision.set_image_backend("PIL")')
    why = code_of_function(getattr(function, "__func__", function)).why
    if why:
        raise Unrecognized(f"the loader of {type(dataset).__name__} runs in Python: {why}")


def _check_pillow(dataset: Any) -> None:
    """Checks that Pillow's own code would read the files."""
    why = replaced_in_pillow()
    if why:
        raise Unrecognized(f"{type(dataset).__name__} makes its samples in Python: {why}")


def _pairs(name: str) -> _Listing:
    """An attribute that is a list of (path, label)."""

    def listing(dataset: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        pairs = _attribute(dataset, name, list, tuple)
        # Twice over, since zip(*pairs) would have a million arguments.
        return [first for first, _ in pairs], [second for _, second in pairs]

    return listing


def _lists(paths: str, labels: str) -> _Listing:
    """Two attributes that are lists."""
    return lambda dataset: (_attribute(dataset, paths, list, tuple), getattr(dataset, labels))


def _pets(dataset: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    kinds = dataset._target_types  # noqa: SLF001  (torchvision's own name)
    labels = {("category",): "_labels", ("binary-category",): "_bin_labels"}.get(tuple(kinds))
    if labels is None:
        raise Unrecognized(f'OxfordIIITPet makes more than a class index of target_types={kinds}: use "category"')
    return _lists("_images", labels)(dataset)


def _inaturalist(dataset: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    kinds = dataset.target_type
    if len(kinds) != 1:
        raise Unrecognized(f"INaturalist makes a tuple of target_type={kinds}: name one of them")
    folders, maps = dataset.all_categories, dataset.categories_map
    paths = [os.path.join(dataset.root, folders[at], file) for at, file in dataset.index]  # noqa: PTH118  (millions)
    return paths, [at if kinds[0] == "full" else maps[at][kinds[0]] for at, _ in dataset.index]


# Pixels in memory


_GRAY, _COLOURS, _PLANES = "N H W", "N H W 3", "N 3 H W"


def _pixels(kind: type, layout: str, labels: Callable[[Any], list[int]], *heirs: str) -> _Reader:
    """Reads decoded images: the attribute `data`, uint8, of the dimensions in `layout`; a letter is any number."""

    def read(dataset: Any) -> Samples:
        data = _attribute(dataset, "data", kind)
        dtype, shape, sizes = str(data.dtype).removeprefix("torch."), tuple(data.shape), layout.split()
        if dtype != "uint8" or len(shape) != len(sizes) or ("3" in sizes and shape[sizes.index("3")] != 3):
            wanted = ", ".join(sizes)
            raise Unrecognized(f"{type(dataset).__name__}.data is {dtype} {shape}: make it uint8 ({wanted})")
        array = data.numpy() if isinstance(data, Tensor) else data
        array = array[..., None] if layout == _GRAY else array
        return _samples(dataset, _array(array.transpose(0, 2, 3, 1) if layout == _PLANES else array), labels(dataset))

    return _Reader("pixels in memory", read, heirs)


def _array(pixels: np.ndarray[Any, Any]) -> _native.Source:
    """Wraps pixels, (N, H, W, C), wherever they lie: torchvision keeps some plane by plane, or image by image last."""
    if min(pixels.strides) < 0:
        pixels = pixels.copy()
    return _native.Source.array(lend_array(pixels))


def _same(name: str) -> Callable[[Any], list[int]]:
    return lambda dataset: same_labels(dataset, getattr(dataset, name))


def _int(name: str) -> Callable[[Any], list[int]]:
    return lambda dataset: _int_labels(dataset, getattr(dataset, name))


def _qmnist_labels(dataset: Any) -> list[int]:
    if not dataset.compat:
        raise Unrecognized("QMNIST with compat=False has tensors as targets: leave compat out")
    return _int_labels(dataset, _attribute(dataset, "targets", Tensor)[:, 0])


def _fer2013(dataset: Any) -> Samples:
    images, labels = _pairs("_samples")(dataset)
    if any(image.dtype != torch.uint8 or image.ndim != 2 for image in images):
        raise Unrecognized("FER2013 holds images that are not uint8 (H, W): make them so")
    pixels = torch.stack(tuple(images)).numpy() if images else np.empty((0, 48, 48), np.uint8)
    return _samples(dataset, _array(pixels[..., None]), same_labels(dataset, labels))


_FILES_AND_LABELS, _SAMPLES = _files(_lists("_image_files", "_labels")), _files(_pairs("_samples"))

# By the class that `__getitem__` stands in, below torchvision.datasets.
_READERS: dict[str, _Reader] = {
    "folder.DatasetFolder": _files(_pairs("samples"), "ImageFolder", "ImageNet", "EuroSAT", "Country211"),
    **dict.fromkeys(("clevr.CLEVRClassification", "dtd.DTD", "fgvc_aircraft.FGVCAircraft"), _FILES_AND_LABELS),
    **dict.fromkeys(("flowers102.Flowers102", "food101.Food101", "sun397.SUN397"), _FILES_AND_LABELS),
    **dict.fromkeys(("gtsrb.GTSRB", "imagenette.Imagenette"), _SAMPLES),
    **dict.fromkeys(("rendered_sst2.RenderedSST2", "stanford_cars.StanfordCars"), _SAMPLES),
    "inaturalist.INaturalist": _files(_inaturalist, always_rgb=False, needs=f"loader={_DEFAULT_LOADER}"),
    "lfw.LFWPeople": _files(_lists("data", "targets"), loader="_loader"),
    "oxford_iiit_pet.OxfordIIITPet": _files(_pets),
    "places365.Places365": _files(_pairs("imgs")),
    "cifar.CIFAR10": _pixels(np.ndarray, _COLOURS, _same("targets"), "CIFAR100"),
    "fer2013.FER2013": _Reader("pixels in memory", _fer2013, ()),
    "mnist.MNIST": _pixels(Tensor, _GRAY, _int("targets"), "FashionMNIST", "KMNIST", "EMNIST"),
    "mnist.QMNIST": _pixels(Tensor, _GRAY, _qmnist_labels),
    "semeion.SEMEION": _pixels(np.ndarray, _GRAY, _int("labels")),
    "stl10.STL10": _pixels(np.ndarray, _PLANES, _int("labels")),
    "svhn.SVHN": _pixels(np.ndarray, _PLANES, _int("labels")),
    "usps.USPS": _pixels(np.ndarray, _GRAY, _int("targets")),
}

_KEEPS_MODE = (
    "does not make its images RGB, so that gray files stay gray: list them in torchfeed.datasets.ImageList, which does"
)

# What will not be read, and why.
_IN_PYTHON: dict[str, str] = {
    "caltech.Caltech101": _KEEPS_MODE,
    "caltech.Caltech256": _KEEPS_MODE,
    "celeba.CelebA": _KEEPS_MODE,
    "fakedata.FakeData": "draws its images in Python: keep them in a torchfeed.datasets.ImageList",
    "lsun.LSUN": "reads its images from LMDB databases: write them into the files of an ImageFolder",
    "omniglot.Omniglot": "makes its images gray: list them in torchfeed.datasets.ImageList, which makes them RGB",
    "pcam.PCAM": "reads its images from HDF5 files: write them into the files of an ImageFolder",
}
