"""Memory that Python lends to native code, by DLPack: without a copy, and checked."""

from __future__ import annotations

import ctypes
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.dlpack import from_dlpack

from torchfeed import _native
from torchfeed.decode import PillowDecoder
from torchfeed.limits import get_limits
from torchfeed.plan.compile import PipelineSettings
from torchfeed.util import dlpack
from torchfeed.util.dlpack import lend_array, lend_tensor, to_tensors

SHAPE = (4, 5, 6, 3)

HAS_READ_ONLY = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


def pipeline(array: Any, *, channels_last: bool = False, dtype: tuple[int, int] = (1, 8)) -> _native.Pipeline:
    """Makes images of an array as they are, or as floats."""
    source = _native.Source.array(array)
    table = torch.arange(256).to(torch.uint8 if dtype == (1, 8) else torch.float32).repeat(3).numpy().tobytes()
    dataset = _native.Dataset(source, _native.Labels(range(len(source))), [([], table)])
    settings = PipelineSettings(
        channels=3,
        dtypes=[dtype],
        one_hot=None,
        channels_last=channels_last,
        cheaper_first=False,
        fast=False,
        limits=get_limits(),
        fallback=PillowDecoder(),
        fallback_limits=(0, 0, 0),
        row_indexes=None,
        memory=None,
    )
    return _native.Pipeline([dataset], settings)


def pixels(array: Any) -> np.ndarray[Any, Any]:
    """Makes a batch of all images of an array, shape (N, H, W, C)."""
    epoch = _native.Epoch(pipeline(array), 0, 0)
    epoch.submit([*range(SHAPE[0])])
    images: np.ndarray[Any, Any] = to_tensors(epoch.next())[0].permute(0, 2, 3, 1).numpy()
    return images


def numbers() -> np.ndarray[Any, Any]:
    return np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE)


def strided() -> np.ndarray[Any, Any]:
    """Lays the same numbers out with the images last and gaps."""
    room = np.zeros((*SHAPE[1:], 2 * SHAPE[0]), np.uint8)
    room[..., ::2] = np.moveaxis(numbers(), 0, -1)
    return np.moveaxis(room[..., ::2], -1, 0)


def test_arrays_and_tensors_are_read_where_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "numbers.npy", numbers())
    frozen = numbers()
    frozen.flags.writeable = False
    mapped = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    for array in [numbers(), frozen, mapped, strided()]:
        assert (pixels(lend_array(array)) == numbers()).all()
    assert (pixels(torch.from_numpy(numbers())) == numbers()).all()
    assert (pixels(lend_tensor(torch.from_numpy(strided()))) == numbers()).all()
    # No copy: what is written there later shows.
    array = numbers()
    lent = _native.Epoch(pipeline(lend_array(array)), 0, 0)
    array[1] = 7
    lent.submit([1])
    assert (to_tensors(lent.next())[0] == 7).all()


def test_read_only_arrays_with_an_old_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before NumPy 2.1 there was nothing that could say so; the memory is still not copied."""
    array = numbers()
    view = array.view()
    view.flags.writeable = False
    writable = dlpack._as_writable(view)
    assert (writable.ctypes.data, writable.strides) == (array.ctypes.data, array.strides)
    assert (pixels(writable.__dlpack__()) == numbers()).all()
    gone = weakref.ref(view)
    del view, array
    gc.collect()
    assert gone() is not None, "the view keeps the memory"

    class Old(np.ndarray):
        def __dlpack__(self) -> Any:  # type: ignore[override]
            return np.asarray(self).__dlpack__()

    old = numbers().view(Old)
    old.flags.writeable = False
    assert (pixels(lend_array(old)) == numbers()).all()


def test_memory_is_kept_as_long_as_it_is_used() -> None:
    array = numbers()
    gone = weakref.ref(array)
    source = _native.Source.array(lend_array(array))
    del array
    gc.collect()
    assert gone() is not None
    del source
    gc.collect()
    assert gone() is None


def test_a_capsule_is_taken_once() -> None:
    capsule = lend_array(numbers())
    source = _native.Source.array(capsule)
    with pytest.raises(BufferError, match="nobody took"):
        _native.Source.array(capsule)
    with pytest.raises(Exception, match="capsule"):
        from_dlpack(capsule)
    del capsule
    gc.collect()
    assert len(source) == SHAPE[0]


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (numbers().astype(np.int16), "uint8 array of 4 dimensions"),
        (numbers()[0], "uint8 array of 4 dimensions"),
        (numbers()[..., :2], "1 or 3 channels"),
        (numbers()[:, :0], "1 or 3 channels"),
        (numbers()[::-1], "negative"),
    ],
)
def test_arrays_that_are_no_images(array: Any, why: str) -> None:
    with pytest.raises((ValueError, BufferError), match=why):
        _native.Source.array(lend_array(array))


class OnDevice:
    """A tensor that is said to be on another device: by default on a CUDA device."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.device = 2

    def __dlpack__(self) -> Any:
        capsule = lend_tensor(self.tensor)
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        # The device's type follows the address.
        ctypes.c_int32.from_address(get(capsule, b"dltensor") + 8).value = self.device
        return capsule


