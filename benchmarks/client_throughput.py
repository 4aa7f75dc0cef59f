"""What the client and HTTP cost: images per second of `saliserve score` beside the engine in process, for the same work.

    python -m benchmarks.client_throughput [--works predict ...] [--images 120] [--rounds 5] [--threads 2]

The same work is: read the files, decode, run the model, encode map and answer, write a line per image. In process two
threads read and encode, as in the service, and the engine interleaves as many requests as the client has in flight.
The service is a process of its own on the same cores, so its HTTP and the client's are both paid for here; where the
client has a machine to itself the ratio is better. Wall clocks are taken in turn; the ratio of processor seconds says
the same without regard to what else the machine does. With a thread fewer than there are cores the engine has its
cores to itself, and the wall clock says whether it ever waits for the rest. Starting a run takes the client some 50 ms
of processor time, which a few images would have to bear.
"""

import argparse
import contextlib
import functools
import io
import resource
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from saliserve_client.cli import main as saliserve

from benchmarks.interleave import interleave
from benchmarks.results import Results
from service.engine import Engine
from service.http.answers import explain_answer, predict_answer
from service.imaging.decode import ImageLimits, decode
from service.request import ExplainOptions, PredictOptions
from service.runtime.device import choose_device
from service.runtime.store import ModelStore
from service.schemas import ExplainFields
from service.settings import BESIDE_THE_CODE, Settings
from tests.server import Server

ROOT = Path(__file__).resolve().parents[1]
IN_FLIGHT = 8
MODEL = "imagenet-efficientnet-lite0"

SETTINGS = Settings()
LIMITS = ImageLimits(
    max_pixels=SETTINGS.max_pixels,
    max_side=SETTINGS.max_side,
    min_side=SETTINGS.min_side,
    max_decode_ms=SETTINGS.max_decode_ms,
)

WORK: dict[str, tuple[str, ...]] = {
    "predict": ("--predict-only",),
    "explain, grad_cam": ("--method", "grad_cam", "--receipt", "none"),
    "explain, grad_cam, fast receipt": ("--method", "grad_cam", "--receipt", "fast"),
    "explain, smooth_grad": ("--method", "smooth_grad", "--receipt", "none"),
}


def main() -> None:
    """Time every kind of work both ways, print the table, keep the rows."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--works", nargs="+", default=list(WORK), choices=list(WORK), metavar="WORK")
    arguments.add_argument("--images", type=int, default=120)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument(
        "--threads", type=int, default=2, help="Of the engine, in process and in the service."
    )
    asked = arguments.parse_args()
    threads = asked.threads
    with (
        tempfile.TemporaryDirectory() as name,
        _service(Path(name), threads) as server,
        _engine(threads) as engine,
    ):
        folder = Path(name)
        photos = _photos(folder / "photos", asked.images)
        print(f"{'work':34} {'in process':>11} {'client':>11} {'wall':>7} {'processor':>10}")
        for work in asked.works:
            options = WORK[work]
            contenders = {
                "in process": functools.partial(
                    _in_process, engine, photos, options, folder / "in_process.jsonl"
                ),
                "client": functools.partial(_client, server, photos, options, folder),
            }
            spent: dict[str, list[float]] = {one: [] for one in contenders}
            timed = {one: _metered(run, server, spent[one]) for one, run in contenders.items()}
            times = interleave(timed, rounds=asked.rounds)
            wall = times["in process"].median / times["client"].median
            processor = float(np.median(spent["in process"][1:]) / np.median(spent["client"][1:]))
            rates = {one: asked.images / took.median for one, took in times.items()}
            print(
                f"{work:34} {rates['in process']:7.1f} im/s {rates['client']:7.1f} im/s {wall:7.0%} {processor:10.0%}"
            )
            Results().save(
                f"client_throughput/{work}, {threads} threads",
                {
                    "images_per_s": rates,
                    "wall": wall,
                    "processor": processor,
                    "images": asked.images,
                    "threads": threads,
                },
            )


def _metered(run: Callable[[], object], server: Server, spent: list[float]) -> Callable[[], None]:
    """Note the processor seconds of this process and of the service."""

    def metered() -> None:
        before = _processor_seconds(server)
        run()
        spent.append(_processor_seconds(server) - before)

    return metered


def _processor_seconds(server: Server) -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    supervisor = psutil.Process(server.process.pid)
    family = [supervisor, *supervisor.children(recursive=True)]
    service_s: float = sum(times.user + times.system for times in (one.cpu_times() for one in family))
    return usage.ru_utime + usage.ru_stime + service_s


def _in_process(engine: Engine, photos: Path, options: tuple[str, ...], out: Path) -> None:
    answer = functools.partial(_answered, engine, options)
    with ThreadPoolExecutor(IN_FLIGHT) as pool, out.open("wb") as file:
        for line in pool.map(answer, sorted(photos.iterdir())):
            file.write(line + b"\n")


def _answered(engine: Engine, options: tuple[str, ...], path: Path) -> bytes:
    picture = decode(path.read_bytes(), LIMITS)
    if options == ("--predict-only",):
        prediction = engine.predict(picture, PredictOptions()).result()
        return predict_answer("r", picture, prediction, prediction.timings_ms).model_dump_json().encode()
    given: Any = dict(zip(options[::2], options[1::2], strict=True))
    asked = ExplainOptions(method=given["--method"], receipt=given["--receipt"])
    explained = engine.explain(picture, asked).result()
    body = explain_answer("r", picture, explained, ExplainFields(), explained.timings_ms)
    return body.model_dump_json().encode()


def _client(server: Server, photos: Path, options: tuple[str, ...], folder: Path) -> None:
    """Score from scratch: the whole command, but for the start of an interpreter."""
    out = folder / "client.jsonl"
    for left in folder.glob("client.jsonl*"):
        left.unlink()
    command = ["score", str(photos), "--out", str(out), "--quiet", "--url", server.url]
    with contextlib.redirect_stdout(io.StringIO()):
        if saliserve([*command, "--concurrency", str(IN_FLIGHT), *options]) != 0:
            raise SystemExit(f"the client failed; see {server.log}")


def _photos(folder: Path, count: int) -> Path:
    """Crops of a photograph, 512 x 512, as JPEG: some 50 kB each."""
    folder.mkdir()
    photo = decode((ROOT / "samples" / "coffee.jpg").read_bytes(), LIMITS).repeat(2, axis=0).repeat(2, axis=1)
    random = np.random.default_rng(0)
    for number in range(count):
        top, left = (int(random.integers(0, side - 512)) for side in photo.shape[:2])
        crop = np.ascontiguousarray(photo[top : top + 512, left : left + 512, ::-1])
        cv2.imwrite(str(folder / f"{number:04}.jpg"), crop)
    return folder


@contextmanager
def _engine(threads: int) -> Iterator[Engine]:
    models = ModelStore(BESIDE_THE_CODE, choose_device("cpu", threads=threads), default=MODEL)
    with Engine(models) as engine:
        yield engine


@contextmanager
def _service(folder: Path, threads: int) -> Iterator[Server]:
    server = Server(folder, threads=threads, default_model=MODEL)
    server.start()
    try:
        yield server
    finally:
        server.kill()


if __name__ == "__main__":
    main()
