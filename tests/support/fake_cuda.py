"""A CUDA device that is none: plain memory that says it is on "cuda", for a dry run of what is written for a GPU.

``python -m pytest -p fake_cuda -m cuda`` runs the tests that are marked `cuda`, with this folder on ``PYTHONPATH``.
Calls are held against the signatures of torch's own functions; tensors of both kinds in one operation are an error, as
on a GPU; and so is what a stream reads or writes without waiting for another's work on it, or without the allocator's
knowing of it. Work is done at once: what may go wrong when it is done late is the business of `lazy_device`.
"""

from __future__ import annotations

import inspect
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CUDA = torch.device("cuda", 0)
_GETTERS = {getattr(Tensor, name).__get__: name for name in ("device", "is_cuda", "is_cpu")}
_MAY_MIX = {"copy_", "to", "set_", "__set__", "type_as", "_has_compatible_shallow_copy_type"}
_WAITS = {"item", "tolist", "cpu", "nonzero", "__bool__", "__float__", "__int__", "__index__", "equal", "numpy"}
_rng = random.Random(0)


class Clocks(Counter["Stream"]):
    """How much of each stream's work is known to be done before what comes next."""

    def learn(self, other: Counter[Stream]) -> None:
        for stream, count in other.items():
            self[stream] = max(self[stream], count)


class Stream:
    """`torch.cuda.Stream`."""

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self.device = CUDA
        self.clocks = Clocks()

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        _not_while_capturing("cudaStreamWaitEvent")
        self.clocks.learn(event.clocks)

    def wait_stream(self, stream: Stream) -> None:
        self.wait_event(stream.record_event())

    def synchronize(self) -> None:
        host.learn(self.clocks)


