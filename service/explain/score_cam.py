"""Show the image through each of its feature maps and keep the maps that the model likes."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.explain.class_activation import bilinear
from service.explain.explanation import Explanation
from service.explain.method import Baseline, Method, Parameters, Scalar
from service.explain.sampling import ask, sample
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.plan import Answer, Direction, MicroBatch, Plan, Stage
from service.runtime.program import DeviceTensor

# The pass to the feature layer, and the baseline.
_BEFORE = 2


class ScoreCamParameters(Parameters):
    """How many feature maps, and what is seen where they are dark."""

    maps: int = Field(
        256, ge=1, le=20_000, description="Most feature maps: those that vary most over the image."
    )
    baseline: Baseline = Field("channel_mean", description="What is shown where a feature map is dark.")
    scalar: Scalar = Field("probability", description="What of the model's answer is explained.")


def plan(subject: Subject, parameters: ScoreCamParameters) -> Plan[Explanation]:
    """Explain by the last feature maps, each weighed by the scalar when only what it lights up is shown.

    The weight is the rise of the scalar above that of the baseline. The published algorithm makes all
    weights positive by a softmax over the maps and cuts off negative values at the end; here they stay, as
    evidence against the target. It takes every map; here those that vary most over the image come first,
    up to *maps*. No gradient is used, but the bundle's ``features.onnx`` is needed, which a classifier has
    whose layers behind the feature maps can be differentiated.

    References:
        Wang et al. "Score-CAM", CVPR Workshops 2020, section 3. https://arxiv.org/abs/1910.01279
    """
    model = subject.model
    features = yield from _features(subject)
    maps = features.numpy()[0].astype(np.float64)
    height, width = maps.shape[1:]
    rows, columns = bilinear(model.height, height), bilinear(model.width, width).T
    chosen = most_varied(maps, parameters.maps)
    baseline = model.device.upload(BASELINES[parameters.baseline](subject.pixels)[None])
    fixed = {
        "image": subject.image,
        "baseline": baseline,
        "features": features,
        "rows": rows,
        "columns": np.ascontiguousarray(columns),
    }
    dark = yield from ask(subject, baseline, parameters.scalar)
    samples = yield from sample(
        subject,
        lambda chunk: Stage(model.programs.feature_masks, {**fixed, "chosen": chosen[chunk]}),
        len(chosen),
        scalar=parameters.scalar,
    )
    done = len(samples.values)
    coarse = np.tensordot(samples.values - dark, maps[chosen[:done]], axes=1)
    return Explanation(
        map=(rows @ coarse @ columns).astype(np.float32),
        forwards=_BEFORE + done,
        converged=not samples.stopped_by,
        warnings=samples.warnings("feature maps were tried"),
    )


def _features(subject: Subject) -> Generator[MicroBatch, Answer, DeviceTensor]:
    """``[1, K, h, w]``: the feature maps of the image."""
    answer = yield MicroBatch(subject.image, 1, Direction.FEATURES, subject.cotangents(1))
    return answer["features"]


def most_varied(maps: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Number the feature maps by how much they vary over the image, the most varied first; flat ones not at all.

    Args:
        maps: ``[K, h, w]``.
        count: Most numbers.

    Examples:
        >>> most_varied(np.array([[[1.0, 1.0]], [[0.0, 1.0]], [[5.0, 1.0]]]), 3).tolist()
        [2, 1]
    """
    spread = np.ptp(maps.reshape(len(maps), -1), axis=1)
    order = np.argsort(-spread, kind="stable")
    varied: NDArray[np.int64] = order[spread[order] > 0][:count]
    return varied


METHOD = Method(
    name="score_cam",
    summary="The last feature maps, each weighed by what the model says when only it is shown; needs no gradient.",
    parameters=ScoreCamParameters,
    direction=Direction.FEATURES,
    forwards=lambda _height, _width, parameters: _BEFORE + parameters.maps,
    plan=plan,
    least=lambda _height, _width, _parameters: _BEFORE + 1,
)
