"""The device stage: batches arrive where the model is: on the CPU by the same code, on a GPU where there is one."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import threading
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, TensorDataset

from pictures import in_memory, pixels
from replay import same
from test_batch import equal
from torchfeed import DataLoader, explain, one_hot, to_device
from torchfeed import transforms as T

Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024

N = 30
TRANSFORM = T.Compose([T.RandomCrop(16, padding=2), T.ToTensor()])

needs_cuda = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def cuda(test: Any) -> Any:
    for mark in needs_cuda:
        test = mark(test)
    return test


def loader(**options: Any) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(2)
    options = {"batch_size": 4, "generator": generator, "shuffle": True, **options}
    return DataLoader(in_memory([pixels(20, 20, seed=i) for i in range(N)], TRANSFORM), **options)


def nested() -> list[Any]:
    return [
        {"a": torch.ones(2), "b": [torch.zeros(1), "text", 3], "c": Point(torch.ones(1), None)},
        OrderedDict(x=(torch.ones(1), 2.5)),
        torch.ones(3),
        "nothing",
    ]


def places(batch: Any) -> list[str]:
    if isinstance(batch, torch.Tensor):
        return [batch.device.type]
    if isinstance(batch, dict):
        return [place for value in batch.values() for place in places(value)]
    return [place for value in batch for place in places(value)] if isinstance(batch, (list, tuple)) else []


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


def normalized(channels: int, dtype: torch.dtype) -> Any:
    scale: Any = T.ToDtype(dtype, scale=True) if dtype != torch.float32 else T.ConvertImageDtype(dtype)
    mean_std = ((0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels])
    return T.Compose([T.RandomCrop(16, padding=2), T.PILToTensor(), scale, T.Normalize(*mean_std)])


def check_normalized(device: str, channels: int, dtype: torch.dtype, **options: Any) -> None:
    """The table on the device gives the bits and the layout of the table in the loader."""
    images = [pixels(20, 20, channels, seed=i) for i in range(10)]
    dataset = in_memory(images, normalized(channels, dtype))
    expected = list(DataLoader(dataset, generator=torch.Generator().manual_seed(2), **options))
    inner: Any = DataLoader(dataset, generator=torch.Generator().manual_seed(2), **options)
    wrapped = to_device(inner, device, device_normalize=True)
    assert "looked up in the table there" in explain(wrapped)
    found = list(wrapped)
    for (made, target), (image, label) in zip(found, expected, strict=True):
        assert made.device.type == device
        same(made.cpu(), image)
        assert made.stride() == image.stride()
        assert torch.equal(torch.as_tensor(target).cpu(), torch.as_tensor(label))


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
    epoch: Any = inner.host_batches(to_device(inner, "cpu", device_normalize=True).delivery)
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
        (in_memory([pixels(20, 20)], T.Compose([T.ToTensor(), lambda x: x])), "only batches that are native"),
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


def hold_drop_and_copy(device: str, count: int, **options: Any) -> None:
    """Holds, drops and copies batches at random; every byte of them is looked at when they go."""
    images = torch.randint(0, 256, (64, 12, 12, 3), dtype=torch.uint8)
    dataset = in_memory(list(images.numpy()), T.Compose([T.ToTensor()]))
    expected = torch.stack([dataset[i][0] for i in range(len(dataset))]).to(device)
    rng, wrong, held = random.Random(0), torch.zeros((), dtype=torch.int64, device=device), []
    order = [rng.randrange(64) for _ in range(count * 4)]
    inner: Any = DataLoader(dataset, 4, sampler=order, num_workers=2, drop_last=True)
    weight = torch.randn(256, 256, device=device)

    def look(made: torch.Tensor, targets: torch.Tensor) -> None:
        nonlocal wrong
        wrong = wrong + (made != expected[targets]).sum()

    seen = 0
    for made, targets in to_device(inner, device, **options):
        seen += 1
        if rng.random() < 0.2:
            weight = torch.tanh(weight @ weight)  # the device falls behind the loop
        look(made, targets)
        chance = rng.random()
        if options.get("ring") is None and chance < 0.3:
            held.append((made, targets))
        elif chance < 0.5:
            held.append((made.clone(), targets.clone()))
        elif chance < 0.6:
            held.append((made.to("cpu", non_blocking=True, copy=True).to(device), targets.clone()))
        while len(held) > rng.randrange(12):
            look(*held.pop(rng.randrange(len(held))))
        del made, targets
    for batch in held:
        look(*batch)
    assert seen == count
    assert wrong.item() == 0


@pytest.mark.parametrize("options", [{"ahead": 2}, {"ahead": 2, "device_normalize": True}, {"ahead": 2, "ring": 4}])
def test_no_byte_of_a_batch_changes(options: dict[str, Any]) -> None:
    hold_drop_and_copy("cpu", 300, **options)


def test_one_hot_rows_are_made_where_the_labels_are() -> None:
    rows = one_hot(torch.zeros(4, dtype=torch.int32, device="meta"), 3, dtype=torch.float16, smoothing=0.1)
    assert (rows.device.type, rows.shape, rows.dtype) == ("meta", (4, 3), torch.float16)
    with pytest.raises(ValueError, match="num_classes must be given"):
        one_hot(torch.zeros(4, dtype=torch.int64, device="meta"))


# On a GPU


@cuda
@pytest.mark.parametrize("pin_memory", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_batches_arrive_on_cuda(memory_format: torch.memory_format, workers: int, pin_memory: bool) -> None:
    options = {"num_workers": workers, "memory_format": memory_format}
    wrapped = to_device(loader(pin_memory=pin_memory, **options), "cuda")
    for _ in range(3):
        expected = list(loader(**options))
        wrapped.loader.generator.manual_seed(2)  # type: ignore[attr-defined]
        for (images, targets), (image, target) in zip(wrapped, expected, strict=True):
            assert images.device.type == targets.device.type == "cuda"
            assert images.is_contiguous(memory_format=memory_format)
            same(images.cpu(), image)
            same(targets.cpu(), target)


@cuda
def test_pinned_batches() -> None:
    held = list(loader(pin_memory=True, num_workers=2))
    assert all(images.is_pinned() and targets.is_pinned() for images, targets in held)
    equal(held, list(loader()))


@cuda
def test_pinned_batches_whose_size_depends_on_the_image() -> None:
    dataset = in_memory([pixels(20, 20)] * 4, T.Compose([T.Resize(7), T.ToTensor()]))
    ((images, _),) = DataLoader(dataset, 4, pin_memory=True)
    assert images.is_pinned()


@cuda
def test_a_slow_step_does_not_see_the_next_batch() -> None:
    """The step's kernels run late; the memory of its batch must not be given to a later one."""
    expected = [images.double().sum().item() for images, _ in loader()]
    weight = torch.randn(2000, 2000, device="cuda")
    sums = []
    for images, _ in to_device(loader(pin_memory=True, num_workers=2), "cuda"):
        for _ in range(20):
            weight = weight @ weight
            weight /= weight.abs().max()
        sums.append(images.double().sum())
        del images
    assert [total.item() for total in sums] == pytest.approx(expected)


