"""Guided backpropagation, for comparison with what others have published."""

from service.explain.explanation import Explanation
from service.explain.gradient import largest_magnitude
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


class GuidedBackpropParameters(Parameters):
    """Guided backpropagation has no options."""


def plan(subject: Subject, _: GuidedBackpropParameters) -> Plan[Explanation]:
    """Explain by the gradient with every ReLU passing back only what is positive; not signed.

    References:
        Springenberg et al. "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop, section 3.4.
        https://arxiv.org/abs/1412.6806
    """
    return largest_magnitude(subject, Direction.GUIDED)


METHOD = Method(
    name="guided_backprop",
    summary="The gradient with negative evidence cut off at every ReLU; shows edges. Fails sanity checks.",
    parameters=GuidedBackpropParameters,
    direction=Direction.GUIDED,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
    caution="Guided backpropagation fails sanity checks: its map changes little when the model's weights are randomised or "
    "another class is asked for (Adebayo et al. 2018; Nie et al. 2018). Do not take it for evidence.",
)
