"""Each pixel times its gradient."""

import numpy as np

from service.explain.explanation import Explanation
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.imaging.baselines import black
from service.runtime.plan import Direction, MicroBatch, Plan, Stage


class InputXGradientParameters(Parameters):
    """The method has no options."""


def plan(subject: Subject, _: InputXGradientParameters) -> Plan[Explanation]:
    """Explain by ``sum over channels of pixel * d logit / d pixel``, signed, in logits.

    It is the first-order share of each pixel in the change of the logit from black to the image.

    References:
        Shrikumar et al. "Not Just a Black Box", 2016, section 2.4. https://arxiv.org/abs/1605.01713
    """
    programs, device = subject.model.programs, subject.model.device
    nothing = np.zeros((1, *subject.pixels.shape), np.float64)
    answer = yield MicroBatch(
        images=subject.image,
        size=1,
        direction=Direction.GRADIENT,
        cotangent=subject.cotangents(1),
        answer=Stage(programs.gradient_sum, {"weight": np.ones(1, np.float32), "total": nothing}),
    )
    attributed = programs.path_attribution(
        {
            "total": answer["new_total"],
            "image": subject.image,
            "baseline": device.upload(black(subject.pixels)[None]),
        }
    )
    return Explanation(map=attributed["attribution"].numpy(), forwards=1)


METHOD = Method(
    name="input_x_gradient",
    summary="Each pixel times its gradient: its first-order share of the logit.",
    parameters=InputXGradientParameters,
    direction=Direction.GRADIENT,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
)
