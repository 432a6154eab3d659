"""The network: the small CNN of the classic CIFAR tutorials."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

__all__ = ["MODELS", "cnn"]


def cnn(num_classes: int = 10) -> nn.Sequential:
    """Three times convolution and max-pooling, then two linear layers; 145,578 parameters for ten classes.

    Args:
        num_classes: number of outputs.

    Returns:
        A module from images ``(N, 3, 32, 32)`` float to logits ``(N, num_classes)``.

    Example:
        >>> cnn()(torch.zeros(8, 3, 32, 32)).shape
        torch.Size([8, 10])
    """
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1024, 64),
        nn.ReLU(),
        nn.Linear(64, num_classes),
    )


MODELS: dict[str, Callable[[int], nn.Module]] = {"cnn": cnn}
