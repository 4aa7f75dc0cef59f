"""Measure a finished run on test pictures: accuracy, robustness, maps, receipts, stability, randomisation."""

import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from service.bundle.build import Oracles, build_bundle
from service.bundle.recipe import Recipe
from training.answers import answers
from training.checkpoint import load_checkpoint
from training.data.pictures import Boxes, Pictures, limited, told_skipped
from training.data.read import policy_of, read_test
from training.errors import CheckpointError
from training.evaluation import EVALUATION, read_evaluation, write_evaluation
from training.localisation import area_share
from training.log import METRICS, read_metrics
from training.maps import spread_out, write_maps
from training.monitors import answer_measures
from training.onnx_file import write_onnx
from training.random import stream
from training.randomisation import randomisation_checks
from training.receipts import EXPLAINERS, TRAINING_PROTOCOL, Measured, load_model, measure_maps
from training.robustness import black_box_accuracy, white_box_accuracy
from training.runs import FinishedRun, open_run
from training.stability import stability
from training.trainer import BEST

CPU = torch.device("cpu")
STABILITY_RADIUS = 2 / 255
STABILITY_DRAWS = 5
BLACK_BOX_QUERIES = 60


def is_evaluated(folder: Path) -> bool:
    """Say whether the evaluation of a run is there and of its present weights, not of those of an earlier epoch."""
    if not (folder / EVALUATION).is_file():
        return False
    best = folder / BEST
    return (
        not best.is_file() or read_evaluation(folder)["training"] == load_checkpoint(best).facts["progress"]
    )


def evaluate_run(
    folder: Path, *, map_images: int, robust_images: int, epsilons: tuple[float, ...]
) -> dict[str, Any]:
    """Evaluate a run and write ``evaluation.json`` beside its checkpoints.

    Everything is drawn from seeds that do not depend on the run: all runs see the same pictures, starts and
    noise, so differences may be taken picture by picture.

    Args:
        folder: Of the run.
        map_images: Test pictures whose maps are judged, an even share of each class.
        robust_images: Test pictures that are attacked, likewise.
        epsilons: Radii of the attacks, pixel units.

    Returns:
        What was written.

    Raises:
        CheckpointError: The run has no checkpoint or no log.
        DataError: The test part cannot be used.
    """
    began = time.monotonic()
    run = open_run(folder)
    torch.set_num_threads(run.config.device.threads or torch.get_num_threads())
    test = read_test(run.config.data, run.classes)
    sys.stderr.write(told_skipped(test))
    logits, labels = answers(run.network, test, CPU)
    found = {
        "arm": run.config.arm,
        "seed": run.config.seed,
        "training": dict(run.progress),
        "cost": _cost(folder),
        "test": {"images": len(test), **answer_measures(logits, labels)},
        # One digit per picture, so that arms can be compared picture by picture.
        "correct": "".join(map(str, (logits.argmax(1) == labels).int().tolist())),
        "robust": _robustness(run.network, limited(test, robust_images), epsilons),
        **_maps(run, limited(test, map_images)),
    }
    found["evaluation_seconds"] = time.monotonic() - began
    write_evaluation(folder, found)
    return found


def _cost(folder: Path) -> dict[str, float]:
    """Take passes per step from the last epoch, when every schedule has reached its end."""
    lines = read_metrics(folder)
    if not lines:
        raise CheckpointError(
            f"{folder} holds no {METRICS}, which `training fit` writes beside the checkpoints; copy it too",
            where=str(folder),
        )
    last = lines[-1]
    return {name: last[name] for name in last if name.endswith("per_step")} | {"seconds": last["seconds"]}


def _robustness(network: nn.Module, pictures: Pictures, epsilons: tuple[float, ...]) -> list[dict[str, Any]]:
    images, labels = pictures.batch(range(len(pictures)))
    found = []
    for epsilon in epsilons:
        generator = stream(CPU, 0, "evaluate", "white-box")
        white = white_box_accuracy(network, images, labels, epsilon, generator)
        generator = stream(CPU, 0, "evaluate", "black-box")
        black = black_box_accuracy(
            network, images, labels, epsilon, queries=BLACK_BOX_QUERIES, generator=generator
        )
        found += [
            {"attack": "PGD-20, l_inf, cross-entropy, one random start", "kind": "white", "accuracy": white},
            {
                "attack": f"random search for squares, l_inf, {BLACK_BOX_QUERIES} queries, no gradients",
                "kind": "black",
                "accuracy": black,
            },
        ]
        for one in found[-2:]:
            one |= {"epsilon": epsilon, "images": len(images)}
    return found


def _maps(run: FinishedRun, pictures: Pictures) -> dict[str, Any]:
    images, labels = pictures.batch(range(len(pictures)))
    boxes = _boxes(pictures)
    with tempfile.TemporaryDirectory() as scratch:
        model = load_model(_plain_bundle(run, Path(scratch)))
        arrays, classes = [image.numpy() for image in images], labels.tolist()
        maps = measure_maps(model, arrays, classes, boxes)
        shown = spread_out(len(arrays))
        write_maps(run.folder, model, [arrays[one] for one in shown], [classes[one] for one in shown])
    change, ratio = stability(
        run.network,
        images,
        labels,
        radius=STABILITY_RADIUS,
        draws=STABILITY_DRAWS,
        generator=stream(CPU, 0, "evaluate", "stability"),
    )
    size = run.config.data.size
    return {
        "pictures": list(pictures.names),
        "protocol": {**asdict(TRAINING_PROTOCOL), "explainers": dict(EXPLAINERS)},
        "explainers": {name: _columns(rows) for name, rows in maps.items()},
        "box_area": [None if box is None else area_share(box, size, size) for box in boxes],
        "input_stability": change.tolist(),
        "output_stability": ratio.tolist(),
        "randomisation": dict(randomisation_checks(run.network, images, labels)),
    }


def _boxes(pictures: Pictures) -> list[Boxes | None]:
    if not pictures.boxes:
        return [None] * len(pictures)
    return [box if len(box) else None for box in pictures.boxes]


def _columns(rows: list[Measured]) -> dict[str, Any]:
    return {name: [getattr(row, name) for row in rows] for name in Measured.__dataclass_fields__}


def _plain_bundle(run: FinishedRun, folder: Path) -> Path:
    """Build the bundle that the service would load, without measuring it: ``export`` does that."""
    write_onnx(run.network, folder / "network.onnx", run.config.data.size)
    recipe = Recipe(
        name="evaluated",
        version="1",
        created=datetime.now(UTC),
        classes=run.classes,
        origin="training evaluate",
        resize=policy_of(run.config.data),
    )
    bundle = build_bundle(folder / "network.onnx", recipe, folder / "models", oracles=Oracles(directions=0))
    return bundle.folder
