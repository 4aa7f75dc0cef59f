"""Mixed load at twice the service's capacity: is every answer the right one, and does anything grow?

    python -m benchmarks.soak --minutes 30 --out soak.json

Capacity is measured first, with as many callers as keep the device busy; then requests come at twice that rate, or at
twice what was answered lately if that is more, whether or not the earlier ones are answered. The requests take many
forward passes, so that the caller, who shares the machine, costs little beside them.

Every answer that is given is compared with the one that the same request got when it was alone; one that the deadline
cut short has to say so. A refusal has to be an honest one: 503, a problem document, Retry-After.
"""

import argparse
import asyncio
import itertools
import json
import re
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import PIL.Image
import psutil

from benchmarks.machine import load, machine
from tests.server import ROOT, Server, running_server

MODEL = "cifar10-standard"
KINDS = (
    ("/v1/predict?", 4),
    ("/v1/explain?method=grad_cam&receipt=none", 3),
    ("/v1/explain?method=grad_cam&receipt=fast", 6),
    ("/v1/explain?method=rise&masks=300&receipt=none", 4),
    ("/v1/explain?method=gradient&receipt=full", 1),
)
"""Routes, and how many of 18 requests go there: some 145 forward passes a request."""

PICTURES = 8
CALLERS = 16
SAMPLE_S = 5.0
LATELY_S = 15.0
ALONE_MS = 120_000
"""The longest deadline there is, for the answers that others are compared with."""

CUT_SHORT = '"deadline: '
"""How a warning begins that says so."""

VARYING = ("request_id", "timings_ms")


@dataclass
class Tally:
    """What came back."""

    statuses: Counter[str] = field(default_factory=Counter)
    exact: int = 0
    cut_short: int = 0
    wrong: int = 0
    dishonest: int = 0
    seconds: list[float] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)

    def per_second(self, now_s: float) -> float:
        """How many were answered lately."""
        return sum(moment > now_s - LATELY_S for moment in reversed(self.answered_s)) / LATELY_S


@dataclass(frozen=True)
class Sample:
    """The worker at one moment."""

    requests: int
    resident_bytes: int
    descriptors: int


def requests(deadline_ms: int = 30_000) -> list[tuple[str, bytes]]:
    """Make the distinct requests, in the order in which they are sent over and over."""
    random = np.random.default_rng(0)
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PICTURES):
            file = Path(folder) / f"{number}.png"
            PIL.Image.fromarray(random.integers(0, 256, (48, 48, 3)).astype(np.uint8)).save(file)
            pictures.append(file.read_bytes())
    paths = [f"{path}&deadline_ms={deadline_ms}" for path, count in KINDS for _ in range(count)]
    random.shuffle(paths)
    return [
        (path, pictures[(turn + number) % PICTURES])
        for turn in range(PICTURES)
        for number, path in enumerate(paths)
    ]


def stable(answer: httpx2.Response) -> str:
    """Write down what of an answer is a function of the request."""
    body: dict[str, Any] = answer.json()
    return json.dumps({name: value for name, value in body.items() if name not in VARYING}, sort_keys=True)


async def ask(client: httpx2.AsyncClient, path: str, picture: bytes) -> httpx2.Response:
    """Send a picture."""
    return await client.post(path, content=picture, headers={"Content-Type": "image/png"})


async def alone(client: httpx2.AsyncClient, path: str, picture: bytes) -> str:
    """Get the answer that others are compared with: to the end, however long that takes."""
    patient = re.sub(r"deadline_ms=\d+", f"deadline_ms={ALONE_MS}", path)
    answer = await ask(client, patient, picture)
    if not answer.is_success or CUT_SHORT in answer.text:
        raise RuntimeError(f"{patient} could not be answered in full: {answer.text[:500]}")
    return stable(answer)


async def capacity(client: httpx2.AsyncClient, mix: list[tuple[str, bytes]], seconds: float) -> float:
    """Requests per second that callers get who each wait for their answer, enough of them to fill the device."""
    answered, end_s = 0, time.monotonic() + seconds
    turns = itertools.cycle(mix)

    async def call() -> None:
        nonlocal answered
        while time.monotonic() < end_s:
            answer = await ask(client, *next(turns))
            answered += answer.is_success
            if not answer.is_success:  # who asks again at once would measure how fast requests are refused
                await asyncio.sleep(int(answer.headers["retry-after"]))

    begin_s = time.monotonic()
    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return answered / (time.monotonic() - begin_s)


async def one(
    client: httpx2.AsyncClient,
    request: tuple[str, bytes],
    expected: dict[tuple[str, bytes], str],
    tally: Tally,
) -> None:
    """Send a request and judge what comes back."""
    begin_s = time.monotonic()
    try:
        answer = await ask(client, *request)
    except httpx2.TransportError as error:
        tally.statuses[type(error).__name__] += 1
        return
    tally.statuses[str(answer.status_code)] += 1
    if answer.is_success:
        tally.answered_s.append(time.monotonic())
        tally.seconds.append(tally.answered_s[-1] - begin_s)
        judge(answer, expected[request], tally)
    elif not is_honest(answer):
        tally.dishonest += 1
        print("dishonest:", answer.status_code, dict(answer.headers), answer.text[:500], flush=True)


