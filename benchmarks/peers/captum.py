"""Captum, with its defaults and with the batch sizes that serve it best."""

from functools import partial
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, NoiseTunnel, Occlusion, Saliency
from torch import Tensor

from benchmarks.peers.architectures import ARCHITECTURES, Classifier, feature_layer, load
from benchmarks.peers.case import DEVIATION, WINDOW, Case, Contender, Run

PACKAGE = "captum"


def _given(case: Case) -> tuple[Classifier, Tensor]:
    torch.set_num_threads(case.threads)
    return load(case.architecture, case.folder / "weights.pt"), torch.from_numpy(case.image)[None]


def _gradient(case: Case) -> Run:
    network, image = _given(case)
    method = Saliency(network)
    return lambda: method.attribute(image, target=case.target)[0].amax(0).detach().numpy()


def _grad_cam(case: Case) -> Run:
    if ARCHITECTURES[case.architecture].tokens:
        return _grad_cam_of_tokens(case)
    network, image = _given(case)
    method = LayerGradCam(network, feature_layer(case.architecture, network))

    def run() -> np.ndarray[Any, Any]:
        coarse = method.attribute(image, target=case.target)
        return LayerAttribution.interpolate(coarse, image.shape[-2:], "bilinear")[0, 0].detach().numpy()

    return run


def _grad_cam_of_tokens(case: Case) -> Run:
    """Captum cannot: it averages over every axis after the second, which of tokens is the features' own."""
    raise NotImplementedError(f"LayerGradCam has no way to lay out the tokens of {case.architecture}")


def _integrated_gradients(batch: int | None, case: Case) -> Run:
    network, image = _given(case)
    method = IntegratedGradients(network)

    def run() -> np.ndarray[Any, Any]:
        attributions, _ = method.attribute(
            image,
            target=case.target,
            n_steps=case.counts["steps"],
            method="riemann_middle",
            internal_batch_size=batch,
            return_convergence_delta=True,
        )
        return attributions[0].sum(0).detach().numpy()

    return run


def _smooth_grad(batch: int | None, case: Case) -> Run:
    network, image = _given(case)
    method = NoiseTunnel(Saliency(network))

    def run() -> np.ndarray[Any, Any]:
        mean = method.attribute(
            image,
            nt_type="smoothgrad",
            nt_samples=case.counts["samples"],
            nt_samples_batch_size=batch,
            stdevs=DEVIATION,
            target=case.target,
            abs=False,
        )
        return mean[0].abs().amax(0).detach().numpy()

    return run


def _occlusion(batch: int, case: Case) -> Run:
    network, image = _given(case)
    method = Occlusion(network)
    stride = case.counts["stride"]

    def run() -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            falls = method.attribute(
                image,
                target=case.target,
                sliding_window_shapes=(3, WINDOW, WINDOW),
                strides=(3, stride, stride),
                baselines=0,
                perturbations_per_eval=batch,
            )
        return falls[0, 0].numpy()

    return run


WORKS: dict[str, dict[str, Contender]] = {
    "gradient": {"Captum": _gradient},
    "grad_cam": {"Captum": _grad_cam},
    "integrated_gradients": {
        "Captum, all steps at once (default)": partial(_integrated_gradients, None),
        "Captum, 10 steps at once": partial(_integrated_gradients, 10),
    },
    "smooth_grad": {
        "Captum, all samples at once (default)": partial(_smooth_grad, None),
        "Captum, 8 samples at once": partial(_smooth_grad, 8),
    },
    "occlusion": {
        "Captum, 1 window at once (default)": partial(_occlusion, 1),
        "Captum, 8 windows at once": partial(_occlusion, 8),
    },
}
