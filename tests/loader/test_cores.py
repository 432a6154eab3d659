"""`num_workers="auto"`: the cores that the process may use, but one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pictures import in_memory, pixels
from torchfeed import DataLoader
from torchfeed import transforms as T
from torchfeed.util import cores

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


FILES: dict[str, tuple[dict[str, str], int]] = {
    "none": ({}, 8),
    "no quota": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "whole cores": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),
    "a part of a core more": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
    "less than a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
    "more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
    "of a group": ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "200000 100000"}, 2),
    "of a group above": (
        {
            "proc/self/cgroup": "0::/a/b/c\n",
            "sys/fs/cgroup/a/b/c/cpu.max": "max 100000",
            "sys/fs/cgroup/a/cpu.max": "400000 100000",
        },
        4,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n",
            "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "500000\n",
            "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
        },
        5,
    ),
    "version 1, no quota": (
        {
            "proc/self/cgroup": "3:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "version 1, of a group above": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/a/b/c\n0::/user.slice\n",
            "sys/fs/cgroup/cpu/a/b/c/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/a/b/c/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "version 1, mounted together, without links": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        3,
    ),
    "version 1, in a container": (  # whose own group is the root, whatever the host calls it
        {
            "proc/self/cgroup": "3:cpuacct,cpu:/docker/0123\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "the tightest of several": (
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/cpu.max": "600000 100000",
            "sys/fs/cgroup/a/cpu.max": "250000 50000",
        },
        5,
    ),
    "lines of another kind": ({"proc/self/cgroup": "\n1\n0:\n0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
    "nonsense": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "many\n"}, 8),
    "a period of zero": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5 0\n"}, 8),
}


@pytest.mark.parametrize("name", FILES)
def test_quotas(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, expected = FILES[name]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores.usable_cores(write(tmp_path, files)) == expected


def test_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert cores.usable_cores(tmp_path) == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores.usable_cores(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.usable_cores(tmp_path) == 1


@pytest.mark.parametrize(("usable", "workers"), [(1, 1), (2, 1), (16, 15)])
def test_one_is_left_to_the_loop(usable: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: usable)
    loader = DataLoader(in_memory([pixels(4, 4)], T.ToTensor()), num_workers="auto")
    assert (loader.num_workers, loader.prefetch_factor) == (workers, 2)
    assert len(list(loader)) == 1
