"""Writes what the documents say of speed: ``python tools/speed_tables.py --write [RESULT.json]``.

A result of `make bench-peers` becomes docs/speed.json, one of `make bench-recipes` docs/recipes.json; docs/speed.md,
the plots beside it and the tables in the README are made of these files. A test holds them together.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from torchfeed.bench.figure import figure
from torchfeed.bench.plots import plot
from torchfeed.bench.recipe_table import is_recipe, recipe_table
from torchfeed.bench.report import about, lines, markdown, table

ROOT = Path(__file__).parents[1]
RESULT, RECIPES = ROOT / "docs" / "speed.json", ROOT / "docs" / "recipes.json"
PAGE, README = ROOT / "docs" / "speed.md", ROOT / "README.md"
BEGIN, END = "<!-- speed: written by tools/speed_tables.py -->", "<!-- /speed -->"
RECIPES_BEGIN, RECIPES_END = "<!-- recipes: written by tools/speed_tables.py -->", "<!-- /recipes -->"

HEAD = """\
# Speed

This page is written by `python tools/speed_tables.py --write`, from what `make bench-peers` and
`make bench-recipes` measured; the figures, with the time of each round, are in [speed.json](speed.json) and
[recipes.json](recipes.json).
"""


def page(result: dict[str, Any], recipes: dict[str, Any]) -> str:
    """Writes the page: every table, every comparison."""
    plots = "\n".join(f"![{path.stem}]({path.name})\n" for path in sorted(PAGE.parent.glob("speed-*.svg")))
    compared = "\n".join(f"- {line}" for line in [*lines(result), *lines(recipes)])
    return f"{HEAD}\n{markdown(result)}\n{markdown(recipes)}\n## One by one\n\n{compared}\n\n## Plots\n\n{plots}"


def summary(result: dict[str, Any]) -> str:
    """Every task by torchfeed and by torchvision or torch, on one core."""
    rows = ["| task, one core | torchfeed | torchvision on PIL, torch | ratio |", "| --- | ---: | ---: | ---: |"]
    for task in result["tasks"]:
        speeds = {row["peer"]: row.get("images_per_second") for row in task["rows"] if row["cores"] == 1}
        ours, theirs = speeds.get("torchfeed"), speeds.get("torchvision")
        if ours and theirs:
            cells = f"{figure(ours)} images/s | {figure(theirs)} images/s | {figure(ours / theirs)} x"
            rows.append(f"| {task['title']} | {cells} |")
    for operator in (operator for operator in result["operators"] if "seconds" in operator):
        ours, theirs, *_ = (operator["gigabytes"] / seconds for seconds in operator["seconds"].values())
        rows.append(f"| {operator['name']} | {figure(ours)} GB/s | {figure(theirs)} GB/s | {figure(ours / theirs)} x |")
    return "\n".join(rows)


def _between(text: str, begin: str, end: str, middle: str) -> str:
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{middle}\n\n{end}{after}"


def readme(result: dict[str, Any], recipes: dict[str, Any], text: str) -> str:
    """Puts the first task's table, the summary and the recipes into the README."""
    first = result["tasks"][0]
    middle = f"{first['title']}, {first['images']} images:\n\n{table(first)}\n\n{summary(result)}\n\n{about(result)}"
    text = _between(text, BEGIN, END, middle)
    return _between(text, RECIPES_BEGIN, RECIPES_END, f"{recipe_table(recipes)}\n\n{about(recipes)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path, nargs="?", help="of torchfeed bench --json; those in docs if omitted")
    parser.add_argument("--write", action="store_true", help="into docs and README; else the page is printed")
    args = parser.parse_args()
    files = {"tasks": RESULT, "recipes": RECIPES}
    if args.result is not None:
        measured = "recipes" if all(map(is_recipe, json.loads(args.result.read_text())["tasks"])) else "tasks"
        files[measured] = args.result
    result, recipes = (json.loads(file.read_text()) for file in files.values())
    if not args.write:
        print(page(result, recipes))
        return
    for file, kept in zip(files.values(), (RESULT, RECIPES), strict=True):
        if file != kept:
            shutil.copyfile(file, kept)
    if files["tasks"] != RESULT:
        for said in plot(result, RESULT.parent):
            print(said)
    PAGE.write_text(page(result, recipes))
    README.write_text(readme(result, recipes, README.read_text()))


if __name__ == "__main__":
    main()
