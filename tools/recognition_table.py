"""The table of what is recognised, from the code that recognises it: `python tools/recognition_table.py --write`."""

from __future__ import annotations

import sys
from pathlib import Path

from torchfeed.recognize.dataset import conditional_datasets, recognized_datasets, refused_datasets
from torchfeed.recognize.rules import RULES

PAGE = Path(__file__).parents[1] / "docs" / "recognized.md"

HEAD = """\
# What runs natively

This page is written by `python tools/recognition_table.py --write`, from the tables that the code itself uses; a test
holds the two together. How it is used is in [drop-in.md](drop-in.md).
"""


LIBRARIES = ("v1", "v2", "torchfeed", "torch.nn", "timm")


def kinds() -> list[tuple[str, list[str], str]]:
    """Lists the kinds of transforms, with their classes and the libraries that have those; timm's are a kind."""
    rows: dict[str, list[str]] = {}
    for name, rule in RULES.items():
        rows.setdefault("of timm" if rule.of == "timm" else rule.kind, []).append(name)
    found = []
    for kind, names in rows.items():
        of = {library for name in names for library in RULES[name].of.split(", ")}
        found.append((kind, sorted(names), ", ".join(library for library in LIBRARIES if library in of)))
    return sorted(found, key=lambda row: row[0] == "of timm")


def page() -> str:
    """Writes the page."""
    by_source: dict[str, list[str]] = {}
    needs = conditional_datasets()
    for names, how in recognized_datasets():
        if names not in needs:
            by_source.setdefault(how, []).append(names)
    datasets = [
        ("of torchvision: " + how, ", ".join(sorted(", ".join(by_source[how]).split(", ")))) for how in by_source
    ]
    datasets.append(("of torchvision: with an argument", ", ".join(f"{name}({needs[name]})" for name in needs)))
    datasets += [
        ("of torchfeed", "ImageFolder, ImageList, CIFAR10, CIFAR100"),
        ("of torch", "TensorDataset (rows are gathered); Subset and ConcatDataset of all these, nested at will"),
        ("your own", "a dataset with a method `sample_source(index) -> (image, target)`; others are traced"),
    ]
    lines = [HEAD, "## Datasets", "", "| datasets | classes |", "| --- | --- |"]
    lines += [f"| {kind} | {classes} |" for kind, classes in datasets]
    lines += [
        *(
            "",
            "A subclass is its parent to us unless it has a `__getitem__` (or `__getitems__`) of its own, or a method",
        ),
        "or property of its own that these use.",
        *(
            "",
            '`OxfordIIITPet` and `INaturalist` are native where they give one class index: `target_types` "category"',
        ),
        *('or "binary-category", and with one `target_type`.', ""),
        *("`__getitem__` of these of torchvision's runs in Python, or is traced:", ""),
        *("| class | because it |", "| --- | --- |"),
    ]
    lines += [f"| {name} | {why} |" for name, why in refused_datasets()]
    lines += ["", "## Transforms", "", "| kind | classes | of |", "| --- | --- | --- |"]
    lines += [f"| {kind} | {', '.join(names)} | {package} |" for kind, names, package in kinds()]
    lines += [
        *("", "Geometry after a value transform is native too where that makes no difference: flips and crops always,"),
        "paddings with a constant that some pixel becomes there, bilinear and bicubic resizes of 8-bit tensors (see",
        "[drop-in.md](drop-in.md) for these). The `target_transform` that is native is `torchfeed.transforms.OneHot`.",
        "Classes and functions of your own are native as far as their code can be followed: see",
        "[drop-in.md](drop-in.md#transforms-of-your-own).",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
    else:
        print(page())
