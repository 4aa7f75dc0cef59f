"""Several maps of one picture: which is the most faithful, and whether the removal operators agree on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saliserve_client.dataset.agreement import kendalls_w, mean_ranks
from saliserve_client.results import Receipt

LEAST_AGREEMENT = 0.6
"""Below this Kendall's W the operators rank the maps too differently for any of them to be named the best."""


@dataclass(frozen=True)
class Comparison:
    """Maps of one picture under the operators that counted for all of them.

    Args:
        operators: Names.
        srg: By map, one per operator.
        mean_rank: By map; 1 is the best under every operator.
        spread: By map: largest less smallest SRG.
        sign_agreement: By map: share of the operators under which it beats chance.
        kendalls_w: Agreement of the operators: 1 if all rank the maps alike, 0 if none do; None if every operator
            finds all maps equal.
        winner: None if the ranking is not robust.
        reason: Why, in a sentence.
    """

    operators: tuple[str, ...]
    srg: Mapping[str, tuple[float, ...]]
    mean_rank: Mapping[str, float]
    spread: Mapping[str, float]
    sign_agreement: Mapping[str, float]
    kendalls_w: float | None
    winner: str | None
    reason: str


def compare(receipts: Mapping[str, Receipt]) -> Comparison:
    """Rank maps of the same picture, model and target under each operator.

    A winner is named only if the operators agree (Kendall's W of at least 0.6), if it is the first or shares the
    first place under most of them, and if its own verdict is ``faithful``.

    Args:
        receipts: By the name of the map; at least two, made by one protocol.

    Raises:
        ValueError: Fewer than two maps, or receipts that do not compare: other protocols, or fewer than two
            operators that counted for all.

    References:
        Kendall, Babington Smith. "The problem of m rankings", Annals of Mathematical Statistics 10, 1939.
    """
    scores = {name: _scores(receipt) for name, receipt in receipts.items()}
    operators = _comparable(receipts, scores)
    srg = {name: tuple(found[one] for one in operators) for name, found in scores.items()}
    ranks = [mean_ranks([-srg[name][place] for name in srg]) for place in range(len(operators))]
    mean_rank = {name: sum(row[place] for row in ranks) / len(ranks) for place, name in enumerate(srg)}
    agreement = kendalls_w(ranks)
    winner, reason = _winner(receipts, ranks, mean_rank, agreement)
    return Comparison(
        operators=operators,
        srg=srg,
        mean_rank=mean_rank,
        spread={name: max(values) - min(values) for name, values in srg.items()},
        sign_agreement={
            name: sum(value > 0 for value in values) / len(values) for name, values in srg.items()
        },
        kendalls_w=agreement,
        winner=winner,
        reason=reason,
    )


def _scores(receipt: Receipt) -> dict[str, float]:
    return {one.name: one.srg for one in receipt.operators if one.counted}


def _comparable(
    receipts: Mapping[str, Receipt], scores: Mapping[str, Mapping[str, float]]
) -> tuple[str, ...]:
    if len(receipts) < 2:  # noqa: PLR2004 - one map cannot be ranked
        raise ValueError(f"{len(receipts)} map to compare; expected two or more")
    protocols = {receipt.protocol for receipt in receipts.values()}
    if len(protocols) > 1:
        raise ValueError(
            f"receipts of different protocols do not compare: {', '.join(sorted(protocols))}; measure all maps alike"
        )
    first = next(iter(scores.values()))
    shared = tuple(name for name in first if all(name in one for one in scores.values()))
    if len(shared) < 2:  # noqa: PLR2004 - one operator cannot agree with another
        raise ValueError(
            f"only {len(shared)} removal operator counted for all maps; expected two or more. Use receipt=full, whose "
            "five operators leave some where maps were made with one of them."
        )
    return shared


def _winner(
    receipts: Mapping[str, Receipt],
    ranks: Sequence[Sequence[float]],
    mean_rank: Mapping[str, float],
    agreement: float | None,
) -> tuple[str | None, str]:
    if agreement is None or agreement < LEAST_AGREEMENT:
        told = "all maps score alike" if agreement is None else f"Kendall's W {agreement:.2f}"
        return None, f"The ranking is not robust: the removal operators disagree ({told})."
    best, runner_up = sorted(mean_rank, key=lambda name: mean_rank[name])[:2]
    place = list(mean_rank).index(best)
    leads = sum(row[place] == min(row) for row in ranks)
    if mean_rank[best] == mean_rank[runner_up] or 2 * leads <= len(ranks):
        return (
            None,
            f"The ranking is not robust: {best} leads under {leads} of {len(ranks)} removal operators.",
        )
    if receipts[best].verdict != "faithful":
        return None, f"{best} ranks first, but its own verdict is: {receipts[best].verdict}."
    return (
        best,
        f"{best} leads under {leads} of {len(ranks)} removal operators, which agree (W {agreement:.2f}).",
    )
