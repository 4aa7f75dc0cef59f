"""``saliserve explain IMAGE --out DIR``."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from saliserve_client.cli import tables
from saliserve_client.cli.asked import explain_options
from saliserve_client.cli.connect import settings
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import OK
from saliserve_client.cli.waiting import Waiting
from saliserve_client.clients import Client
from saliserve_client.errors import OutputError
from saliserve_client.files import write_json, write_whole, writing
from saliserve_client.results import Explanation


def run(options: argparse.Namespace, console: Console) -> int:
    """Classify, explain and measure; write overlay, map and answer if a folder is given."""
    if options.out is not None:
        with writing(options.out):  # now: an answer may take minutes
            options.out.mkdir(parents=True, exist_ok=True)
        _check_ours(options.out / f"{options.image.stem}.json")
    with Client(**settings(options)) as client:
        begin_s = time.perf_counter()
        with Waiting() as waiting:
            answer = client.explain(
                options.image,
                overlay=options.out is not None,
                on_progress=waiting,
                **explain_options(options),
            )
        round_trip_ms = 1e3 * (time.perf_counter() - begin_s)
    written = [] if options.out is None else write(answer, options.out, options.image.stem)
    console.result(answer.raw, lines(answer, round_trip_ms=round_trip_ms, written=written))
    return OK


def _check_ours(path: Path) -> None:
    """Refuse to write over somebody's own file, as labelling programs lay one of this name beside a picture.

    Raises:
        OutputError: It is there, and no answer.
    """
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict) or "request_id" not in known:
        raise OutputError(f"{path}: exists, and is no answer that explain wrote; choose another --out")


def lines(answer: Explanation, *, round_trip_ms: float, written: list[Path]) -> list[str]:
    """Show an explanation as a table."""
    target = f"for {answer.target.label} #{answer.target.index} ({answer.target.scalar})"
    passes = "1 pass" if answer.forwards == 1 else f"{answer.forwards} passes"
    effort = f"{passes}{'' if answer.converged else ', not converged'}"
    parameters = " ".join(f"{name}={value}" for name, value in answer.parameters.items())
    return tables.labelled(
        [
            ("prediction", tables.prediction(answer.prediction)),
            ("model", tables.model(answer.model)),
            ("method", ["  ".join(part for part in (answer.method, parameters, target, effort) if part)]),
            ("certificate", tables.certificate(answer.certificate)),
            ("receipt", tables.receipt(answer.receipt)),
            ("milliseconds", tables.milliseconds(answer.timings_ms, round_trip=round_trip_ms)),
            ("warnings", [*answer.warnings, *(answer.receipt.warnings if answer.receipt else ())]),
            ("wrote", [str(path) for path in written]),
        ]
    )


def write(answer: Explanation, folder: Path, name: str) -> list[Path]:
    """Write an explanation's files and return their paths.

    Raises:
        OutputError: One of them cannot be written.
    """
    answer_path = folder / f"{name}.json"
    map_path = folder / f"{name}.map{answer.encoded_map.suffix}"
    overlay_path = folder / f"{name}.overlay{answer.overlay_suffix}"
    write_json(answer_path, answer.raw)
    write_whole(map_path, answer.encoded_map.data)
    if answer.overlay is None:
        return [map_path, answer_path]
    write_whole(overlay_path, answer.overlay)
    return [overlay_path, map_path, answer_path]
