"""XAITK Saliency over an ONNX Runtime session, which it is handed as a black box."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import onnxruntime as ort
from smqtk_classifier import ClassifyImage
from xaitk_saliency.impls.gen_image_classifier_blackbox_sal.rise import RISEStack
from xaitk_saliency.impls.gen_image_classifier_blackbox_sal.slidingwindow import SlidingWindowStack

from benchmarks.peers.case import CELLS, KEEP, WINDOW, Case, Contender, Run

PACKAGE = "xaitk-saliency"

_AT_ONCE = 8


class OnnxClassifier(ClassifyImage):  # type: ignore[misc]
    """Classifies in batches, as the black box of XAITK may."""

    def __init__(self, case: Case, *, probabilities: bool) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = case.threads
        self._session = ort.InferenceSession(str(case.onnx), options, providers=["CPUExecutionProvider"])
        self._target = case.target
        self._probabilities = probabilities

    def get_labels(self) -> Sequence[int]:
        """Name the class that is explained."""
        return [self._target]

    def classify_images(self, img_iter: Iterable[np.ndarray[Any, Any]]) -> Iterator[dict[int, float]]:
        """Answer for every image ``[H, W, 3]``, 8 bits."""
        images = iter(img_iter)
        while batch := list(islice(images, _AT_ONCE)):
            pixels = np.stack(batch).transpose(0, 3, 1, 2).astype(np.float32) / 255
            logits = self._session.run(None, {"image": pixels})[0].astype(np.float64)
            if self._probabilities:
                exponentials = np.exp(logits - logits.max(1, keepdims=True))
                logits = exponentials / exponentials.sum(1, keepdims=True)
            yield from ({self._target: float(row[self._target])} for row in logits)

    def get_config(self) -> dict[str, Any]:
        """Nothing that XAITK needs."""
        return {}


def _pixels(case: Case) -> np.ndarray[Any, Any]:
    return np.rint(255 * case.image.transpose(1, 2, 0)).astype(np.uint8)


def _occlusion(case: Case) -> Run:
    classifier, image = OnnxClassifier(case, probabilities=False), _pixels(case)
    stride = case.counts["stride"]
    method = SlidingWindowStack(window_size=(WINDOW, WINDOW), stride=(stride, stride), threads=0)
    method.fill = [0, 0, 0]
    return lambda: np.asarray(method.generate(image, classifier)[0])


def _rise(case: Case) -> Run:
    classifier, image = OnnxClassifier(case, probabilities=True), _pixels(case)
    method = RISEStack(n=case.counts["masks"], s=CELLS, p1=KEEP, seed=0, threads=0)
    method.fill = [0, 0, 0]
    return lambda: np.asarray(method.generate(image, classifier)[0])


WORKS: dict[str, dict[str, Contender]] = {
    "occlusion": {"XAITK, 8 at once": _occlusion},
    "rise": {"XAITK, 8 at once": _rise},
}
