"""Run by torchrun: what Lightning makes of a loader on each of two ranks."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader as TorchDataLoader

import torchfeed
from framework_data import folder


class Watched(LightningModule):
    def __init__(self, hook: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.trained: list[tuple[Tensor, Tensor]] = []
        self.hook = hook

    def train_dataloader(self) -> Any:
        return self.hook()

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        self.trained.append(batch)
        return self.layer(batch[0].mean(dim=(2, 3))).sum()  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(root: Path, cls: Any, hooks: bool) -> tuple[Any, Any]:
    extra: dict[str, Any] = {"num_workers": 2, "prefetch_factor": 3} if cls is torchfeed.DataLoader else {}
    if extra:
        extra["memory_format"] = torch.channels_last

    def loader() -> Any:
        return cls(folder(root), batch_size=4, shuffle=True, **extra)

    model = Watched(loader)
    trainer = Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(model, *([] if hooks else [loader()]))
    return trainer.train_dataloader, model.trained


def main(root: Path, out: Path) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    found = {}
    for way in ("passed", "hooks"):
        loader, ours = fit(root, torchfeed.DataLoader, way == "hooks")
        found[way] = {
            "class": f"{type(loader).__module__}.{type(loader).__qualname__}",
            "explain": torchfeed.explain(loader),
            "sampler": type(loader.sampler).__name__,
            "options": (loader.num_workers, loader.prefetch_factor, str(loader.memory_format)),
            "torchfeed": ours,
            "torch": fit(root, TorchDataLoader, way == "hooks")[1],
        }
    rank = torch.distributed.get_rank()
    torch.save(found, out / f"{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
