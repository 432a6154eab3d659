"""What differs from torchvision's blur, whose sums depend on the processor."""

from __future__ import annotations

import torch

from torchfeed.replay import same

__all__ = ["IS_OURS", "PROMISED", "same_blurred"]

PROMISED = 1e-4
"""The part of values that may differ."""

IS_OURS = torch.backends.cpu.get_cpu_capability() == "AVX512"
"""Whether torch adds in the order that is torchfeed's."""


def same_blurred(made: torch.Tensor, expected: torch.Tensor, context: object) -> None:
    """Asserts equal pixels, or such as differ by one level where torch adds in another order."""
    if not IS_OURS and made.shape == expected.shape:
        difference = (made.short() - expected.short()).abs()
        # Small images have few values.
        if difference.max() <= 1 and difference.sum() <= max(2, PROMISED * difference.numel()):
            return
    same(made, expected, context)
