"""A stand-in for the service that answers in its shapes, for what the run does when the wire or the load misbehaves."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from saliserve_client import AsyncClient
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.manifest import RunManifest
from saliserve_client.scoring.output import Output
from saliserve_client.scoring.run import Run

Outcome = httpx2.Response | Exception | None


class Service:
    """Answers a prediction that is a function of the picture; can be told to misbehave first.

    Args:
        misbehave: From the picture's bytes and how often it has been sent to the outcome; None behaves.
    """

    def __init__(self, misbehave: Callable[[bytes, int], Outcome] = lambda *_: None) -> None:
        self.misbehave = misbehave
        self.sent: Counter[bytes] = Counter()
        self.in_flight = self.peak = 0
        self.sha256 = "5" * 64

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        data = picture(await request.aread())
        self.sent[data] += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(0)
            outcome = self.misbehave(data, self.sent[data])
        finally:
            self.in_flight -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome or httpx2.Response(200, json=self.answer(data))

    def answer(self, data: bytes) -> dict[str, Any]:
        index = hashlib.sha256(data).digest()[0]
        return {
            "request_id": f"r{sum(self.sent.values())}",
            "model": {
                "name": "toy",
                "version": "1",
                "sha256": self.sha256,
                "provider": "CPUExecutionProvider",
            },
            "prediction": {"top_k": [{"index": index, "label": f"class {index}", "probability": 0.5}]},
            "picture": {"width": 8, "height": 8, "seen": {"left": 0, "top": 0, "width": 8, "height": 8}},
            "timings_ms": {"predict": 1.0},
            "warnings": [],
        }


def picture(body: bytes) -> bytes:
    return body.split(b"\r\n\r\n")[1].split(b"\r\n")[0]


def refusal(status: int, code: str, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "detail": f"it is {code}"}, headers=headers)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


def score(
    job: Job,
    service: Service,
    clock: Clock | None = None,
    *,
    finish: bool = True,
    watch: Callable[[Run], None] = lambda _: None,
) -> Output:
    """Start a run and hold it to its end."""
    clock = clock or Clock()

    async def work(output: Output) -> None:
        http = httpx2.AsyncClient(base_url="http://service", transport=httpx2.MockTransport(service))
        async with AsyncClient(http=http) as client:
            await Run(client, job, output, watch=watch, clock=clock, sleep=clock.sleep).work()

    output = Output(job, RunManifest(job.deciding(), source=job.source.given))
    try:
        asyncio.run(work(output))
        if finish:
            output.finish()
    finally:
        output.close()
    return output


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