@cuda
def test_nested_structures_on_cuda() -> None:
    for batch, original in zip(to_device(nested(), "cuda:0"), nested(), strict=True):
        assert set(places(batch)) <= {"cuda"}
        assert type(batch) is type(original)


@cuda
def test_position_is_that_of_the_batch_in_use() -> None:
    wrapped, expected = to_device(loader(num_workers=2), "cuda"), list(loader())
    iterator = iter(wrapped)
    for _ in range(3):
        next(iterator)
    resumed = loader(generator=torch.Generator())
    resumed.load_state_dict(wrapped.state_dict())
    equal(list(resumed), expected[3:])


@cuda
@pytest.mark.parametrize("options", [{}, {"ring": 4}, {"device_normalize": False}, {"ahead": 0}, {"ahead": 5}])
def test_no_byte_of_a_batch_changes_on_cuda(options: dict[str, Any]) -> None:
    hold_drop_and_copy("cuda", 10_000, **options)


@cuda
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_table_on_cuda(channels: int, dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    check_normalized("cuda", channels, dtype, batch_size=4, num_workers=2, memory_format=memory_format)


@cuda
def test_the_loop_waits_for_no_copy() -> None:
    """Iterating gives the device no reason to make the caller wait."""
    batches = iter(to_device(loader(num_workers=2), "cuda", batch_transform=T.MixUp(num_classes=N)))
    next(batches)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(4):
            next(batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@cuda
@pytest.mark.parametrize("transform", [T.MixUp(num_classes=N), T.CutMix(num_classes=N)], ids=["MixUp", "CutMix"])
def test_mixed_on_cuda_as_on_the_cpu(transform: Any) -> None:
    there, here = (to_device(loader(), device, batch_transform=transform) for device in ("cuda", "cpu"))
    for (images, rows), (image, row) in zip(there, here, strict=True):
        same(images.cpu(), image)
        same(rows.cpu(), row)


@cuda
def test_one_hot_on_cuda() -> None:
    labels = torch.randint(7, (4, 5))
    for options in ({}, {"dtype": torch.float16, "smoothing": 0.1}, {"dtype": torch.float32}):
        same(one_hot(labels.cuda(), 7, **options).cpu(), one_hot(labels, 7, **options))


@cuda
def test_a_cuda_graph_for_each_buffer_of_a_ring() -> None:
    wrapped = to_device(loader(num_workers=2, drop_last=True), "cuda", ring=4)
    model = torch.nn.Conv2d(3, 5, 3, device="cuda").eval()
    graphs: dict[int, Any] = {}
    expected = list(loader(drop_last=True))
    for epoch in range(2):
        wrapped.loader.generator.manual_seed(2)  # type: ignore[attr-defined]
        for number, (images, _) in enumerate(wrapped):
            if epoch == 0 and number < 4:
                torch.cuda.synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.no_grad(), torch.cuda.graph(graph, capture_error_mode="thread_local"):
                    out = model(images)
                graphs[images.data_ptr()] = graph, out
            graph, out = graphs[images.data_ptr()]
            graph.replay()
            with torch.no_grad():
                torch.testing.assert_close(out, model(expected[number][0].cuda()))


@cuda
def test_the_short_form_on_cuda() -> None:
    for (images, targets), (image, target) in zip(loader(device="cuda", num_workers=2), loader(), strict=True):
        assert images.device.type == "cuda"
        same(images.cpu(), image)
        same(targets.cpu(), target)
