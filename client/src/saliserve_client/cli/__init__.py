"""The command line ``saliserve``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import INTERRUPTED, exit_code
from saliserve_client.cli.parser import parser
from saliserve_client.errors import SaliserveError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit code; :mod:`saliserve_client.cli.exits` lists them.
    """
    options = parser().parse_args(arguments)
    try:
        return _run(options, Console(as_json=options.json))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: argparse.Namespace, console: Console) -> int:
    try:
        code: int = options.run(options, console)
    except SaliserveError as error:
        console.fail(error)
        return exit_code(error)
    return code
