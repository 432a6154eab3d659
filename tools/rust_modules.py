"""Checks that the modules of each Rust crate use each other in one direction only.

    python tools/rust_modules.py

Two children of a module, each with the modules inside of it, must not need each other, not even through a third. A
module and its own children may. Paths that begin with ``crate``, ``self`` or ``super`` count, and lead to where an
item stands that another module shows; tests do not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

CRATES = Path(__file__).parents[1] / "rust"

Names = tuple[str, ...]
"""A module, or an item in one, by the names that lead to it from the crate's root."""

_COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|r(#+)".*?"\1|b?"(?:\\.|[^"\\])*"', re.DOTALL)
_TESTS = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z]+\))? )?mod (\w+)\s*([;{])")
_SHOWN = re.compile(r"\bpub(?:\([a-z]+\))? use ([^;]+);")
_PATH = re.compile(r"(?<![\w:$])(crate|self|super)((?:::\w+)*)(::\{)?")


def modules(crate: Path) -> dict[Names, str]:
    """Reads the sources of a crate's modules, without comments, texts and tests."""
    source = crate / "src"
    found: dict[Names, str] = {}
    tests: set[Names] = set()
    for file in sorted(source.rglob("*.rs")):
        names = file.relative_to(source).with_suffix("").parts
        module = names[:-1] if names[-1] in {"lib", "main", "mod"} else names
        code, inner = _without_tests(_COMMENT_OR_TEXT.sub(" ", file.read_text(encoding="utf-8")))
        found[module] = code
        tests |= {(*module, name) for name in inner}
    return {module: code for module, code in found.items() if all(module[: len(test)] != test for test in tests)}


def _without_tests(code: str) -> tuple[str, list[str]]:
    """Cuts test modules out; returns the names of those that are files of their own too."""
    files = []
    while (match := _TESTS.search(code)) is not None:
        end = match.end()
        if match[2] == ";":
            files.append(match[1])
        else:
            end = _closing(code, end)
        code = code[: match.start()] + code[end:]
    return code, files


def _closing(code: str, start: int) -> int:
    """Finds the end of a block whose opening brace stands before `start`."""
    depth, at = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        at += 1
    return at


def used(module: Names, code: str) -> Iterator[Names]:
    """Yields the paths that a module's code names."""
    for match in _PATH.finditer(code):
        base = () if match[1] == "crate" else module if match[1] == "self" else module[:-1]
        names = match[2].split("::")[1:]
        while names[:1] == ["super"]:
            base, names = base[:-1], names[1:]
        start = (*base, *names)
        if match[3] is None:
            yield start
        else:
            yield from _expand(start, code[match.end() : _closing(code, match.end()) - 1])


def _expand(start: Names, group: str) -> Iterator[Names]:
    """Yields the paths of ``a::{b, c::{d, e}}``, where `start` is ``a`` and `group` what the braces hold."""
    depth, part = 0, ""
    for letter in [*group, ","]:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and not depth:
            head, brace, rest = part.partition("{")
            names = tuple(name for name in re.split(r"::|\s+as\s+", head.strip()) if name and name != "self")
            if brace:
                yield from _expand((*start, *names), rest.rpartition("}")[0])
            elif part.strip():
                yield (*start, *names)
            part = ""
        else:
            part += letter


def shown(sources: dict[Names, str]) -> dict[Names, Names]:
    """Finds the names under which modules show what stands in others: ``pub use child::Item``."""
    found = {}
    for module, code in sources.items():
        for match in _SHOWN.finditer(code):
            for names in _expand((), match[1]):
                start = module if (*module, names[0]) in sources else ()
                found[(*module, names[-1])] = (*start, *(name for name in names if name not in {"crate", "self"}))
    return found


def arrows(crate: Path) -> dict[Names, set[Names]]:
    """Finds which modules each module of a crate needs, besides those that it is in and those inside of it."""
    sources = modules(crate)
    elsewhere = shown(sources)
    found: dict[Names, set[Names]] = {module: set() for module in sources}
    for module, code in sources.items():
        for path in used(module, code):
            target = path
            for end in range(1, len(path) + 1):
                if path[:end] in elsewhere and path[:end] not in sources:
                    target = elsewhere[path[:end]]
            while target not in sources:
                target = target[:-1]
            common = min(len(module), len(target))
            if module[:common] != target[:common]:
                found[module].add(target)
    return found


def circles(found: dict[Names, set[Names]]) -> Iterator[tuple[Names, list[str]]]:
    """Yields each module of which children need each other, and a way round: their names."""
    for parent in found:
        depth = len(parent)
        graph: dict[str, set[str]] = {}
        for module, targets in found.items():
            if module[:depth] == parent and len(module) > depth:
                inside = {target[depth] for target in targets if target[:depth] == parent and len(target) > depth}
                graph.setdefault(module[depth], set()).update(inside - {module[depth]})
        way = _way_round(graph)
        if way:
            yield parent, way


def _way_round(graph: dict[str, set[str]]) -> list[str]:
    """Finds a circle; empty if there is none."""
    done: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            if circle := visit(other, [*way, node]):
                return circle
        done.add(node)
        return []

    for node in sorted(graph):
        if circle := visit(node, []):
            return circle
    return []


def _needs(found: dict[Names, set[Names]], one: Names, other: Names) -> list[str]:
    """Says what inside of one module needs what inside of another."""
    return [
        f"  {'::'.join(module)} needs {'::'.join(target)}"
        for module, targets in found.items()
        for target in sorted(targets)
        if module[: len(one)] == one and target[: len(other)] == other
    ]


def main() -> int:
    """Prints every circle; returns the exit status."""
    status = 0
    for manifest in sorted(CRATES.glob("*/Cargo.toml")):
        found = arrows(manifest.parent)
        for parent, way in circles(found):
            status = 1
            print(f"{'::'.join([manifest.parent.name, *parent])}: {' -> '.join(way)}")
            for one, other in pairwise(way):
                print(*_needs(found, (*parent, one), (*parent, other)), sep="\n")
    if not status:
        print("the modules of each crate need each other in one direction only")
    return status


if __name__ == "__main__":
    sys.exit(main())
