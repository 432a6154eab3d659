"""The device stage: batches arrive where the model is, here on the CPU; test_cuda.py has the same on a GPU."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections import defaultdict
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, TensorDataset

from device_batches import TRANSFORM, N, Point, check_normalized, hold_drop_and_copy, loader, nested, normalized, places
from equality import equal
from oracle import same
from pictures import in_memory, pixels
from pinning import pretend_to_pin
from torchfeed import DataLoader, explain, one_hot, to_device
from torchfeed import transforms as T
from torchfeed.batch import pinned
from torchfeed.device.streams import memory_of
from torchfeed.epoch.internals import begin_for


def test_the_cpu_is_a_pass_through() -> None:
    batches = nested()
    for device in ("cpu", torch.device("cpu")):
        assert all(one is other for one, other in zip(to_device(batches, device), batches, strict=True))
    equal(list(to_device(loader(), "cpu")), list(loader()))


def test_nested_structures_keep_their_types() -> None:
    moved = list(to_device(nested(), "meta"))
    for batch, original in zip(moved, nested(), strict=True):
        assert type(batch) is type(original)
        assert set(places(batch)) <= {"meta"}
        assert len(places(batch)) == len(places(original))
    assert moved[0]["b"][1:] == ["text", 3]
    assert type(moved[0]["c"]) is Point
    assert moved[1]["x"][1] == 2.5


def test_length_and_attributes_are_the_loader_s() -> None:
    inner = loader()
    wrapped = to_device(inner, "cpu")
    assert len(wrapped) == len(inner) == 8
    assert wrapped.batch_size == 4
    assert wrapped.dataset is inner.dataset
    assert wrapped.loader is inner
    next(iter(wrapped))
    assert wrapped.drawn(3) == inner.drawn(3)
    with pytest.raises(AttributeError):
        wrapped.nothing  # noqa: B018
    with pytest.raises(TypeError):
        len(to_device(iter([]), "cpu"))


def test_it_can_be_copied() -> None:
    wrapped = to_device([torch.ones(1)], "cpu")
    for again in (copy.copy(wrapped), copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
        assert [batch.item() for batch in again] == [1]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_each_epoch_is_an_epoch(device: str) -> None:
    wrapped, plain = to_device(loader(), device), loader()
    for _ in range(2):
        for (images, _), (expected, _) in zip(wrapped, plain, strict=True):
            assert images.shape == expected.shape
            assert images.device.type == device


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_position(device: str) -> None:
    wrapped, expected = to_device(loader(), device), list(loader())
    iterator = iter(wrapped)
    for _ in range(3):
        next(iterator)
    resumed = to_device(loader(generator=torch.Generator()), "cpu")
    resumed.load_state_dict(wrapped.state_dict())
    equal(list(resumed), expected[3:])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_table_on_the_device(channels: int, dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    for workers in (0, 2):
        check_normalized("cpu", channels, dtype, batch_size=4, num_workers=workers, memory_format=memory_format)
    check_normalized("cpu", channels, dtype, batch_size=None, memory_format=memory_format)


def test_pixels_travel_as_uint8() -> None:
    """What is copied is a quarter of what arrives."""
    inner = loader()
    epoch: Any = begin_for(inner, to_device(inner, "cpu", device_normalize=True).delivery, lambda: iter(inner), ())
    images, _ = next(epoch)
    assert images.dtype == torch.uint8
    assert epoch.table.dtype == torch.float32


@pytest.mark.parametrize(
    ("dataset", "why"),
    [
        (in_memory([pixels(20, 20)], T.PILToTensor()), "the pixels are torch.uint8 anyway"),
        (
            ConcatDataset(
                [in_memory([pixels(20, 20)], normalized(3, torch.float32)), in_memory([pixels(20, 20)], T.ToTensor())]
            ),
            "the datasets that are concatenated are normalized in different ways",
        ),
        (in_memory([pixels(20, 20)], T.Compose([T.ToTensor(), lambda x: x * 2])), "only batches that are native"),
        (TensorDataset(torch.zeros(2, 3)), "only batches that are native"),
        ([torch.zeros(2)], "only batches that are native"),
    ],
)
def test_where_there_is_no_table(dataset: Any, why: str) -> None:
    wrapped = to_device(DataLoader(dataset), "cpu", device_normalize=True)
    with pytest.raises(TypeError, match=f"device_normalize=True, but {why}"):
        iter(wrapped)
    if not isinstance(dataset, list):
        assert why in explain(wrapped)
    # Where it is left to us, batches simply arrive.
    assert len(list(to_device(DataLoader(dataset, batch_size=None), "cpu"))) == len(dataset)
    with pytest.raises(TypeError, match="device_normalize=True, but"):
        iter(to_device([torch.zeros(1)], "cpu", device_normalize=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("options", [{}, {"ahead": 3}, {"ahead": 1, "ring": 3}, {"ahead": 2, "device_normalize": True}])
def test_every_way_gives_the_same_batches(options: dict[str, Any], workers: int) -> None:
    wrapped, plain = to_device(loader(num_workers=workers), "cpu", **options), loader()
    for _ in range(2):
        for (images, targets), (image, target) in zip(wrapped, plain, strict=True):
            same(images, image)
            same(targets, target)


@pytest.mark.parametrize("workers", [0, 2])
def test_position_ahead_of_the_loop(workers: int) -> None:
    """The position is that of the batch in use, also after the loop was left; loaders of any kind."""
    expected = list(loader())
    for begin in (
        lambda **k: to_device(loader(num_workers=workers, **k), "cpu", ahead=3, device_normalize=True),
        lambda **k: to_device(loader(num_workers=workers, native="off", **k), "cpu", ahead=3),
        lambda **k: loader(num_workers=workers, device="cpu", **k),
    ):
        for stop in range(len(expected) + 1):
            wrapped: Any = begin()
            for number, (_, targets) in enumerate(wrapped):
                if number == stop:
                    break
                same(targets, expected[number][1])
            if stop == len(expected):
                continue
            resumed: Any = begin(generator=torch.Generator())
            resumed.load_state_dict(wrapped.state_dict())
            assert len(list(resumed)) == len(expected) - stop - 1


def test_the_short_form() -> None:
    short, plain = loader(device="cpu"), loader()
    assert short.device == torch.device("cpu")
    assert plain.device is None
    assert len(short) == len(plain)
    for _ in range(2):
        equal([list(batch) for batch in short], list(plain))
    assert "device     cpu" in explain(short)
    assert short.drawn(3) == plain.drawn(3)
    assert "cuda, 2 batches ahead, pinned, pixels copied as uint8" in explain(loader(device="cuda"))
    for workers, pinned_too in ((0, False), (2, True)):  # what this process makes may be on the device already
        split: Any = in_memory([pixels(20, 20)], T.Compose([T.ToTensor(), lambda x: x * 2]))
        assert (", pinned" in explain(DataLoader(split, device="cuda", num_workers=workers))) == pinned_too
    assert "cuda, 1 batch ahead, in a ring of 3 buffers" in explain(to_device(loader(), "cuda", ahead=1, ring=3))
    equal(list(to_device(loader(device="cuda"), "cpu", ahead=1)), list(loader()))
    rows: Any = DataLoader(TensorDataset(torch.arange(6)), 2, device="cpu")
    next(iter(rows))
    for again in (copy.copy(rows), copy.deepcopy(rows), pickle.loads(pickle.dumps(rows))):
        assert torch.cat([row for (row,) in again]).tolist() == list(range(6))


def test_the_short_form_leaves_no_cycle() -> None:
    """Nothing waits for the garbage collector: neither the loader nor the batches that are ahead."""
    gc.collect()
    gc.disable()
    try:
        before = threading.active_count(), len([o for o in gc.get_objects() if type(o) is DataLoader])
        made = loader(device="cpu", num_workers=2)
        next(iter(made))
        del made
        assert (threading.active_count(), len([o for o in gc.get_objects() if type(o) is DataLoader])) == before
    finally:
        gc.enable()


def test_errors_of_the_loader_come_in_their_turn() -> None:
    images = [pixels(20, 20, seed=i) for i in range(12)]
    targets = [*range(7), 99, *range(8, 12)]  # none of them has row 99

    def labels(transform: Any) -> list[Any]:
        dataset = in_memory(images, TRANSFORM, targets)
        dataset.target_transform = T.OneHot(12)
        iterator, found = iter(transform(DataLoader(dataset, 2, num_workers=2))), []
        for _ in range(6):
            try:
                found.append(next(iterator)[1].argmax(1).tolist())
            except ValueError:  # noqa: PERF203
                found.append("error")
        assert next(iterator, None) is None
        return found

    expected = labels(lambda loader: loader)
    assert expected.count("error") == 1
    assert labels(lambda loader: to_device(loader, "cpu", ahead=4)) == expected


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="ahead is a number of batches, got -1"):
        to_device([], "cpu", ahead=-1)
    with pytest.raises(ValueError, match="2 batches ahead and the one in use do not fit a ring of 2"):
        to_device([], "cpu", ahead=2, ring=2)
    with pytest.raises(TypeError, match="go to cpu already"):
        to_device(to_device([], "cpu"), "cuda")
    with pytest.raises(RuntimeError):
        loader(device="nowhere")


def test_a_ring_of_buffers() -> None:
    """Constant addresses, over epochs; a shorter last batch is a part of its buffer."""
    wrapped = to_device(loader(), "cpu", ahead=1, ring=3)
    epochs = []
    for _ in range(2):
        expected, addresses = iter(loader(generator=copy.copy(wrapped.generator.clone_state()))), []
        for (images, _), (image, _) in zip(wrapped, expected, strict=True):
            same(images, image)
            addresses.append(images.data_ptr())
        epochs.append(addresses)
    assert epochs[0] == epochs[1]
    assert len(set(epochs[0])) == 3
    # Two passes at once would write to the same buffers.
    first = iter(wrapped)
    next(first)
    next(iter(wrapped))
    assert next(first, None) is None


def test_mappings_keep_what_they_have_besides_items() -> None:
    batch: Any = defaultdict(list, a=torch.zeros(1))
    (moved,) = to_device([batch], "meta")
    assert moved["a"].device.type == "meta"
    assert moved["missing"] == []
    assert batch["a"].device.type == "cpu"


@pytest.mark.parametrize("options", [{"ahead": 2}, {"ahead": 2, "device_normalize": True}, {"ahead": 2, "ring": 4}])
def test_no_byte_of_a_batch_changes(options: dict[str, Any]) -> None:
    hold_drop_and_copy("cpu", 300, **options)


def test_one_hot_rows_are_made_where_the_labels_are() -> None:
    rows = one_hot(torch.zeros(4, dtype=torch.int32, device="meta"), 3, dtype=torch.float16, smoothing=0.1)
    assert (rows.device.type, rows.shape, rows.dtype) == ("meta", (4, 3), torch.float16)
    with pytest.raises(ValueError, match="num_classes must be given"):
        one_hot(torch.zeros(4, dtype=torch.int64, device="meta"))


@pytest.mark.parametrize("options", [{"device_normalize": True}, {"ring": 4}, {"ring": 4, "device_normalize": True}])
def test_batches_made_in_inference_mode_are_ordinary_ones(options: dict[str, Any]) -> None:
    """What is made ahead there is trained with later, and a ring is written to again."""
    wrapped, expected = to_device(loader(), "cpu", ahead=2, **options), list(loader())
    iterator = iter(wrapped)
    with torch.inference_mode():
        validated = next(iterator)[0].clone()
    same(validated, expected[0][0])
    weight = torch.ones((), requires_grad=True)
    for (images, _), (image, _) in zip(iterator, expected[1:], strict=True):
        assert not images.is_inference()
        (images * weight).sum().backward()
        same(images, image)
    with torch.inference_mode():
        assert len(list(wrapped)) == len(expected)
    assert len(list(wrapped)) == len(expected)


@pytest.mark.parametrize("transform", [None, T.MixUp(num_classes=N), T.CutMix(num_classes=N)])
def test_a_default_device_makes_no_difference(transform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only torch's own draw of a seed follows it, as in torch; every other tensor is where it has to be."""
    pretend_to_pin(monkeypatch)
    monkeypatch.setattr(pinned, "block", lambda nbytes: torch.empty(nbytes, dtype=torch.uint8, device="cpu"))
    monkeypatch.setattr(pinned, "pin", lambda batch: batch)
    rows = TensorDataset(torch.randn(6, 3, 8, 8), torch.arange(6))
    hot = in_memory([pixels(20, 20, seed=i) for i in range(N)], TRANSFORM)
    hot.target_transform = T.OneHot(N, dtype=torch.float32)

    def made() -> list[Any]:
        torch.default_generator.manual_seed(5)
        batches: list[Any] = []
        for inner in (loader(shuffle=False), loader(shuffle=False, pin_memory=True), DataLoader(rows, 2)):
            options: dict[str, Any] = {"device_normalize": True} if inner.dataset is not rows else {}
            batches += to_device(inner, "cpu", ring=3, ahead=1, batch_transform=transform, **options)
        return [[part.clone() for part in batch] for batch in [*batches, *DataLoader(hot, 4, pin_memory=True)]]

    expected = made()
    torch.set_default_device("meta")
    try:
        found, labels = made(), one_hot([1, 0], 2)
    finally:
        torch.set_default_device(None)
    equal(found, expected)
    assert labels.tolist() == [[0, 1], [1, 0]]


@pytest.mark.filterwarnings("ignore:Sparse")  # in beta state
def test_packed_sequences_and_sparse_tensors() -> None:
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(5)], enforce_sorted=False)
    (moved,) = to_device([packed], "meta")
    assert (moved.data.device.type, moved.sorted_indices.device.type) == ("meta", "meta")
    assert moved.batch_sizes is packed.batch_sizes, "torch wants them on the CPU"
    assert next(iter(to_device([packed], "cpu"))) is packed
    dense = torch.eye(4)
    for sparse, parts in (
        (dense, 1),
        (dense.to_sparse(), 2),
        (dense.to_sparse_csr(), 3),
        (dense.to_sparse_csc(), 3),
        (dense.to_sparse_bsr((2, 2)), 3),
    ):
        assert len(list(memory_of(sparse))) == parts
        assert all(part.layout == torch.strided for part in memory_of(sparse))
