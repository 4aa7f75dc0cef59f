"""Build the image where there is no container engine, run it as Kubernetes would, and see whether it serves.

    apt-get install --no-install-recommends buildah debootstrap bubblewrap
    python3 scripts/try_image.py --keep out/image

For root on Debian or Ubuntu. The Dockerfile is built unchanged by buildah, which needs no daemon. Unless ``--pull``
is given, its base image is one that is made here of Debian's packages under the same name, for where no registry
can be reached. The image's own command then runs as the image's user, without capabilities, on a read-only root, in
a network of its own that leads nowhere; its health check is run, and a photo is explained.

What this cannot show: the published base image, a container engine, a GPU.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BASE = "docker.io/library/python:3.11-slim-bookworm"
IMAGE = "localhost/saliserve"
NAME = "saliserve"
LONGEST_S = 300.0

EXPLAIN = """
import json, urllib.request
photo = open("/app/samples/coffee.jpg", "rb").read()
request = urllib.request.Request("http://127.0.0.1:3000/v1/explain?receipt=fast", photo, {"Content-Type": "image/jpeg"})
answer = json.load(urllib.request.urlopen(request, timeout=120))
print(json.dumps({"label": answer["prediction"]["top_k"][0]["label"], "verdict": answer["receipt"]["verdict"]}))
"""

PERMISSIONS = """
import json, os, pathlib
def refused(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError as error:
        return error.strerror
    return None
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({"uid": os.getuid(), "groups": os.getgroups(), "capabilities": status["CapBnd"].strip(),
                  "no_new_privileges": status["NoNewPrivs"].strip(),
                  "write_to_app": refused("/app/x"), "write_to_tmp": refused("/tmp/x")}))