class Event:
    """`torch.cuda.Event`."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self.clocks = Clocks()
        self.timing, self.when = enable_timing, 0.0

    def record(self, stream: Stream | None = None) -> None:
        stream = stream or current_stream()
        self.clocks = Clocks(stream.clocks)
        self.when = perf_counter()

    def wait(self, stream: Stream | None = None) -> None:
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        _not_while_capturing("cudaEventQuery")
        done = _rng.random() < 0.5
        if done:
            host.learn(self.clocks)
        return done

    def synchronize(self) -> None:
        _not_while_capturing("cudaEventSynchronize")
        host.learn(self.clocks)

    def elapsed_time(self, end_event: Event) -> float:
        assert self.timing, "an event without enable_timing"
        assert end_event.timing, "an event without enable_timing"
        return max(1e-3, (end_event.when - self.when) * 1e3)


class CUDAGraph:
    """`torch.cuda.CUDAGraph`: does again what was recorded, to the same memory."""

    def __init__(self, keep_graph: bool = False) -> None:
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def replay(self) -> None:
        assert self.calls, "nothing was captured"
        for func, args, kwargs, outs in self.calls:
            device.note(func.__name__, args, kwargs, None, waits=True)
            with torch._C.DisableTorchFunction():
                made = func(*args, **kwargs)
                for out, new in zip(_tensors(outs), _tensors(made), strict=True):
                    if out is not new:
                        out.data.copy_(new)
            for place in filter(None, map(memory, _tensors(outs))):
                place.written = state.current, state.current.clocks[state.current]


class State:
    """What torch.cuda knows globally."""

    current: Stream
    sync_debug_mode: str | int = "default"
    capturing: CUDAGraph | None = None


host = Clocks()
state = State()
state.current = Stream()


def _not_while_capturing(name: str) -> None:
    if state.capturing is not None:
        raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({name})")


def current_stream(device: Any = None) -> Stream:
    return state.current


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    before, state.current = state.current, stream or state.current
    try:
        yield
    finally:
        state.current = before


@contextmanager
def graph(
    cuda_graph: CUDAGraph, pool: Any = None, stream: Stream | None = None, capture_error_mode: str = "global"
) -> Iterator[None]:
    synchronize()
    before, state.current, state.capturing = state.current, stream or Stream(), cuda_graph
    try:
        yield
    finally:
        state.current, state.capturing = before, None


def synchronize(device: Any = None) -> None:
    for each in streams:
        host.learn(each.clocks)


def set_sync_debug_mode(debug_mode: int | str) -> None:
    assert debug_mode in {"default", "warn", "error"}
    warnings.warn("Synchronization debug mode is a prototype feature and does not yet detect all", stacklevel=2)
    state.sync_debug_mode = debug_mode


streams: set[Stream] = {state.current}


class Memory:
    """What is known of memory on the device: an attribute of its storage."""

    def __init__(self) -> None:
        self.written: tuple[Stream, int] = state.current, 0
        self.read: dict[Stream, int] = {}
        self.known_to = {state.current}
        self.is_graph_s = state.capturing is not None  # whose owner keeps it, and what it reads


class FakeDevice(TorchFunctionMode):
    """Carries what is on the device through every function of torch's."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        getter = _GETTERS.get(func) if name == "__get__" else None
        if getter is not None:
            there = memory(args[0]) is not None
            return {"device": CUDA if there else func(*args), "is_cuda": there, "is_cpu": not there}[getter]
        special = getattr(self, f"_{name}", None) if args and isinstance(args[0], Tensor) else None
        if special is not None:
            return special(func, *args, **kwargs)
        tensors = list(_tensors((args, kwargs)))
        there = any(memory(tensor) for tensor in tensors)
        if kwargs.get("device") is not None:
            there = is_cuda(kwargs["device"])
            kwargs["device"] = "cpu" if there else kwargs["device"]
        pin = kwargs.pop("pin_memory", False)
        assert not (pin and there), "only dense CPU tensors can be pinned"
        self._check_mixed(name, tensors, args)
        if there and name in _WAITS:
            self.note(name, args, kwargs, None)
            self._wait(name)
        made = func(*args, **kwargs)
        if pin:
            _storage(made).pinned = True
        if there and name not in {*_WAITS, "__set__", "set_"}:
            self.note(name, args, kwargs, made)
            if state.capturing is not None:
                state.capturing.calls.append((func, args, kwargs, made))
        return made

    # Moving

    def _to(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        given = [kwargs.get("device"), *args]
        where = next((a for a in given if isinstance(a, (torch.device, str)) or type(a) is int), None)
        where = next((a.device for a in given if isinstance(a, Tensor)), where)
        from_cuda = memory(tensor) is not None
        to_cuda = from_cuda if where is None else is_cuda(where)
        args = tuple("cpu" if a is where and where is not None else a for a in args)
        if "device" in kwargs:
            kwargs["device"] = "cpu"
        if to_cuda == from_cuda:
            made: Tensor = func(tensor, *args, **kwargs)
            if to_cuda:
                self.note("to", (tensor,), {}, made)
            return made
        made = func(tensor, *args, **{**kwargs, "copy": True})
        self.note("to", (tensor,), {}, made if to_cuda else None, waits=from_cuda)
        if not kwargs.get("non_blocking"):
            self._wait("to")
        elif from_cuda:
            _storage(made).pinned = True
        return made

    def _cuda(self, func: Any, tensor: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
        return self._to(Tensor.to, tensor, "cuda", non_blocking=non_blocking)  # type: ignore[no-any-return]

    def _cpu(self, func: Any, tensor: Tensor) -> Tensor:
        return self._to(Tensor.to, tensor, "cpu")  # type: ignore[no-any-return]

    def _copy_(self, func: Any, out: Tensor, tensor: Tensor, non_blocking: bool = False) -> Tensor:
        func(out, tensor)
        self.note("copy_", (tensor,), {}, out)
        if (memory(out) is None) != (memory(tensor) is None) and not non_blocking:
            self._wait("copy_")
        if state.capturing is not None:
            state.capturing.calls.append((func, (out, tensor), {}, out))
        return out

    def _pin_memory(self, func: Any, tensor: Tensor, device: Any = None) -> Tensor:
        assert memory(tensor) is None, "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned"
        made = tensor if self._is_pinned(func, tensor) else tensor.clone()
        _storage(made).pinned = True
        return made

    def _is_pinned(self, func: Any, tensor: Tensor, device: Any = None) -> bool:
        return getattr(_storage(tensor), "pinned", False)

    # What must not happen

    def _check_mixed(self, name: str, tensors: list[Tensor], args: Any) -> None:
        if name in _MAY_MIX or len({memory(tensor) is None for tensor in tensors if tensor.ndim}) < 2:
            return
        if name in {"__getitem__", "__setitem__"} and memory(args[0]):
            return  # indices may be on the CPU
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices ({name})")

    def _wait(self, name: str) -> None:
        _not_while_capturing(name)
        if state.sync_debug_mode == "error":
            raise RuntimeError(f"called a synchronizing CUDA operation ({name})")
        state.current.synchronize()

    def note(self, name: str, args: Any, kwargs: Any, made: Any, *, waits: bool = False) -> None:
        """Notes what the current stream reads and writes, and looks whether it may."""
        given = {place for tensor in _tensors((args, kwargs)) if (place := memory(tensor))}
        in_place = name.endswith("_") and not name.endswith("__")
        fresh = []
        for tensor in _tensors(made):
            if memory(tensor) is None and not (in_place or any(tensor is other for other in _tensors((args, kwargs)))):
                fresh.append(Memory())
                _storage(tensor).memory = fresh[-1]
        if state.capturing or not (in_place or fresh or waits or name in _WAITS):
            return  # it is done in a replay; or a view, or something about the tensor itself: there is nothing to do
        current = state.current
        streams.add(current)
        current.clocks.learn(host)
        current.clocks[current] += 1
        now = current.clocks[current]
        for place in given:
            _check_done(name, *place.written)
            if current not in place.known_to and not place.is_graph_s:
                raise AssertionError(f"{name} uses memory in a stream that its allocator was not told of")
            place.read[current] = now
        for place in {place for tensor in _tensors(made) if (place := memory(tensor))} if in_place else fresh:
            for reader, then in place.read.items():
                _check_done(name, reader, then)
            place.written = current, now


def _check_done(name: str, stream: Stream, work: int) -> None:
    if state.current.clocks[stream] < work:
        raise AssertionError(f"{name} does not wait for what another stream does with its memory")


device = FakeDevice()


def record_stream(tensor: Tensor, stream: Stream) -> None:
    """`torch.Tensor.record_stream`."""
    place = memory(tensor)
    assert place is not None, "record_stream is for CUDA tensors"
    assert isinstance(stream, Stream)
    place.known_to.add(stream)


def memory(tensor: Tensor) -> Memory | None:
    """What is known of a tensor's memory, if it is on the device."""
    return getattr(_storage(tensor), "memory", None)


def is_cuda(where: Any) -> bool:
    return type(where) is int or (where is not None and torch.device(where).type == "cuda")


def _storage(tensor: Tensor) -> Any:
    with torch._C.DisableTorchFunction():
        return tensor.untyped_storage()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _like(real: Any, fake: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes no other arguments than torch's own does."""
    signature = inspect.signature(real)

    def checked(*args: Any, **kwargs: Any) -> Any:
        signature.bind(*args, **kwargs)
        return fake(*args, **kwargs)

    return checked


def install() -> None:
    """Puts the device where torch's own is looked for, for good."""
    answers: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "current_device": lambda: 0,
        "device_count": lambda: 1,
        "get_device_name": lambda device=None: "a fake device",
        "is_bf16_supported": lambda including_emulation=True: True,
        "is_current_stream_capturing": lambda: state.capturing is not None,
        "get_rng_state_all": lambda: [torch.zeros(16, dtype=torch.uint8)],
        "set_rng_state": lambda new_state, device="cuda": None,
        "manual_seed_all": lambda seed: None,
        "synchronize": synchronize,
        "current_stream": current_stream,
        "stream": stream,
        "set_sync_debug_mode": set_sync_debug_mode,
        "_sleep": lambda cycles: None,
        "graph": graph,
    }
    for name, answer in answers.items():
        real = getattr(torch.cuda, name)
        setattr(torch.cuda, name, _like(real, answer))
    for kind in (Stream, Event, CUDAGraph):
        own = {name for name in vars(kind) if not name.startswith("_")}
        assert own <= set(dir(getattr(torch.cuda, kind.__name__))), f"torch.cuda.{kind.__name__} has other methods"
        setattr(torch.cuda, kind.__name__, kind)
    with suppress(ImportError, AttributeError):  # older torches, where torch.compile looks at the bases
        bases = import_module("torch._streambase")
        bases._StreamBase.register(Stream)
        bases._EventBase.register(Event)
    Tensor.record_stream = record_stream  # type: ignore[assignment,method-assign]
    device.__enter__()  # type: ignore[no-untyped-call]


def pytest_configure() -> None:
    install()


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for module in {item.module for item in items}:
        for name in {"MANY", "LARGE"} & vars(module).keys():
            setattr(module, name, 150)  # it takes Python for each operation, and is no GPU
