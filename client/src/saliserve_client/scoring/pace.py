"""How many requests may be in flight at a time, learned from the service's refusals."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Pace:
    """Additive increase, multiplicative decrease, as TCP shares a line.

    Each accepted request raises the limit by ``1 / limit``, so a full round of them raises it by
    one; a refusal halves it. Requests of one round are refused together, so further
    refusals before ``settle_s`` has passed count as the same one.

    Args:
        most: Upper end of the limit.
        limit: Requests that may be in flight; its whole part counts.
        settle_s: Seconds for which one halving lasts.

    Examples:
        >>> pace = Pace(most=8, limit=4.0)
        >>> pace.refused(now_s=0.0, pause_s=2.0)
        >>> pace.allowed, pace.closed_s(now_s=0.5)
        (2, 1.5)
        >>> for _ in range(2):
        ...     pace.accepted()
        >>> pace.allowed
        2
        >>> pace.accepted()
        >>> pace.allowed
        3

    References:
        Jacobson, Karels. "Congestion Avoidance and Control", SIGCOMM 1988, section 3.
    """

    most: int
    limit: float = 2.0
    settle_s: float = 1.0
    _opens_s: float = field(default=float("-inf"), repr=False)
    _settled_s: float = field(default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        """Keep the first limit within its bounds."""
        self.limit = min(float(self.most), max(1.0, self.limit))

    @property
    def allowed(self) -> int:
        """Requests that may be in flight now; at least 1."""
        return int(self.limit)

    def accepted(self) -> None:
        """Note an answer."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def refused(self, *, now_s: float, pause_s: float) -> None:
        """Note a refusal; nothing new may start for *pause_s*."""
        self._opens_s = max(self._opens_s, now_s + pause_s)
        if now_s >= self._settled_s:
            self.limit = max(1.0, self.limit / 2)
            self._settled_s = self._opens_s + self.settle_s

    def closed_s(self, *, now_s: float) -> float:
        """Seconds until something new may start; 0 if it may now."""
        return max(0.0, self._opens_s - now_s)
