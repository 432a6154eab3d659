"""torch's map of collate functions: what a user puts there is called for every batch, on every way."""

from __future__ import annotations

import collections.abc
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, TensorDataset
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import default_collate as torch_collate
from torch.utils.data._utils import collate as torch_module
from torchvision import tv_tensors as their_tensors

from oracle import theirs, v2
from pictures import in_memory, pixels
from target_datasets import Sourced, batches, plus
from target_values import alike, outcome
from torchfeed import DataLoader, default_collate, explain
from torchfeed import transforms as T

FUNCTIONS: dict[Any, Callable[..., Any]] = torch_module.default_collate_fn_map
tv_tensors: Any = their_tensors


def mine(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Shows what it is called with."""
    return "mine", type(batch).__name__, len(batch), type(batch[0]).__name__, collate_fn_map is not None


class Meta(type):
    """Of classes that anything is an instance of."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return True

    def __subclasscheck__(cls, subclass: type) -> bool:
        return True


class Anything(metaclass=Meta):
    pass


KEYS: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "Tensor": torch.Tensor,
    "tv_tensors.Image": tv_tensors.Image,
    "ndarray": np.ndarray,
    "numpy's number": np.number,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "Sequence": collections.abc.Sequence,
    "Sized": collections.abc.Sized,
    "Hashable": collections.abc.Hashable,
    "object": object,
    "anything": Anything,
    "several": (bytes, tuple),
    "int and more": (int, set),
    "of no use": set,
}


@contextmanager
def registered(changes: dict[Any, Any], *, first: bool = False) -> Iterator[None]:
    """Changes the map, by `None` to be taken out; new entries come last, or first."""
    before = dict(FUNCTIONS)
    after = {**changes, **{key: value for key, value in before.items() if key not in changes}}
    after = after if first else {**before, **changes}
    FUNCTIONS.clear()
    FUNCTIONS.update({key: value for key, value in after.items() if value is not None})
    try:
        yield
    finally:
        FUNCTIONS.clear()
        FUNCTIONS.update(before)


def loaders() -> dict[str, Any]:
    images = [pixels(4, 5, seed=seed) for seed in range(4)]
    to_tensor = theirs.ToTensor()
    rows = TensorDataset(torch.arange(4), torch.rand(4, 2))
    one_hot = in_memory(images, to_tensor)
    one_hot.target_transform = T.OneHot(4)
    return {
        "class indices": in_memory(images, to_tensor),
        "images of torchvision's": in_memory(images, v2.ToImage()),
        "one-hot rows": one_hot,
        "concatenated": ConcatDataset([in_memory(images, to_tensor), Sourced([1, 2], to_tensor)]),
        "brought ints": Sourced([1, 2, 3], to_tensor),
        "brought floats": Sourced([1.0, 2.5, 3.0], to_tensor),
        "brought strings": Sourced(["a", "b", "c"], to_tensor),
        "brought arrays": Sourced([np.ones(2)] * 3, to_tensor),
        "brought structures": Sourced([{"a": [1, np.float32(1)], "b": ("x", 2)}] * 3, to_tensor),
        "brought one-hot rows": Sourced([1, 2, 0], to_tensor, T.OneHot(4)),
        "in part": in_memory(images, theirs.Compose([to_tensor, plus])),
        "rows": rows,
        "concatenated rows": ConcatDataset([rows, rows]),
        "torch's own": [(1, "a", torch.ones(1), np.ones(2), {"b": 2.5})] * 4,
    }


def same_batches(dataset: Any, **options: Any) -> None:
    ours, expected = (
        outcome(lambda cls=cls: batches(cls(dataset, **options))) for cls in (DataLoader, TorchDataLoader)
    )
    alike(ours, expected)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("key", KEYS)
def test_what_is_registered_is_called(key: str, first: bool) -> None:
    for dataset in loaders().values():
        with registered({KEYS[key]: mine}, first=first):
            for batch_size in (2, None):
                same_batches(dataset, batch_size=batch_size)
        same_batches(dataset, batch_size=2)


@pytest.mark.parametrize("key", ["int", "Tensor", "tuple", "object"])
def test_in_worker_processes(key: str) -> None:
    with registered({KEYS[key]: mine}):
        for name in ("class indices", "brought structures", "rows"):
            same_batches(loaders()[name], batch_size=2, num_workers=1)


