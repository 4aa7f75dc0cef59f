"""When to send a request again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from saliserve_client.errors import CapacityError, ConnectionLostError, SaliserveError, UnreachableError

RETRIED = (CapacityError, UnreachableError, ConnectionLostError)
"""Failures after which the same request may succeed.

Every route of the service is a pure function of its request, the POSTs included, so sending
one twice changes nothing but the load. A time-out is not among them: the service may still be
at work on it, and asking again would double that work.
"""


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter that obeys ``Retry-After``.

    The k-th pause is drawn evenly from ``[0, min(longest_s, first_s * 2**k)]``, so that clients
    that were refused together do not come back together. After a ``Retry-After`` the pause
    is that many seconds plus such a draw, never less.

    Args:
        attempts: How often a request is sent at most; 1 switches retries off.
        first_s: Upper end of the first draw.
        longest_s: Upper end of every later draw.
        patience_s: A ``Retry-After`` above this is not waited for: the error is raised at once,
            with the seconds in ``retry_after_s``.
        draw: Gives numbers evenly from [0, 1).

    Examples:
        >>> retry = Retry(first_s=1.0, draw=lambda: 0.5)
        >>> busy = CapacityError("queue full", retry_after_s=3.0)
        >>> [retry.pause_s(busy, sent) for sent in (1, 2, 3, 4)]
        [3.5, 4.0, 5.0, None]

    References:
        M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """

    attempts: int = 4
    first_s: float = 0.5
    longest_s: float = 20.0
    patience_s: float = 60.0
    draw: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    def pause_s(self, error: SaliserveError, sent: int) -> float | None:
        """Say how long to wait before sending again.

        Args:
            error: What the last attempt failed with.
            sent: How often the request has been sent so far, at least 1.

        Returns:
            Seconds; None if it must not be sent again.
        """
        asked_s = error.retry_after_s or 0.0
        if sent >= self.attempts or not isinstance(error, RETRIED) or asked_s > self.patience_s:
            return None
        return asked_s + self.backoff_s(sent)

    def backoff_s(self, sent: int) -> float:
        """Draw the jittered part of a pause."""
        # 2**sent overflows a float near 1024 attempts; the ceiling is reached long before 2**32.
        return self.draw() * min(self.longest_s, self.first_s * 2.0 ** min(sent - 1, 32))
