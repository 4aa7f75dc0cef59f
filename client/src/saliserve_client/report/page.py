"""The page: one file, no scripts, nothing loaded from elsewhere but pictures too large to put in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from saliserve_client.dataset.compare import Comparison
from saliserve_client.files import write_whole
from saliserve_client.notebook import data_url
from saliserve_client.report import charts
from saliserve_client.report.contestants import section
from saliserve_client.report.summary import ClassSummary, Summary
from saliserve_client.scoring.journal import Row

LARGEST_INSIDE = 400_000
"""Bytes of a picture that is put into the page; a larger one is linked."""

MOST_CLASSES = 200
"""Rows of the table of classes; the rarest are left out."""


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of the rows are.

    Args:
        images: Folder that was scored; None if the rows' names are paths themselves.
        overlays: Folder of the overlays; None if there are none.
        page: Folder of the page, for links.
    """

    images: Path | None
    overlays: Path | None
    page: Path

    def show(self, row: Row) -> str:
        """Show the overlay, or the image itself, or say that neither is there."""
        for path in self._paths(row):
            with suppress(OSError):  # gone, not permitted, or a name that no file can have
                if path.is_file():
                    return f'<img loading="lazy" alt="{escape(row["image"], quote=True)}" src="{self._address(path)}">'
        return '<div class="none">picture not found</div>'

    def _paths(self, row: Row) -> list[Path]:
        overlay = [self.overlays / row["overlay"]] if self.overlays and row["overlay"] else []
        return [*overlay, self.images / row["image"] if self.images else Path(row["image"])]

    def _address(self, path: Path) -> str:
        if path.suffix in {".png", ".jpg"} and path.stat().st_size <= LARGEST_INSIDE:
            return data_url(path.read_bytes())
        return quote(os.fsencode(Path(os.path.relpath(path, self.page)).as_posix()))


def write_page(
    path: Path, title: str, summary: Summary, pictures: Pictures, comparison: Comparison | None = None
) -> None:
    """Write the report.

    Args:
        path: Of the page.
        title: Of the page.
        summary: Of the table.
        pictures: Where its images are.
        comparison: Of the methods and models in the table; None if it has no receipts.

    Raises:
        OutputError: It cannot be written.
    """
    style = resources.files("saliserve_client.report").joinpath("style.css").read_text("utf-8")
    # The policy holds even if a file name or a label is not what it seems.
    policy = "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'"
    over_images = "" if comparison is None else section(comparison)
    body = "".join(
        [_head(title, summary), _charts(summary), over_images, _sheets(summary, pictures), _classes(summary)]
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{style}</style></head><body>{body}</body></html>\n"
    )
    write_whole(path, page.encode())


def _head(title: str, summary: Summary) -> str:
    facts = [f"{summary.images} images", f"{summary.failed} failed", f"{summary.duplicates} duplicates"]
    models = "".join(f"<p>{escape(name)}: {count} images</p>" for name, count in summary.models.most_common())
    return f"<h1>{escape(title)}</h1><p>{' · '.join(facts)}</p>{models}"


def _charts(summary: Summary) -> str:
    verdicts = charts.bars(summary.verdicts.most_common())
    failures = charts.bars(summary.failures.most_common())
    return (
        (f"<h2>Verdicts</h2>{verdicts}" if summary.verdicts else "<p>No receipts in this table.</p>")
        + (f"<h2>Failures</h2>{failures}" if summary.failures else "")
        + '<div class="charts">'
        + charts.histogram(
            summary.srg, title="SRG", unit="mean over the operators; 0 is chance, right is better"
        )
        + charts.histogram(
            summary.z, title="z", unit="standard deviations above random orders of the same image"
        )
        + "</div>"
    )


def _sheets(summary: Summary, pictures: Pictures) -> str:
    return _sheet("Least faithful maps", "The lowest z first.", summary.least_faithful, pictures) + _sheet(
        "Confident, but not explained",
        "Maps that are not faithful, the most confident prediction first.",
        summary.confident_unexplained,
        pictures,
    )


def _sheet(title: str, explained: str, rows: Sequence[Row], pictures: Pictures) -> str:
    if not rows:
        return ""
    cards = "".join(f'<div class="card">{pictures.show(row)}{_caption(row)}</div>' for row in rows)
    return f'<h2>{escape(title)}</h2><p>{escape(explained)}</p><div class="sheet">{cards}</div>'


def _caption(row: Row) -> str:
    z = "" if row["z_score"] is None else f" · z {row['z_score']:+.1f}"
    srg = "" if row["srg"] is None else f" · SRG {row['srg']:+.3f}"
    return (
        f'<p class="name">{escape(row["image"])}</p>'
        f"<p>{escape(row['label'])} {row['probability']:.2f}{srg}{z}</p>"
        f"<p>{escape(row['verdict'])}: {escape(row['reason'] or '')}</p>"
    )


def _classes(summary: Summary) -> str:
    ranked = sorted(summary.classes.items(), key=lambda entry: -entry[1].images)[:MOST_CLASSES]
    lines = "".join(_class(label, one) for label, one in ranked)
    return (
        "<h2>Predicted classes</h2><table><thead><tr><th>class</th><th>images</th><th>mean probability</th>"
        f"<th>faithful</th><th>mean SRG</th></tr></thead><tbody>{lines}</tbody></table>"
    )


def _class(label: str, one: ClassSummary) -> str:
    faithful = f"{100 * one.faithful / one.measured:.0f} %" if one.measured else ""
    srg = f"{one.srg_sum / one.measured:+.3f}" if one.measured else ""
    cells = (str(one.images), f"{one.probability_sum / one.images:.3f}", faithful, srg)
    return f"<tr><td>{escape(label)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
