"""What a process and its children use: CPU seconds and memory."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["cpu_seconds", "family", "max_rss", "memory"]

PROC = Path("/proc")
MB = 1e6


def family(root: int) -> list[int]:
    """A process and all its descendants, where /proc tells them; else the process alone."""
    found = [root]
    for pid in found:
        with suppress(OSError):  # gone, or another system
            for thread in (PROC / str(pid) / "task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def cpu_seconds() -> float:
    """User and system seconds of this process and of its children, those that still run included.

    Of children that run, Linux tells in steps of 1/100 s; elsewhere only those that have ended are counted.
    """
    times = os.times()
    total = time.process_time() + times.children_user + times.children_system
    for pid in family(os.getpid())[1:]:
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def max_rss() -> float | None:
    """The most memory this process had resident so far, in MB, shared libraries included; `None` on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if os.uname().sysname == "Darwin" else 1024) / MB


def memory(root: int) -> float | None:
    """What a process and its descendants hold in memory now, in MB; `None` where Linux's ``smaps_rollup`` is missing.

    That is the sum of their proportional shares of anonymous and shared memory (a page that two of them have counts
    half for each), and the files, mostly libraries, that the first of them has mapped: the others map the same ones.
    """
    total = 0
    for pid in family(root):
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
            status = (PROC / str(pid) / "status").read_text().splitlines()
        except OSError:
            if pid == root:
                return None
            continue
        shares = {line.split()[0]: int(line.split()[1]) for line in lines}
        total += shares.get("Pss_Anon:", 0) + shares.get("Pss_Shmem:", 0)
        if pid == root:
            total += sum(int(line.split()[1]) for line in status if line.startswith("RssFile:"))
    return total * 1024 / MB
