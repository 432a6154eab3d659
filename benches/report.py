"""What a run leaves behind: the machine and the versions in the JSON, and a Markdown table."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from typing import Any

from torchfeed.bench.machine import describe as machine_and_versions

from .work import SIDES

__all__ = ["describe", "table"]

STAGES = ("loader", "decode", "transform", "function", "batch")  # what counts most comes first


def describe(machine: dict[str, Any], profile: str) -> None:
    """Adds to pytest-benchmark's description of the machine what the figures depend on."""
    machine.pop("node", None)  # the machine's name is nobody's business
    described = machine_and_versions()
    machine["usable_cores"] = described["usable_cores"]
    machine["versions"] = described["versions"] | {"rustc": _rustc()}
    machine["build_profile"] = profile


def _rustc() -> str | None:
    try:
        said = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return said.split()[1]


def table(result: dict[str, Any]) -> str:
    """Sets both sides of each job side by side, by their median times."""
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for benchmark in result["benchmarks"]:
        info = benchmark["extra_info"]
        rate = info["amount"] / benchmark["stats"]["median"]
        rows[info["work"]] |= {info["side"]: rate, "unit": info["unit"], "stage": info["stage"]}
    machine = result["machine_info"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    cpu, cores = machine["cpu"].get("brand_raw", machine["machine"]), machine["cpu"].get("count")
    when = result["datetime"][:10]
    lines = [
        "| stage | work | torchfeed | torchvision, torch | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
        *(_row(work, row) for work, row in sorted(rows.items(), key=lambda item: STAGES.index(item[1]["stage"]))),
        "",
        f"{cpu}, {cores} cores, {machine['usable_cores']} used; {versions}; {machine['build_profile']} build; {when}",
    ]
    return "\n".join(lines) + "\n"


def _row(work: str, row: dict[str, Any]) -> str:
    ours, theirs = (row.get(side) for side in SIDES)
    cells = [_figure(rate, row["unit"]) for rate in (ours, theirs)]
    ratio = f"{ours / theirs:.1f} x" if ours and theirs else ""
    return f"| {row['stage']} | {work} | {cells[0]} | {cells[1]} | {ratio} |"


def _figure(rate: float | None, unit: str) -> str:
    if rate is None:
        return ""
    return f"{rate:.1f} {unit}/s" if rate < 100 else f"{float(f'{rate:.3g}'):,.0f} {unit}/s"
