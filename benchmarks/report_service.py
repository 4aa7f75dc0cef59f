"""The page's sections on our own service: engine, HTTP, overhead, the processor's peak."""

from collections.abc import Iterator, Sequence

from benchmarks.results import Results, Row
from benchmarks.table import table

_LEAST_SHARE = 0.9


def engine(results: Results) -> Iterator[str]:
    """Write what scheduler and client leave of the bare model's pace, and how waits and deadlines are kept."""
    lines = [
        *map(_throughput, results.under("engine_throughput")),
        *map(_client, results.under("client_throughput")),
        *map(_beside, results.under("predict_beside_rise")),
        *map(_deadline, results.under("deadline")),
        *map(_memory, results.under("rise_memory")),
    ]
    if not lines:
        return
    yield "## The engine and the client"
    yield ""
    yield "Each line by the program of its name: `python -m benchmarks.engine_throughput` and so on."
    yield ""
    yield from table(("program", "what", "found", "bar", "", "load"), lines)


def _line(row: Row, what: str, found: str, bar: str, *, kept: bool) -> tuple[str, ...]:
    """Write a line; a row's name begins with its program's."""
    program = row["name"].partition("/")[0]
    return program, what, found, bar, "met" if kept else "**missed**", f"{row['load']:g}"


def _throughput(row: Row) -> tuple[str, ...]:
    return _line(
        row,
        (
            f"{row['name'].rpartition('/')[2]}: images per second of RISE over those of the bare `session.run` loop with "
            f"its best batch, {row['threads']} thread{'s' * (row['threads'] > 1)}"
        ),
        f"{row['engine_images_per_second']:.0f} / {row['bare_images_per_second']:.0f} = {row['ratio']:.2f}",
        f"{_LEAST_SHARE:g}",
        kept=row["ratio"] >= _LEAST_SHARE,
    )


def _client(row: Row) -> tuple[str, ...]:
    rates = row["images_per_s"]
    left = "the service has both cores" if row["threads"] > 1 else "a core is left to the client"
    return _line(
        row,
        (
            f"{row['name'].partition('/')[2].rpartition(', ')[0]}: images per second of `saliserve score` over those of "
            f"the engine in process; {left}"
        ),
        f"{rates['client']:.0f} / {rates['in process']:.0f} = {row['wall']:.2f}",
        f"{_LEAST_SHARE:g}",
        kept=row["wall"] >= _LEAST_SHARE,
    )


def _beside(row: Row) -> tuple[str, ...]:
    return _line(
        row,
        (
            f"p95 of predictions beside a RISE of 4,000 masks, ms; {row['at_once']} explanations at once end within "
            f"{1 - row['first_ends_at_share_of_last']:.1%} of each other"
        ),
        f"{row['beside_ms_p95']:g}",
        f"{row['bound_ms']:g} (idle p95 {row['idle_ms_p95']:g} and two micro-batches)",
        kept=row["within_bound"],
    )


def _deadline(row: Row) -> tuple[str, ...]:
    return _line(
        row,
        (
            f"{row['answered']} answers to four callers with 300 ms: how late, in micro-batches of "
            f"{row['micro_batch_ms']:g} ms; median, p95, latest"
        ),
        (
            f"{row['late_micro_batches_median']:g}, {row['late_micro_batches_p95']:g}, "
            f"{row['late_ms_most'] / row['micro_batch_ms']:.2f}"
        ),
        "1",
        kept=row["late_ms_most"] <= row["micro_batch_ms"],
    )


def _memory(row: Row) -> tuple[str, ...]:
    return _line(
        row,
        "peak memory of RISE with 10,000 masks beyond that with 100, MB",
        f"{row['more_megabytes']:.0f}",
        "100",
        kept=row["more_megabytes"] <= 100,
    )


def http(rows: Sequence[Row]) -> Iterator[str]:
    """Write the service beside the obvious alternative."""
    if not rows:
        return
    yield "## Over HTTP"
    yield ""
    yield "The service beside Captum behind FastAPI (one worker, its thread pool, a lock around the hooks). Wall-clock"
    yield "rates under the load stated, servers in turn; processor time is what one request takes of the processor."
    yield ""
    yield from table(
        (
            "model",
            "work",
            "clients",
            "server",
            "requests per second",
            "median latency, s",
            "processor, ms",
            "memory, MiB",
            "load",
        ),
        [
            (
                row["model"],
                row["work"],
                str(load["clients"]),
                server["name"],
                f"{server['per_second']:.2f}",
                f"{server['latency_s'][len(server['latency_s']) // 2]:.2f}",
                f"{1e3 * server['processor_s']:.0f}",
                f"{server['resident_bytes'] / 2**20:.0f}",
                f"{row['load']:g}",
            )
            for row in rows
            for load in row["loads"]
            for server in load["servers"]
        ],
    )


def overhead(rows: Sequence[Row]) -> Iterator[str]:
    """Write what a request adds to its passes."""
    if not rows:
        return
    yield "## What the service adds to its passes"
    yield ""
    yield "`/v1/explain` with the overlay, a JPEG, from the socket to the socket, against the same passes by the bare model."
    yield "The bar of 1.15 is meant for 169 windows and 1000 masks; what is spent once per request, the overlay most of"
    yield "all, weighs more where fewer passes are measured, as the third column says."
    yield ""
    yield from table(
        ("model", "work", "passes", "request, ms", "passes, ms", "ratio", "added, ms", "bar", ""),
        [
            (
                row["model"],
                work["work"],
                " + ".join(f"{count} {direction}" for direction, count in work["passes"].items()),
                f"{1e3 * work['http_s']:.1f}",
                f"{1e3 * work['passes_s']:.1f}",
                f"{work['ratio']:.2f}",
                f"{work['added_ms']:.1f}",
                work["bar"],
                _kept(work),
            )
            for row in rows
            for work in row["works"]
        ],
    )
    for row in rows:
        yield (
            f"- {row['model']}: ready {row['start_s']:.1f} s after the command (load {row['load']:g}), "
            f"{row['resident_bytes'] / 2**20:.0f} MiB resident after the requests"
        )
    yield ""


def _kept(work: Row) -> str:
    kept = work["ratio"] <= 1.15 if "times" in work["bar"] else work["added_ms"] <= 15
    return "met" if kept else "**missed**"


def limit(rows: Sequence[Row]) -> Iterator[str]:
    """Write how close passes come to what the processor can do."""
    if not rows:
        return
    yield "## Against the processor's peak"
    yield ""
    yield from table(
        (
            "model",
            "GFLOP",
            "forward, ms per image",
            "GFLOP/s",
            "peak of a matrix product, GFLOP/s",
            "share",
            "gradient / forward",
            "features / forward",
        ),
        [
            (
                row["model"],
                f"{row['gflop']:.2f}",
                f"{1e3 * min(row['forward_s'].values()):.1f}",
                f"{row['gflop_per_s']:.0f}",
                f"{row['peak_gflop_per_s']:.0f}",
                f"{row['gflop_per_s'] / row['peak_gflop_per_s']:.0%}",
                _over(row, "gradient_s"),
                _over(row, "features_s"),
            )
            for row in rows
        ],
    )


def _over(row: Row, name: str) -> str:
    return "" if row[name] is None else f"{row[name] / row['forward_s']['1']:.2f}"
