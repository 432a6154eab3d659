"""The table of draws: what a seed means, for every op and composition. The draws of a seed are API.

Each line of the table is one transform, written as a user writes it: the name of its class and its arguments. The tool
adds the ops that torchfeed recognises, and what it draws: for each size of an image, groups of keys (seed, index,
occurrence) and the calls that all keys of a group give: [position, function of torchvision.transforms.functional,
parameters]. Where nothing can be drawn, a group has the error instead.

To add a transform, add a line with its ``class`` and ``arguments``, and run ``python tools/golden_draws.py --write``.
Lines that have draws are only checked: where one of them differs, nothing is written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torchvision.transforms
import torchvision.transforms.v2
from torchvision.transforms import AutoAugmentPolicy, InterpolationMode

import torchfeed.transforms
from torchfeed.datasets import NativeDataset
from torchfeed.plan.compile import compile_leaves
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import recognize

TABLE = Path(__file__).parents[1] / "rust" / "core" / "tests" / "golden" / "draws.jsonl"

LIBRARIES: dict[str, Any] = {
    "v1": torchvision.transforms,
    "v2": torchvision.transforms.v2,
    "torchfeed": torchfeed.transforms,
}

SIZES = [[37, 53], [64, 64], [20, 9]]
MOST = 1_001
"""One more than the largest index of a key."""
KEYS = [
    *([0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1], [17, 5, 0], [2**32 + 1, 5, 0]),
    *([2**63 + 5, MOST - 1, 2], [2**64 - 1, 2, 2**31]),
]

Row = dict[str, Any]


def rows() -> list[Row]:
    """Reads the table."""
    return [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


def label(row: Row) -> str:
    """Writes a row's transform on one line."""
    return f"{row['class']}({', '.join(f'{name}={_text(value)}' for name, value in row['arguments'].items())})"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return label(value) if isinstance(value, dict) else json.dumps(value)


def libraries(row: Row) -> list[str]:
    """Names the libraries that have all of a row's classes; ``only`` in a row leaves some of them out."""
    names = list(classes(row))
    only = row.get("only", LIBRARIES)
    return [key for key in LIBRARIES if key in only and all(hasattr(LIBRARIES[key], name) for name in names)]


def classes(value: Any) -> set[str]:
    """Names the classes in a row."""
    if isinstance(value, list):
        return set().union(*map(classes, value))
    return {value["class"]} | classes(list(value["arguments"].values())) if isinstance(value, dict) else set()


def build(value: Any, library: str) -> Any:
    """Makes a row's transform from the classes of a library."""
    if isinstance(value, list):
        return [build(each, library) for each in value]
    if not isinstance(value, dict):
        return value
    arguments = {name: build(each, library) for name, each in value["arguments"].items()}
    if isinstance(arguments.get("interpolation"), str):
        arguments["interpolation"] = InterpolationMode(arguments["interpolation"])
    if "policy" in arguments:
        arguments["policy"] = AutoAugmentPolicy(arguments["policy"])
    return getattr(LIBRARIES[library], value["class"])(**arguments)


def ops(transform: Any) -> list[Any]:
    """Recognises a transform: the native ops as data."""
    data = json.dumps([op.data() for op in recognize(transform, metadata=False).ops])  # tuples become lists
    return list(json.loads(data))


def draws(row: Row, transform: Any) -> list[dict[str, Any]]:
    """Draws a transform for the sizes and keys of a row that has draws, or else for the usual ones."""
    if "draws" in row:
        wanted = [(each["size"], [key for group in each["drawn"] for key in group["keys"]]) for each in row["draws"]]
    else:
        wanted = [(size, KEYS) for size in row.get("sizes", SIZES)]
    return [{"size": size, "drawn": _groups(transform, size, keys)} for size, keys in wanted]


def _groups(transform: Any, size: list[int], keys: list[list[int]]) -> list[dict[str, Any]]:
    pixels = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (MOST, *size, 3))
    compiled = compile_leaves([NativeDataset(array_source(pixels), range(MOST), transform, None).leaf()])
    groups: dict[str, dict[str, Any]] = {}
    for seed, index, occurrence in keys:
        try:
            _, calls = compiled.pipeline.draw(index, seed, occurrence)
            found: dict[str, Any] = {"calls": list(map(list, calls))}
        except ValueError as error:
            found = {"error": str(error).removesuffix(f" [sample {index}]")}
        groups.setdefault(json.dumps(found), {"keys": [], **found})["keys"].append([seed, index, occurrence])
    return list(groups.values())


def completed(row: Row) -> Row:
    """Adds what torchfeed draws to a row.

    Raises:
        ValueError: the row has other draws, or two libraries' classes are not recognised as the same.
    """
    built = [build(row, library) for library in libraries(row)]
    found = [{"ops": ops(transform), "draws": draws(row, transform)} for transform in built]
    if not found or any(each != found[0] for each in found):
        raise ValueError(f"{label(row)} is drawn otherwise in another library: say which in `only`")
    if row.get("draws", found[0]["draws"]) != found[0]["draws"]:
        raise ValueError(f"{label(row)} has other draws than the table says, but a seed's draws are API")
    kept: Row = {name: row[name] for name in ("class", "arguments", "only") if name in row}
    return {**kept, **found[0]}


def main() -> None:
    """Checks the table, and with ``--write`` completes it."""
    lines = [json.dumps(completed(row)) + "\n" for row in rows()]
    if sys.argv[1:] == ["--write"]:
        TABLE.write_text("".join(lines), encoding="utf-8")
    elif TABLE.read_text(encoding="utf-8") != "".join(lines):
        sys.exit("the table has rows without draws: run python tools/golden_draws.py --write")


if __name__ == "__main__":
    main()
