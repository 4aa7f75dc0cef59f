"""``saliserve report TABLE``."""

from __future__ import annotations

import argparse
from pathlib import Path

from saliserve_client.cli import tables
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import OK
from saliserve_client.dataset.compare import Comparison, compare
from saliserve_client.errors import FileError, OptionError, RunError
from saliserve_client.files import printable
from saliserve_client.report.page import Pictures, write_page
from saliserve_client.report.summary import Summary, summarise
from saliserve_client.report.table import read_table
from saliserve_client.scoring.manifest import RunManifest, read_manifest
from saliserve_client.scoring.output import manifest_path

PAGES = (".html", ".htm")


def run(options: argparse.Namespace, console: Console) -> int:
    """Write the page and print its totals."""
    page = options.out or options.table.with_name(f"{options.table.name}.html")
    if page.suffix.lower() not in PAGES:
        raise OptionError(
            f"--out {page}: the report is a page; let its name end in .html, so that it takes no table's place"
        )
    summary = summarise(read_table(options.table), worst=options.worst)
    manifest = _manifest(options.table, console)
    comparison = _comparison(options.table)
    write_page(page, printable(options.table.name), summary, _pictures(options, manifest, page), comparison)
    outcome = None if comparison is None or len(comparison.names) == 1 else comparison.outcome
    console.result({**_told(summary), "outcome": outcome, "page": str(page)}, _lines(summary, page))
    return OK


def _manifest(table: Path, console: Console) -> RunManifest | None:
    """Read what says where the pictures are; a report can do without."""
    try:
        return read_manifest(manifest_path(table))
    except RunError:
        console.note(
            f"{manifest_path(table)}: cannot be read; pictures are looked for by --images and --overlays alone"
        )
        return None


def _comparison(table: Path) -> Comparison | None:
    """Read the table once more for what its receipts say together; None if they cannot be averaged."""
    try:
        return compare(read_table(table))
    except FileError:  # no receipts, or such as do not compare
        return None


def _pictures(options: argparse.Namespace, manifest: RunManifest | None, page: Path) -> Pictures:
    """Take folders from the options, or else from the run's manifest."""
    source = Path(manifest.source) if manifest and manifest.source else None
    folder = source if source is None or source.is_dir() else source.parent
    overlays = Path(manifest.overlays) if manifest and manifest.overlays else None
    return Pictures(options.images or folder, options.overlays or overlays, page.parent)


def _told(summary: Summary) -> dict[str, object]:
    return {
        "images": summary.images,
        "failed": summary.failed,
        "duplicates": summary.duplicates,
        "verdicts": dict(summary.verdicts),
        "failures": dict(summary.failures),
        "least_faithful": [row["image"] for row in summary.least_faithful],
        "confident_unexplained": [row["image"] for row in summary.confident_unexplained],
    }


def _lines(summary: Summary, page: Path) -> list[str]:
    verdicts = [(name, str(count)) for name, count in summary.verdicts.most_common()]
    failures = [(name, str(count)) for name, count in summary.failures.most_common()]
    return tables.labelled(
        [
            ("images", [str(summary.images)]),
            ("verdicts", tables.aligned(verdicts) if verdicts else []),
            ("failures", tables.aligned(failures) if failures else []),
            ("wrote", [str(page)]),
        ]
    )
