"""PyTorch Lightning: its Trainer with our loader, alone and on two ranks, and its checkpoints in mid-epoch."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader as TorchDataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

import torchfeed
from equality import equal
from framework_data import RANDOM, SAMPLES, STEADY, flat, folder, generator, labels, on_two_ranks
from repository import SUPPORT

pytestmark = [
    # Advice on speed that is meant for worker processes, and for data sets larger than these.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    # Older Lightnings use what newer torches no longer like; nothing of it is about loaders.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:lightning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:lightning"),
    # torchdata's loader calls what torch has deprecated.
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),
    # Overfitting is what one test asks for.
    pytest.mark.filterwarnings("ignore:You requested to overfit"),
    # A resumed run saves no checkpoints of its own here.
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`"),
]

EPOCH = 7  # batches of 4


class Watched(LightningModule):
    """A small model that keeps what its steps are given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, SAMPLES)
        self.trained: list[tuple[Tensor, Tensor]] = []
        self.validated: list[tuple[Tensor, Tensor]] = []
        self.epochs: list[int] = []

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, targets = batch
        return nn.functional.cross_entropy(self.layer(images.mean(dim=(2, 3))), targets)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        self.trained.append(batch)
        self.epochs.append(self.current_epoch)
        return self.loss(batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        self.validated.append(batch)
        self.log("loss", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(*callbacks: Callback, epochs: int = 2, **options: Any) -> Trainer:
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=bool(callbacks),
        callbacks=list(callbacks),
        **options,
    )


def same(model: Watched, other: Watched) -> None:
    assert model.trained
    equal(model.trained, other.trained)
    equal(model.validated, other.validated)
    assert torch.equal(model.layer.weight, other.layer.weight)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_steps_see_what_torch_would_give_them(numbered: Path, workers: int, own: bool) -> None:
    """Also in the same order: with a generator, and with the global one, which Lightning uses in between."""

    def fit(cls: Any, workers: int) -> Watched:
        torch.manual_seed(7)
        train, val = (
            cls(folder(numbered), 4, shuffle, num_workers=workers, generator=generator() if own else None)
            for shuffle in (True, False)
        )
        if cls is torchfeed.DataLoader:
            assert torchfeed.explain(train).startswith("native")
            assert torchfeed.explain(val).startswith("native")
        model = Watched()
        runner = trainer()
        runner.fit(model, train, val)
        runner.validate(model, val, verbose=False)
        return model

    ours = fit(torchfeed.DataLoader, workers)
    assert len(ours.trained) == 2 * EPOCH
    same(ours, fit(TorchDataLoader, 0))


class Loaders(Watched):
    """Makes its loaders in hooks, where Lightning records the arguments."""

    def __init__(self, cls: Any, root: Path) -> None:
        super().__init__()
        self.cls, self.root = cls, root

    def train_dataloader(self) -> Any:
        return self.cls(folder(self.root), batch_size=4, shuffle=True, generator=generator())

    def val_dataloader(self) -> Any:
        return self.cls(folder(self.root), 4)


def test_loaders_made_in_hooks(numbered: Path) -> None:
    def fit(cls: Any) -> Watched:
        torch.manual_seed(7)
        model = Loaders(cls, numbered)
        trainer(reload_dataloaders_every_n_epochs=1).fit(model)
        return model

    same(fit(torchfeed.DataLoader), fit(TorchDataLoader))


def test_a_loader_that_lightning_makes_again(numbered: Path) -> None:
    """`overfit_batches` replaces the sampler."""

    def fit(cls: Any) -> tuple[Watched, Any]:
        torch.manual_seed(7)
        model, runner = Watched(), trainer(overfit_batches=3)
        loader = cls(folder(numbered), 4, shuffle=True)
        runner.fit(model, loader, loader)
        return model, runner.train_dataloader

    ours, loader = fit(torchfeed.DataLoader)
    assert type(loader) is torchfeed.DataLoader
    assert torchfeed.explain(loader).startswith("native")
    same(ours, fit(TorchDataLoader)[0])


def test_bad_samples_are_replaced(numbered: Path, tmp_path: Path) -> None:
    """Also in a loader that Lightning makes after the user's."""
    root = tmp_path / "numbered"
    shutil.copytree(numbered, root)
    next((root / "001").iterdir()).write_bytes(b"no picture")

    def fit(workers: int, **options: Any) -> tuple[Watched, Any]:
        torch.manual_seed(7)
        model, runner = Watched(), trainer(**options)
        loader: Any = torchfeed.DataLoader(
            folder(root, RANDOM), 4, num_workers=workers, generator=generator(), on_error="replace"
        )
        with warnings.catch_warnings(record=True) as caught:  # Lightning and torch have something to say too
            warnings.simplefilter("always")
            runner.fit(model, loader, torchfeed.DataLoader(folder(numbered), 4))
        said = [str(warning.message) for warning in caught]
        assert sum("sample 1 is bad and was replaced" in text for text in said) == 2, said
        return model, runner.train_dataloader

    for options in ({}, {"overfit_batches": 3}):
        (model, loader), (other, _) = fit(2, **options), fit(0, **options)
        assert [(sample.index, sample.count) for sample in loader.errors] == [(1, 2)]
        equal(model.trained, other.trained)
        assert all(len(images) == 4 for images, _ in model.trained[:3])


def test_two_ranks(numbered: Path, tmp_path: Path) -> None:
    """Lightning gives each rank a loader of its own making, with a DistributedSampler."""
    on_two_ranks(SUPPORT / "lightning_ranks.py", numbered, tmp_path)
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert one.keys() == two.keys() == {"passed", "hooks"}
    for way in one:
        for rank in (one, two):
            assert rank[way]["class"] == "torchfeed.loader.DataLoader"
            assert rank[way]["explain"].startswith("native, 2 threads")
            assert rank[way]["sampler"] == "DistributedSampler"
            assert rank[way]["options"] == (2, 3, "torch.channels_last")
            images = [batch[0] for batch in rank[way]["torchfeed"]]
            assert all(image.is_contiguous(memory_format=torch.channels_last) for image in images)
            equal([image.contiguous() for image in images], [batch[0] for batch in rank[way]["torch"]])
            assert labels(rank[way]["torchfeed"]) == labels(rank[way]["torch"])
        for epoch in (0, 1):
            part = slice(epoch * 4, epoch * 4 + 4)  # 13 samples of each rank in batches of 4
            shards = [flat(labels(rank[way]["torchfeed"][part])) for rank in (one, two)]
            assert [len(shard) for shard in shards] == [SAMPLES // 2] * 2
            assert sorted(flat(shards)) == list(range(SAMPLES))
        first, second = (flat(labels(one[way]["torchfeed"][start : start + 4])) for start in (0, 4))
        assert first != second


@contextmanager
def checkpoints(directory: Path, cls: Any, root: Path, **when: Any) -> Iterator[tuple[Watched, list[Path]]]:
    saving = ModelCheckpoint(directory, save_top_k=-1, filename="{step}", auto_insert_metric_name=False, **when)
    model = fit(cls, root, 3, saving)
    yield model, sorted(directory.iterdir(), key=lambda path: int(path.stem))


def fit(cls: Any, root: Path, seed: int, *callbacks: Callback, resume: Path | None = None) -> Watched:
    torch.manual_seed(seed)
    loader = cls(folder(root, RANDOM), 4, shuffle=True, generator=generator(seed))
    model = Watched()
    trainer(*callbacks, epochs=3).fit(model, loader, cls(folder(root, STEADY), 4), ckpt_path=resume)
    return model


@pytest.mark.parametrize("step", [1, 5, EPOCH + 3])
def test_resuming_in_mid_epoch(numbered: Path, tmp_path: Path, step: int) -> None:
    """The checkpoint holds the loader's place: the rest of the run is what it would have been, bit by bit."""
    with checkpoints(tmp_path, torchfeed.DataLoader, numbered, every_n_train_steps=1) as (whole, files):
        assert len(whole.trained) == len(files) == 3 * EPOCH
        resumed = fit(torchfeed.DataLoader, numbered, 99, resume=files[step - 1])
    equal(resumed.trained, whole.trained[step:])
    assert resumed.epochs == whole.epochs[step:]
    assert torch.equal(resumed.layer.weight, whole.layer.weight)


@pytest.mark.parametrize("when", [{}, {"monitor": "loss"}, {"save_on_train_epoch_end": True}])
def test_resuming_between_epochs(numbered: Path, tmp_path: Path, when: dict[str, Any]) -> None:
    """Lightning does not give a loader its state back here: the number of epochs is what counts."""
    runs = {}
    for cls in (TorchDataLoader, torchfeed.DataLoader):
        with checkpoints(tmp_path / cls.__module__, cls, numbered, **when) as (_, files):
            assert len(files) == 3
            runs[cls] = [fit(cls, numbered, 3, resume=path).epochs for path in files[:2]]
    assert runs[TorchDataLoader] == runs[torchfeed.DataLoader] == [[1] * EPOCH + [2] * EPOCH, [2] * EPOCH]


def test_resuming_from_the_last_step_of_an_epoch(numbered: Path, tmp_path: Path) -> None:
    """Saved by the number of steps, not at the epoch's end.

    The loader has handed out all batches, and says so. Lightning 2.6 counts the epoch as done and asks the loader for
    the next one, and takes the rest of the old one, which is nothing, for it. So a stateful loader loses an epoch that
    torch's own trains; torchdata's loses the same.
    """
    runs = {}
    for cls in (TorchDataLoader, StatefulDataLoader, torchfeed.DataLoader):
        with checkpoints(tmp_path / cls.__module__, cls, numbered, every_n_train_steps=EPOCH) as (_, files):
            assert len(files) == 3
            runs[cls] = fit(cls, numbered, 3, resume=files[0]).epochs
    assert runs[TorchDataLoader] == [1] * EPOCH + [2] * EPOCH
    assert runs[torchfeed.DataLoader] == runs[StatefulDataLoader] == [2] * EPOCH
