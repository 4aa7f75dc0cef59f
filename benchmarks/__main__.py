"""``python -m benchmarks``: every row that is not finished yet, then the page.

    python -m benchmarks [--amount full] [--models resnet18] [--again 0.15] [--environments .venvs]

Interrupt it whenever you like; finished rows are kept under out/bench and skipped by the next run.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender import ROOT, Contenders, Peer
from benchmarks.race import race
from benchmarks.results import FOLDER, Results

MODELS = ("resnet18", "efficientnet_lite0", "mobilenet_v3_large", "vit_b_16")

WORKS = (
    "gradient",
    "grad_cam",
    "smooth_grad",
    "integrated_gradients",
    "road",
    "occlusion",
    "deletion_insertion",
    "rise",
    "receipt",
)
"""Cheap ones first: an interrupted run has most of its rows."""

FULL = {"steps": 50, "samples": 24, "stride": 16, "masks": 1000, "intervals": 30}
LEAST = {"steps": 10, "samples": 8, "stride": 32, "masks": 20, "intervals": 10}
COUNTS: Mapping[str, Mapping[str, int]] = {"full": FULL, "quick": FULL | {"masks": 100}, "least": LEAST}
"""How much work a row is: the published amounts, fewer RISE masks, or as little as still shows a ratio."""

# A pass of ViT-B/16 is ten of ResNet-18.
_HEAVY: Mapping[str, Mapping[str, int]] = {
    "full": FULL,
    "quick": LEAST,
    "least": {"steps": 4, "samples": 4, "stride": 32, "masks": 12, "intervals": 4},
}

TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Cell:
    """A row to measure."""

    model: str
    work: str
    counts: Mapping[str, int]

    @property
    def name(self) -> str:
        """Of its file."""
        return f"peers/{self.model}/{self.work}"


def peers(environments: Path) -> tuple[Peer, ...]:
    """Everybody who takes part, and where they are installed."""

    def python(environment: str) -> Path:
        return environments / environment / "bin" / "python"

    torch = python("bench-torch")
    gradients = ("gradient", "integrated_gradients", "smooth_grad")
    installed: dict[str, tuple[str, Path, tuple[str, ...]]] = {
        "saliserve": ("saliserve", Path(sys.executable), WORKS),
        "plain_torch": ("PyTorch", torch, (*gradients, "occlusion", "rise", "deletion_insertion")),
        "compiled_torch": ("PyTorch compiled", torch, ("gradient", "occlusion")),
        "captum": ("Captum", torch, (*gradients, "grad_cam", "occlusion")),
        "grad_cam": ("pytorch-grad-cam", torch, ("grad_cam", "road")),
        "torchcam": ("TorchCAM", torch, ("grad_cam", "deletion_insertion", "receipt")),
        "quantus": ("Quantus", torch, ("deletion_insertion", "road", "receipt")),
        "pair": ("PAIR saliency", torch, gradients),
        "dianna": ("DIANNA", python("bench-dianna"), ("rise",)),
        "openvino_xai": ("OpenVINO XAI", python("bench-openvino"), ("rise", "deletion_insertion")),
        "xaitk": ("XAITK", python("bench-xaitk"), ("occlusion", "rise")),
    }
    return tuple(
        Peer(f"benchmarks.peers.{module}", title, path, frozenset(works))
        for module, (title, path, works) in installed.items()
    )


def cells(models: Iterable[str], works: Iterable[str], amount: str) -> Iterator[Cell]:
    """All rows, model by model."""
    works = tuple(works)
    for model in models:
        for work in works:
            counts = (_HEAVY if model == "vit_b_16" else COUNTS)[amount]
            yield Cell(model, work, counts)


def main() -> None:
    """Measure what is missing."""
    given = _arguments()
    results = Results(given.out)
    wanted = [
        cell for cell in cells(given.models, given.works, given.amount) if due(results, cell, given.again)
    ]
    print(f"{len(wanted)} rows to measure, {given.rounds} rounds each", flush=True)
    begin = time.monotonic()
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(
                Contenders(peer, given.out / "logs" / f"{peer.module}.log", given.timeout_s, given.threads)
            )
            for peer in peers(given.environments)
            if not given.peers or peer.module.rpartition(".")[2] in given.peers
        ]
        for number, cell in enumerate(wanted):
            folder = given.out / "models" / cell.model
            prepare(cell.model, folder)
            row = race(
                cell.work,
                folder,
                cell.counts,
                contenders,
                rounds=given.rounds,
                threads=given.threads,
                measure=given.measure,
            )
            results.save(cell.name, {"model": cell.model, **row})
            left = (time.monotonic() - begin) / (number + 1) * (len(wanted) - number - 1)
            print(f"[{number + 1}/{len(wanted)}] {cell.name}; about {left / 60:.0f} min left", flush=True)


def due(results: Results, cell: Cell, most_spread: float | None) -> bool:
    """Say whether a row is missing, or too uncertain to be left as it is."""
    if cell.name not in results:
        return True
    if most_spread is None:
        return False
    lines = results[cell.name]["contenders"]
    return any(line["spread"] > most_spread for line in lines if "spread" in line)


def prepare(model: str, folder: Path, *, side: int = 224) -> None:
    """Make a model for images of *side* pixels, in a process of its own: PyTorch's memory is given back."""
    if (folder / "facts.json").exists():
        return
    command = [sys.executable, "-m", "benchmarks.prepare", model, str(folder), "--side", str(side)]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside every peer.")
    add = parser.add_argument
    add("--amount", choices=COUNTS, default="quick", help="of work in a row; full takes hours on two cores")
    add("--models", nargs="+", default=MODELS, metavar="MODEL")
    add("--works", nargs="+", default=WORKS, choices=WORKS, metavar="WORK")
    add("--peers", nargs="+", default=(), metavar="MODULE", help="of benchmarks/peers; default all")
    add(
        "--again",
        type=float,
        metavar="SPREAD",
        help="also rows of which a time spreads by more than this share",
    )
    add("--rounds", type=int, default=5)
    add("--threads", type=int, default=2)
    add("--measure", choices=("wall", "processor"), default="wall", help="processor: for a machine in use")
    add("--timeout-s", type=float, default=TIMEOUT_S, help="of one run; who takes longer is out")
    add("--environments", type=Path, default=ROOT / ".venvs")
    add("--out", type=Path, default=FOLDER)
    return parser.parse_args()


if __name__ == "__main__":
    main()