@pytest.mark.parametrize("key", [int, torch.Tensor, str, np.ndarray])
def test_what_is_taken_out_is_missed(key: Any) -> None:
    for dataset in loaders().values():
        with registered({key: None}):
            same_batches(dataset, batch_size=2)


@pytest.mark.parametrize("key", KEYS)
def test_default_collate(key: str) -> None:
    for first in (False, True):
        for batch in ([(torch.ones(2), 1)] * 2, [{"a": [np.ones(1), "x"]}] * 2, [1, 2], [torch.ones(1)], [np.ones(1)]):
            with registered({KEYS[key]: mine}, first=first):
                alike(outcome(default_collate, batch), outcome(torch_collate, batch))


def test_it_is_told() -> None:
    dataset, rows = loaders()["class indices"], loaders()["rows"]
    loader = DataLoader(dataset, 2)
    with registered({int: mine}):
        text = explain(loader)
        assert text.startswith("native in part")
        assert "default_collate_fn_map has another function for int than collate_int_fn" in text
        assert explain(DataLoader(dataset, None)).startswith("native, ")  # where nothing is collated
        with pytest.raises(TypeError, match="default_collate_fn_map"):
            DataLoader(dataset, 2, native="require")
    assert explain(loader).startswith("native, ")
    with registered({tuple: mine}):
        assert "a function for tuples" in explain(loader)
        assert explain(DataLoader(rows, 2)).startswith("torch's own path")
        assert "a function for tuples" in explain(DataLoader(rows, 2))
    with registered({float: mine, str: mine, set: mine}):
        assert explain(loader).startswith("native, ")
        assert explain(DataLoader(rows, 2)).startswith("native, ")


def test_between_two_epochs() -> None:
    loader = DataLoader(loaders()["class indices"], 2)
    assert isinstance(next(iter(loader))[1], torch.Tensor)
    with registered({int: mine}):
        assert next(iter(loader))[1][0] == "mine"
    assert isinstance(next(iter(loader))[1], torch.Tensor)


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that goes by the name of torch's own."""

    @functools.wraps(function)
    def wrapper(batch: Sequence[Any], **options: Any) -> Any:
        return "mine", function(batch, **options)

    return wrapper


def test_a_function_around_torch_s_own() -> None:
    for key in (int, torch.Tensor):
        for dataset in loaders().values():
            with registered({key: wrapped(FUNCTIONS[key])}):
                same_batches(dataset, batch_size=2)


@pytest.mark.parametrize("name", ["collate", "collate_tensor_fn", "collate_int_fn", "collate_numpy_array_fn"])
def test_functions_of_torch_s_that_are_replaced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch asks its module for is that of the moment; what the map holds is what was put there."""
    monkeypatch.setattr(torch_module, name, wrapped(getattr(torch_module, name)))
    for dataset in loaders().values():
        same_batches(dataset, batch_size=2)
    assert explain(DataLoader(loaders()["class indices"], 2)).startswith(
        "native in part" if name == "collate" else "native, "
    )


def test_default_collate_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_module, "default_collate", wrapped(torch_collate))
    for dataset in loaders().values():
        same_batches(dataset, batch_size=2)


def test_another_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_module, "default_collate_fn_map", {**FUNCTIONS, int: mine})
    for dataset in loaders().values():
        same_batches(dataset, batch_size=2)


def test_bad_samples() -> None:
    dataset = Sourced([1, 2, 3, 4], theirs.ToTensor())
    with registered({int: mine, torch.Tensor: mine}):
        for on_error in ("skip", "replace"):
            (batch,) = DataLoader(dataset, 4, on_error=on_error)
            alike(batch, next(iter(TorchDataLoader(dataset, 4))))


def test_samples_that_are_collated_without_batches() -> None:
    """A sample is then what batches are: a list to go through, or a dict."""
    for dataset in loaders().values():
        same_batches(dataset, batch_size=None, collate_fn=torch_collate)
        with registered({int: mine, torch.Tensor: mine}):
            same_batches(dataset, batch_size=None, collate_fn=torch_collate)
