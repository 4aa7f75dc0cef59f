"""Random numbers as a function of seed and purpose, so that nothing about them has to be saved.

A run that is resumed at step 1000 draws what the uninterrupted run drew at step 1000. Evaluation has
purposes of its own and cannot change what training draws.
"""

import zlib

import torch


def seed_of(seed: int, *purpose: str | int) -> int:
    """Derive the seed of one purpose.

    Args:
        seed: Of the run; not negative.
        purpose: What the numbers are for, such as ``"attack", step``.

    Examples:
        >>> seed_of(0, "attack", 7) == seed_of(0, "attack", 7)
        True
        >>> seed_of(0, "attack", 7) == seed_of(0, "attack", 8)
        False
    """
    text = "/".join(map(str, (seed, *purpose))).encode()
    return (zlib.crc32(text) << 31) ^ zlib.adler32(text)


def stream(device: torch.device, seed: int, *purpose: str | int) -> torch.Generator:
    """Start the stream of random numbers of one purpose on a device."""
    return torch.Generator(device).manual_seed(seed_of(seed, *purpose))
