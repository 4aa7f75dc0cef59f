"""A worker whose supervisor is gone must not live on: it would hold the port, and nobody would restart it."""

import logging
import os
import signal
import threading

log = logging.getLogger(__name__)


SUPERVISOR = "_SALISERVE_SUPERVISOR"
"""The variable in which a supervisor leaves its number to its workers: one may be dead before its worker looks."""


def end_with_parent(*, interval_s: float = 1.0) -> None:
    """Send this process SIGTERM when the process that started it has died, so that it drains and ends.

    A thread looks, rather than the kernel being asked for the signal (``PR_SET_PDEATHSIG``): that is sent when
    the *thread* that started this process ends, and exists on Linux only.

    Args:
        interval_s: Seconds between two looks.
    """
    parent = int(os.environ.get(SUPERVISOR, os.getppid()))
    threading.Thread(target=_watch, args=(parent, interval_s), name="orphan-watch", daemon=True).start()


def _watch(parent: int, interval_s: float) -> None:
    pause = threading.Event()
    while os.getppid() == parent:  # an orphan is adopted by another process at once
        pause.wait(interval_s)
    log.error("the supervisor is gone: this worker drains and ends", extra={"supervisor": parent})
    os.kill(os.getpid(), signal.SIGTERM)
