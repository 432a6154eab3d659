"""What a run leaves behind: Markdown tables, and each comparison in a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .figure import figure
from .recipe_table import is_recipe, mean_lines, recipe_table

__all__ = ["about", "lines", "markdown", "table"]

TITLES = {"cpu": "CPU s per 1000", "memory": "peak memory", "first": "first batch"}


def markdown(result: dict[str, Any]) -> str:
    """Sets out everything in tables.

    Args:
        result: the content of the JSON file.
    """
    tasks = [task for task in result["tasks"] if task["rows"] and not is_recipe(task)]
    parts = [f"### {task['title']}\n\n{table(task)}" for task in tasks]
    if any(map(is_recipe, result["tasks"])):
        parts.append(f"### Recipes\n\n{recipe_table(result)}")
    if result["operators"]:
        parts.append(f"### The batch stage alone\n\n{_operators(result['operators'])}")
    if "milliseconds" in result["stages"]:
        parts.append(f"### Where the time goes\n\n{_stages(result['stages']['milliseconds'])}")
    absent = [f"{entry['label']} was not installed: {entry['install']}." for entry in result["missing"]]
    return "\n\n".join([*parts, *absent, about(result)]) + "\n"


def about(result: dict[str, Any]) -> str:
    """Names the machine and the versions, and says what the columns are."""
    machine, settings = result["machine"], result["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    pinned = "each loader in a process pinned to its cores" if settings["pinned"] else "processes are not pinned"
    return (
        f"{machine['cpu']}, {machine['usable_cores']} cores, {machine['system']}; {versions}; {pinned}, medians of "
        f"{settings['rounds']} epochs by turns. CPU seconds are those of the process and its children. Memory is the "
        "peak, sampled during the first epoch: anonymous and shared memory of the process and its children, and "
        "libraries once."
    )


def table(task: dict[str, Any]) -> str:
    """The table of one task; ratios are torchfeed's speed by that of the row's loader on as many cores."""
    first = any("first_batch" in row for row in task["rows"])
    heads = ["loader", "cores", "images/s", "torchfeed is", TITLES["cpu"], TITLES["memory"]]
    heads += [TITLES["first"]] * first
    rows = ["| " + " | ".join([*heads, "pixels"]) + " |", "| --- |" + " ---: |" * (len(heads) - 1) + " --- |"]
    for row in task["rows"]:
        if "error" in row:
            cells = [
                row["label"],
                str(row["cores"]),
                "failed",
                *[""] * (len(heads) - 3),
                row["error"].replace("|", "/"),
            ]
        else:
            ours = _ours(task, row["cores"])
            ratio = ours["images_per_second"] / row["images_per_second"] if ours and ours is not row else None
            memory = row.get("memory_mb") or row.get("max_rss_mb")
            cells = [
                row["label"],
                str(row["cores"]),
                figure(row["images_per_second"]),
                f"{figure(ratio)} x" if ratio else "",
                figure(row["cpu_seconds_per_1000"]),
                f"{memory:,.0f} MB" if memory else "",
                *[_firsts(row.get("first_batch", {}))] * first,
                _pixels(row),
            ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _ours(task: dict[str, Any], cores: int) -> dict[str, Any] | None:
    found = (row for row in task["rows"] if row["peer"] == "torchfeed" and row["cores"] == cores)
    return next((row for row in found if "error" not in row), None)


def _firsts(times: dict[str, float]) -> str:
    return ", ".join(f"{figure(seconds)} s {name}".strip() for name, seconds in times.items())


def _pixels(row: dict[str, Any]) -> str:
    said = row.get("verdict") or ("" if row["exact"] else "inexact")
    if "levels" in row:
        said += f", {figure(row['levels'])} levels off on average"
    return f"{said}; {row['note']}" if row["note"] else said


def _operators(operators: list[dict[str, Any]]) -> str:
    rows = ["| work | by | GB/s | torchfeed is |", "| --- | --- | ---: | ---: |"]
    for operator in operators:
        if "error" in operator:
            rows.append(f"| {operator['name']} | failed: {operator['error']} | | |")
            continue
        ours = operator["seconds"]["torchfeed"]
        for side, seconds in operator["seconds"].items():
            ratio = "" if side == "torchfeed" else f"{figure(seconds / ours)} x"
            rows.append(f"| {operator['name']} | {side} | {figure(operator['gigabytes'] / seconds)} | {ratio} |")
    return "\n".join(rows)


def _stages(times: dict[str, dict[str, float]]) -> str:
    stages = list(next(iter(times.values())))
    rows = [f"| ms per image, 1 core | {' | '.join(stages)} | sum |", "| --- |" + " ---: |" * (len(stages) + 1)]
    for side, spans in times.items():
        cells = [figure(span) for span in [*spans.values(), sum(spans.values())]]
        rows.append(f"| {side} | {' | '.join(cells)} |")
    return "\n".join(rows)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yields each comparison as a line: what torchfeed is, beside whom, at what.

    Args:
        result: the content of the JSON file.
    """
    for task in result["tasks"]:
        done = [row for row in task["rows"] if "error" not in row]
        for ours in (row for row in done if row["peer"].startswith("torchfeed")):
            where = f"{task['name']}, {ours['cores']} core{'s' if ours['cores'] > 1 else ''}"
            where += "" if ours["peer"] == "torchfeed" else f", {ours['label'].partition(', ')[2]}"
            for row in done:
                if not row["peer"].startswith("torchfeed") and row["cores"] == ours["cores"]:
                    yield from (f"{where}: {text}" for text in _beside(ours, row))
    for operator in result["operators"]:
        for side, seconds in operator.get("seconds", {}).items():
            if side != "torchfeed":
                yield f"{operator['name']}: {seconds / operator['seconds']['torchfeed']:.2f} x the speed of {side}"
    yield from mean_lines(result)


def _beside(ours: dict[str, Any], row: dict[str, Any]) -> Iterator[str]:
    label = row["label"]
    yield f"{ours['images_per_second'] / row['images_per_second']:.2f} x the images/s of {label}"
    if row["peer"] == "torchvision":
        ratio = row["cpu_seconds_per_1000"] / ours["cpu_seconds_per_1000"]
        yield f"{ratio:.2f} x fewer CPU seconds per 1000 images than {label}"
        if "first_batch" in ours:
            for name, seconds in row["first_batch"].items():
                sooner = seconds / ours["first_batch"][""]
                yield f"first batch {sooner:.1f} x sooner than {label}{name and f', {name}'}"
