"""The command ``torchfeed``: each of its commands is a module of its own, imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]

# A command's module has ``main(argv) -> exit status``.
COMMANDS = {
    "bench": ("torchfeed.bench.command", "time loaders on a folder of your own images, torchfeed's beside others"),
    "check": ("torchfeed.cli.check", "decode all images of a folder and list the bad ones"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the command and its arguments; those of the process when omitted.

    Returns:
        The exit status; 130 after Ctrl-C, as shells have it.

    Raises:
        SystemExit: 2, after a message, where the arguments are wrong.
    """
    commands = "\n".join(f"  {name:<8} {what}" for name, (_, what) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "torchfeed",
        description=f"commands:\n{commands}\n\ntorchfeed COMMAND --help tells the rest.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=f"one of: {', '.join(COMMANDS)}")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    args = parser.parse_args(argv)
    try:
        status: int = import_module(COMMANDS[args.command][0]).main(args.arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130
    return status
