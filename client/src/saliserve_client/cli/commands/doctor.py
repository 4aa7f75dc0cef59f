"""``saliserve doctor``: is the service well, on which provider, and how fast."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from saliserve_client._version import __version__
from saliserve_client.cli import tables
from saliserve_client.cli.connect import settings
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import BUSY, OK
from saliserve_client.clients import Client
from saliserve_client.png import gradient


@dataclass(frozen=True)
class Speed:
    """Median milliseconds of a call: there and back, and what the service says it spent per stage."""

    round_trip_ms: float
    stages_ms: dict[str, float]


def run(options: argparse.Namespace, console: Console) -> int:
    """Examine the service with a small picture of its own making."""
    picture = gradient(224, 224)
    with Client(**settings(options)) as client:
        contract = client.contract()
        ready = client.ready()
        models = client.models()
        if not ready:
            console.result(
                {"ready": False, "url": options.url},
                [f"{options.url} runs but takes no work: starting or draining"],
            )
            return BUSY
        prediction = client.predict(picture)
        speeds = {
            "predict": _timed(lambda: client.predict(picture).timings_ms, options.requests),
            "explain, no receipt": _timed(
                lambda: client.explain(picture, receipt="none").timings_ms, options.requests
            ),
            "explain, fast receipt": _timed(
                lambda: client.explain(picture, receipt="fast").timings_ms, options.requests
            ),
        }
    rows = [("call", "round trip ms", "stages ms")] + [
        (name, f"{speed.round_trip_ms:.1f}", tables.milliseconds(speed.stages_ms)[0])
        for name, speed in speeds.items()
    ]
    told = {
        "ready": True,
        "url": options.url,
        "client_version": __version__,
        "contract": contract,
        "models": [{"name": one.name, "version": one.version, "provider": one.provider} for one in models],
        "speed_ms": {
            name: {"round_trip": speed.round_trip_ms, **speed.stages_ms} for name, speed in speeds.items()
        },
    }
    parts = [
        ("service", [f"ready at {options.url}, contract {contract or 'version unknown'}"]),
        ("default model", tables.model(prediction.model)),
        ("models", [f"{one.name} {one.version}" for one in models]),
        ("speed", tables.aligned(rows, numbers_from=99)),
    ]
    console.result(told, tables.labelled(parts))
    return OK


def _timed(call: Callable[[], Mapping[str, float]], times: int) -> Speed:
    """Time a call after one that does not count, which pays for the connection and for first uses."""
    call()
    round_trips_ms: list[float] = []
    stages_ms: dict[str, list[float]] = {}
    for _ in range(times):
        begin_s = time.perf_counter()
        timings_ms = call()
        round_trips_ms.append(1e3 * (time.perf_counter() - begin_s))
        for stage, spent_ms in timings_ms.items():
            stages_ms.setdefault(stage, []).append(spent_ms)
    return Speed(median(round_trips_ms), {stage: median(spent_ms) for stage, spent_ms in stages_ms.items()})
