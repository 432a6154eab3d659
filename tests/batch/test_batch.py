"""The batch stage: `default_collate` and `one_hot` are torch's, and no batch is ever overwritten."""

from __future__ import annotations

import dataclasses
import gc
import threading
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.data import default_collate as torch_collate

import torchfeed
from equality import equal
from oracle import as_bytes, same
from torchfeed import default_collate, one_hot
from torchfeed.batch.collate import NATIVE_BYTES

Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024  (the other kind is below)


class Pair(NamedTuple):
    image: Any
    label: Any


@dataclasses.dataclass
class Record:
    x: int


def tensor(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 100, shape, generator=generator).to(dtype)


SMALL: dict[str, list[Any]] = {
    "ints": [1, 2, 3],
    "floats": [1.5, 2.0, float("nan")],
    "bools": [True, False],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "one sample": [(torch.ones(2), 3)],
    "pairs": [(torch.ones(2), 0), (torch.zeros(2), 1)],
    "lists": [[1, 2.0, "x"], [3, 4.0, "y"]],
    "dicts": [{"a": 1, "b": {"c": torch.ones(1)}}, {"a": 2, "b": {"c": torch.zeros(1)}}],
    "ordered dicts": [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "user dicts": [UserDict(b=1), UserDict(b=3)],
    "named tuples": [Point(1, torch.ones(2)), Point(2, torch.zeros(2))],
    "typed named tuples": [Pair(torch.ones(2), {"k": 1}), Pair(torch.zeros(2), {"k": 2})],
    "0-d tensors": [torch.tensor(1), torch.tensor(2)],
    "empty tensors": [torch.empty(0, 3), torch.empty(0, 3)],
    "bool tensors": [torch.tensor([True]), torch.tensor([False])],
    "complex": [torch.tensor([1j]), torch.tensor([2 + 1j])],
    "conjugates": [torch.tensor([1j]).conj(), torch.tensor([2 + 1j]).conj()],
    "int8": [tensor(3, dtype=torch.int8), tensor(3, dtype=torch.int8, seed=1)],
    "requires grad": [torch.ones(2, requires_grad=True), torch.zeros(2)],
    "mixed dtypes": [torch.ones(2), torch.ones(2, dtype=torch.float64)],
    "arrays": [np.arange(3), np.arange(3, 6)],
    "float16 arrays": [np.ones(3, np.float16), np.zeros(3, np.float16)],
    "0-d arrays": [np.array(1.5), np.array(2.5)],
    "numpy numbers": [np.float32(1), np.float32(2)],
    "numpy ints": [np.int64(1), np.int64(2)],
    "bool arrays": [np.array([True]), np.array([False])],
    "transposed arrays": [np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T],
    "fortran arrays": [np.asfortranarray(np.arange(6.0).reshape(2, 3))] * 2,
    "arrays in dicts": [{"x": np.ones(2), "y": [np.zeros(1)]}] * 2,
    "none of it": [[], []],
}


@pytest.mark.parametrize("name", SMALL)
def test_structures(name: str) -> None:
    equal(default_collate(SMALL[name]), torch_collate(SMALL[name]))


def large(make: Callable[[int], torch.Tensor], count: int = 4) -> list[torch.Tensor]:
    samples = [make(i) for i in range(count)]
    assert samples[0].nbytes * count >= NATIVE_BYTES
    return samples


LARGE: dict[str, list[torch.Tensor]] = {
    "contiguous": large(lambda i: tensor(3, 300, 301, seed=i)),
    "transposed": large(lambda i: tensor(300, 301, 3, seed=i).permute(2, 0, 1)),
    "channels last": large(lambda i: tensor(1, 3, 300, 301, seed=i).to(memory_format=torch.channels_last)[0]),
    "expanded": large(lambda i: tensor(1, 300, 1, seed=i).expand(3, 300, 301)),
    "strided": large(lambda i: tensor(3, 600, 301, seed=i)[:, ::2]),
    "narrow": large(lambda i: tensor(3, 300, 999, seed=i)[..., 5:400]),
    "offset": large(lambda i: tensor(400_001, seed=i)[1:]),
    "views of one": list(tensor(8, 300, 301)),
    "one long row": large(lambda i: tensor(1_000_000, seed=i), 1),
    "many small": large(lambda i: tensor(64, seed=i), 5000),
    "many axes": large(lambda i: tensor(2, 3, 4, 5, 6, 7, 8, seed=i).transpose(1, 5), 50),
    "axes of one": large(lambda i: tensor(1, 300_000, 1, seed=i)),
    "clips, channels last": large(lambda i: tensor(2, 40, 50, 99, seed=i).permute(0, 3, 1, 2)),
    "one image, channels last": large(lambda i: tensor(1, 400, 500, 3, seed=i).permute(0, 3, 1, 2)),
    "channels last in 3D": large(lambda i: tensor(2, 10, 20, 30, 40, seed=i).permute(0, 4, 1, 2, 3)),
    "nearly channels last": large(lambda i: tensor(2, 100, 50, 40, seed=i).permute(0, 3, 2, 1)),
    "requires grad": large(lambda i: tensor(400_000, seed=i).requires_grad_()),
    "conjugated": large(lambda i: (tensor(400_000, seed=i) * 1j).conj()),
    "negative": large(lambda i: torch._neg_view(tensor(400_000, seed=i))),
    "one of another dtype": [tensor(400_000), tensor(400_000, dtype=torch.float64)],
    **{
        str(dtype): large(lambda i, dtype=dtype: tensor(3, 700, 301, seed=i, dtype=dtype).transpose(1, 2))  # type: ignore[misc]
        for dtype in (
            *(torch.uint8, torch.int8, torch.bool, torch.int16, torch.int32, torch.int64, torch.float16),
            *(torch.bfloat16, torch.float64, torch.complex64, torch.complex128, torch.uint16, torch.uint64),
        )
    },
}


@pytest.mark.parametrize("name", LARGE)
def test_large_batches(name: str) -> None:
    equal(default_collate(LARGE[name]), torch_collate(LARGE[name]))


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
    steps=st.lists(st.integers(1, 3), min_size=4, max_size=4),
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.float32, torch.float64, torch.complex128]),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_strides(shape: list[int], order: Any, steps: list[int], dtype: torch.dtype) -> None:
    axes = order.sample(range(len(shape)), len(shape))
    view = tensor(*(n * step for n, step in zip(shape, steps, strict=False)), dtype=dtype).permute(axes)
    view = view[tuple(slice(None, None, steps[axis]) for axis in axes)]
    with mock.patch.object(torchfeed.batch.collate, "NATIVE_BYTES", 0):
        equal(default_collate([view] * 3), torch_collate([view] * 3))


