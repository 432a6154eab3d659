"""``torchfeed bench DIR``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: the arguments; those of the process when omitted.

    Returns:
        The exit status: 1 where torchfeed's answers are not torchvision's, or nothing could be measured.
    """
    if find_spec("torchvision") is None:
        print("torchfeed bench compares with torchvision, which is not installed: pip install torchvision")
        return 1
    # After that check: they import it.
    from .options import parse
    from .report import lines, markdown
    from .run import run

    options = parse(argv)
    result = run(options, lambda text: print(text, file=sys.stderr, flush=True))
    for path in (options.json, options.markdown):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    text = markdown(result)
    if options.markdown is not None:
        options.markdown.write_text(text)
    print(text)
    print("\n".join(lines(result)))
    if options.plots is not None:
        from .plots import plot

        for said in plot(result, options.plots):
            print(said)
    ours = [row for task in result["tasks"] for row in task["rows"] if row["peer"] == "torchfeed"]
    return int(any("error" in row for row in [*ours, *result["operators"], result["stages"]]))
