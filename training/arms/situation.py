"""What an arm is told and what it asks for.

An arm is a generator. It yields one loss per optimiser step; after the step it goes on, so that an arm
may take several steps on one batch and use the gradient that the loop left on a tensor of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from training.config import Config
from training.passes import Passes
from training.schedule import Intensity

TRAINED = Passes(forward=1, backward_to_weights=1)


@dataclass(frozen=True, slots=True)
class Situation:
    """One batch and where the run stands.

    Args:
        model: For outer losses: what Fabric set up, in training mode.
        network: The bare network in float32, for saliency and attack.
        images: ``[N, 3, H, W]`` in [0, 1].
        labels: ``[N]``.
        config: The run.
        intensity: How hard the attack is now.
        generator: Of the attack alone.
        weakened: What the accuracy guard has left of the attack, in (0, 1]. Epsilon has it already; an arm whose
            attack has no epsilon must heed it itself, or the guard would undo its epochs for ever.
    """

    model: nn.Module
    network: nn.Module
    images: Tensor
    labels: Tensor
    config: Config
    intensity: Intensity
    generator: torch.Generator
    weakened: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an arm asks the loop to minimise.

    Args:
        loss: Of each image, ``[N]``.
        passes: Of the network over the batch for this step, the loop's own backward pass included.
        measures: For the log.
    """

    loss: Tensor
    passes: Passes
    measures: Mapping[str, Tensor] = field(default_factory=dict)


Arm = Callable[[Situation], Iterator[Outcome]]
