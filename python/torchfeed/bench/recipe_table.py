"""The table of the recipes: both loaders side by side, and the mean of the ratios."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import geometric_mean
from typing import Any

from .figure import figure

__all__ = ["is_recipe", "mean_lines", "recipe_table"]

SIDES = ("torchfeed", "torchvision")


def is_recipe(task: dict[str, Any]) -> bool:
    """Whether a task of a result is a recipe."""
    return bool(task.get("recipe"))


def recipe_table(result: dict[str, Any]) -> str:
    """Sets out the recipes, one in a row for each number of cores.

    Args:
        result: the content of the JSON file.
    """
    rows = [
        "| recipe | transforms | cores | torchfeed | torchvision on PIL | ratio | pixels |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for task in filter(is_recipe, result["tasks"]):
        for cores, sides in _by_cores(task).items():
            ours, theirs = _speeds(sides)
            cells = [f"{figure(speed)} images/s" if speed else "failed" for speed in (ours, theirs)]
            ratio = f"{figure(ours / theirs)} x" if ours and theirs else ""
            said = next((row["error"] for row in sides.values() if "error" in row), sides["torchfeed"].get("verdict"))
            said = str(said).replace("|", "/")
            rows.append(f"| {task['name']} | {task['title']} | {cores} | {' | '.join(cells)} | {ratio} | {said} |")
    for cores, ratios in _ratios(result).items():
        rows.append(f"| | geometric mean of those of photos | {cores} | | | {figure(geometric_mean(ratios))} x | |")
    return "\n".join(rows)


def mean_lines(result: dict[str, Any]) -> Iterator[str]:
    """Yields the mean of the recipes' ratios as a line, for each number of cores.

    Args:
        result: the content of the JSON file.
    """
    for cores, ratios in _ratios(result).items():
        where = f"{len(ratios)} recipes of photos, {cores} core{'s' if cores > 1 else ''}"
        yield f"{where}: {geometric_mean(ratios):.2f} x the images/s of torchvision on PIL, in the geometric mean"


def _by_cores(task: dict[str, Any]) -> dict[int, dict[str, dict[str, Any]]]:
    """The rows of both loaders, for each number of cores for which there are both."""
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for row in task["rows"]:
        found.setdefault(row["cores"], {})[row["peer"]] = row
    return {cores: sides for cores, sides in found.items() if all(name in sides for name in SIDES)}


def _speeds(sides: dict[str, dict[str, Any]]) -> tuple[float, float]:
    """Images per second of both; 0 if there was an error."""
    ours, theirs = (sides[name].get("images_per_second", 0.0) for name in SIDES)
    return ours, theirs


def _ratios(result: dict[str, Any]) -> dict[int, list[float]]:
    """For each number of cores. Small images in memory are another matter: their ratio would be most of the mean."""
    ratios: dict[int, list[float]] = {}
    for task in (task for task in result["tasks"] if task.get("recipe") == "given"):
        for cores, sides in _by_cores(task).items():
            ours, theirs = _speeds(sides)
            if ours and theirs:
                ratios.setdefault(cores, []).append(ours / theirs)
    return ratios
