"""Class activation mapping with weighted positive gradients."""

from service.explain.class_activation import ClassActivationParameters, class_activation
from service.explain.explanation import Explanation
from service.explain.method import Method
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


def plan(subject: Subject, _: ClassActivationParameters) -> Plan[Explanation]:
    """Explain by ``sum_k (sum alpha_k relu(d logit / d A_k)) A_k``.

    References:
        Chattopadhay et al. "Grad-CAM++", WACV 2018, section 3. https://arxiv.org/abs/1710.11063
    """
    return class_activation(subject, subject.model.programs.grad_cam_plus_plus)


METHOD = Method(
    name="grad_cam_plus_plus",
    summary="Grad-CAM with weighted positive gradients, meant for several objects of one class.",
    parameters=ClassActivationParameters,
    direction=Direction.FEATURES,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
    caution="It adds up positive gradients only, and such maps can look good while depending little on the model (Khakzar et al. 2020).",
)
