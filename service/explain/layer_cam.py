"""Class activation mapping with a weight for every place of every feature map."""

from service.explain.class_activation import ClassActivationParameters, class_activation
from service.explain.explanation import Explanation
from service.explain.method import Method
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


def plan(subject: Subject, _: ClassActivationParameters) -> Plan[Explanation]:
    """Explain by ``sum_k relu(d logit / d A_k) * A_k``, element by element.

    References:
        Jiang et al. "LayerCAM", IEEE TIP 30, 2021, section III.B. https://doi.org/10.1109/TIP.2021.3089943
    """
    return class_activation(subject, subject.model.programs.layer_cam)


METHOD = Method(
    name="layer_cam",
    summary="Feature maps times their positive gradients, place by place; finer than Grad-CAM.",
    parameters=ClassActivationParameters,
    direction=Direction.FEATURES,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
    caution="It adds up positive gradients only, and such maps can look good while depending little on the model (Khakzar et al. 2020).",
)
