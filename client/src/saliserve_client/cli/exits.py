"""Exit codes, one per thing that somebody must do about it."""

from __future__ import annotations

from saliserve_client import errors

OK = 0
UNEXPECTED = 1
USAGE = 2
INPUT = 3
UNREACHABLE = 4
REFUSED = 5
BUSY = 6
OTHER_VERSION = 7
OUTPUT = 8
RUN = 9
SOME_FAILED = 10
PACKAGE = 11
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    UNEXPECTED: "a failure inside the service",
    USAGE: "an option is wrong: on the command line, or refused by the service",
    INPUT: "an input cannot be used: no such file, a folder, not an image, too large, not a map",
    UNREACHABLE: "no service there: wrong address, not running, time-out, connection lost",
    REFUSED: "the API key is missing or refused",
    BUSY: "the service has no capacity now; try again later",
    OTHER_VERSION: "what answers is another service or another major version",
    OUTPUT: "the output cannot be written: disk full, not permitted",
    RUN: "the scoring run cannot be started or continued as asked",
    SOME_FAILED: "score is complete, but some images failed; their rows say why",
    PACKAGE: "an optional package is missing",
    INTERRUPTED: "interrupted; score goes on from there when started again",
}
"""For ``saliserve --help`` and the README."""

_CODES: tuple[tuple[type[errors.SaliserveError], int], ...] = (
    (errors.AuthenticationError, REFUSED),
    (errors.OptionError, USAGE),
    (errors.BudgetError, USAGE),
    (errors.RequestError, INPUT),
    (errors.CapacityError, BUSY),
    (errors.UnexpectedAnswerError, OTHER_VERSION),
    (errors.TransportError, UNREACHABLE),
    (errors.FileError, INPUT),
    (errors.MissingPackageError, PACKAGE),
    (errors.OutputError, OUTPUT),
    (errors.RunError, RUN),
)
"""The first class that fits decides, so heirs come before their bases."""


def exit_code(error: errors.SaliserveError) -> int:
    """Find the exit code of a failure.

    Examples:
        >>> exit_code(errors.UnknownMethodError("no method cam")), exit_code(errors.EmptyImageError("empty"))
        (2, 3)
    """
    return next((code for kind, code in _CODES if isinstance(error, kind)), UNEXPECTED)
