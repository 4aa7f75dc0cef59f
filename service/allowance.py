"""How much each API key may use: a token bucket of forward passes.

A request pays one forward pass at the door and the rest when it is over and its cost is known, so a bucket may go
into debt; the next request then waits until that is paid off. Who hangs up before the answer, or gets none by the
deadline, pays for what was run until then. The state is this process's own: several workers or instances allow so
much each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import RateLimitedError


@dataclass(slots=True)
class _Bucket:
    forwards: float
    at_s: float


class Allowance:
    """The buckets of all keys.

    Args:
        forwards_per_s: What flows into each, in forward passes.
        burst_forwards: What each can hold, and holds at first.
        clock: Seconds that never go back.

    Examples:
        >>> allowance = Allowance(forwards_per_s=10, burst_forwards=100, clock=lambda: 0.0)
        >>> allowance.enter("ward-7")
        >>> allowance.spend("ward-7", 120)
        >>> allowance.enter("ward-7")
        Traceback (most recent call last):
        service.errors.RateLimitedError: this key has used up its share: ...
    """

    def __init__(
        self, *, forwards_per_s: float, burst_forwards: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forwards_per_s = forwards_per_s
        self._burst_forwards = burst_forwards
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def enter(self, name: str) -> None:
        """Let a request of a key in, for one forward pass.

        Raises:
            RateLimitedError: There is not one left; it says when there will be.
        """
        bucket = self._filled(name)
        if bucket.forwards < 1:
            raise RateLimitedError(
                f"this key has used up its share: {self._forwards_per_s:g} forward passes a second and "
                f"{self._burst_forwards:g} at once. Retry later, or ask for less.",
                retry_after_s=(1 - bucket.forwards) / self._forwards_per_s,
            )
        bucket.forwards -= 1

    def spend(self, name: str, forwards: float) -> None:
        """Charge a key for a request that is over, less what was paid at the door."""
        self._filled(name).forwards -= max(0.0, forwards - 1)

    def _filled(self, name: str) -> _Bucket:
        now_s = self._clock()
        bucket = self._buckets.setdefault(name, _Bucket(self._burst_forwards, now_s))
        bucket.forwards = min(
            self._burst_forwards, bucket.forwards + (now_s - bucket.at_s) * self._forwards_per_s
        )
        bucket.at_s = now_s
        return bucket
