"""Blur the image in one place after the other and watch the answer fall."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.arrays import SaliencyMap
from service.errors import OptionError
from service.explain.explanation import Explanation
from service.explain.method import Baseline, Method, Parameters, Scalar
from service.explain.sampling import ask, sample
from service.explain.subject import Subject
from service.imaging.baselines import BASELINES
from service.runtime.plan import Direction, Plan, Stage

# Where no disc reaches there is nothing to average; e^-8 is four deviations away.
_LEAST_WEIGHT = float(np.exp(-8))


class NoiseSensitivityParameters(Parameters):
    """The discs, in pixels of the model's input, and what they show."""

    stride: int = Field(14, ge=1, le=4096, description="Distance of the discs' centres, pixels.")
    deviation: float = Field(
        13.0, ge=0.5, le=4096, description="Standard deviation of the Gaussian disc, pixels."
    )
    baseline: Baseline = Field("gaussian_blur", description="What the disc shows instead of the image.")
    scalar: Scalar = Field("logit", description="What of the model's answer is explained.")


def plan(subject: Subject, parameters: NoiseSensitivityParameters) -> Plan[Explanation]:
    """Explain by the fall of the scalar when a soft disc is blurred, averaged over the discs on a pixel.

    The published score sums the changes of all outputs, and so hardly depends on which one is explained. Here
    it is the change of the one that was chosen, with its sign. Deviation and stride are those of the paper
    (5 on 84 pixels), at 224. At a deadline the map holds the discs done so far, spread over the image.

    Raises:
        OptionError: The stride leaves pixels that no disc reaches.

    References:
        Greydanus et al. "Visualizing and Understanding Atari Agents", ICML 2018, section 3.
        https://arxiv.org/abs/1711.00138
        Huber, Limmer, André. "Benchmarking Perturbation-Based Saliency Maps for Explaining Atari Agents",
        Frontiers in Artificial Intelligence 5, 2022: scoring the chosen output.
    """
    model = subject.model
    check(parameters)
    centres = np.random.default_rng(subject.seed).permutation(
        disc_centres(model.height, model.width, parameters.stride)
    )
    fixed = {
        "image": subject.image,
        "baseline": model.device.upload(BASELINES[parameters.baseline](subject.pixels)[None]),
        "deviation": np.array(parameters.deviation, np.float32),
    }
    clear = yield from ask(subject, subject.image, parameters.scalar)
    samples = yield from sample(
        subject,
        lambda chunk: Stage(model.programs.discs, {**fixed, "centres": centres[chunk]}),
        len(centres),
        scalar=parameters.scalar,
    )
    done = len(samples.values)
    return Explanation(
        map=average_over_discs(
            clear - samples.values, centres[:done], parameters.deviation, model.height, model.width
        ),
        forwards=1 + done,
        converged=not samples.stopped_by,
        warnings=samples.warnings("discs were blurred"),
    )


def check(parameters: NoiseSensitivityParameters) -> None:
    """Refuse discs that are too far apart to cover the image.

    Raises:
        OptionError: As stated.
    """
    if parameters.stride > 4 * parameters.deviation:
        raise OptionError(
            f"stride {parameters.stride} is more than four times deviation {parameters.deviation:g}: pixels in between "
            f"would never be blurred. Choose a stride of at most {int(4 * parameters.deviation)}.",
            where="options.stride",
        )


def disc_centres(height: int, width: int, stride: int) -> NDArray[np.float32]:
    """List centres in the middle of squares that cover an image, row by row.

    Returns:
        ``[N, 2]``: row and column, in pixels.

    Examples:
        >>> disc_centres(4, 6, 4).tolist()
        [[1.5, 1.0], [1.5, 4.0]]
    """
    axes = [
        (np.arange(count) + 0.5) * size / count - 0.5
        for size in (height, width)
        for count in (-(-size // stride),)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def average_over_discs(
    falls: NDArray[np.float64], centres: NDArray[np.float32], deviation: float, height: int, width: int
) -> SaliencyMap:
    """Give every pixel the mean fall over the discs, weighed by how much they blurred it; 0 where none did.

    Returns:
        ``[height, width]``.
    """
    down, right = (
        np.exp(-0.5 * ((np.arange(size) - centre[:, None]) / deviation) ** 2)
        for size, centre in zip((height, width), centres.T.astype(np.float64), strict=True)
    )
    total, weight = (down.T @ (scale[:, None] * right) for scale in (falls, np.ones_like(falls)))
    mean = np.zeros((height, width))
    np.divide(total, weight, out=mean, where=weight > _LEAST_WEIGHT)
    return mean.astype(np.float32)


def _forwards(height: int, width: int, parameters: NoiseSensitivityParameters) -> int:
    check(parameters)
    return 1 + len(disc_centres(height, width, parameters.stride))


METHOD = Method(
    name="noise_sensitivity",
    summary="How far the logit falls when a soft disc is blurred; needs no gradient.",
    parameters=NoiseSensitivityParameters,
    direction=Direction.FORWARD,
    forwards=_forwards,
    plan=plan,
    least=lambda _height, _width, _parameters: 2,
)
