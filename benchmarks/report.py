"""``python -m benchmarks.report``: finished rows -> docs/benchmarks.md and its plots."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bars import OURS, findings, medians, slower
from benchmarks.contender import ROOT
from benchmarks.plots import concurrency_plot, ratio_plot, scaling_plot
from benchmarks.results import FOLDER, Results, Row

PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
NOTES = Path(__file__).with_name("notes.md")
"""What no measurement can write: the reading of the profile."""

WORKS = {
    "gradient": "Gradient of the logit",
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "Integrated gradients ({steps} steps)",
    "smooth_grad": "SmoothGrad ({samples} samples)",
    "occlusion": "Occlusion (window 32, stride {stride})",
    "rise": "RISE ({masks} masks)",
    "deletion_insertion": "Deletion and insertion ({intervals} intervals)",
    "road": "ROAD (20, 40, 60, 80 %, both orders)",
    "receipt": "The receipt, and the metrics nearest to it",
}


def main() -> None:
    """Write the page from what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    results = Results(given.out)
    rows = [row for row in results.under("peers") if row["work"] in WORKS]
    ratio_plot(rows, IMAGES / "benchmarks-ratios.svg")
    pictures = [
        path
        for path, plot, folder in (
            (IMAGES / "benchmarks-masks.svg", scaling_plot, "limit"),
            (IMAGES / "benchmarks-clients.svg", concurrency_plot, "http"),
        )
        if (found := list(results.under(folder))) and plot(found, path)
    ]
    PAGE.write_text("\n".join(_page(results, rows, pictures)) + "\n", encoding="utf-8")
    print(PAGE)


def _page(results: Results, rows: Sequence[Row], pictures: Sequence[Path]) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Written by `python -m benchmarks.report` from the rows that `make bench` measures; not edited by hand."
    yield ""
    yield from _circumstances(rows)
    yield "## The bars"
    yield ""
    yield "Their time over ours; larger is better for us."
    yield ""
    yield from _table(
        ("work", "model", "against", "demanded", "found", ""),
        [
            (
                finding.bar.work,
                finding.bar.model,
                finding.bar.rival,
                f"{finding.bar.least:g}",
                "" if finding.found is None else f"{finding.found:.2f}",
                finding.outcome,
            )
            for finding in findings(results)
        ],
    )
    yield from _slower(results)
    yield "![How many times our time the others take](images/benchmarks-ratios.svg)"
    yield ""
    for work, title in WORKS.items():
        yield from _work(title, [row for row in rows if row["work"] == work])
    yield from _http(list(results.under("http")))
    yield from _overhead(list(results.under("overhead")))
    yield from _limit(list(results.under("limit")))
    for path in pictures:
        yield f"![{path.stem.replace('-', ' ')}](images/{path.name})"
        yield ""
    yield NOTES.read_text(encoding="utf-8").strip()


def _circumstances(rows: Sequence[Row]) -> Iterator[str]:
    machine = rows[0]["machine"]
    loads = [row["load"] for row in rows]
    versions = {
        (line["name"].split(",")[0], line["version"])
        for row in rows
        for line in row["contenders"]
        if line["version"]
    }
    yield f"- Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}, Python {machine['python']}"
    yield f"- Measured {min(row['date'] for row in rows)} to {max(row['date'] for row in rows)}; load average {min(loads):g} to {max(loads):g}"
    measures = {(row["measure"], row["threads"]) for row in rows}
    for measure, threads in sorted(measures):
        what = "wall-clock time" if measure == "wall" else "processor time of the contender's process"
        yield f"- Figures are medians of the {what}, {threads} thread{'s' * (threads > 1)}, every contender in turn"
    if any(measure == "processor" for measure, _ in measures):
        yield (
            "- During the rows in processor time the machine had other work than this: wall times would say how much "
            "of it each contender happened to get, and two threads that wait for each other, spinning, look up to forty times slower than they are. "
            "Processor time with one thread is what remains comparable; on a quiet machine run `make bench`, which "
            "takes wall times with two threads"
        )
    yield "- Amounts of work (steps, windows, masks) are what each row says, not always the published ones; `--amount full` has those"
    yield f"- Versions: {', '.join(sorted(f'{name} {version}' for name, version in versions))}"
    yield ""


def _slower(results: Results) -> Iterator[str]:
    ahead = list(slower(results))
    if not ahead:
        yield "No contender is faster than ours in any row."
    else:
        yield "Faster than ours, their time over ours:"
        yield ""
        yield from _table(
            ("row", "contender", "ratio"), [(row, name, f"{ratio:.2f}") for row, name, ratio in ahead]
        )
    yield ""


def _work(title: str, rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield f"## {title.partition(' (')[0]}"
    yield ""
    for row in rows:
        clock = "wall clock" if row["measure"] == "wall" else "processor time"
        threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
        yield f"{row['model']}: {title.format(**row['counts'])}; {clock}, {threads}, load {row['load']:g}"
        yield ""
        yield from _receipt(row) if row["work"] == "receipt" else _contenders(row)


def _contenders(row: Row) -> Iterator[str]:
    ours = medians(row).get(OURS)
    yield from _table(
        ("contender", "median, ms", "spread", "over ours", "agreement with ours"),
        [_line(line, ours) for line in row["contenders"]],
    )


def _receipt(row: Row) -> Iterator[str]:
    """Contenders ask the model differently often: what is compared is the time per forward pass."""
    each = medians(row)
    yield from _table(
        (
            "contender",
            "forward passes",
            "median, ms",
            "spread",
            "ms per pass",
            "over ours",
            "agreement with ours",
        ),
        [
            (line["name"], "none", "", "", "", "", line["refused"].replace("|", "/"))
            if "refused" in line
            else (
                line["name"],
                str(line["forwards"]),
                f"{1e3 * line['median_s']:.0f}",
                f"{line['spread']:.0%}",
                f"{1e3 * each[line['name']]:.1f}",
                f"{each[line['name']] / each[OURS]:.2f}" if OURS in each else "",
                _agreement(line),
            )
            for line in row["contenders"]
        ],
    )


def _line(line: Row, ours: float | None) -> tuple[str, ...]:
    if "refused" in line:
        return line["name"], "none", "", "", line["refused"].replace("|", "/")
    ratio = "" if ours is None else f"{line['median_s'] / ours:.2f}"
    return line["name"], f"{1e3 * line['median_s']:.1f}", f"{line['spread']:.0%}", ratio, _agreement(line)


def _agreement(line: Row) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {line[key]:.3g}"
        for key in ("correlation", "largest_difference", "area_difference", "score_difference")
        if key in line
    )


def _http(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield "## Over HTTP"
    yield ""
    yield "The service beside Captum behind FastAPI (one worker, its thread pool, a lock around the hooks). Wall-clock"
    yield "rates under the load stated, servers in turn; processor time is what one request takes of the processor."
    yield ""
    yield from _table(
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


def _overhead(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield "## What the service adds to its passes"
    yield ""
    yield "`/v1/explain` with the overlay, a JPEG, from the socket to the socket, against the same passes by the bare model."
    yield "The bar of 1.15 is meant for 169 windows and 1000 masks; what is spent once per request, the overlay most of"
    yield "all, weighs more where fewer passes are measured, as the third column says."
    yield ""
    yield from _table(
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


def _limit(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield "## Against the processor's peak"
    yield ""
    yield from _table(
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


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(line)} |"
    yield ""


if __name__ == "__main__":
    main()
