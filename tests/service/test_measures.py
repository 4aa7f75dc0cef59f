"""Maps that are made again for a measure."""

import numpy as np
import pytest

from service.explain.explanation import Explanation
from service.measures import as_whole_as
from service.runtime.plan import DeadlineReached, MicroBatch, Plan

MAP = np.ones((2, 2), np.float32)


def made(forwards: int, *, converged: bool) -> Explanation:
    def plan() -> Plan[Explanation]:
        yield MicroBatch(None, 1)  # type: ignore[arg-type]
        return Explanation(MAP, forwards, converged=converged)

    whole = as_whole_as(Explanation(MAP, 10), plan())
    next(whole)
    try:
        whole.send({})
    except StopIteration as end:
        found: Explanation = end.value
        return found
    raise AssertionError


def test_a_map_that_was_cut_short_is_not_held_against_a_whole_one():
    """RISE answers with what it has at the deadline; the change would be the deadline's."""
    with pytest.raises(DeadlineReached):
        made(4, converged=False)


@pytest.mark.parametrize(("forwards", "converged"), [(4, True), (10, False), (14, False)])
def test_a_map_that_converged_sooner_or_not_at_all_is_compared(forwards: int, converged: bool):  # noqa: FBT001
    """Both are the method's doing, and part of what is measured."""
    assert made(forwards, converged=converged).forwards == forwards
