from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, TypeAlias, final

from .limits import Limits

__all__ = [
    "BatchMemory",
    "Epoch",
    "Labels",
    "Op",
    "Part",
    "Pipeline",
    "RowIndexes",
    "Source",
    "Tensor",
    "are_indices",
    "batch_seed",
    "one_hot",
    "scan",
    "stack",
    "substitutes",
]

_Dtype: TypeAlias = tuple[int, int]

@final
class Tensor:
    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

_Given: TypeAlias = tuple[str, bytes] | tuple[str, int, tuple[int, int, int], object]

@final
class Source:
    @staticmethod
    def files(paths: Iterable[bytes]) -> Source: ...
    @staticmethod
    def blobs(files: Iterable[bytes]) -> Source: ...
    @staticmethod
    def array(address: int, shape: Sequence[int], strides: Sequence[int], owner: object) -> Source: ...
    @staticmethod
    def brought(length: int) -> Source: ...
    @staticmethod
    def given(items: Iterable[_Given | None]) -> Source: ...
    @property
    def channels(self) -> int: ...
    @property
    def is_encoded(self) -> bool: ...
    def __len__(self) -> int: ...
    def path(self, index: int) -> bytes | None: ...

def scan(
    root: str | PathLike[str],
    classes: Sequence[tuple[str, int]],
    extensions: Sequence[str],
    index: tuple[str | PathLike[str], float] | None = None,
) -> tuple[Source, list[int], str | None]: ...

_Size: TypeAlias = tuple[int, int]

@final
class Op:
    def __new__(cls, op: str | Mapping[str, Any], /, **arguments: Any) -> Op: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[Op], tuple[Any]]: ...
    def data(self) -> dict[str, dict[str, Any]]: ...
    @property
    def is_random(self) -> bool: ...

@final
class Labels:
    def __new__(cls, values: Iterable[int]) -> Labels: ...
    def __len__(self) -> int: ...

@final
class Part:
    def __new__(cls, source: Source, labels: Labels, ops: Sequence[Op], table: bytes) -> Part: ...

@final
class RowIndexes:
    def __new__(cls, budget: int) -> RowIndexes: ...
    def in_use(self) -> tuple[int, int]: ...

@final
class BatchMemory:
    def __new__(cls, blocks: int = ...) -> BatchMemory: ...

@final
class Pipeline:
    def __new__(
        cls,
        parts: Sequence[Part],
        channels: int,
        dtype: _Dtype,
        *,
        channels_last: bool,
        cheaper_first: bool,
        one_hot: tuple[int, bytes, bytes, _Dtype] | None,
        limits: Limits,
        fallback: object | None,
        fallback_limits: tuple[int, int, int],
        row_indexes: RowIndexes | None = None,
        memory: BatchMemory | None = None,
        fast: bool = False,
    ) -> Pipeline: ...
    def __len__(self) -> int: ...
    def output_size(self) -> _Size | None: ...
    def memory(self) -> tuple[int, int, int]: ...
    def draw(
        self, index: int, seed: int, occurrence: int, given: Source | None = None
    ) -> tuple[_Size, list[tuple[int, str, dict[str, Any]]]]: ...
    def image(self, index: int) -> tuple[tuple[int, int, int], bytes]: ...

@final
class Epoch:
    def __new__(cls, pipeline: Pipeline, seed: int, workers: int, *, nice: int = 0) -> Epoch: ...
    def submit(
        self,
        indices: Sequence[int],
        out: tuple[int, int, object] | None = None,
        target_out: tuple[int, int, object] | None = None,
        *,
        occurrences: Sequence[int] | None = None,
        given: Source | None = None,
        tolerant: bool = False,
    ) -> None: ...
    def skip(self, indices: Sequence[int]) -> None: ...
    def wait(self, timeout: float | None = None, *, in_order: bool = True) -> int | None: ...
    def take(self, position: int = 0) -> tuple[Tensor, Tensor]: ...
    def take_tolerant(self, position: int) -> tuple[Tensor, Tensor, list[tuple[int, Exception]]]: ...
    def make(self, index: int, occurrence: int, given: Source | None = None) -> tuple[Tensor, Tensor]: ...
    def next(self, timeout: float | None = None) -> tuple[Tensor, Tensor] | None: ...
    def largest(self) -> int: ...
    def slow(self) -> tuple[int, list[tuple[int, str | None, float]]]: ...
    def close(self) -> None: ...

def are_indices(values: list[Any], length: int) -> bool: ...
def batch_seed(seed: int, batch: int) -> int: ...
def substitutes(seed: int, number: int, end: int, count: int) -> list[int]: ...
def stack(
    tensors: Sequence[tuple[int, Sequence[int]]],
    shape: Sequence[int],
    dtype: _Dtype,
    memory: BatchMemory | None = None,
) -> Tensor: ...
def one_hot(address: int, length: int, classes: int, on: bytes, off: bytes, dtype: _Dtype) -> Tensor: ...
