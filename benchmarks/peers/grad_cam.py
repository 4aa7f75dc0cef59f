"""pytorch-grad-cam."""

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget, ClassifierOutputTarget

from benchmarks.peers.architectures import ARCHITECTURES, feature_layer, load, token_grid
from benchmarks.peers.case import PERCENTILES, Case, Contender, Run

PACKAGE = "grad-cam"


def _grad_cam(case: Case) -> Run:
    """Make the extractor once, as its documentation has it for many images."""
    torch.set_num_threads(case.threads)
    network = load(case.architecture, case.folder / "weights.pt")
    extractor = GradCAM(
        model=network,
        target_layers=[feature_layer(case.architecture, network)],
        reshape_transform=token_grid if ARCHITECTURES[case.architecture].tokens else None,
    )
    image = torch.from_numpy(case.image)[
        None
    ].requires_grad_()  # of frozen weights nothing else has a gradient
    target = ClassifierOutputTarget(case.target)
    return lambda: np.asarray(extractor(input_tensor=image, targets=[target])[0])


def _road(case: Case) -> Run:
    torch.set_num_threads(case.threads)
    network = load(case.architecture, case.folder / "weights.pt")
    metric = ROADCombined(percentiles=list(PERCENTILES))
    image = torch.from_numpy(case.image)[None]
    target = ClassifierOutputSoftmaxTarget(case.target)
    return lambda: np.asarray(metric(image, case.saliency[None], [target], network))


WORKS: dict[str, dict[str, Contender]] = {
    "grad_cam": {"pytorch-grad-cam": _grad_cam},
    "road": {"pytorch-grad-cam ROADCombined": _road},
}
