"""The gradient of the logit with respect to the pixels."""

from service.explain.explanation import Explanation
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.runtime.plan import Direction, MicroBatch, Plan, Stage


class GradientParameters(Parameters):
    """The gradient has no options."""


def plan(subject: Subject, _: GradientParameters) -> Plan[Explanation]:
    """Explain by ``max over channels of |d logit / d pixel|``, in logits per unit of intensity.

    The map is not signed: it says where a small change matters most, not in which direction.

    References:
        Simonyan, Vedaldi, Zisserman. "Deep Inside Convolutional Networks", 2013, section 3.1.
        https://arxiv.org/abs/1312.6034
    """
    return largest_magnitude(subject, Direction.GRADIENT)


def largest_magnitude(subject: Subject, direction: Direction) -> Plan[Explanation]:
    """Explain by the largest absolute value, over the channels, of what flows back to a pixel."""
    answer = yield MicroBatch(
        images=subject.image,
        size=1,
        direction=direction,
        cotangent=subject.cotangents(1),
        answer=Stage(subject.model.programs.gradient_magnitude),
    )
    return Explanation(map=answer["map"].numpy(), forwards=1)


METHOD = Method(
    name="gradient",
    summary="Where a small change of a pixel changes the logit most.",
    parameters=GradientParameters,
    direction=Direction.GRADIENT,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
)
