"""What a prediction waits while somebody's RISE runs, and whether eight explanations at once all progress.

    python -m benchmarks.predict_beside_rise [--model imagenet-efficientnet-lite0]

Idle and beside a RISE of 4,000 masks, in turn in one run; the bound is the idle 95th percentile and two
micro-batches (their 95th percentile, beside which the processor is shared with whatever else the machine does).
"""

import argparse
import time
from concurrent.futures import Future
from functools import partial

from benchmarks.latency import Timed, milliseconds, timed_engine
from benchmarks.photos import photo
from benchmarks.results import Results, Row
from service.arrays import Picture
from service.engine import Engine
from service.request import ExplainOptions, PredictOptions

MASKS = 4000
AT_ONCE = 8
ROUNDS = 5


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="imagenet-efficientnet-lite0")
    parser.add_argument("--predictions", type=int, default=40, help="Per round and situation.")
    parser.add_argument("--masks-at-once", type=int, default=100, help="Of each of the eight explanations.")
    arguments = parser.parse_args()
    with timed_engine(arguments.model) as (engine, timed):
        row = beside(engine, timed, photo("chelsea"), arguments.predictions)
        row |= eight(engine, photo("coffee"), arguments.masks_at_once)
    row = Results().save(f"predict_beside_rise/{arguments.model}", row)
    for key, value in row.items():
        if key != "machine":
            print(f"| {key} | {value} |")


def beside(engine: Engine, timed: Timed, picture: Picture, predictions: int) -> Row:
    """Predict without and with a RISE under way."""
    idle, busy = [], []
    for _ in range(ROUNDS):
        idle += waits(engine, picture, predictions)
        running = engine.explain(picture, rise(MASKS))
        busy += waits(engine, picture, predictions)
        running.cancel()
    bound = milliseconds(idle, 95) + 2 * milliseconds(timed.batch_seconds, 95)
    return {
        "predictions": len(busy),
        "idle_ms_median": milliseconds(idle, 50),
        "idle_ms_p95": milliseconds(idle, 95),
        "beside_ms_median": milliseconds(busy, 50),
        "beside_ms_p95": milliseconds(busy, 95),
        "micro_batch_ms_median": milliseconds(timed.batch_seconds, 50),
        "micro_batch_ms_p95": milliseconds(timed.batch_seconds, 95),
        "bound_ms": round(bound, 2),
        "within_bound": milliseconds(busy, 95) <= bound,
    }


def waits(engine: Engine, picture: Picture, count: int) -> list[float]:
    """Seconds of so many predictions, one after the other."""
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        engine.predict(picture, PredictOptions()).result()
        seconds.append(time.perf_counter() - begin)
    return seconds


def eight(engine: Engine, picture: Picture, masks: int) -> Row:
    """Start eight explanations at once; taking turns they end together, one after the other the first ends early."""
    ends: dict[int, float] = {}
    begin = time.perf_counter()

    def note(number: int, _: "Future[object]") -> None:
        ends[number] = time.perf_counter() - begin

    futures = [engine.explain(picture, rise(masks, seed=number)) for number in range(AT_ONCE)]
    for number, future in enumerate(futures):
        future.add_done_callback(partial(note, number))
    for future in futures:
        future.result()
    return {
        "at_once": AT_ONCE,
        "at_once_masks": masks,
        "first_ends_at_share_of_last": round(min(ends.values()) / max(ends.values()), 3),
    }


def rise(masks: int, *, seed: int = 0) -> ExplainOptions:
    """All masks, whatever they say."""
    return ExplainOptions(
        method="rise", parameters={"masks": masks, "agreement": None}, receipt="none", seed=seed
    )


if __name__ == "__main__":
    main()
