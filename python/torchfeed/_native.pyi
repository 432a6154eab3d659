"""The native half. Private: use the package `torchfeed`."""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, final

Dtype = tuple[int, int]

class DecodeError(ValueError):
    index: int | None
    path: str | None

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

@final
class Source:
    @staticmethod
    def files(paths: Iterable[bytes]) -> Source: ...
    @staticmethod
    def blobs(files: Iterable[bytes]) -> Source: ...
    @staticmethod
    def array(address: int, shape: Sequence[int], owner: object) -> Source: ...
    @property
    def channels(self) -> int: ...
    def __len__(self) -> int: ...
    def path(self, index: int) -> bytes | None: ...

def scan(
    root: str | PathLike[str], classes: Sequence[tuple[str, int]], extensions: Sequence[str]
) -> tuple[Source, list[int]]: ...

_Size = tuple[int, int]
_Padding = tuple[Sequence[int], Sequence[int], str]

@final
class Op:
    @staticmethod
    def resize(exact: _Size, interpolation: int) -> Op: ...
    @staticmethod
    def resize_smaller(edge: int, max: int | None, interpolation: int) -> Op: ...
    @staticmethod
    def center_crop(crop: _Size) -> Op: ...
    @staticmethod
    def random_crop(crop: _Size, pad: _Padding, pad_if_needed: bool) -> Op: ...
    @staticmethod
    def random_resized_crop(
        output: _Size, scale: tuple[float, float], ratio: tuple[float, float], interpolation: int
    ) -> Op: ...
    @staticmethod
    def random_horizontal_flip(p: float) -> Op: ...
    @staticmethod
    def random_vertical_flip(p: float) -> Op: ...
    @staticmethod
    def pad(pad: _Padding) -> Op: ...

@final
class Pipeline:
    def __new__(
        cls,
        source: Source,
        labels: Sequence[int],
        ops: Sequence[Op],
        table: bytes,
        channels: int,
        dtype: Dtype,
        *,
        channels_last: bool,
        cheaper_first: bool,
        one_hot: tuple[int, bytes, bytes, Dtype] | None,
        max_pixels: int,
        fallback: object | None,
    ) -> Pipeline: ...
    def __len__(self) -> int: ...
    def output_size(self) -> _Size | None: ...
    def draw(self, index: int, seed: int, occurrence: int) -> tuple[_Size, list[tuple[int, dict[str, Any]]]]: ...
    def image(self, index: int) -> tuple[tuple[int, int, int], bytes]: ...

@final
class Epoch:
    def __new__(cls, pipeline: Pipeline, seed: int, workers: int) -> Epoch: ...
    def submit(self, indices: Sequence[int], out: tuple[int, int, object] | None = None) -> None: ...
    def skip(self, indices: Sequence[int]) -> None: ...
    def next(self, timeout: float | None = None) -> tuple[Tensor, Tensor] | None: ...
    def close(self) -> None: ...

def stack(tensors: Sequence[tuple[int, Sequence[int]]], shape: Sequence[int], dtype: Dtype) -> Tensor: ...
def one_hot(address: int, len: int, classes: int, on: bytes, off: bytes, dtype: Dtype) -> Tensor: ...
