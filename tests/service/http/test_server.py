"""The real thing: BentoML's server as a process, spoken to over a socket."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from service.runtime.device import has_cuda_driver
from tests.server import LONGEST_S, ROOT, Server, environment, free_port, running_server, until

RAW = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home directory of the server's user."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(models: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests but the last, which stops its own."""
    alone = {"HOME": home, "XDG_CACHE_HOME": home / "cache"}
    with running_server(tmp_path_factory.mktemp("server"), models=models, threads=1, **alone) as server:
        yield server


def test_it_predicts_and_explains(server: Server, picture: bytes) -> None:
    """Through worker, mount and middlewares as in production."""
    predicted = server.ask("POST", "/v1/predict", files={"image": picture})
    explained = server.ask("POST", "/v1/explain", content=picture, headers=RAW)

    assert predicted.json()["prediction"]["top_k"][0]["label"] == "red"
    assert explained.json()["explanation"]["map"]["shape"] == [16, 16]
    assert explained.json()["receipt"]["verdict"]


def test_it_speaks_to_nobody_and_leaves_nothing_at_home(server: Server, home: Path, picture: bytes) -> None:
    """ONNX Runtime and BentoML would, if one let them: an id in the home directory is the first sign."""
    server.post("/v1/predict", picture)
    family = [psutil.Process(server.process.pid), *server.workers]
    peers = {one.raddr.ip for process in family for one in process.net_connections("inet") if one.raddr}

    assert list(home.rglob("*")) == []
    assert peers <= {"127.0.0.1"}


@pytest.mark.parametrize("port", ["in use", 70_000])
def test_a_port_that_nobody_can_have_is_one_line(server: Server, tmp_path: Path, port: str | int) -> None:
    """Before any model is loaded, and with the way out."""
    chosen = server.port if port == "in use" else port
    start = subprocess.run(
        [sys.executable, "-m", "service", "--port", str(chosen)],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )

    assert (start.returncode, start.stdout, start.stderr.count("\n")) == (1, "", 1), start.stderr
    assert start.stderr.startswith(f"saliserve: port {chosen} of 127.0.0.1 cannot be listened on: ")
    assert "--port" in start.stderr


def test_idle_connections_are_kept_longer_than_load_balancers_keep_them(server: Server) -> None:
    """60 s is what they do by default; who closes first must be the one who sends, or requests are lost."""
    (worker,) = server.workers
    command = worker.cmdline()

    assert int(command[command.index("--timeout-keep-alive") + 1]) > 60


@pytest.mark.parametrize(
    "path", ["/nothing", "/schema.json", "/docs.json", "/static_content/index.css", "/v1", "/v1/models/"]
)
def test_what_is_not_ours_is_not_there(server: Server, path: str) -> None:
    """BentoML's own pages describe no route of ours, and its index loads a tracker."""
    answer = server.ask("GET", path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_wrong_method_is_a_problem_through_the_mount(server: Server) -> None:
    """BentoML's mount might take it for a path that does not exist."""
    answer = server.ask("GET", "/v1/predict")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["code"] == "method_not_allowed"


def test_head_is_answered_over_a_socket(server: Server) -> None:
    """Twice over one connection: a body that was announced and is waited for would break it off."""
    with httpx2.Client(base_url=server.url, timeout=LONGEST_S) as connection:
        answers = [connection.head(path) for path in ("/livez", "/readyz", "/livez")]

    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 3
    assert answers[0].headers["content-length"] == str(len(server.ask("GET", "/livez").content))


@pytest.mark.parametrize(
    "sent",
    [
        {"content": b"", "headers": RAW},
        {"content": b"x" * 100, "headers": {"Content-Type": "multipart/form-data; boundary="}},
        {"files": {"image": b"text"}},
        {"json": {}},
    ],
)
def test_after_a_mistake_the_next_request_is_served(
    server: Server, picture: bytes, sent: dict[str, object]
) -> None:
    """The worker lives on."""
    mistake = server.ask("POST", "/v1/predict", **sent)  # type: ignore[arg-type]

    assert 400 <= mistake.status_code < 500
    assert mistake.json()["code"]
    assert server.ask("POST", "/v1/predict", content=picture, headers=RAW).status_code == 200


def test_metrics_are_those_of_the_worker_by_route_template(server: Server) -> None:
    """Written by the worker's process to files, read back by whoever is asked; raw paths nowhere."""
    server.ask("GET", "/v1/models/some-name-that-nobody-gave")

    text = server.ask("GET", "/metrics").text

    assert 'saliserve_requests_total{method="GET",model="",route="/v1/models/{name}",status="404"}' in text
    assert 'saliserve_model_info{model="colours",provider="CPUExecutionProvider"' in text
    assert "some-name-that-nobody-gave" not in text
    assert "bentoml_service_request" not in text


def test_each_request_leaves_one_line_of_json(server: Server, picture: bytes) -> None:
    """With its name, its route and its cost, and nothing of the picture or the query."""
    server.ask("POST", "/v1/predict?top_k=1", content=picture, headers={**RAW, "X-Request-ID": "log-me"})

    # The line may follow the answer by a moment, and is whole once its end is there.
    until(lambda: "log-me" in server.log.read_text().rpartition("\n")[0], "the request's line in the log")
    (line,) = [line for line in server.log.read_text().splitlines() if "log-me" in line]
    entry = json.loads(line)
    assert (entry["route"], entry["status"], entry["model"]) == ("/v1/predict", 200, "colours")
    assert entry["duration_ms"] > 0
    assert "top_k" not in line


def test_what_was_accepted_is_answered_and_what_is_new_refused(
    models: Path, tmp_path: Path, picture: bytes
) -> None:
    """SIGTERM comes while a request is half sent: first /readyz fails, then that request is answered, then
    the process leaves with 0."""
    server = Server(tmp_path, models=models, threads=1)
    server.start()
    connection = server.begin("/v1/predict", picture)
    server.until_under_way(1)

    server.process.send_signal(signal.SIGTERM)
    until(lambda: server.ask("GET", "/readyz").status_code != httpx2.codes.OK, "the end of readiness")
    ready = server.ask("GET", "/readyz")
    refused = server.ask("POST", "/v1/predict", content=picture, headers=RAW)
    alive = server.ask("GET", "/livez")
    connection.send(picture[-1:])
    answer = connection.getresponse()

    assert answer.status == 200
    assert json.loads(answer.read())["prediction"]["top_k"][0]["label"] == "red"
    for problem in (ready, refused):
        assert (problem.status_code, problem.json()["code"]) == (503, "draining")
        assert problem.headers["retry-after"] == "1"
    assert refused.headers["connection"] == "close"
    assert alive.status_code == 200
    connection.close()
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("max_pixel", "100", "unknown setting SALISERVE_MAX_PIXEL"),
        ("models", "/nowhere", "/nowhere"),
        pytest.param(
            "provider",
            "cuda",
            "There is no CUDA driver on this machine: libcuda.so.1 cannot be loaded",
            marks=pytest.mark.skipif(has_cuda_driver(), reason="this machine has a GPU"),
        ),
    ],
)
def test_what_only_the_operator_can_mend_stops_the_start(
    models: Path, tmp_path: Path, setting: str, value: str, said: str
) -> None:
    """In the parent process: a worker that fails would be restarted for ever, never ready."""
    started = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "service.app:Saliserve", "--port", str(free_port())],
        cwd=ROOT,
        env=environment(tmp_path, **{"models": models, setting: value}),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )

    assert started.returncode != 0
    assert said in started.stderr
    assert "Traceback" not in started.stderr
