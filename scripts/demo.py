"""Start the service, explain a photo through the client, show the receipt, stop the service.

``make demo`` runs this in the serving environment. Standard library and saliserve_client only.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saliserve_client import Client, Explanation, Retry, SaliserveError
from saliserve_client.cli.commands.explain import lines
from saliserve_client.errors import TransportError
from saliserve_client.files import write_json, write_whole

ROOT = Path(__file__).resolve().parent.parent

START_S = 180.0
"""A cold start takes about 5 s; a first one on a busy machine, with everything to be compiled, far longer."""

STOP_S = 45.0
"""More than the service gives requests under way to finish."""

DEADLINE_MS = 110_000
"""A full receipt is about a thousand forward passes: 10 s on two cores, more on a busy machine."""

TAIL = 40
"""Lines of the service's log that are shown when something fails."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def main() -> int:
    """Run the demo and return its exit code."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "service.log"
    try:
        with _service(_free_port(options.port), log) as url, Client(url) as client:
            answer, round_trip_ms = _explain(client, options.photo)
        written = _write(answer, options.out)
    except (DemoError, SaliserveError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        _print_tail(log)
        return 1
    print(f"{options.photo.name} explained by {answer.method}\n")
    print("\n".join(lines(answer, round_trip_ms=round_trip_ms, written=written)))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="to serve on; a free one if 0 or taken")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="folder for overlay and JSON")
    parser.add_argument("--photo", type=Path, default=ROOT / "samples" / "coffee.jpg")
    return parser.parse_args()


def _free_port(wanted: int) -> int:
    """Take the wanted port, or another one if somebody listens there already."""
    with socket.socket() as candidate:
        # As servers do it: a port of a connection that has just ended is free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", wanted))
        except OSError:
            print(f"port {wanted} is taken; the demo uses another one")
            return _free_port(0)
        port: int = candidate.getsockname()[1]
        return port


@contextmanager
def _service(port: int, log: Path) -> Iterator[str]:
    """Run the service while the block runs.

    Raises:
        DemoError: It does not start, or does not stop.
    """
    home = Path(tempfile.mkdtemp(prefix="saliserve-demo-"))
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own service
            [sys.executable, "-m", "service", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "BENTOML_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(process, url)
            yield url
            _stop(process)
        finally:
            _end(process)
            shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    begin_s = time.monotonic()
    with Client(url, retry=Retry(attempts=1), timeout_s=5) as client:
        while not _is_ready(client):
            waited_s = time.monotonic() - begin_s
            if process.poll() is not None:
                raise DemoError(f"the service ended with exit code {process.returncode} before it was ready")
            if waited_s > START_S:
                raise DemoError(f"the service was not ready after {START_S:.0f} s")
            _progress(f"starting the service at {url} … {waited_s:.0f} s")
            time.sleep(0.25)
    _progress(f"the service at {url} is ready after {time.monotonic() - begin_s:.1f} s\n")


def _is_ready(client: Client) -> bool:
    try:
        return client.ready()
    except TransportError:
        return False


def _explain(client: Client, photo: Path) -> tuple[Explanation, float]:
    _progress(f"explaining {photo.name} …")
    begin_s = time.perf_counter()
    answer = client.explain(photo, method="grad_cam", receipt="full", overlay=True, deadline_ms=DEADLINE_MS)
    round_trip_ms = 1e3 * (time.perf_counter() - begin_s)
    _progress("")
    return answer, round_trip_ms


def _write(answer: Explanation, folder: Path) -> list[Path]:
    if answer.overlay is None:
        raise DemoError("the answer holds no overlay, although one was asked for")
    overlay, explanation = folder / "overlay.png", folder / "explanation.json"
    write_whole(overlay, answer.overlay)
    write_json(explanation, answer.raw)
    return [overlay, explanation]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    _progress("stopping the service …")
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        raise DemoError(f"the service did not stop within {STOP_S:.0f} s of SIGTERM") from None
    _progress("")
    if code != 0:
        raise DemoError(f"the service stopped with exit code {code}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Leave nothing running, whatever happened; only at its own pace does it take its worker along."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _progress(text: str) -> None:
    """Redraw one line on a terminal; elsewhere print only lines that stay."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)
    elif text.endswith("\n"):
        print(text, end="", flush=True)


def _print_tail(log: Path) -> None:
    tail = log.read_text("utf-8", "replace").splitlines()[-TAIL:] if log.is_file() else []
    if tail:
        print(f"\nthe end of {log}:", *tail, sep="\n  ", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
