"""``saliserve evaluate IMAGE MAP``."""

from __future__ import annotations

import argparse

from saliserve_client.cli import tables
from saliserve_client.cli.asked import evaluate_options
from saliserve_client.cli.connect import settings
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import OK
from saliserve_client.cli.waiting import Waiting
from saliserve_client.clients import Client


def run(options: argparse.Namespace, console: Console) -> int:
    """Measure a map that the user brings."""
    with Client(**settings(options)) as client, Waiting() as waiting:
        answer = client.evaluate(options.image, options.map, on_progress=waiting, **evaluate_options(options))
    parts = [
        ("prediction", tables.prediction(answer.prediction)),
        ("model", tables.model(answer.model)),
        ("target", [f"{answer.target.label} #{answer.target.index} ({answer.target.scalar})"]),
        ("receipt", tables.receipt(answer.receipt)),
        ("milliseconds", tables.milliseconds(answer.timings_ms)),
        ("warnings", [*answer.warnings, *answer.receipt.warnings]),
    ]
    console.result(answer.raw, tables.labelled(parts))
    return OK
