"""With which options a method is certified: its defaults, or where those are dear, fewer samples, as stated."""

from collections.abc import Mapping

from pydantic import JsonValue

from service.explain.method import Method, Parameters

_LARGE = 112
"""Pixels of the shorter side from which on the defaults of windows and discs fit."""

_FEWER: Mapping[str, Mapping[str, JsonValue]] = {
    "smooth_grad": {"samples": 12},
    "vargrad": {"samples": 12},
    "integrated_gradients": {"steps": 16, "maximum_steps": 16},
    "expected_gradients": {"steps": 8, "maximum_steps": 8},
    "rise": {"masks": 300, "agreement": None},
    "lime": {"samples": 300, "agreement": None},
    "kernel_shap": {"samples": 300, "agreement": None},
    "score_cam": {"maps": 64},
}
"""A certificate takes about ten networks times twenty pictures of maps, all of them with these options."""


def affordable(method: Method, height: int, width: int) -> Parameters:
    """Choose a method's options for certification.

    Args:
        method: Which.
        height: Of the model's input, pixels.
        width: Of the model's input, pixels.

    Returns:
        The options, validated.
    """
    given = dict(_FEWER.get(method.name, {}))
    side = min(height, width)
    if side < _LARGE:
        given |= _small(method.name, side)
    return method.parameters.model_validate(given)


def _small(name: str, side: int) -> dict[str, JsonValue]:
    """Scale windows and discs down to an image that they would cover."""
    match name:
        case "occlusion":
            return {"window": max(2, side // 4), "stride": max(1, side // 8)}
        case "noise_sensitivity":
            return {"stride": max(1, side // 16), "deviation": max(0.5, side / 17)}
        case "lime" | "kernel_shap":
            return {"superpixels": max(4, min(64, side * side // 32))}
        case _:
            return {}
