"""Drawn calls, as users see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Call"]

_PADDING = ("padding", "fill", "padding_mode")


class Call(tuple[str, dict[str, Any]]):  # noqa: SLOT001  (a tuple of its own length has no slots)
    """What a step does to a sample: a pair (name of the step's class, parameters).

    Attributes:
        function: the function of `torchvision.transforms.functional` that it is; empty for the step ``"Python"``.

    Example:
        >>> call = Call("RandomHorizontalFlip", {}, "hflip")
        >>> step, parameters = call
        >>> step, parameters, call.function
        ('RandomHorizontalFlip', {}, 'hflip')
    """

    function: str

    def __new__(cls, step: str, parameters: dict[str, Any], function: str = "") -> Call:  # noqa: D102, PYI034  (Self is Python 3.11's)
        call = super().__new__(cls, (step, parameters))
        call.function = function
        return call

    def __getnewargs__(self) -> Any:
        return (*self, self.function)

    @property
    def step(self) -> str:
        """The name of the step's class."""
        return self[0]

    @property
    def parameters(self) -> dict[str, Any]:
        """The function's parameters, by name. Those of ``"crop"`` also hold the padding that comes first."""
        return self[1]

    def functions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the functions and their own parameters, in the order in which they are called."""
        if self.function != "crop":
            yield self.function, self.parameters
            return
        padding = {name: self.parameters[name] for name in _PADDING if name in self.parameters}
        crop = {name: value for name, value in self.parameters.items() if name not in padding}
        if any(padding.get("padding", ())):
            yield "pad", padding
        if crop:
            yield "crop", crop
