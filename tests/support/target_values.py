"""Targets of every type that a dataset may give, and what it takes to compare what becomes of them."""

from __future__ import annotations

import array
import dataclasses
import enum
import fractions
from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors as their_tensors

# torchvision exports its classes in a way that mypy does not see.
tv_tensors: Any = their_tensors

Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024  (the other kind is below)


class Pair(NamedTuple):
    left: Any
    right: Any = "default"


@dataclasses.dataclass
class Record:
    x: int


class Color(enum.IntEnum):
    RED = 1
    BLUE = 2


class Flag(str):
    __slots__ = ()


class Named(dict[str, Any]):
    """A dict with an attribute, which copies keep."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = "named"


class Frozen(Mapping[str, Any]):
    """A mapping that never changes, made of another."""

    def __init__(self, items: Any) -> None:
        self.items_ = dict(items)

    def __getitem__(self, key: str) -> Any:
        return self.items_[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.items_)

    def __len__(self) -> int:
        return len(self.items_)


class Steps(Sequence[Any]):
    """A sequence that never changes, made of an iterable."""

    def __init__(self, items: Any) -> None:
        self.items_ = list(items)

    def __getitem__(self, index: Any) -> Any:
        return self.items_[index]

    def __len__(self) -> int:
        return len(self.items_)


class Short(Sequence[Any]):
    """A sequence that takes no iterable."""

    def __getitem__(self, index: Any) -> Any:
        return [7, 8][index]

    def __len__(self) -> int:
        return 2


class Labels(list[Any]):
    """A list with a class of its own."""


class Array(np.ndarray[Any, Any]):
    """An array with a class of its own."""


_STRUCTURED = np.array([(1, 2.0)], dtype=[("a", int), ("b", float)])

# Three targets, or a cycle of fewer, for the samples of a batch.
VALUES: dict[str, list[Any]] = {
    "int": [1, 2, 3],
    "bool": [True, False, True],
    "float": [1.5, 2.0, -0.0],
    "int, then float": [1, 2.5],
    "float, then int": [1.5, 2],
    "bool, then int": [True, 2],
    "int, then bool": [2, True],
    "bool, then float": [True, 0.5],
    "int, then str": [1, "a"],
    "str, then int": ["a", 1],
    "int, then None": [1, None],
    "huge int": [2**70],
    "int, then a huge one": [1, 2**70],
    "unsigned int": [2**63],
    "int64's least": [-(2**63)],
    "float, then a huge int": [1.0, 2**70],
    "IntEnum": [Color.RED, Color.BLUE],
    "complex": [1j, 2 + 1j],
    "int, then complex": [1, 1j],
    "Decimal": [Decimal("1.5")],
    "Fraction": [fractions.Fraction(1, 3)],
    "None": [None],
    "None, then int": [None, 1],
    "object": [SimpleNamespace(x=1)],
    "dataclass": [Record(1), Record(2)],
    "date": [date(2024, 1, 2)],
    "path": [PurePosixPath("a/b")],
    "type": [int],
    "function": [len],
    "ellipsis": [...],
    "str": ["a", "b", "c"],
    "empty str": [""],
    "bytes": [b"a", b"b"],
    "str, then bytes": ["a", b"b"],
    "str, then None": ["a", None],
    "subclass of str": [Flag("a"), Flag("b")],
    "bytearray": [bytearray(b"ab"), bytearray(b"cd")],
    "memoryview": [memoryview(b"ab")],
    "numpy's str": [np.str_("a"), np.str_("b")],
    "numpy's bytes": [np.bytes_(b"a"), np.bytes_(b"b")],
    "numpy's int": [np.int64(1), np.int64(2)],
    "numpy's int16": [np.int16(1), np.int16(2)],
    "numpy's uint16": [np.uint16(1), np.uint16(2)],
    "numpy's uint64": [np.uint64(2**63)],
    "numpy's float32": [np.float32(1.5)],
    "numpy's float64": [np.float64(1.5)],
    "numpy's bool": [np.bool_(True), np.bool_(False)],
    "numpy's complex": [np.complex64(1j)],
    "numpy's longdouble": [np.longdouble(1)],
    "numpy's void": [_STRUCTURED[0]],
    "numpy's datetime": [np.datetime64("2024-01-02")],
    "numpy's float32, then float": [np.float32(1.1), 1.1],
    "float, then numpy's float32": [1.1, np.float32(1.1)],
    "int, then numpy's float32": [1, np.float32(1.1)],
    "int, then numpy's int": [1, np.int64(2)],
    "numpy's int, then numpy's float": [np.int64(1), np.float32(2.5)],
    "numpy's int, then array": [np.int64(1), np.array(2)],
    "numpy's int, then None": [np.int64(1), None],
    "array": [np.arange(3), np.arange(3, 6)],
    "array, then tensor": [np.arange(3), torch.arange(3)],
    "array, then list": [np.arange(3), [4, 5, 6]],
    "array, then tuple": [np.arange(3), (4, 5, 6)],
    "array, then number": [np.arange(3), 4],
    "array, then str": [np.arange(3), "a"],
    "array, then None": [np.arange(3), None],
    "tensor, then array": [torch.arange(3), np.arange(3)],
    "tensor, then list": [torch.arange(3), [1, 2, 3]],
    "tensor, then number": [torch.tensor(1), 2],
    "number, then tensor": [1, torch.tensor(2)],
    "number, then array": [1, np.array(2)],
    "number, then 1-d tensor": [1, torch.arange(3)],
    "0-d array": [np.array(1.5), np.array(2.5)],
    "0-d array, then number": [np.array(1), 2],
    "0-d array, then numpy's": [np.array(1), np.float32(2.5)],
    "arrays of two dtypes": [np.arange(3), np.ones(3)],
    "arrays of two shapes": [np.arange(3), np.arange(4)],
    "empty array": [np.empty((0, 3))],
    "array of bool": [np.array([True, False])],
    "array of uint16": [np.arange(3, dtype=np.uint16)],
    "array of float16": [np.arange(3, dtype=np.float16)],
    "array of str": [np.array(["a", "b"])],
    "array of bytes": [np.array([b"a", b"b"])],
    "array of objects": [np.array([1, None], dtype=object)],
    "0-d array of objects": [np.array({1: 2}, dtype=object)],
    "array, then one of str": [np.arange(2), np.array(["a", "b"])],
    "array of dates": [np.array(["2024-01-02"], dtype="M8[D]")],
    "structured array": [_STRUCTURED],
    "record array": [_STRUCTURED.view(np.recarray)],
    "array of another byte order": [np.arange(3, dtype=">i4")],
    "masked array": [np.ma.masked_array([1, 2], [True, False])],
    "matrix": [np.arange(4).reshape(2, 2).view(np.matrix)],
    "subclass of array": [np.arange(3).view(Array)],
    "transposed array": [np.arange(6).reshape(2, 3).T],
    "read-only array": [np.broadcast_to(np.arange(3.0), (2, 3))[0].copy()],
    "tensor": [torch.ones(2), torch.zeros(2)],
    "0-d tensor": [torch.tensor(1), torch.tensor(2)],
    "tensors of two dtypes": [torch.ones(2), torch.ones(2, dtype=torch.float64)],
    "tensors of two shapes": [torch.ones(2), torch.ones(3)],
    "tensors of two dimensions": [torch.ones(2), torch.ones(2, 1)],
    "empty tensor": [torch.empty(0, 3)],
    "tensor of bfloat16": [torch.ones(2, dtype=torch.bfloat16)],
    "tensor that requires grad": [torch.ones(2, requires_grad=True), torch.zeros(2)],
    "parameter": [torch.nn.Parameter(torch.ones(2))],
    "sparse tensor": [torch.eye(3).to_sparse()],
    "tensor, then a sparse one": [torch.eye(3), torch.eye(3).to_sparse()],
    "meta tensor": [torch.ones(2, device="meta")],
    "conjugate": [torch.tensor([1j]).conj()],
    "mask": [tv_tensors.Mask(torch.ones(2, 2))],
    "boxes": [tv_tensors.BoundingBoxes(torch.ones(1, 4), format="XYXY", canvas_size=(4, 4))],
    "list": [[1, 2.0, "x"], [3, 4.0, "y"]],
    "empty list": [[], []],
    "list of lists": [[[1, 2], [3]], [[4, 5], [6]]],
    "lists of two lengths": [[1, 2], [1]],
    "an empty list, then one": [[], [1]],
    "list, then tuple": [[1, 2], (3, 4)],
    "list, then number": [[1, 2], 3],
    "list, then str": [[1, 2], "ab"],
    "list of None": [[None, 1]],
    "list of arrays": [[np.arange(2), "x"]],
    "subclass of list": [Labels([1, 2])],
    "UserList": [UserList([1, 2])],
    "deque": [deque([1, 2])],
    "array.array": [array.array("i", [1, 2])],
    "tuple": [(1, "a"), (2, "b")],
    "empty tuple": [()],
    "tuple of None": [(None, 1)],
    "tuple of tuples": [((1, 2), (np.arange(2),))],
    "tuples of two lengths": [(1, 2), (1,)],
    "namedtuple": [Point(1, "a"), Point(2, "b")],
    "namedtuple of arrays": [Pair(np.arange(2)), Pair(np.arange(2))],
    "namedtuple, then tuple": [Point(1, 2), (3, 4)],
    "namedtuple, then a shorter one": [Point(1, 2), (3,)],
    "range": [range(3), range(3, 6)],
    "ranges of two lengths": [range(3), range(4)],
    "sequence": [Steps([1, "a"]), Steps([2, "b"])],
    "sequence that takes nothing": [Short()],
    "set": [{1, 2}],
    "frozenset": [frozenset([1])],
    "iterator": [iter([1])],
    "generator": [(i for i in range(2))],
    "dict": [{"a": 1, "b": {"c": np.ones(1)}}, {"b": {"c": np.ones(1)}, "a": 2}],
    "empty dict": [{}],
    "dict of None": [{"a": None}],
    "dict of strings": [{"a": "x"}, {"a": "y"}],
    "dict with a missing key": [{"a": 1}, {"b": 1}],
    "dict with one key more": [{"a": 1}, {"a": 2, "b": 1}],
    "dict, then list": [{"a": 1}, [1]],
    "dict, then None": [{"a": 1}, None],
    "dict of numbers": [{1: 2, None: 3}],
    "OrderedDict": [OrderedDict(b=1, a=2), OrderedDict(a=3, b=4)],
    "defaultdict": [defaultdict(list, a=1)],
    "Counter": [Counter("ab")],
    "UserDict": [UserDict(b=np.arange(2))],
    "subclass of dict": [Named(a=1)],
    "mapping": [Frozen({"a": 1, "b": "x"})],
    "mapping proxy": [MappingProxyType({"a": 1})],
    "mapping, then dict": [Frozen({"a": 1}), {"a": 2}],
    "image": [Image.new("RGB", (2, 2))],
}


def of(name: str, count: int) -> list[Any]:
    """Targets for `count` samples."""
    return [VALUES[name][at % len(VALUES[name])] for at in range(count)]


def outcome(make: Callable[..., Any], *args: Any) -> Any:
    """What is made, or the type of the error."""
    try:
        return make(*args)
    except Exception as error:  # noqa: BLE001  (torch's, whatever it is)
        return type(error)


def message(make: Callable[..., Any], *args: Any) -> str:
    """What the error says, if there is one."""
    try:
        make(*args)
    except Exception as error:  # noqa: BLE001
        return str(error)
    return ""


def alike(left: Any, right: Any) -> None:
    """Asserts that two values are of the same types through and through, and of the same content."""
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        for attribute in ("dtype", "layout", "device", "shape", "requires_grad", "is_leaf"):
            assert getattr(left, attribute) == getattr(right, attribute), attribute
        if left.device.type != "meta":
            one, other = (t.detach().to_dense().resolve_conj() for t in (left, right))
            assert torch.equal(one, other)
            if left.dtype.is_floating_point:
                assert torch.equal(one.signbit(), other.signbit())
    elif isinstance(left, (np.ndarray, np.generic)):
        assert left.dtype == right.dtype
        assert repr(left) == repr(right)
    elif isinstance(left, Mapping):
        assert vars_of(left) == vars_of(right)
        assert list(left) == list(right)
        for key in left:
            alike(left[key], right[key])
    elif isinstance(left, Sequence) and not isinstance(left, (str, bytes, range)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            alike(one, other)
    elif isinstance(left, Iterator):
        assert left is right  # the dataset's own, in this process
    else:
        assert left == right


def vars_of(value: Any) -> list[str]:
    return sorted(getattr(value, "__dict__", ()))
