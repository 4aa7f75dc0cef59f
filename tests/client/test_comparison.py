"""Rankings of maps of one picture, whose outcome is known beforehand."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from saliserve_client import Receipt, compare
from saliserve_client.answers import explanation
from saliserve_client.exchange import Reply

from tests.client.answers import explain_answer, operator


def receipt(srg: Sequence[float], *, verdict: str = "faithful", counted: Sequence[str] = ()) -> Receipt:
    answer = explain_answer()
    names = [f"operator {place}" for place in range(len(srg))]
    answer["receipt"]["operators"] = [
        operator(name, one, 3.0) | {"counted": not counted or name in counted}
        for name, one in zip(names, srg, strict=True)
    ]
    answer["receipt"]["verdict"] = verdict
    found = explanation(Reply(200, {}, json.dumps(answer).encode())).receipt
    assert found is not None
    return found


def test_a_map_that_leads_everywhere_wins() -> None:
    found = compare({"a": receipt([0.1, 0.2, 0.3]), "b": receipt([0.4, 0.5, 0.6])})
    assert (found.winner, found.kendalls_w) == ("b", 1)
    assert found.mean_rank == {"a": 2, "b": 1}
    assert found.spread["a"] == pytest.approx(0.2)


def test_operators_that_disagree_name_no_winner() -> None:
    found = compare({"a": receipt([0.1, 0.5]), "b": receipt([0.4, 0.2])})
    assert (found.winner, found.kendalls_w) == (None, 0)
    assert "not robust" in found.reason


def test_the_best_of_maps_that_are_not_faithful_is_no_winner() -> None:
    found = compare(
        {"a": receipt([0.01, 0.01], verdict="mixed"), "b": receipt([-0.1, -0.2], verdict="mixed")}
    )
    assert found.winner is None
    assert "mixed" in found.reason
    assert found.sign_agreement == {"a": 1, "b": 0}


def test_equal_maps_share_their_place() -> None:
    found = compare({"a": receipt([0.1, 0.2]), "b": receipt([0.1, 0.2])})
    assert (found.winner, found.kendalls_w) == (None, None)
    assert found.mean_rank == {"a": 1.5, "b": 1.5}


def test_only_operators_that_count_for_all_are_compared() -> None:
    """A map made with one of them is not judged by it."""
    some = receipt([0.1, 0.2, 0.9], counted=["operator 0", "operator 1"])
    found = compare({"a": some, "b": receipt([0.4, 0.5, 0.1])})
    assert found.operators == ("operator 0", "operator 1")
    assert found.winner == "b"


@pytest.mark.parametrize(
    ("receipts", "what"),
    [
        ({"a": receipt([0.1, 0.2])}, "1 map"),
        ({"a": receipt([0.1]), "b": receipt([0.2])}, "only 1 removal operator"),
        (
            {"a": receipt([0.1, 0.2]), "b": replace(receipt([0.1, 0.2]), protocol="panel 2")},
            "different protocols",
        ),
    ],
)
def test_what_does_not_compare_is_refused(receipts: dict[str, Receipt], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        compare(receipts)