"""

READY = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/readyz', timeout=2)"


class Buildah:
    """Buildah with a store of its own, so that nothing stays on the machine.

    Args:
        folder: For the store.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            "BUILDAH_FORMAT": "docker",  # OCI's own format has no health check
        }
        self._store = ("--root", str(folder / "store"), "--runroot", str(folder / "run"))

    def __call__(self, command: str, *arguments: str) -> str:
        """Run a command; what it prints comes back, its complaints are shown."""
        done = subprocess.run(
            ["buildah", *self._store, command, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()


def make_base(buildah: Buildah, folder: Path, mirror: str) -> None:
    """Make an image of Debian's own Python that goes by the name of the Dockerfile's base."""
    root = folder / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "bookworm", root, mirror], check=True, stdout=2
    )
    (root / "usr/bin/python").symlink_to("python3")
    (root / "etc/hosts").touch()  # engines put their own there
    shutil.rmtree(root / "var/cache/apt/archives")
    shutil.rmtree(root / "var/lib/apt/lists")
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(root), "/")
    buildah("commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(root)


def build(buildah: Buildah, accelerator: str, extra: list[str], *, pull: bool) -> None:
    """Build the Dockerfile, as it is."""
    wanted = f"ACCELERATOR={accelerator}"
    arguments = ["--build-arg", wanted, "--tag", IMAGE, *extra, str(ROOT)]
    buildah("bud", "--pull" if pull else "--pull-never", *arguments)


@contextmanager
def running(root: Path, config: Mapping[str, Any], log: Path) -> Iterator[int]:
    """Run an image's command; give the process id of the first process inside."""
    hosts = log.with_name("hosts")
    hosts.write_text(f"127.0.0.1 localhost {NAME}\n")  # as engines do: BentoML binds to its own name
    listening, telling = os.pipe()
    private = ("--unshare-ipc", "--unshare-net", "--unshare-pid", "--unshare-uts", "--hostname", NAME)
    command = [
        *("bwrap", "--info-fd", str(telling), *private, "--die-with-parent", "--clearenv"),
        *(
            "--ro-bind",
            str(root),
            "/",
            "--ro-bind",
            str(hosts),
            "/etc/hosts",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ),
        *("--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108 - the container's
        *(
            "--cap-add",
            "CAP_SETUID",
            "--cap-add",
            "CAP_SETGID",
            "--cap-add",
            "CAP_SETPCAP",
        ),  # for setpriv, once
        *(word for line in config["Env"] for word in ("--setenv", *line.split("=", 1))),
        *("--chdir", config["WorkingDir"], *as_user(config), *config["Entrypoint"], *config["Cmd"]),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, pass_fds=[telling], stdout=output, stderr=output)
    os.close(telling)
    with os.fdopen(listening) as told:
        inside = json.loads(told.read())["child-pid"]
    try:
        yield inside
    finally:
        process.kill()
        process.wait()


def as_user(config: Mapping[str, Any]) -> list[str]:
    """Become the image's user, for good."""
    user = config["User"]
    least = ["--clear-groups", "--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all"]
    return ["setpriv", "--reuid", user, "--regid", user, *least, "--"]


def inside(process: int, config: Mapping[str, Any], *command: str) -> "subprocess.CompletedProcess[str]":
    """Run something beside the image's command, as ``docker exec`` would."""
    environment = ["env", "-i", *config["Env"]]
    return subprocess.run(
        ["nsenter", "-t", str(process), "-m", "-n", "-p", "--", *as_user(config), *environment, *command],
        capture_output=True,
        text=True,
        check=False,
    )


def until_ready(process: int, config: Mapping[str, Any]) -> float:
    """Wait until ``/readyz`` answers; return the seconds."""
    begin_s = time.perf_counter()
    while (asked := inside(process, config, "python", "-c", READY)).returncode:
        if time.perf_counter() - begin_s > LONGEST_S or not Path(f"/proc/{process}").exists():
            raise RuntimeError(f"the image never became ready; see service.log. {asked.stderr[-300:]}")
        time.sleep(0.2)
    return time.perf_counter() - begin_s


def processor_seconds(process: int) -> float:
    """Sum up the processor time of a process and its children: what a start takes however busy the machine is."""
    ticks = sum(
        int(field) for field in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:15]
    )
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return ticks / os.sysconf("SC_CLK_TCK") + sum(processor_seconds(int(child)) for child in children)


def size_bytes(root: Path) -> int:
    """Sum up what lies under a folder, links once."""
    done = subprocess.run(["du", "-sxb", root], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def try_image(buildah: Buildah, log: Path) -> dict[str, Any]:
    """Run the image and say what was seen."""
    config = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    container = buildah("from", "--pull-never", IMAGE)
    try:
        root = Path(buildah("mount", container))
        with running(root, config, log) as process:
            return {"size_mb": round(size_bytes(root) / 1e6), **look(process, config)}
    finally:
        buildah("rm", container)


def look(process: int, config: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for the service, ask it, and see what it may do."""
    ready_s = until_ready(process, config)
    return {
        "command": [*config["Entrypoint"], *config["Cmd"]],
        "ready_s": round(ready_s, 1),
        "ready_processor_s": round(processor_seconds(process), 1),
        "health_check": inside(process, config, *config["Healthcheck"]["Test"][1:]).returncode,
        "explained": spoken(inside(process, config, "python", "-c", EXPLAIN)),
        "may": spoken(inside(process, config, "python", "-c", PERMISSIONS)),
    }


def spoken(done: "subprocess.CompletedProcess[str]") -> Any:
    """Read what a program inside printed; its complaint, if it failed."""
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr[-500:]


def main() -> None:
    """Build, run, print what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accelerator", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--pull", action="store_true", help="build on the published base image")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian", help="of Debian's packages")
    parser.add_argument(
        "--build-flag",
        action="append",
        default=[],
        help="handed to `buildah bud`, as --build-flag=--volume=...",
    )
    parser.add_argument("--keep", type=Path, help="folder for the store of images, and the log; kept")
    parser.add_argument("--built", action="store_true", help="run the image that --keep holds already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        buildah = Buildah(folder)
        if not arguments.built:
            if not arguments.pull and BASE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}"):
                make_base(buildah, folder, arguments.mirror)
            build(buildah, arguments.accelerator, arguments.build_flag, pull=arguments.pull)
        seen = try_image(buildah, folder / "service.log")
    print(json.dumps(seen, indent=2))
    sys.exit(seen["health_check"])


if __name__ == "__main__":
    main()
