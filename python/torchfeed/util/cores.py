"""How many cores there are to use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["auto_workers", "usable_cores"]


def usable_cores(root: Path = Path("/")) -> int:
    """Counts the cores that this process may use.

    That is the affinity of the process (`taskset`, a scheduler's job), or fewer where the quota of its control group (a
    container's ``--cpus``) grants less time: Linux's cgroup v2 ``cpu.max`` and v1 ``cpu.cfs_quota_us``, of the group
    and of those above it.

    Args:
        root: where the file system begins, for tests.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [quota for group in _groups(root) if (quota := _quota(group)) is not None]
    return max(1, min([cores, *(math.ceil(quota) for quota in quotas)]))


def auto_workers() -> int:
    """The number of workers that ``num_workers="auto"`` stands for: all usable cores but one, for the training loop."""
    return max(1, usable_cores() - 1)


def _groups(root: Path) -> list[Path]:
    """The folders of the process's control groups that may hold a quota, and of all above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    groups = []
    for line in lines:
        if line.count(":") < 2:
            continue
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 1 has a folder for controllers that are mounted together, and mostly a link for each of them.
        for name in {"cpu", controllers} if controllers else {""}:
            base = root / "sys/fs/cgroup" / name
            group = base / path.lstrip("/")
            # Within a container the path is often that of the host, and the container's own group is the root.
            groups += [base, group, *(parent for parent in group.parents if base in parent.parents)]
    return groups


def _quota(group: Path) -> float | None:
    """The cores' worth of time that a control group grants; ``None`` for all."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return None if quota in {"max", "-1"} else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
