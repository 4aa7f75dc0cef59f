"""``python -m service``: check the settings, then serve through BentoML."""

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path

from service.errors import SettingsError
from service.settings import Settings

# The server itself gives requests so long after SIGTERM. It gets the signal when they are answered (see
# service.http.drain), or at the second SIGTERM.
_DRAIN_S = 30

_KEEP_ALIVE_S = 75
"""Longer than load balancers keep a connection on which nothing happens, 60 s as a rule: then they close it, and none
sends a request into a connection that is being closed here."""

_NUMPY_ON_ONE_THREAD = {"OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1")}
"""The cores belong to the device's session. numpy's products are small; on more threads, which wait for each other
and spin, reckoning a RISE map took ten times as long on a busy machine of two cores (230 ms of processor time, not 27).
"""


def main() -> None:
    """Replace this process by BentoML's server."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve predictions you can check.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        Settings.from_environment()
        _check_port(arguments.host, arguments.port)
    except SettingsError as error:
        sys.exit(f"saliserve: {error.detail}")
    os.environ |= _environment(arguments.port)
    os.execv(sys.executable, _command(arguments.host, arguments.port))  # noqa: S606 - no shell is wanted


def _check_port(host: str, port: int) -> None:
    """Find out before the models are loaded, in one line rather than BentoML's traceback.

    Raises:
        SettingsError: Nobody can listen there.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"port {port} of {host} cannot be listened on: {error}. Choose another with --port, or end what uses it."
        ) from error


def _environment(port: int) -> dict[str, str]:
    # Two servers with one BENTOML_HOME would wipe each other's metrics; two servers never share a port.
    home = Path(
        os.environ.get("BENTOML_HOME", Path(tempfile.gettempdir()) / f"saliserve-{os.getuid()}-{port}")
    )
    home.mkdir(parents=True, exist_ok=True)
    return {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", **_NUMPY_ON_ONE_THREAD}


def _command(host: str, port: int) -> list[str]:
    serve = [sys.executable, "-m", "bentoml", "serve", "service.app:Saliserve"]
    timeouts = ["--timeout-graceful-shutdown", str(_DRAIN_S), "--timeout-keep-alive", str(_KEEP_ALIVE_S)]
    return [*serve, "--host", host, "--port", str(port), *timeouts]


if __name__ == "__main__":
    main()
