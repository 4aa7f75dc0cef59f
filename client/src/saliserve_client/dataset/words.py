"""What the numbers of a comparison are, in words."""

from __future__ import annotations

from saliserve_client.dataset.compare import CONCORDANT, Comparison
from saliserve_client.dataset.resampling import Interval
from saliserve_client.dataset.scores import LEAST_AT_STAKE

MEASURES = {
    "srg": "SRG, the area between the LeRF and MoRF curves; 0 is chance",
    "gain": f"gain, SRG over the probability at stake where that is at least {LEAST_AT_STAKE}; 0 is chance, 1 the best "
    "conceivable",
}


def agreement(found: Comparison) -> str:
    """Say how well the operators agree on the order."""
    valid = sum(one.valid for one in found.judgements)
    if found.kendalls_w is None:
        return f"nothing to agree on: {valid} valid operators"
    order = "the operators agree on the order" if found.kendalls_w >= CONCORDANT else "do not read an order"
    return f"Kendall's W {found.kendalls_w:.2f} over {valid} operators: {order}"


def images(found: Comparison) -> str:
    """Say what the comparison rests on."""
    left = (
        f"; {found.left_out} left out: not measured for all, or for another class" if found.left_out else ""
    )
    return f"{found.images} in common{left}"


def shown(interval: Interval) -> str:
    """Show a mean with its interval."""
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
