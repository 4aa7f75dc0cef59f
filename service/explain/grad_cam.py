"""Class activation mapping weighed by mean gradients."""

from service.explain.class_activation import ClassActivationParameters, class_activation
from service.explain.explanation import Explanation
from service.explain.method import Method
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


def plan(subject: Subject, _: ClassActivationParameters) -> Plan[Explanation]:
    """Explain by ``sum_k (mean over space of d logit / d A_k) A_k``.

    The paper then cuts off negative values; here they stay, as evidence against the target.

    References:
        Selvaraju et al. "Grad-CAM", ICCV 2017, section 3. https://arxiv.org/abs/1610.02391
    """
    return class_activation(subject, subject.model.programs.grad_cam)


METHOD = Method(
    name="grad_cam",
    summary="Which region of the last feature maps speaks for the target; coarse, cheap, robust.",
    parameters=ClassActivationParameters,
    direction=Direction.FEATURES,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
)
