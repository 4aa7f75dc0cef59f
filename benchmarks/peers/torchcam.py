"""TorchCAM: Grad-CAM, and deletion with insertion of a given map."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchcam.methods import GradCAM
from torchcam.metrics import DeletionInsertionMetric

from benchmarks.peers.architectures import ARCHITECTURES, Classifier, feature_layer, load
from benchmarks.peers.case import INTERVALS, Case, Contender, Run, metric
from benchmarks.peers.passes import Passes

PACKAGE = "torchcam"

_AT_ONCE = 32


class ReadyMap:
    """Stands in for an extractor: the metric scores only what one makes, here at no cost."""

    def __init__(self, model: Classifier, saliency: Tensor) -> None:
        self.model = model
        self._saliency = saliency

    def __call__(self, *_: object, **__: object) -> list[Tensor]:
        """Give the map, ``[1, H, W]``."""
        return [self._saliency]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        """There is one."""
        return cams[0]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()


def _grad_cam(case: Case) -> Run:
    if ARCHITECTURES[case.architecture].tokens:
        raise NotImplementedError("its Grad-CAM takes feature maps, and these are tokens")
    torch.set_num_threads(case.threads)
    network = load(case.architecture, case.folder / "weights.pt")
    extractor = GradCAM(network, feature_layer(case.architecture, network))
    image = torch.from_numpy(case.image)[
        None
    ].requires_grad_()  # of frozen weights nothing else has a gradient
    side = image.shape[-1]

    def run() -> np.ndarray[Any, Any]:
        [cam] = extractor(case.target, network(image))
        enlarged = torch.nn.functional.interpolate(cam[None], (side, side), mode="bilinear")
        return enlarged[0, 0].detach().numpy()

    return run


def _areas(case: Case, network: Classifier, steps: int) -> Callable[[], tuple[float, float]]:
    """Work out the areas under the deletion and the insertion curve."""
    torch.set_num_threads(case.threads)
    extractor = ReadyMap(network, torch.from_numpy(case.saliency)[None])
    image = torch.from_numpy(case.image)[None]

    def run() -> tuple[float, float]:
        score = DeletionInsertionMetric(
            extractor, partial(torch.softmax, dim=-1), steps=steps, batch_size=_AT_ONCE
        )
        score.update(image, class_idx=case.target)
        summary = score.summary()
        return summary["deletion_auc"], summary["insertion_auc"]

    return run


def _deletion_and_insertion(case: Case) -> Run:
    areas = _areas(case, load(case.architecture, case.folder / "weights.pt"), case.counts["intervals"])
    return lambda: np.array(areas())


def _as_metric(case: Case) -> Run:
    network = load(case.architecture, case.folder / "weights.pt")
    passes, areas = Passes(network), _areas(case, network, INTERVALS)

    def run() -> np.ndarray[Any, Any]:
        deletion, insertion = areas()
        return metric(passes.taken(), deletion=deletion, insertion=insertion)

    return run


WORKS: dict[str, dict[str, Contender]] = {
    "grad_cam": {"TorchCAM": _grad_cam},
    "deletion_insertion": {"TorchCAM, 32 at once": _deletion_and_insertion},
    "receipt": {"TorchCAM, deletion and insertion": _as_metric},
}
