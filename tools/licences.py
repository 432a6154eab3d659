"""Writes LICENSE-THIRD-PARTY: the crates in the wheels, with their copyright notices. ``--check`` says if it is true.

All of them may be used under the MIT license. It asks for the notice of each, which is taken from the crate's own
files; its terms are the same for all and stand in LICENSE-MIT.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "LICENSE-THIRD-PARTY"
PLATFORMS = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-msvc",
]
HEAD = """\
What the wheels contain besides torchfeed's own code
====================================================

The crates below and Rust's standard library are used under the MIT license, whose text is in LICENSE-MIT. Their
copyright notices follow; where a crate has none, the authors that its package names.

"""
STANDARD = "standard library of Rust: Copyright (c) The Rust Project Contributors"


def main() -> None:
    text = notices()
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") != text:
            sys.exit("LICENSE-THIRD-PARTY is not what the crates say: run python tools/licences.py")
        return
    FILE.write_text(text, encoding="utf-8", newline="\n")


def crates() -> dict[str, str]:
    """The version of each crate whose code is in a wheel."""
    command = ["cargo", "tree", "--locked", "--package=torchfeed-py", "--edges=normal,no-proc-macro", "--prefix=none"]
    command += [f"--target={platform}" for platform in PLATFORMS]
    tree = subprocess.check_output([*command, "--format={p}"], cwd=ROOT, text=True)
    versions = dict(line.split()[:2] for line in tree.splitlines() if line)
    return {name: version for name, version in sorted(versions.items()) if not name.startswith("torchfeed")}


def notices() -> str:
    """What the file should be."""
    output = subprocess.check_output(["cargo", "metadata", "--locked", "--format-version=1"], cwd=ROOT, text=True)
    packages = {(package["name"], "v" + package["version"]): package for package in json.loads(output)["packages"]}
    lines = []
    for name, version in crates().items():
        package = packages[name, version]
        if "MIT" not in package["license"]:
            sys.exit(f"{name} is licensed under {package['license']}: its terms must be added")
        folder = Path(package["manifest_path"]).parent
        files = sorted(folder.glob("LICEN[CS]E*MIT*")) or sorted(folder.glob("LICEN[CS]E*"))
        said = [line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        found = [line for line in dict.fromkeys(said) if re.match(r"copyright \(c\)|copyright \d", line, re.IGNORECASE)]
        lines.append(": ".join([name, "; ".join(found) or "by " + ", ".join(package["authors"] or ["its authors"])]))
    return HEAD + "\n".join([*lines, STANDARD]) + "\n"


if __name__ == "__main__":
    main()
