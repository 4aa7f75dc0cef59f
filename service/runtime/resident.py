"""How much memory the process holds."""

import psutil


def resident_bytes() -> int:
    """Ask the operating system for the resident set of this process; the memory of a GPU is not in it.

    Examples:
        >>> resident_bytes() > 1_000_000
        True
    """
    resident: int = psutil.Process().memory_info().rss
    return resident
