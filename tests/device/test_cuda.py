"""The device stage on a GPU; where there is none, test_dry_run.py sees that what is here can run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from device_batches import N, check_normalized, hold_drop_and_copy, loader, nested, places
from equality import equal
from oracle import same
from pictures import in_memory, pixels
from torchfeed import DataLoader, one_hot, to_device
from torchfeed import transforms as T

MANY = 10_000  # batches
LARGE = 2000  # a matrix whose powers keep a GPU busy

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


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


def test_pinned_batches() -> None:
    held = list(loader(pin_memory=True, num_workers=2))
    assert all(images.is_pinned() and targets.is_pinned() for images, targets in held)
    equal(held, list(loader()))


def test_pinned_batches_whose_size_depends_on_the_image() -> None:
    dataset = in_memory([pixels(20, 20)] * 4, T.Compose([T.Resize(7), T.ToTensor()]))
    ((images, _),) = DataLoader(dataset, 4, pin_memory=True)
    assert images.is_pinned()


@pytest.mark.parametrize("workers", [0, 2])
def test_views_on_cuda(workers: int) -> None:
    """Each view is pinned in a block of its own, and copied as the floats that it is."""
    crop = T.Compose([T.RandomCrop(16, padding=2), T.ToTensor()])
    dataset = in_memory([pixels(20, 20, seed=i) for i in range(N)], T.MultiViewTransform([crop, crop, T.ToTensor()]))

    def views() -> DataLoader[Any]:
        return DataLoader(dataset, 4, num_workers=workers, generator=torch.Generator().manual_seed(2))

    inner = views()
    for (images, targets), (expected, labels) in zip(to_device(inner, "cuda"), views(), strict=True):
        assert places([images, targets]) == ["cuda"] * 4
        for image, view in zip(images, expected, strict=True):
            same(image.cpu(), view)
        same(targets.cpu(), labels)
    held = list(DataLoader(dataset, 4, num_workers=workers, pin_memory=True))
    assert all(tensor.is_pinned() for images, targets in held for tensor in (*images, targets))


def test_a_slow_step_does_not_see_the_next_batch() -> None:
    """The step's kernels run late; the memory of its batch must not be given to a later one."""
    expected = [images.double().sum().item() for images, _ in loader()]
    weight = torch.randn(LARGE, LARGE, device="cuda")
    sums = []
    for images, _ in to_device(loader(pin_memory=True, num_workers=2), "cuda"):
        for _ in range(20):
            weight = weight @ weight
            weight /= weight.abs().max()
        sums.append(images.double().sum())
        del images
    assert [total.item() for total in sums] == pytest.approx(expected)


def test_nested_structures_on_cuda() -> None:
    for batch, original in zip(to_device(nested(), "cuda:0"), nested(), strict=True):
        assert set(places(batch)) <= {"cuda"}
        assert type(batch) is type(original)


def test_position_is_that_of_the_batch_in_use() -> None:
    wrapped, expected = to_device(loader(num_workers=2), "cuda"), list(loader())
    iterator = iter(wrapped)
    for _ in range(3):
        next(iterator)
    resumed = loader(generator=torch.Generator())
    resumed.load_state_dict(wrapped.state_dict())
    equal(list(resumed), expected[3:])


@pytest.mark.parametrize("options", [{}, {"ring": 4}, {"device_normalize": False}, {"ahead": 0}, {"ahead": 5}])
def test_no_byte_of_a_batch_changes_on_cuda(options: dict[str, Any]) -> None:
    hold_drop_and_copy("cuda", MANY, **options)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_table_on_cuda(channels: int, dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    check_normalized("cuda", channels, dtype, batch_size=4, num_workers=2, memory_format=memory_format)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
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


@pytest.mark.parametrize("transform", [T.MixUp(num_classes=N), T.CutMix(num_classes=N)], ids=["MixUp", "CutMix"])
def test_mixed_on_cuda_as_on_the_cpu(transform: Any) -> None:
    there, here = (to_device(loader(), device, batch_transform=transform) for device in ("cuda", "cpu"))
    for (images, rows), (image, row) in zip(there, here, strict=True):
        same(images.cpu(), image)
        same(rows.cpu(), row)


def test_one_hot_on_cuda() -> None:
    labels = torch.randint(7, (4, 5))
    for options in ({}, {"dtype": torch.float16, "smoothing": 0.1}, {"dtype": torch.float32}):
        same(one_hot(labels.cuda(), 7, **options).cpu(), one_hot(labels, 7, **options))


def test_a_cuda_graph_for_each_buffer_of_a_ring() -> None:
    wrapped = to_device(loader(num_workers=2, drop_last=True), "cuda", ring=4)
    model = torch.nn.Conv2d(3, 5, 3).to("cuda").eval()
    graphs: dict[int, Any] = {}
    expected = list(loader(drop_last=True))
    for epoch in range(2):
        wrapped.loader.generator.manual_seed(2)  # type: ignore[attr-defined]
        for number, (images, _) in enumerate(wrapped):
            if epoch == 0 and number < 4:
                with torch.no_grad():
                    model(images)  # what cuDNN sets up on first use cannot be captured
                graph = torch.cuda.CUDAGraph()
                with torch.no_grad(), torch.cuda.graph(graph):
                    out = model(images)
                graphs[images.data_ptr()] = graph, out
            graph, out = graphs[images.data_ptr()]
            graph.replay()
            with torch.no_grad():
                torch.testing.assert_close(out, model(expected[number][0].cuda()))


def test_no_batch_is_asked_for_while_a_graph_is_captured() -> None:
    batches = iter(to_device(loader(), "cuda"))
    images, _ = next(batches)
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        with pytest.raises(RuntimeError, match="a CUDA graph is being captured: ask for the batch before"):
            next(batches)
        images.add(1)
    assert len(list(batches)) == 7


@pytest.mark.parametrize("options", [{}, {"ring": 4}, {"batch_transform": T.MixUp(num_classes=64)}])
def test_batches_that_are_there_already(options: dict[str, Any]) -> None:
    """They were made in the consumer's stream, which then the stream of the copies has to wait for."""
    columns = torch.randn(64, 3, 32, 32), torch.arange(64)
    there = TensorDataset(*(column.cuda() for column in columns))
    for _ in range(20):
        wrapped = to_device(DataLoader(there, 8, pin_memory=True), "cuda", **options)
        expected = to_device(DataLoader(TensorDataset(*columns), 8), "cpu", **{**options, "ahead": 2})
        torch.manual_seed(3)
        found = [[part.clone() for part in batch] for batch in wrapped]
        torch.manual_seed(3)
        for made, other in zip(found, expected, strict=True):
            same(made[0].cpu(), other[0])
            same(made[1].cpu(), other[1])


def test_samples_that_are_there_already() -> None:
    samples: Any = [(torch.full((3,), float(i), device="cuda"), i) for i in range(6)]
    found = [(rows[:, 0].tolist(), labels.tolist()) for rows, labels in to_device(DataLoader(samples, 2), "cuda")]
    assert found == [([i, i + 1], [i, i + 1]) for i in (0, 2, 4)]


def test_the_short_form_on_cuda() -> None:
    for (images, targets), (image, target) in zip(loader(device="cuda", num_workers=2), loader(), strict=True):
        assert images.device.type == "cuda"
        same(images.cpu(), image)
        same(targets.cpu(), target)
