"""``saliserve models [NAME]``."""

from __future__ import annotations

import argparse
import textwrap

from saliserve_client.cli import tables
from saliserve_client.cli.connect import settings
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import OK
from saliserve_client.clients import Client
from saliserve_client.results import Model

WIDTH = 88
"""Characters of a line of methods."""


def run(options: argparse.Namespace, console: Console) -> int:
    """List the models, or describe one."""
    with Client(**settings(options)) as client:
        if options.name is not None:
            model = client.model(options.name)
            console.result(model.raw, _described(model))
            return OK
        found = client.models()
    rows = [("model", "version", "sha256", "classes", "provider", "methods")]
    rows += [
        (
            one.name + (" (default)" if one.default else ""),
            one.version,
            one.sha256[:12],
            str(len(one.classes)),
            one.provider,
            str(len(one.methods)),
        )
        for one in found
    ]
    console.result({"models": [one.raw for one in found]}, tables.aligned(rows, numbers_from=99))
    return OK


def _described(model: Model) -> list[str]:
    shown = ", ".join(model.classes[:8]) + (" …" if len(model.classes) > 8 else "")  # noqa: PLR2004
    return tables.labelled(
        [
            ("model", [f"{model.name} {model.version}"]),
            ("sha256", [model.sha256]),
            ("provider", [model.provider]),
            ("methods", textwrap.wrap(" ".join(model.methods), WIDTH, break_on_hyphens=False)),
            ("classes", [f"{len(model.classes)}: {shown}"]),
        ]
    )
