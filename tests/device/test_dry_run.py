"""What is written for a GPU runs on a device that is none, so that no mistake waits for the first one that is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT, environment

pytest.importorskip("torchvision")

BENCH = """
import torch, torchvision
from pathlib import Path
from benches import device as bench
assert bench.main(["--quick", "--workers", "2"]) == 0
# The same with times, of which nothing is asked here.
load = next(bench.loads(Path(), quick=True))
load.batch_size, load.steps = 16, 2
report = bench.Report()
bench.check_copies(load, torch.device("cuda"), 2, report)
bench.check_stall(load, torch.device("cuda"), 0, report)
"""

TRAIN = """
from pathlib import Path
from torchfeed.train import fit, parse
from torchfeed.train.drawings import write_dataset
for mix in ("--mixup", "--cutmix"):
    arguments = f"--data {drawn} --device cuda --batch-size 16 --epochs 1 --workers 2 --deterministic {mix} 1".split()
    fit(parse(arguments + ["--checkpoint", f"{path}/{mix}.pt", "--max-steps", "2"]))
    ((trained, validated),) = fit(parse(arguments + ["--resume", f"{path}/{mix}.pt"]))
    assert 0 < trained.loss < 10 and 0 < validated.loss < 10
fit(parse(f"--data {drawn} --device cuda --batch-size 16 --epochs 1 --workers 0 --loader torch".split()))
"""

BROKEN = """
import pytest, torch
from torch.utils.data import TensorDataset
from device_batches import loader
from torchfeed import DataLoader, to_device
from torchfeed import transforms as T
from torchfeed.device.streams import CudaStreams

def train(**options):
    there = TensorDataset(torch.randn(64, 3, 8, 8, device="cuda"), torch.arange(64, device="cuda"))
    for inner in (loader(), loader(num_workers=2), DataLoader(there, 4)):
        for images, _ in to_device(inner, "cuda", **options):
            images.add(1)

nothing = lambda *arguments: None
stream = fake_cuda.Stream
left_out = {
    "the consumer's wait": ((stream, "wait_event"), {}),
    "record_stream": ((torch.Tensor, "record_stream"), {}),
    "the ring's wait": ((CudaStreams, "copies_wait"), {"ring": 3}),
    "the wait for what is there": ((CudaStreams, "receive"), {"batch_transform": lambda x, y: (x + 1, y)}),
}
for what, (where, options) in left_out.items():
    train(**options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*where, nothing)
        with pytest.raises(AssertionError, match="does not wait|was not told"):
            train(**options)
    print("found without", what)
"""


def run(*command: str) -> str:
    variables = environment(CUDA_VISIBLE_DEVICES="", PYTHONWARNINGS="default")
    done = subprocess.run(
        [sys.executable, *command], env=variables, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tests_for_a_gpu() -> None:
    options = ["-p", "fake_cuda", "-p", "no:cacheprovider", "-q", "-m", "cuda"]
    said = run("-m", "pytest", *options, "tests/device/test_cuda.py")
    assert " passed" in said
    assert "skipped" not in said


def test_it_finds_what_is_left_out() -> None:
    assert run("-c", "import fake_cuda\nfake_cuda.install()\n" + BROKEN).count("found without") == 4


def test_benchmark_of_a_gpu() -> None:
    said = run("-c", "import fake_cuda\nfake_cuda.install()\n" + BENCH)
    assert "a fake device" in said
    assert said.count("pinned  ok") == 3
    assert "data stall" in said


def test_training_on_a_gpu(tmp_path: Path) -> None:
    head = f"import fake_cuda\nfake_cuda.install()\npath = {str(tmp_path)!r}\n"
    drawn = "from torchfeed.train.drawings import write_dataset\nfrom pathlib import Path\n"
    drawn += "drawn = write_dataset(Path(path), train=60, val=20)\n"
    assert "epoch 1/1" in run("-c", head + drawn + TRAIN)
