"""From a loader's arguments to a compiled pipeline, or to the reason why there is none."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, Subset
from torch.utils.data import default_collate as torch_default_collate
from torch.utils.data import default_convert as torch_default_convert

from . import _native
from .batch import default_collate
from .compile import Compiled, array_source, compile_plan, recognize_target
from .datasets.native import NativeDataset
from .recognize import Unrecognized, class_name, recognize

if TYPE_CHECKING:
    from .loader import DataLoader

__all__ = ["Resolved", "resolve"]


@dataclass(frozen=True)
class Resolved:
    """A compiled dataset, and where its samples are in it."""

    compiled: Compiled
    subset: Sequence[int] | None

    def index(self, index: Any) -> int:
        """Finds a sample of the loader's dataset in the compiled one.

        Raises:
            IndexError: there is no such sample.
            TypeError: not an integer.
        """
        at = operator.index(index)
        if self.subset is not None:
            at = operator.index(self.subset[at])
        length = len(self.compiled.pipeline)
        if not -length <= at < length:
            raise IndexError(f"index {at} is out of range for {length} samples")
        return at % length


def resolve(loader: DataLoader[Any]) -> Resolved:
    """Compiles what a loader is made of.

    Raises:
        Unrecognized: the first part that runs in Python.
    """
    native = {torch_default_collate, default_collate} if loader.batch_sampler is not None else {torch_default_convert}
    if loader.collate_fn not in native:
        raise Unrecognized(f"collate_fn {loader.collate_fn} runs in Python: use torchfeed.default_collate")
    dataset: Any = loader.dataset
    subset: Sequence[int] | None = None
    while type(dataset) is Subset:
        inner = dataset.indices
        subset = inner if subset is None else [inner[i] for i in subset]
        dataset = dataset.dataset
    return Resolved(_compile(dataset, loader.memory_format), subset)


def _compile(dataset: Any, memory_format: torch.memory_format) -> Compiled:
    """Compiles a dataset.

    Raises:
        Unrecognized: it is none that the native engine reads.
    """
    if isinstance(dataset, IterableDataset):
        raise Unrecognized("an IterableDataset has no index: samples are made by its own __iter__")
    if isinstance(dataset, NativeDataset):
        cls = type(dataset)
        if cls.__getitem__ is not NativeDataset.__getitem__ or cls.__getitems__ is not NativeDataset.__getitems__:
            raise Unrecognized(f"{cls.__name__} has a __getitem__ of its own")
        return dataset.compile(memory_format)
    source, targets, channels = _torchvision_source(dataset)
    plan, levels = recognize(dataset.transform, channels), recognize_target(dataset.target_transform)
    return compile_plan(source, targets, plan, levels, memory_format)


def _torchvision_source(dataset: Any) -> tuple[_native.Source, Sequence[int], int]:
    """Reads the samples of torchvision's own dataset classes.

    Raises:
        Unrecognized: another dataset, or one that was changed.
    """
    name = class_name(dataset)
    if name == "ImageFolder":
        if getattr(dataset.loader, "__qualname__", "") not in {"default_loader", "pil_loader"}:
            raise Unrecognized("the dataset's loader function runs in Python: leave it out for the native decoder")
        paths, targets = zip(*dataset.samples, strict=True) if dataset.samples else ((), ())
        source = _native.Source.files(os.fsencode(path) for path in paths)
    elif name in {"CIFAR10", "CIFAR100"}:
        if not isinstance(dataset.data, np.ndarray) or dataset.data.dtype != np.uint8 or dataset.data.shape[3:] != (3,):
            raise Unrecognized("dataset.data is not what torchvision made: uint8 of shape (N, H, W, 3)")
        source, targets = array_source(dataset.data), dataset.targets
    else:
        kind = type(dataset)
        raise Unrecognized(f"{kind.__module__}.{kind.__qualname__} makes its samples in Python")
    # `transforms` is what runs; it is made of the other two unless someone replaced it.
    pair = dataset.transforms
    if pair is not None and (
        class_name(pair) != "StandardTransform"
        or pair.transform is not dataset.transform
        or pair.target_transform is not dataset.target_transform
    ):
        raise Unrecognized("dataset.transforms is not made of transform and target_transform")
    return source, targets, source.channels
