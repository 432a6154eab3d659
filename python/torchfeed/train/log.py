"""TensorBoard, if asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from .meter import Epoch

__all__ = ["Log"]


class Log:
    """Writes scalars, an image grid and histograms of the weights; does nothing without a folder.

    Args:
        folder: where the event files go, for ``tensorboard --logdir``.

    Raises:
        SystemExit: tensorboard is not installed.
    """

    def __init__(self, folder: Path | None) -> None:
        self.writer: Any = None
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - only if asked for
            except ModuleNotFoundError as error:
                raise SystemExit("--log-dir needs TensorBoard: pip install tensorboard") from error
            self.writer = SummaryWriter(folder)

    def images(self, name: str, images: Tensor | None, epoch: int) -> None:
        """Shows up to 64 images as a grid, each stretched from its darkest to its brightest value.

        Args:
            name: title of the grid.
            images: ``(N, 3, H, W)``, normalized or not.
            epoch: position on the time axis.
        """
        if self.writer and images is not None:
            images = images[:64].float().cpu()
            low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
            self.writer.add_images(name, (images - low) / (high - low).clamp_min(1e-6), epoch)

    def epoch(self, epoch: int, train: Epoch, val: Epoch, lr: float, model: nn.Module) -> None:
        """Writes the figures of one epoch and the model's weights.

        Args:
            epoch: position on the time axis.
            train: the training pass.
            val: the validation pass.
            lr: the learning rate after it.
            model: its parameters become histograms.
        """
        if self.writer:
            for part, result in (("train", train), ("val", val)):
                for name, value in vars(result).items():
                    self.writer.add_scalar(f"{name}/{part}", value, epoch)
            self.writer.add_scalar("lr", lr, epoch)
            for name, weights in model.named_parameters():
                self.writer.add_histogram(name, weights.detach().float().cpu(), epoch)
            self.writer.flush()

    def close(self) -> None:
        """Ends the event file."""
        if self.writer:
            self.writer.close()
