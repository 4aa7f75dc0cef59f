"""All attribution methods, by name."""

from collections.abc import Mapping

from service.explain import (
    attention_relevance,
    expected_gradients,
    grad_cam,
    grad_cam_plus_plus,
    gradient,
    guided_backprop,
    input_x_gradient,
    integrated_gradients,
    kernel_shap,
    layer_cam,
    lime,
    noise_sensitivity,
    occlusion,
    rise,
    score_cam,
    smooth_grad,
    vargrad,
    x_grad_cam,
)
from service.explain.method import Method

METHODS: Mapping[str, Method] = {
    module.METHOD.name: module.METHOD
    for module in (
        grad_cam,
        x_grad_cam,
        layer_cam,
        grad_cam_plus_plus,
        attention_relevance,
        gradient,
        input_x_gradient,
        smooth_grad,
        vargrad,
        integrated_gradients,
        expected_gradients,
        guided_backprop,
        occlusion,
        noise_sensitivity,
        rise,
        lime,
        kernel_shap,
        score_cam,
    )
}

DEFAULT_METHOD = grad_cam.METHOD.name
