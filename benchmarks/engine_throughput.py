"""Images per second of the whole engine beside a bare loop of ``session.run``.

    python -m benchmarks.engine_throughput [--models resnet18 imagenet-efficientnet-lite0]

The engine makes a RISE map: it draws masks, covers the image with each, classifies, reduces, and reckons map and
standard error, through the scheduler. The bare loop only classifies random images, in batches of every size; the one
that turns out fastest counts. Same graph, same threads, in turn. On a machine that does other work too, ``--measure processor`` with
one thread says the same by processor time.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from onnxruntime import InferenceSession

from benchmarks.interleave import interleave
from benchmarks.models import MODELS, load_model
from benchmarks.networks import resnet18
from benchmarks.photos import photo
from benchmarks.results import Results, Row
from service.bundle.manifest import CLASSIFY, WEIGHTS
from service.engine import Engine
from service.request import ExplainOptions
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction

NAMES = ("resnet18", "imagenet-efficientnet-lite0")
SIZES = (1, 2, 4, 8, 16)
GOAL = 0.9
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    """Measure every model, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=NAMES)
    parser.add_argument("--images", type=int, default=160, help="Of one explanation.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    results = Results()
    rows = []
    for name in arguments.models:
        key = f"engine_throughput/{name}"
        if key not in results:
            results.save(key, measured(name, arguments))
        rows.append(results[key])
    print(table(rows))


def measured(name: str, arguments: argparse.Namespace) -> Row:
    """Measure one model."""
    images, threads, clock = arguments.images, arguments.threads, CLOCKS[arguments.measure]
    with tempfile.TemporaryDirectory() as folder:
        if name == "resnet18":
            model, place = resnet18(Path(folder), threads=threads), Path(folder)
        else:
            model, place = load_model(name, threads=threads), MODELS / name / "1"
        session = bare_session(model, place)
    options = ExplainOptions(
        method="rise", parameters={"masks": images, "agreement": None}, receipt="none", target=0
    )
    store = SimpleNamespace(get=lambda _name=None, _version=None: model)
    with Engine(store) as engine:  # type: ignore[arg-type]  # the one model is all that it asks for
        picture = photo("chelsea")
        loops = {str(size): bare_loop(session, model, images, size) for size in SIZES}
        times = interleave(
            {**loops, "engine": lambda: engine.explain(picture, options).result()},
            rounds=arguments.rounds,
            clock=clock,
        )
    best = min(loops, key=lambda size: times[size].median)
    pairs = zip(times[best].seconds, times["engine"].seconds, strict=True)
    # The engine also classifies the image itself.
    ratios = [bare / images / (whole / (images + 1)) for bare, whole in pairs]
    return {
        "images": images,
        "threads": threads,
        "measure": arguments.measure,
        "bare_batch": int(best),
        "engine_micro_batch": model.micro_batch(Direction.FORWARD),
        "bare_images_per_second": images / times[best].median,
        "engine_images_per_second": (images + 1) / times["engine"].median,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def bare_session(model: LoadedModel, folder: Path) -> InferenceSession:
    """Open the model's graph with the very options of the service."""
    weights = folder / WEIGHTS
    return model.device.session(
        (folder / CLASSIFY).read_bytes(), weights=weights.read_bytes() if weights.exists() else b""
    )


def bare_loop(session: InferenceSession, model: LoadedModel, images: int, size: int) -> Callable[[], None]:
    """Make the loop that does nothing but classify."""
    batch = np.random.default_rng(0).random((size, 3, model.height, model.width), np.float32)

    def loop() -> None:
        for _ in range(images // size):
            session.run(None, {"image": batch})

    return loop


def table(rows: list[Row]) -> str:
    """A line per model."""
    lines = [
        "| model | bare loop, images/s (batch) | engine, images/s (micro-batch) | engine / bare |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['name'].rpartition('/')[2]} | {row['bare_images_per_second']:.1f} ({row['bare_batch']}) "
        f"| {row['engine_images_per_second']:.1f} ({row['engine_micro_batch']}) "
        f"| {row['ratio']:.3f}{'' if row['ratio'] >= GOAL else ' (below 0.9)'} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
