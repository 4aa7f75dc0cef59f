"""The options that say where the service is, and the client they make."""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

from saliserve_client import defaults

URL_VARIABLE = "SALISERVECLIENT_URL"
KEY_VARIABLE = "SALISERVECLIENT_API_KEY"
"""Named apart from the service's own settings, ``SALISERVE_*``, of which it accepts none it does not know."""

LONGEST_S = 1e6
"""Eleven days; the system's own clocks overflow at 300 years."""


def connection_options() -> argparse.ArgumentParser:
    """Make the parent parser of every command that calls the service."""
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group("service")
    group.add_argument(
        "--url",
        default=os.environ.get(URL_VARIABLE, defaults.URL),
        help=f"address; ${URL_VARIABLE} or {defaults.URL}",
    )
    group.add_argument(
        "--api-key", default=os.environ.get(KEY_VARIABLE, ""), help=f"better in ${KEY_VARIABLE}"
    )
    group.add_argument(
        "--timeout",
        type=seconds,
        default=defaults.TIMEOUT_S,
        metavar="SECONDS",
        help="longest wait for an answer",
    )
    group.add_argument(
        "--retries",
        type=attempts,
        default=3,
        metavar="N",
        help="further attempts when it is busy or away; score has --patience for its images",
    )
    group.add_argument(
        "--ca", metavar="FILE", help="trust these certificate authorities instead of the system's"
    )
    group.add_argument("--insecure", action="store_true", help="do not check the certificate")
    group.add_argument(
        "--certificate", nargs=2, metavar=("CERT", "KEY"), help="certificate to show to the service"
    )
    return options


def seconds(text: str) -> float:
    """Read a time span of a command line.

    Raises:
        ArgumentTypeError: No number, not positive, or longer than anybody waits.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (0 < number <= LONGEST_S):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds above 0 and up to {LONGEST_S:.0f}"
        )
    return number


def attempts(text: str) -> int:
    """Read a number of further attempts.

    Raises:
        ArgumentTypeError: No whole number, or less than 0.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 0")
    return int(text)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Make the arguments of a client."""
    from saliserve_client.retry import Retry  # noqa: PLC0415 - keeps `saliserve --help` quick

    return {
        "url": options.url,
        "api_key": options.api_key,
        "timeout_s": options.timeout,
        "retry": Retry(attempts=options.retries + 1),
        "verify": options.ca or not options.insecure,
        "certificate": tuple(options.certificate) if options.certificate else None,
    }
