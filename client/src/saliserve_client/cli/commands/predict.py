"""``saliserve predict IMAGE``."""

from __future__ import annotations

import argparse

from saliserve_client.cli import tables
from saliserve_client.cli.asked import predict_options
from saliserve_client.cli.connect import settings
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import OK
from saliserve_client.clients import Client


def run(options: argparse.Namespace, console: Console) -> int:
    """Classify an image."""
    with Client(**settings(options)) as client:
        answer = client.predict(options.image, **predict_options(options))
    parts = [
        ("prediction", tables.prediction(answer)),
        ("model", tables.model(answer.model)),
        ("milliseconds", tables.milliseconds(answer.timings_ms)),
        ("warnings", answer.warnings),
    ]
    console.result(answer.raw, tables.labelled(parts))
    return OK
