"""Run by torchrun: notes what our loader and torch's hand out on this rank."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import accelerate
import torch
import torch.distributed as dist
import torch.distributed.checkpoint
from accelerate import Accelerator
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import DistributedSampler, Subset

import torchfeed
from framework_data import RANDOM, STEADY, folder, generator

dcp: Any = torch.distributed.checkpoint  # as it is used; torch's types do not export its functions

CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "even": (26, {}),
    "padded": (25, {}),
    "drop_last": (25, {"drop_last": True}),
    "in order": (25, {"shuffle": False}),
}


def made(cls: Any, root: Path, case: str, transform: Any, **options: Any) -> Any:
    samples, sampling = CASES[case]
    dataset = Subset(folder(root, transform), range(samples))
    return cls(dataset, batch_size=3, sampler=DistributedSampler(dataset, **sampling), **options)


def epoch(loader: Any, number: int) -> Any:
    loader.sampler.set_epoch(number)
    return iter(loader)


def shards(root: Path, case: str) -> dict[str, Any]:
    ours = made(torchfeed.DataLoader, root, case, STEADY, num_workers=2)
    theirs = made(TorchDataLoader, root, case, STEADY)
    return {
        "explain": torchfeed.explain(ours),
        "length": len(ours),
        "torchfeed": [list(epoch(ours, number)) for number in range(2)],
        "torch": [list(epoch(theirs, number)) for number in range(2)],
        **resumed(root, case),
    }


def resumed(root: Path, case: str, checkpoint: Path | None = None) -> dict[str, Any]:
    """Leaves the second epoch after two batches, and goes on in a new loader that is seeded otherwise."""

    def loader(seed: int) -> Any:
        # Ranks have seeds of their own: DistributedSampler does not ask for them.
        seed += 100 * dist.get_rank()
        return made(torchfeed.DataLoader, root, case, RANDOM, num_workers=2, generator=generator(seed))

    whole = loader(1)
    list(epoch(whole, 0))
    batches = epoch(whole, 1)
    for _ in range(2):
        next(batches)
    other, key = loader(2), f"loader {dist.get_rank()}"
    if checkpoint is None:
        other.load_state_dict(copy.deepcopy(whole.state_dict()))
    else:
        dcp.save({key: whole}, checkpoint_id=checkpoint)
        dcp.load({key: other}, checkpoint_id=checkpoint)
    return {
        "rest": [list(batches), list(epoch(whole, 2))],
        "resumed": [list(epoch(other, 1)), list(epoch(other, 2))],
    }


def prepared(root: Path) -> dict[str, Any]:
    accelerator = Accelerator(cpu=True)

    def loader(cls: Any) -> Any:
        accelerate.data_loader.DataLoader = cls
        return accelerator.prepare(cls(folder(root), 4, shuffle=True, generator=generator()))

    ours = loader(torchfeed.DataLoader)
    found = {
        "explain": torchfeed.explain(ours.base_dataloader),
        "torchfeed": list(ours),
        "torch": list(loader(TorchDataLoader)),
    }
    ours = loader(torchfeed.DataLoader)
    batches = iter(ours)
    next(batches)
    state = copy.deepcopy(ours.state_dict())
    other = loader(torchfeed.DataLoader)
    other.load_state_dict(state)
    return {**found, "rest": list(batches), "resumed": list(other)}


def main(root: Path, out: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {case: shards(root, case) for case in CASES}
    found["checkpoint"] = resumed(root, "padded", out / "checkpoint")
    found["accelerate"] = prepared(root)
    torch.save(found, out / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
