"""``python -m benchmarks.report``: finished rows -> docs/benchmarks.md and its plots."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bars import OURS, findings, medians, slower
from benchmarks.contender import ROOT
from benchmarks.plots import concurrency_plot, ratio_plot, scaling_plot, side_plot, size_plot
from benchmarks.report_service import engine, http, limit, overhead
from benchmarks.results import FOLDER, Results, Row
from benchmarks.table import table

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
            (IMAGES / "benchmarks-sizes.svg", size_plot, "limit"),
            (IMAGES / "benchmarks-sides.svg", side_plot, "image_sizes"),
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
    yield from table(
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
    yield from engine(results)
    yield from http(list(results.under("http")))
    yield from overhead(list(results.under("overhead")))
    yield from limit(list(results.under("limit")))
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
        yield from table(
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
    yield from table(
        ("contender", "median, ms", "spread", "over ours", "agreement with ours"),
        [_line(line, ours) for line in row["contenders"]],
    )


def _receipt(row: Row) -> Iterator[str]:
    """Contenders ask the model differently often: what is compared is the time per forward pass."""
    each = medians(row)
    yield from table(
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


if __name__ == "__main__":
    main()
