"""How much the gradient varies over noisy copies of the image."""

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
    """Explain by ``max over channels of the variance of the gradient`` over noisy copies, with its standard error.

    The standard error, of the channel for which it is largest, is that of a variance: it takes the fourth moment
    (Kenney, Keeping. "Mathematics of Statistics", part 2, 1951, section 7.7).

    References:
        Adebayo et al. "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values",
        2018, section 2. https://arxiv.org/abs/1810.03307
    """
    programs = subject.model.programs

    def reckon(sums: Sums, count: int) -> tuple[SaliencyMap, SaliencyMap]:
        maps = programs.gradient_variance({**sums, "count": np.array(count, np.float64)})
        return maps["variance"].numpy(), maps["standard_error"].numpy()

    accumulators = (programs.gradient_moments, programs.gradient_higher_moments)
    variance = Statistic(accumulators, ("sum", "square_sum", "cube_sum", "fourth_sum"), reckon)
    return (yield from explain_by_noise(subject, parameters, variance))


METHOD = Method(
    name="vargrad",
    summary="How much the gradient varies over noisy copies of the image, with its standard error.",
    parameters=NoisyGradientParameters,
    direction=Direction.GRADIENT,
    forwards=lambda _height, _width, parameters: parameters.samples,
    plan=plan,
    least=lambda _height, _width, _parameters: FEWEST_SAMPLES,
    seeded=True,
)
