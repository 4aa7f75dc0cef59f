"""The decoders answer or refuse, whatever they are given; the script sends a hundred thousand files."""

import numpy as np
import pytest

from scripts.fuzz_decoders import fuzz, mutated, seeds


@pytest.mark.filterwarnings("ignore")  # Pillow's, about files that are broken on purpose
def test_broken_files_are_read_or_refused() -> None:
    """Both happen: a fuzzer whose files never get past the signature tests nothing."""
    report = fuzz(2_000, seed=20)

    assert report.faults == []
    assert sum(report.outcomes.values()) == 2_000
    assert {"read", "corrupt_image", "invalid_map", "unsupported_image_format"} <= report.outcomes.keys()


def test_every_seed_is_a_whole_file() -> None:
    for read, whole in seeds().values():
        read(whole)


def test_the_same_seed_breaks_files_the_same_way() -> None:
    """So that a fault can be had again."""
    whole = bytes(range(256))
    once, again = (mutated(np.random.default_rng(3), whole, whole) for _ in range(2))
    assert once == again != whole