@pytest.mark.parametrize("size", [3, 400])
def test_arrays_with_negative_strides(size: int) -> None:
    """torch refuses these; the values are plain."""
    arrays = [np.arange(size * size, dtype=np.float32).reshape(size, size)[::-1, ::-1] + i for i in range(3)]
    flipped = [np.flip(array, axis=0) for array in arrays]
    same(default_collate(flipped), torch_collate([array.copy() for array in flipped]))
    nested = default_collate([{"image": (array,)} for array in flipped])
    same(nested["image"][0], torch.stack([torch.from_numpy(array.copy()) for array in flipped]))


REFUSED: dict[str, list[Any]] = {
    "dataclass": [Record(1)],
    "object": [object()],
    "none": [None, None],
    "strings in an array": [np.array(["a"])],
    "set": [{1, 2}],
    "a number beside a tensor": [torch.ones(1), 1],
    "sparse": [torch.eye(3).to_sparse()] * 2,
    "unequal lists": [[1, 2], [1]],
    "missing key": [{"a": 1}, {"b": 1}],
    "no sample": [],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        torch_collate(REFUSED[name])
    with pytest.raises(type(theirs.value)) as ours:
        default_collate(REFUSED[name])
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("scale", [1, 500])
def test_unequal_shapes_name_position_and_shapes(scale: int) -> None:
    batch = [torch.zeros(3, scale, 5)] * 3 + [torch.zeros(3, scale, 6)] * 2
    with pytest.raises(RuntimeError, match=rf"\[3, {scale}, 5\] at entry 0 and \[3, {scale}, 6\] at entry 3"):
        default_collate(batch)
    with pytest.raises(RuntimeError, match=r"\[2\] at entry 0 and \[3\] at entry 1"):
        default_collate([(np.zeros(2), 1), (np.zeros(3), 2)])


def test_a_registered_function_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.data._utils import collate  # noqa: PLC0415

    monkeypatch.setitem(collate.default_collate_fn_map, Record, lambda batch, **_: [r.x for r in batch])
    assert default_collate([(Record(1), 2), (Record(3), 4)])[0] == [1, 3]


# Memory


def test_a_batch_that_is_held_is_never_overwritten() -> None:
    held = []
    for number in range(60):
        batch = default_collate([torch.full((300, 301), float(number))] * 4)
        if number % 3 == 0:
            held.append((number, batch))
        elif number % 3 == 1:
            held.append((number, batch[1:3, ::2].mT))  # a view keeps the block too
    del batch
    gc.collect()
    for number, batch in held:
        assert (batch == number).all()


def test_memory_of_dropped_batches_is_used_again() -> None:
    addresses = set()
    for _ in range(20):
        batch = default_collate([torch.zeros(300, 301)] * 4)
        addresses.add(batch.data_ptr())
        del batch
    assert len(addresses) <= 4


def test_batches_may_be_dropped_on_any_thread() -> None:
    batches = [default_collate([torch.full((300, 301), float(i))] * 4) for i in range(8)]
    threads = [threading.Thread(target=batches.pop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (default_collate([torch.ones(300, 301)] * 4) == 1).all()


def test_the_batch_is_a_copy() -> None:
    samples = [torch.zeros(300, 301) for _ in range(4)]
    batch = default_collate(samples)
    batch += 1
    assert all((sample == 0).all() for sample in samples)


# One-hot rows

INTEGERS = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32, torch.uint64]


@pytest.mark.parametrize("labels_dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (2, 0, 3), (0,), (4, 1, 2)], ids=str)
def test_one_hot_is_torch_s(shape: tuple[int, ...], labels_dtype: torch.dtype) -> None:
    labels = tensor(*shape, dtype=torch.int64) % 5
    same(one_hot(labels.to(labels_dtype), 6), F.one_hot(labels, 6))
    if labels.numel():
        same(one_hot(labels.to(labels_dtype)), F.one_hot(labels))


ODD_STRIDES = {
    "one of a column": torch.tensor([[2, 9, 9, 9, 9]])[:, 0],
    "one row": torch.tensor([[0, 1, 2]]),
    "a row of a table": torch.tensor([[5, 0, 1], [1, 2, 0]])[1:],
    "one column": torch.tensor([[5, 0], [5, 2]])[:, 1:],
    "none of every other": torch.arange(4)[::2][:0],
    "no columns": torch.zeros(3, 0, dtype=torch.int64),
    "expanded": torch.tensor([2]).expand(4),
    "transposed": torch.tensor([[0, 1, 2], [2, 0, 1]]).T,
}


@pytest.mark.parametrize("labels", ODD_STRIDES.values(), ids=ODD_STRIDES)
def test_strides_that_no_step_takes_mean_nothing(labels: torch.Tensor) -> None:
    same(one_hot(labels, 3), F.one_hot(labels, 3))
    images = torch.rand(3, 1, 5, 1)
    column = images.as_strided((3, 1, 5, 1), (5, 77, 1, 1234))
    same(default_collate([column, column]), torch.stack([images, images]))


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", ">i4", ">u2"])
def test_one_hot_of_arrays(kind: str) -> None:
    labels = np.array([[3, 0, 1], [2, 2, 0]], dtype=kind)
    expected = F.one_hot(torch.tensor([[3, 0, 1], [2, 2, 0]]), 4)
    same(one_hot(labels, 4), expected)
    same(one_hot(labels[::-1, ::-2], 4), expected.flip(0)[:, [2, 0]])
    same(one_hot(labels[0].tolist(), 4), expected[0])
    same(one_hot(labels[0, 0], 4), expected[0, 0])
    same(one_hot(np.asarray(labels[0, 0]), 4), expected[0, 0])


def test_one_hot_of_views() -> None:
    labels = tensor(40, 30, dtype=torch.int64)
    for view in (labels.T, labels[::3, 4:], labels[0].expand(5, 30), labels[:, 0]):
        same(one_hot(view, 100), F.one_hot(view, 100))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int32, torch.float16, torch.bfloat16, torch.float64])
def test_one_hot_in_a_dtype(dtype: torch.dtype) -> None:
    labels = tensor(50, dtype=torch.int64)
    same(one_hot(labels, 100, dtype=dtype), F.one_hot(labels, 100).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1 / 3, 1.0])
