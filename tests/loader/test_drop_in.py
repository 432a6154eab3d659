"""The loader's arguments, one table: torch's DataLoader and ours side by side, in both of our paths."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    TensorDataset,
)
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from oracle import same
from pictures import in_memory, pixels
from torchfeed import DataLoader, default_collate, explain
from torchfeed import transforms as T

N = 11
IMAGES = [pixels(6, 7, seed=i) for i in range(N)]
TRANSFORM = T.Compose([T.Resize(4), T.ToTensor()])
HAS_IN_ORDER = "in_order" in inspect.signature(TorchDataLoader.__init__).parameters  # since torch 2.6

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores


class Plain(Dataset[Any]):
    """What our native dataset holds, as anybody would write it."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        from PIL import Image  # noqa: PLC0415

        return TRANSFORM(Image.fromarray(IMAGES[index])), range(N)[index]


class Stream(IterableDataset[Any]):
    def __init__(self, length: int | None = None) -> None:
        self.length = length

    def __iter__(self) -> Iterator[Any]:
        return iter([{"x": torch.ones(2) * i, "y": i} for i in range(7)])

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError
        return self.length


class Endless(Sampler[int]):
    """A sampler without a length."""

    def __init__(self) -> None:
        pass

    def __iter__(self) -> Iterator[int]:
        return iter([4, 2, 0])


def to_sum(_: Any, image: Any) -> torch.Tensor:
    return torch.tensor(sum(image.getpixel((0, 0))))


def native() -> Any:
    return in_memory(IMAGES, TRANSFORM)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "batch_size": {"batch_size": 4},
    "drop_last": {"batch_size": 4, "drop_last": True},
    "no batches": {"batch_size": None},
    "no batches, threads": {"batch_size": None, "num_workers": 2},
    "no batches, sampler": {"batch_size": None, "sampler": [3, 1]},
    "sampler": {"sampler": SequentialSampler(range(5)), "batch_size": 2},
    "batch_sampler": {"batch_sampler": BatchSampler(SequentialSampler(range(5)), 2, True)},
    "sampler without a length": {"sampler": Endless(), "batch_size": 2},
    "generator": {"shuffle": True, "generator": None, "batch_size": 3},
    "workers": {"num_workers": 2, "batch_size": 4},
    "prefetch": {"num_workers": 2, "batch_size": 4, "prefetch_factor": 5},
    "timeout": {"num_workers": 1, "batch_size": 4, "timeout": 30},
    "persistent": {"num_workers": 1, "persistent_workers": True, "batch_size": 4},
    "context": {"num_workers": 1, "multiprocessing_context": "fork", "batch_size": 4},
    **({"out of order": {"num_workers": 1, "in_order": False, "batch_size": 4}} if HAS_IN_ORDER else {}),
    "init": {"num_workers": 1, "worker_init_fn": print, "batch_size": 4},
    "our collate_fn": {"collate_fn": default_collate, "batch_size": 4},
    "pin_memory": {"pin_memory": True, "batch_size": 4},
    # These are refused.
    "negative workers": {"num_workers": -1},
    "negative timeout": {"num_workers": 1, "timeout": -1},
    "timeout without workers": {"timeout": 5},
    "prefetch without workers": {"prefetch_factor": 2},
    "negative prefetch": {"num_workers": 1, "prefetch_factor": -1},
    "no prefetch": {"num_workers": 1, "prefetch_factor": 0},
    "persistent without workers": {"persistent_workers": True},
    "context without workers": {"multiprocessing_context": "fork"},
    "unknown context": {"num_workers": 1, "multiprocessing_context": "thread"},
    "context of another type": {"num_workers": 1, "multiprocessing_context": 3},
    "sampler and shuffle": {"sampler": [1], "shuffle": True},
    "batch_sampler and batch_size": {"batch_sampler": [[1]], "batch_size": 3},
    "batch_sampler and drop_last": {"batch_sampler": [[1]], "drop_last": True},
    "no batches and drop_last": {"batch_size": None, "drop_last": True},
    "batch_size of zero": {"batch_size": 0},
    "batch_size of text": {"batch_size": "3"},
    "unknown": {"unknown": 1},
    "an index out of range": {"sampler": [3, N]},
    "an index of text": {"sampler": ["a"]},
    "empty batch": {"batch_sampler": [[1], []]},
}

