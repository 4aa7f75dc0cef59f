"""The attack of this moment, inside the budget of this moment."""

from training.arms.allowance import budget_of
from training.arms.situation import Situation
from training.attack import Attack, attack
from training.passes import Passes


def search(now: Situation, *, refreshing: bool) -> tuple[Attack, Passes]:
    """Find the worst perturbation that the budget allows. Call it in evaluation mode.

    Args:
        now: Where the run stands.
        refreshing: Whether the budget may be made anew on the way, as often as the options ask.

    Returns:
        The perturbation, and the passes of the first budget and the search together.
    """
    budget, clean_logits, cost = budget_of(now, now.images)
    found = attack(
        now.network,
        now.images,
        now.labels,
        budget,
        options=now.config.attack,
        generator=now.generator,
        clean_logits=clean_logits,
        refresh=(lambda points: budget_of(now, points)[::2]) if refreshing else None,
    )
    return found, cost + found.passes
