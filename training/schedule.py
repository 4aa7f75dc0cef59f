"""What changes over a run, as a function of how far it is."""

import math
from dataclasses import dataclass

from training.config import OptimiserConfig, ScheduleConfig


@dataclass(frozen=True, slots=True)
class Intensity:
    """How hard the attack is at one moment.

    Args:
        epsilon: Factor of epsilon, in [0, 1].
        fraction: Factor between the initial share of pixels and the final one, in [0, 1].
    """

    epsilon: float
    fraction: float


def intensity_at(progress: float, options: ScheduleConfig) -> Intensity:
    """Rise from 0 after the warm-up to 1 after the ramp.

    Args:
        progress: Share of all steps that is done, in [0, 1].
        options: Where the ramp is.

    Examples:
        >>> intensity_at(0.15, ScheduleConfig(warm_up=0.1, ramp=0.1)).epsilon
        0.5
    """
    if progress < options.warm_up:
        return Intensity(0.0, 0.0)
    position = 1.0 if options.ramp == 0 else min(1.0, (progress - options.warm_up) / options.ramp)
    return Intensity(round(position, 12), round(position, 12))


def learning_rate_at(progress: float, options: OptimiserConfig) -> float:
    """Rise linearly over the warm-up, then fall on a cosine to 0.

    Examples:
        >>> learning_rate_at(1.0, OptimiserConfig(learning_rate=0.1))
        0.0
    """
    if progress < options.warm_up:
        return options.learning_rate * progress / options.warm_up
    position = (progress - options.warm_up) / (1 - options.warm_up) if options.warm_up < 1 else 1.0
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * position))
