"""Gradient-weighted attention, for vision transformers."""

from service.explain.class_activation import class_activation
from service.explain.explanation import Explanation
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.runtime.plan import Direction, Plan


class AttentionRelevanceParameters(Parameters):
    """Attention relevance has no options."""


def plan(subject: Subject, _: AttentionRelevanceParameters) -> Plan[Explanation]:
    """Explain by ``(1 + B_L) ... (1 + B_1)``, read at the tokens that the logits come from, on the grid of patches.

    ``B = mean over heads of max(A dlogit/dA, 0)`` for the attention A of each block, so no value is negative.
    :func:`service.graphs.attention.attention_graph` computes it.

    References:
        Chefer, Gur, Wolf. "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
        Transformers", ICCV 2021, section 3. https://arxiv.org/abs/2103.15679
    """
    return class_activation(subject, subject.model.programs.attention_relevance, Direction.ATTENTION)


METHOD = Method(
    name="attention_relevance",
    summary="Which patches a vision transformer's attention passes on for the target, weighed by gradients; coarse.",
    parameters=AttentionRelevanceParameters,
    direction=Direction.ATTENTION,
    forwards=lambda _height, _width, _parameters: 1,
    plan=plan,
    caution="It adds up what attention passes on in favour of the target only; evidence against it does not show.",
)
