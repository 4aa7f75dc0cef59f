"""Constructed winners are found, constructed ties are not, and what does not compare is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saliserve_client.cli import main
from saliserve_client.dataset import scores
from saliserve_client.dataset.compare import Comparison, compare
from saliserve_client.errors import FileError, OptionError

from tests.client.dataset.receipts import row
from training import receipts

OPERATORS = ("blur", "mean", "road")
OTHER = "6" * 64


def rows(
    means: dict[str, dict[str, float]], *, images: int = 30, noise: float = 0.05, seed: int = 0
) -> list[dict[str, Any]]:
    """A row per image and method: the mean by method and operator, plus noise that the image shares."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal(images) * 0.2
    return [
        row(
            f"{image}",
            {name: mean + shared[image] + noise * random.standard_normal() for name, mean in own.items()},
            method=method,
        )
        for image in range(images)
        for method, own in means.items()
    ]


def even(mean: float) -> dict[str, float]:
    return dict.fromkeys(OPERATORS, mean)


def test_a_method_that_is_better_under_every_operator_wins() -> None:
    """By 0.1, where a paired difference has a standard error of 0.05 * sqrt(2 / 30) = 0.013."""
    found = compare(rows({"first": even(0.1), "best": even(0.3), "second": even(0.2)}))

    assert found.outcome == "best"
    assert found.kendalls_w == 1
    assert found.reason.startswith("above each of 2 rivals under every one of 3 operators")


def test_pairing_finds_what_the_images_hide() -> None:
    """The methods' own intervals overlap, since images differ by far more than methods."""
    found = compare(rows({"a": even(0.20), "b": even(0.25)}))

    first, second = found.judgements[0].means
    assert first.high > second.low
    assert found.outcome == "b"


def test_one_operator_that_disagrees_takes_the_win_away() -> None:
    found = compare(rows({"a": even(0.3), "b": {**even(0.1), "road": 0.4}}))

    assert found.winner is None
    assert found.outcome == "no robust winner"
    assert found.reason.startswith("a has the highest mean, but under road it is not above b (")


def test_equals_have_no_winner() -> None:
    assert compare(rows({"a": even(0.2), "b": even(0.2), "c": even(0.2)})).winner is None


@pytest.mark.parametrize(("methods", "nominal"), [(2, 0.05), (4, 0.05)])
def test_null_data_sets_hardly_ever_have_a_winner(methods: int, nominal: float) -> None:
    """300 data sets of 20 images without any difference, operators correlated by 0.8.

    For two methods a winner is a two-sided test at 5 % that all operators must pass; with more methods it must
    beat each. Three standard errors of 300 trials are 3.8 %.
    """
    random = np.random.default_rng(1)
    winners = 0
    for trial in range(300):
        own = random.standard_normal((20, methods, 1)) * np.sqrt(0.8)
        noise = random.standard_normal((20, methods, 3)) * np.sqrt(0.2)
        values = 0.05 * (own + noise)
        made = [
            row(
                f"{image}",
                dict(zip(OPERATORS, values[image, method].tolist(), strict=True)),
                method=f"m{method}",
            )
            for image in range(20)
            for method in range(methods)
        ]
        winners += compare(made, seed=trial, resamples=200).winner is not None

    assert winners / 300 < nominal + 0.038


def test_few_images_have_no_winner() -> None:
    found = compare(rows({"a": even(0.1), "b": even(0.9)}, images=9))

    assert found.winner is None
    assert found.reason == "9 images in common are too few; at least 10 are needed"


def test_one_operator_is_not_enough() -> None:
    found = compare(rows({"a": {"blur": 0.1}, "b": {"blur": 0.9}}))

    assert found.winner is None
    assert found.reason == "1 operators are valid for everybody; at least 2 must agree"


def test_an_operator_that_does_not_count_for_somebody_judges_nobody() -> None:
    """Such as one that a method was made with."""
    made = rows({"a": even(0.1), "b": {**even(0.3), "road": -0.9}})
    for one in made:
        receipt = json.loads(one["receipt"])
        for operator in receipt["operators"]:
            operator["counted"] = not (one["method"] == "a" and operator["name"] == "road")
        one["receipt"] = json.dumps(receipt)

    found = compare(made)

    assert {one.operator: one.valid for one in found.judgements} == {
        "blur": True,
        "mean": True,
        "road": False,
    }
    assert found.outcome == "b"


def test_only_images_that_all_were_measured_on_for_the_same_class_count() -> None:
    made = rows({"a": even(0.1), "b": even(0.3)})
    made.append(row("only a", even(0.9), method="a"))
    made[0]["target_index"] = 4

    found = compare(made)

    assert (found.images, found.left_out) == (29, 2)


def test_copies_of_an_image_count_once() -> None:
    made = rows({"a": even(0.1), "b": even(0.3)})
    copies = [{**one, "image": "copy.jpg", "duplicate_of": one["image"]} for one in made]

    assert compare([*made, *copies]) == compare(made)


def across(measure: str | None = None) -> Comparison:
    """A timid model (0.5 to 0.1) and a sure one (0.9 to 0.1); their maps get a quarter of what is at stake."""
    made = []
    random = np.random.default_rng(2)
    for image in range(20):
        for model, probability in (("5" * 64, 0.5), (OTHER, 0.9)):
            at_stake = probability - 0.1
            own = {name: (0.25 + 0.01 * random.standard_normal()) * at_stake for name in OPERATORS}
            made.append(row(f"{image}", own, model=model, probability=probability))
    return compare(made, measure=measure)


