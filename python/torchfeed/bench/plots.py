"""The figures of a run: images/s by cores, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["plot"]

OURS, OTHERS = "#c4451c", ("#4c6a92", "#7f9bbf", "#9aa5b1", "#6b8e7f", "#a3b899", "#b7a3c4", "#c9c2a5")


def plot(result: dict[str, Any], folder: Path) -> Iterator[str]:
    """Draws SVG files.

    Args:
        result: the content of the JSON file.
        folder: where to; it is made.

    Yields:
        What was written, or why nothing was.
    """
    if find_spec("matplotlib") is None:
        yield "no plots: matplotlib is not installed (pip install matplotlib)"
        return
    import matplotlib as mpl

    mpl.use("svg")
    # Letters as text: a tenth of the size; and the same file from the same figures.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "torchfeed", "font.size": 10, "font.family": "sans-serif"}
    folder.mkdir(parents=True, exist_ok=True)
    for task in result["tasks"]:
        rows = [row for row in task["rows"] if "error" not in row]
        if rows:
            yield _save(_throughput(task["title"], rows), folder / f"speed-{task['name']}.svg")
    if "milliseconds" in result["stages"]:
        yield _save(_stages(result["stages"]["milliseconds"]), folder / "speed-stages.svg")


def _save(figure: Any, path: Path) -> str:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    return f"wrote {path}"


def _frame(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height))
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _throughput(title: str, rows: list[dict[str, Any]]) -> Any:
    """A bar for each loader, for each number of cores."""
    loaders = list(dict.fromkeys(row["label"] for row in rows))
    cores = sorted({row["cores"] for row in rows})
    figure, axes = _frame(1.2 + 0.24 * len(rows))
    colors = dict(zip([name for name in loaders if not name.startswith("torchfeed")], OTHERS * 3, strict=False))
    heights: list[tuple[float, str]] = []
    at = 0.0
    for number in cores:
        for row in (row for row in rows if row["cores"] == number):
            speed = row["images_per_second"]
            axes.barh(at, speed, 0.8, color=colors.get(row["label"], OURS))
            axes.text(speed, at, f" {speed:,.0f}", va="center", fontsize=9)
            heights.append((at, f"{row['label']}, {number} core{'s' if number > 1 else ''}"))
            at += 1
        at += 0.6
    axes.set_yticks([height for height, _ in heights], [name for _, name in heights])
    axes.invert_yaxis()
    axes.set_xlabel("images/s")
    axes.set_title(title, loc="left", fontsize=10)
    return figure


def _stages(times: dict[str, dict[str, float]]) -> Any:
    """A bar for each side, of its stages end to end."""
    figure, axes = _frame(1.6)
    left = dict.fromkeys(times, 0.0)
    for stage, color in zip(next(iter(times.values())), (OTHERS[2], OTHERS[0], OTHERS[3], OTHERS[6]), strict=False):
        spans = {side: times[side][stage] for side in times}
        axes.barh(list(times), list(spans.values()), 0.6, left=list(left.values()), color=color, label=stage)
        left = {side: left[side] + spans[side] for side in times}
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds per image, one core")
    axes.set_title("where the time goes: photos, train", loc="left", fontsize=10)
    axes.legend(ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.35))
    return figure
