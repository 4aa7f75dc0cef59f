"""Resizing against torch.autograd where torch has the mode, and against finite maps where it has not."""

from typing import Any

import numpy as np
import pytest
import torch
from onnx import NodeProto, helper
from torch.nn import functional

from service.errors import UnsupportedOperatorError
from tests.autograd import assert_gradient, evaluate_single, small_model

MODES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nearest": ("nearest", "asymmetric", {"mode": "nearest"}),
    "bilinear": ("linear", "half_pixel", {"mode": "bilinear"}),
    "aligned": ("linear", "align_corners", {"mode": "bilinear", "align_corners": True}),
    "bicubic": ("cubic", "half_pixel", {"mode": "bicubic"}),
}


@pytest.mark.parametrize("size", [(9, 13), (3, 4), (10, 12), (5, 9)])
@pytest.mark.parametrize("name", MODES)
def test_resizing_has_pytorchs_gradient(name: str, size: tuple[int, int]) -> None:
    """Up, down, by whole factors, and one axis only."""
    mode, transformation, options = MODES[name]
    image = np.random.default_rng(0).normal(size=(1, 3, 5, 6))
    assert_gradient(
        helper.make_node(
            "Resize",
            ["image", "", "", "sizes"],
            ["y"],
            mode=mode,
            coordinate_transformation_mode=transformation,
            nearest_mode="floor",
            cubic_coeff_a=-0.75,
        ),
        image,
        lambda x: functional.interpolate(x, size=size, **options),
        constants={"sizes": np.array([1, 3, *size])},
        free_batch=False,
        exact=False,
    )


@pytest.mark.parametrize("name", MODES)
def test_resizing_by_scales_has_pytorchs_gradient(name: str) -> None:
    """The stated scale counts, not the quotient of the lengths."""
    mode, transformation, options = MODES[name]
    image = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    assert_gradient(
        helper.make_node(
            "Resize",
            ["image", "", "scales"],
            ["y"],
            mode=mode,
            coordinate_transformation_mode=transformation,
            nearest_mode="floor",
            cubic_coeff_a=-0.75,
        ),
        image,
        lambda x: functional.interpolate(x, scale_factor=(2.0, 1.5), recompute_scale_factor=False, **options),
        constants={"scales": np.array([1, 1, 2, 1.5], np.float32)},
        exact=False,
    )


def by_runtime(node: NodeProto, shape: tuple[int, int], constants: dict[str, np.ndarray]) -> torch.Tensor:
    """The matrix of the whole map, by resizing every unit image in ONNX Runtime."""
    height, width = shape
    units = np.eye(height * width).reshape(-1, 1, height, width)
    model = small_model([node], units, constants, "y", np.float32)
    [resized] = evaluate_single(model, {"image": units.astype(np.float32)})
    return torch.tensor(np.asarray(resized, np.float64))


@pytest.mark.parametrize(
    ("inputs", "stated", "attributes"),
    [
        (["image", "", "stated"], [1.0, 1.0, 1.1, 2.0], {"mode": "linear"}),
        (["image", "", "", "stated"], [7, 9], {"keep_aspect_ratio_policy": "not_larger", "axes": [2, 3]}),
        (["image", "", "", "stated"], [9, 7], {"keep_aspect_ratio_policy": "not_smaller", "axes": [3, 2]}),
        (["image", "", "", "stated"], [9], {"mode": "cubic", "axes": [3]}),
    ],
    ids=["a scale that leaves the length", "not larger", "not smaller", "one axis"],
)
def test_the_scale_counts_that_onnx_runtime_uses(
    inputs: list[str], stated: list[float], attributes: dict[str, Any]
) -> None:
    """It need not be the quotient of the lengths: PyTorch has no such modes, so ONNX Runtime itself gives the map."""
    node = helper.make_node("Resize", inputs, ["y"], **attributes)
    constants = {"stated": np.array(stated, np.float32 if isinstance(stated[0], float) else np.int64)}
    rows = by_runtime(node, (5, 4), constants)
    assert_gradient(
        node,
        np.random.default_rng(0).normal(size=(2, 3, 5, 4)),
        lambda x: (x.flatten(2) @ rows.flatten(1)).reshape(2, 3, *rows.shape[2:]),
        constants=constants,
        exact=False,
    )


def test_resizing_channels_is_refused() -> None:
    """No classifier does."""
    with pytest.raises(UnsupportedOperatorError, match="Resize"):
        assert_gradient(
            helper.make_node("Resize", ["image", "", "scales"], ["y"]),
            np.ones((2, 3, 4, 4)),
            lambda x: x.repeat_interleave(2, 1),
            constants={"scales": np.array([1, 2, 1, 1], np.float32)},
        )
