"""What progress looks like on a line of text."""

from __future__ import annotations

WIDTH = 20


def bar(share: float) -> str:
    """Draw a share from 0 to 1.

    Examples:
        >>> bar(0.25)
        '█████░░░░░░░░░░░░░░░'
    """
    full = int(min(1.0, max(0.0, share)) * WIDTH)
    return "█" * full + "░" * (WIDTH - full)


def duration(seconds: float) -> str:
    """Show a time span.

    Examples:
        >>> duration(75), duration(3 * 3600 + 62)
        ('1:15', '3:01:02')
    """
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
