"""From command-line options to the options of an operation."""

from __future__ import annotations

import argparse
from typing import Any

PREDICT = ("model", "version", "top_k", "deadline_ms")
EVALUATE = (*PREDICT, "target", "contrast", "receipt", "measures", "seed", "max_forwards")
EXPLAIN = (*EVALUATE, "method", "encoding", "overlay_encoding", "mask")
BROUGHT = (*EVALUATE, "made_with", "mask")


def predict_options(options: argparse.Namespace) -> dict[str, Any]:
    """Take what ``predict`` takes; what was not given stays with the service's defaults."""
    return _given(options, PREDICT)


def beyond_predictions(options: argparse.Namespace) -> list[str]:
    """Name what was given that a prediction alone has no use for."""
    given = set(explain_options(options)) | {name for name in ("maps", "overlays") if getattr(options, name)}
    names = ("parameter" if name == "parameters" else name for name in given - set(PREDICT))
    return sorted(f"--{name.replace('_', '-')}" for name in names)


def evaluate_options(options: argparse.Namespace) -> dict[str, Any]:
    """Take what ``evaluate`` takes."""
    return _given(options, BROUGHT)


def explain_options(options: argparse.Namespace) -> dict[str, Any]:
    """Take what ``explain`` takes."""
    parameters = {"parameters": dict(options.parameter)} if options.parameter else {}
    return {**_given(options, EXPLAIN), **parameters}


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(options, name, None) for name in names}  # `score` has no mask
    return {name: value for name, value in found.items() if value is not None}
