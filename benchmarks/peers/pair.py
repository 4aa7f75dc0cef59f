"""PAIR saliency, over the same PyTorch network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import saliency.core as saliency
import torch

from benchmarks.peers.architectures import load
from benchmarks.peers.case import DEVIATION, Case, Contender, Run

PACKAGE = "saliency"

_AT_ONCE = 10


def _gradients_of(case: Case) -> Callable[..., dict[str, np.ndarray[Any, Any]]]:
    torch.set_num_threads(case.threads)
    network = load(case.architecture, case.folder / "weights.pt")

    def call(images: Any, *_: object, **__: object) -> dict[str, np.ndarray[Any, Any]]:
        batch = torch.from_numpy(np.asarray(images, np.float32).transpose(0, 3, 1, 2)).requires_grad_()
        [gradient] = torch.autograd.grad(network(batch)[:, case.target].sum(), batch)
        return {saliency.INPUT_OUTPUT_GRADIENTS: gradient.numpy().transpose(0, 2, 3, 1)}

    return call


def _gradient(case: Case) -> Run:
    call, image = _gradients_of(case), case.image.transpose(1, 2, 0)
    method = saliency.GradientSaliency()
    return lambda: np.abs(method.GetMask(image, call, None)).max(-1)


def _smooth_grad(case: Case) -> Run:
    call, image = _gradients_of(case), case.image.transpose(1, 2, 0)
    method = saliency.GradientSaliency()
    # Its noise is a share of the image's range.
    share = DEVIATION / float(np.ptp(image))

    def run() -> np.ndarray[Any, Any]:
        mean = method.GetSmoothedMask(
            image, call, None, stdev_spread=share, nsamples=case.counts["samples"], magnitude=False
        )
        return np.abs(mean).max(-1)

    return run


def _integrated_gradients(case: Case) -> Run:
    call, image = _gradients_of(case), case.image.transpose(1, 2, 0)
    method = saliency.IntegratedGradients()

    def run() -> np.ndarray[Any, Any]:
        attribution = method.GetMask(
            image,
            call,
            None,
            x_baseline=np.zeros_like(image),
            x_steps=case.counts["steps"],
            batch_size=_AT_ONCE,
        )
        return np.asarray(attribution.sum(-1))

    return run


WORKS: dict[str, dict[str, Contender]] = {
    "gradient": {"PAIR saliency": _gradient},
    "integrated_gradients": {"PAIR saliency, 10 steps at once": _integrated_gradients},
    "smooth_grad": {"PAIR saliency": _smooth_grad},
}
