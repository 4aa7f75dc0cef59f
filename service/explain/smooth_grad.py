"""The mean gradient over noisy copies of the image."""

import numpy as np

from service.arrays import SaliencyMap
from service.explain.explanation import Explanation
from service.explain.method import Method
from service.explain.noisy_gradient import (
    FEWEST_SAMPLES,
    NoisyGradientParameters,
    Statistic,
    Sums,
    explain_by_noise,
)
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


def plan(subject: Subject, parameters: NoisyGradientParameters) -> Plan[Explanation]:
    """Explain by ``max over channels of |mean gradient|`` over noisy copies, with its standard error.

    The standard error is that of the channel that varies most, so it does not understate.

    References:
        Smilkov et al. "SmoothGrad", 2017, section 3. https://arxiv.org/abs/1706.03825
    """
    programs = subject.model.programs

    def reckon(sums: Sums, count: int) -> tuple[SaliencyMap, SaliencyMap]:
        maps = programs.gradient_spread({**sums, "count": np.array(count, np.float64)})
        return maps["mean_magnitude"].numpy(), maps["standard_error"].numpy()

    mean = Statistic((programs.gradient_moments,), ("sum", "square_sum"), reckon)
    return (yield from explain_by_noise(subject, parameters, mean))


METHOD = Method(
    name="smooth_grad",
    summary="The gradient averaged over noisy copies of the image, with its standard error.",
    parameters=NoisyGradientParameters,
    direction=Direction.GRADIENT,
    forwards=lambda _height, _width, parameters: parameters.samples,
    plan=plan,
    least=lambda _height, _width, _parameters: FEWEST_SAMPLES,
    seeded=True,
)
