"""DIANNA: RISE on the ONNX file, with the same settings as the others and with its defaults."""

from functools import partial
from typing import Any

import dianna
import numpy as np

from benchmarks.peers.case import CELLS, KEEP, Case, Contender, Run

PACKAGE = "dianna"


def _rise(settings: dict[str, Any], case: Case) -> Run:
    image = case.image

    def run() -> np.ndarray[Any, Any]:
        [saliency] = dianna.explain_image(
            str(case.onnx),
            image,
            method="RISE",
            labels=[case.target],
            n_masks=case.counts["masks"],
            axis_labels=("channels", "height", "width"),
            **settings,
        )
        return np.asarray(saliency)

    return run


WORKS: dict[str, dict[str, Contender]] = {
    "rise": {
        "DIANNA, same settings": partial(_rise, {"feature_res": CELLS, "p_keep": KEEP, "batch_size": 50}),
        "DIANNA, its defaults": partial(_rise, {}),
    }
}
