"""The loaders that are compared, each with a module that knows how to make an epoch of a job."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torchfeed.bench.tasks import Job
from torchfeed.loader import DataLoader

__all__ = ["CHOICES", "OURS", "PEERS", "Epochs", "Peer", "build", "installed", "missing"]

Epochs = Callable[[], Iterable[tuple[Any, Any]]]
"""Begins an epoch of batches: (images, labels)."""

ANY = ("train", "val")
DEFAULT_DATA = ("given", "large", "png")


@dataclass(frozen=True)
class Peer:
    """Somebody who can do some of the jobs.

    Attributes:
        name: on the command line and in the JSON.
        label: in tables.
        module: the module here whose `build` makes its epochs.
        needs: the modules that must be installed.
        install: how to install them.
        transforms: the pipelines that are written for it; ``"*"`` is any torchvision transform.
        data: the kinds of `Task.data` that it reads.
        cores: how many it can use; 0 for any number.
        exact: whether its pixels are torchvision's on PIL, bit for bit.
        compares: whether its batches can be compared with torchvision's at all.
        note: what a reader of the table should know.
    """

    name: str
    label: str
    module: str
    needs: tuple[str, ...] = ()
    install: str = ""
    transforms: tuple[str, ...] = ANY
    data: tuple[str, ...] = DEFAULT_DATA
    cores: int = 0
    exact: bool = False
    compares: bool = True
    note: str = ""

    def does(self, transform: str, data: str, cores: int) -> bool:
        """Whether a job is for it."""
        known = "*" in self.transforms or transform in self.transforms
        return known and data in self.data and self.cores in {0, cores}


_FOLDERS_AND_CIFAR = (*DEFAULT_DATA, "cifar")

OURS = (
    Peer("torchfeed", "torchfeed", "ours", transforms=("*",), data=_FOLDERS_AND_CIFAR, exact=True),
    Peer(
        "torchfeed-fast",
        'torchfeed, decode="fast"',
        "ours",
        data=("given", "large"),
        note="opt-in: decodes at a smaller scale where the crop allows it",
    ),
)

PEERS = {
    peer.name: peer
    for peer in (
        *OURS,
        Peer(
            "torchvision",
            "torchvision on PIL",
            "torch_loader",
            ("torchvision",),
            "pip install torchvision",
            transforms=("*",),
            data=_FOLDERS_AND_CIFAR,
            exact=True,
        ),
        Peer(
            "v2",
            "torchvision v2 on tensors",
            "torch_loader",
            ("torchvision",),
            "pip install torchvision",
            note="decode_image, then v2 transforms of tensors",
        ),
        Peer(
            "dali",
            "DALI, CPU",
            "dali",
            ("nvidia.dali",),
            "pip install nvidia-dali-cuda130",
            note="train: decodes the drawn crop only",
        ),
        Peer(
            "ffcv",
            "FFCV",
            "ffcv",
            ("ffcv",),
            "apt-get install libopencv-dev libturbojpeg0-dev pkg-config, then pip install ffcv",
            data=("given", "large"),
            note="reads a .beton file of the JPEGs' own bytes, written beforehand; compiles itself at first",
        ),
        Peer(
            "spdl",
            "SPDL",
            "spdl",
            ("spdl.io", "spdl.pipeline"),
            "pip install spdl, and the libraries of FFmpeg",
            note="decoded, cropped and scaled by FFmpeg",
        ),
        Peer(
            "opencv",
            "OpenCV in torch's loader",
            "torch_loader",
            ("cv2",),
            "pip install opencv-python-headless",
            note="imdecode, INTER_LINEAR resize",
        ),
        Peer(
            "simplejpeg",
            "bare libjpeg-turbo, decode only",
            "simplejpeg",
            ("simplejpeg",),
            "pip install simplejpeg",
            transforms=("train",),
            data=("given", "large"),
            cores=1,
            compares=False,
            note="no crop, no transform, no batch: the files' pixels and nothing else",
        ),
    )
}

CHOICES = tuple(name for name, peer in PEERS.items() if peer not in OURS)


def missing(peer: Peer) -> bool:
    """Whether a peer is not installed; none is imported."""
    if peer.name == "torchfeed-fast":
        return "decode" not in inspect.signature(DataLoader).parameters
    return not all(installed(module) for module in peer.needs)


def installed(module: str) -> bool:
    """Whether a module is installed; an empty name is nothing that is needed."""
    try:
        return not module or find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def build(name: str, job: Job) -> Epochs:
    """Makes what begins a peer's epochs of a job.

    Args:
        name: of `PEERS`.
        job: what to do.
    """
    made: Epochs = import_module(f"{__name__}.{PEERS[name].module}").build(name, job)
    return made
