"""What the service adds to its forward passes: ``/v1/explain`` over HTTP against the bare model, in turn.

    python -m benchmarks.overhead [--models resnet18 ...]

The answer includes reading the upload, decoding the JPEG, resizing, making the perturbed images, reducing,
painting and encoding the overlay (a JPEG) and the map, and writing JSON. Where others use the machine too, ``--measure
processor`` compares what the server's processes and the bare model take of the processor, with one thread.
"""

import argparse
import http.client
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np

from benchmarks.__main__ import MODELS, prepare
from benchmarks.interleave import Times, interleave
from benchmarks.machine import processor_seconds, resident_bytes
from benchmarks.peers.case import WINDOW
from benchmarks.peers.saliserve import loaded
from benchmarks.prepare import PHOTO, SIDE
from benchmarks.results import FOLDER, Results, Row
from benchmarks.server import Server, free_port, serving
from service.explain.occlusion import sliding_windows
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, MicroBatch


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the passes that answering it takes.

    Args:
        options: Of the request.
        passes: By direction.
        bar: As a table has it.
        requests: In a row, per round; a short one alone is below the resolution of the processor's clock.
    """

    options: Mapping[str, object]
    passes: Mapping[Direction, int]
    bar: str
    requests: int = 1


def questions(windows: int, stride: int, masks: int) -> dict[str, Question]:
    """Every request that has a bar."""
    one, forward = Direction.FORWARD, "at most 1.15 times the passes"
    added = "at most the passes and 15 ms"
    return {
        "gradient": Question({"method": "gradient"}, {one: 1, Direction.GRADIENT: 1}, added, requests=5),
        "grad_cam": Question({"method": "grad_cam"}, {one: 1, Direction.FEATURES: 1}, added, requests=5),
        "occlusion": Question(
            {"method": "occlusion", "stride": stride}, {one: 2, Direction.INCREMENTAL: windows}, forward
        ),
        # An agreement that no map reaches: all masks are used.
        "rise": Question(
            {"method": "rise", "masks": masks, "agreement": 0.999999}, {one: 1 + masks}, forward
        ),
    }


def of_model(model: LoadedModel, question: Question) -> Question:
    """Count whole passes where a model gains nothing by computing windows anew."""
    passes = dict(question.passes)
    if Direction.INCREMENTAL in passes and model.incremental is None:
        passes[Direction.FORWARD] += passes.pop(Direction.INCREMENTAL)
    return replace(question, passes=passes)


def main() -> None:
    """Measure every model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stride", type=int, default=16)
    parser.add_argument("--masks", type=int, default=200)
    parser.add_argument("--measure", choices=("wall", "processor"), default="wall")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    results = Results(given.out)
    for name in given.models:
        if f"overhead/{name}" in results:
            continue
        prepare(name, given.out / "models" / name)
        asked = questions(len(sliding_windows(SIDE, SIDE, WINDOW, given.stride)), given.stride, given.masks)
        row = compare(
            given.out / "models" / name,
            given.out,
            asked,
            rounds=given.rounds,
            threads=given.threads,
            measure=given.measure,
        )
        results.save(f"overhead/{name}", {"model": name, **row})


def compare(
    folder: Path, out: Path, asked: Mapping[str, Question], *, rounds: int, threads: int, measure: str
) -> Row:
    """Serve one model and ask it everything, the bare model in turn."""
    model = loaded(folder, threads)
    photo = PHOTO.read_bytes()
    works = []
    asked = {work: of_model(model, question) for work, question in asked.items()}
    with serve(folder, out, threads) as server:
        for work, question in asked.items():
            runs = {
                "http": repeated(asking(server.url, question.options, photo), question.requests),
                "passes": repeated(passing(model, question.passes), question.requests),
            }
            clocks: dict[str, Callable[[], float]] = {
                "http": partial(processor_seconds, server.process),
                "passes": time.process_time,
            }
            times = interleave(runs, rounds=rounds) if measure == "wall" else _processor(runs, clocks, rounds)
            http_s, passes_s = (times[name].median / question.requests for name in ("http", "passes"))
            works.append(
                {
                    "work": work,
                    "bar": question.bar,
                    "passes": {str(direction): count for direction, count in question.passes.items()},
                    "http_s": http_s,
                    "http_spread": times["http"].spread,
                    "passes_s": passes_s,
                    "passes_spread": times["passes"].spread,
                    "ratio": http_s / passes_s,
                    "added_ms": 1e3 * (http_s - passes_s),
                }
            )
            print(
                folder.name, work, f"{works[-1]['ratio']:.2f}", f"{works[-1]['added_ms']:.1f} ms", flush=True
            )
        return {
            "works": works,
            "measure": measure,
            "threads": threads,
            "start_s": server.start_s,
            "resident_bytes": resident_bytes(server.process),
        }


def repeated(run: Callable[[], object], times: int) -> Callable[[], None]:
    """Run something several times in a row."""

    def run_all() -> None:
        for _ in range(times):
            run()

    return run_all


def _processor(
    runs: Mapping[str, Callable[[], object]], clocks: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, Times]:
    """Like interleave(), each contender by the clock of its own processes."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            begin = clocks[name]()
            run()
            seconds[name].append(clocks[name]() - begin)
    return {name: Times(tuple(values[1:])) for name, values in seconds.items()}


def serve(folder: Path, out: Path, threads: int) -> AbstractContextManager[Server]:
    """Serve one model, as ``make serve`` does."""
    port = free_port()
    home = out / "bentoml" / str(port)
    home.mkdir(parents=True)
    return serving(
        [sys.executable, "-m", "service", "--port", str(port)],
        port=port,
        ready="/readyz",
        log=out / "logs" / "service.log",
        environment={
            "SALISERVE_MODELS": str(folder / "bundles"),
            "SALISERVE_PROVIDER": "cpu",
            "SALISERVE_THREADS": str(threads),
            "SALISERVE_DEFAULT_DEADLINE_MS": "120000",
            "BENTOML_HOME": str(home),
        },
    )


def asking(url: str, options: Mapping[str, object], photo: bytes) -> Callable[[], bytes]:
    """Send one request over a connection of its own: an idle one would have been closed meanwhile."""
    form = {"receipt": "none", "overlay": "true", "overlay_encoding": "jpeg"}
    path = f"/v1/explain?{urlencode({**options, **form})}"

    def run() -> bytes:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
        connection.request("POST", path, photo, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"error: {path} answered {answer.status}: {body[:500]!r}")
        return body

    return run


def passing(model: LoadedModel, passes: Mapping[Direction, int]) -> Callable[[], None]:
    """Run the passes and nothing else, in the model's own micro-batches."""
    batches = [batch for direction, count in passes.items() for batch in _batches(model, direction, count)]

    def run() -> None:
        for batch in batches:
            model.run(batch)

    return run


def _batches(model: LoadedModel, direction: Direction, count: int) -> list[MicroBatch]:
    size = model.micro_batch(direction)
    sizes = [size] * (count // size) + ([count % size] if count % size else [])
    if direction is Direction.INCREMENTAL and model.incremental is not None:
        return [MicroBatch(model.incremental.sample(n), n, direction) for n in sizes]
    images = {
        n: model.device.upload(np.full((n, 3, model.height, model.width), 0.5, np.float32))
        for n in set(sizes)
    }
    classes = len(model.classes)
    return [
        MicroBatch(
            images[n],
            n,
            direction,
            None if direction is Direction.FORWARD else np.eye(1, classes, dtype=np.float32).repeat(n, 0),
        )
        for n in sizes
    ]


if __name__ == "__main__":
    main()
