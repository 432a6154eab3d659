"""Recognition of value transforms: they are run, by torch itself, on an image that has every pixel value once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from torchfeed.util.dlpack import dtype_code
from torchfeed.util.locks import Turns

from .common import Unrecognized, describe

__all__ = ["Ramp", "Table"]

_turns = Turns()
"""Before Python 3.14 the filters of warnings are the process's: threads must give them back in turn."""


@dataclass(frozen=True)
class Table:
    """The lookup at the end: 256 output values per channel, as torch itself computed them."""

    values: bytes
    dtype: torch.dtype
    channels: int


class Ramp:
    """An image whose columns are the 256 pixel values, and what the value transforms so far have made of it."""

    def __init__(self, channels: int) -> None:
        ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(channels, axis=2)
        self.channels = channels
        self.steps: list[Any] = []
        self.made: Any = Image.fromarray(ramp if channels == 3 else ramp[:, :, 0])

    def apply(self, step: Any) -> None:
        """Runs one more transform.

        Raises:
            Unrecognized: the result is not one value per pixel and channel; the ramp is as it was.
        """
        # An in-place transform must not change what an earlier one made.
        given = self.made.clone() if isinstance(self.made, Tensor) else self.made
        try:
            with _turns, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the deprecated ones warn where they are made
                made = step(given)
        except Exception as error:  # noqa: BLE001  (whatever it raises, it is raised again where it really runs)
            raise Unrecognized(f"{describe(step)} raises {type(error).__name__}: {error}") from None
        if not isinstance(made, Tensor) or made.shape != (self.channels, 1, 256) or dtype_code(made.dtype) is None:
            what = f"{tuple(made.shape)} {made.dtype}" if isinstance(made, Tensor) else type(made).__name__
            raise Unrecognized(f"{describe(step)} makes {what} of an image, not a tensor of its size")
        if made.device.type != "cpu":
            raise Unrecognized(f"{describe(step)} makes tensors on {made.device}, the default device")
        self.made = made
        self.steps.append(step)

    @property
    def is_tensor(self) -> bool:
        """Whether the image is a tensor by now."""
        return isinstance(self.made, Tensor)

    @property
    def is_identity(self) -> bool:
        """Whether the pixels are still what they were, 8 bits each."""
        return self.table().values == bytes(range(256)) * self.channels

    def pixel(self, value: float) -> list[int] | None:
        """Finds the pixel that the transforms turn into `value`, in every channel; `None` where there is none."""
        if not self.is_tensor:
            return [int(value)] * self.channels
        wanted = torch.tensor(value, device="cpu").to(self.made.dtype)
        found = [(row == wanted).nonzero().flatten().tolist() for row in self._plain()[:, 0]]
        return [columns[0] for columns in found] if all(found) else None

    def _plain(self) -> Tensor:
        made: Tensor = self.made.detach().as_subclass(Tensor).cpu().contiguous()
        return made

    def table(self) -> Table:
        """The table of what the transforms do to a pixel."""
        if not self.is_tensor:
            return Table(bytes(range(256)) * self.channels, torch.uint8, self.channels)
        made = self._plain()
        return Table(made.view(torch.uint8).numpy().tobytes(), made.dtype, self.channels)