def test_only_host_memory_is_taken() -> None:
    on_device = OnDevice(torch.zeros(SHAPE, dtype=torch.uint8))
    with pytest.raises(BufferError, match="host memory"):
        _native.Source.array(on_device)
    on_device.device = 3  # pinned
    assert len(_native.Source.array(on_device)) == SHAPE[0]
    for thing in (object(), b"bytes", 7):
        with pytest.raises((TypeError, AttributeError)):
            _native.Source.array(thing)


@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_are_written_to_memory_that_is_lent(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    epoch = _native.Epoch(pipeline(numbers(), channels_last=channels_last, dtype=(2, 32)), 0, 2)
    images = torch.empty((4, 3, 5, 6), dtype=torch.float32, memory_format=layout)
    targets = torch.empty(4, dtype=torch.int64)
    for out in ([images], [images, targets]):
        for tensor in out:
            tensor.zero_()
        epoch.submit([3, 1, 0, 2], [lend_tensor(tensor) for tensor in out])
        made = to_tensors(epoch.next())
        assert [tensor.data_ptr() for tensor in made[: len(out)]] == [tensor.data_ptr() for tensor in out]
        assert (images.permute(0, 2, 3, 1).numpy() == numbers()[[3, 1, 0, 2]]).all()
    assert targets.tolist() == [3, 1, 0, 2]


def test_memory_that_does_not_fit_is_refused() -> None:
    epoch = _native.Epoch(pipeline(numbers(), dtype=(2, 32)), 0, 0)
    images, targets = torch.empty((2, 3, 5, 6)), torch.empty(2, dtype=torch.int64)
    frozen = images.numpy()
    frozen.flags.writeable = False
    wrong = [
        [images[:1], targets],
        [images.permute(0, 1, 3, 2), targets],
        [images.to(memory_format=torch.channels_last), targets],
        [images.int(), targets],
        [torch.empty((2, 3, 5, 12))[..., ::2], targets],
        [images, targets[:, None]],
        [images, targets.double()],
    ]
    for out in wrong:
        with pytest.raises(BufferError, match="does not fit"):
            epoch.submit([0, 1], [lend_tensor(tensor) for tensor in out])
    if HAS_READ_ONLY:
        with pytest.raises(BufferError, match="nobody may write"):
            epoch.submit([0, 1], [frozen.__dlpack__(max_version=(1, 0))])
    with pytest.raises(ValueError, match="more fields"):
        epoch.submit([0, 1], [lend_tensor(tensor) for tensor in (images, targets, targets)])


def test_what_is_stacked_is_checked() -> None:
    stack = _native.stack([lend_tensor(torch.ones(2, 3)), lend_tensor(torch.zeros(3, 2).T)])
    assert torch.equal(from_dlpack(stack), torch.tensor([[[1.0] * 3] * 2, [[0.0] * 3] * 2]))
    for others in ([torch.ones(3, 2)], [torch.ones(2, 3).double()], [torch.ones(6)]):
        with pytest.raises(ValueError, match="different shapes or dtypes"):
            _native.stack([lend_tensor(tensor) for tensor in (torch.ones(2, 3), *others)])
    with pytest.raises(ValueError, match="no tensors"):
        _native.stack([])
    levels = (3, b"\1", b"\0", (1, 8))
    for labels in (torch.ones(2), torch.ones(4, dtype=torch.int64)[::2], torch.ones(2, dtype=torch.int32)):
        with pytest.raises(BufferError, match="contiguous tensor of int64"):
            _native.one_hot(lend_tensor(labels), *levels)
