"""How the passes of a model grow with the side of its images.

    python -m benchmarks.image_sizes [--models resnet18 ...] [--sides 112 224 448]

One image at a time but for the windows that are computed anew, which go in the model's own micro-batches.
"""

import argparse
from collections.abc import Callable

from benchmarks.__main__ import prepare
from benchmarks.interleave import interleave
from benchmarks.limit import passing
from benchmarks.peers.saliserve import loaded
from benchmarks.results import Results, Row
from service.runtime.plan import Direction

MODELS = ("resnet18", "mobilenet_v3_large")
SIDES = (112, 160, 224, 320, 448)


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    results = Results()
    for name in given.models:
        if f"image_sizes/{name}" in results:
            continue
        found = [measured(results, name, side, given.threads, given.rounds) for side in given.sides]
        results.save(f"image_sizes/{name}", {"model": name, "sides": found, "threads": given.threads})


def measured(results: Results, name: str, side: int, threads: int, rounds: int) -> Row:
    """Time the passes for images of one side, in turn; milliseconds per image."""
    folder = results.folder / "models" / f"{name}-{side}"
    prepare(name, folder, side=side)
    model = loaded(folder, threads)
    sizes = dict.fromkeys(model.directions, 1)
    if Direction.INCREMENTAL in sizes:
        sizes[Direction.INCREMENTAL] = model.micro_batch(Direction.INCREMENTAL)
    runs: dict[str, Callable[[], object]] = {
        str(direction): passing(model, direction, size) for direction, size in sorted(sizes.items())
    }
    times = interleave(runs, rounds=rounds)
    found = {str(one): 1e3 * times[str(one)].median / size for one, size in sizes.items()}
    print(name, side, {what: round(took, 2) for what, took in found.items()}, flush=True)
    return {"side": side, "ms": found}


if __name__ == "__main__":
    main()
