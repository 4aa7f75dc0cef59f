"""How late answers are that a deadline cuts short: 300 ms, a hundred times, four callers at once.

    python -m benchmarks.deadline [--model imagenet-efficientnet-lite0]

Every caller asks for 20,000 masks, so that no answer is ever finished. Whoever is refused, because behind the others
not even the fewest masks would be done in time, asks again a moment later. Counted in micro-batches as they took in
the same run: one is what may be on the device when the time is up. On a machine with other work to do, lateness includes the
time for which the process did not have the processor.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.latency import Timed, milliseconds, timed_engine
from benchmarks.photos import photo
from benchmarks.results import Results, Row
from service.engine import Engine
from service.errors import BudgetError, OverloadedError
from service.request import ExplainOptions

DEADLINE_S = 0.3
CALLERS = 4
PAUSE_S = 0.05
PATIENCE_S = 30.0
OPTIONS = ExplainOptions(
    method="rise",
    parameters={"masks": 20_000, "agreement": None},
    receipt="none",
    deadline_ms=1e3 * DEADLINE_S,
)


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="imagenet-efficientnet-lite0")
    parser.add_argument("--requests", type=int, default=100)
    arguments = parser.parse_args()
    with timed_engine(arguments.model) as (engine, timed):
        row = measured(engine, timed, arguments.requests)
    row = Results().save(f"deadline/{arguments.model}", row)
    print("| " + " | ".join(key for key in row if key not in {"machine", "name", "date"}) + " |")
    print("| " + " | ".join(str(row[key]) for key in row if key not in {"machine", "name", "date"}) + " |")


def measured(engine: Engine, timed: Timed, requests: int) -> Row:
    """Send all requests from the callers, each its next when it has its answer."""
    picture = photo("chelsea")

    refused = 0

    def ask(number: int) -> float | None:
        nonlocal refused
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            begin = time.perf_counter()
            try:
                engine.explain(picture, OPTIONS).result()
            except (BudgetError, OverloadedError):
                refused += number > 0
                time.sleep(PAUSE_S)
            else:
                return time.perf_counter() - begin - DEADLINE_S
        return None

    ask(0)
    timed.batch_seconds.clear()
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(ask, range(1, requests + 1)))
    late = [seconds for seconds in answers if seconds is not None]
    if not late:
        raise SystemExit("no request was answered: this machine is too busy to begin one within 300 ms")
    micro_batch_s = float(np.median(timed.batch_seconds))
    return {
        "requests": requests,
        "answered": len(late),
        "refused_before": refused,
        "micro_batch_ms": round(1e3 * micro_batch_s, 2),
        "late_ms_median": milliseconds(late, 50),
        "late_ms_p95": milliseconds(late, 95),
        "late_ms_most": milliseconds(late, 100),
        "late_micro_batches_median": round(float(np.median(late)) / micro_batch_s, 2),
        "late_micro_batches_p95": round(float(np.percentile(late, 95)) / micro_batch_s, 2),
    }


if __name__ == "__main__":
    main()
