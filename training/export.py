"""From a run to a bundle that the service loads."""

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from service.bundle.build import Oracles, build_bundle
from service.bundle.evidence import Evaluation, RobustAccuracy
from service.bundle.load import Bundle
from service.bundle.manifest import Provenance
from service.bundle.recipe import Recipe
from training.data.pictures import limited
from training.data.read import policy_of, read_test
from training.evaluation import EVALUATION, read_evaluation
from training.onnx_file import TorchFramework, write_onnx
from training.runs import FinishedRun, open_run

NAMES = {
    "scaat": "SCAAT, reconstructed from the abstract of arXiv 2311.05143",
}
ROOT = Path(__file__).parents[1]
PARITY_IMAGES = 8


def export_run(
    folder: Path,
    models: Path,
    *,
    name: str,
    number: str,
    data: str,
    licence: str,
    command: str = "",
    created: datetime | None = None,
    directions: int = 2,
    force: bool = False,
    report: Callable[[str], None] = print,
) -> Bundle:
    """Build ``<models>/<name>/<number>`` from the best checkpoint of a run.

    Its evaluation goes into the manifest if ``training evaluate`` has been run; parity is measured against
    torch on pictures of the test part.

    Args:
        folder: Of the run.
        models: Folder of all bundles.
        name: Of the model.
        number: Its version.
        data: What it was trained on, for people.
        licence: SPDX expression of the weights' licence.
        command: Exactly what made it; the flags of ``fit`` that are needed if empty.
        created: When; now if None.
        directions: Of finite differences per image.
        force: Replace a bundle of that name and version.
        report: Told of every stage.

    Raises:
        CheckpointError: The run has no checkpoint.
        BundleBuildError: The network cannot become a bundle.
    """
    run = open_run(folder)
    pictures = limited(read_test(run.config.data, run.classes), PARITY_IMAGES)
    images = [pictures.image(number).numpy() for number in range(len(pictures))]
    recipe = Recipe(
        name=name,
        version=number,
        created=created or datetime.now(UTC),
        classes=run.classes,
        origin="saliserve, training module",
        licence=licence,
        resize=policy_of(run.config.data),
        provenance=provenance(run, data, command or _fit_command(run)),
        evaluation=_evaluation(run, data),
        tools={"torch": torch.__version__, "onnxscript": version("onnxscript")},
    )
    oracles = Oracles(directions=directions, framework=TorchFramework(run.network), images=images)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.onnx"
        write_onnx(run.network, path, run.config.data.size)
        return build_bundle(path, recipe, models, oracles=oracles, force=force, report=report)


def provenance(run: FinishedRun, data: str, command: str) -> Provenance:
    """Write down how a network was trained; minutes are wall-clock time, other work on the machine included."""
    settings: dict[str, Any] = json.loads(run.config.model_dump_json(exclude={"output", "device"}))
    settings["data"] = {
        key: value for key, value in settings["data"].items() if key not in run.config.data.idle
    }
    # Where this machine kept the pictures says nothing about the model.
    settings["data"]["root"] = Path(settings["data"]["root"]).name
    flat = {
        f"{section}.{key}" if isinstance(value, dict) else section: part
        for section, value in settings.items()
        for key, part in (value.items() if isinstance(value, dict) else [("", value)])
    }
    flat |= {
        "command": command,
        "minutes": round(run.progress["seconds"] / 60, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {run.config.device.threads or 'all'} threads",
        "validation_accuracy": round(run.progress["best_accuracy"], 4),
        "rollbacks": run.progress["rollbacks"],
    }
    return Provenance(
        arm=NAMES.get(run.config.arm, run.config.arm),
        data=data,
        code_version=code_version(),
        seed=run.config.seed,
        hyper_parameters=flat,
    )


def _fit_command(run: FinishedRun) -> str:
    """Name the run's stored configuration, which ``fit`` reads as it stands."""
    return f"python -m training fit, with the settings of {run.folder.name}/config.json (all listed here)"


def code_version() -> str:
    """Name the commit of this checkout; ``unknown`` outside one."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - whichever git the user has
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _evaluation(run: FinishedRun, data: str) -> Evaluation | None:
    if not (run.folder / EVALUATION).is_file():
        return None
    found = read_evaluation(run.folder)
    return Evaluation(
        data=f"{data}, test part",
        images=found["test"]["images"],
        accuracy=found["test"]["accuracy"],
        expected_calibration_error=found["test"]["calibration_error"],
        robust_accuracy=tuple(
            RobustAccuracy(attack=one["attack"], epsilon=one["epsilon"], accuracy=one["accuracy"])
            for one in found["robust"]
        ),
    )
