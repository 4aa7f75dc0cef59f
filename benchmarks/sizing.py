"""How many requests per second a service answers, by model, method, receipt and threads: the runbook's sizing table.

    python -m benchmarks.sizing

Callers who each wait for their answer keep the device busy; each row takes a few seconds. The callers need some of the
same processor, so a service that has its cores to itself answers a little more.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.machine import load, machine
from benchmarks.results import Results, Row
from tests.server import ROOT, running_server

PHOTO = ROOT / "samples" / "coffee.jpg"
CALLERS = 4
MODELS = ("imagenet-efficientnet-lite0", "cifar10-standard")
JOBS = (
    ("predict", "/v1/predict?"),
    ("gradient", "/v1/explain?method=gradient&receipt=none"),
    ("grad_cam", "/v1/explain?method=grad_cam&receipt=none"),
    ("grad_cam, fast receipt", "/v1/explain?method=grad_cam&receipt=fast"),
    ("grad_cam, full receipt", "/v1/explain?method=grad_cam&receipt=full"),
    ("occlusion", "/v1/explain?method=occlusion&receipt=none"),
)


async def rate(client: httpx2.AsyncClient, path: str, seconds: float) -> float:
    """Answers per second; every caller finishes what it has begun, so that long answers count too."""
    picture, answered = PHOTO.read_bytes(), 0
    begin_s = time.monotonic()

    async def call() -> None:
        nonlocal answered
        while time.monotonic() - begin_s < seconds:
            answer = await client.post(path, content=picture, headers={"Content-Type": "image/jpeg"})
            answer.raise_for_status()
            answered += 1

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return answered / (time.monotonic() - begin_s)


async def measure(url: str, seconds: float) -> list[dict[str, float | str]]:
    """Measure every job on every model."""
    rows: list[dict[str, float | str]] = []
    async with httpx2.AsyncClient(base_url=url, timeout=600) as client:
        for model in MODELS:
            for name, path in JOBS:
                full = f"{path}&model={model}"
                (
                    await client.post(
                        full, content=PHOTO.read_bytes(), headers={"Content-Type": "image/jpeg"}
                    )
                ).raise_for_status()
                rows.append({"model": model, "job": name, "per_s": await rate(client, full, seconds)})
                print(rows[-1], flush=True)
    return rows


def table(rows: Row) -> str:
    """Write the table as the runbook shows it."""
    threads = sorted(rows)
    lines = [
        "| model | request | " + " | ".join(f"per second, {count} threads" for count in threads) + " |",
        "|---|---|" + "---|" * len(threads),
    ]
    for column in zip(*(rows[count] for count in threads), strict=True):
        rates = " | ".join(
            f"{one['per_s']:.2g}" if one["per_s"] < 10 else f"{one['per_s']:.0f}" for one in column
        )
        lines.append(f"| {column[0]['model']} | {column[0]['job']} | {rates} |")
    return "\n".join(lines)


def main() -> None:
    """Start a service per number of threads, measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=6, help="per row (default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="of the service (default: 1 2)"
    )
    arguments = parser.parse_args()
    rows: Row = {}
    for threads in arguments.threads:
        with (
            tempfile.TemporaryDirectory() as folder,
            running_server(
                Path(folder), models=ROOT / "models", threads=threads, log_level="WARNING"
            ) as server,
        ):
            rows[str(threads)] = asyncio.run(measure(server.url, arguments.seconds))
    Results().save("sizing", {"rows": rows})
    print(f"{machine()['processor']}, {machine()['cores']} cores, load {load()}")
    print(table(rows))


if __name__ == "__main__":
    main()
