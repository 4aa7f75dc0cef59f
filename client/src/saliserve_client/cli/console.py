"""What a command says: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from saliserve_client.cli.exits import exit_code
from saliserve_client.errors import OutputError, SaliserveError
from saliserve_client.files import json_text, printable


class Console:
    """Writes results as text or as one JSON document.

    Args:
        as_json: Standard output gets exactly one JSON document, failures included.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, value: object, lines: Sequence[str]) -> None:
        """Give the result: *value* if JSON was asked for, *lines* otherwise.

        Raises:
            OutputError: It cannot be written, as to a file on a full disk.
        """
        encoding = sys.stdout.encoding or "utf-8"
        text = json_text(value, encoding=encoding) if self.as_json else _writable("\n".join(lines), encoding)
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads us has enough (`saliserve models | head`)
            _give_up_output()
        except OSError as error:
            _give_up_output()
            raise OutputError(f"standard output: cannot be written: {error.strerror or error}") from error

    def note(self, text: str) -> None:
        """Say something beside the result; where nobody can hear it, that changes nothing."""
        with suppress(OSError):
            sys.stderr.write(_on_one_line(text) + "\n")
            sys.stderr.flush()

    def fail(self, error: SaliserveError) -> None:
        """Give a failure as one line, and as JSON if that was asked for."""
        where = f" ({error.where})" if error.where else ""
        request = f" [request {error.request_id}]" if error.request_id else ""
        self.note(f"saliserve: {' '.join(error.detail.split())}{where}{request}")
        if self.as_json:
            told = {
                "code": error.code,
                "detail": error.detail,
                "where": error.where,
                "status": error.status,
                "request_id": error.request_id,
                "retry_after_s": error.retry_after_s,
                "exit_code": exit_code(error),
            }
            with suppress(OutputError):  # the exit code says what has failed first
                self.result({"error": told}, [])


def _writable(text: str, encoding: str) -> str:
    """Escape what standard output has no letters for: a name that is no UTF-8, or most names in an old system's log."""
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def _on_one_line(text: str) -> str:
    r"""Escape line ends and what commands a terminal: both may be in the name of a file that somebody sent.

    Examples:
        >>> print(_on_one_line("two\nlines, \x1b[31mred.jpg: no such file"))
        two\nlines, \x1b[31mred.jpg: no such file
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in printable(text)
    )


def _give_up_output() -> None:
    """Put something else in the place of standard output, of which Python would complain once more on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
