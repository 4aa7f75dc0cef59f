"""OpenVINO XAI on the ONNX file, which it reads itself."""

from typing import Any

import numpy as np
import openvino as ov
import openvino_xai as xai
from openvino_xai.explainer.explainer import ExplainMode
from openvino_xai.metrics.insertion_deletion_auc import InsertionDeletionAUC

from benchmarks.peers.case import CELLS, Case, Contender, Run

PACKAGE = "openvino-xai"


def _first(outputs: Any) -> list[np.ndarray[Any, Any]]:
    return list(outputs.values())[0]  # noqa: RUF015 - an OVDict has no iterator of values


def _softmax(outputs: Any) -> np.ndarray[Any, Any]:
    logits = np.asarray(_first(outputs))
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(-1, keepdims=True))


def _core(case: Case) -> ov.Core:
    core = ov.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": case.threads})
    return core


def _batch_of_one(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return image if image.ndim == 4 else image[None]


def _rise(case: Case) -> Run:
    explainer = xai.Explainer(
        model=_core(case).read_model(str(case.onnx)),
        task=xai.Task.CLASSIFICATION,
        explain_mode=ExplainMode.BLACKBOX,
        explain_method=xai.Method.RISE,
        preprocess_fn=_batch_of_one,
        postprocess_fn=_softmax,
    )
    image = case.image[None]

    def run() -> np.ndarray[Any, Any]:
        explanation = explainer(
            image,
            targets=[case.target],
            num_masks=case.counts["masks"],
            num_cells=CELLS,
            resize=False,
            colormap=False,
            overlay=False,
        )
        return np.asarray(explanation.saliency_map[case.target], np.float32)

    return run


def _deletion_and_insertion(case: Case) -> Run:
    metric = InsertionDeletionAUC(
        _core(case).read_model(str(case.onnx)),
        preprocess_fn=lambda image: image.transpose(2, 0, 1)[None],
        postprocess_fn=_softmax,
    )
    image = np.ascontiguousarray(case.image.transpose(1, 2, 0))

    def run() -> np.ndarray[Any, Any]:
        found = metric(case.saliency, case.target, image, steps=case.counts["intervals"])
        return np.array([found["deletion"], found["insertion"]])

    return run


WORKS: dict[str, dict[str, Contender]] = {
    "rise": {"OpenVINO XAI": _rise},
    "deletion_insertion": {"OpenVINO XAI": _deletion_and_insertion},
}
