"""Throw broken files at the decoders of pictures and maps: nothing may come out but an answer or a refusal.

    python -m scripts.fuzz_decoders --inputs 100000 --seed 1

Files of every accepted format are cut, spliced, overwritten and have their length fields changed. A refusal is one
of ``service.errors``; any other exception, and anything that takes longer than the decoder's own limit, is a fault.
"""

import argparse
import io
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import psutil

from service.errors import SaliserveError
from service.imaging.decode import FORMATS, ImageLimits, decode
from service.imaging.map_file import read_map

LIMITS = ImageLimits(max_pixels=1_000_000, max_side=4_000, max_decode_ms=2_000)
LONGEST_S = 4.0
"""Twice the decoder's limit: it looks at the clock between reads."""

_EXTREMES = np.array([0, 1, 0x7F, 0x80, 0xFF], np.uint8)


@dataclass
class Report:
    """What came of it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def seeds() -> dict[str, tuple[Callable[[bytes], object], bytes]]:
    """Make a valid file of each kind, with what reads it."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    found: dict[str, tuple[Callable[[bytes], object], bytes]] = {}
    for name in FORMATS:
        for mode in ("RGB", "L") if name == "JPEG" else ("RGB", "L", "P"):
            buffer = io.BytesIO()
            PIL.Image.fromarray(pixels).convert(mode).save(buffer, name)
            found[f"{name} {mode}"] = (_picture, buffer.getvalue())
    buffer = io.BytesIO()
    turned = PIL.Image.Exif()
    turned[0x0112] = 6  # the orientation
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", progressive=True, exif=turned)
    found["JPEG progressive"] = (_picture, buffer.getvalue())
    grey = random.integers(0, 2**16, (9, 7)).astype(np.uint16)
    buffer = io.BytesIO()
    PIL.Image.fromarray(grey).save(buffer, "PNG")
    found["map png16"] = (read_map, buffer.getvalue())
    for dtype in ("<f4", ">f8", "<i2", "<f2", "?"):
        buffer = io.BytesIO()
        np.save(buffer, grey.astype(dtype))
        found[f"map npy {dtype}"] = (read_map, buffer.getvalue())
    return found


def fuzz(inputs: int, *, seed: int, tell: Callable[[int], object] = lambda _: None) -> Report:
    """Read *inputs* broken files.

    Args:
        inputs: How many.
        seed: Of the mutations.
        tell: Told of the number of each that is read.
    """
    random, kinds, report = np.random.default_rng(seed), list(seeds().items()), Report()
    for number in range(inputs):
        kind, (read, whole) = kinds[number % len(kinds)]
        broken = mutated(random, whole, kinds[int(random.integers(len(kinds)))][1][1])
        begin_s = time.monotonic()
        try:
            read(broken)
            report.outcomes["read"] += 1
        except SaliserveError as error:
            report.outcomes[error.code] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault to be reported
            report.faults.append(f"{kind}, input {number}: {error!r:.300}")
        seconds = time.monotonic() - begin_s
        report.slowest_s = max(report.slowest_s, seconds)
        if seconds > LONGEST_S:
            report.faults.append(f"{kind}, input {number}: {seconds:.1f} s")
        tell(number)
    return report


def mutated(random: np.random.Generator, whole: bytes, other: bytes) -> bytes:
    """Break a file in up to four ways."""
    data = np.frombuffer(whole, np.uint8).copy()
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(len(data))) if len(data) else 0
        # Headers are where the lengths are.
        at = at if random.random() < 0.5 else min(at, int(random.integers(64)))  # noqa: PLR2004 - as often as not
        match int(random.integers(6)):
            case 0:
                data = data[:at]
            case 1:
                data[at : at + 1] ^= np.uint8(1 << int(random.integers(8)))
            case 2:
                count = min(int(random.integers(1, 9)), len(data) - at)
                data[at : at + count] = random.choice(_EXTREMES, count)
            case 3:
                data = np.concatenate([data[:at], data[at + int(random.integers(1, 16)) :]])
            case 4:
                data = np.concatenate([data[:at], data[at : at + int(random.integers(1, 64))], data[at:]])
            case _:
                data = np.concatenate([data[:at], np.frombuffer(other, np.uint8)[at:]])
    return data.tobytes()


def _picture(data: bytes) -> object:
    return decode(data, LIMITS)


def main() -> None:
    """Print what came of it; end with 1 if there was a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default: %(default)s)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, about files that are broken on purpose
    process, resident = psutil.Process(), list[float]()

    def tell(number: int) -> None:
        if number % (arguments.inputs // 10 or 1) == 0:
            resident.append(round(process.memory_info().rss / 1e6, 1))
            print(f"{number} inputs, {resident[-1]} MB resident", flush=True)

    report = fuzz(arguments.inputs, seed=arguments.seed, tell=tell)
    print(f"{arguments.inputs} inputs: {dict(report.outcomes.most_common())}")
    print(f"slowest {report.slowest_s:.3f} s; resident MB {resident}; {len(report.faults)} faults")
    for fault in report.faults[:20]:
        print(fault)
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()
