"""What figures depend on: the machine and the versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torchfeed
from torchfeed.util.cores import usable_cores

__all__ = ["describe"]

PACKAGES = ("torch", "torchvision", "pillow", "numpy")
PEERS = ("timm", "nvidia-dali-cuda130", "ffcv", "spdl", "opencv-python-headless", "opencv-python", "simplejpeg")


def describe() -> dict[str, Any]:
    """Describes the machine, without its name.

    Returns:
        ``cpu``, ``usable_cores`` (a container, or taskset, may leave fewer than there are), ``system`` and
        ``versions``, of what is installed.
    """
    versions = {"torchfeed": torchfeed.__version__, "python": platform.python_version()}
    installed = {name: _version(name) for name in (*PACKAGES, *PEERS)}
    versions |= {name: number for name, number in installed.items() if number}
    return {
        "cpu": _cpu(),
        "usable_cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    """The processor's name. Those of clouds often name no generation, so family and model come with it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    name = told.get("model name", platform.processor() or platform.machine())
    generation = [f"{key} {told[of]}" for key, of in (("family", "cpu family"), ("model", "model")) if of in told]
    return ", ".join([name, " ".join(generation)]) if generation else name
