"""The public shape of a receipt. Fields are added, never renamed; docs/receipt.md says what they mean."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProtocolBody(_Part):
    """How the receipt was made: every convention on which its numbers depend."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(description="fast or full.")
    version: str = Field(description="Receipts of different versions do not compare.")
    seed: int = Field(description="Of everything random in it.")
    grid: tuple[int, int] = Field(
        description="Rows and columns of cells; an image of fewer pixels has fewer."
    )
    steps: int = Field(description="Strides from the whole image to none of it.")
    random_orders: int = Field(description="Per operator.")
    operators: Mapping[str, str] = Field(description="Removal operators, and what removed pixels show.")
    thresholds: Mapping[str, float] = Field(description="Where verdicts part.")


class AreaBody(_Part):
    """Areas under the curves of random orders."""

    mean: float
    deviation: float


class BaselineBody(_Part):
    """What the model sees in an image that is nothing but replacement."""

    neutral: bool = Field(description="No class stands out, and the target is not among the winners.")
    predicted_class: int
    largest_probability: float
    entropy_share: float = Field(description="Of its maximum: 1 says nothing, 0 is certain.")
    target_probability: float


class OperatorBody(_Part):
    """One removal operator."""

    name: str
    counted: bool = Field(description="Whether the verdict rests on it.")
    circular: bool = Field(description="Whether the map was made with it.")
    removed_fraction: tuple[float, ...] = Field(description="Of the cells, at each step.")
    morf: tuple[float, ...] = Field(description="Probability of the target, most relevant first.")
    lerf: tuple[float, ...] = Field(description="Probability of the target, least relevant first.")
    random: tuple[float, ...] = Field(description="Mean over random orders.")
    random_standard_error: tuple[float, ...] = Field(description="Of that mean.")
    auc_morf: float = Field(description="In [0, 1]; lower is better.")
    auc_lerf: float = Field(description="In [0, 1]; higher is better.")
    auc_random: AreaBody
    srg: float = Field(description="auc_lerf - auc_morf; 0 is chance.")
    mrg: float = Field(description="Mean of auc_random - auc_morf.")
    lrg: float = Field(description="auc_lerf - mean of auc_random.")
    log_odds_srg: float = Field(description="srg in log-odds: what is held against chance.")
    random_deviation: float = Field(description="By how much chance alone moves log_odds_srg.")
    z_score: float = Field(description="log_odds_srg in such deviations.")
    p_value: float = Field(description="How often a random order would do at least as well.")
    percentile: float = Field(description="Random orders that do worse, in percent.")
    baseline: BaselineBody


class TestBody(_Part):
    """A mean over the operators that count, against chance."""

    srg_mean: float
    log_odds_srg_mean: float
    z_score: float
    p_value: float


class ControlBody(TestBody):
    """A map that knows nothing of the model."""

    beaten_under: int = Field(description="Operators under which the judged map does better.")
    of_operators: int


class SummaryBody(TestBody):
    """The operators that count, together."""

    probability: float = Field(description="Of the target on the whole image.")
    degrees_of_freedom: int = Field(description="Of the Student t test.")
    random_deviation: float = Field(description="By how much chance alone moves log_odds_srg_mean, at most.")
    gain: float = Field(description="srg_mean over the probability at stake.")
    srg_spread: float = Field(description="Largest less smallest SRG of the operators.")
    sign_agreement: float = Field(description="Share of the operators under which srg is above 0.")
    beyond_controls: TestBody | None = Field(description="What the map says beyond trivial maps.")
    explained_by_controls: float = Field(description="Share of the variance of its ranks.")


class NothingCounted(_Part):
    """Empty: no operator could be counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SparsenessBody(_Part):
    """How concentrated the map is; says nothing about faithfulness."""

    gini: float | None
    entropy_share: float | None


class MagnitudeBody(_Part):
    """The map's sums against the model's losses, under one operator."""

    operator: str
    saco: float | None = Field(description="1 perfect, about 0 chance, -1 upside down.")
    mu_fidelity: float | None = Field(description="1 perfect, 0 chance, -1 upside down.")
    mu_fidelity_rank: float | None
    normalised_infidelity: float | None = Field(description="0 perfect, 1 says nothing.")


class LuckBody(_Part):
    """The map against random maps that are as smooth; no verdict is drawn from it."""

    maps: int = Field(description="Random maps per operator.")
    log_odds_srg_mean: float
    random_deviation: float
    degrees_of_freedom: int
    z_score: float
    p_value: float = Field(description="How often a random map as smooth would do at least as well.")
    forwards: int


class MagnitudesBody(_Part):
    """Whether magnitudes are right, and not only their order."""

    operators: tuple[MagnitudeBody, ...]
    forwards: int
    groups: int
    subsets: int
    subset_share: float


class PixelScoreBody(_Part):
    """Curves over pixels, under one operator; no verdict is drawn from them."""

    operator: str
    removed_fraction: tuple[float, ...]
    morf: tuple[float, ...]
    lerf: tuple[float, ...]
    auc_morf: float
    auc_lerf: float
    auc_random: float
    srg: float
    mrg: float
    lrg: float


class PixelsBody(_Part):
    """The panel with every pixel a cell of its own."""

    operators: tuple[PixelScoreBody, ...]
    forwards: int


class StabilityBody(_Part):
    """How much the map changes when the image hardly does; lower bounds of the largest changes."""

    max_sensitivity: float | None
    relative_output_stability: float | None
    label_changes: int
    draws: int
    radius: float
    forwards: int


class AgreementBody(_Part):
    """Two maps of the same image."""

    spearman: float | None
    top_tenth_overlap: float


class RepeatabilityBody(_Part):
    """The same method once more, with another seed and with another baseline."""

    second_seed: AgreementBody | None
    second_baseline: AgreementBody | None
    baseline: str
    forwards: int


class LocalisationBody(_Part):
    """Where the map points, against the mask or boxes that were sent; no measure of faithfulness."""

    pointing_game: float
    relevance_mass: float | None
    relevance_rank: float
    chance: float = Field(description="What every one of them is for a map drawn without looking.")


class MeasuresBody(_Part):
    """What else was asked for; null where it was not, where a deadline came first, or of a map without a score."""

    luck: LuckBody | None
    magnitude: MagnitudesBody | None
    pixels: PixelsBody | None
    stability: StabilityBody | None
    repeatability: RepeatabilityBody | None
    localisation: LocalisationBody | None


class ReceiptBody(_Part):
    """How faithful the map is to the model on this picture, and by which rules that was measured."""

    protocol: ProtocolBody
    verdict: str = Field(description="faithful, mixed, indistinguishable from random, or cannot be scored.")
    reason: str
    operators: tuple[OperatorBody, ...] = Field(description="Scores by removal operator.")
    controls: Mapping[str, ControlBody] = Field(description="Trivial maps, where the protocol measures them.")
    summary: SummaryBody | NothingCounted
    sparseness: SparsenessBody
    measures: MeasuresBody = Field(description="Beside the verdict, and never part of it.")
    forwards: int = Field(description="Forward passes that the receipt took, measures included.")
    warnings: tuple[str, ...]


def receipt_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of a receipt, draft 2020-12."""
    schema: dict[str, Any] = ReceiptBody.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Receipt"}
