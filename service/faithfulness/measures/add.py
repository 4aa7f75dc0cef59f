"""Measure what else was asked for, and add it to a receipt."""

from collections.abc import Iterable
from dataclasses import replace

from service.faithfulness.measures.localisation import Localisation
from service.faithfulness.measures.measure import LOCALISATION, Measure
from service.faithfulness.receipt import Receipt
from service.runtime.plan import DeadlineReached, Plan
from service.runtime.spent import Spent, counted


def add_measures(receipt: Receipt, asked: Iterable[tuple[str, Plan[Measure]]]) -> Plan[Receipt]:
    """Run measures one after the other; what a deadline or a budget cuts short is left out, with a warning.

    Args:
        receipt: Of the map that they measure.
        asked: Names and plans.
    """
    found = dict(receipt.measures)
    warnings = list(receipt.warnings)
    spent = Spent(receipt.forwards)
    for name, plan in asked:
        try:
            measure = yield from counted(plan, spent)
        except DeadlineReached as signal:
            warnings.append(f"{signal.reason}: there was nothing left to measure {name}")
        else:
            found[name] = measure
    return replace(receipt, measures=found, warnings=tuple(warnings), forwards=spent.forwards)


def add_localisation(receipt: Receipt, localisation: Localisation | None) -> Receipt:
    """Add where the map points, if somebody said where the object is."""
    if localisation is None:
        return receipt
    return replace(receipt, measures={**receipt.measures, LOCALISATION: localisation})