def test_raw_scores_of_two_models_are_refused_with_the_reason() -> None:
    """The sure model's raw SRG is twice the other's, though both maps find the same share of what there is."""
    with pytest.raises(OptionError, match="a less confident model has less probability to lose"):
        across("srg")


def test_models_are_compared_by_gain() -> None:
    found = across()

    assert found.measure == "gain"
    assert found.winner is None
    assert [mean.mean for mean in found.judgements[0].means] == pytest.approx([0.25, 0.25], abs=0.01)
    assert found.names == ("model-5 1: grad_cam", "model-6 1: grad_cam")


def test_an_image_with_hardly_anything_at_stake_decides_no_mean_of_gains() -> None:
    """Gains of 0.2 and 0.3 on 20 images; and one of -0.03 over 0.03, which is -1 and as much as five of these."""
    random = np.random.default_rng(3)
    made = []
    for image in range(20):
        for model, gain in (("5" * 64, 0.2), (OTHER, 0.3)):
            own = {name: (gain + 0.01 * random.standard_normal()) * 0.8 for name in OPERATORS}
            made.append(row(f"{image}", own, model=model))
    made.append(row("timid", even(0.03), model="5" * 64, probability=0.13))
    made.append(row("timid", even(-0.03), model=OTHER, probability=0.13))

    found = compare(made)

    assert [one.images for one in found.judgements] == [20, 20, 20]
    assert [mean.mean for mean in found.judgements[0].means] == pytest.approx([0.2, 0.3], abs=0.01)
    assert found.outcome.startswith("model-6")


def test_small_stakes_count_where_nothing_is_divided_by_them() -> None:
    """Within a model SRG is compared, and what the receipt counts is counted."""
    made = rows({"a": even(0.01), "b": even(0.02)})
    timid = [row(one["sha256"], even(0.0), method=one["method"], probability=0.15) for one in made]

    assert [one.images for one in compare(timid).judgements] == [30, 30, 30]
    assert [one.images for one in compare(timid, measure="gain").judgements] == [0, 0, 0]


def test_gains_mean_the_same_here_and_in_the_reports_of_training() -> None:
    assert scores.LEAST_AT_STAKE == receipts.LEAST_AT_STAKE


def test_options_that_differ_are_in_the_name() -> None:
    made = rows({"a": even(0.1)})
    more = [{**one, "parameters": '{"samples":24,"noise":0.1}'} for one in made]
    less = [{**one, "parameters": '{"samples":8,"noise":0.1}'} for one in made]

    assert compare([*more, *less]).names == ("a samples=24", "a samples=8")
    assert compare([*made, *[{**one, "seed": 1} for one in made]]).names == ("a seed=0", "a seed=1")


def test_one_contestant_is_described_and_wins_nothing() -> None:
    found = compare(rows({"a": even(0.2)}))

    assert found.winner is None
    assert found.reason == "there is only one contestant"
    assert found.kendalls_w is None
    assert found.judgements[0].means[0].mean == pytest.approx(0.2, abs=0.2)


def test_receipts_of_different_protocols_are_refused() -> None:
    with pytest.raises(FileError, match="different protocols"):
        compare([*rows({"a": even(0.1)}), row("0", even(0.1), method="b", version="1")])


def test_tables_without_receipts_are_refused() -> None:
    with pytest.raises(FileError, match="no receipts"):
        compare([row("0", even(0.1), receipt=None)])


def test_a_broken_receipt_is_named() -> None:
    with pytest.raises(FileError, match=r"receipt of 0\.jpg"):
        compare([row("0", even(0.1), receipt="{}")])


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., str]:
    def write(name: str, made: list[dict[str, Any]]) -> str:
        path = tmp_path / name
        path.write_text("".join(json.dumps(one) + "\n" for one in made), "utf-8")
        return str(path)

    return write


def test_the_command_compares_tables(table: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    made = rows({"a": even(0.1), "b": even(0.3)})
    files = [table(f"{method}.jsonl", [one for one in made if one["method"] == method]) for method in "ab"]

    assert main(["compare", *files]) == 0

    told = capsys.readouterr().out
    assert "30 in common" in told
    assert "Kendall's W 1.00 over 3 operators: the operators agree on the order" in told
    assert "outcome    B" in told

    assert main(["compare", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"] == "b"
    assert [one["name"] for one in found["contestants"]] == ["a", "b"]
    assert found["operators"][0]["differences"][0]["high"] < 0


def test_the_command_refuses_raw_scores_across_models(
    table: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [table(f"{model[0]}.jsonl", [row("0", even(0.1), model=model)]) for model in ("5" * 64, OTHER)]

    assert main(["compare", *files, "--measure", "srg"]) == 2
    assert "SRG does not compare across models" in capsys.readouterr().err


def test_the_report_shows_means_and_intervals(
    table: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table("t.jsonl", rows({"a": even(0.2)}))

    assert main(["report", file, "--json"]) == 0

    page = (tmp_path / "t.jsonl.html").read_text("utf-8")
    mean = compare(rows({"a": even(0.2)})).judgements[0].means[0]
    assert "Over the images" in page
    assert f"{mean.mean:+.3f} [{mean.low:+.3f}, {mean.high:+.3f}]" in page
    assert json.loads(capsys.readouterr().out)["outcome"] is None, "one contestant cannot win"
