"""Transforms of whole batches, on whatever device they are: `MixUp` and `CutMix`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

__all__ = ["CutMix", "MixUp"]


class Mix(ABC):
    """What `MixUp` and `CutMix` share: each sample is mixed with the one before it, and its target too."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        if not alpha > 0:
            raise ValueError(f"alpha must be positive, got {alpha}")
        self.alpha = float(alpha)
        self.num_classes = num_classes

    def __call__(
        self, images: Tensor, labels: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mixes a batch.

        Args:
            images: (N, C, H, W), floating point.
            labels: class indices (N,), or rows of probabilities (N, num_classes).
            generator: of the CPU, what is random is drawn from it; torch's global one where it is omitted.

        Returns:
            Images, and rows of probabilities, float32 unless they came in another floating point dtype.

        Raises:
            ValueError: tensors of other shapes, or indices without `num_classes`.
        """
        self._check(images, labels)
        parameters = self.draw(images.shape[-2], images.shape[-1], generator)
        if labels.ndim == 1:
            rows = torch.zeros(len(labels), self.num_classes or 0, device=labels.device)
            # Unlike one_hot, this asks nothing of the device that the caller would have to wait for.
            labels = rows.scatter_(1, labels.long()[:, None], 1.0)
        elif not labels.is_floating_point():
            labels = labels.float()
        return self.mix(images, parameters), _blend(labels, parameters["lam"])

    def _check(self, images: Tensor, labels: Tensor) -> None:
        name = type(self).__name__
        if images.ndim != 4 or labels.ndim not in {1, 2} or len(images) != len(labels):
            raise ValueError(
                f"{name} takes images (N, C, H, W) and labels (N,) or (N, num_classes), got {tuple(images.shape)} and "
                f"{tuple(labels.shape)}"
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError(f"{name} needs num_classes to make rows of class indices")
        if labels.ndim == 2 and self.num_classes not in {None, labels.shape[1]}:
            raise ValueError(f"{name}: rows of {labels.shape[1]} classes, where num_classes is {self.num_classes}")

    def _share(self, generator: torch.Generator | None) -> float:
        """Draws from Beta(alpha, alpha), as `torch.distributions.Beta` does."""
        parameters = torch.tensor([[self.alpha, self.alpha]], device="cpu")
        return float(torch._sample_dirichlet(parameters, generator)[0, 0])  # noqa: SLF001

    @abstractmethod
    def draw(self, height: int, width: int, generator: torch.Generator | None = None) -> dict[str, Any]:
        """Draws what is random.

        Args:
            height: of the images.
            width: of the images.
            generator: of the CPU; torch's global one where it is omitted.

        Returns:
            ``lam``, the share of each sample's own target, in ``[0, 1]``; and what the images need besides.
        """

    @abstractmethod
    def mix(self, images: Tensor, parameters: dict[str, Any]) -> Tensor:
        """Mixes images by what `draw` gave."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(Mix):
    """Adds to each image the one before it in the batch, with weights of sum 1; `torchvision.transforms.v2.MixUp`.

    H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond empirical risk minimization", ICLR 2018.

    Args:
        alpha: each image's own share is drawn from Beta(alpha, alpha), once for a batch; positive.
        num_classes: the length of a row; needed where labels are class indices.

    Raises:
        ValueError: `alpha` is not positive.

    Example:
        >>> mixup = MixUp(alpha=0.2, num_classes=10)
        >>> images, rows = mixup(torch.rand(8, 3, 32, 32), torch.arange(8))
        >>> rows.shape
        torch.Size([8, 10])
    """

    def draw(self, height: int, width: int, generator: torch.Generator | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Draws ``lam``."""
        return {"lam": self._share(generator)}

    def mix(self, images: Tensor, parameters: dict[str, Any]) -> Tensor:
        """Blends the images."""
        return _blend(images, parameters["lam"])


class CutMix(Mix):
    """Pastes into each image a box of the one before it in the batch; `torchvision.transforms.v2.CutMix`.

    S. Yun et al., "CutMix: Regularization strategy to train strong classifiers with localizable features", ICCV 2019.

    Args:
        alpha: the share of the image outside the box, before the box is cut at the borders, is drawn from
            Beta(alpha, alpha), once for a batch; positive.
        num_classes: the length of a row; needed where labels are class indices.

    Raises:
        ValueError: `alpha` is not positive.

    Example:
        >>> cutmix = CutMix(num_classes=10)
        >>> images, rows = cutmix(torch.rand(8, 3, 32, 32), torch.arange(8))
        >>> rows.sum(1)
        tensor([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    def draw(self, height: int, width: int, generator: torch.Generator | None = None) -> dict[str, Any]:
        """Draws ``box``, as (x1, y1, x2, y2), and ``lam``, the share outside of it."""
        half = 0.5 * math.sqrt(1.0 - self._share(generator))
        # The paper's box, about a uniform centre.
        x, y = (int(torch.randint(size, (1,), generator=generator, device="cpu")) for size in (width, height))
        half_width, half_height = int(half * width), int(half * height)
        x1, y1 = max(x - half_width, 0), max(y - half_height, 0)
        x2, y2 = min(x + half_width, width), min(y + half_height, height)
        return {"box": (x1, y1, x2, y2), "lam": 1.0 - (x2 - x1) * (y2 - y1) / (width * height)}

    def mix(self, images: Tensor, parameters: dict[str, Any]) -> Tensor:
        """Pastes the boxes."""
        x1, y1, x2, y2 = parameters["box"]
        mixed = images.clone()
        mixed[..., y1:y2, x1:x2] = images[..., y1:y2, x1:x2].roll(1, 0)
        return mixed


def _blend(tensor: Tensor, share: float) -> Tensor:
    return tensor.roll(1, 0).mul_(1.0 - share).add_(tensor.mul(share))
