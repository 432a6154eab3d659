"""A program that ends while loaders are alive ends quietly, and soon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import _utils as torch_utils

from torchfeed import DataLoader
from torchfeed.epoch import processes as workers

# One process loads torch, and forks of it, all at once, end as programs of their own would.
PROGRAM = """
import json, os, sys, torch, torchfeed
from torchvision import datasets, transforms as T
from torch.utils.data import TensorDataset

class Numbers:
    def __len__(self): return 12
    def __getitem__(self, index): return index

class Brighten:
    def __call__(self, image): return image + 1

crop = [T.CenterCrop(8), T.ToTensor()]
ways = {
    "native": datasets.ImageFolder(sys.argv[1], T.Compose(crop)),
    "in part": datasets.ImageFolder(sys.argv[1], T.Compose([*crop, Brighten()])),
    "gathered": TensorDataset(torch.arange(12)),
    "torch's": Numbers(),
}
hows = ["persistent", "persistent cycle raise", "cpu persistent whole", "whole"]

def run(way, how):
    global loader, batches
    options = {"num_workers": 1, "persistent_workers": "persistent" in how}
    if "cpu" in how:
        options["device"] = "cpu"
    loader = torchfeed.DataLoader(ways[way], 2, **options)
    batches = iter(loader)
    next(batches)
    if "whole" in how:
        list(batches)
    if "cycle" in how:
        loader.kept = batches, loader
        del loader, batches
    if "raise" in how:
        raise SystemExit(3)

def fork():
    children = []
    for way in ways:
        for how in hows:
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.dup2(write, 1), os.dup2(write, 2)
                os.close(write)
                return way, how
            os.close(write)
            children.append((way, how, read, child))
    for way, how, read, child in children:
        with open(read) as said:
            text = said.read()
        print(json.dumps([way, how, text, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]), flush=True)
    return None

case = fork()
if case:
    run(*case)
"""


def test_nothing_is_said_at_exit(photos: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", PROGRAM, str(photos)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 16
    for way, how, said, status in found:
        assert (said, status) == ("", 3 if "raise" in how else 0), (way, how)


@pytest.mark.parametrize("status", [True, None])
def test_worker_processes_are_left_alone_once_the_interpreter_ends(
    status: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the names of a module may be gone; torch has noted the end, and does nothing either."""
    loader: DataLoader[int] = DataLoader(range(4), num_workers=1, persistent_workers=True)  # type: ignore[arg-type]
    iterator = iter(loader)
    list(iterator)
    with monkeypatch.context() as ending:
        ending.setattr(torch_utils, "python_exit_status", status)
        for name in ("_is_closed", "multiprocessing"):
            ending.setattr(workers, name, None)
        iterator.__del__()  # type: ignore[attr-defined]
        assert iterator._workers[0].is_alive()  # type: ignore[attr-defined]
    iterator._shutdown_workers()  # type: ignore[attr-defined]
    assert not iterator._workers[0].is_alive()  # type: ignore[attr-defined]
