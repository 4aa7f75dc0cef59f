"""Independent streams of random numbers, one per purpose, all from the request's seed."""

import zlib

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """Start the stream of random numbers of one purpose.

    The same seed and purpose always give the same numbers. Different purposes give unrelated
    numbers, also unrelated to ``default_rng(seed)``, from which a caller may have made the map.

    Args:
        seed: Of the request; not negative.
        purpose: What the numbers are for.

    Examples:
        >>> int(stream(0, "ties").integers(1000)) == int(stream(0, "ties").integers(1000))
        True
        >>> int(stream(0, "ties").integers(1000)) == int(stream(0, "orders").integers(1000))
        False
    """
    key = zlib.crc32("/".join(map(str, purpose)).encode())
    return np.random.default_rng([key, seed])
