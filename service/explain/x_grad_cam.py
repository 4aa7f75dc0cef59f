"""Class activation mapping whose weights satisfy sensitivity and conservation as far as they can."""

from service.explain.class_activation import ClassActivationParameters, class_activation
from service.explain.explanation import Explanation
from service.explain.method import Method
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


def plan(subject: Subject, _: ClassActivationParameters) -> Plan[Explanation]:
    """Explain by ``sum_k (sum A_k G_k / sum A_k) A_k``, with ``G = d logit / d A``.

    References:
        Fu et al. "Axiom-based Grad-CAM", BMVC 2020, section 3.2. https://arxiv.org/abs/2008.02312
    """
    return class_activation(subject, subject.model.programs.x_grad_cam)


METHOD = Method(
    name="x_grad_cam",
    summary="Grad-CAM with each feature map weighed by its activation-weighted mean gradient.",
    parameters=ClassActivationParameters,
    direction=Direction.FEATURES,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
)
