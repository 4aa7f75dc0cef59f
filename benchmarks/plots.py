"""The page's plots, as SVG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.bars import OURS, medians
from benchmarks.results import Row

# The same rows give the same bytes.
mpl.rcParams["svg.hashsalt"] = "saliserve"
_UNDATED = {"Date": None}
# Okabe and Ito, "Color Universal Design", 2008.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def ratio_plot(rows: Sequence[Row], path: Path) -> bool:
    """Draw every contender's time over ours; ours is the line at 1."""
    points = [
        (f"{row['work'].replace('_', ' ')}: {name}", row["model"], seconds / times[OURS])
        for row in rows
        if OURS in (times := medians(row))
        for name, seconds in times.items()
        if not name.startswith(OURS)
    ]
    labels = list(dict.fromkeys(label for label, _, _ in points))
    models = list(dict.fromkeys(model for _, model, _ in points))
    figure = Figure(figsize=(9, 1.2 + 0.26 * len(labels)), layout="constrained")
    axes = figure.subplots()
    for model, colour in zip(models, _COLOURS, strict=False):
        mine = [(ratio, labels.index(label)) for label, one, ratio in points if one == model]
        axes.scatter(*zip(*mine, strict=True), label=model, color=colour, s=28, zorder=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="their time over ours (right of the line: ours is faster)")
    axes.set_xticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(models))
    figure.savefig(path, metadata=_UNDATED)
    return True


def scaling_plot(rows: Sequence[Row], path: Path) -> bool:
    """Draw the time of RISE over the number of masks."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for row, colour in zip(rows, _COLOURS, strict=False):
        masks = [point["masks"] for point in row["masks"]]
        axes.plot(masks, [point["seconds"] for point in row["masks"]], "o-", label=row["model"], color=colour)
    axes.set(
        xlabel="masks", ylabel=f"seconds of RISE ({rows[0]['measure']} time)", xlim=(0, None), ylim=(0, None)
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata=_UNDATED)
    return True


def size_plot(rows: Sequence[Row], path: Path) -> bool:
    """Draw the time of a forward pass and of a gradient over what the model computes."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    rows = sorted(rows, key=lambda row: row["gflop"])
    for name, colour in zip(("forward", "features", "gradient"), _COLOURS, strict=False):
        found = [(row["gflop"], 1e3 * _alone(row, name)) for row in rows if row[f"{name}_s"]]
        axes.plot(*zip(*found, strict=True), "o-", label=name, color=colour)
    for row in rows:
        highest = max(_alone(row, name) for name in ("forward", "features", "gradient") if row[f"{name}_s"])
        point = (row["gflop"], 1e3 * highest)
        axes.annotate(
            row["model"],
            point,
            (-2, 7),
            textcoords="offset points",
            fontsize="x-small",
            rotation=30,
            rotation_mode="anchor",
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="GFLOP of a forward pass",
        ylabel=f"ms per image, one at a time ({rows[0]['measure']} time)",
    )
    axes.margins(0.2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, metadata=_UNDATED)
    return True


def side_plot(rows: Sequence[Row], path: Path) -> bool:
    """Draw the time of every pass over the side of the images, model by model."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, row in zip(figure.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
        sides = [point["side"] for point in row["sides"]]
        for name, colour in zip(("forward", "features", "gradient", "incremental"), _COLOURS, strict=True):
            took = [point["ms"].get(name) for point in row["sides"]]
            label = "forward, a window anew" if name == "incremental" else name
            axes.plot(sides, took, "o-", label=label, color=colour)
        axes.set(
            title=row["model"], xlabel="side of the image, pixels", ylabel="ms per image", ylim=(0, None)
        )
        axes.set_xticks(sides)
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(path, metadata=_UNDATED)
    return True


def _alone(row: Row, name: str) -> float:
    seconds = row[f"{name}_s"]
    return float(seconds["1"] if name == "forward" else seconds)


def concurrency_plot(rows: Sequence[Row], path: Path) -> bool:
    """Draw requests per second over the number of clients, both servers."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for row, colour in zip(rows, _COLOURS, strict=False):
        clients = [load["clients"] for load in row["loads"]]
        for number, style in enumerate(("o-", "x--")):
            rates = [load["servers"][number]["per_second"] for load in row["loads"]]
            name = row["loads"][0]["servers"][number]["name"]
            axes.plot(clients, rates, style, color=colour, label=f"{row['model']}, {row['work']}: {name}")
    axes.set(xlabel="clients", ylabel="requests per second", ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", fontsize="small")
    figure.savefig(path, metadata=_UNDATED)
    return True