def judge(answer: httpx2.Response, expected: str, tally: Tally) -> None:
    """Compare an answer with the one that the request got alone."""
    if stable(answer) == expected:
        tally.exact += 1
    elif CUT_SHORT in answer.text:
        tally.cut_short += 1
    else:
        tally.wrong += 1
        print("wrong:", answer.url, answer.text, "expected:", expected, flush=True)


def is_honest(answer: httpx2.Response) -> bool:
    """Tell whether a refusal is one that says what is the matter, and when to come again."""
    is_problem = answer.headers["content-type"] == "application/problem+json"
    return (
        answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE
        and is_problem
        and answer.json()["code"] == "overloaded"
        and int(answer.headers["retry-after"]) >= 1
    )


async def soak(server: Server, minutes: float, warm_s: float, deadline_ms: int) -> dict[str, Any]:
    """Measure capacity, then send twice that."""
    mix = requests(deadline_ms)
    tally, samples = Tally(), list[Sample]()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    async with httpx2.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
        expected = {request: await alone(client, *request) for request in dict.fromkeys(mix)}
        rate = await capacity(client, mix, warm_s)
        print(f"capacity {rate:.2f} requests/s; sending {2 * rate:.2f}/s or more", flush=True)
        worker = server.workers[0]
        begin_s, calls = time.monotonic(), set[asyncio.Task[None]]()
        next_s = shown_s = begin_s
        for number, request in enumerate(itertools.cycle(mix)):
            if (now_s := time.monotonic()) >= begin_s + 60 * minutes:
                break
            call = asyncio.create_task(one(client, request, expected, tally))
            calls.add(call)
            call.add_done_callback(calls.discard)
            if now_s >= shown_s:
                samples.append(sample(worker, number))
                shown_s += SAMPLE_S
                print(number, dict(tally.statuses), samples[-1], flush=True)
            next_s += 1 / (2 * max(rate, tally.per_second(now_s)))
            await asyncio.sleep(next_s - time.monotonic())
        await asyncio.gather(*calls)
        samples.append(sample(worker, sum(tally.statuses.values())))
    return report(tally, samples, rate, time.monotonic() - begin_s)


def sample(worker: psutil.Process, number: int) -> Sample:
    """Look at the worker."""
    return Sample(number, worker.memory_info().rss, worker.num_fds())


def report(tally: Tally, samples: list[Sample], rate: float, seconds: float) -> dict[str, Any]:
    """Sum up. The slope is that of the second half: in the first, caches and arenas fill."""
    second = samples[len(samples) // 2 :]
    slope = statistics.linear_regression(
        [one.requests for one in second], [one.resident_bytes for one in second]
    ).slope
    quantiles = statistics.quantiles(tally.seconds, n=100)
    return {
        "capacity_per_s": round(rate, 2),
        "sent_per_s": round(sum(tally.statuses.values()) / seconds, 2),
        "seconds": round(seconds),
        "answered_per_s": round(len(tally.seconds) / seconds, 2),
        "statuses": dict(tally.statuses),
        "exact_answers": tally.exact,
        "answers_cut_short_by_the_deadline": tally.cut_short,
        "wrong_answers": tally.wrong,
        "dishonest_failures": tally.dishonest,
        "answered_p50_s": round(quantiles[49], 3),
        "answered_p95_s": round(quantiles[94], 3),
        "answered_p99_s": round(quantiles[98], 3),
        "answered_slowest_s": round(max(tally.seconds), 3),
        "resident_mb": [round(one.resident_bytes / 1e6, 1) for one in thin(samples)],
        "resident_slope_kb_per_1000_requests": round(slope, 1),
        "descriptors": sorted({one.descriptors for one in second})[:: max(1, len(second) // 10)],
        "load": load(),
        "machine": machine(),
    }


def thin(samples: list[Sample]) -> Iterator[Sample]:
    """Keep eleven."""
    return itertools.islice(samples, 0, None, max(1, len(samples) // 10))


def main() -> None:
    """Start a service, load it, print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: %(default)s)")
    parser.add_argument(
        "--deadline-ms", type=int, default=20_000, help="of every request (default: %(default)s)"
    )
    parser.add_argument(
        "--warm-s", type=float, default=20, help="seconds to measure capacity for (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1, help="of the service (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file for the report, as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = shutil.copytree(ROOT / "models" / MODEL, Path(folder) / "models" / MODEL).parent
        settings = {
            "models": models,
            "threads": arguments.threads,
            "log_level": "WARNING",
            "queue_forwards": 3000,
        }
        with running_server(Path(folder), **settings) as server:
            found = asyncio.run(soak(server, arguments.minutes, arguments.warm_s, arguments.deadline_ms))
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