def test_smoothing_is_torch_s_expression(smoothing: float, dtype: torch.dtype) -> None:
    labels = tensor(20, dtype=torch.int64) % 7
    rows = F.one_hot(labels, 7).to(dtype)
    expected = rows * (1 - smoothing) + smoothing / 7 if smoothing else rows
    same(one_hot(labels, 7, dtype=dtype, smoothing=smoothing), expected)
    logits = torch.randn(20, 7)
    loss = F.cross_entropy(logits, one_hot(labels, 7, dtype=torch.float32, smoothing=smoothing))
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels, label_smoothing=smoothing))


@pytest.mark.parametrize("bad", [-1, 5, 2**40])
def test_a_label_out_of_range_is_named_by_its_position(bad: int) -> None:
    with pytest.raises(ValueError, match=rf"{bad}.*position 3") as caught:
        one_hot([0, 1, 4, bad, 2, bad], 5)
    assert "5" in str(caught.value)


def test_a_label_that_no_int64_holds() -> None:
    with pytest.raises(ValueError, match="position 1"):
        one_hot(np.array([0, 2**64 - 1], dtype=np.uint64), 5)


def test_one_hot_refuses() -> None:
    for labels in ([0.5], torch.tensor([1.0]), np.array([1.5]), torch.tensor([True]), torch.tensor([1j])):
        with pytest.raises(TypeError, match="integer labels"):
            one_hot(labels, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_classes"):
        one_hot([], -1)
    with pytest.raises(ValueError, match="num_classes must be positive"):
        one_hot([0], 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        one_hot([0], 3, dtype=torch.float32, smoothing=1.5)
    with pytest.raises(TypeError, match="floating point dtype"):
        one_hot([0], 3, smoothing=0.1)
    with pytest.raises(TypeError, match="real numbers"):
        one_hot([0], 3, dtype=torch.complex64)


def test_one_hot_target_transform_is_the_function() -> None:
    target = torchfeed.transforms.OneHot(5, smoothing=0.2, dtype=torch.float64)
    same(target(3), one_hot([3], 5, smoothing=0.2, dtype=torch.float64)[0])
    assert as_bytes(target(3)).numel() == 40