ATTRIBUTES = [
    *("batch_size", "drop_last", "num_workers", "prefetch_factor", "pin_memory", "pin_memory_device", "timeout"),
    *("worker_init_fn", "multiprocessing_context", "persistent_workers", "generator", "_auto_collation"),
    *(["in_order"] if HAS_IN_ORDER else []),
]


def outcome(run: Callable[[], Any]) -> Any:
    """The result, or the exception's type and message."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001  (compared by type below)
        return type(error), str(error)


def behaviour(cls: Any, dataset: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.manual_seed(9)
        loader = outcome(lambda: cls(dataset, **arguments))
        if isinstance(loader, tuple):
            return {"refused": loader}
        found: dict[str, Any] = {name: getattr(loader, name) for name in ATTRIBUTES}
        found["types"] = [type(loader.sampler), type(loader.batch_sampler)]
        found["length"] = outcome(lambda: len(loader))
        found["batches"] = outcome(lambda: list(loader))
        found["again"] = outcome(lambda: list(loader)) if "persistent" not in str(arguments) else None
        said = {str(warning.message) for warning in caught}
        # That there is nothing to pin for, older torches did not say: a test of its own is below.
        found["warnings"] = {message for message in said if "fork" not in message and "pin_memory" not in message}
        return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torch's own, without prefetch
@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str) -> None:
    expected = behaviour(TorchDataLoader, Plain(), ARGUMENTS[name])
    for dataset in (native(), Plain()):
        got = behaviour(DataLoader, dataset, ARGUMENTS[name])
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            failed = isinstance(value, tuple) and isinstance(value[0], type)
            if failed and key == "batches" and dataset.__class__ is not Plain:
                # An error inside an epoch: the type is torch's; our message names the index.
                assert isinstance(got[key][0], type), (key, got[key])
                assert issubclass(got[key][0], value[0]), (key, value)
            elif key in {"batches", "again"} and not failed:
                equal(got[key], value)
            elif not (failed and key == "again"):
                assert got[key] == value, key


def test_every_argument_of_torch_s_is_in_the_table() -> None:
    known = {argument for arguments in ARGUMENTS.values() for argument in arguments} | {"pin_memory_device", "dataset"}
    assert set(inspect.signature(TorchDataLoader.__init__).parameters) - {"self"} <= known


def test_attributes_cannot_be_set_afterwards() -> None:
    loader = DataLoader(native(), 4)
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoader is initialized"):
            setattr(loader, name, None)


def test_memory_format_is_checked() -> None:
    with pytest.raises(ValueError, match="contiguous_format or channels_last"):
        DataLoader(native(), memory_format=torch.preserve_format)


def test_it_is_torch_s_class() -> None:
    assert isinstance(DataLoader(native()), TorchDataLoader)
    assert isinstance(DataLoader[int](range(3)), TorchDataLoader)  # type: ignore[arg-type]  # generic, as torch's is


# What is not recognised behaves exactly as in torch


OTHERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "list": (lambda: list(range(N)), {"batch_size": 3}),
    "tensors": (lambda: TensorDataset(torch.arange(N), torch.ones(N, 2)), {"batch_size": 3, "shuffle": True}),
    "class": (Plain, {"batch_size": 3, "shuffle": True}),
    "class in processes": (Plain, {"batch_size": 3, "shuffle": True, "num_workers": 2}),
    "stream": (Stream, {"batch_size": 3}),
    "stream with a length": (lambda: Stream(7), {"batch_size": 3, "drop_last": True}),
    "stream with a wrong length": (lambda: Stream(5), {"batch_size": 3}),
    "stream in processes": (Stream, {"batch_size": 3, "num_workers": 2}),
    "stream with shuffle": (Stream, {"shuffle": True}),
    "stream with sampler": (Stream, {"sampler": [1]}),
    "stream with batch_sampler": (Stream, {"batch_sampler": [[1]]}),
    "unbatched stream": (Stream, {"batch_size": None}),
    "collate_fn": (Plain, {"batch_size": 3, "collate_fn": len}),
    "no samples": (list, {"batch_size": 3}),
    "no samples to shuffle": (list, {"shuffle": True}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_datasets(name: str) -> None:
    make, arguments = OTHERS[name]
    expected, got = (behaviour(cls, make(), arguments) for cls in (TorchDataLoader, DataLoader))
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        if key in {"batches", "again"}:
            equal(got[key], value)
        else:
            assert got[key] == value, key


PYTHON_PATHS: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "custom collate_fn": lambda: (native(), {"collate_fn": lambda batch: [image.sum() for image, _ in batch]}),
    "lambda transform": lambda: (in_memory(IMAGES, lambda image: torch.tensor(image.size)), {}),
    "lambda in a chain": lambda: (in_memory(IMAGES, T.Compose([T.Resize(3), lambda i: i.rotate(0), T.ToTensor()])), {}),
    "subclassed transform": lambda: (in_memory(IMAGES, type("Mine", (T.ToTensor,), {"__call__": to_sum})()), {}),
    "subclassed dataset": lambda: (subclassed(), {}),
    "off": lambda: (native(), {"native": "off"}),
}
BY_TORCH = {"subclassed dataset", "off"}


def subclassed() -> Any:
    dataset = native()
    dataset.__class__ = type(
        "Mine", (type(dataset),), {"__getitems__": lambda self, indices: [(i, i) for i in indices]}
    )
    return dataset


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", PYTHON_PATHS)
def test_what_runs_in_python_gives_torch_s_batches(name: str, workers: int) -> None:
    dataset, arguments = PYTHON_PATHS[name]()
    arguments |= {"batch_size": 4, "num_workers": workers}
    loader = DataLoader(dataset, **arguments)
    assert explain(loader).startswith("torch's own path" if name in BY_TORCH else "native in part")
    arguments.pop("native", None)
    equal(list(loader), list(TorchDataLoader(dataset, **arguments)))
    next(iter(loader))
    if name in BY_TORCH:
        with pytest.raises((TypeError, RuntimeError), match="drawn"):
            loader.drawn(0)
    elif "transform" in name or "chain" in name:
        assert loader.drawn(0)[-1][0] == "Python"


def test_worker_init_fn_is_called_in_torch_s_path() -> None:
    def fail(worker: int) -> None:
        raise ValueError(f"init of {worker}")

    loader = DataLoader(Plain(), 4, num_workers=1, worker_init_fn=fail)
    with pytest.raises(ValueError, match="init of 0"):
        list(loader)
    assert len(list(DataLoader(native(), 4, num_workers=1, worker_init_fn=fail))) == 3


def test_timeout_is_torch_s_error() -> None:
    big = in_memory([pixels(2000, 2000)], T.Compose([T.Resize((3000, 3000)), T.ToTensor()]))
    loader = DataLoader(big, num_workers=1, timeout=1e-3)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.001 seconds"):
        next(iter(loader))


def test_pin_memory_without_a_device_warns_as_torch_does() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a device to pin for")
    loader = DataLoader(native(), 4, pin_memory=True)
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator is found"):
        images, _ = next(iter(loader))
    assert not images.is_pinned()


def test_a_profiler_shows_batches_as_it_shows_torch_s() -> None:
    for cls in (TorchDataLoader, DataLoader):
        loader = cls(native(), 4)
        list(loader)  # without a profiler
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            list(loader)
        found = [e for e in profile.events() or [] if e.name.startswith("enumerate(DataLoader)#")]
        assert len(found) == len(loader) + 1, cls
        assert all(getattr(event, "is_user_annotation", True) for event in found)  # torch says so since 2.5


def test_shuffled_samples_of_both_paths_are_the_same() -> None:
    """Without random transforms nothing tells our batches from those of torch and a plain dataset."""
    for workers in (0, 2):
        batches = []
        pairs: list[tuple[Any, Any]] = [(TorchDataLoader, Plain()), (DataLoader, native()), (TorchDataLoader, native())]
        for cls, dataset in pairs:
            sampler = RandomSampler(range(N), generator=torch.Generator().manual_seed(3))
            batches.append(list(cls(dataset, 4, sampler=sampler, num_workers=workers)))
        for ours in batches[1:]:
            for left, right in zip(ours, batches[0], strict=True):
                same(left[0], right[0])
                same(left[1], right[1])
